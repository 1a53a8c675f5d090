"""``tinygrad-mlp check``: everything built in, and the derivations in students' files."""

import json
import sys

import numpy as np
import pytest

import tinygrad_mlp as tg

HOMEWORK = """
import numpy as np
import tinygrad_mlp as tg

rng = np.random.default_rng(0)
x, y = rng.normal(size=5), np.array([0.0, 1.0, 0.0])
W1, W2 = rng.normal(size=(4, 5)), rng.normal(size=(3, 4))


def loss(W1, W2):
    z2 = W1 @ x
    a2 = np.tanh(z2)
    return tg.nn.squared_error(tg.sigmoid(W2 @ a2), y)


def derived(W1, W2):
    a2 = np.tanh(W1 @ x)
    a3 = 1 / (1 + np.exp(-(W2 @ a2)))
    D2, D3 = np.diag(1 - a2**2), np.diag(a3 * (1 - a3))
    return {"W2": np.outer(D3 @ (a3 - y), a2), "W1": np.outer(D2 @ W2.T @ D3 @ (a3 - y), x)}
"""


@pytest.fixture
def homework(tmp_path):
    """Write a file, with something in the right homework replaced by something else."""

    def write(name="homework.py", old="", new=""):
        assert old in HOMEWORK
        path = tmp_path / name
        path.write_text(HOMEWORK.replace(old, new) if old else HOMEWORK)
        return str(path)

    return write


def rows(done):
    """The words of each row of the table, by operation."""
    lines = [line.split() for line in done.out.splitlines() if line]
    verdicts = ("right", "-", "WRONG")
    return {words[0]: words[1:] for words in lines if words[1:] and words[1] in verdicts}


def test_every_operation_and_formula_is_checked_and_right(run, monkeypatch):
    """Of a few operations: the others are checked by the tests of `check_op`."""
    few = {name: tg.OPS[name] for name in ("exp", "matmul", "where", "argmax", "sum")}
    monkeypatch.setattr("tinygrad_mlp.cli.check_subjects.OPS", few)
    done = run("check", "--quick")
    assert done.code == 0
    assert list(rows(done)) == [*few, "formulas.mean_square", "formulas.cross_entropy"]
    assert rows(done)["exp"][:5] == ["right"] * 5
    assert rows(done)["argmax"][:5] == ["right", "-", "-", "-", "right"]
    assert "7 of 7 right." in done.out


def wrong_square():
    @tg.op(rules={"x": lambda g, y, x: g * 2.5 * x}, register=False)
    def nearly_square(x):
        return x * x

    return nearly_square


