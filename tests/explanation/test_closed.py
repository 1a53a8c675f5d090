"""The closed form: what is printed for textbook graphs, names, facts, and honesty."""

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests import blackboard
from tests.explanation.test_closed_programs import assert_right, gradients
from tinygrad_mlp.explanation.expressions.expression import Symbol, within

CASES = blackboard.cases()
EQUATIONS = {
    "least_squares": 2, "ridge": 1, "logistic_regression": 2, "logistic_hessian_times_v": 2,
    "logistic_hessian": 2, "softmax_jacobian": 2,
    "softmax_regression": 3, "softmax_without_overflow": 4, "softmax_fused": 3,
    "softmax_of_labels": 2, "network_in_rows": 9, "network_in_columns": 12,
    "network_with_cross_entropy": 11, "deep_network": 6,
    "deep_network_in_columns": 7, "network_of_rectifiers": 5, "recurrent_network": 6,
    "two_recurrent_layers": 10, "long_short_term_memory": 22, "gated_recurrent_unit": 15,
    "heads_side_by_side": 12, "heads_in_a_stack": 12, "residual_block": 6, "tied_weights": 3,
    "memory_with_joined_gates": 19, "encoder_and_decoder": 13, "layers_with_layer_norm": 10,
    "batch_norm": 6, "layer_norm": 4, "attention_head": 11,
    "convolution": 2, "average_pooling": 4, "embedding": 1,
    "log_determinant": 1, "quadratic_form": 2,
    "gaussian_likelihood": 3, "divergence_of_gaussians": 4, "matrix_factorisation": 3}


@pytest.fixture(params=CASES, ids=[f.__name__ for f, _ in CASES])
def row(request):
    return request.param


def test_the_page_of_textbook_gradients_is_up_to_date():
    text = blackboard.PAGE.read_text(encoding="utf-8")

    assert text == blackboard.page(), "write it anew: python -m tests.blackboard"


def test_textbook_gradients_have_few_equations(row):
    function, values = row
    closed = tg.explain(function, values).closed

    assert not closed.note
    assert len(closed.equations) <= EQUATIONS[function.__name__]
    assert max(map(len, closed.text.splitlines())) <= 80


def test_textbook_gradients_evaluate_to_those_of_autograd(row):
    function, values = row
    wanted = [name for name, v in values.items() if isinstance(v, tg.Tensor)]
    given = [values[name].data for name in wanted]
    if function.__name__ in blackboard.ARRAYS:
        (name,) = wanted
        found = tg.jacobian(lambda a: function(**{**values, name: a}))(*given)
        assert_right(tg.explain(function, values).closed, {f"∂f/∂{name}": np.asarray(found)})
        return
    found = tg.grad(
        lambda *a: function(**{**values, **dict(zip(wanted, a, strict=True))}),
        argnums=tuple(range(len(wanted))),
    )(*given)
    expected = {f"∂L/∂{name}": np.asarray(g) for name, g in zip(wanted, found, strict=True)}

    assert_right(tg.explain(function, values).closed, expected)


def test_the_steps_are_the_chain_rule_with_a_reason_for_each_line():
    function, values = next(row for row in CASES if row[0] is blackboard.network_in_rows)
    steps = tg.explain(function, values).steps

    assert not steps.note
    assert steps.text.splitlines()[:10] == [
        "Z1 = X W1 + b1",
        "A1 = tanh(Z1)",
        "Z2 = A1 W2 + b2",
        "L = (1 / (2 n)) ‖Z2 − Y‖²",
        "δ = (1 / n) (Z2 − Y)",
        "    chain rule through L",
        "δ_A1 = δ W2ᵀ",
        "    chain rule through Z2",
        "δ1 = δ_A1 ⊙ (1 − A1²)",
        "    tanh′(Z1) = 1 − A1²",
    ]
    assert steps.latex.startswith("\\begin{aligned}")
    assert r"&& \text{chain rule through } Z^{(2)}" in steps.latex
    assert r"&& \tanh'(Z^{(1)}) = 1 - (A^{(1)})^{2}" in steps.latex


def test_steps_evaluate_to_the_gradients(row):
    function, values = row
    if function.__name__ not in blackboard.ARRAYS:
        derivation = tg.explain(function, values)
        for equation in derivation.steps.of_kind("gradient"):
            value = derivation.closed[equation.name].evaluate()
            size = np.max(np.abs(value))
            np.testing.assert_allclose(equation.evaluate(), value, rtol=1e-9, atol=1e-12 * size)


