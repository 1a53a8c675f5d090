"""Every program in examples/ runs, finds what it promises, and draws a picture."""

from __future__ import annotations

import os
import re
import runpy
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from threadpoolctl import threadpool_limits

import tinygrad_mlp as tg
from tests import child

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PNG = b"\x89PNG\r\n\x1a\n"
LINES = 90
REAL_DATA = os.environ.get("TINYGRAD_MLP_DATA")
SMALL = {
    "classic_experiment": ["classic_experiment.png", "digits"],
    "lenet": ["lenet.png", "digits"],
}
"""Arguments of those that would load MNIST without them."""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run an example in an empty folder, and return its output; warnings are errors.

    In this process, as a new one would spend most of its time on loading libraries.
    """
    operations = dict(tg.OPS)

    def run_in_empty_folder(path, *arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [str(path), *arguments])
        # One thread: what is small is slower on many, and tests may run side by side.
        with threadpool_limits(1):
            runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out

    yield run_in_empty_folder
    plt.close("all")
    tg.OPS.clear()
    tg.OPS.update(operations)


NUMBER = r"([-+.\de]+)"


def numbers(output, pattern):
    """The numbers that stand where `pattern` has a #, wherever it matches; spaces count once."""
    output = re.sub(" +", " ", output)
    found = re.findall(re.escape(pattern).replace(r"\#", NUMBER), output)
    assert found, f"nothing like {pattern!r} in:\n{output}"
    return [float(n) for row in found for n in ([row] if isinstance(row, str) else row)]


def autoencoder(output):
    (linear,) = numbers(output, "two principal components: #%")
    (network,) = numbers(output, "the autoencoder : #%")
    assert network > linear + 10 > 30


def characters(output):
    guessing, network, grammar = numbers(
        output, "bits a character: # by guessing, # by the network, # by the grammar"
    )
    assert grammar - 0.02 < network < grammar + 0.06 < guessing - 1
    assert numbers(output, "in #% of 300 words")[0] > 95


def check_by_hand(output):
    differences = numbers(output, "largest difference #")
    assert len(differences) == 4 and max(differences) < 1e-14


def digits(output):
    assert numbers(output, "weights, #% of the guesses are right")[0] > 97


def classic_experiment(output):
    squared_error, cross_entropy = numbers(output, "The validation accuracy is #.\n")
    assert cross_entropy > squared_error > 0.85
    assert cross_entropy > 0.9


def higher_order(output):
    assert numbers(output, "Newton (tg.hessian) # steps to [1. 1.]") == [6]
    assert max(numbers(output, " # steps to [1. 1.]")) < 40
    assert numbers(output, "gradient descent # steps") == [2000]


def homework(output):
    said = dict(line.split(": ", 1) for line in output.splitlines())
    assert said["Ada"] == "all right"
    assert [name for name, text in said.items() if text == "all right"] == ["Ada"]
    assert "without the factor D2" in said["Ben"] and "times −1" in said["Cem"]
    assert "taken at a2 instead of z2" in said["Dua"] and "transpose" in said["Eva"]
    assert "agree, but not with ∂L/∂z3" in said["Fay"]


def lenet(output):
    assert numbers(output, "#% of the validation digits are right")[0] > 95


def logistic_regression(output):
    first, loss = numbers(output, "L-BFGS-B : # steps to a loss of # nats")
    second, same = numbers(output, "trust-exact: # steps to a loss of # nats")
    assert loss == same and second < first
    assert numbers(output, "from scikit-learn's: #")[0] < 1e-4
    assert numbers(output, "#% of the tumours")[0] > 93


def numpy_network(output):
    assert numbers(output, "from the derivation by hand: #")[0] < 1e-13
    before, after, _ = numbers(output, "the loss went from # to # in # steps")
    assert after < 0.3 < 0.8 < before


def own_op(output):
    assert numbers(output, "#% of the points are right")[0] > 99
    assert "∂L/∂C = " in output and "def step(x, C, W1, b1):" in output


def spirals(output):
    rights = numbers(output, "nats, #% of new points are right")
    assert rights == sorted(rights) and rights[0] < 70 and rights[-1] > 98


def uncertainty(output):
    data, gap, edge = numbers(output, "spread of the networks #,")
    assert gap > 1.5 * data and edge > 1.5 * data
    inside = numbers(output, ", #% of the truth within two")
    assert min(inside[:2]) > 90 > inside[2]  # in and between the data, but not far from them


def vanishing_gradient(output):
    squared_error, cross_entropy = numbers(output, ": #% of the validation digits are right")
    assert squared_error < 60 and cross_entropy > 80
    before = numbers(output, ": # before")  # two layers with the one loss, two with the other
    assert before[2] > 10 * before[0] and before[3] > 50 * before[1]


def xor(output):
    answers = numbers(output, "# xor #: #")[2::3]
    assert [round(answer) for answer in answers] == [0, 1, 1, 0]
    assert max(abs(answer - round(answer)) for answer in answers) < 0.05


RIGHT = {
    check.__name__: check
    for check in (
        autoencoder, characters, check_by_hand, classic_experiment, digits, higher_order,
        homework, lenet, logistic_regression, numpy_network, own_op, spirals, uncertainty,
        vanishing_gradient, xor,
    )
}
"""What the output of each must say."""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_finds_what_it_promises_and_draws_a_picture(path, run, tmp_path):
    RIGHT[path.stem](run(path, *SMALL.get(path.stem, [])))

    made = [file.name for file in tmp_path.iterdir()]
    assert made == [f"{path.stem}.png"]
    assert (tmp_path / made[0]).read_bytes().startswith(PNG)
    assert (tmp_path / made[0]).stat().st_size > 10_000  # an empty figure is smaller


def test_an_example_runs_as_a_user_runs_it(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = child.python(
        "-W", "error", ROOT / "examples" / "xor.py", "other.png",
        cwd=tmp_path, env=environment, encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    xor(done.stdout)
    assert [file.name for file in tmp_path.iterdir()] == ["other.png"]


@pytest.mark.skipif(not REAL_DATA, reason="TINYGRAD_MLP_DATA is not set")
@pytest.mark.thorough
@pytest.mark.parametrize("name", ["classic_experiment", "lenet"])
def test_example_learns_mnist_where_it_is_found(name, run, tmp_path):
    output = run(ROOT / "examples" / f"{name}.py", "other.png", "mnist", "2000")

    right = re.findall(r"accuracy is (0\.\d+)|([\d.]+)% of the validation", output)[-1]
    assert max(float(right[0] or 0), float(right[1] or 0) / 100) > 0.7  # of so few images
    assert [file.name for file in tmp_path.iterdir()] == ["other.png"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_made_like_the_others(path):
    text = path.read_text(encoding="utf-8")

    assert len(text.splitlines()) < LINES  # short enough to be read in one sitting
    assert f"\n    python examples/{path.name} [picture.png]" in text  # how it is called,
    assert "\nTo learn: " in text  # and what for
    assert f'def main(picture: str = "{path.stem}.png"' in text
    assert re.search(r'if __name__ == "__main__":\n    main\(\*sys\.argv\[1:\d\]\)\n$', text)
