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
    assert plain_latex(derivation.of_kind("forward")) == [
        r"z^{(2)} = W^{(1)} x",
        r"a^{(2)} = \tanh(z^{(2)})",
        r"z^{(3)} = W^{(2)} a^{(2)}",
        r"a^{(3)} = g(z^{(3)})",
        r"\mathcal{L} = \frac{1}{2} \left\Vert y - a^{(3)}\right\Vert^{2}",
    ]
    assert plain_latex(derivation.of_kind("adjoint", "gradient")) == [
        r"\bar{\mathcal{L}} = 1",
        r"\bar{a}^{(3)} = a^{(3)} - y",
        r"\delta^{(3)} = \bar{a}^{(3)} \odot a^{(3)} \odot (1 - a^{(3)})",
        r"\nabla_{W^{(2)}}\mathcal{L} = \delta^{(3)} (a^{(2)})^{\top}",
        r"\bar{a}^{(2)} = (W^{(2)})^{\top} \delta^{(3)}",
        r"\delta^{(2)} = \bar{a}^{(2)} \odot (1 - (a^{(2)})^{2})",
        r"\nabla_{W^{(1)}}\mathcal{L} = \delta^{(2)} x^{\top}",
    ]
    assert plain_latex(derivation.of_kind("closed form", "definition")) == [
        r"\nabla_{W^{(2)}}\mathcal{L} = -D^{(3)} (y - g(z^{(3)})) (a^{(2)})^{\top}",
        r"\nabla_{W^{(1)}}\mathcal{L} = "
        r"-D^{(2)} (W^{(2)})^{\top} D^{(3)} (y - g(z^{(3)})) x^{\top}",
        r"D^{(3)} = \mathrm{diag}(g(z^{(3)}) \odot (1 - g(z^{(3)})))",
        r"D^{(2)} = \mathrm{diag}(1 - \tanh^{2}(z^{(2)}))",
    ]


def test_the_cross_entropy_reads_as_in_section_2_2_with_its_simplification(rng):
    output, W1, W2, _, _ = classic_network("cross_entropy", rng)
    derivation = tg.explain(output, [W2, W1])
    slope = r"\left(\frac{1 - y}{1 - g(z^{(3)})} - \frac{y}{g(z^{(3)})}\right)"
    assert plain_latex(derivation.of_kind("closed form")) == [
        rf"\nabla_{{W^{{(2)}}}}\mathcal{{L}} = D^{{(3)}} {slope} (a^{{(2)}})^{{\top}}",
        r"\nabla_{W^{(2)}}\mathcal{L} = (g(z^{(3)}) - y) (a^{(2)})^{\top}",
        r"\nabla_{W^{(1)}}\mathcal{L} = "
        rf"D^{{(2)}} (W^{{(2)}})^{{\top}} D^{{(3)}} {slope} x^{{\top}}",
        r"\nabla_{W^{(1)}}\mathcal{L} = "
        r"D^{(2)} (W^{(2)})^{\top} (g(z^{(3)}) - y) x^{\top}",
    ]
    assert derivation["δ3"].right.latex() == r"g(z^{(3)}) - y"


def test_both_forms_are_found_also_where_the_sigmoid_was_recorded(rng):
    with changed_mode(exact_losses=False):
        unfused, *_ = classic_network("cross_entropy", np.random.default_rng(0))
    fused, *_ = classic_network("cross_entropy", np.random.default_rng(0))
    assert unfused.node.op is not fused.node.op
    forms = [
        [str(e) for e in tg.explain(output).of_kind("closed form", "definition")]
        for output in (unfused, fused)
    ]
    assert forms[0] == forms[1]


def test_the_text_shows_the_shape_below_every_factor(rng):
    output, *_ = classic_network("mean_square", rng)
    derivation = tg.explain(output)
    assert [e for e in derivation.equations if e.kind == "closed form"][1].text == (
        "∂L/∂W1 = −D2  W2ᵀ D3  (y − g(z3)) xᵀ\n"
        " 4×3      4×4 4×2 2×2     2×1     1×3"
    )


def test_the_latex_shows_the_shape_below_every_factor(rng):
    output, *_ = classic_network("mean_square", rng)
    closed = tg.explain(output).of_kind("closed form")[0]
    assert closed.latex == (
        r"\underset{2 \times 4}{\nabla_{W^{(2)}}\mathcal{L}} = "
        r"-\underset{2 \times 2}{D^{(3)}} \underset{2 \times 1}{(y - g(z^{(3)}))} "
        r"\underset{1 \times 4}{(a^{(2)})^{\top}}"
    )