def test_the_tape_is_asked_for_before_the_graph_is_released():
    w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    loss = tg.sum(tg.tanh(w))
    derivation = tg.explain(loss, w)
    loss.backward()
    with pytest.raises(tg.errors.GraphReleasedError, match="before it"):
        _ = derivation.tape


def test_numbers_that_the_caller_names_keep_their_names():
    w = tg.Tensor([1.0, 2.0, 4.0], requires_grad=True, name="w")
    loss = 0.05 * tg.sum(w**2) + tg.sum(w) / 7 + tg.sum(w * w * w) / np.sqrt(11)
    text = tg.explain(loss, w, names={"λ": 0.1, "n": 7, "d": 11}).closed.text

    assert text == "∂L/∂w = λ w + (3 / √d) w² + 1 / n"


def penalized(w, X, y):
    return tg.sum((X @ w - y) ** 2) / (2 * len(X)) + 0.1 * tg.sum(w**2)


def penalized_by_a_function(w, X, y):
    def penalty():
        return 0.1 * tg.sum(w**2)

    return tg.sum((X @ w - y) ** 2) / (2 * len(X)) + penalty()


def penalized_with_n(w, X, y):
    n = len(X)
    return tg.sum((X @ w - y) ** 2) / (2 * n) + 0.1 * tg.sum(w**2)


def penalized_by_another(w, X, y):
    return penalized(w, X, y)


@pytest.mark.parametrize("n", [10, 5, 20, 7])
@pytest.mark.parametrize("loss", [
    penalized, penalized_by_a_function, penalized_with_n, penalized_by_another])
def test_a_number_in_the_code_is_not_the_number_of_samples(loss, n):
    rng = np.random.default_rng(0)
    values = {"w": tg.Tensor(np.ones(3), requires_grad=True), "X": rng.normal(size=(n, 3)),
              "y": rng.normal(size=n)}

    assert tg.explain(loss, values).closed.text == "∂L/∂w = (1/5) w + (1 / n) Xᵀ (X w − y)"


def test_a_number_in_the_code_has_the_name_that_it_is_given_there():
    def loss(w, X):
        λ = 0.1
        μ, ν = 0.3, 0.7
        return λ * tg.sum(w**2) + μ * tg.sum(X @ w) + ν * tg.sum(w)

    values = {"w": tg.Tensor(np.ones(3), requires_grad=True), "X": np.ones((10, 3)) * 4}
    assert tg.explain(loss, values).closed.text == "∂L/∂w = 2 λ w + μ Xᵀ 1 + ν"


def test_the_number_of_samples_cancels_where_it_is_summed_over():
    closed = tg.explain(lambda c, x: tg.mean(x - c), {"c": 0.5, "x": np.arange(6.0)}).closed
    assert closed.text == "∂L/∂c = −1"


def test_a_sum_of_what_cancels_is_the_number_of_elements():
    closed = tg.explain(lambda s, x: tg.sum(s * x / x), {"s": 0.5, "x": np.arange(1.0, 4.0)}).closed
    assert closed.text == "∂L/∂s = 3"


def test_a_constant_that_is_the_transpose_of_another_is_written_as_that():
    X = np.arange(12.0).reshape(4, 3) ** 2
    w = tg.Tensor([1.0, 2.0, 4.0], requires_grad=True, name="w")
    loss = tg.sum((X.T.copy() @ (X @ w)) ** 2) / 2
    assert tg.explain(loss, w, names={"X": X}).closed.text == "∂L/∂w = Xᵀ X Xᵀ X w"


def test_a_gradient_that_vanishes_at_one_point_only_is_kept():
    w = tg.Tensor([1.0, -1.0], requires_grad=True, name="w")
    closed = tg.explain(tg.sum(w) ** 2 + tg.sum(tg.exp(w * 1e-9)), w).closed

    assert "Σ w" in closed.text and "e^" in closed.text


def test_facts_about_data_are_told():
    rng = np.random.default_rng(0)
    W, X, Y = rng.normal(size=(4, 3)), rng.normal(size=(5, 4)), np.eye(3)[[0, 1, 2, 0, 1]]
    weight = tg.Tensor(W, requires_grad=True, name="W")

    def closed(Y):
        loss = tg.nn.softmax_cross_entropy(X @ weight, Y)
        return tg.explain(loss, weight, names={"X": X, "Y": Y}).closed

    assert closed(Y).because == ("Σ over axis 1 of Y = 1",)
    assert closed(Y)["∂L/∂W"].right.text() == "(1 / n) Xᵀ (P − Y)"
    assert closed(2 * Y).because == ()
    assert "Y 1" in closed(2 * Y).text