@pytest.mark.parametrize("columns", [40, 80])
def test_a_wrong_operation_is_reported_with_rule_and_cause(run, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    few = {"nearly_square": wrong_square(), "exp": tg.exp}
    monkeypatch.setattr("tinygrad_mlp.cli.check_subjects.OPS", few)
    done = run("check")
    assert done.code == 1
    verdicts = {40: ["WRONG"], 80: ["right", "WRONG", "-", "-"]}
    assert rows(done)["nearly_square"][: len(verdicts[columns])] == verdicts[columns]
    said = " ".join(done.out.split())
    assert "nearly_square: the rule for 'x': factor (the rule is the right one times" in said
    assert "3 of 4 right." in done.out
    assert max(map(len, done.out.splitlines())) <= columns


OWN = """
import numpy as np
import tinygrad_mlp as tg

@tg.op(rules={"x": lambda g, y, x: 3 * g * x**2})
def cube(x):
    return x**3

@tg.op(rules={"x": lambda g, y, x: -3 * g * x**2})
def wrong_cube(x):
    return x**3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A file with a right operation and a wrong one, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    path = tmp_path / "own_module.py"
    path.write_text(OWN)
    yield path
    sys.modules.pop("own_module", None)


def test_the_operations_of_a_file_are_checked(run, own):
    done = run("check", own)
    assert done.code == 1
    assert rows(done)["cube"][1:4] == ["right"] * 3
    assert rows(done)["wrong_cube"][1] == "WRONG"
    assert "wrong_cube: the rule for 'x': sign" in done.out
    assert "cube: not checked: forward, as the record has no reference." in " ".join(
        done.out.split()
    )


@pytest.mark.parametrize("where", ["own_module", "own_module.py"])
def test_one_operation_of_a_module_or_a_file_is_checked(run, own, where):
    assert run("check", f"{where}:cube").code == 0
    sys.modules.pop("own_module", None)
    assert run("check", f"{where}:wrong_cube").code == 1
    assert "cube" not in tg.OPS


def test_a_derivation_and_an_operation_may_stand_in_one_file(run, homework):
    path = homework()
    with open(path, "a") as file:
        file.write(OWN)
    done = run("check", path)
    assert done.code == 1
    assert rows(done)["W1"][0] == "right" and rows(done)["wrong_cube"][1] == "WRONG"


def test_ctrl_c_ends_the_checks_and_leaves_what_is_done(run, monkeypatch):
    def interrupted(op, samples):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_mlp.cli.check_operations.check_op", interrupted)
    done = run("check", "exp", "tanh")
    assert (done.code, done.err) == (130, "Error: interrupted by Ctrl-C.\n")


def test_an_operation_that_takes_no_sample_is_said_to(run, tmp_path):
    path = tmp_path / "picky.py"
    path.write_text(
        "import tinygrad_mlp as tg\n"
        "@tg.op(rules={'x': lambda g, y, x: g})\n"
        "def picky(x):\n    raise ValueError('no')\n"
    )
    done = run("check", path)
    assert done.code == 1
    assert "picky: cannot be checked: InvalidArgumentError: check_op(picky)" in done.out


@pytest.mark.parametrize(("word", "said"), [
    ("tahn", "'tahn' is no operation and no file (did you mean tan or tanh"),
    ("own_module:cubes", "no operation 'cubes' (did you mean"),
    ("own_module:np", "own_module:np is no operation, but a module"),
    ("nowhere_at_all:cube", "the module nowhere_at_all cannot be imported"),
    ("nowhere.py:cube", "there is no such file"),
    ("folder/nothing", "there is no such file"),
])
def test_what_stands_for_nothing_is_the_users_mistake(run, own, word, said):
    done = run("check", word)
    assert done.code == 2 and said in done.err


def test_a_right_derivation_in_a_file_passes(run, homework):
    done = run("check", homework())
    assert done.code == 0
    assert "All right." in done.out


def test_the_mistake_in_a_file_is_named(run, homework):
    done = run("check", homework(old="D2 @ W2.T", new="W2.T"))
    assert done.code == 1
    assert "without the factor D2 = diag(1 − tanh²(z2))" in " ".join(done.out.split())


def test_the_wrong_line_of_a_file_is_shown_as_far_as_the_hint_says(run, homework):
    path = homework(old="D2 @ W2.T", new="W2.T")
    place, repair = "^^^", "This change makes all gradients right:"
    first = run("check", path, "--hint", "1").out
    assert place in first and "factor" not in first
    assert "factor" in run("check", path, "--hint", "2").out
    assert "factor" not in run("check", path, "--hint", "1", "--json").out
    assert "line was not found" in run("check", path, "--hint", "1", "--time", "0").out
    assert repair not in run("check", path, "--hint", "2").out
    assert repair in run("check", path).out
    assert place not in run("check", path, "--time", "0").out


def notebook(tmp_path, *cells):
    """Write a notebook, and return its path."""
    path = tmp_path / "homework.ipynb"
    code = [{"cell_type": "code", "source": text, "metadata": {}, "outputs": [],
             "execution_count": None} for text in cells]
    path.write_text(json.dumps({"cells": code, "metadata": {}, "nbformat": 4}))
    return str(path)


def test_the_cells_of_a_notebook_are_checked(run, tmp_path):
    loss_cell, _, derived_cell = HOMEWORK.partition("def derived")
    wrong_cell = "def derived" + derived_cell.replace("a3 - y", "y - a3", 1)
    done = run("check", notebook(tmp_path, "%matplotlib inline\n!ls", loss_cell, wrong_cell))
    assert done.code == 1 and "Not run: cell 1, line 1; cell 1, line 2." in done.out
    assert "cell 3, line 5" in done.out and "{" in done.out


def test_an_error_in_a_notebook_names_the_cell(run, tmp_path):
    done = run("check", notebook(tmp_path, HOMEWORK, "x = 1\ny = undefined"))
    assert done.code == 1 and "(cell 2, line 2: y = undefined)" in " ".join(done.out.split())


def test_gradients_may_be_given_as_a_dict(run, homework):
    text = "\n\nderived = derived(W1, W2)\n"
    path = homework()
    with open(path, "a") as file:
        file.write(text)
    assert run("check", path).code == 0


def test_a_folder_is_checked_file_by_file_whatever_is_in_them(run, homework, tmp_path):
    homework("ada.py")
    homework("ben.py", old="D2 @ W2.T", new="W2.T")
    homework("cem.py", old="np.tanh(W1 @ x)", new="np.tahn(W1 @ x)")
    (tmp_path / "dua.py").write_text("def loss(")
    done = run("check", str(tmp_path))
    assert done.code == 1
    # A long path may stand on a line of its own once more, where an error names it.
    assert list(dict.fromkeys(x for x in done.out.splitlines() if x.endswith(".py"))) == [
        str(tmp_path / f"{name}.py") for name in ("ada", "ben", "cem", "dua")
    ]
    assert "1 of 4 files right." in done.out


CANNOT = {
    "it does not parse": ("def loss(", "cannot be run: SyntaxError"),
    "it fails": ("1 / 0", "cannot be run: ZeroDivisionError: division by zero (line 1: 1 / 0)"),
    "it leaves": ("raise SystemExit(3)", "cannot be run: SystemExit"),
    "no loss": ("derived = {}", "has no 'loss'"),
    "no gradients": ("def loss(W): pass", "has no 'derived'"),
    "a loss that is no function": ("loss = derived = 1", "loss must be a function. Got 1"),
    "no point": ("def loss(W): pass\nderived = {}", "defines no array called W"),
    "a loss that fails": (
        "W = 1.0\ndef loss(W):\n    return W.nothing\nderived = {}",
        "fails with AttributeError: 'Tensor' object has no attribute 'nothing' (line 3: return",
    ),
    "a loss of plain numbers": (
        "W = 1.0\ndef loss(W):\n    return 3.0\nderived = {'W': 0.0}", "without a history"
    ),
}


@pytest.mark.parametrize("case", CANNOT)
def test_a_file_that_cannot_be_checked_says_why_in_a_sentence(case, run, tmp_path):
    text, words = CANNOT[case]
    path = tmp_path / "homework.py"
    path.write_text(text)
    done = run("check", str(path))
    assert done.code == 1
    said = " ".join(done.out.split())
    assert "Cannot be checked:" in said and words in said
    assert "Traceback" not in done.out + done.err


def test_a_file_that_is_not_there_is_the_users_mistake(run, tmp_path):
    done = run("check", str(tmp_path / "nothing.py"))
    assert done.code == 2
    assert "there is no such file" in done.err


def test_a_folder_without_python_files_is_the_users_mistake(run, tmp_path):
    done = run("check", str(tmp_path))
    assert done.code == 2
    assert "no Python files" in done.err


def test_checking_does_not_touch_numpys_global_generator(run, homework):
    before = np.random.get_state()[1].tobytes()
    run("check", homework())
    assert np.random.get_state()[1].tobytes() == before
