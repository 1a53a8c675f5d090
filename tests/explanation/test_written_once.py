"""Layers and steps that are written once: the order of the lines, names, numbers and shapes."""

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests import blackboard
from tests.explanation.test_closed_programs import assert_right
from tinygrad_mlp.explanation.expressions.expression import Symbol, within
from tinygrad_mlp.explanation.expressions.making import is_made_by
from tinygrad_mlp.explanation.repetition.loop_lines import at_each_step
from tinygrad_mlp.explanation.repetition.members import numbered


def weights(*shapes, name="W"):
    rng = np.random.default_rng(0)
    return {f"{name}{number}": tg.Tensor(rng.normal(size=shape), requires_grad=True)
            for number, shape in enumerate(shapes, start=1)}


def data(**shapes):
    rng = np.random.default_rng(1)
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def closed_form(loss, values, **options):
    """The closed form; it has the right values, in order, and no name twice."""
    closed = tg.explain(loss, values, **options).closed
    wanted = {name: v for name, v in values.items() if isinstance(v, tg.Tensor)}
    found = tg.grad(lambda given: loss(**{**values, **given}))(
        {name: v.data for name, v in wanted.items()})
    assert_right(closed, {f"∂L/∂{name}": np.asarray(g) for name, g in found.items()})
    names = [e.name for e in closed.equations]
    assert not closed.note and len(set(names)) == len(names)
    assert_in_order(closed)
    return closed


def assert_in_order(closed):
    """A line of one quantity is not written with quantities of later lines."""
    later = set()
    for right in (e.right for e in closed.equations[::-1]):
        if is_made_by(at_each_step, right):
            later.update(right.args)
            continue
        later.add(right)
        used = {e.definition for e in within([right]) if isinstance(e, Symbol)}
        assert not used & later


def textbook(name, **options):
    function, values = next(row for row in blackboard.cases() if row[0].__name__ == name)
    return closed_form(function, values, **options)


def test_what_is_computed_from_the_derivatives_of_a_loop_follows_them():
    def loss(W1, W2, W3, b, x, y):
        h = tg.tanh(W1 @ y + b)
        for t in range(len(x)):
            h = tg.tanh(W2 @ h + W3 @ x[t])
        return tg.sum((h - y) ** 2) / 2

    values = weights((3, 3), (3, 3), (3, 2)) | data(x=(5, 2), y=(3,))
    values["b"] = tg.Tensor(np.ones(3), requires_grad=True)

    assert closed_form(loss, values).text.splitlines() == [
        "h_0 = tanh(W1 y + b)",
        "h_t = tanh(W2 h_{t−1} + W3 x_t)",
        "δ_5 = (h_5 − y) ⊙ (1 − h_5²)",
        "δ_t = (W2ᵀ δ_{t+1}) ⊙ (1 − h_t²)",
        "δ = (W2ᵀ δ_1) ⊙ (1 − h_0²)",
        "∂L/∂W1 = δ yᵀ",
        "∂L/∂W2 = Σ_t δ_t h_{t−1}ᵀ",
        "∂L/∂W3 = Σ_t δ_t x_tᵀ",
        "∂L/∂b = δ",
    ]


def test_a_layer_before_those_of_a_loop_has_the_number_before_theirs():
    def loss(W1, b1, W2, b2, W3, b3, W4, b4, W5, b5, x, y):
        a1 = tg.relu(W1 @ x + b1)
        a2 = tg.tanh(W2 @ a1 + b2)
        a3 = tg.tanh(W3 @ a2 + b3)
        a4 = tg.tanh(W4 @ a3 + b4)
        return tg.sum((W5 @ a4 + b5 - y) ** 2) / 2

    values = blackboard.layers(False, (4, 3, 5, 2, 3, 2)) | data(x=(4, 1), y=(2, 1))
    lines = closed_form(loss, values).text.splitlines()

    assert lines[:4] == [
        "z1 = W1 x + b1", "a1 = ReLU(z1)", "z_l = W_l a_{l−1} + b_l", "a_l = tanh(z_l)"]
    assert "δ1 = (W2ᵀ δ2) ⊙ [z1 > 0]" in lines