def test_they_are_facts_about_parts_of_the_data_too():
    def loss(V, H, Y):
        P = tg.softmax(H[:, 1] @ V)
        p = tg.softmax(H[0, 0] @ V)
        return -tg.sum(Y[:, 1] * tg.log(P)) - tg.sum(Y[0, 0] * tg.log(p))

    rng = np.random.default_rng(0)
    V = tg.Tensor(rng.normal(size=(2, 4)), requires_grad=True)
    values = {"V": V, "H": rng.normal(size=(6, 3, 2)), "Y": np.eye(4)[rng.integers(0, 4, (6, 3))]}
    closed = tg.explain(loss, values).closed

    assert closed.because == ("Σ over axis 2 of Y = 1",)
    assert closed.text.splitlines()[2] == "∂L/∂V = H[:, 1]ᵀ (P − Y[:, 1]) + H[0, 0] (p − Y[0, 0])ᵀ"
    _, exact = tg.value_and_grad(loss)(V.data, values["H"], values["Y"])
    np.testing.assert_allclose(closed["∂L/∂V"].evaluate(), np.asarray(exact), rtol=1e-12)


def test_columns_of_data_have_no_sums_of_rows():
    def loss(V, H, Y):
        return -tg.sum(Y[:, 0] * tg.log_softmax(H @ V)) - tg.sum(Y[:2, :3] * tg.log_softmax(V))

    rng = np.random.default_rng(0)
    values = {"V": tg.Tensor(rng.normal(size=(2, 3)), requires_grad=True),
              "H": rng.normal(size=(3, 2)), "Y": np.eye(4)[[0, 1, 3]]}

    assert tg.explain(loss, values).closed.because == ()


def test_a_constant_gradient_is_of_floats():
    c = tg.Tensor([1.0, 2.0], requires_grad=True)
    gradient = tg.explain(lambda c: tg.sum(3 * c), {"c": c}).closed["∂L/∂c"]

    np.testing.assert_array_equal(gradient.evaluate(), [3.0, 3.0], strict=True)


def test_single_precision_stays_single():
    w = tg.Tensor(np.array([1.0, 2.0], np.float32), requires_grad=True, name="w")
    closed = tg.explain(tg.mean(tg.tanh(w) ** 2), w).closed

    assert not closed.note and closed["∂L/∂w"].evaluate().dtype == np.float32


def test_what_has_no_closed_form_shows_the_gradients_of_the_steps():
    @tg.op(rules={"x": lambda g, y, x: g * 2 * x}, register=False)
    def strange(x):
        return x**2 + (x > 1e9)

    w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    derivation = tg.explain(tg.sum(strange(w)), w)
    assert derivation.closed["∂L/∂w"].evaluate().tolist() == [2.0, 4.0]


def test_names_of_a_function_come_from_its_variables():
    λ = 0.1

    def loss(w, X, y):
        n = len(X)
        return tg.sum((y - X @ w) ** 2) / (2 * n) + λ / 2 * tg.sum(w**2)

    rng = np.random.default_rng(0)
    values = {"w": rng.normal(size=3), "X": rng.normal(size=(7, 3)), "y": rng.normal(size=7)}
    closed = tg.explain(loss, values).closed

    assert closed.text == "∂L/∂w = (1 / n) Xᵀ (X w − y) + λ w"
    assert closed.glossary == ("X: 7×3", "w: 3", "y: 7", "n = 7", "λ = 0.1")


def test_the_profiler_of_the_caller_is_put_back():
    import sys

    def watch(frame, event, argument):
        return None

    sys.setprofile(watch)
    try:
        tg.explain(lambda w: tg.sum(w * w), {"w": np.ones(2)})
        assert sys.getprofile() is watch
    finally:
        sys.setprofile(None)


def test_under_a_profiler_that_cannot_be_put_back_the_variables_have_no_names():
    import cProfile

    profiler = cProfile.Profile()
    closed = profiler.runcall(
        tg.explain, lambda w, X: tg.sum(tg.tanh(X @ w)), {"w": np.ones(2), "X": np.eye(2)}
    ).closed
    assert not closed.note and "∂L/∂w" in closed.text


