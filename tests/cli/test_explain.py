"""``tinygrad-mlp explain``: the derivation of a network, on the terminal or as LaTeX."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp.cli.explain import explain
from tinygrad_mlp.cli.options import ACTIVATIONS, LOSSES


def words(done):
    """The printed lines without blanks, which make room for the shapes."""
    return ["".join(line.split()) for line in done.out.splitlines()]


def test_the_gradients_of_the_squared_error_are_printed_with_the_shapes_of_all_factors(run):
    done = run("explain", "--layers", "784,256,10", "--loss", "mean_square")
    assert done.code == 0
    assert "δ3=D3(a3−y)" in words(done) and "δ2=D2W2ᵀδ3" in words(done)
    assert "∂L/∂W1=δ2xᵀ" in words(done)
    assert "256×784256×11×784" in words(done)


def test_those_of_the_cross_entropy_are_simple(run):
    done = run("explain", "--layers", "5,4,3")
    assert "∂L/∂W2=(p−y)a2ᵀ" in words(done)


def test_every_layer_and_bias_has_its_gradient(run):
    done = run("explain", "--layers", "5,4,3,2", "--bias")
    for name in ("W1", "b1", "W2", "b2", "W3", "b3"):
        assert any(line.startswith(f"∂L/∂{name}=") for line in words(done))


def test_relu_and_softmax_are_derived_as_well(run):
    done = run(
        "explain", "--layers", "5,4,3", "--hidden-activation", "relu",
        "--output-activation", "softmax",
    )
    assert "D2=diag([W1x>0])" in words(done)


def test_latex_is_printed_on_demand(run):
    done = run("explain", "--layers", "5,4,3", "--latex")
    assert done.out.startswith(r"\begin{aligned}") and r"W^{(2)}" in done.out


def of_real_arrays(layers, loss, hidden, output, bias):
    """The derivation of a network whose arrays have these sizes."""
    rng = np.random.default_rng(0)
    a, parameters = tg.Tensor(rng.normal(size=layers[0]), name="x"), []
    target = tg.Tensor(np.eye(layers[-1])[0], name="y")
    for i, shape in enumerate(zip(layers[1:], layers, strict=False), start=1):
        parameters.append(tg.Tensor(rng.normal(size=shape), requires_grad=True, name=f"W{i}"))
        z = parameters[-1] @ a
        if bias:
            b = tg.Tensor(rng.normal(size=shape[0]), requires_grad=True, name=f"b{i}")
            parameters.append(b)
            z = z + b
        a = getattr(tg, output if i == len(layers) - 1 else hidden)(z)
    kind = "categorical" if output == "softmax" else "binary"
    function = tg.nn.squared_error if loss == "mean_square" else getattr(
        tg.nn, f"{kind}_cross_entropy")
    return tg.explain(function(a, target), parameters, shapes=True)


@given(data=st.data())
def test_the_derivation_is_that_of_a_network_with_arrays_of_the_true_sizes(data):
    layers = data.draw(st.lists(st.integers(1, 12), min_size=2, max_size=4))
    loss = data.draw(st.sampled_from(LOSSES))
    hidden = data.draw(st.sampled_from([name for name in ACTIVATIONS if name != "softmax"]))
    outputs = ACTIVATIONS if loss == "mean_square" else ("sigmoid", "softmax")
    options = loss, hidden, data.draw(st.sampled_from(outputs)), data.draw(st.booleans())
    right = of_real_arrays(layers, *options)
    loss, hidden, output, bias = options
    found = explain(layers, loss, hidden=hidden, output=output, bias=bias, latex=False)
    assert found.text == str(right)
    assert found.document["latex"] == right.latex
    assert [e["shape"] for e in found.document["equations"]] == [e.shape for e in right.equations]


def test_sizes_of_any_magnitude_are_derived_without_arrays_of_them(run):
    tracemalloc.start()
    done = run("explain", "--layers", "1000000000,1000000000,2", "--bias")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert done.code == 0 and peak < 1 << 26
    assert "1000000000×1000000000" in done.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--layers", "5"], "at least two sizes"),
        (["--layers", "5,x"], "'x' is not a whole number above 0"),
        (["--output-activation", "tanh"], "outputs that are probabilities"),
        (["--loss", "hinge"], "'hinge' is not one of"),
    ],
)
def test_what_is_no_network_is_the_users_mistake(run, options, said):
    done = run("explain", *options)
    assert done.code == 2
    assert said in " ".join(done.err.split())


LOSS = """
import numpy as np
import tinygrad_mlp as tg

rng = np.random.default_rng(0)
X, y, w = rng.normal(size=(6, 3)), rng.uniform(size=6), rng.normal(size=3)


def loss(w):
    p = tg.sigmoid(X @ w)
    return -tg.mean(y * tg.log(p) + (1 - y) * tg.log(1 - p))
"""


def test_the_loss_of_a_file_is_explained_in_its_names(run, tmp_path):
    path = tmp_path / "regression.py"
    path.write_text(LOSS)
    done = run("explain", str(path))

    assert done.code == 0
    assert done.out.splitlines()[2:4] == ["    p = σ(X w)", "    ∂L/∂w = (1 / n) Xᵀ (p − y)"]
    assert run("explain", str(path), "--latex").out.startswith(r"\begin{aligned}")


def test_a_loss_that_fails_is_the_users_mistake(run, tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text("w = 1.0\ndef loss(w):\n    return w + missing\n")
    done = run("explain", str(path))

    assert done.code == 2 and "loss fails with" in done.err.replace("\n", " ")


def test_the_closed_form_of_a_network_does_not_vanish_with_its_zeros(run):
    done = run("explain", "--layers", "4,3,2")
    assert words(done)[2:13:2] == [
        "a2=tanh(W1x)",
        "p=g(W2a2)",
        "D2=diag(1−a2²)",
        "δ2=D2W2ᵀ(p−y)",
        "∂L/∂W1=δ2xᵀ",
        "∂L/∂W2=(p−y)a2ᵀ",
    ]