def test_what_layers_have_takes_no_name_of_the_user():
    def loss(W1, b1, W2, W3, W4, W5, X, Y, Z1, δ2):
        A1 = tg.relu(X @ W1 + b1)
        A2 = tg.tanh(A1 @ W2)
        A3 = tg.tanh(A2 @ W3)
        A4 = tg.tanh(A3 @ W4)
        return tg.sum((A4 @ W5 - Y) ** 2) / 2 + tg.sum(δ2 * A4) + tg.sum(Z1 * A1)

    values = weights((4, 3), (3, 5), (5, 2), (2, 3), (3, 2)) | data(
        X=(6, 4), Y=(6, 2), Z1=(6, 3), δ2=(6, 3))
    values["b1"] = tg.Tensor(np.ones(3), requires_grad=True)
    lines = closed_form(loss, values).text.splitlines()

    assert lines[:2] == ["z2 = X W1 + b1", "A1 = ReLU(z2)"]
    assert "δ4 = (δ W5ᵀ + δ2) ⊙ (1 − A4²)" in lines


def test_a_derivative_beside_the_layers_has_none_of_their_names():
    def loss(W1, W2, W3, W4, W5, X, Y):
        A1 = tg.tanh(X @ W1)
        A2 = tg.tanh(A1 @ W2)
        A3 = tg.tanh(A2 @ W3)
        return tg.sum((A3 @ W4 - Y) ** 2) / 2 + tg.sum((tg.sin(A2 @ W5) - Y) ** 2) / 2

    values = weights((4, 3), (3, 5), (5, 2), (2, 3), (5, 3)) | data(X=(6, 4), Y=(6, 3))
    lines = closed_form(loss, values).text.splitlines()

    assert "δ2 = (δ3 W3ᵀ + δ W5ᵀ) ⊙ (1 − A2²)" in lines
    assert "δ1 = (δ2 W2ᵀ) ⊙ (1 − A1²)" in lines


def test_the_number_of_a_derivative_is_that_of_z():
    def loss(W1, W2, W3, W4, x, y):
        z1 = W1 @ x
        a2 = tg.tanh(z1)
        z2 = W2 @ a2
        a3 = tg.tanh(z2)
        z3 = W3 @ a3
        a4 = tg.tanh(z3)
        z4 = W4 @ a4
        return tg.sum((z4 - y) ** 2) / 2

    closed = closed_form(loss, weights((3, 4), (5, 3), (2, 5), (3, 2)) | data(x=(4, 1), y=(3, 1)))

    assert closed.text.splitlines() == [
        "z_l = W_l a_l",
        "a_l = tanh(z_{l−1})",
        "δ3 = (W4ᵀ (z4 − y)) ⊙ (1 − a4²)",
        "δ_l = (W_{l+1}ᵀ δ_{l+1}) ⊙ (1 − a_{l+1}²)",
        "∂L/∂W_l = δ_l a_lᵀ",
        "∂L/∂W4 = (z4 − y) a4ᵀ",
    ]
    assert closed.glossary[-4:] == (
        "a_1 = x", "a_l: of layer l = 2, …, 4", "z_l, W_l: of layer l = 1, …, 4",
        "δ_l: of layer l = 1, …, 3")


def of_a_name(W0, W1, W2, W3, x, y):
    h = x
    for W in (W0, W1, W2):
        h = tg.tanh(W @ h)
    return tg.sum((W3 @ h - y) ** 2) / 2


def of_no_name(W0, W1, W2, W3, x, y):
    return tg.sum((W3 @ tg.tanh(W2 @ tg.tanh(W1 @ tg.tanh(W0 @ x))) - y) ** 2) / 2