def test_the_sigmoid_is_called_sigma_where_g_is_the_name_of_something_else():
    w, g = tg.Tensor([1.0, 2.0], requires_grad=True, name="w"), np.array([0.5, 3.0])
    derivation = tg.explain(tg.sum(tg.sigmoid(w) * g), w, names={"g": g})
    assert derivation.closed.text == "∂L/∂w = σ(w) ⊙ g ⊙ (1 − σ(w))"
    assert not derivation.steps.note


@pytest.mark.parametrize(
    ("taken", "written"), [("", "g(z3)"), ("g", "σ(z3)"), ("σ", "g(z3)"), ("gσ", "sigmoid(z3)")])
def test_the_sigmoid_of_a_network_has_a_name_that_nothing_else_has(taken, written):
    W1, W2 = (tg.Tensor(np.full((3, 3), 0.5), requires_grad=True) for _ in range(2))
    factors = {letter: np.array([0.5, 2.0, ord(letter)]) for letter in taken}
    a = tg.sigmoid(W2 @ tg.tanh(W1 @ np.ones(3)))
    for factor in factors.values():
        a = a * factor
    derivation = tg.explain(tg.sum(a), names={"W1": W1, "W2": W2, **factors})

    assert derivation.steps["a3"].right.text() == written
    assert not derivation.closed.note and not derivation.steps.note


def test_a_number_of_the_user_keeps_its_letter_from_the_sigmoid():
    W1, W2 = (tg.Tensor(np.full((3, 3), 0.5), requires_grad=True) for _ in range(2))
    a = tg.sigmoid(W2 @ tg.tanh(W1 @ np.ones(3)))
    closed = tg.explain(tg.sum(a) * 9.81, names={"g": 9.81}).closed

    assert "a3 = σ(W2 a2)" in closed.text and "δ3 = g a3 ⊙ (1 − a3)" in closed.text


def test_values_of_a_function_must_have_names():
    with pytest.raises(tg.errors.InvalidArgumentError, match="as a mapping by name"):
        tg.explain(lambda w: tg.sum(w), np.ones(2))


def test_layers_are_written_once_however_many_there_are():
    rng = np.random.default_rng(0)
    counts = []
    for layers in (5, 10, 20):
        A, parameters = rng.normal(size=(3, 2)), []
        for number in range(layers):
            W = tg.Tensor(rng.normal(size=(2, 2)), requires_grad=True, name=f"W{number}")
            A = tg.tanh(A @ W)
            parameters.append(W)
        loss = tg.sum(A * A)
        closed = tg.explain(loss, parameters).closed
        counts.append(len(closed.equations))
        assert_right(closed, gradients(loss, parameters))
    assert not closed.note and counts == [5, 5, 5]


def test_a_layer_of_another_activation_has_lines_of_its_own():
    def loss(W1, b1, W2, W3, W4, W5, X, Y):
        A1 = tg.relu(X @ W1 + b1)
        A2 = tg.tanh(A1 @ W2)
        A3 = tg.tanh(A2 @ W3)
        A4 = tg.tanh(A3 @ W4)
        return tg.sum((A4 @ W5 - Y) ** 2) / 2

    weights = blackboard.layers(True, (4, 3, 5, 2, 3, 2))
    values = {name: W for name, W in weights.items() if "W" in name or name == "b1"}
    rng = np.random.default_rng(0)
    values |= {"X": rng.normal(size=(6, 4)), "Y": rng.normal(size=(6, 2))}

    closed = tg.explain(loss, values).closed
    assert closed.text.splitlines() == [
        "Z1 = X W1 + b1",
        "A1 = ReLU(Z1)",
        "Z_l = A_{l−1} W_l",
        "A_l = tanh(Z_l)",
        "δ = A4 W5 − Y",
        "δ4 = (δ W5ᵀ) ⊙ (1 − A4²)",
        "δ_l = (δ_{l+1} W_{l+1}ᵀ) ⊙ (1 − A_l²)",
        "δ1 = (δ2 W2ᵀ) ⊙ [Z1 > 0]",
        "∂L/∂W1 = Xᵀ δ1",
        "∂L/∂b1 = δ1ᵀ 1",
        "∂L/∂W_l = A_{l−1}ᵀ δ_l",
        "∂L/∂W5 = A4ᵀ δ",
    ]
    assert closed.glossary[-1] == "A_l, Z_l, W_l, δ_l: of layer l = 2, …, 4"


