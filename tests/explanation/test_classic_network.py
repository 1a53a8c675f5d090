"""The classic network: its derivation reads as in the tutorial, and has the same formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.verify import formulas

LOSSES = {"mean_square": tg.nn.squared_error, "cross_entropy": tg.nn.binary_cross_entropy}
FORMULAS = {"mean_square": formulas.mean_square, "cross_entropy": formulas.cross_entropy}


def classic_network(loss, rng, p=3, n2=4, k=2, columns=True):
    """The loss of one sample in the classic network, and W1, W2, x, y."""
    W1 = tg.Tensor(rng.normal(size=(n2, p)), requires_grad=True, name="W1")
    W2 = tg.Tensor(rng.normal(size=(k, n2)), requires_grad=True, name="W2")
    x, y = rng.normal(size=p), rng.uniform(size=k)
    if columns:
        x, y = x[:, None], y[:, None]
    output = LOSSES[loss](tg.sigmoid(W2 @ tg.tanh(W1 @ x)), y, reduction="sum")
    return output, W1, W2, x, y


def plain_latex(equations):
    return [f"{e.left.latex()} = {e.right.latex()}" for e in equations]


def test_the_squared_error_reads_as_in_section_2_1(rng):
    output, W1, W2, _, _ = classic_network("mean_square", rng)
    derivation = tg.explain(output, [W2, W1])
    forward = [
        r"z^{(2)} = W^{(1)} x",
        r"a^{(2)} = \tanh(z^{(2)})",
        r"z^{(3)} = W^{(2)} a^{(2)}",
        r"a^{(3)} = g(z^{(3)})",
    ]
    loss = r"\mathcal{L} = \frac{1}{2} \left\Vert y - a^{(3)}\right\Vert^{2}"
    assert plain_latex(derivation.tape.of_kind("forward")) == [*forward, loss]
    assert plain_latex(derivation.tape.of_kind("adjoint", "gradient")) == [
        r"\bar{\mathcal{L}} = 1",
        r"\bar{a}^{(3)} = a^{(3)} - y",
        r"\delta^{(3)} = a^{(3)} \odot \bar{a}^{(3)} \odot (1 - a^{(3)})",
        r"\nabla_{W^{(2)}}\mathcal{L} = \delta^{(3)} (a^{(2)})^{\top}",
        r"\bar{a}^{(2)} = (W^{(2)})^{\top} \delta^{(3)}",
        r"\delta^{(2)} = \bar{a}^{(2)} \odot (1 - (a^{(2)})^{2})",
        r"\nabla_{W^{(1)}}\mathcal{L} = \delta^{(2)} x^{\top}",
    ]
    loss = r"\mathcal{L} = \frac{1}{2} \, \left\Vert a^{(3)} - y\right\Vert^{2}"
    assert plain_latex(derivation.steps.of_kind("forward")) == [*forward, loss]
    assert derivation.closed.text.splitlines() == [
        "a2 = tanh(W1 x)",
        "a3 = g(W2 a2)",
        "D3 = diag(a3 ⊙ (1 − a3))",
        "D2 = diag(1 − a2²)",
        "δ3 = D3 (a3 − y)",
        "δ2 = D2 W2ᵀ δ3",
        "∂L/∂W2 = δ3 a2ᵀ",
        "∂L/∂W1 = δ2 xᵀ",
    ]
    assert plain_latex(derivation.steps.of_kind("adjoint", "gradient")) == [
        r"\delta^{(3)} = a^{(3)} \odot (a^{(3)} - y) \odot (1 - a^{(3)})",
        r"\delta_{a^{(2)}} = (W^{(2)})^{\top} \delta^{(3)}",
        r"\delta^{(2)} = \delta_{a^{(2)}} \odot (1 - (a^{(2)})^{2})",
        r"\nabla_{W^{(2)}}\mathcal{L} = \delta^{(3)} (a^{(2)})^{\top}",
        r"\nabla_{W^{(1)}}\mathcal{L} = \delta^{(2)} x^{\top}",
    ]


def test_the_cross_entropy_reads_as_in_section_2_2_with_its_simplification(rng):
    output, W1, W2, _, _ = classic_network("cross_entropy", rng)
    derivation = tg.explain(output, [W2, W1])
    assert derivation.closed.text.splitlines() == [
        "a2 = tanh(W1 x)",
        "p = g(W2 a2)",
        "D2 = diag(1 − a2²)",
        "δ2 = D2 W2ᵀ (p − y)",
        "∂L/∂W2 = (p − y) a2ᵀ",
        "∂L/∂W1 = δ2 xᵀ",
    ]
    assert derivation["δ3"].right.latex() == r"g(z^{(3)}) - y"


def test_the_slope_of_the_cross_entropy_is_simple_also_where_the_sigmoid_was_recorded():
    with changed_mode(exact_losses=False):
        output, *_ = classic_network("cross_entropy", np.random.default_rng(0))
    assert "δ3 = a3 − y" in tg.explain(output).closed.text


@pytest.mark.parametrize("loss", LOSSES)
@given(
    p=st.integers(1, 5), n2=st.integers(1, 5), k=st.integers(1, 5), columns=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_all_levels_evaluate_to_the_hand_derived_formulas(loss, p, n2, k, columns, seed):
    output, W1, W2, x, y = classic_network(
        loss, np.random.default_rng(seed), p, n2, k, columns
    )
    derivation = tg.explain(output, [W1, W2])
    expected = FORMULAS[loss](W1.data, W2.data, x, y)
    for level in (derivation.closed, derivation.steps, derivation.tape):
        assert not level.note
        for name, want in expected.items():
            np.testing.assert_allclose(
                level[f"∂L/∂{name}"].evaluate(), want,
                rtol=1e-10, atol=1e-12 * np.abs(want).max(), strict=True,
            )


# -- any depth, biases, other activations, single rows --------------------------------------------

ACTIVATIONS = {
    "tanh": tg.tanh, "sigmoid": tg.sigmoid, "relu": tg.relu, "softplus": tg.softplus,
    "identity": lambda z: z, "by hand": lambda z: 1 / (1 + tg.exp(-z)),
}


def layered_network(widths, bias, form, hidden, output, loss, rng):
    """The loss of one sample in a network of any depth, written in one of three conventions."""
    names = range(1, len(widths))
    weights = [
        tg.Tensor(rng.normal(0, 0.5, shape), requires_grad=True, name=f"W{i}")
        for i, shape in zip(names, zip(widths[1:], widths[:-1], strict=True), strict=True)
    ]
    shape = {"vector": lambda n: n, "column": lambda n: (n, 1), "row": lambda n: n}[form]
    biases = [
        tg.Tensor(rng.normal(size=shape(n)), requires_grad=True, name=f"b{i}")
        for i, n in zip(names, widths[1:], strict=True)
    ]
    a, y = rng.normal(size=widths[0]), rng.uniform(size=widths[-1])
    if form != "vector":
        a, y = (v[:, None] if form == "column" else v[None, :] for v in (a, y))
    for i, (W, b) in enumerate(zip(weights, biases, strict=True)):
        z = tg.linear(a, W, b if bias else None) if form == "row" else W @ a + (b if bias else 0)
        a = ACTIVATIONS[output if i == len(weights) - 1 else hidden](z)
    reduction = "mean" if form == "row" else "sum"
    return loss(a, y, reduction=reduction), weights + (biases if bias else [])


@given(
    widths=st.lists(st.integers(1, 4), min_size=2, max_size=5),
    bias=st.booleans(),
    form=st.sampled_from(["vector", "column", "row"]),
    hidden=st.sampled_from(sorted(ACTIVATIONS)),
    output=st.sampled_from(["sigmoid", "tanh", "identity"]),
    loss=st.sampled_from(["mean_square", "cross_entropy"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_networks_of_any_depth_agree_with_autograd(
    widths, bias, form, hidden, output, loss, seed, assert_gradients
):
    if loss == "cross_entropy":
        output = "sigmoid"
    rng = np.random.default_rng(seed)
    result, leaves = layered_network(widths, bias, form, hidden, output, LOSSES[loss], rng)
    derivation = tg.explain(result)
    for level in (derivation.closed, derivation.steps, derivation.tape):
        assert not level.note
        assert assert_gradients(level, result, leaves, exactness=1e-9) == len(leaves)


def test_a_deep_network_has_a_line_for_each_layer(rng):
    result, _ = layered_network(
        [3, 4, 5, 2], True, "vector", "relu", "sigmoid", tg.nn.squared_error, rng
    )
    assert [str(e) for e in tg.explain(result).closed.equations] == [
        "z2 = W1 x + b1",
        "a2 = ReLU(z2)",
        "z3 = W2 a2 + b2",
        "a3 = ReLU(z3)",
        "a4 = g(W3 a3 + b3)",
        "D4 = diag(a4 ⊙ (1 − a4))",
        "D3 = diag([z3 > 0])",
        "D2 = diag([z2 > 0])",
        "δ4 = D4 (a4 − y)",
        "δ3 = D3 W3ᵀ δ4",
        "δ2 = D2 W2ᵀ δ3",
        "∂L/∂W1 = δ2 xᵀ",
        "∂L/∂b1 = δ2",
        "∂L/∂W2 = δ3 a2ᵀ",
        "∂L/∂b2 = δ3",
        "∂L/∂W3 = δ4 a3ᵀ",
        "∂L/∂b3 = δ4",
    ]


def closed_texts(loss, wrt=None):
    return [str(e) for e in tg.explain(loss, wrt).closed.of_kind("gradient")]


def test_softmax_with_cross_entropy_is_the_difference_from_the_target(rng):
    W = tg.Tensor(rng.normal(size=(3, 4)), requires_grad=True, name="W1")
    x, y = rng.normal(size=4), np.array([0.0, 1.0, 0.0])
    loss = tg.nn.categorical_cross_entropy(tg.softmax(W @ x), y)
    assert closed_texts(loss) == ["∂L/∂W1 = (p − y) xᵀ"]


def test_the_input_has_a_gradient_too(rng):
    W = tg.Tensor(rng.normal(size=(3, 4)), requires_grad=True, name="W1")
    x = tg.Tensor(rng.normal(size=4), requires_grad=True, name="x")
    loss = tg.nn.squared_error(tg.tanh(W @ x), np.ones(3))
    assert closed_texts(loss, x) == ["∂L/∂x = W1ᵀ ((a − y) ⊙ (1 − a²))"]


def test_a_batch_has_means(rng):
    model = tg.nn.Sequential(tg.nn.Linear(3, 4, rng=rng), tg.nn.Tanh(), tg.nn.Linear(4, 2, rng=rng))
    X, Y = rng.normal(size=(5, 3)), np.eye(2)[[0, 1, 1, 0, 1]]
    loss = tg.nn.softmax_cross_entropy(model(X), Y)
    derivation = tg.explain(loss, model.parameters())
    assert derivation.closed.text.splitlines() == [
        "a2 = tanh(x W1ᵀ + b1)",
        "P = softmax(a2 W2ᵀ + b2)",
        "δ2 = (1 / n) ((P − y) W2) ⊙ (1 − a2²)",
        "∂L/∂W1 = δ2ᵀ x",
        "∂L/∂b1 = δ2ᵀ 1",
        "∂L/∂W2 = (1 / n) (P − y)ᵀ a2",
        "∂L/∂b2 = mean_0(P − y)",
        "because Σ over axis 1 of y = 1",
    ]
    assert [str(e) for e in derivation.tape.of_kind("adjoint", "gradient")] == [
        "L̄ = 1",
        "δ3 = (1/5) (diag(y 1) softmax(z3) − y)",
        "∂L/∂b2 = δ3ᵀ 1",
        "∂L/∂W2 = δ3ᵀ a2",
        "ā2 = δ3 W2",
        "δ2 = ā2 ⊙ (1 − a2²)",
        "∂L/∂b1 = δ2ᵀ 1",
        "∂L/∂W1 = δ2ᵀ x",
    ]


def test_the_mean_over_a_column_is_seen_as_a_factor(rng):
    # With the first axis counting samples, a column of k outputs is k samples.
    W = tg.Tensor(rng.normal(size=(3, 2)), requires_grad=True, name="W1")
    loss = tg.nn.squared_error(tg.sigmoid(W @ rng.normal(size=(2, 1))), np.ones((3, 1)))
    assert closed_texts(loss) == ["∂L/∂W1 = (1 / n) (p ⊙ (p − y) ⊙ (1 − p)) xᵀ"]


def test_a_weight_used_twice_has_the_sum_over_its_uses(rng):
    W = tg.Tensor(rng.normal(size=(3, 3)), requires_grad=True, name="W")
    loss = tg.nn.squared_error(tg.tanh(W @ tg.tanh(W @ rng.normal(size=3))), np.ones(3))
    (text,) = closed_texts(loss)
    assert " + " in text


def test_float32_stays_float32(rng, assert_gradients):
    network = tg.NeuralNetwork([3, 4, 2], monitor=False, plot=False, seed=0, dtype=np.float32)
    x, y = rng.normal(size=(1, 3)).astype(np.float32), np.array([[0.0, 1.0]], np.float32)
    loss = tg.nn.binary_cross_entropy(network.model(x), y)
    leaves = list(network.model.parameters())
    assert [leaf.name for leaf in leaves] == ["W1", "W2"]
    derivation = tg.explain(loss)
    for level in (derivation.closed, derivation.steps, derivation.tape):
        assert assert_gradients(level, loss, leaves) == 2
