"""``tinygrad-mlp report``, and ``train --report``: one page, from what a training has left."""

import contextlib
import io
import json
import shutil

import pytest

from tinygrad_mlp.cli import main
from tinygrad_mlp.saving import model as checkpoint


@pytest.fixture(scope="module")
def once(tmp_path_factory, make_mat, quick):
    """A folder with a small data set, a run on it, its model, and the report of its training."""
    folder = tmp_path_factory.mktemp("reported")
    data = make_mat(folder / "bars.mat")
    files = ["--run", "bars", "--report", "first.html", "--save", "bars.safetensors"]
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(["train", data, *quick, *files]) == 0
    (folder / "out.txt").write_text(out.getvalue())
    return folder


@pytest.fixture
def kept(once, tmp_path):
    """A copy of the run for this test; the data lie where they lay in training."""
    return shutil.copytree(once / "bars", tmp_path / "bars")


@pytest.fixture
def change(kept):
    """``change(lambda account: ...)`` alters what the run says of its training."""

    def change(how):
        account = json.loads((kept / "run.json").read_text())
        how(account)
        (kept / "run.json").write_text(json.dumps(account))

    return change


def test_training_leaves_a_folder_and_says_so(once):
    assert sorted(path.name for path in (once / "bars").iterdir()) == [
        "model.safetensors", "run.json",
    ]
    out = (once / "out.txt").read_text().replace("\n", " ")
    assert "Wrote bars.safetensors, bars and first.html." in out


def test_the_model_of_a_run_is_the_one_that_is_saved(once):
    # No times are in it: equal trainings make equal models.
    model = (once / "bars" / "model.safetensors").read_bytes()
    assert model == (once / "bars.safetensors").read_bytes()


def test_a_run_is_reported_as_its_training_was(once, kept, run):
    result = run("report", kept)
    assert result.code == 0
    assert result.out.replace("\n", " ").strip() == f"Wrote {kept / 'report.html'}."
    assert (kept / "report.html").read_bytes() == (once / "first.html").read_bytes()


def test_the_report_tells_how_the_network_was_trained(once):
    text = (once / "first.html").read_text(encoding="utf-8")
    for fact in ("<h1>bars.mat: a 30-8-3 network</h1>", "bars.mat, images of 6×5 pixels in 3",
                 "54 images, 2 epochs of 54 steps", "6 images, set aside", "learning rate 0.1",
                 "108 of 1 sample each", "The answers to all 6 samples are right."):
        assert fact in text


def test_moved_data_can_be_named_and_so_can_the_file_to_write(once, kept, run, tmp_path):
    data, moved = once / "bars.mat", tmp_path / "elsewhere.mat"
    data.rename(moved)
    try:
        result = run("report", kept)
        assert result.code == 2 and "bars.mat" in result.err
        assert run("report", kept, moved, "--output", tmp_path / "other.htm").code == 0
        assert (tmp_path / "other.htm").exists() and not (kept / "report.html").exists()
    finally:
        moved.rename(data)


def test_other_data_are_refused(kept, make_mat, run, tmp_path):
    other = make_mat(tmp_path / "other.mat", levels=(200, 10))
    result = run("report", kept, other)
    assert result.code == 2 and "expected the images that the model of" in result.err
    assert not (kept / "report.html").exists()


def test_another_model_in_the_folder_is_refused(kept, run):
    network = checkpoint.load_network(kept / "model.safetensors")
    checkpoint.save(kept / "model.safetensors", network)
    result = run("report", kept)
    assert result.code == 2 and "Got another model.safetensors" in result.err


