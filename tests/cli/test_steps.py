"""``tinygrad-mlp steps``: the steps of a file's loss, as text, as a page and as an animation."""

import json

import numpy as np
import pytest

TENSOR = """import tinygrad_mlp as tg
w = tg.Tensor([0.5, -1.0], requires_grad=True, name="w")
loss = tg.sum(tg.tanh(w) ** 2)
"""

HOMEWORK = """import numpy as np
import tinygrad_mlp as tg

rng = np.random.default_rng(0)
x, y = rng.normal(size=6), np.eye(3)[1]
W1, W2 = rng.normal(size=(4, 6)), rng.normal(size=(3, 4))


def loss(W1, W2):
    hidden = np.tanh(W1 @ x)
    return tg.nn.binary_cross_entropy(tg.sigmoid(W2 @ hidden), y)


def derived(W1, W2):
    hidden = np.tanh(W1 @ x)
    d3 = 1 / (1 + np.exp(-(W2 @ hidden))) - y
    d2 = W2.T @ d3 * (1 - hidden)
    return {"W1": np.outer(d2, x), "W2": np.outer(d3, hidden)}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tensor.py").write_text(TENSOR)
    (tmp_path / "homework.py").write_text(HOMEWORK)
    return tmp_path


def test_steps_are_printed(folder, run):
    done = run("steps", "tensor.py")
    assert done.code == 0 and "∂L/∂w = " in done.out
    slope = 2 * np.tanh(0.5) * (1 - np.tanh(0.5) ** 2)
    assert f"{slope:.3g}" in done.out


@pytest.mark.parametrize("name", ["out.html", "out.svg"])
def test_steps_are_written(folder, run, name):
    done = run("steps", "tensor.py", "--output", name)
    assert done.code == 0 and done.out == f"Wrote {name}.\n"
    assert "∂L/∂w" in (folder / name).read_text(encoding="utf-8")


def test_local_variables_name_the_steps_and_a_wrong_derivation_departs(folder, run):
    done = run("steps", "homework.py", "--json")
    steps = {step["name"]: step for step in json.loads(done.out)["steps"]}
    assert "hidden" in steps and steps["hidden"]["kind"] == "forward"
    departing = [step for step in steps.values() if step["departure"]]
    assert [step["name"] for step in departing] == ["δ2"]
    assert departing[0]["departure"]["text"] == "d2 = W2.T @ d3 * (1 - hidden)"


@pytest.mark.parametrize("command", ["steps", "explain"])
@pytest.mark.parametrize("program", [
    "weights = tg.Tensor(np.full((2, 3), 0.1), requires_grad=True)\n"
    "score = weights @ pixels\nloss = tg.sum((tg.sigmoid(score) - label) ** 2)\n",
    "weights = np.full((2, 3), 0.1)\n\n\ndef loss(weights):\n    score = weights @ pixels\n"
    "    return np.sum((1 / (1 + np.exp(-score)) - label) ** 2)\n"])
def test_values_have_the_names_of_the_file(folder, run, command, program):
    (folder / "named.py").write_text(
        "import numpy as np\nimport tinygrad_mlp as tg\n\npixels = np.array([0.5, -1.0, 2.0])\n"
        f"unused = pixels * 2\nlabel = np.array([1.0, 0.0])\n{program}")
    done = run(command, "named.py")
    assert "score = weights pixels" in done.out and "− label" in done.out
    assert "∂L/∂weights" in done.out and "unused" not in done.out


@pytest.mark.parametrize("command", ["steps", "explain"])
def test_a_tensor_keeps_its_name_where_the_file_gives_it_to_something_else(folder, run, command):
    (folder / "taken.py").write_text(
        "import numpy as np\nimport tinygrad_mlp as tg\n"
        "weights = tg.Tensor(np.ones((2, 3)), requires_grad=True, name='x')\n"
        "x = np.array([0.5, -1.0, 2.0])\n_ = _y = np.ones(2)\n"
        "loss = tg.sum(tg.tanh(weights @ x) * _)\n")
    done = run(command, "taken.py")
    assert "∂L/∂x = " in done.out and "∂L/∂x_2" not in done.out
    assert "_y" not in done.out and " _ " not in done.out


@pytest.mark.parametrize("command", ["steps", "explain"])
def test_a_parameter_keeps_its_name_where_a_local_variable_takes_it(folder, run, command):
    (folder / "reshaped.py").write_text(
        "import numpy as np\ntheta = np.arange(4.0)\n\n\ndef loss(theta):\n"
        "    theta = theta.reshape(2, 2) * 2\n    return np.sum(np.tanh(theta))\n")
    done = run(command, "reshaped.py")
    assert "∂L/∂theta = " in done.out and "∂L/∂theta_2" not in done.out


def test_nested_parameters_are_tensors_with_numbers(folder, run):
    (folder / "nested.py").write_text(
        "import numpy as np\nweights = [np.ones((2, 2)), np.ones((1, 2))]\n\n\n"
        "def loss(weights):\n    W, V = weights\n    return np.sum(V @ np.tanh(W @ np.ones(2)))\n")
    done = run("steps", "nested.py", "--json")
    names = {step["name"] for step in json.loads(done.out)["steps"]}
    assert {"∂L/∂weights1", "∂L/∂weights2"} <= names


@pytest.mark.parametrize("command", ["steps", "explain"])
def test_a_loss_is_called_once_and_may_store_into_its_arrays(folder, run, command):
    (folder / "stores.py").write_text(
        "import numpy as np\nw = np.array([0.5, -1.0])\n\n\ndef loss(w):\n    print('called')\n"
        "    h = np.zeros(3)\n    for t in range(2):\n        h[t + 1] = np.tanh(w[t] + h[t])\n"
        "    return h[2]\n")
    done = run(command, "stores.py")
    assert done.code == 0 and done.out.count("called") == 1 and "∂L/∂w" in done.out


def test_a_loss_that_fails_is_told_with_its_line(folder, run):
    (folder / "fails.py").write_text("W = 1.0\n\n\ndef loss(W):\n    return W * [][0]\n")
    done = run("steps", "fails.py")
    assert done.code == 2 and "line 5: return W * [][0]" in done.err
