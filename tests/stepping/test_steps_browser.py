"""The page of steps in a browser: two widths, light and dark, keys, without scripts, in print."""

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.browser import browser as browser

SHOWN = "[...document.querySelectorAll('article')].filter(s => s.offsetHeight).map(s => s.id)"


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    model = tg.nn.Sequential(tg.nn.Linear(2, 3, rng=rng), tg.nn.Tanh(), tg.nn.Linear(3, 2, rng=rng))
    prediction = tg.softmax(model(np.array([[0.5, -1.0]])))
    return tg.steps(tg.nn.categorical_cross_entropy(prediction, np.array([[1.0, 0.0]])))


@pytest.fixture
def opened(browser, found, tmp_path):
    """A function that opens the page, and notes what goes wrong on it."""
    contexts = []

    def open_page(width=1400, scheme="light", **more):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme,
                                      offline=True, **more)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda asked: page.complaints.append(asked.url)
                if not asked.url.startswith(("file:", "data:")) else None)
        found.save(tmp_path / "steps.html")
        page.goto((tmp_path / "steps.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_every_step_fits_the_page_and_nothing_goes_wrong(opened, found, width, scheme):
    page = opened(width, scheme)
    for number in range(1, len(found) + 1):
        assert page.evaluate(SHOWN) == [f"s{number}"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.press("ArrowRight")
    assert page.complaints == []


def test_keys_buttons_slider_and_boxes_lead_through_the_steps(opened, found):
    page = opened()
    for key, shown in (("End", len(found)), ("ArrowLeft", len(found) - 1), ("Home", 1),
                       ("ArrowRight", 2)):
        page.keyboard.press(key)
        assert page.evaluate(SHOWN) == [f"s{shown}"]
    page.get_by_label("step forward").click()
    assert page.locator("output").inner_text() == f"step 3 of {len(found)}"
    page.locator("g[data-box]", has_text="a2").click()
    names = page.evaluate(SHOWN)
    assert "ā2" in page.locator(f"#{names[0]} h3").inner_text()
    page.locator("input[type=range]").fill("1")
    assert page.evaluate(SHOWN) == ["s1"]


def test_box_arrows_and_lines_of_a_step_are_lit(opened, found):
    page = opened()
    for number, step in enumerate(found):
        assert page.locator(".graph .lit").text_content().strip() == step.of
        lit = page.locator(".program .lit").all_inner_texts()
        assert [line.strip() for line in lit] == list(step.code)
        gradient = page.locator(".graph .lit.gradient").count()
        assert gradient == (step.kind == "backward")
        assert page.locator(".graph path.back").count() == (1 if number > 4 else 0)
        page.keyboard.press("ArrowRight")


def test_the_numbers_that_are_shown_are_those_of_the_backward_pass(opened, found):
    page = opened()
    for number, step in enumerate(found, 1):
        cells = page.locator(f"#s{number} .array td").all_text_contents()
        shown = [float(cell.replace("−", "-")) for cell in cells]
        np.testing.assert_allclose(shown, step.value.ravel(), rtol=5e-3, atol=1e-12)


def test_without_scripts_and_in_print_all_steps_can_be_read(opened, found):
    every = [f"s{n}" for n in range(1, len(found) + 1)]
    page = opened(java_script_enabled=False)
    assert page.locator("article:visible").count() == len(found)
    assert not page.locator(".controls").is_visible()
    page = opened()
    page.emulate_media(media="print")
    assert page.evaluate(SHOWN) == every and not page.locator(".controls").is_visible()


def test_a_notebook_without_frames_shows_the_animation(browser, found):
    page = browser.new_page(viewport={"width": 900, "height": 700})
    picture = page.get_by_alt_text("the steps of one pass")
    page.set_content(found._repr_html_())
    page.frame_locator("iframe").get_by_text("step 1 of").wait_for()
    box = picture.bounding_box()
    at = f"document.elementFromPoint({box['x'] + 20}, {box['y'] + 20}).tagName"
    assert page.evaluate(at) == "IFRAME"  # which covers it
    # What code hosts and notebooks that are not trusted do.
    page.evaluate("document.querySelectorAll('iframe').forEach(e => e.remove())")
    assert picture.bounding_box()["width"] > 400
    page.close()
