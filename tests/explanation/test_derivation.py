"""The derivation as a whole: its order, its names, what can be asked of it, and what is refused."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.explanation import Derivation, explain


def tensor(name, value=None, shape=(3,)):
    value = np.linspace(0.5, 1.5, int(np.prod(shape))).reshape(shape) if value is None else value
    return tg.Tensor(value, requires_grad=True, name=name)


def lines(derivation, *kinds):
    """The equations of the record as text."""
    return [str(e) for e in derivation.tape.equations if not kinds or e.kind in kinds]


def test_explain_is_the_function_although_a_package_explains():
    import importlib

    importlib.import_module("tinygrad_mlp.explanation")
    assert tg.explain is explain
    assert tg.explanation.explain is explain


def test_there_is_one_adjoint_equation_for_each_node_newest_first():
    x = tensor("x")
    a = tg.sin(x)
    b = a * x
    c = tg.exp(a) - b
    derivation = tg.explain(tg.sum(c), x)
    assert lines(derivation, "forward") == [
        "v1 = sin(x)", "v2 = v1 ⊙ x", "v3 = e^v1", "v4 = v3 − v2", "L = Σ v4"
    ]
    assert lines(derivation, "adjoint", "gradient") == [
        "L̄ = 1",
        "v̄4 = 1",
        "v̄3 = 1",
        "v̄2 = −1",
        "v̄1 = v3 − x",
        "∂L/∂x = v̄1 ⊙ cos(x) − v1",
    ]


def test_a_gradient_is_written_as_soon_as_the_last_use_is_past():
    x, y = tensor("x"), tensor("y")
    derivation = tg.explain(tg.sum(tg.sin(x) * tg.cos(y) * tg.exp(y)), [x, y])
    names = [e.name for e in derivation.tape.of_kind("adjoint", "gradient")]
    assert names.index("∂L/∂y") < names.index("v̄1") < names.index("∂L/∂x")


def test_what_does_not_lead_to_a_target_has_no_adjoint():
    x, y = tensor("x"), tensor("y")
    derivation = tg.explain(tg.sum(tg.sin(x) * tg.cos(y)), x)
    assert [e.name for e in derivation.tape.of_kind("adjoint", "gradient")] == [
        "L̄", "v̄3", "v̄1", "∂L/∂x"
    ]
    assert "v2 = cos(y)" in lines(derivation, "forward")


# -- names ---------------------------------------------------------------------------------------


def test_names_are_those_of_the_tensors():
    w, b = tensor("w"), tensor("b", 0.3)
    z = w @ np.ones(3) + b
    z.name = "net"
    y_hat = tg.sigmoid(z)
    y_hat.name = "y_hat"
    loss = (1 - y_hat) ** 2
    loss.name = "E"
    derivation = tg.explain(loss, [w, b], names={"theta": b})
    assert lines(derivation, "forward")[1:3] == ["net = v1 + theta", "y_hat = σ(net)"]
    assert [e.name for e in derivation.tape.of_kind("gradient")] == ["∂E/∂theta", "∂E/∂w"]
    assert r"\bar{\hat{y}}" in derivation.tape.latex


def test_the_layers_own_names_become_those_of_the_document(rng):
    model = tg.nn.Sequential(tg.nn.Linear(2, 3, rng=rng), tg.nn.Tanh(), tg.nn.Linear(3, 1, rng=rng))
    derivation = tg.explain(tg.nn.squared_error(model(np.ones((4, 2))), np.zeros((4, 1))))
    assert lines(derivation, "forward") == [
        "z2 = x W1ᵀ + b1", "a2 = tanh(z2)", "z3 = a2 W2ᵀ + b2", "L = (1 / (2 · 4)) ‖y − z3‖²"
    ]


def test_other_modules_parameters_are_told_apart(rng):
    model = tg.nn.Sequential(tg.nn.LayerNorm(3), tg.nn.LayerNorm(3))
    derivation = tg.explain(tg.sum(tg.sin(model(rng.normal(size=(2, 3))))))
    assert [e.name for e in derivation.tape.of_kind("gradient")] == [
        "∂L/∂layers_1_bias", "∂L/∂layers_1_weight", "∂L/∂layers_0_bias", "∂L/∂layers_0_weight"
    ]


class Block(tg.nn.Module):
    def __init__(self, rng):
        self.attention = tg.nn.MultiheadAttention(4, 2, rng=rng)
        self.norm = tg.nn.LayerNorm(4)
        self.gain = tg.nn.Parameter([2.0])

    def forward(self, x):
        return self.norm(x + self.attention(x)) * self.gain


@pytest.mark.parametrize("changed", [
    lambda m: m, copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_parameters_are_named_by_the_attributes_that_hold_their_layers(rng, changed):
    block = changed(Block(rng))
    loss = tg.mean(tg.sin(block(rng.normal(size=(1, 2, 4)))))
    names = {e.name.removeprefix("∂L/∂") for e in tg.explain(loss).tape.of_kind("gradient")}
    assert names == {f"{layer}_{kind}" for layer in ("query", "key", "value", "output", "norm")
                     for kind in ("weight", "bias")} | {"gain"}
    assert names < {vertex.title for vertex in tg.draw(loss).scene.vertices}


def test_names_of_parameters_in_like_blocks_tell_the_block(rng):
    model = tg.nn.Sequential(Block(rng), Block(rng))
    loss = tg.mean(tg.sin(model(rng.normal(size=(1, 2, 4)))))
    names = {e.name for e in tg.explain(loss).tape.of_kind("gradient")}
    assert {"∂L/∂layers_0_norm_bias", "∂L/∂layers_1_attention_query_weight"} <= names


def test_a_name_that_the_user_gave_comes_first(rng):
    block = Block(rng)
    block.attention.query.weight.name = "Q"
    loss = tg.mean(tg.sin(block(rng.normal(size=(1, 2, 4)))))
    names = {e.name for e in tg.explain(loss).tape.of_kind("gradient")}
    assert "∂L/∂Q" in names and "∂L/∂query_bias" in names


def test_arrays_are_named_on_request():
    w, features, labels = tensor("w"), np.arange(3.0), np.array(1.0)
    loss = tg.nn.squared_error(w @ features, labels)
    assert "x" in tg.explain(loss).tape["v1"].text
    derivation = tg.explain(loss, names={"features": features, "t": labels})
    assert lines(derivation, "forward") == ["v1 = wᵀ features", "L = ½ ‖t − v1‖²"]


def test_tensors_without_a_name_are_named_on_request_too():
    w, x = tensor("w"), tg.Tensor(np.arange(3.0))
    z = tg.sin(w)
    derivation = tg.explain(z @ x, names={"features": x, "wave": z})
    assert lines(derivation, "forward") == ["wave = sin(w)", "L = waveᵀ features"]


def test_two_things_of_one_name_get_different_names():
    a, b = tensor("w"), tensor("w")
    derivation = tg.explain(tg.sum(tg.sin(a) * tg.sin(b)))
    assert lines(derivation, "forward")[:2] == ["v1 = sin(w)", "v2 = sin(w_2)"]


def test_side_by_side_layers_are_not_numbered_as_if_they_were_a_sequence(rng):
    W, V = tensor("W", shape=(2, 3)), tensor("V", shape=(2, 3))
    x = rng.normal(size=3)
    derivation = tg.explain(tg.sum(tg.tanh(W @ x) * tg.tanh(V @ x)))
    names = [e.name for e in derivation.tape.of_kind("forward")]
    assert names == ["v1", "v2", "v3", "v4", "v5", "L"]


# -- sharing -------------------------------------------------------------------------------------


def test_a_value_used_twice_is_named_once():
    x = tensor("x")
    shared = tg.exp(x)
    derivation = tg.explain(tg.sum(shared * tg.sin(shared)))
    assert sum("e^x" in line for line in lines(derivation, "forward")) == 1
    assert lines(derivation, "forward")[:2] == ["v1 = e^x", "v2 = sin(v1)"]


def test_what_the_forward_pass_has_named_is_not_written_out_again():
    x = tensor("x")
    derivation = tg.explain(tg.sum(tg.softplus(x) * tg.sigmoid(x) * tg.sin(x)))
    # The slope of the softplus is the sigmoid.
    assert "g(x)" not in str(derivation.tape["∂L/∂x"])


def test_the_same_computation_written_twice_is_seen():
    x = tensor("x")
    derivation = tg.explain(tg.sum(tg.sin(x) * tg.sin(x)))
    assert lines(derivation, "forward")[:2] == ["v1 = sin(x)", "v2 = v1"]


# -- wrt -----------------------------------------------------------------------------------------


def test_wrt_is_a_tensor_a_name_or_several(rng):
    model = tg.nn.Sequential(tg.nn.Linear(2, 2, rng=rng), tg.nn.Tanh())
    loss = tg.nn.squared_error(model(np.ones((1, 2))), np.zeros((1, 2)))
    weight, bias = model.parameters()

    def asked(wrt):
        return [e.name for e in tg.explain(loss, wrt).of_kind("gradient")]

    both = ["∂L/∂W1", "∂L/∂b1"]
    assert asked(weight) == asked("W1") == asked(["weight"]) == both[:1]
    assert asked(None) == asked(model.parameters()) == asked([weight, "b1"]) == both
    assert asked({"b": bias}.values()) == both[1:]


def test_wrt_may_be_something_in_between(assert_gradients):
    x = tensor("x")
    middle = tg.tanh(x)
    middle.retain_grad()
    loss = tg.sum(middle**3 * x)
    for wrt in ([middle, x], ["v1", "x"]):
        derivation = tg.explain(loss, wrt)
        assert str(derivation.tape["∂L/∂v1"]) == "∂L/∂v1 = 3 v1² ⊙ v̄2"
        assert middle.grad is None  # it is that of the person's own backward passes
        assert_gradients(derivation, loss, [x])
        np.testing.assert_allclose(derivation["∂L/∂v1"].evaluate(), middle.grad, rtol=1e-13)
        middle.grad = None


def test_the_output_itself_may_be_asked_for():
    x = tensor("x")
    loss = tg.sum(x)
    assert tg.explain(loss, [loss, x])["∂L/∂L"].evaluate() == 1


REFUSED = {
    "a released graph": (
        lambda loss, x, other: (loss.backward(), tg.explain(loss, x)),
        tg.errors.GraphReleasedError, r"released by backward\(\).*explain\(\) before",
    ),
    "an array": (
        lambda loss, x, other: tg.explain(x.data, x), tg.errors.NotDifferentiableError, "expects",
    ),
    "a leaf": (
        lambda loss, x, other: tg.explain(tg.Tensor(1.0, requires_grad=True)),
        tg.errors.NotDifferentiableError, "computed from",
    ),
    "several numbers": (
        lambda loss, x, other: tg.explain(tg.sin(x)), tg.errors.ShapeError, r"shape \(3,\).*sum",
    ),
    "a stranger": (
        lambda loss, x, other: tg.explain(loss, other),
        tg.errors.NotDifferentiableError, "does not depend on the tensor 'other'",
    ),
    "an unknown name": (
        lambda loss, x, other: tg.explain(loss, "W7"),
        tg.errors.InvalidArgumentError, "x.*Got 'W7'",
    ),
    "a number as wrt": (
        lambda loss, x, other: tg.explain(loss, 3), tg.errors.InvalidArgumentError, "Got int",
    ),
    "an array as wrt": (
        lambda loss, x, other: tg.explain(loss, [x.data]),
        tg.errors.InvalidArgumentError, "Got ndarray",
    ),
    "a name for a stranger": (
        lambda loss, x, other: tg.explain(loss, x, names={"c": np.ones(3)}),
        tg.errors.InvalidArgumentError, "Got something else for 'c'",
    ),
    "an unknown equation": (
        lambda loss, x, other: tg.explain(loss, x)["z9"],
        tg.errors.InvalidArgumentError, "no equation for 'z9'.*∂L/∂x",
    ),
    "a value of another shape": (
        lambda loss, x, other: tg.explain(loss, x)["L"].evaluate({"x": np.ones(2)}),
        tg.errors.ShapeError, r"x to have shape \(3,\). Got \(2,\)",
    ),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_a_mistake_is_explained(mistake):
    use, error, message = REFUSED[mistake]
    x = tensor("x")
    with pytest.raises(error, match=message):
        use(tg.sum(tg.sin(x)), x, tensor("other"))


def test_an_argument_without_a_rule_is_refused_as_by_backward():
    @tg.op(rules={"a": lambda g, y, a, b: g * b}, register=False)
    def half_known(a, b):
        return a * b

    a, b = tensor("a"), tensor("b")
    with pytest.raises(tg.errors.NotDifferentiableError, match="half_known.*'b'"):
        tg.explain(tg.sum(half_known(a, b)))
    assert len(tg.explain(tg.sum(half_known(a, b)), a).of_kind("gradient")) == 1


def test_a_rule_that_looks_at_numbers_is_refused():
    @tg.op(rules={"a": lambda g, y, a: g if float(a.sum()) > 0 else -g}, register=False)
    def branching(a):
        return np.abs(a)

    with pytest.raises(tg.errors.TraceError, match=r"tg\.where"):
        tg.explain(tg.sum(branching(tensor("a"))))


# -- the world around ----------------------------------------------------------------------------


def test_networks_of_every_layer_are_explained(rng, assert_gradients):
    model = tg.nn.Sequential(
        tg.nn.Conv2d(1, 2, 3, stride=2, padding=1, rng=rng), tg.nn.ReLU(), tg.nn.MaxPool2d(2),
        tg.nn.Flatten(), tg.nn.Linear(8, 5, rng=rng), tg.nn.BatchNorm1d(5), tg.nn.GELU(),
        tg.nn.Dropout(0.5, rng=rng), tg.nn.LayerNorm(5), tg.nn.Linear(5, 3, rng=rng),
    )
    leaves = list(model.parameters())
    for i, leaf in enumerate(leaves):
        leaf.name = f"p{i}"
    X, Y = rng.normal(size=(4, 1, 8, 8)), np.eye(3)[[0, 1, 2, 1]]
    loss = tg.nn.softmax_cross_entropy(model(X), Y)
    assert assert_gradients(tg.explain(loss, leaves), loss, leaves) == len(leaves)


def test_explaining_changes_nothing():
    x = tensor("x")
    loss = tg.sum(tg.tanh(x) ** 2)
    before = tg.explain(loss).text
    assert x.grad is None
    assert tg.explain(loss).text == before
    loss.backward()
    np.testing.assert_allclose(x.grad, 2 * np.tanh(x.data) * (1 - np.tanh(x.data) ** 2))


@pytest.mark.parametrize("context", [tg.no_grad, tg.debug])
def test_it_does_not_matter_where_explain_is_called(context):
    x = tensor("x")
    loss = tg.sum(tg.log(x) * x)
    with context():
        inside = tg.explain(loss).text
    assert inside == tg.explain(loss).text


def test_the_equations_hold_what_was_recorded_also_after_a_step(assert_gradients):
    x = tensor("x")
    loss = tg.sum(tg.sin(x))
    derivation = tg.explain(loss)
    expected = np.cos(x.data)
    x.data = x.data + 1
    np.testing.assert_allclose(derivation["∂L/∂x"].evaluate(), expected)
    np.testing.assert_allclose(derivation["∂L/∂x"].evaluate({"x": x}), np.cos(x.data))


def test_several_outputs_have_an_adjoint_each(assert_gradients):
    @tg.op(
        outputs=2,
        rules={"a": lambda g, y, a: g[0] * 2 * a + g[1] * y[1]},
        latex=r"\mathrm{{both}}({a})",
        register=False,
    )
    def square_and_exp(a):
        return a**2, np.exp(a)

    x = tensor("x")
    square, exponential = square_and_exp(tg.sin(x))
    loss = tg.sum(square * exponential)
    derivation = tg.explain(loss)
    assert lines(derivation, "forward")[1:4] == [
        "v2 = both(v1)[0]", "v3 = both(v1)[1]", "v4 = v2 ⊙ v3"
    ]
    assert_gradients(derivation, loss, [x])
    unused = tg.sum(square)
    assert_gradients(tg.explain(unused), unused, [x])
    assert tg.explain(loss, [square, x])["∂L/∂v2"].evaluate().shape == (3,)


def test_an_operation_of_ones_own_is_explained_from_its_rule(assert_gradients):
    @tg.op(
        rules={"x": lambda g, y, x, beta: g * (beta * y + tg.sigmoid(beta * x) * (1 - beta * y))},
        latex=r"\mathrm{{swish}}({x})",
        register=False,
    )
    def swish(x, *, beta=1.0):
        return x / (1 + np.exp(-beta * x))

    x = tensor("x")
    loss = tg.sum(swish(x, beta=2.0))
    derivation = tg.explain(loss)
    assert str(derivation.tape["∂L/∂x"]) == "∂L/∂x = σ(2 x) ⊙ (1 − 2 v1) + 2 v1"
    assert_gradients(derivation, loss, [x])


def test_the_graph_of_a_gradient_is_a_graph_like_any_other(assert_gradients):
    x = tensor("x")
    slope = tg.grad(lambda x: tg.sum(tg.tanh(x) ** 3))(x)
    loss = tg.sum(slope**2)
    derivation = tg.explain(loss, x)
    assert assert_gradients(derivation, loss, [x]) == 1


def test_a_long_chain_needs_no_recursion(assert_gradients):
    x = tensor("x")
    value = x
    for _ in range(500):
        value = tg.sin(value)
    loss = tg.sum(value)
    derivation = tg.explain(loss)
    assert not derivation.closed.note and not derivation.steps.note
    assert len(derivation.closed.equations) == 4
    assert "δ_t = δ_{t+1} ⊙ cos(h_t)" in derivation.closed.text
    assert len(derivation.steps.equations) == 5
    assert_gradients(derivation, loss, [x])


def test_a_value_used_very_often_needs_no_recursion(assert_gradients):
    x = tensor("x")
    middle = tg.sin(x)
    loss = tg.sum(sum((tg.exp(middle) * (-1) ** i for i in range(600)), middle))
    derivation = tg.explain(loss)
    assert derivation.text and derivation.latex
    assert_gradients(derivation, loss, [x])


def test_a_long_line_is_broken_before_a_sign():
    x = tensor("x")
    middle = tg.sin(x)
    total = tg.sum(sum((tg.exp(i * middle) for i in range(2, 32)), middle) ** 2)
    equation = max(tg.explain(total, shapes=True).equations, key=lambda e: len(str(e)))
    rows = equation.text.splitlines()
    formula, shapes = rows[::2], rows[1::2]
    assert len(formula) == len(shapes) > 2
    assert max(map(len, rows)) <= 80
    assert all("   + " in row for row in formula[1:-1])
    assert "".join(formula).replace(" ", "") == str(equation).replace(" ", "")


def test_the_same_computation_has_the_same_text_each_time():
    p = tensor("p", shape=(2, 3, 4))
    assert len({tg.explain(tg.sum(tg.sin(tg.median(p, axis=(0, 2))))).text for _ in range(10)}) == 1


def test_a_long_product_is_broken_between_factors_and_a_long_factor_at_spaces():
    factors = [tensor(f"quite_a_long_name_{i}") for i in range(12)]
    product = factors[0]
    for factor in factors[1:]:
        product = product * tg.sin(factor)
    total = sum(factors[1:], factors[0])
    for equation in tg.explain(tg.sum(tg.tanh(total)) + tg.sum(product), shapes=True).equations:
        assert max(map(len, equation.text.splitlines())) <= 80
    from tinygrad_mlp.explanation.expressions.equation import wrapped
    from tinygrad_mlp.explanation.expressions.expression import Application, Symbol
    from tinygrad_mlp.graph_view.names import name

    def applied(op, *args):
        return Application(op, args, {}, (3,), float)

    symbols = [Symbol(name(f.name), (3,), float) for f in factors]
    long = symbols[0]
    for symbol in symbols[1:]:
        long = applied(tg.add, long, symbol)
    for whole in (
        applied(tg.tanh, long),
        applied(tg.multiply, applied(tg.tanh, long), long),
    ):
        text = wrapped(Symbol(name("y"), (3,), float), whole, shapes=True, columns=60)
        assert max(map(len, text.splitlines())) <= 60
        shown = "".join(row for row in text.splitlines() if "quite" in row or "(" in row)
        assert whole.text().replace(" ", "") in shown.replace(" ", "")


# -- what it looks like --------------------------------------------------------------------------


def test_a_notebook_shows_the_latex():
    derivation = tg.explain(tg.sum(tensor("x") ** 2))
    shown = f"$$\n{derivation.closed.latex}\n$$\n\n$$\n{derivation.latex}\n$$"
    assert derivation._repr_latex_() == shown
    rows = derivation.latex.splitlines()[1:-1]
    assert all(row.endswith(r"\\") for row in rows[:-1]) and not rows[-1].endswith(r"\\")
    assert all(row.split("&&")[0].count("&") == 1 for row in rows)


def test_printing_shows_the_closed_form_and_the_steps():
    derivation = tg.explain(tg.sum(tensor("x") ** 2))
    assert isinstance(derivation, Derivation)
    assert str(derivation) == (
        "Closed form\n\n    ∂L/∂x = 2 x\n\n"
        "Steps\n\n    L = ‖x‖²\n    ∂L/∂x = 2 x\n        chain rule through L"
    )
    assert repr(derivation) == "<Derivation of ∂L/∂x: 2 equations>"
    assert repr(derivation.closed) == "<1 equations of ∂L/∂x>"
    assert repr(derivation["∂L/∂x"]) == "<Equation (gradient) ∂L/∂x = 2 x>"
    assert repr(derivation["∂L/∂x"].right) == "<Application 2 x of shape (3,)>"


def test_the_reason_for_a_line_is_the_slope_of_the_function():
    x = tensor("x")
    reasons = tg.explain(tg.sum(tg.exp(tg.sin(x)) * tg.relu(x))).steps.reasons
    assert {reason.text for reason in reasons.values()} >= {"(e^u)′ = e"}
    assert "sin′(x) = cos(x)" in reasons["∂L/∂x"].text
    assert r"\text{ and }" in reasons["∂L/∂x"].latex


def test_shapes_stand_below_the_factors_on_demand(rng):
    W = tensor("W1", shape=(2, 3))
    loss = tg.nn.squared_error(tg.tanh(W @ np.ones(3)), np.ones(2))
    derivation = tg.explain(loss, shapes=True)
    assert derivation.closed["∂L/∂W1"].text == (
        "∂L/∂W1 = ((a − y) ⊙ (1 − a²)) xᵀ\n 2×3             2×1          1×3"
    )
    assert derivation.closed["∂L/∂W1"].latex.startswith(r"\underset{2 \times 3}{\nabla")
    assert "×" not in tg.explain(loss).text