DAMAGES = {
    "no settings": lambda account: account.pop("settings"),
    "no history": lambda account: account.pop("history"),
    "a record too short": lambda account: account["history"]["records"].append([1]),
    "other settings": lambda account: account["settings"].update(colour="red"),
    "fewer settings": lambda account: account["settings"].pop("seed"),
    "settings that are none": lambda account: account.update(settings=3),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_account_that_is_damaged_is_refused(kept, change, run, damage):
    change(DAMAGES[damage])
    result = run("report", kept)
    assert result.code == 2 and "expected an account of a training" in result.err


@pytest.mark.parametrize("key", ["epochs", "seed", "hidden", "batch_size", "whole_set", "dataset"])
def test_settings_of_the_wrong_kind_are_refused_and_not_run(kept, change, run, key):
    change(lambda account: account["settings"].update({key: {"a": 1}}))
    result = run("report", kept)
    assert result.code == 2 and "expected an account of a training" in result.err


IMPOSSIBLE = [
    ("epochs", 0), ("seed", -1), ("batch_size", 0), ("lr", -1.0), ("sigma", 0.0), ("hidden", [0]),
    ("optimizer", "sdg"), ("hidden_activation", "softmax"), ("output_activation", "relu"),
    ("dtype", "float16"), ("dataset", "digist"), ("monitor_every", 0), ("hidden", [10**12]),
]


@pytest.mark.parametrize(("key", "value"), IMPOSSIBLE)
def test_settings_that_no_command_accepts_are_refused_with_the_name_of_the_file(
    kept, change, run, key, value
):
    change(lambda account: account["settings"].update({key: value}))
    result = run("report", kept)
    assert result.code == 2 and str(kept / "run.json") in result.err
    assert not (kept / "report.html").exists()


@pytest.mark.parametrize(("key", "value"), [
    ("records", [["0", 0, 0.1, 1.0, 0.5, None, None]]), ("records", [[0, 0, 0.1, None, 1, 1, 1]]),
    ("records", {"a": 1}), ("stopped", 3), ("execution", None),
])
def test_a_history_of_the_wrong_kind_is_refused(kept, change, run, key, value):
    change(lambda account: account["history"].update({key: value}))
    result = run("report", kept)
    assert result.code == 2 and "expected an account of a training" in result.err


def test_data_that_have_moved_are_told_with_the_way_to_name_them(kept, change, run):
    change(lambda account: account["settings"].update(dataset="/no/such/bars.mat"))
    result = run("report", kept)
    assert result.code == 2 and "Or name them: tinygrad-mlp report RUN DATASET" in result.err


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_an_account_that_is_no_json_is_refused(kept, run, text):
    (kept / "run.json").write_text(text)
    result = run("report", kept)
    assert result.code == 2 and "expected JSON" in result.err


def test_a_folder_that_is_no_run_is_refused(run, tmp_path):
    result = run("report", tmp_path)
    assert result.code == 2 and "expected a folder that `tinygrad-mlp train --run`" in result.err


def test_a_run_without_its_model_is_refused(kept, run):
    (kept / "model.safetensors").unlink()
    result = run("report", kept)
    assert result.code == 2 and "there is no such file" in result.err


def test_a_report_that_is_no_page_is_refused_before_anything_is_done(kept, run, tmp_path):
    for arguments in (("train", "digits", "--report"), ("report", kept, "--output")):
        result = run(*arguments, tmp_path / "report.pdf")
        assert result.code == 2 and result.out == ""
        assert f"{arguments[-1]} must end in .html" in result.err


def test_a_run_that_cannot_be_a_folder_is_refused_before_training(mat, run):
    result = run("train", mat, "--run", mat)
    assert result.code == 2 and result.out == ""
    assert "cannot be made" in result.err


def test_training_that_was_interrupted_is_reported(mat, quick, run, tmp_path, press_ctrl_c):
    press_ctrl_c(3)
    page = tmp_path / "report.html"
    assert run("train", mat, *quick, "--report", page).code == 130
    assert "interrupted by Ctrl-C after iteration" in page.read_text(encoding="utf-8")


def test_training_that_diverged_is_reported_with_its_reason_and_leaves_no_model(
    mat, run, tmp_path
):
    page, folder = tmp_path / "report.html", tmp_path / "run"
    options = ["--hidden", "8", "--sigma", "3", "--lr", "1e200", "--loss", "mean_square",
               "--hidden-activation", "relu", "--output-activation", "identity"]
    assert run("train", mat, *options, "--report", page, "--run", folder).code == 1
    assert "the loss of iteration" in page.read_text(encoding="utf-8")
    assert [path.name for path in folder.iterdir()] == ["run.json"]
    result = run("report", folder)
    assert result.code == 2 and "training diverged: the loss of iteration" in result.err
