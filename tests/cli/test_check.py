"""``tinygrad-mlp check``: everything built in, and the derivations in students' files."""

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


def test_every_operation_and_formula_is_checked_and_right(run, monkeypatch):
    """Of a few operations: the others are checked, and more closely, by `check_op`."""
    few = {name: tg.OPS[name] for name in ("exp", "matmul", "where", "argmax", "sum")}
    monkeypatch.setattr("tinygrad_mlp.cli.check.OPS", few)
    done = run("check")
    assert done.code == 0
    names = {line.split()[0] for line in done.out.splitlines() if " right " in line}
    assert {name for name, op in few.items() if not op.discrete} <= names
    assert "argmax" not in names
    assert {"formulas.mean_square", "formulas.cross_entropy"} <= names
    assert f"{len(names)} of {len(names)} right." in done.out


def test_a_wrong_operation_is_reported_in_full_and_fails(run, monkeypatch):
    wrong = tg.op(rules={"x": lambda g, y, x: g * 2.001 * x}, register=False)(lambda x: x * x)
    wrong.name = "nearly_square"
    monkeypatch.setattr("tinygrad_mlp.cli.check.OPS", {"nearly_square": wrong, "exp": tg.exp})
    done = run("check")
    assert done.code == 1
    assert "nearly_square                WRONG" in done.out
    assert "nearly_square, Sample" in done.out
    assert "3 of 4 right." in done.out


def test_a_right_derivation_in_a_file_passes(run, homework):
    done = run("check", homework())
    assert done.code == 0
    assert "All right." in done.out


def test_the_mistake_in_a_file_is_named(run, homework):
    done = run("check", homework(old="D2 @ W2.T", new="W2.T"))
    assert done.code == 1
    assert "without the factor D2 = diag(1 − tanh²(z2))" in " ".join(done.out.split())


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
    "a loss that is no function": ("loss = derived = 1", "loss must be a function; got 1"),
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
