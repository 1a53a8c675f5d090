"""Arrays changed in place between forward and backward pass are noticed by spot checks."""

import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tests.autograd.test_programs import inputs, programs, run
from tests.every_sample import every_sample
from tinygrad_mlp.autograd import backward
from tinygrad_mlp.autograd.backward import SpotCheck, is_outdated
from tinygrad_mlp.errors import MutatedArrayWarning


@pytest.fixture(autouse=True)
def every_pass_is_checked(monkeypatch):
    monkeypatch.setattr(SpotCheck, "due", 0.0)
    monkeypatch.setattr(backward, "AT_ONCE", 1e9)
    monkeypatch.setattr(backward, "SHARE", 1e12)


def leaf(*numbers, name="w"):
    return tg.Tensor(numbers, requires_grad=True, name=name)


def assigned(array, index, value):
    array[index] = value


W, X = (1.0, 2.0), (3.0, 4.0)


def of_a_leaf():
    w = leaf(*W)
    loss = tg.sum(w * w)
    w.data += 10
    return loss


def of_a_constant():
    x = np.array(X)
    loss = tg.sum(tg.tanh(leaf(*W)) * x)
    x *= 2
    return loss


def of_a_wrapped_array():
    array = np.array(W)
    w = tg.Tensor(array, requires_grad=True, name="w")
    loss = tg.sum(tg.sin(w))
    array[0] = 7
    return loss


def of_a_middle_result():
    hidden = tg.exp(leaf(*W))
    loss = tg.sum(hidden * hidden)
    hidden.numpy()[0] = 0
    return loss


def of_a_view():
    w = leaf(*W)
    column = w.reshape(2, 1)
    loss = tg.sum(column * column)
    w.data[0] = 5
    return loss


def of_an_index():
    index = np.array([0, 1])
    w = leaf(*W)
    loss = tg.sum(w[index] * w)
    index[0] = 1
    return loss


def of_a_condition():
    mask = np.array([True, False])
    loss = tg.sum(tg.where(mask, leaf(*W), 0.0))
    mask[:] = [False, True]
    return loss


def of_the_output():
    loss = tg.exp(tg.sum(leaf(*W)))
    loss.data[...] = 1
    return loss


def of_a_layer():
    layer = tg.nn.Linear(2, 2, rng=np.random.default_rng(0))
    loss = tg.sum(layer(np.array([X])) ** 2)
    layer.weight.data -= 0.1
    return loss


def of_a_number_out_of_the_domain():
    matrix = tg.Tensor(np.eye(2), requires_grad=True, name="A")
    loss = tg.sum(tg.linalg.cholesky(matrix))
    matrix.data[0, 0] = -1
    return loss


NOTICED = {
    of_a_leaf: ("multiply", r"x1 \('w'\) of shape \(2,\) was changed"),
    of_a_constant: ("multiply", r"x2 of shape \(2,\) was changed"),
    of_a_wrapped_array: ("sin", r"x \('w'\) of shape \(2,\) was changed"),
    of_a_middle_result: ("multiply", r"x1 of shape \(2,\), the result of exp\(\), was changed"),
    of_a_view: ("multiply", r"x1 of shape \(2, 1\), the result of reshape\(\), was changed"),
    of_an_index: ("getitem", r"operands\[1\] of shape \(2,\) was changed"),
    of_a_condition: ("where", r"condition of shape \(2,\) or .* was changed"),
    of_the_output: ("exp", r"the result of exp\(\) was changed"),
    of_a_layer: ("linear", r"weight \('weight'\) of shape \(2, 2\) or .* was changed"),
    of_a_number_out_of_the_domain: ("cholesky", r"\('A'\) of shape \(2, 2\) was changed"),
}


