"""In-place operators: leaves are updated under `no_grad` only; computed tensors change."""

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp import nn, optim
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

OPERATORS = {
    "+=": (operator.iadd, operator.add),
    "-=": (operator.isub, operator.sub),
    "*=": (operator.imul, operator.mul),
    "/=": (operator.itruediv, operator.truediv),
    "//=": (operator.ifloordiv, operator.floordiv),
    "%=": (operator.imod, operator.mod),
    "**=": (operator.ipow, operator.pow),
    "@=": (operator.imatmul, operator.matmul),
}
SQUARE = np.array([[1.5, 0.5], [2.0, 3.0]])


def leaf(dtype=float):
    return tg.Tensor(SQUARE.astype(dtype), requires_grad=True, name="w")


@pytest.mark.parametrize("sign", OPERATORS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("other", ["number", "array", "row", "tensor", "parameter"])
def test_under_no_grad_a_leaf_gets_numpys_numbers_and_stays_the_same_leaf(sign, dtype, other):
    in_place, _ = OPERATORS[sign]
    array = np.array([[1.0, 2.0], [0.5, 1.0]])
    values = {
        "number": 2.0, "array": array, "row": array[0], "tensor": tg.Tensor(array),
        "parameter": nn.Parameter(array.astype(dtype)),
    }
    plain = getattr(values[other], "data", values[other]) if other in ("tensor", "parameter") else (
        values[other])
    if sign == "@=" and other in ("number", "row"):
        return  # no product of that shape
    w, expected = leaf(dtype), SQUARE.astype(dtype)
    expected = in_place(expected, plain)
    before = w
    with tg.no_grad():
        w = in_place(w, values[other])
    assert w is before and w.requires_grad and w.node is None and w.name == "w"
    assert w.dtype == dtype
    # NumPy computes in the wider precision and rounds, too.
    np.testing.assert_allclose(w.data, expected, rtol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("sign", OPERATORS)
@pytest.mark.parametrize("make", [leaf, lambda: nn.Parameter(SQUARE)])
def test_outside_of_no_grad_a_leaf_is_not_changed_in_place(sign, make):
    w = make()
    with pytest.raises(InvalidArgumentError) as caught:
        OPERATORS[sign][0](w, SQUARE)
    message = str(caught.value)
    assert f"changed by {sign} while" in message
    assert "'with tg.no_grad():'" in message and f"x = x {sign[:-1]} …" in message
    np.testing.assert_array_equal(w.data, SQUARE)
    assert w.requires_grad and w.grad is None


@pytest.mark.parametrize("sign", OPERATORS)
def test_a_computed_tensor_and_a_constant_change_so_that_aliases_see_it(sign):
    in_place, plain = OPERATORS[sign]
    w = leaf()
    for start in (w * 1, tg.Tensor(SQUARE)):
        other = leaf() if sign != "//=" else SQUARE
        alias = start
        made = in_place(start, other)
        assert made is alias
        np.testing.assert_array_equal(made.data, plain(SQUARE, SQUARE))
    np.testing.assert_array_equal(w.data, SQUARE)


def test_a_single_number_is_bound_anew_as_in_numpy():
    total = tg.sum(leaf())
    kept, before = total, total.data
    total += 1
    assert kept is not total and kept.data == before


@pytest.mark.parametrize("sign", [sign for sign in OPERATORS if sign != "//="])
@pytest.mark.parametrize("transform", ["grad", "vjp", "jvp", "check_grad", "check_derivation"])
def test_the_argument_of_a_differentiated_function_is_the_functions_own(sign, transform):
    in_place, plain = OPERATORS[sign]
    exponent = 2.0 if sign == "**=" else SQUARE[::-1]

    def f(w):
        w = in_place(w, exponent)
        return tg.sum(w * w)

    def same(w):
        return tg.sum(plain(w, exponent) ** 2)

    expected = tg.grad(same)(SQUARE)
    if transform == "check_grad":
        assert tg.verify.check_grad(f, SQUARE).ok
    elif transform == "check_derivation":
        report = tg.verify.check_derivation(f, lambda w: {"w": tg.grad(same)(w)}, w=SQUARE)
        assert report.ok
    elif transform == "jvp":
        found = tg.jvp(f, (SQUARE,), (SQUARE,))[1]
        np.testing.assert_allclose(found, np.sum(expected * SQUARE))
    else:
        point = SQUARE.copy()
        found = tg.grad(f)(point) if transform == "grad" else tg.vjp(f, point)[1](1.0)[0]
        np.testing.assert_allclose(found, expected)
        np.testing.assert_array_equal(point, SQUARE)


def test_a_leaf_from_outside_is_not_changed_in_a_differentiated_function():
    weights = [leaf()]

    def f(x):
        weights[0] -= 1
        return tg.sum(x * weights[0])

    with pytest.raises(InvalidArgumentError, match="changed by -= while"):
        tg.grad(f)(SQUARE)


@pytest.mark.parametrize("other", [np.ones((3, 2, 2)), np.ones((2, 1, 2))])
def test_an_update_that_changes_the_shape_is_refused_and_changes_nothing(other):
    w = leaf()
    with tg.no_grad(), pytest.raises(ShapeError, match=r"expects a result of shape \(2, 2\)"):
        w += other
    np.testing.assert_array_equal(w.data, SQUARE)
    v = tg.Tensor(np.ones((2, 3)), requires_grad=True)
    with tg.no_grad(), pytest.raises(ShapeError, match=r"Got \(2, 4\)"):
        v @= np.ones((3, 4))
    assert v.shape == (2, 3)


@pytest.mark.parametrize("other", ["text", None, [1j, 2j], np.array([1j, 1])])
def test_an_update_that_is_no_real_number_is_refused_and_changes_nothing(other):
    w = leaf()
    with tg.no_grad(), pytest.raises(TypeError):
        w += other
    np.testing.assert_array_equal(w.data, SQUARE)
    assert w.dtype == np.float64


@given(seed=st.integers(0, 2**32 - 1))
def test_a_graph_recorded_before_an_update_keeps_its_gradient(seed):
    rng = np.random.default_rng(seed)
    start, x = rng.normal(size=3), rng.normal(size=3)
    w = tg.Tensor(start.copy(), requires_grad=True)
    loss = tg.sum(tg.sin(w * x))
    with tg.no_grad():
        w -= rng.normal(size=3)
        w *= 2
    loss.backward()
    np.testing.assert_allclose(w.grad, np.cos(start * x) * x, rtol=1e-12)


def test_the_array_that_a_tensor_was_made_of_is_not_written_to():
    array = SQUARE.copy()
    w = tg.Tensor(array, requires_grad=True)
    with tg.no_grad():
        w += 1
    np.testing.assert_array_equal(array, SQUARE)


def by_list(model):
    with tg.no_grad():
        for p in model.parameters():
            p -= 0.1 * p.grad


def by_attribute(model):
    with tg.no_grad():
        model[0].weight -= 0.1 * model[0].weight.grad
        model[0].bias -= 0.1 * model[0].bias.grad


def by_optimizer(model):
    optim.SGD(model.parameters(), 0.1).step()


def trained(update):
    model = nn.Sequential(nn.Linear(2, 3, rng=np.random.default_rng(0)), nn.Tanh())
    before = list(map(id, model.parameters()))
    for _ in range(5):
        model.zero_grad()
        tg.sum(model(SQUARE) ** 2).backward()
        update(model)
    assert list(map(id, model.parameters())) == before
    return model.state_dict()


@pytest.mark.parametrize("update", [by_list, by_attribute])
def test_gradient_descent_by_hand_is_the_optimizers_step(update):
    found, expected = trained(update), trained(by_optimizer)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-12)


def test_an_optimizer_goes_on_with_a_leaf_that_was_updated_by_hand():
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    sgd = optim.SGD([w], 0.1, momentum=0.9)
    for _ in range(3):
        sgd.zero_grad()
        tg.sum(w * w).backward()
        sgd.step()
        with tg.no_grad():
            w /= np.sqrt(np.sum(w.data**2))
    np.testing.assert_allclose(np.sum(w.data**2), 1)
    assert sgd.parameters[0] is w


def test_a_compiled_step_updates_in_place_at_every_call():
    def steps(compiled):
        w = [tg.Tensor([1.0, -2.0], requires_grad=True, name="w")]

        def step(x):
            w[0].grad = None
            loss = tg.sum((w[0] * x) ** 2)
            loss.backward()
            with tg.no_grad():
                w[0] -= 0.1 * w[0].grad
            return loss

        run = tg.compile(step) if compiled else step
        values = [float(run(np.array([1.0, 0.5])).data) for _ in range(6)]
        return values, w[0].data

    (values, w), (expected, v) = steps(True), steps(False)
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    np.testing.assert_allclose(w, v, rtol=1e-12)
    assert values[-1] < values[0]


def test_a_compiled_step_without_no_grad_is_refused_as_the_eager_one():
    w = [leaf()]

    @tg.compile
    def step(x):
        w[0] -= x
        return tg.sum(w[0])

    with pytest.raises(InvalidArgumentError, match="changed by -= while"):
        step(SQUARE)
    assert isinstance(w[0].data, np.ndarray)


def test_elements_of_a_leaf_are_not_assigned_and_the_message_names_where():
    for w in (leaf(), leaf()[0]):
        kept = leaf()
        w = kept[0] if w.ndim == 1 else w
        with pytest.raises(InvalidArgumentError, match=r"tg\.where"):
            w[0] = 1.0
        with tg.no_grad(), pytest.raises(InvalidArgumentError, match=r"tg\.where"):
            w[0] += 1.0
        np.testing.assert_array_equal(kept.data, SQUARE)
    w = leaf()
    w.data[0] = 7.0
    w.data = w.data * 2
    assert w.data[0, 0] == 14.0 and w.requires_grad