def test_the_equation_of_all_layers_evaluates_to_the_values_of_each():
    function, values = next(row for row in CASES if row[0] is blackboard.deep_network)
    closed = tg.explain(function, values).closed
    each = [closed[f"∂L/∂W{number}"].evaluate() for number in (1, 2, 3, 4)]

    np.testing.assert_array_equal(
        closed["∂L/∂W_l"].evaluate(), np.concatenate([g.ravel() for g in each]))


def test_each_line_is_written_with_those_before_it():
    def gated(Wz, Uz, Wh, Uh, x, h):
        for t in range(2):
            z = tg.sigmoid(Wz @ x[t] + Uz @ h)
            h = (1 - z) * h + z * tg.tanh(Wh @ x[t] + Uh @ h)
        return tg.sum(h**2) / 2

    rng = np.random.default_rng(0)
    values = {name: tg.Tensor(rng.normal(size=(3, 3)), requires_grad=True)
              for name in ("Wz", "Uz", "Wh", "Uh")}
    closed = tg.explain(gated, {**values, "x": rng.normal(size=(2, 3)), "h": np.ones(3)}).closed
    names = [e.name for e in closed.equations]

    assert not closed.note and "diag" not in closed.text  # δ1 is that of no layer 1
    for place, equation in enumerate(closed.equations):
        used = {e.name.text for e in within([equation.right]) if isinstance(e, Symbol)}
        assert not used & set(names[place:])


def test_no_equation_is_found_under_a_name_that_there_is_not():
    w = tg.Tensor([1.0], requires_grad=True, name="w")
    with pytest.raises(tg.errors.InvalidArgumentError, match="no equation for 'v'"):
        tg.explain(tg.sum(w * w), w).closed["v"]


def recurrent(steps, every_step):
    rng = np.random.default_rng(0)

    def loss(Wh, Wx, Wo, x, y, h_0):
        h, total = h_0, 0
        for t in range(steps):
            h = tg.tanh(Wh @ h + Wx @ x[t])
            if every_step or t == steps - 1:
                total = total + tg.sum((Wo @ h - y[t]) ** 2) / 2
        return total

    shapes = {"Wh": (3, 3), "Wx": (3, 2), "Wo": (2, 3), "x": (steps, 2), "y": (steps, 2)}
    values = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    weights = {n: tg.Tensor(values.pop(n), requires_grad=True) for n in ("Wh", "Wx", "Wo")}
    return loss, {**weights, **values, "h_0": rng.normal(size=3)}


def test_a_loop_is_written_once_however_many_steps_it_has():
    texts = [tg.explain(*recurrent(steps, True)).closed.text for steps in (4, 9)]

    assert texts[0].replace("4", "9") == texts[1]
    assert texts[0].splitlines() == [
        "h_t = tanh(Wh h_{t−1} + Wx x_t)",
        "e_t = Wo h_t − y_t",
        "δ_4 = (Woᵀ e_4) ⊙ (1 − h_4²)",
        "δ_t = (Whᵀ δ_{t+1} + Woᵀ e_t) ⊙ (1 − h_t²)",
        "∂L/∂Wh = Σ_t δ_t h_{t−1}ᵀ",
        "∂L/∂Wx = Σ_t δ_t x_tᵀ",
        "∂L/∂Wo = Σ_t e_t h_tᵀ",
    ]


def test_an_equation_of_a_loop_evaluates_to_the_values_of_its_steps():
    function, values = recurrent(4, False)
    closed = tg.explain(function, values).closed
    h, steps = values["h_0"], []
    for x in values["x"]:
        h = np.tanh(values["Wh"].data @ h + values["Wx"].data @ x)
        steps.append(h)

    np.testing.assert_allclose(closed["h_t"].evaluate(), steps, rtol=1e-14)
    assert closed["δ_t"].evaluate().shape == (3, 3)


def test_the_counter_of_a_loop_is_no_number_with_a_name():
    def loss(w):
        for t in range(5):
            w = w * w / 4 + t
        for s, _ in enumerate(range(6)):
            w = w * 5 + s
        return tg.sum(w) * 4

    closed = tg.explain(loss, {"w": np.ones(2)}).closed
    assert not closed.note and not {"t", "s"} & set(closed.text)


