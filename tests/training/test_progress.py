"""What training shows: lines anywhere, and a bar with the time left on a terminal."""

from __future__ import annotations

import io
import os
import re
import sys
import threading

import numpy as np
import pytest
import rich

import tinygrad_mlp as tg
from tests import child
from tests.notebooks import shown_in_a_cell
from tinygrad_mlp import nn, optim
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.training.history import Record
from tinygrad_mlp.training.progress import Progress, monitor_line


def train(**settings):
    model = nn.Linear(2, 3, rng=np.random.default_rng(0))
    X, Y = np.ones((12, 2)), np.eye(3)[np.arange(12) % 3]
    settings = {"epochs": 2, "validation": (X, Y), **settings}
    return tg.fit(model, nn.squared_error, optim.SGD(model.parameters(), 0.1), X, Y, **settings)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def open_terminal(monkeypatch, columns=120):
    # In the test itself: pytest exchanges sys.stdout after the fixtures are made.
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(rich, "_console", None)  # it would remember the width
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    return sys.stdout


def threads_left(before):
    """The threads that have been started since and do not end."""
    new = set(threading.enumerate()) - before
    for thread in new:
        thread.join(timeout=5)
    return [thread for thread in new if thread.is_alive()]


def test_without_a_terminal_each_record_is_a_plain_line(capsys):
    history = train(batch_size=4, monitor=True)
    assert capsys.readouterr().out.splitlines() == [monitor_line(record) for record in history]


def test_a_function_as_monitor_makes_the_lines(capsys):
    train(monitor=lambda record: f"epoch {record.epoch} :smile: [red]")
    assert capsys.readouterr().out == "epoch 0 :smile: [red]\nepoch 1 :smile: [red]\n"


def test_the_last_line_says_why_training_ended_early(capsys):
    train(monitor=True, callbacks=[lambda run: run.stop("good enough")])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[1] == "Training ended early: good enough."


def test_without_monitor_nothing_is_shown(capsys, monkeypatch):
    train(callbacks=[lambda run: run.stop("enough")])
    assert capsys.readouterr() == ("", "")
    terminal = open_terminal(monkeypatch)
    train(callbacks=[lambda run: run.stop("enough")])
    assert terminal.getvalue() == ""


def test_a_terminal_shows_the_lines_whole_and_leaves_no_thread_behind(monkeypatch):
    terminal = open_terminal(monkeypatch, columns=30)  # narrower than the lines
    before = set(threading.enumerate())
    history = train(batch_size=4, monitor=True)
    assert not threads_left(before)
    assert all(monitor_line(record) in terminal.getvalue() for record in history)


def test_the_bar_counts_the_iterations_of_all_epochs(monkeypatch):
    terminal = open_terminal(monkeypatch)
    train(batch_size=5, epochs=4, monitor=True)
    assert " 0/12" in terminal.getvalue() and "12/12" in terminal.getvalue()


def test_the_bar_shows_the_loss_and_the_latest_accuracy(monkeypatch):
    terminal = open_terminal(monkeypatch)
    with Progress(2, enabled=True) as bar:
        bar.accuracy = 0.75
        bar.advance(1, 0.125)
    assert "loss 0.125, accuracy 0.75" in terminal.getvalue()


def test_bar_and_lines_show_the_same_quantities(monkeypatch):
    terminal = open_terminal(monkeypatch)
    losses = []
    train(batch_size=4, epochs=3, monitor=True,
          callbacks=[lambda run: losses.append(run.history.training_loss[-1])])
    shown = terminal.getvalue()
    # The bar's last text is of the whole epoch so far, as its line is.
    assert f"loss {losses[-1]:.4g}, validation accuracy" in shown


def test_on_forty_columns_there_is_a_bar_beside_the_figures(monkeypatch):
    terminal = open_terminal(monkeypatch, columns=40)
    with Progress(2, enabled=True) as bar:
        bar.accuracy = 0.9778
        bar.advance(0, 0.1234)
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue()).strip().splitlines()[-1]
    assert re.fullmatch(r"[━╸╺ ]{10} loss 0.1234, accuracy 0.9778", last), last


@pytest.fixture
def cell(monkeypatch):
    """The output of a cell of a notebook: a list of what each place has shown."""
    return shown_in_a_cell(monkeypatch)