@pytest.mark.parametrize(("loss", "letter"), [(of_a_name, "h"), (of_no_name, "a")])
def test_weights_from_0_on_make_layers_from_1_on(loss, letter):
    rng = np.random.default_rng(0)
    values = {f"W{number}": tg.Tensor(rng.normal(size=shape), requires_grad=True)
              for number, shape in enumerate([(3, 4), (5, 3), (2, 5), (3, 2)])}
    closed = closed_form(loss, values | data(x=(4, 1), y=(3, 1)))

    assert closed.text.splitlines() == [
        f"z_l = W_{{l−1}} {letter}_{{l−1}}",
        f"{letter}_l = tanh(z_l)",
        f"δ = W3 {letter}3 − y",
        f"δ3 = (W3ᵀ δ) ⊙ (1 − {letter}3²)",
        f"δ_l = (W_lᵀ δ_{{l+1}}) ⊙ (1 − {letter}_l²)",
        f"∂L/∂W_l = δ_{{l+1}} {letter}_lᵀ",
        f"∂L/∂W3 = δ {letter}3ᵀ",
    ]
    assert f"{letter}_0 = x" in closed.glossary


def test_weights_whose_names_have_an_underscore_are_those_of_layers_too():
    def loss(enc_W1, enc_W2, enc_W3, enc_W4, x, y):
        a1 = tg.tanh(enc_W1 @ x)
        a2 = tg.tanh(enc_W2 @ a1)
        a3 = tg.tanh(enc_W3 @ a2)
        return tg.sum((enc_W4 @ a3 - y) ** 2) / 2

    values = weights((3, 4), (5, 3), (2, 5), (3, 2), name="enc_W") | data(x=(4, 1), y=(3, 1))
    closed = closed_form(loss, values)

    assert str(closed.equations[0]) == "z_l = enc_W_l a_{l−1}"
    assert closed.equations[0].latex == r"z^{(l)} = {\mathrm{enc}_{\mathrm{W}}}_{l} a^{(l-1)}"


def test_nothing_has_no_numbers():
    assert numbered([], lambda base: base.name) is None


@pytest.mark.parametrize("name", ["deep_network", "deep_network_in_columns"])
def test_all_that_layers_have_is_numbered_in_one_way(name):
    latex = textbook(name).latex

    assert "{(l)}" in latex and "_{l" not in latex


def test_the_equation_of_one_layer_has_shapes():
    closed = textbook("deep_network", shapes=True)

    assert closed["∂L/∂W2"].text == "∂L/∂W2 = A1ᵀ δ2\n 5×6     5×6 6×6"
    assert closed["δ4"].text.count("6×3") == 2


def test_a_line_of_several_layers_has_none():
    closed = textbook("deep_network", shapes=True)

    assert closed["∂L/∂W_l"].text == "∂L/∂W_l = A_{l−1}ᵀ δ_l"
    assert "underset" not in closed["Z_l"].latex


def norm(Z):
    return (Z - tg.mean(Z, axis=1, keepdims=True)) / tg.std(Z, axis=1, keepdims=True)


def drawn(**shapes):
    rng = np.random.default_rng(0)
    return {f"{name}{number}": tg.Tensor(rng.normal(size=shape), requires_grad=True)
            for number in (1, 2, 3) for name, shape in shapes.items()}