@pytest.mark.parametrize("make", NOTICED, ids=lambda make: make.__name__)
def test_a_change_is_noticed_with_the_operation_the_array_and_the_line(make):
    op, array = NOTICED[make]
    loss = make()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        loss.backward()
    (warning,) = told  # one, although more than one array of a graph may be affected
    message = str(warning.message)
    assert warning.category is MutatedArrayWarning and warning.filename == __file__
    assert message.startswith(f"backward: the arrays of {op}() must stay as they are")
    assert re.search(array, message), message
    assert "x.data = x.data + 1, not x.data += 1" in message and "tg.debug() finds" in message


@pytest.mark.parametrize("make", NOTICED, ids=lambda make: make.__name__)
def test_a_change_is_noticed_by_the_functional_transforms_too(make):
    loss = make()
    with pytest.warns(MutatedArrayWarning):
        backward.propagate([(loss, np.ones_like(loss.data))], lambda *_: None)


def test_a_warning_that_is_an_error_leaves_all_gradients_as_they_were():
    w = leaf(*W)
    loss = tg.sum(w * w)
    w.data += 10
    with pytest.raises(MutatedArrayWarning):  # as pytest is configured
        loss.backward()
    assert w.grad is None


def test_a_pullback_called_after_a_change_is_noticed():
    x = np.array(X)
    _, pullback = tg.vjp(lambda w: tg.sin(w) * x, np.array(W))
    pullback(np.ones(2))
    x[0] = 0
    with pytest.warns(MutatedArrayWarning, match=r"multiply\(\)"):
        pullback(np.ones(2))


def updated_by_an_optimizer(w):
    sgd = tg.optim.Adam([w], 0.1)
    w.grad = np.ones_like(w.data)
    sgd.step()
    w.grad = None


def updated_in_place(w):
    with tg.no_grad():
        w -= 0.5


FINE = {
    "an optimizer's step": updated_by_an_optimizer,
    "an update under no_grad": updated_in_place,
    "a new array": lambda w: setattr(w, "data", w.data * 2),
    "a copy": lambda w: w.data.copy().fill(0),
    "the same numbers": lambda w: assigned(w.data, 0, w.data[0]),
    "a gradient": lambda w: setattr(w, "grad", np.zeros(2)),
}


@pytest.mark.parametrize("name", FINE)
def test_the_packages_own_updates_leave_the_gradient_right_and_are_not_told_of(name):
    w = leaf(*W)
    loss = tg.sum(tg.exp(w) * w)
    FINE[name](w)
    loss.backward()  # warnings are errors
    np.testing.assert_allclose(w.grad, np.exp(W) * (1 + np.array(W)))


def test_a_compiled_function_and_debug_have_no_spot_checks(monkeypatch):
    monkeypatch.setattr(backward, "is_outdated", None)  # calling it would fail
    w = leaf(*W)
    with tg.debug():
        tg.sum(w * w).backward()
    tg.compile(lambda: tg.sum(w * w).backward())()


# -- every operation --------------------------------------------------------------------------


def recorded(smooth):
    args = [np.array(a) if isinstance(a, np.ndarray) else a for a in smooth.args]
    lifted = [
        tg.Tensor(a, requires_grad=True) if i in smooth.floats else a for i, a in enumerate(args)]
    with np.errstate(all="ignore"):
        out = smooth.op(*lifted, **smooth.static)
    return (out[0] if isinstance(out, tuple) else out).node, args


@every_sample
def test_no_operation_is_accused_of_a_change_that_did_not_happen(smooth):
    node, _ = recorded(smooth)
    assert not is_outdated(node)


@every_sample
def test_a_change_of_an_argument_of_an_operation_is_noticed_where_it_changes_the_result(smooth):
    node, args = recorded(smooth)
    if node.op.outputs > 1 or not smooth.floats:
        return
    for position in smooth.floats:
        array = node.arrays[position]
        if not array.size or not array.flags.writeable:
            continue
        before = array.copy()
        array *= 0.75
        try:
            with np.errstate(all="ignore"):
                again = np.asarray(node.op.forward(*node.arrays, **node.static))
            same = again.shape == node.out.shape and np.allclose(
                again, node.out, rtol=1e-3, atol=1e-3, equal_nan=True)
        except Exception:
            same = False
        assert same or is_outdated(node), position
        array[...] = before