def test_a_notebook_shows_a_bar_in_one_place(cell, capsys):
    history = train(batch_size=4, monitor=True)
    ((first, *_, last),) = cell
    assert (first.done, last.done, last.total) == (1, 6, 6)
    assert last._repr_html_().startswith('<progress value="6" max="6"')
    assert re.search(r"6/6, 0:00 left, loss .*, validation accuracy", str(last))
    assert capsys.readouterr().out.splitlines() == [monitor_line(record) for record in history]


def test_live_curves_are_exchanged_in_the_output_of_a_cell(cell):
    train(callbacks=[tg.callbacks.LivePlot(seconds=0)], epochs=3)
    (pictures,) = cell
    assert len(pictures) == 4  # after each epoch, and at the end
    points = [len(figure.axes[0].lines[0].get_xdata()) for figure in pictures]
    assert points == [1, 2, 3, 3]
    assert pictures[0]._repr_png_().startswith(b"\x89PNG")


def test_live_curves_are_saved_to_a_file_no_more_often_than_asked_for(tmp_path, monkeypatch):
    path = tmp_path / "curves.png"
    drawn = []
    monkeypatch.setattr("tinygrad_mlp.training.live_plot.plot_history",
                        lambda history, path: drawn.append(len(history)))
    train(callbacks=[tg.callbacks.LivePlot(path, seconds=1e9)], epochs=4)
    assert drawn == [1, 4]


def test_live_curves_without_a_place_are_refused_before_training():
    with pytest.raises(InvalidArgumentError, match=r"Write LivePlot\('curves.png'\)"):
        train(callbacks=[tg.callbacks.LivePlot()])
    with pytest.raises(InvalidArgumentError, match="must end in one of"):
        tg.callbacks.LivePlot("curves")


def test_an_error_takes_the_bar_away(monkeypatch):
    def fail(run):
        raise LookupError

    terminal = open_terminal(monkeypatch)
    before = set(threading.enumerate())
    with pytest.raises(LookupError):
        train(monitor=True, callbacks=[fail])
    assert not threads_left(before)
    assert terminal.getvalue().rstrip().endswith("\x1b[?25h")  # the cursor is shown again


def test_only_a_bar_wants_to_know_of_every_step(monkeypatch):
    terminal = open_terminal(monkeypatch)
    with Progress(3, enabled=True) as bar:
        assert bar.wanted
    with Progress(3, enabled=False) as silent:
        assert not silent.wanted
        silent.advance(0, 1.0)
        silent.line("not shown")
    assert "not shown" not in terminal.getvalue()


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        ((0.25, None, None, None), "training loss: 0.25"),
        ((0.25, 0.5, None, None), "training loss: 0.25 | training accuracy: 0.5"),
        ((1 / 3, None, 2.0, 1.0),
         "training loss: 0.333333 | validation loss: 2 | validation accuracy: 1"),
    ],
)
def test_a_line_has_the_figures_there_are(figures, line):
    assert monitor_line(Record(30, 1, 0.5, *figures)) == f"Iteration 30 - {line}"


PROGRAM = """
import fcntl, signal, termios
signal.signal(signal.SIGINT, signal.default_int_handler)  # which may be ignored by inheritance
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C, typed there, is meant for this process
import numpy as np, tinygrad_mlp as tg
model = tg.nn.Linear(2, 1, rng=np.random.default_rng(0))
optimizer = tg.optim.SGD(model.parameters(), 1e-3)
history = tg.fit(model, tg.nn.squared_error, optimizer, np.ones((4, 2)), np.ones((4, 1)),
                 epochs=10**7, record_every=10**9, monitor=lambda record: "a line :x: [b]")
print("after", history.stopped)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_on_a_terminal_a_bar_shows_the_time_left_until_ctrl_c_is_typed():
    here, there = os.openpty()
    bar = re.compile(r"\d+/10000000 \d+:\d\d:\d\d left  loss \d")
    shown, typed = "", False
    with child.started(
        [sys.executable, "-c", PROGRAM], stdin=there, stdout=there, stderr=there,
        start_new_session=True, env={**os.environ, "COLUMNS": "120", "TERM": "xterm"},
    ) as running:
        os.close(there)
        try:
            while data := os.read(here, 4096):
                shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode(errors="replace"))
                if not typed and bar.search(shown):
                    os.write(here, b"\x03")
                    typed = True
        except OSError:
            pass  # how Linux says that the other end is closed
        os.close(here)
        assert running.wait() == 0, shown
    assert typed, shown
    assert "a line :x: [b]" in shown
    assert re.search(r"after interrupted by Ctrl-C after iteration \d+", shown)
