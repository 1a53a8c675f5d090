"""``--json``: one document on standard output, with the keys that the guide lists."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinygrad_mlp as tg
from tests import child
from tests.classroom.conftest import STUDENT, TEACHER
from tinygrad_mlp.cli.app import app
from tinygrad_mlp.cli.running import json_text

LOSS = """import tinygrad_mlp as tg

w = tg.Tensor([0.5, -1.0], requires_grad=True, name="w")
loss = tg.sum(tg.tanh(w) ** 2)
"""
GUIDE = Path(__file__).parents[2] / "docs" / "command_line.md"
COMMON = {"command", "version", "exit_code"}


def keys_listed(heading):
    """The keys in the first table below a heading of the guide."""
    below = GUIDE.read_text(encoding="utf-8").split(f"\n### {heading}\n")[1]
    table = below.strip().split("\n\n")[0]
    return set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))


def parsed(done):
    """The one document of standard output; NaN and Infinity, which JSON has not, are refused."""

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(done.out, parse_constant=refuse)


@pytest.fixture
def words(trained, tmp_path, monkeypatch):
    """The command line whose document each heading of the guide describes."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.eye(6, dtype=np.uint8) * 255).save("picture.png")
    Path("student.py").write_text(STUDENT)
    Path("teacher.py").write_text(TEACHER)
    Path("loss.py").write_text(LOSS)
    model, options = str(trained.model), ["--epochs", "1", "--hidden", "8"]
    return {
        "`train --json`": ["train", trained.data, *options],
        "`predict --json`, of a picture": ["predict", model, "picture.png"],
        "`predict --json`, of a data set": ["predict", model, trained.data],
        "`compare --json`": ["compare", trained.data, *options],
        "`check --json`": ["check", "exp"],
        "`check --json`, of a class": ["check", "student.py", "--reference", "teacher.py"],
        "`exercise --json`": ["exercise", "ridge", "--mistake", "1"],
        "`explain --json`": ["explain", "--layers", "4,3,2"],
        "`explain --json`, of a file": ["explain", "loss.py"],
        "`steps --json`": ["steps", "loss.py"],
        "`play --json`": ["play", "circles", "--no-browser", "--seconds", "0.1"],
        "`info --json`": ["info"],
        "`report --json`": ["report", "a-run"],
    }


def test_every_command_has_json_and_its_keys_are_listed():
    names = {command.callback.__name__ for command in app.registered_commands}
    text = GUIDE.read_text(encoding="utf-8")
    assert all(f"\n### `{name} --json`" in text for name in names)


