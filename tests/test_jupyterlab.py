"""JupyterLab: a playground twice on a page, the progress bar, plots and pictures; a new kernel."""

import json
import os
import secrets
import socket
import sys
import time
import urllib.request

import pytest

from tests import child
from tests.browser import browser as browser

pytestmark = pytest.mark.thorough

CELLS = [
    """import numpy as np
import tinygrad_mlp as tg

playground = tg.play(data="circles", hidden=(3,), rate=50)
playground""",
    "playground",
    """rng = np.random.default_rng(0)
X = rng.normal(size=(400, 2))
model = tg.nn.Sequential(tg.nn.Linear(2, 8, rng=rng), tg.nn.Tanh(), tg.nn.Linear(8, 2, rng=rng))
adam = tg.optim.Adam(model.parameters())
history = tg.fit(model, tg.nn.softmax_cross_entropy, adam, X, np.eye(2)[(X[:, 0] > 0) * 1],
                 epochs=3, monitor=True, rng=rng, callbacks=[tg.callbacks.LivePlot(seconds=0)])""",
    "history.plot()",
    "tg.steps(tg.mean(model(X[:2])))",
    """import time

session = playground.session
trainer, until = session.experiment.trainers[0], time.monotonic() + 3
before = trainer.run.iteration
while time.monotonic() < until:
    pass  # busy
print(f"running {session.running}, steps taken {trainer.run.iteration - before}")""",
]
SECONDS = 30_000
"""The time limit of one wait for the page, in milliseconds."""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a notebook in JupyterLab, whose settings are those of a new user."""
    pytest.importorskip("jupyterlab", reason="jupyterlab is not installed")
    pytest.importorskip("anywidget", reason="anywidget is not installed")
    folder = tmp_path_factory.mktemp("lab")
    cells = [{"cell_type": "code", "id": f"cell{i}", "metadata": {}, "source": source,
              "outputs": [], "execution_count": None} for i, source in enumerate(CELLS)]
    python = {"name": "python3", "display_name": "Python 3", "language": "python"}
    (folder / "notebook.ipynb").write_text(json.dumps({
        "cells": cells, "metadata": {"kernelspec": python}, "nbformat": 4, "nbformat_minor": 5}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {f"{name}_DIR": str(folder / name.lower()) for name in (
        "JUPYTER_CONFIG", "JUPYTER_DATA", "JUPYTER_RUNTIME", "JUPYTERLAB_SETTINGS",
        "JUPYTERLAB_WORKSPACES")}
    token, host = secrets.token_hex(8), f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
               f"--port={port}", f"--IdentityProvider.token={token}",
               f"--ServerApp.root_dir={folder}", "--LabApp.news_url=None"]
    with open(folder / "log.txt", "w") as log, child.started(
            command, 600, stdout=log, stderr=log, cwd=folder, env={**os.environ, **own}) as lab:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{host}/api", timeout=5).close()
                break
            except OSError:
                assert lab.poll() is None, (folder / "log.txt").read_text()
                time.sleep(0.3)
        yield f"{host}/lab/tree/notebook.ipynb?token={token}"


@pytest.fixture(scope="module")
def page(browser, address):
    """The page with the notebook, whose cells have been run."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000}, accept_downloads=True)
    page.set_default_timeout(SECONDS)
    page.goto(address)
    page.get_by_text("| Idle").wait_for(timeout=4 * SECONDS)  # the kernel
    chosen(page, "Run", "Run All Cells")
    yield page
    page.close()


def chosen(page, menu, entry):
    page.get_by_role("menuitem", name=menu, exact=True).click()
    page.get_by_role("menuitem", name=entry, exact=True).click()


def displays(page):
    """The two displays of the playground, once both have drawn."""
    found = [page.locator(".tg-play").nth(i) for i in (0, 1)]
    for display in found:
        display.get_by_role("status").filter(has_text="step").wait_for()
    return found


def cell(page, number):
    found = page.locator(".jp-Cell").nth(number)
    found.scroll_into_view_if_needed()
    return found


def button(display, name):
    return display.get_by_role("button", name=name, exact=True)


def test_two_displays_of_a_playground_run_and_pause_together(page):
    first, second = displays(page)
    button(first, "Run").click()
    button(second, "Pause").wait_for()
    second.get_by_role("status").filter(has_text="step 1").wait_for()
    button(second, "Pause").click()
    button(first, "Run").wait_for()
    page.wait_for_function(
        "() => new Set([...document.querySelectorAll('.tg-play [role=status]')]"
        ".map((line) => line.textContent)).size === 1")


def test_one_display_downloads_what_it_exports(page):
    first, second = displays(page)
    downloads = []
    page.on("download", lambda file: downloads.append(file.suggested_filename))
    for display in (second, first):
        button(display, "program").click()
        page.wait_for_timeout(1500)
    assert downloads == ["train.py", "train.py"]


def test_keys_for_the_playground_change_no_cell(page):
    first, _ = displays(page)
    first.get_by_label("activation").focus()
    for key in "xmr":  # which cut a cell, and change its kind
        page.keyboard.press(key)
    button(first, "Run").focus()
    for key in "xm":
        page.keyboard.press(key)
    page.wait_for_timeout(500)
    assert page.locator(".jp-CodeCell").count() == len(CELLS)
    assert page.locator(".tg-play").count() == 2


def test_bar_plots_and_steps_are_shown(page):
    displays(page)
    for number in (2, 3):
        picture = cell(page, number).locator(".jp-OutputArea-output img").first
        picture.wait_for()
        assert picture.evaluate("image => image.naturalWidth") > 300
    assert "39/39" in cell(page, 2).locator(".jp-OutputArea").inner_text()  # the bar
    steps = cell(page, 4).frame_locator("iframe")
    steps.locator(".tg-steps article.shown").first.wait_for()


def test_training_pauses_while_a_cell_is_busy_and_goes_on_after_it(page):
    first, second = displays(page)
    button(first, "Run").press("Enter")  # a click may miss it while the notebook scrolls
    button(second, "Pause").wait_for()
    busy = cell(page, 5)
    busy.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    for display in (first, second):
        display.locator(".legend", has_text="waits while a cell runs").first.wait_for()
    told = busy.locator(".jp-OutputArea-output").filter(has_text="running True")
    told.wait_for()
    assert int(told.inner_text().split()[-1]) <= 1  # that which was being taken
    page.wait_for_function(
        "before => !['', before].includes(document.querySelector('.tg-play .top .legend')"
        ".textContent.match(/^step \\d+$/)?.[0] ?? '')",
        arg=first.locator(".top .legend").inner_text())
    button(first, "Pause").press("Enter")
    button(second, "Run").wait_for()


def test_after_a_restart_of_the_kernel_both_displays_begin_anew(page):
    first, second = displays(page)
    button(first, "Run").click()
    button(second, "Pause").wait_for()
    chosen(page, "Kernel", "Restart Kernel and Run All Cells…")
    page.locator(".jp-Dialog").get_by_role("button", name="Confirm Kernel Restart").click()
    first.get_by_role("status").filter(has_text="step 0,").wait_for()
    button(first, "Step").click()
    second.get_by_role("status").filter(has_text="step 1,").wait_for()
