"""Loops with several quantities a step, loops beside each other, heads: written once, and right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
import tinygrad_mlp.numpy as arrays
from tests import blackboard
from tests.explanation.test_read_aloud import drawn
from tests.explanation.test_written_once import closed_form, data, weights
from tinygrad_mlp.explanation.repetition.repeats import find_repeats
from tinygrad_mlp.graph_view.layer_view import Recorded

TEXTBOOK = {name: next(row for row in blackboard.cases() if row[0].__name__ == name) for name in (
    "two_recurrent_layers", "long_short_term_memory", "gated_recurrent_unit", "heads_side_by_side",
    "heads_in_a_stack")}


def lines_of(loss, values, **options):
    return closed_form(loss, values, **options).text.splitlines()


def test_long_short_term_memory_is_its_recursion():
    assert lines_of(*TEXTBOOK["long_short_term_memory"])[:14] == [
        "i_t = σ(Wi x_t + Ui h_{t−1})",
        "f_t = σ(Wf x_t + Uf h_{t−1})",
        "o_t = σ(Wo x_t + Uo h_{t−1})",
        "g_t = tanh(Wg x_t + Ug h_{t−1})",
        "c_t = i_t ⊙ g_t + f_t ⊙ c_{t−1}",
        "h_t = o_t ⊙ tanh(c_t)",
        "δh_5 = h_5 − y",
        "δc_5 = o_5 ⊙ δh_5 ⊙ (1 − tanh²(c_5))",
        "δg_t = i_t ⊙ δc_t ⊙ (1 − g_t²)",
        "δo_t = o_t ⊙ tanh(c_t) ⊙ δh_t ⊙ (1 − o_t)",
        "δf_t = f_t ⊙ c_{t−1} ⊙ δc_t ⊙ (1 − f_t)",
        "δi_t = i_t ⊙ g_t ⊙ δc_t ⊙ (1 − i_t)",
        "δh_t = Uiᵀ δi_{t+1} + Ufᵀ δf_{t+1} + Uoᵀ δo_{t+1} + Ugᵀ δg_{t+1}",
        "δc_t = o_t ⊙ δh_t ⊙ (1 − tanh²(c_t)) + f_{t+1} ⊙ δc_{t+1}",
    ]


def test_a_line_of_a_loop_has_the_derivatives_of_all_steps():
    loss, values = TEXTBOOK["long_short_term_memory"]

    def disturbed(h_added, c_added):
        v = {name: value.data if isinstance(value, tg.Tensor) else value
             for name, value in values.items()}
        h, c = v["h_0"], v["c_0"]
        for t in range(len(v["x"])):
            i, f, o = (tg.sigmoid(v[f"W{k}"] @ v["x"][t] + v[f"U{k}"] @ h) for k in "ifo")
            c = f * c + i * tg.tanh(v["Wg"] @ v["x"][t] + v["Ug"] @ h) + c_added[t]
            h = o * tg.tanh(c) + h_added[t]
        return tg.sum((h - v["y"]) ** 2) / 2

    of_h, of_c = tg.grad(disturbed, argnums=(0, 1))(np.zeros((5, 3)), np.zeros((5, 3)))
    closed = closed_form(loss, values)

    for name, right in (("δh", np.asarray(of_h)), ("δc", np.asarray(of_c))):
        np.testing.assert_allclose(closed[f"{name}_5"].evaluate(), right[4], rtol=1e-12)
        ours = closed[f"{name}_t"].evaluate()
        np.testing.assert_allclose(ours, right[:4], rtol=1e-10, atol=1e-14)


def test_a_gated_recurrent_unit_is_its_recursion():
    assert lines_of(*TEXTBOOK["gated_recurrent_unit"]) == [
        "z_t = σ(Wz x_t + Uz h_{t−1})",
        "r_t = σ(Wr x_t + Ur h_{t−1})",
        "n_t = tanh(Un (h_{t−1} ⊙ r_t) + Wn x_t)",
        "h_t = h_{t−1} ⊙ z_t + n_t ⊙ (1 − z_t)",
        "δh_5 = h_5 − y",
        "δn_t = (1 − z_t) ⊙ δh_t ⊙ (1 − n_t²)",
        "δr_t = (Unᵀ δn_t) ⊙ h_{t−1} ⊙ r_t ⊙ (1 − r_t)",
        "δz_t = z_t ⊙ (1 − z_t) ⊙ δh_t ⊙ (h_{t−1} − n_t)",
        "δh_t = (Unᵀ δn_{t+1}) ⊙ r_{t+1} + Uzᵀ δz_{t+1} + Urᵀ δr_{t+1}",
        "        + z_{t+1} ⊙ δh_{t+1}",
        "∂L/∂Wz = Σ_t δz_t x_tᵀ",
        "∂L/∂Wr = Σ_t δr_t x_tᵀ",
        "∂L/∂Wn = Σ_t δn_t x_tᵀ",
        "∂L/∂Uz = Σ_t δz_t h_{t−1}ᵀ",
        "∂L/∂Ur = Σ_t δr_t h_{t−1}ᵀ",
        "∂L/∂Un = Σ_t δn_t (h_{t−1} ⊙ r_t)ᵀ",
    ]


def test_a_recurrent_classifier_is_its_recursion():
    def loss(W, U, V, x, y, h_0):
        h, total = h_0, 0
        for t in range(len(x)):
            h = tg.tanh(W @ x[t] + U @ h)
            p = tg.softmax(V @ h)
            total = total - tg.sum(y[t] * tg.log(p))
        return total

    rng = np.random.default_rng(0)
    shapes = {"W": (3, 2), "U": (3, 3), "V": (4, 3)}
    values = {name: tg.Tensor(rng.normal(size=s), requires_grad=True) for name, s in shapes.items()}
    values |= data(x=(5, 2), h_0=(3,)) | {"y": np.eye(4)[rng.integers(0, 4, size=5)]}

    assert lines_of(loss, values)[1:3] == ["p_t = softmax(V h_t)", "δp_t = p_t − y_t"]
    assert lines_of(loss, values)[-1] == "because Σ over axis 1 of y = 1"


def test_a_sum_over_some_of_the_steps_tells_the_first_and_the_last_one():
    def loss(W, V, x, y, h_0):
        h, total = h_0, 0
        for t in range(12):
            h = tg.tanh(W @ h + x[t])
            if t < 11:
                total = total + tg.sum((V @ h - y[t]) ** 2) / 2
        return total + tg.sum(h**2)

    rng = np.random.default_rng(0)
    values = {name: tg.Tensor(rng.normal(size=(2, 2)), requires_grad=True) for name in "WV"}
    closed = closed_form(loss, values | data(x=(12, 2), y=(12, 2), h_0=(2,)))

    assert closed.text.splitlines()[-1] == "∂L/∂V = Σ_{t=1}^{11} e_t h_tᵀ"
    assert r"\sum_{t = 1}^{11} e_{t} h_{t}^{\top}" in closed.latex


LAYERS = [
    "δk_5 = (k_5 − y) ⊙ (1 − k_5²)",
    "δk_t = (Mᵀ δk_{t+1}) ⊙ (1 − k_t²)",
    "δh_5 = (Vᵀ δk_5) ⊙ (1 − h_5²)",
    "δh_t = (Uᵀ δh_{t+1} + Vᵀ δk_t) ⊙ (1 − h_t²)",
]


def test_two_recurrent_layers_are_one_loop():
    assert {*LAYERS} < {*lines_of(*TEXTBOOK["two_recurrent_layers"])}


def test_they_are_one_loop_too_where_the_second_is_computed_after_the_first():
    def loss(W, U, V, M, x, y, h_0, k_0):
        h, k, below = h_0, k_0, []
        for t in range(len(x)):
            h = tg.tanh(W @ x[t] + U @ h)
            below.append(h)
        for h in below:
            k = tg.tanh(V @ h + M @ k)
        return tg.sum((k - y) ** 2) / 2

    assert {*LAYERS} < {*lines_of(loss, TEXTBOOK["two_recurrent_layers"][1])}


def test_a_decoder_that_reads_the_last_state_at_every_step_is_its_recursion():
    def loss(W, U, D, B, V, x, y, h0, s0):
        h, s, total = h0, s0, 0
        for t in range(len(x)):
            h = tg.tanh(W @ x[t] + U @ h)
        for t in range(len(y)):
            s = tg.tanh(D @ s + B @ h)
            total = total + tg.sum((V @ s - y[t]) ** 2) / 2
        return total

    values = drawn("W", "U", "D", "B", "V", W=(3, 2), U=(3, 3), D=(4, 4), B=(4, 3), V=(2, 4),
                   x=(5, 2), y=(4, 2), h0=(3,), s0=(4,))
    assert lines_of(loss, values) == [
        "h_t = tanh(W x_t + U h_{t−1})",
        "s_t = tanh(B h_5 + D s_{t−1})",
        "e_t = V s_t − y_t",
        "δs_4 = (Vᵀ e_4) ⊙ (1 − s_4²)",
        "δs_t = (Dᵀ δs_{t+1} + Vᵀ e_t) ⊙ (1 − s_t²)",
        "δh_5 = (Bᵀ Σ_t δs_t) ⊙ (1 − h_5²)",
        "δh_t = (Uᵀ δh_{t+1}) ⊙ (1 − h_t²)",
        "∂L/∂W = Σ_t δh_t x_tᵀ",
        "∂L/∂U = Σ_t δh_t h_{t−1}ᵀ",
        "∂L/∂D = Σ_t δs_t s_{t−1}ᵀ",
        "∂L/∂B = Σ_t δs_t h_5ᵀ",
        "∂L/∂V = Σ_t e_t s_tᵀ",
    ]


def test_a_decoder_that_starts_with_the_state_it_reads_has_a_first_step_of_its_own():
    def loss(W, D, B, x, y, h0):
        h = h0
        for t in range(len(x)):
            h = tg.tanh(W @ h + x[t])
        s = h
        for _ in range(4):
            s = tg.tanh(D @ s + B @ h)
        return tg.sum((s - y) ** 2) / 2

    values = drawn("W", "D", "B", W=(3, 3), D=(3, 3), B=(3, 3), x=(5, 3), y=(3,), h0=(3,))
    lines = lines_of(loss, values)
    assert "∂L/∂B = Σ_t δs_t h_5ᵀ" in lines
    assert "s_t = tanh(B h_5 + D s_{t−1})" in lines


def test_so_has_one_whose_outputs_read_that_state_too():
    def loss(W, D, B, V, C, x, y, h0, s0):
        h, s, total = h0, s0, 0
        for t in range(len(x)):
            h = tg.tanh(W @ h + x[t])
        for t in range(len(y)):
            s = tg.tanh(D @ s + B @ h)
            total = total + tg.sum((V @ s + C @ h - y[t]) ** 2) / 2
        return total

    values = drawn(*"WDBVC", **dict.fromkeys("WDBVC", (3, 3)), x=(5, 3), y=(4, 3), h0=(3,), s0=(3,))
    lines = lines_of(loss, values)
    assert {"δs_t = (Dᵀ δs_{t+1} + Vᵀ ε_t) ⊙ (1 − s_t²)", "∂L/∂V = Σ_t ε_t s_tᵀ"} < {*lines}


def test_a_readout_with_a_name_has_one_derivative_at_all_steps():
    def loss(Wx, Wh, V, X, Y, h0):
        h, losses = h0, []
        for t in range(X.shape[1]):
            h = tg.tanh(X[:, t] @ Wx + h @ Wh)
            o = h @ V
            losses.append(tg.mean((o - Y[:, t]) ** 2))
        return np.stack(losses).mean()

    values = drawn("Wx", "Wh", "V", Wx=(3, 4), Wh=(4, 4), V=(4, 2),
                   X=(6, 5, 3), Y=(6, 5, 2), h0=(6, 4))
    lines = lines_of(loss, values)
    assert "δo_t = (2 / (n N)) (o_t − Y_t)" in lines and lines[-1] == "∂L/∂V = Σ_t h_tᵀ δo_t"


def test_a_residual_in_a_sum_over_steps_is_not_multiplied_out():
    def loss(W, U, V, x, y, h0):
        h, total = h0, 0
        for t in range(len(x)):
            h = tg.tanh(W @ x[t] + U @ h)
            o = V @ h
            total = total + tg.sum((o - y[t]) ** 2) / 2
        return total

    values = drawn(*"WUV", W=(3, 2), U=(3, 3), V=(2, 3), x=(5, 2), y=(5, 2), h0=(3,))
    assert lines_of(loss, values)[-1] == "∂L/∂V = Σ_t (o_t − y_t) h_tᵀ"


def test_a_loop_that_goes_back_is_numbered_backwards():
    def loss(W, U, V, x, y, h_0, b_6):
        h, b, states, total = h_0, b_6, [], 0
        for t in range(len(x)):
            h = tg.tanh(W @ x[t] + U @ h)
            states.append(h)
        for t in reversed(range(len(x))):
            b = tg.tanh(W @ x[t] + U @ b)
            total = total + tg.sum((V @ (states[t] + b) - y[t]) ** 2) / 2
        return total

    values = {"W": (3, 2), "U": (3, 3), "V": (2, 3)}
    rng = np.random.default_rng(0)
    values = {name: tg.Tensor(rng.normal(size=s), requires_grad=True) for name, s in values.items()}

    assert lines_of(loss, values | data(x=(5, 2), y=(5, 2), h_0=(3,), b_6=(3,))) == [
        "h_t = tanh(W x_t + U h_{t−1})",
        "b_t = tanh(W x_t + U b_{t+1})",
        "e_t = V (h_t + b_t) − y_t",
        "δb_1 = (Vᵀ e_1) ⊙ (1 − b_1²)",
        "δb_t = (Uᵀ δb_{t−1} + Vᵀ e_t) ⊙ (1 − b_t²)",
        "δh_5 = (Vᵀ e_5) ⊙ (1 − h_5²)",
        "δh_t = (Uᵀ δh_{t+1} + Vᵀ e_t) ⊙ (1 − h_t²)",
        "∂L/∂W = Σ_t δb_t x_tᵀ + Σ_t δh_t x_tᵀ",
        "∂L/∂U = Σ_t δb_t b_{t+1}ᵀ + Σ_t δh_t h_{t−1}ᵀ",
        "∂L/∂V = Σ_t e_t (h_t + b_t)ᵀ",
    ]


@pytest.mark.parametrize("stored", ["heads_side_by_side", "heads_in_a_stack"])
def test_heads_are_written_once(stored):
    closed = closed_form(*TEXTBOOK[stored])

    assert closed.text.splitlines() == [
        "Q_h = X Wq_h",
        "K_h = X Wk_h",
        "V_h = X Wv_h",
        "S_h = (1 / √d) Q_h K_hᵀ",
        "A_h = softmax(S_h)",
        "O = Σ_h A_h V_h Wo_h",
        "δA_h = (O − R) Wo_hᵀ V_hᵀ",
        "δS_h = A_h ⊙ (δA_h − (A_h ⊙ δA_h) 1 1ᵀ)",
        "∂L/∂Wq_h = (1 / √d) Xᵀ δS_h K_h",
        "∂L/∂Wk_h = (1 / √d) Xᵀ δS_hᵀ Q_h",
        "∂L/∂Wv_h = Xᵀ A_hᵀ (O − R) Wo_hᵀ",
        "∂L/∂Wo_h = V_hᵀ A_hᵀ (O − R)",
    ]
    assert closed.glossary[-1].endswith("of head h = 1, …, 3")
    assert closed["δS_h"].latex.startswith(r"\delta^{S}_{h} = ")
    assert r"(\delta^{S}_{h})^{\top}" in closed["∂L/∂Wk_h"].latex  # no two superscripts


def test_a_number_without_a_name_is_in_no_glossary():
    def loss(w, x):
        return tg.sum(tg.tanh(w * x) / np.sqrt(2))

    values = {"w": tg.Tensor(np.ones(2), requires_grad=True)} | data(x=(2,))
    assert closed_form(loss, values).glossary == ("w: 2", "x: 2", "a: 2")


def test_the_gradients_of_rows_are_those_of_all_steps():
    def heads(Wq, Wk, Wv, Wo, X, R):
        total = 0
        for h in range(len(Wq)):
            A = tg.softmax((X @ Wq[h]) @ (X @ Wk[h]).T)
            total = total + A @ X @ Wv[h] @ Wo[h]
        return tg.sum((total - R) ** 2) / 2

    values = TEXTBOOK["heads_in_a_stack"][1]
    closed = closed_form(heads, values)
    assert closed.text.splitlines()[-4:] == [
        "∂L/∂Wq_h = Xᵀ δ_h X Wk_h",
        "∂L/∂Wk_h = Xᵀ δ_hᵀ X Wq_h",
        "∂L/∂Wv_h = Xᵀ A_hᵀ (total − R) Wo_hᵀ",
        "∂L/∂Wo_h = Wv_hᵀ Xᵀ A_hᵀ (total − R)",
    ]
    np.testing.assert_allclose(
        closed["∂L/∂Wq_h"].evaluate(), closed["∂L/∂Wq"].evaluate(), rtol=1e-12)


def test_so_are_those_of_the_inputs_of_a_recurrent_network():
    loss, values = next(row for row in blackboard.cases()
                        if row[0].__name__ == "recurrent_network")
    x = tg.Tensor(values["x"], requires_grad=True)
    assert "∂L/∂x_t = Wxᵀ δ_t" in lines_of(loss, values | {"x": x})


def test_residual_layers_hand_the_derivative_on():
    def loss(W1, b1, W2, b2, W3, b3, x, y):
        h = x
        for W, b in ((W1, b1), (W2, b2), (W3, b3)):
            h = h + tg.tanh(W @ h + b)
        return tg.sum((h - y) ** 2) / 2

    values = weights((3, 3), (3, 3), (3, 3)) | weights((3,), (3,), (3,), name="b")
    assert lines_of(loss, values | data(x=(3,), y=(3,))) == [
        "a_l = tanh(W_l h_{l−1} + b_l)",
        "h_l = h_{l−1} + a_l",
        "δh3 = h3 − y",
        "δ_l = δh_l ⊙ (1 − a_l²)",
        "δh_l = W_{l+1}ᵀ δ_{l+1} + δh_{l+1}",
        "∂L/∂W_l = δ_l h_{l−1}ᵀ",
        "∂L/∂b_l = δ_l",
    ]


def test_what_a_layer_uses_twice_has_a_name():
    def loss(X, Wq1, Wk1, Wv1, V1, U1, Wq2, Wk2, Wv2, V2, U2, Wq3, Wk3, Wv3, V3, U3):
        layers = ((Wq1, Wk1, Wv1, V1, U1), (Wq2, Wk2, Wv2, V2, U2), (Wq3, Wk3, Wv3, V3, U3))
        for Wq, Wk, Wv, V, U in layers:
            A = tg.softmax((X @ Wq) @ (X @ Wk).T)
            X = X + A @ X @ Wv
            X = X + tg.relu(X @ V) @ U
        return tg.sum(X * X)

    heads = blackboard.heads(q=(3, 2), k=(3, 2), v=(3, 3))
    others = weights((3, 5), (3, 5), (3, 5), name="V") | weights((5, 3), (5, 3), (5, 3), name="U")
    text = closed_form(loss, heads | others | data(X=(4, 3))).text

    assert "S_l = A_l X_{l−1} Wv_l + X_{l−1}" in text
    assert "δS_l = δB_l V_lᵀ + δX_l" in text
    assert len(text.splitlines()) == 16


def test_what_is_zero_at_each_step_is_no_quantity():
    def loss(W, x):
        h = np.zeros(3)
        for row in x:
            z = W @ h
            c = z - z
            h = tg.tanh(z + row + c)
        return tg.sum(h)

    lines = closed_form(loss, {"W": weights((3, 3))["W1"], **data(x=(4, 3))}).text.splitlines()

    assert lines[:2] == ["z_t = W h_{t−1}", "h_t = tanh(x_t + z_t)"]


def test_what_is_long_has_a_name_at_each_step():
    def loss(w, X, y):
        for _ in range(5):
            w = w - tg.clip(X.T @ (X @ w - y), -1, 1) / 4
        return tg.sum(w**2)

    rng = np.random.default_rng(0)
    values = {"w": tg.Tensor(rng.normal(size=3), requires_grad=True), **data(X=(5, 3), y=(5,))}
    lines = lines_of(loss, values)

    assert lines[:2] == [
        "u_t = Xᵀ (X w_t − y)", "w_t = w_{t−1} − ¼ min(max(u_{t−1}, −1), 1)"]
    assert len(lines) == 7


def test_descent_is_a_loop_as_well():
    def loss(w, X, y, η):
        for _ in range(4):
            w = w - η * X.T @ (tg.sigmoid(X @ w) - y)
        return tg.sum((X @ w - y) ** 2)

    rng = np.random.default_rng(0)
    values = {"w": tg.Tensor(rng.normal(size=3), requires_grad=True), **data(X=(5, 3), y=(5,))}
    closed = closed_form(loss, values | {"η": 0.1})

    assert closed.text.splitlines()[:2] == ["p_t = σ(X w_{t−1})", "w_t = w_{t−1} − η Xᵀ (p_t − y)"]
    assert "w_0 = w" in closed.glossary and len(closed.equations) == 6


@pytest.mark.parametrize("cell", [tg.nn.RNNCell, tg.nn.GRUCell, tg.nn.LSTMCell])
def test_the_lines_of_a_cell_do_not_grow_with_the_steps(cell):
    counts, glossaries = [], []
    for steps in (4, 7):
        rng = np.random.default_rng(0)
        cells, state = cell(2, 3, rng=rng), None
        for x in rng.normal(size=(steps, 5, 2)):
            state = cells(x, state)
        out = state[0] if isinstance(state, tuple) else state
        loss = tg.sum(out * out) / 2
        closed = tg.explain(loss).closed
        loss.backward()
        counts.append(len(closed.equations))
        glossaries.append(closed.glossary)
        assert not closed.note
        for name, parameter in cells.named_parameters():
            np.testing.assert_allclose(
                closed[f"∂L/∂{name}"].evaluate(), parameter.grad, rtol=1e-9, atol=1e-12)

    assert counts[0] == counts[1]
    assert "x_t: 5×2" in glossaries[0] and "h_0: 5×3, which is 0" in glossaries[0]
    assert len(glossaries[0]) == len(glossaries[1])


@pytest.mark.parametrize(("name", "told"), [
    ("long_short_term_memory", [
        "δh_t, δc_t: ∂L/∂h_t, ∂L/∂c_t",
        "δg_t, δo_t, δf_t, δi_t: the derivative by the argument of the activation in g_t, o_t, "
        "f_t, i_t"]),
    ("recurrent_network", ["δ_t: the derivative by the argument of the activation in h_t"]),
    ("deep_network_in_columns", ["δ_l: ∂L/∂z_l"]),
    ("heads_side_by_side", ["δA_h, δS_h: ∂L/∂A_h, ∂L/∂S_h"])])
def test_the_glossary_tells_what_derivatives_are_by(name, told):
    loss, values = next(row for row in blackboard.cases() if row[0].__name__ == name)
    assert [line for line in closed_form(loss, values).glossary if line[0] == "δ"] == told


def test_heads_that_are_joined_are_so_for_every_head():
    def loss(Wq1, Wk1, Wv1, Wq2, Wk2, Wv2, Wq3, Wk3, Wv3, Wo, X, R):
        parts = []
        for Wq, Wk, Wv in ((Wq1, Wk1, Wv1), (Wq2, Wk2, Wv2), (Wq3, Wk3, Wv3)):
            A = tg.softmax((X @ Wq) @ (X @ Wk).T)
            P = A @ (X @ Wv)
            parts.append(P)
        H = tg.concatenate(parts, axis=1)
        return tg.sum((H @ Wo - R) ** 2) / 2

    values = blackboard.heads(q=(4, 2), k=(4, 2), v=(4, 3)) | {"Wo": blackboard.parameter(9, 4)}
    closed = closed_form(loss, values | data(X=(6, 4), R=(6, 4)))
    assert "δ_H_h: the part of δ_H of head h" in closed.glossary
    assert closed.text.splitlines() == [
        "A_h = softmax(X Wq_h Wk_hᵀ Xᵀ)",
        "P_h = A_h X Wv_h",
        "H = [P_h]_h",
        "δ = H Wo − R",
        "δ_H = δ Woᵀ",
        "δA_h = δ_H_h Wv_hᵀ Xᵀ",
        "δ_h = A_h ⊙ (δA_h − (A_h ⊙ δA_h) 1 1ᵀ)",
        "∂L/∂Wq_h = Xᵀ δ_h X Wk_h",
        "∂L/∂Wk_h = Xᵀ δ_hᵀ X Wq_h",
        "∂L/∂Wv_h = Xᵀ A_hᵀ δ_H_h",
        "∂L/∂Wo = Hᵀ δ",
    ]


def heads_joined(Wq1, Wk1, Wv1, Wq2, Wk2, Wv2, Wq3, Wk3, Wv3, X):
    parts = []
    for Wq, Wk, Wv in ((Wq1, Wk1, Wv1), (Wq2, Wk2, Wv2), (Wq3, Wk3, Wv3)):
        A = tg.softmax((X @ Wq) @ (X @ Wk).T)
        parts.append(A @ (X @ Wv))
    return tg.concatenate(parts, axis=1)


def test_they_are_so_too_where_what_is_joined_has_no_name():
    def loss(Wo, X, R, **weights):
        return tg.sum((heads_joined(X=X, **weights) @ Wo - R) ** 2) / 2

    values = blackboard.heads(q=(4, 2), k=(4, 2), v=(4, 3)) | {"Wo": blackboard.parameter(9, 4)}
    closed = closed_form(loss, values | data(X=(6, 4), R=(6, 4)))
    lines = closed.text.splitlines()

    assert "δP_h = δ_u_h Wv_hᵀ Xᵀ" in lines and "∂L/∂Wv_h = Xᵀ P_hᵀ δ_u_h" in lines
    assert "δ_u_h: the part of δ_u of head h" in closed.glossary
    assert len(lines) == 10


@pytest.mark.parametrize("stored", ["heads_side_by_side", "heads_in_a_stack"])
def test_shapes_stand_in_a_line_of_all_steps_that_have_the_same(stored):
    closed = closed_form(*TEXTBOOK[stored], shapes=True)

    assert closed["∂L/∂Wq_h"].text.splitlines() == [
        "∂L/∂Wq_h = (1 / √d) Xᵀ  δS_h K_h", "  4×2               4×6 6×6  6×2"]
    assert closed["Q_h"].text.splitlines()[1].split() == ["6×2", "6×4", "4×2"]


def test_the_matrices_of_a_stack_have_the_values_of_the_whole():
    loss, values = TEXTBOOK["heads_in_a_stack"]
    closed = closed_form(loss, values)
    scores = values["X"] @ values["Wq"].data @ np.swapaxes(values["X"] @ values["Wk"].data, 1, 2)

    np.testing.assert_allclose(closed["S_h"].evaluate(), scores / np.sqrt(2), rtol=1e-12)
    np.testing.assert_array_equal(
        closed["∂L/∂Wq_h"].evaluate(), closed["∂L/∂Wq"].evaluate())


STACKED = {
    "a bias for each": lambda W, X, b, c: tg.tanh(X @ W + b) + c,
    "its rows": lambda W, X, b, c: (X @ W) / tg.sqrt(tg.sum((X @ W) ** 2, axis=2, keepdims=True)),
    "the mean": lambda W, X, b, c: tg.mean(tg.sigmoid(X @ W), axis=0) * c,
    "across the stack": lambda W, X, b, c: tg.softmax(X @ W, axis=0) + b,
    "the first": lambda W, X, b, c: tg.tanh(X @ W)[0] + c,
}


@pytest.mark.parametrize("made", STACKED)
def test_a_stack_is_written_by_its_matrices_or_in_index_notation(made):
    rng = np.random.default_rng(0)
    shapes = {"W": (3, 4, 2), "b": (3, 1, 2), "c": (2,)}
    values = {name: tg.Tensor(rng.normal(size=shape), requires_grad=True)
              for name, shape in shapes.items()}
    closed = closed_form(lambda W, b, c, X: tg.sum(tg.square(STACKED[made](W, X, b, c) - 1) / 2)
                         + tg.sum(b * 2) + tg.sum(c), {**values, **data(X=(6, 4))})

    indexed = "_ijk" in closed.text
    assert indexed == (made in ("across the stack", "the first")), closed.text
    assert ("_h" in closed.text) != indexed


def with_mean_of_squares(Z, R):
    m = tg.mean(Z**2, axis=(0, 1))
    return tg.sum(Z * m * R)


def with_mean_of_products(Z, R):
    m = tg.mean(Z * R, axis=0)
    return tg.sum(m**2 * Z)


def with_deviation(Z, R):
    s = tg.std(Z, axis=0)
    return tg.sum(Z / s * R)


SUMS_OVER_THE_STACK = {
    with_mean_of_squares: "m ⊙ R + (2 / n) [Σ_lm Z_ijk Z_lmk R_lmk]_ijk",
    with_mean_of_products: "m ⊙ (m + (2 / n) [Σ_l Z_ljk R_ijk]_ijk)",
    with_deviation: "(R − (1 / n) [Σ_l Z_ljk e_ijk s_jk⁻² R_ljk]_ijk) / s"}


@pytest.mark.parametrize("loss", SUMS_OVER_THE_STACK)
def test_a_matrix_of_a_stack_is_not_what_is_summed_over_the_stack(loss):
    text = closed_form(loss, {"Z": blackboard.parameter(3, 4, 5)} | data(R=(3, 4, 5))).text
    assert text.splitlines()[-1] == f"∂L/∂Z = {SUMS_OVER_THE_STACK[loss]}" and "_h" not in text


def test_a_single_matrix_is_no_stack():
    def loss(W, X, R):
        A = tg.tanh(X @ W)
        return tg.sum((tg.sum(A, axis=0) - R) ** 2) / 2

    closed = closed_form(loss, {"W": blackboard.parameter(1, 4, 2)} | data(X=(6, 4), R=(6, 2)))
    assert closed.text == "A = tanh(X W)\n∂L/∂W = Xᵀ ((A − R) ⊙ (1 − A²))"


def test_a_stack_of_which_no_matrix_is_written_is_in_no_glossary():
    a = tg.Tensor(np.ones((2, 3, 4)), requires_grad=True, name="a")
    closed = tg.explain(tg.sum(tg.sin(tg.transpose(a, axes=(2, 0, 1)))), a).closed

    assert closed.glossary == ("a: 2×3×4",)


@given(
    cell=st.sampled_from(["two_recurrent_layers", "long_short_term_memory",
                          "gated_recurrent_unit"]),
    steps=st.integers(1, 6),
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    seed=st.integers(0, 2**32 - 1),
)
def test_loops_of_all_lengths_and_sizes_have_closed_forms(cell, steps, sizes, seed):
    loss, values = TEXTBOOK[cell]
    rng = np.random.default_rng(seed)
    length = {3: sizes[0], 2: sizes[1], 4: 1, 5: steps}
    made = {}
    for name, v in values.items():
        array = rng.normal(size=[length[n] for n in np.shape(getattr(v, "data", v))])
        made[name] = tg.Tensor(array, requires_grad=True) if isinstance(v, tg.Tensor) else array

    closed_form(loss, made)


@given(program=st.lists(st.sampled_from(["sin", "add", "matmul", "mul"]), min_size=1, max_size=5),
       steps=st.integers(3, 5))
def test_whatever_is_repeated_is_found(program, steps):
    rng = np.random.default_rng(0)
    W = tg.Tensor(rng.normal(size=(2, 2)) / 2, requires_grad=True, name="W")
    h = tg.Tensor(rng.normal(size=2), requires_grad=True, name="h")
    actions = {"sin": tg.sin, "add": lambda h: h + 1, "matmul": lambda h: W @ h,
               "mul": lambda h: h * h / 4}
    loss = h
    for _ in range(steps):
        for action in program:
            loss = actions[action](loss)
    loss = tg.sum(loss)
    repeats = find_repeats(Recorded(loss).nodes)
    closed = tg.explain(loss).closed
    loss.backward()

    assert bool(repeats) == ("sin" in program)
    for leaf in (W, h):
        if leaf.grad is not None and not closed.note:
            np.testing.assert_allclose(closed[f"∂L/∂{leaf.name}"].evaluate(), leaf.grad,
                                       rtol=1e-9, atol=1e-12)


RECURRENT = [
    "h_t = tanh({X}_t Wx + h_{{t−1}} Wh)",
    "e_t = h_t V − {Y}_t",
    "δ_5 = (e_5 Vᵀ) ⊙ (1 − h_5²)",
    "δ_t = (δ_{{t+1}} Whᵀ + e_t Vᵀ) ⊙ (1 − h_t²)",
    "∂L/∂Wx = Σ_t {X}_tᵀ δ_t",
    "∂L/∂Wh = Σ_t h_{{t−1}}ᵀ δ_t",
    "∂L/∂V = Σ_t h_tᵀ e_t",
]


def in_rows(**others):
    rng = np.random.default_rng(0)
    shapes = {"Wx": (2, 3), "Wh": (3, 3), "V": (3, 2)}
    weights = {n: tg.Tensor(rng.normal(size=s), requires_grad=True) for n, s in shapes.items()}
    return weights | data(h_0=(4, 3), **others)


def test_steps_may_be_along_the_second_axis_of_the_data():
    def loss(Wx, Wh, V, X, Y, h_0):
        h, total = h_0, 0
        for t in range(X.shape[1]):
            h = tg.tanh(X[:, t] @ Wx + h @ Wh)
            total = total + tg.sum((h @ V - Y[:, t]) ** 2) / 2
        return total

    written = [line.format(X="X", Y="Y") for line in RECURRENT]
    values = in_rows(X=(4, 5, 2), Y=(4, 5, 2))
    assert lines_of(loss, values) == written
    values["X"] = tg.Tensor(values["X"], requires_grad=True)
    assert lines_of(loss, values) == [*written, "∂L/∂X_t = δ_t Wxᵀ"]


@pytest.mark.parametrize(("gathered", "residual"), [
    (lambda losses: np.stack(losses).mean(), "e_t = (1 / n) (h_t V − y_t)"),
    (lambda losses: tg.stack(losses).sum(), "e_t = h_t V − y_t"),
    (lambda losses: tg.sum(tg.stack(losses)) / 2, "e_t = ½ (h_t V − y_t)")])
def test_losses_of_all_steps_may_be_gathered_in_an_array(gathered, residual):
    def loss(Wx, Wh, V, x, y, h_0):
        h, losses = h_0, []
        for t in range(len(x)):
            h = tg.tanh(x[t] @ Wx + h @ Wh)
            losses.append(tg.sum((h @ V - y[t]) ** 2) / 2)
        return gathered(losses)

    written = [line.format(X="x", Y="y") for line in RECURRENT]
    written[1] = residual
    assert lines_of(loss, in_rows(x=(5, 4, 2), y=(5, 4, 2))) == written


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("stored", [False, True])
def test_states_that_are_put_into_an_array_are_those_of_all_steps(axis, stored):
    def loss(Wx, Wh, X, R, h_0):
        h = h_0
        H, states = arrays.zeros(R.shape), []
        for t in range(X.shape[1]):
            h = tg.tanh(X[:, t] @ Wx + h @ Wh)
            if stored:
                H[(slice(None),) * axis + (t,)] = h
            states.append(h)
        H = H if stored else tg.stack(states, axis=axis)
        return tg.sum((H - R) ** 2) / 2

    values = in_rows(X=(4, 5, 2), R=(4, 5, 3) if axis else (5, 4, 3))
    del values["V"]
    assert lines_of(loss, values) == [
        "h_t = tanh(X_t Wx + h_{t−1} Wh)",
        "H = [h_t]_t",
        "δ_H = H − R",
        "δ_5 = δ_H_5 ⊙ (1 − h_5²)",
        "δ_t = (δ_{t+1} Whᵀ + δ_H_t) ⊙ (1 − h_t²)",
        "∂L/∂Wx = Σ_t X_tᵀ δ_t",
        "∂L/∂Wh = Σ_t h_{t−1}ᵀ δ_t",
    ]


def sliced(z, n):
    return tg.sigmoid(z[..., :n]), tg.sigmoid(z[..., n:2 * n]), tg.sigmoid(z[..., 2 * n:3 * n]), (
        tg.tanh(z[..., 3 * n:]))


def cut(z, n):
    i, f, o, g = np.split(z, 4, axis=-1)
    return tg.sigmoid(i), tg.sigmoid(f), tg.sigmoid(o), tg.tanh(g)


@pytest.mark.parametrize("parts", [sliced, cut])
@pytest.mark.parametrize("batch", [(), (4,)])
def test_gates_that_are_one_product_have_one_derivative(parts, batch):
    def loss(Wx, Wh, b, x, y, h_0, c_0):
        h, c = h_0, c_0
        for t in range(len(x)):
            z = x[t] @ Wx + h @ Wh + b
            i, f, o, g = parts(z, 3)
            c = f * c + i * g
            h = o * tg.tanh(c)
        return tg.sum((h - y) ** 2) / 2

    rng = np.random.default_rng(0)
    shapes = {"Wx": (2, 12), "Wh": (3, 12), "b": (12,)}
    weights = {n: tg.Tensor(rng.normal(size=s), requires_grad=True) for n, s in shapes.items()}
    states = {name: (*batch, 3) for name in ("y", "h_0", "c_0")}
    lines = lines_of(loss, weights | data(x=(5, *batch, 2), **states))

    assert lines[0] == f"z_t = {'x_t Wx + h_{t−1} Wh' if batch else 'Wxᵀ x_t + Whᵀ h_{t−1}'} + b"
    assert lines[5:14] == [
        "c_t = i_t ⊙ g_t + f_t ⊙ c_{t−1}",
        "h_t = o_t ⊙ tanh(c_t)",
        "δh_5 = h_5 − y",
        "δc_5 = o_5 ⊙ δh_5 ⊙ (1 − tanh²(c_5))",
        "δg_t = i_t ⊙ δc_t ⊙ (1 − g_t²)",
        "δo_t = o_t ⊙ tanh(c_t) ⊙ δh_t ⊙ (1 − o_t)",
        "δf_t = f_t ⊙ c_{t−1} ⊙ δc_t ⊙ (1 − f_t)",
        "δi_t = i_t ⊙ g_t ⊙ δc_t ⊙ (1 − i_t)",
        "δz_t = [δi_t, δf_t, δo_t, δg_t]",
    ]
    assert lines[-1] == ("∂L/∂b = Σ_t δz_tᵀ 1" if batch else "∂L/∂b = Σ_t δz_t")
    assert len(lines) == 19


@pytest.mark.parametrize(("read", "written"), [(6, 4), (3, 5), (4, 4)])
def test_an_encoder_and_a_decoder_are_two_recursions(read, written):
    def loss(We, Ue, Wd, Ud, V, x, u, y, h_0):
        h = h_0
        for t in range(len(x)):
            h = tg.tanh(We @ x[t] + Ue @ h)
        s, total = h, 0
        for t in range(len(u)):
            s = tg.tanh(Wd @ u[t] + Ud @ s)
            total = total + tg.sum((V @ s - y[t]) ** 2) / 2
        return total

    rng = np.random.default_rng(0)
    shapes = {"We": (3, 2), "Ue": (3, 3), "Wd": (3, 2), "Ud": (3, 3), "V": (2, 3)}
    weights = {n: tg.Tensor(rng.normal(size=s), requires_grad=True) for n, s in shapes.items()}
    closed = closed_form(loss, weights | data(
        x=(read, 2), u=(written, 2), y=(written, 2), h_0=(3,)))

    assert closed.text.splitlines() == [
        "h_t = tanh(We x_t + Ue h_{t−1})",
        f"s_0 = h_{read}",
        "s_t = tanh(Wd u_t + Ud s_{t−1})",
        "e_t = V s_t − y_t",
        f"δs_{written} = (Vᵀ e_{written}) ⊙ (1 − s_{written}²)",
        "δs_t = (Udᵀ δs_{t+1} + Vᵀ e_t) ⊙ (1 − s_t²)",
        f"δh_{read} = (Udᵀ δs_1) ⊙ (1 − h_{read}²)",
        "δh_t = (Ueᵀ δh_{t+1}) ⊙ (1 − h_t²)",
        "∂L/∂We = Σ_t δh_t x_tᵀ",
        "∂L/∂Ue = Σ_t δh_t h_{t−1}ᵀ",
        "∂L/∂Wd = Σ_t δs_t u_tᵀ",
        "∂L/∂Ud = Σ_t δs_t s_{t−1}ᵀ",
        "∂L/∂V = Σ_t e_t s_tᵀ",
    ]
    assert any(line.startswith("h_t") and line.endswith(f"t = 1, …, {read}")
               for line in closed.glossary)
