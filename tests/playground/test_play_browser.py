"""The playground in a browser: it shows what is computed, and each control does its part."""

import json
import re
import struct
from itertools import pairwise

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.browser import browser as browser
from tinygrad_mlp.playground import examples, play
from tinygrad_mlp.playground.settings import LOSSES, PlaySettings
from tinygrad_mlp.playground.trainer import built


@pytest.fixture
def opened(browser):
    """A function that opens the page of a playground; complaints fail the test at its end."""
    made, complaints = [], []

    def open_page(width=1400, scheme="light", motion="no-preference", data="spirals", **settings):
        playground = play(data=data, **settings)
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme,
                                      reduced_motion=motion, accept_downloads=True)
        made.append((playground, context))
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        own = playground.url.split("/")[2]
        page.on("request", lambda asked: complaints.append(asked.url)
                if own not in asked.url and not asked.url.startswith(("data:", "blob:")) else None)
        page.goto(playground.url)
        page.get_by_role("status").first.filter(has_text="step 0").wait_for()
        return page, playground.session

    yield open_page
    for playground, context in made:
        context.close()
        playground.close()
    assert complaints == []


def shown(page, text):
    page.get_by_role("status").first.filter(has_text=text).wait_for(timeout=10_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_fits_runs_and_pauses_by_key(opened, width, scheme):
    page, session = opened(width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("r")
    page.get_by_role("button", name="Pause").wait_for()
    page.locator(".tg-play .legend", has_text="step 1").first.wait_for()
    page.keyboard.press("r")
    page.get_by_role("button", name="Run", exact=True).wait_for()
    page.get_by_text("Show the steps of one pass").click()
    page.locator(".tg-steps").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_steps_in_the_browser_are_those_of_fit_bit_for_bit(opened):
    page, session = opened(hidden=(4,), lr=0.05)
    for step in range(1, 4):
        page.keyboard.press("s")
        shown(page, f"step {step},")
    page.keyboard.press("e")
    shown(page, "step 24,")
    settings, data = PlaySettings(hidden=(4,), lr=0.05), examples("spirals")
    model = built(settings, 2, 3)
    adam = tg.optim.Adam(model.parameters(), lr=0.05)
    tg.fit(model, LOSSES["cross entropy"], adam, data.X, data.Y, epochs=1,
           batch_size=10, rng=np.random.default_rng(0), compiled=False)
    ours = session.experiment.trainers[0].model.parameters()
    for a, b in zip(ours, model.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    loss, accuracy = tg.evaluate(model, LOSSES["cross entropy"], data.X, data.Y)
    text = page.get_by_role("status").first.inner_text()
    assert f"loss {loss:.3g}" in text and f"accuracy {100 * accuracy:.1f} %" in text


def test_the_numbers_of_the_steps_are_those_of_backward(opened):
    page, session = opened(hidden=(3,))
    page.keyboard.press("s")
    shown(page, "step 1,")
    page.get_by_label("number of the sample").fill("2")
    page.get_by_text("Show the steps of one pass").click()
    page.locator(".tg-steps.stepping").wait_for()
    trainer, data = session.experiment.trainers[0], session.experiment.data
    model = trainer.copied_model()
    loss = trainer.runner.loss(model(data.X_test[2:3]), data.Y_test[2:3])
    for step in tg.steps(loss):
        title = page.locator(".tg-steps article").filter(
            has=page.locator("h3", has_text=f" {step.name}")).first
        cells = title.locator(".array td").all_text_contents()
        found = [float(cell.replace("−", "-")) for cell in cells]
        np.testing.assert_allclose(found, step.value.ravel(), rtol=5e-3, atol=1e-12)


def test_a_click_on_a_neuron_or_a_weight_opens_its_step_and_follows_it(opened):
    page, session = opened(hidden=(3,))
    canvas = page.locator("canvas[role=img]").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    node, row, top = 40, 50, 24  # as play.js lays them out: two inputs, three neurons
    across = (box["width"] - node) / 2

    def at(x, y):
        page.mouse.click(box["x"] + x, box["y"] + y)

    at(across + node / 2, top + 2 * row + node / 2)
    heading = page.locator(".tg-steps article.shown h3")
    heading.filter(has_text="a2").wait_for()
    assert session.experiment.picked.neuron == 2
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    # In the middle between the first input and the first neuron.
    at((node + across) / 2, (top + row / 2 + top + node) / 2)
    heading.filter(has_text="W1").wait_for()
    picked = session.experiment.picked
    assert (picked.layer, picked.neuron, picked.source) == (1, 0, 0)
    followed = page.locator(".tg-steps article.shown tr.followed")
    assert "[0, 0]" in followed.inner_text()


def test_each_control_changes_its_setting(opened):
    page, session = opened()
    for label, value, name, wanted in (
            ("activation", "relu", "activation", "relu"), ("optimizer", "sgd", "optimizer", "sgd"),
            ("loss", "squared error", "loss", "squared error"),
            ("initial weights", "he", "init", "he"), ("at most steps/s", "50", "rate", 50)):
        page.get_by_label(label, exact=True).select_option(value)
        wait_for(page, session, name, wanted)
    for label, value, name, wanted in (
            ("learning rate", "0.3", "lr", 0.3), ("batch", "25", "batch", 25),
            ("hidden layers", "3, 2", "hidden", (3, 2))):
        box = page.get_by_label(label, exact=True).last
        box.fill(value)
        box.press("Tab")
        wait_for(page, session, name, wanted)
    page.locator("h2").first.click()
    page.keyboard.press("0")
    wait_for(page, session, "seed", 1)


def wait_for(page, session, name, wanted):
    for _ in range(200):
        if getattr(session.experiment.settings, name) == wanted:
            return
        page.wait_for_timeout(20)
    raise AssertionError((name, getattr(session.experiment.settings, name), wanted))


def test_a_wrong_rule_gives_the_banner_that_names_operation_and_argument(opened):
    page, session = opened()
    page.get_by_label("wrong rule").select_option("g (1 − y)")
    banner = page.get_by_role("alert")
    banner.filter(has_text="tanh").wait_for()
    assert "'x'" in banner.inner_text() and "wrong value" in banner.inner_text()
    page.get_by_label("wrong rule").select_option("")
    banner.filter(has_text="is right").wait_for()


def test_a_drawing_is_classified_and_shown_as_the_network_sees_it(opened):
    page, session = opened(data="digits", hidden=(8,), batch=32)
    for _ in range(3):
        session.submit(None, {"do": "step", "unit": "epoch"})
    box = page.get_by_label("draw a digit").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 20, steps=8)
    page.mouse.up()
    page.get_by_text("your drawing").wait_for()
    assert page.locator(".answer meter").count() == 10
    assert page.locator(".seen").evaluate("c => c.width") == 8


@pytest.mark.parametrize(("what", "name"), [("program", "train.py"),
                                            ("weights", "weights.safetensors")])
def test_files_are_downloaded(opened, what, name, tmp_path):
    page, session = opened()
    with page.expect_download() as found:
        page.get_by_role("button", name=what, exact=True).click()
    assert found.value.suggested_filename == name
    found.value.save_as(tmp_path / name)
    assert (tmp_path / name).stat().st_size > 300


def test_a_rival_is_shown_beside(opened):
    page, session = opened(1400, "dark", data="digits")
    page.get_by_label("begin with").select_option("vanishing gradient")
    page.locator(".norms", has_text="squared error").wait_for()
    assert page.locator(".norms meter").count() == 8
    page.emulate_media(color_scheme="light")
    assert page.locator(".answer meter").count() == 2
    assert "same weights" in page.locator(".tg-play").inner_text()


def test_with_reduced_motion_there_are_about_two_frames_a_second(opened):
    page, session = opened(motion="reduce")
    sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(data)))
    page.reload()
    shown(page, "step 0")
    page.keyboard.press("r")
    page.wait_for_timeout(2000)
    acks = [message for message in sent if json.loads(message)["do"] == "ack"]
    assert 1 <= len(acks) <= 6