@given(programs, inputs)
def test_no_random_program_is_accused(program, values):
    with np.errstate(all="ignore"):
        tg.grad(lambda values: tg.sum(run(program, values)))(values)


# -- what is not covered ----------------------------------------------------------------------


def test_large_arrays_own_operations_and_several_outputs_are_left_out():
    big = tg.Tensor(np.ones(backward.LARGEST + 1), requires_grad=True)
    square = tg.op(rules={"x": lambda g, y, x: g * 2 * x}, register=False)(lambda x: x * x)
    w, matrix = leaf(*W), tg.Tensor(np.eye(2), requires_grad=True)
    losses = [tg.sum(tg.sin(big)), tg.sum(square(w)), tg.sum(tg.linalg.eigh(matrix)[0])]
    big.data += 1
    w.data += 1
    matrix.data += 1
    for loss in losses:
        loss.backward()  # no warning


def test_a_change_that_leaves_the_result_as_it_is_goes_unnoticed():
    w, x = leaf(0.0, 0.0), np.array(X)
    loss = tg.sum(w * x)
    x += 1
    loss.backward()
    np.testing.assert_array_equal(w.grad, np.array(X) + 1)  # 0 x is 0 for every x


# -- what it costs -----------------------------------------------------------------------------


class Clock:
    """A clock that only goes on when something is checked, or when told to."""

    def __init__(self, monkeypatch, check=0.002):
        self.now, self.checks = 100.0, 0
        monkeypatch.setattr(backward, "perf_counter", lambda: self.now)
        monkeypatch.setattr(backward, "is_outdated", self.checked)
        monkeypatch.setattr(backward, "AT_ONCE", 1e-3)
        monkeypatch.setattr(backward, "SHARE", 0.01)
        self.check = check

    def checked(self, node):
        self.now += self.check
        self.checks += 1
        return False


def test_checks_take_a_hundredth_of_the_time(monkeypatch):
    clock = Clock(monkeypatch)
    w = leaf(*W)
    start = clock.now
    for _ in range(5_000):
        tg.sum(w * w).backward()
        clock.now += 1e-3
    spent = clock.checks * clock.check
    assert 0.005 < spent / (clock.now - start) < 0.012


def test_the_first_pass_is_checked_and_a_long_one_all_along(monkeypatch):
    clock = Clock(monkeypatch, check=1e-4)
    w = leaf(*W)
    y = w
    for _ in range(1000):
        y = tg.sin(y)
    seen = []
    monkeypatch.setattr(backward, "is_outdated", lambda node: seen.append(node) or clock.checked(
        node))
    original = type(y.node.op).vjp

    def slowly(self, *args):
        clock.now += 1e-3
        return original(self, *args)

    monkeypatch.setattr(type(y.node.op), "vjp", slowly)
    order = y.node.order
    tg.sum(y).backward()
    places = [order - node.order for node in seen]
    assert len(places) < 0.01 * 1000 * 10 + 30 and max(places) > 900  # near the leaf, too


def test_a_pass_soon_after_a_check_is_not_checked(monkeypatch):
    clock = Clock(monkeypatch)
    w = leaf(*W)
    tg.sum(w * w).backward()
    first = clock.checks
    assert first == 1  # one takes longer than may be taken at once
    clock.now += 0.1
    tg.sum(w * w).backward()
    assert clock.checks == first
    clock.now += 0.1  # 0.2 s after a check of 2 ms
    tg.sum(w * w).backward()
    assert clock.checks == first + 1


@given(seed=st.integers(0, 2**32 - 1))
def test_rounding_is_no_change(seed):
    rng = np.random.default_rng(seed)
    w = tg.Tensor(rng.normal(size=5), requires_grad=True)
    y = tg.exp(w)
    y.node.out = np.nextafter(y.node.out, rng.choice([-np.inf, np.inf], size=5))
    assert not is_outdated(y.node)
    y.node.out = y.node.out * (1 + 1e-6)
    assert is_outdated(y.node)
