"""A small data set of bars, a network trained on it once, and a way to run the command line."""

import contextlib
import io
import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.io import savemat

from tinygrad_mlp.cli import experiment, main

SHAPE, CLASSES, IMAGES = (6, 5), 3, 60


@pytest.fixture(scope="session")
def make_mat():
    """``make_mat(path, levels)`` writes 60 images of 6x5 pixels, a bar in rows 2k and 2k + 1 of
    class k; `levels` are those of background and bar. ``change`` may alter images and labels."""

    def make(path, levels=(10, 200), change=lambda images, labels: (images, labels)):
        labels = np.arange(IMAGES) % CLASSES
        ink = np.random.default_rng(0).uniform(0, 0.2, (IMAGES, *SHAPE))
        for i, k in enumerate(labels):
            ink[i, 2 * k : 2 * k + 2, 1:4] = 1.0
        images, labels = change(levels[0] + ink * (levels[1] - levels[0]), labels)
        savemat(path, {"train_images": images.transpose(1, 2, 0), "train_labels": labels[:, None]})
        return str(path)

    return make


@pytest.fixture(scope="session")
def quick():
    """Options with which two epochs suffice to tell the bars apart; 7 evaluations."""
    return ["--hidden", "8", "--sigma", "0.3", "--lr", "0.1", "--monitor-every", "20"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory, make_mat, quick):
    """A network trained once by the command line, with all that it printed and wrote."""
    folder = tmp_path_factory.mktemp("trained")
    data = make_mat(folder / "bars.mat")
    model, plot, history = (folder / name for name in ("bars.safetensors", "bars.png", "bars.csv"))
    files = ["--save", str(model), "--plot", str(plot), "--history", str(history)]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = main(["train", data, *quick, *files])
    return SimpleNamespace(
        code=code, out=out.getvalue(), data=data, model=model, plot=plot, history=history
    )


@pytest.fixture
def mat(tmp_path, make_mat):
    """The path of the small data set."""
    return make_mat(tmp_path / "bars.mat")


@pytest.fixture
def run(capsys):
    """``run("train", ...)``: exit code, standard output and standard error of a command."""

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return SimpleNamespace(code=code, out=captured.out, err=captured.err)

    return call


@pytest.fixture
def press_ctrl_c(monkeypatch, ctrl_c):
    """``press_ctrl_c(n)`` sends the signal of Ctrl-C while the n-th evaluation is printed."""

    def arrange(at):
        lines, original = [], experiment.record_line

        def line(record):
            lines.append(record)
            if len(lines) == at:
                os.kill(os.getpid(), signal.SIGINT)
            return original(record)

        monkeypatch.setattr(experiment, "record_line", line)

    return arrange
