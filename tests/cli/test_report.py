"""``tinygrad-mlp report``, and ``train --report``: one page, from a saved model alone."""

import contextlib
import io
import shutil
import signal

import pytest

import tinygrad_mlp as tg
from tinygrad_mlp import checkpoint
from tinygrad_mlp.cli import main


@pytest.fixture(scope="module")
def once(tmp_path_factory, make_mat, quick):
    """A folder with a small data set, a network trained on it, and the report of its training."""
    folder = tmp_path_factory.mktemp("reported")
    data = make_mat(folder / "bars.mat")
    files = ["--save", str(folder / "bars.safetensors"), "--report", str(folder / "first.html")]
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["train", data, *quick, *files]) == 0
    return folder


@pytest.fixture
def reported(once, tmp_path):
    """Model and report in a folder of this test; the data lie where they lay in training."""
    for name in ("bars.safetensors", "first.html"):
        shutil.copy(once / name, tmp_path / name)
    return tmp_path / "bars.safetensors", tmp_path / "first.html"


def test_a_saved_model_is_reported_as_its_training_would_have_been(reported, run, tmp_path):
    model, page = reported
    result = run("report", model)
    assert result.code == 0
    assert result.out.replace("\n", " ").strip() == f"Wrote {tmp_path / 'bars.html'}."
    assert (tmp_path / "bars.html").read_bytes() == page.read_bytes()


def test_the_report_tells_how_the_network_was_trained(reported):
    text = reported[1].read_text(encoding="utf-8")
    for fact in ("<h1>bars.mat: a 30-8-3 network</h1>", "bars.mat, images of 6×5 pixels in 3",
                 "54 images, 2 epochs of 54 steps", "6 images, set aside", "learning rate 0.1",
                 "108 of 1 sample each", "The answers to all 6 samples are right."):  # fmt: skip
        assert fact in text


def test_moved_data_can_be_named_and_so_can_the_file_to_write(reported, once, run, tmp_path):
    data, moved = once / "bars.mat", tmp_path / "elsewhere.mat"
    data.rename(moved)
    try:
        result = run("report", reported[0])
        assert result.code == 2 and "bars.mat" in result.err
        assert run("report", reported[0], moved, "--output", tmp_path / "other.htm").code == 0
        assert (tmp_path / "other.htm").exists() and not (tmp_path / "bars.html").exists()
    finally:
        moved.rename(data)


def test_other_data_are_refused(reported, make_mat, run, tmp_path):
    other = make_mat(tmp_path / "other.mat", levels=(200, 10))
    result = run("report", reported[0], other)
    assert result.code == 2 and "expected the images that" in result.err
    assert not (tmp_path / "bars.html").exists()


DAMAGES = {
    "nothing": None,
    "a number": 3,
    "no settings": {"loss": "cross_entropy", "history": {"records": []}},
    "other settings": {"loss": "cross_entropy", "settings": {"dataset": "digits"}, "history": {}},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_model_without_an_account_of_its_training_is_refused(reported, run, damage):
    model = reported[0]
    facts = checkpoint.read(model)[1]
    kept = {key: value for key, value in facts.items() if key not in checkpoint.RESERVED}
    kept.pop("run")
    if DAMAGES[damage] is not None:
        kept["run"] = DAMAGES[damage]
    tg.save(model, checkpoint.load_network(model), metadata=kept)
    result = run("report", model)
    assert result.code == 2
    assert "expected a model with an account of its training" in result.err


@pytest.mark.parametrize("key", ["epochs", "seed", "hidden", "batch_size", "whole_set", "dataset"])
def test_settings_of_the_wrong_kind_are_refused_and_not_run(reported, run, key):
    model = reported[0]
    facts = checkpoint.read(model)[1]
    kept = {name: value for name, value in facts.items() if name not in checkpoint.RESERVED}
    kept["run"]["settings"][key] = {"a": 1}
    tg.save(model, checkpoint.load_network(model), metadata=kept)
    result = run("report", model)
    assert result.code == 2
    assert "expected a model with an account of its training" in result.err


@pytest.mark.parametrize(
    "arguments", [("train", "digits", "--report"), ("report", "model", "--output")]
)
def test_a_report_that_is_no_page_is_refused_before_anything_is_done(run, tmp_path, arguments):
    result = run(*arguments, tmp_path / "report.pdf")
    assert result.code == 2 and result.out == ""
    assert f"{arguments[-1]} must end in .html" in result.err


def test_a_file_that_is_no_model_is_refused(run, tmp_path):
    result = run("report", tmp_path / "none.safetensors")
    assert result.code == 2 and "there is no such file" in result.err


def test_training_that_was_interrupted_is_reported(mat, quick, run, tmp_path, press_ctrl_c):
    press_ctrl_c(3)
    page = tmp_path / "report.html"
    assert run("train", mat, *quick, "--report", page).code == 130
    assert "interrupted by Ctrl-C after iteration" in page.read_text(encoding="utf-8")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_training_that_diverged_is_reported_with_its_reason(mat, run, tmp_path):
    page = tmp_path / "report.html"
    options = ["--hidden", "8", "--sigma", "3", "--lr", "1e200", "--loss", "mean_square",
               "--hidden-activation", "relu", "--output-activation", "identity"]  # fmt: skip
    assert run("train", mat, *options, "--report", page).code == 1
    assert "the loss of iteration" in page.read_text(encoding="utf-8")