def test_each_frame_is_drawn_before_the_next_one_comes(opened):
    page, session = opened()
    told = []  # in order

    def listen(socket):
        socket.on("framesent", lambda text: told.append(json.loads(text)["do"]))
        socket.on("framereceived", lambda data: told.append(kind_of(data)))

    page.on("websocket", listen)
    page.reload()
    shown(page, "step 0")
    page.keyboard.press("r")
    page.locator(".tg-play .legend", has_text="step 2").first.wait_for()
    page.keyboard.press("r")
    page.get_by_role("button", name="Run", exact=True).wait_for()
    frames = [each for each in told if each in ("frame", "ack")]
    assert frames.count("frame") > 2
    assert all({a, b} == {"frame", "ack"} for a, b in pairwise(frames))
    # A command is answered by one of the two frames that come next.
    assert frames.count("frame") - 2 <= told[:last(told, "run")].count("frame")


def kind_of(data):
    (length,) = struct.unpack("<I", data[:4])
    return json.loads(data[4:4 + length])["type"]


def last(told, what):
    return len(told) - 1 - told[::-1].index(what)


def test_a_lost_connection_is_shown(opened):
    page, session = opened()
    page.evaluate("WebSocket.prototype.lost = true")
    for view in list(session.views):
        view._connection.close()
    page.get_by_role("alert").filter(has_text="connection is lost").wait_for()
    page.get_by_role("alert").filter(has_text="connection is lost").wait_for(state="detached")
    page.keyboard.press("s")
    shown(page, "step 1,")


def test_a_page_too_many_tries_less_often(opened):
    page, session = opened()
    page.clock.install()
    page.add_init_script("""  // each socket opens, and is closed before the first message
        const add = WebSocket.prototype.addEventListener;
        WebSocket.prototype.addEventListener = function (kind, told) {
          if (kind === "message") return;
          add.call(this, kind, told);
          if (kind === "close") add.call(this, "open", () => this.close());
        };""")
    page.reload()
    for seconds in (1, 2, 4):
        page.get_by_role("alert").filter(has_text=f"again in {seconds} s").wait_for()
        page.clock.run_for(1000 * seconds)


def test_where_nobody_answers_it_tries_less_often_and_then_waits_for_a_button(opened):
    page, session = opened()
    page.clock.install()
    tried = []
    page.route_web_socket(re.compile("socket"), lambda route: (tried.append(1), route.close()))
    page.reload()
    alert = page.get_by_role("alert")
    for seconds in (1, 2, 4, 8, 16, 32):
        alert.filter(has_text=f"again in {seconds} s").wait_for()
        page.clock.run_for(1000 * seconds)
    alert.filter(has_text="does not answer").wait_for()
    assert len(tried) == 7
    page.clock.run_for(3_600_000)
    assert len(tried) == 7
    page.get_by_role("button", name="Connect again").click()
    alert.filter(has_text="again in 1 s").wait_for()
    page.unroute_all()
