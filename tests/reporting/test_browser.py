"""The report as a browser shows it: at two widths, in light and in dark."""

import pytest

from tests.browser import browser as browser

SIZES = """selector => [...document.querySelectorAll(selector)].map(element => {
    const box = element.getBoundingClientRect();
    return [element.tagName + ' ' + element.textContent.slice(0, 40), box.width, box.height];
})"""

SMALL_TEXT = """() => [...document.querySelectorAll('main *')].filter(element => {
    const own = [...element.childNodes].some(n => n.nodeType == 3 && n.textContent.trim());
    if (!own || !element.getClientRects().length) return false;
    const matrix = element.getScreenCTM ? element.getScreenCTM() : null;
    const scale = matrix ? Math.hypot(matrix.a, matrix.b) : 1;
    const inMath = element.closest('math') !== null;
    return scale * parseFloat(getComputedStyle(element).fontSize) < (inMath ? 5 : 7);
}).map(element => element.tagName + ' ' + element.textContent)"""

CONTRASTS = """() => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const rgb = colour => {
        canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = element => {
        for (let e = element; e; e = e.parentElement) {
            const colour = rgb(getComputedStyle(e).backgroundColor);
            if (colour[3] == 255) return light(colour);
        }
    };
    return [...document.querySelectorAll(
        'h1, h2, h3, p, dt, dd, th, td, a, li span, li strong, li small, pre, pre *, summary, mi'
    )].filter(e => e.textContent.trim() && e.getClientRects().length).map(e => {
        const pair = [light(rgb(getComputedStyle(e).color)), behind(e)].sort((a, b) => b - a);
        return [e.tagName + ' ' + e.textContent.slice(0, 40), (pair[0] + 0.05) / (pair[1] + 0.05)];
    });
}"""


@pytest.fixture(scope="module", params=[(w, c) for w in (400, 1400) for c in ("light", "dark")],
                ids=lambda p: f"{p[0]}-{p[1]}")
def shown(request, browser, made):
    """The report, opened from disk with all that can be unfolded, and what went wrong."""
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    )
    page = context.new_page()
    page.complaints = complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda asked: complaints.append(asked.url))
    page.asked = asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(made.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.width, page.scheme = width, scheme
    yield page
    context.close()


def test_it_opens_without_complaints_and_fetches_nothing(shown, made):
    assert shown.complaints == []
    assert [url for url in shown.asked if not url.startswith("data:")] == [made.as_uri()]


def test_nothing_is_wider_than_the_window(shown):
    assert shown.evaluate("document.documentElement.scrollWidth") == shown.width
    for name, width, _ in shown.evaluate(SIZES, "section, h1, h2, h3, p, dl, pre, .scroll, li"):
        assert width <= shown.width, name


@pytest.mark.parametrize("selector", [
    "section", "h2", "svg", "svg text", "svg image", "li img", "math", "math mi", "math munder",
    "math mo", "table", "pre", "dl div", ".bar i",
])
def test_everything_is_visible(shown, selector):
    boxes = shown.evaluate(SIZES, selector)
    assert boxes
    for name, width, height in boxes:
        assert width > 0 and height > 0, name


def test_images_have_been_read(shown):
    read = "[...document.querySelectorAll('{} img')].map(i => i.complete && i.naturalWidth)"
    assert shown.evaluate(read.format("li")) == [8] * len(shown.query_selector_all("li img"))
    assert shown.evaluate(read.format("#pass"))[0] > 400


def test_mathematics_is_laid_out_as_such(shown):
    # A browser that knows no MathML would put numerator, shape and exponent in one line.
    for element, low in (("mfrac", 1), ("munder", 1)):
        for above, below in shown.evaluate(
            "tag => [...document.querySelectorAll(tag)].map(e => [...e.children]"
            ".map(c => c.getBoundingClientRect()).map(b => b.top + b.height / 2))", element
        ):
            assert below > above + low


def test_text_can_be_read(shown):
    assert shown.evaluate(SMALL_TEXT) == []


def test_text_stands_out_from_what_is_behind_it(shown):
    found = shown.evaluate(CONTRASTS)
    assert len(found) > 200
    for name, contrast in found:
        assert contrast >= 4.5, f"{name}: {contrast:.2f}"  # what WCAG 2.2 asks for, level AA


def test_the_page_is_as_dark_as_was_asked_for(shown):
    colour = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = max(int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(","))
    assert (brightness < 60) == (shown.scheme == "dark")


def test_curves_and_labels_of_figures_follow_the_page(shown):
    ink = shown.evaluate("getComputedStyle(document.body).color")
    fills = shown.evaluate(
        "[...document.querySelectorAll('#training svg text')].map(t => getComputedStyle(t).fill)"
    )
    assert set(fills) == {ink}
    strokes = shown.evaluate(
        "[...document.querySelectorAll('#training svg path')].map(t => getComputedStyle(t).stroke)"
    )
    blue = {"light": "rgb(0, 114, 178)", "dark": "rgb(93, 183, 234)"}[shown.scheme]
    assert blue in strokes


def test_numbers_of_a_matrix_follow_the_page_as_its_cells_do(shown):
    fills = shown.evaluate(
        "[...document.querySelectorAll('#answers svg text')].filter(t => "
        "t.style.fontWeight == 700).map(t => getComputedStyle(t).fill)"
    )
    assert fills and set(fills) == {shown.evaluate("getComputedStyle(document.body).color")}


def test_the_checks_of_a_page_find_what_is_wrong_in_one(browser):
    page = browser.new_page(viewport={"width": 400, "height": 300})
    page.set_content(
        "<body style='background: white'><main><p style='color: #aaa'>faint</p>"
        "<p style='font-size: 6px'>small</p><table></table>"
        "<h2 style='width: 900px'>wide</h2></main></body>"
    )
    assert [name for name, contrast in page.evaluate(CONTRASTS) if contrast < 4.5] == ["P faint"]
    assert page.evaluate(SMALL_TEXT) == ["P small"]
    assert page.evaluate("document.documentElement.scrollWidth") > 400
    ((_, width, height),) = page.evaluate(SIZES, "table")
    assert width * height == 0
    page.close()