def test_work_is_bounded_and_a_closed_form_that_takes_more_is_not_shown(monkeypatch):
    monkeypatch.setattr("tinygrad_mlp.explanation.differentiation.reverse.FORMS_PER_BASE", 0)
    w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    loss = tg.sum(tg.tanh(w) * tg.sigmoid(w))
    derivation = tg.explain(loss, w)
    loss.backward()

    assert derivation.closed.note == "No closed form was found (TooManyForms)."
    np.testing.assert_allclose(derivation.closed["∂L/∂w"].evaluate(), w.grad, rtol=1e-12)
    assert "No closed form was found" in str(derivation)


def test_no_closed_form_is_looked_for_in_a_very_long_graph():
    w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    total = w
    for _ in range(1001):
        total = total + w
    closed = tg.explain(tg.sum(total), w).closed

    assert "1002 operations" in closed.note and closed["∂L/∂w"].evaluate().tolist() == [1002, 1002]


def test_a_sum_over_an_index_with_three_neighbours_stays_in_index_notation():
    rng = np.random.default_rng(0)
    sizes = {"A": (2, 4), "B": (2, 5), "C": (3, 4), "D": (3, 5), "F": (4, 5), "W": (2, 3)}
    values = {name: rng.normal(size=size) for name, size in sizes.items()}
    W = values["W"] = tg.Tensor(values["W"], requires_grad=True)

    def loss(A, B, C, D, F, W):
        return tg.sum(tg.einsum("ik,il,jk,jl,kl->ij", A, B, C, D, F) * W)

    closed = tg.explain(loss, values).closed
    loss(**values).backward()

    assert closed.text == "∂L/∂W = [Σ_kl A_ik B_il C_jk D_jl F_kl]_ij"
    assert_right(closed, {"∂L/∂W": W.grad})


def test_the_softmax_of_a_vector_is_recognised_where_it_is_composed():
    z = tg.Tensor([0.5, -1.0, 2.0], requires_grad=True)

    def loss(z, y):
        e = tg.exp(z)
        return -tg.sum(y * tg.log(e / tg.sum(e)))

    closed = tg.explain(loss, {"z": z, "y": np.array([0.0, 1.0, 0.0])}).closed

    assert closed.text.splitlines()[0] == "∂L/∂z = softmax(z) − y"


def test_powers_of_what_cancels_are_zero():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")

    assert tg.explain(tg.sum((x - x) ** 2 + x * x), x).closed.text == "∂L/∂x = 2 x"


@pytest.mark.parametrize("shape", [(1, 1), (2, 3)])
@pytest.mark.parametrize(("size", "spread"), [
    ((2, 2), "¼ [Σ_kl x_{k+i,l+j} R_{⌊k/2⌋,⌊l/2⌋}]_ij"), ((1, 2), "⌊l/2⌋"), ((4, 1), "⌊k/4⌋")])
def test_an_average_over_windows_side_by_side_is_spread_over_them(shape, size, spread):
    rng = np.random.default_rng(0)
    images, channels = shape
    w = tg.Tensor(rng.normal(size=(1, channels, 2, 3)), requires_grad=True)
    x = tg.Tensor(rng.normal(size=(images, channels, 5, 6)), requires_grad=True)
    R = rng.normal(size=(images, 1, 4 // size[0], 4 // size[1]))

    def loss(w, x):
        return tg.sum(tg.avg_pool2d(tg.conv2d(x, w), size) * R)

    closed = tg.explain(loss, {"w": w, "x": x}).closed
    found = tg.grad(loss, argnums=(0, 1))(w.data, x.data)
    assert_right(closed, dict(zip(("∂L/∂w", "∂L/∂x"), map(np.asarray, found), strict=True)))
    assert "fold" not in closed.text and "windows" not in closed.text
    if shape == (1, 1):
        assert spread in closed["∂L/∂w"].text


def test_windows_that_overlap_or_leave_something_are_folded():
    def loss(x):
        return tg.sum(tg.avg_pool2d(x, 2, 1) ** 2) + tg.sum(tg.avg_pool2d(x, 2) ** 2)

    x = tg.Tensor(np.arange(25.0).reshape(5, 5), requires_grad=True)
    closed = tg.explain(loss, {"x": x}).closed

    assert closed.text.count("fold") == 2
    assert_right(closed, {"∂L/∂x": np.asarray(tg.grad(loss)(x.data))})