HEADINGS = re.findall(r"^### (`\w+ --json`.*)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_document_has_the_keys_that_the_guide_lists(heading, words, run):
    if "report" in heading:
        assert run(*words["`train --json`"], "--run", "a-run").code == 0
    done = run(*words[heading], "--json")
    document = parsed(done)
    assert set(document) == COMMON | keys_listed(heading)
    assert document["command"] == words[heading][0]
    assert (document["version"], document["exit_code"]) == (tg.__version__, done.code == 1)


def test_the_document_of_a_training_says_what_the_table_says(mat, run, quick, tmp_path):
    model = tmp_path / "model.safetensors"
    done = run("train", mat, *quick, "--save", model, "--json")
    document = parsed(done)
    assert [record["iteration"] for record in document["history"]] == [
        0, 20, 40, 60, 80, 100, 107,
    ]
    assert document["final"] == document["history"][-1]
    assert document["final"]["validation_accuracy"] == 1.0
    assert document["stopped"] is None and document["files"] == [str(model)]
    assert document["data"]["training_images"] == 54
    assert document["network"]["layers"] == [30, 8, 3]
    assert "Final validation accuracy 1.0000" in done.err  # what people read is there


def test_a_training_that_diverges_has_a_document_without_nan(mat, run):
    done = run(
        "train", mat, "--hidden", "8", "--loss", "mean_square", "--hidden-activation", "relu",
        "--output-activation", "identity", "--sigma", "1", "--lr", "1e6", "--json",
    )
    document = parsed(done)
    assert done.code == document["exit_code"] == 1
    assert "the loss of iteration" in document["stopped"]


def test_ctrl_c_leaves_a_document(mat, run, quick, press_ctrl_c):
    press_ctrl_c(2)
    document = parsed(run("train", mat, *quick, "--json"))
    assert document["exit_code"] == 130 and document["stopped"].startswith("interrupted")


def test_a_comparison_counts_who_was_ahead(mat, run, quick, tmp_path):
    document = parsed(run("compare", mat, *quick, "--plot", tmp_path / "c.png", "--json"))
    assert set(document["runs"]) == {"mean_square", "cross_entropy"}
    assert sum(document["ahead"].values()) == 7


def test_a_wrong_operation_has_its_rule_and_cause(run, tmp_path):
    path = tmp_path / "own.py"
    path.write_text(
        "import tinygrad_mlp as tg\nprint('hello')\n"
        "@tg.op(rules={'x': lambda g, y, x: -2 * g * x})\ndef my_square(x):\n    return x * x\n"
    )
    done = run("check", path, "--json")
    (operation,) = parsed(done)["files"][0]["operations"]
    assert done.code == 1 and "hello" in done.err
    assert [(f["rule"], f["cause"]) for f in operation["failures"]] == [("x", "sign")]
    assert operation["checks"] == {
        "forward": True, "equation": None, "first order": False, "second order": None,
        "program": None, "LaTeX": None,
    }


@pytest.mark.parametrize(("line", "code", "kind"), [
    (["predict", "no.safetensors", "digits"], 2, "DataNotFoundError"),
    (["train", "--optimizer", "sdg"], 2, "BadParameter"),
    (["train", "--bogus"], 2, None),
    (["trian"], 2, None),
    (["check", "tahn"], 2, "InvalidArgumentError"),
])
def test_an_error_is_a_document_on_standard_error(run, line, code, kind):
    done = run(*line, "--json")
    assert (done.code, done.out) == (code, "")
    error = json.loads(done.err.splitlines()[-1])["error"]
    assert set(error) == {"type", "message", "exit_code"} and error["exit_code"] == code
    assert kind in (None, error["type"]) and error["message"]


def test_ctrl_c_before_there_is_a_result_is_an_error(run, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_mlp.cli.info.info", interrupted)
    done = run("info", "--json")
    assert (done.code, done.out) == (130, "")
    assert json.loads(done.err)["error"]["type"] == "KeyboardInterrupt"


def test_arrays_paths_and_what_is_not_finite_become_what_json_knows():
    found = json.loads(json_text({
        "a": np.array([1.5, np.nan]), "b": Path("x"), "c": (np.int64(3), np.bool_(True)),
        "d": float("inf"), "e": None,
    }))
    assert found == {"a": [1.5, None], "b": "x", "c": [3, True], "d": None, "e": None}


def test_info_says_where_mnist_was_searched_and_found(run, monkeypatch, tmp_path):
    empty, full = tmp_path / "empty", tmp_path / "full"
    for folder in (empty, full):
        folder.mkdir()
    monkeypatch.setattr("tinygrad_mlp.data.mnist.cache_dir", lambda: str(empty))
    monkeypatch.setenv("TINYGRAD_MLP_DATA", str(full))
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"):
        (full / name).touch()
    found = parsed(run("info", "--json"))["data"]["mnist"]
    assert found["train"]["folder"] == str(full)
    assert found["test"]["folder"] is None
    assert [one["result"].split()[0] for one in found["test"]["searched"]] == ["lacks", "lacks"]
    assert f"found in {full}" in " ".join(run("info").out.split())


def test_info_tells_versions_threads_and_cores(run):
    document = parsed(run("info", "--json"))
    assert document["libraries"]["numpy"] == np.__version__
    assert document["python"]["executable"] == sys.executable
    assert 1 <= document["cores"]["usable"] <= document["cores"]["machine"]
    assert document["blas"] and all(library["threads"] >= 1 for library in document["blas"])


def test_the_package_need_not_be_installed_to_be_described():
    code = (
        "from importlib import metadata\n"
        "def missing(name): raise metadata.PackageNotFoundError(name)\n"
        "metadata.requires = missing\n"
        "from tinygrad_mlp.cli import main; raise SystemExit(main(['info']))"
    )
    done = child.python("-c", code)
    assert done.returncode == 0 and "numpy" in done.stdout