@pytest.mark.parametrize("loss", LOSSES)
@given(
    p=st.integers(1, 5), n2=st.integers(1, 5), k=st.integers(1, 5), columns=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_printed_products_evaluate_to_the_hand_derived_formulas(loss, p, n2, k, columns, seed):
    output, W1, W2, x, y = classic_network(
        loss, np.random.default_rng(seed), p, n2, k, columns
    )
    derivation = tg.explain(output, [W1, W2])
    expected = FORMULAS[loss](W1.data, W2.data, x, y)
    closed = derivation.of_kind("closed form")
    assert len(closed) == {"mean_square": 2, "cross_entropy": 4}[loss]
    for equation in (*closed, *derivation.of_kind("gradient")):
        want = expected[equation.name[-2:]]
        np.testing.assert_allclose(
            equation.evaluate(), want, rtol=1e-10, atol=1e-12 * np.abs(want).max(), strict=True
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
def test_products_are_found_for_any_depth_and_agree_with_autograd(
    widths, bias, form, hidden, output, loss, seed, assert_gradients
):
    if loss == "cross_entropy":
        output = "sigmoid"
    rng = np.random.default_rng(seed)
    result, leaves = layered_network(widths, bias, form, hidden, output, LOSSES[loss], rng)
    derivation = tg.explain(result)
    forms = 2 if loss == "cross_entropy" else 1
    assert len(derivation.of_kind("closed form")) == forms * len(leaves)
    assert_gradients(derivation, result, leaves, kinds=["gradient"])
    # The first form of the cross entropy loses digits as the sigmoid comes near 0 or 1.
    assert_gradients(derivation, result, leaves, kinds=["closed form"], exactness=1e-8)


def test_a_deep_networks_products_read_from_the_loss_downwards(rng):
    result, _ = layered_network(
        [3, 4, 5, 2], True, "row", "relu", "sigmoid", tg.nn.squared_error, rng
    )
    closed = tg.explain(result).of_kind("closed form", "definition")
    assert [str(e) for e in closed] == [
        "∂L/∂W3 = −D4 (y − g(z4)) a3ᵀ",
        "∂L/∂b3 = −D4 (y − g(z4))",
        "∂L/∂W2 = −D3 W3ᵀ D4 (y − g(z4)) a2ᵀ",
        "∂L/∂b2 = −D3 W3ᵀ D4 (y − g(z4))",
        "∂L/∂W1 = −D2 W2ᵀ D3 W3ᵀ D4 (y − g(z4)) xᵀ",
        "∂L/∂b1 = −D2 W2ᵀ D3 W3ᵀ D4 (y − g(z4))",
        "D4 = diag(g(z4) ⊙ (1 − g(z4)))",
        "D3 = diag([z3 > 0])",
        "D2 = diag([z2 > 0])",
    ]


def test_softmax_with_cross_entropy_starts_from_its_simple_slope(rng, assert_gradients):
    W = tg.Tensor(rng.normal(size=(3, 4)), requires_grad=True, name="W1")
    x, y = rng.normal(size=4), np.array([0.0, 1.0, 0.0])
    loss = tg.nn.categorical_cross_entropy(tg.softmax(W @ x), y)
    derivation = tg.explain(loss)
    (closed,) = derivation.of_kind("closed form")
    assert str(closed) == "∂L/∂W1 = (softmax(z2) ⊙ (Σ y) − y) xᵀ"
    assert_gradients(derivation, loss, [W])


def test_the_input_has_a_product_too(rng, assert_gradients):
    W = tg.Tensor(rng.normal(size=(3, 4)), requires_grad=True, name="W1")
    x = tg.Tensor(rng.normal(size=4), requires_grad=True, name="x")
    loss = tg.nn.squared_error(tg.tanh(W @ x), np.ones(3))
    derivation = tg.explain(loss, x)
    (closed,) = derivation.of_kind("closed form")
    assert str(closed) == "∂L/∂x = −W1ᵀ D2 (y − tanh(z2))"
    assert_gradients(derivation, loss, [x])


def test_a_batch_has_adjoint_equations_but_no_products(rng, assert_gradients):
    model = tg.nn.Sequential(tg.nn.Linear(3, 4, rng=rng), tg.nn.Tanh(), tg.nn.Linear(4, 2, rng=rng))
    X, Y = rng.normal(size=(5, 3)), np.eye(2)[[0, 1, 1, 0, 1]]
    loss = tg.nn.softmax_cross_entropy(model(X), Y)
    derivation = tg.explain(loss, model.parameters())
    assert derivation.of_kind("closed form") == []
    assert [str(e) for e in derivation.of_kind("adjoint", "gradient")] == [
        "L̄ = 1",
        "δ3 = (1/5) (softmax(z3) ⊙ (Σ_axis1 y) − y)",
        "∂L/∂W2 = δ3ᵀ a2",
        "∂L/∂b2 = Σ_axis0 δ3",
        "ā2 = δ3 W2",
        "δ2 = ā2 ⊙ (1 − a2²)",
        "∂L/∂W1 = δ2ᵀ x",
        "∂L/∂b1 = Σ_axis0 δ2",
    ]


def test_the_mean_over_a_column_is_seen_as_a_factor(rng, assert_gradients):
    # With the first axis counting samples, a column of k outputs is k samples.
    W = tg.Tensor(rng.normal(size=(3, 2)), requires_grad=True, name="W1")
    loss = tg.nn.squared_error(tg.sigmoid(W @ rng.normal(size=(2, 1))), np.ones((3, 1)))
    derivation = tg.explain(loss)
    (closed,) = derivation.of_kind("closed form")
    assert str(closed) == "∂L/∂W1 = −⅓ D2 (y − g(z2)) xᵀ"
    assert_gradients(derivation, loss, [W])


def test_a_weight_used_twice_has_no_product(rng, assert_gradients):
    W = tg.Tensor(rng.normal(size=(3, 3)), requires_grad=True, name="W")
    loss = tg.nn.squared_error(tg.tanh(W @ tg.tanh(W @ rng.normal(size=3))), np.ones(3))
    derivation = tg.explain(loss)
    assert derivation.of_kind("closed form") == []
    assert_gradients(derivation, loss, [W])


def test_float32_stays_float32(rng, assert_gradients):
    network = tg.NeuralNetwork([3, 4, 2], monitor=False, plot=False, seed=0, dtype=np.float32)
    x, y = rng.normal(size=(1, 3)).astype(np.float32), np.array([[0.0, 1.0]], np.float32)
    loss = tg.nn.binary_cross_entropy(network.model(x), y)
    leaves = list(network.model.parameters())
    assert [leaf.name for leaf in leaves] == ["W1", "W2"]
    assert assert_gradients(tg.explain(loss), loss, leaves) == 6
