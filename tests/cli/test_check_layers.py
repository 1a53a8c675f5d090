"""``tinygrad-mlp check FILE``: pairs of functions, layer objects, and a loss with its gradients."""

import json

import pytest

PAIR = """
import numpy as np

rng = np.random.default_rng(0)
x, w, b = rng.normal(size=(5, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)


def affine_forward(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)
"""

OBJECT = """
import numpy as np

X = np.random.default_rng(0).normal(size=(5, 4))


class Dense:
    def __init__(self, n, m):
        self.W = np.random.default_rng(1).normal(size=(n, m))

    def forward(self, x):
        self.x = x
        return np.tanh(x @ self.W)

    def backward(self, dout):
        dz = dout * (1 - np.tanh(self.x @ self.W) ** 2)
        self.dW = self.x.T @ dz
        return dz @ self.W.T


layer = Dense(4, 3)
"""

LOSS = """
import numpy as np

X, y = np.random.default_rng(0).normal(size=(5, 4)), np.ones(5)
w = np.full(4, 0.5)


def loss(w):
    e = X @ w - y
    return 0.5 * np.sum(e**2), X.T @ e
"""

FILES = {
    "a pair": (PAIR, "dout.sum(axis=0)", "dout.mean(axis=0)"),
    "an object": (OBJECT, "self.dW = self.x.T @ dz", "self.dW = self.x.T @ dout"),
    "one function": (LOSS, "X.T @ e", "2 * X.T @ e"),
}


@pytest.mark.parametrize("case", FILES)
def test_layers_and_losses_of_a_file_are_found_and_checked(run, tmp_path, case):
    text, good, bad = FILES[case]
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(text)
    assert text.count(good) == 1
    wrong.write_text(text.replace(good, bad))

    done = run("check", str(right))
    assert done.code == 0 and "All right." in done.out
    done = run("check", str(wrong), "--time", "20")
    assert done.code == 1 and "WRONG" in done.out and good in done.out


def test_an_argument_that_the_file_does_not_define_is_an_error(run, tmp_path):
    path = tmp_path / "layers.py"
    path.write_text(PAIR.replace("x, w, b = rng", "x, w, bias = rng"))
    done = run("check", str(path))
    assert done.code == 1 and "defines no b" in " ".join(done.out.split())


def test_what_else_the_file_defines_is_checked_all_the_same(run, tmp_path):
    path = tmp_path / "layers.py"
    path.write_text(PAIR + "\n\ndef relu_forward(z):\n    return z, z\n\n\n"
                    "def relu_backward(dout, cache):\n    return dout\n")
    done = run("check", str(path))
    said = " ".join(done.out.split())
    assert done.code == 0 and "x right" in said and "All right." not in said
    assert "relu_forward, relu_backward was not checked: the file defines no z for it." in said


@pytest.mark.parametrize("names", [
    ("forward_affine", "backward_affine"), ("affine_forward_naive", "affine_backward_naive"),
    ("affine_fwd", "affine_bwd")])
def test_a_pair_is_found_wherever_its_names_differ_by_the_direction(run, tmp_path, names):
    path = tmp_path / "layers.py"
    path.write_text(PAIR.replace("affine_forward", names[0]).replace("affine_backward", names[1]))
    done = run("check", str(path))
    assert done.code == 0 and ", ".join(names) in done.out


def test_a_function_called_gradients_is_the_derivation(run, tmp_path):
    path = tmp_path / "two.py"
    path.write_text(LOSS.replace(", X.T @ e", "") + "\n\ndef gradients(w):\n"
                    "    return X.T @ (X @ w - y)\n")
    done = run("check", str(path))
    assert done.code == 0 and "All right." in done.out


def test_the_json_document_has_each_layer(run, tmp_path):
    path = tmp_path / "layers.py"
    path.write_text(PAIR + OBJECT.replace("import numpy as np", ""))
    done = run("check", str(path), "--json")
    (file,) = json.loads(done.out)["files"]
    assert file["ok"] and list(file["layers"]) == ["affine_forward, affine_backward", "layer"]
    assert set(file["layers"]["layer"]["parameters"]) == {"x", "W"}


def test_a_convention_is_accepted_by_its_name(run, tmp_path):
    path = tmp_path / "summed.py"
    path.write_text(LOSS.replace("0.5 * np.sum(e**2)", "0.5 * np.mean(e**2)"))
    done = run("check", str(path))
    assert done.code == 1 and "summed, not averaged" in " ".join(done.out.split())
    done = run("check", str(path), "--ignoring", "summed", "--ignoring", "decay")
    assert done.code == 0 and "This is ignored." in " ".join(done.out.split())
    done = run("check", str(path), "--ignoring", "sum")
    assert done.code == 2 and "clipped-gradient" in done.err and "'sum'" in done.err


CLASSES = OBJECT.partition("layer = ")[0]


def test_a_class_without_an_object_is_told_with_the_line_to_add(run, tmp_path):
    path = tmp_path / "layers.py"
    path.write_text(CLASSES)
    said = ("Dense was not checked: the file makes no object of this class. Add a line such as "
            "layer = Dense(n, m), and its input x.")
    done = run("check", str(path))
    assert done.code == 1 and said in " ".join(done.out.split())

    path.write_text(PAIR + CLASSES)
    done = run("check", str(path), "--json")
    (file,) = json.loads(done.out)["files"]
    assert file["ok"] and not file["conclusive"] and said in file["remarks"]
    done = run("check", str(path))
    assert said in " ".join(done.out.split()) and "All right." not in done.out


@pytest.mark.parametrize("held", ["net = {'layers': [Dense(4, 3)]}", "class Other:\n    pass\n\n\n"
                                  "net = Other()\nnet.layers = (Dense(4, 3),)"])
def test_a_class_counts_as_made_where_an_object_holds_one(run, tmp_path, held):
    path = tmp_path / "layers.py"
    path.write_text(PAIR + CLASSES + held)
    assert "was not checked" not in run("check", str(path)).out


def test_a_base_class_need_not_be_made(run, tmp_path):
    path = tmp_path / "layers.py"
    path.write_text(CLASSES.replace("class Dense:", "class Layer:\n    def forward(self, x):\n"
                                    "        raise NotImplementedError\n\n    backward = forward\n"
                                    "\n\nclass Dense(Layer):") + "layer = Dense(4, 3)")
    done = run("check", str(path))
    assert done.code == 0 and "was not checked" not in done.out