def test_blocks_of_a_transformer_are_written_once():
    def loss(Wq1, Wk1, Wv1, U1, V1, Wq2, Wk2, Wv2, U2, V2, Wq3, Wk3, Wv3, U3, V3, X, R):
        d = Wq1.shape[1]
        blocks = ((Wq1, Wk1, Wv1, U1, V1), (Wq2, Wk2, Wv2, U2, V2), (Wq3, Wk3, Wv3, U3, V3))
        for Wq, Wk, Wv, U, V in blocks:
            N = norm(X)
            A = tg.softmax((N @ Wq) @ (N @ Wk).T / np.sqrt(d))
            X = X + A @ N @ Wv
            M = norm(X)
            X = X + tg.relu(M @ U) @ V
        return tg.sum((X - R) ** 2) / 2

    values = drawn(Wq=(4, 2), Wk=(4, 2), Wv=(4, 4), U=(4, 5), V=(5, 4)) | data(X=(6, 4), R=(6, 4))

    assert closed_form(loss, values).text.splitlines() == [
        "e_l = X_l − mean_1(X_l)",
        "σ_l = √(mean_1(e_{l−1}²))",
        "N_l = e_{l−1} / σ_l",
        "A_l = softmax((1 / √d) N_l Wq_l Wk_lᵀ N_lᵀ)",
        "S_l = A_l N_l Wv_l + X_{l−1}",
        "ε_l = S_l − mean_1(S_l)",
        "τ_l = √(mean_1(ε_l²))",
        "M_l = ε_l / τ_l",
        "B_l = ReLU(M_l U_l)",
        "X_l = B_l V_l + S_l",
        "δX3 = X3 − R",
        "δB_l = (δX_l V_lᵀ) ⊙ [M_l U_l > 0]",
        "δM_l = δB_l U_lᵀ",
        "δS_l = (δM_l − mean_1(M_l ⊙ δM_l) ⊙ M_l − mean_1(δM_l)) / τ_l + δX_l",
        "δ_A_l = δS_l Wv_lᵀ N_lᵀ",
        "δA_l = A_l ⊙ (δ_A_l − (A_l ⊙ δ_A_l) 1 1ᵀ)",
        "δN_l = A_lᵀ δS_l Wv_lᵀ + (1 / √d) δA_l N_l Wk_l Wq_lᵀ",
        "        + (1 / √d) δA_lᵀ N_l Wq_l Wk_lᵀ",
        "δX_l = (δN_{l+1} − mean_1(N_{l+1} ⊙ δN_{l+1}) ⊙ N_{l+1} − mean_1(δN_{l+1}))",
        "        / σ_{l+1} + δS_{l+1}",
        "∂L/∂Wq_l = (1 / √d) N_lᵀ δA_l N_l Wk_l",
        "∂L/∂Wk_l = (1 / √d) N_lᵀ δA_lᵀ N_l Wq_l",
        "∂L/∂Wv_l = N_lᵀ A_lᵀ δS_l",
        "∂L/∂U_l = M_lᵀ δB_l",
        "∂L/∂V_l = B_lᵀ δX_l",
    ]


def test_layers_that_end_with_a_norm_hand_on_the_derivative_of_it():
    def loss(W1, W2, W3, X, R):
        H = X
        for W in (W1, W2, W3):
            Z = H + tg.relu(H @ W)
            μ = tg.mean(Z, axis=1, keepdims=True)
            σ = tg.std(Z, axis=1, keepdims=True)
            H = (Z - μ) / σ
        return tg.sum((H - R) ** 2) / 2

    assert closed_form(loss, drawn(W=(4, 4)) | data(X=(6, 4), R=(6, 4))).text.splitlines() == [
        "A_l = ReLU(H_{l−1} W_l)",
        "Z_l = H_{l−1} + A_l",
        "μ_l = mean_1(Z_l)",
        "σ_l = √(mean_1((Z_l − μ_l)²))",
        "H_l = (Z_l − μ_l) / σ_l",
        "δH3 = H3 − R",
        "δZ_l = (δH_l − mean_1(H_l ⊙ δH_l) ⊙ H_l − mean_1(δH_l)) / σ_l",
        "δ_l = δZ_l ⊙ [H_{l−1} W_l > 0]",
        "δH_l = δ_{l+1} W_{l+1}ᵀ + δZ_{l+1}",
        "∂L/∂W_l = H_{l−1}ᵀ δ_l",
    ]


def test_a_deviation_is_not_called_as_the_sigmoid():
    def loss(W1, W2, W3, X, R):
        H = X
        for W in (W1, W2, W3):
            H = H + tg.sigmoid(norm(H) @ W)
        return tg.sum((H - R) ** 2) / 2

    lines = closed_form(loss, drawn(W=(4, 4)) | data(X=(6, 4), R=(6, 4))).text.splitlines()
    assert lines[1:4] == [
        "s_l = √(mean_1(e_{l−1}²))", "N_l = e_{l−1} / s_l", "P_l = σ(N_l W_l)"]
