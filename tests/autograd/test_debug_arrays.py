"""`debug`: arrays that were changed in place, between the passes or by an operation or a rule."""

from __future__ import annotations

import inspect
import re
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp.autograd.backward import SpotCheck
from tinygrad_mlp.errors import MutatedArrayError, NonFiniteError


def leaf(*numbers, name=None):
    return tg.Tensor(np.array(numbers, float), requires_grad=True, name=name)


def planted(**record):
    return tg.op(register=False, **record)


def line():
    """The number of the line that calls this."""
    return inspect.currentframe().f_back.f_lineno


def place(error):
    """Line and source that a message points to."""
    found = re.search(r" was called at (.*?):(\d+).*\n    (.*)", str(error.value))
    assert found[1] == __file__
    return int(found[2]), found[3]


# -- arrays changed in place -----------------------------------------------------------------------

def in_place(change):
    """Let `change` work on the array of a leaf, a constant and a result between the passes."""
    x, c = leaf(1, 2, 3, 4, name="x"), np.array([1.0, 2, 3, 4])
    with tg.debug():
        y = tg.exp(x * c)
        z = y * 2
        change(x, c, y)
        z.sum().backward()
    return x


def swapped(a):
    a[:] = a[::-1].copy()


def reshaped(a):
    a.shape = (2, 2)


CHANGES = {
    "a leaf": (
        r"multiply\(\) .* but x1 \('x'\) of shape \(4,\)", lambda x, c, y: x.data.fill(0),
    ),
    "one element": (
        r"multiply\(\) .* but x1 \('x'\)", lambda x, c, y: x.data.__setitem__(2, 3.0000000001),
    ),
    "the sign of a zero": (r"multiply\(\)", lambda x, c, y: c.__imul__(-0.0)),
    "through a view": (r"multiply\(\) .* but x1", lambda x, c, y: swapped(x.data[1:3])),
    "a plain array": (r"multiply\(\) .* but x2 of", lambda x, c, y: c.__iadd__(1)),
    "order of elements": (r"multiply\(\) .* but x2 of", lambda x, c, y: swapped(c)),
    "a result": (r"multiply\(\) .* but x1 of", lambda x, c, y: y.data.__imul__(2)),
}


@pytest.mark.parametrize("example", CHANGES)
def test_an_array_changed_between_forward_and_backward_is_named(example):
    expected, change = CHANGES[example]
    with pytest.raises(MutatedArrayError, match=f"^debug: the arrays of {expected}") as caught:
        in_place(change)
    assert place(caught)[1] in ("y = tg.exp(x * c)", "z = y * 2")


@pytest.mark.filterwarnings("ignore:Setting the shape")
def test_an_array_of_another_shape_is_a_changed_array():
    with pytest.raises(MutatedArrayError, match=r"but x2 of shape \(2, 2\)"):
        in_place(lambda x, c, y: reshaped(c))


def test_what_is_not_an_argument_of_anything_newer_is_named_as_the_result():
    x = leaf(1, 2)
    with tg.debug():
        y = tg.exp(x)
        y.data *= 2
        loss = (y * y).sum()
        with pytest.raises(MutatedArrayError, match=r"exp\(\) .* but the result of shape \(2,\)"):
            loss.backward()
    assert x.grad is None


def test_the_message_of_a_changed_array_says_what_to_do():
    x = leaf(1, 2)
    with tg.debug(), pytest.raises(MutatedArrayError) as caught:
        at = line() + 1
        loss = (x * x).sum()
        x.data += 1
        loss.backward()
    assert str(caught.value).splitlines() == [
        "debug: the arrays of multiply() must stay as they are until the backward pass, but x1 of "
        "shape (2,) was changed in place after the forward pass. The gradient would be wrong.",
        f"multiply() was called at {__file__}:{at}, in "
        "test_the_message_of_a_changed_array_says_what_to_do",
        "    loss = (x * x).sum()",
        "            ^^^^^",
        "Change a copy, or assign a new array: x.data = x.data + 1, not x.data += 1.",
    ]


def test_debug_that_only_walks_finds_what_debug_that_only_recorded_wrote_down():
    x = leaf(1, 2)
    with tg.debug():
        loss = (x * x).sum()
    x.data[0] = 5
    with tg.debug(), pytest.raises(MutatedArrayError):
        loss.backward()


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("walked", [False, True])
def test_when_one_half_is_off_debug_does_not_notice_the_change(recorded, walked, monkeypatch):
    monkeypatch.setattr(SpotCheck, "due", np.inf)  # which could notice it
    x = leaf(1, 2)
    with tg.debug() if recorded else nullcontext():
        loss = (x * x).sum()
    x.data[0] = 5
    with tg.debug() if walked else nullcontext():
        if recorded and walked:
            pytest.raises(MutatedArrayError, loss.backward)
        else:
            loss.backward()
            np.testing.assert_array_equal(x.grad, [10, 4])


FINE = {
    "a new array": lambda x, c, y: setattr(x, "data", x.data + 1),
    "a copy": lambda x, c, y: x.data.copy().fill(0),
    "the same again": lambda x, c, y: x.data.__setitem__(0, 1),
    "a gradient": lambda x, c, y: setattr(x, "grad", np.ones(4)),
    "a name": lambda x, c, y: setattr(y, "name", "y"),
}


@pytest.mark.parametrize("example", FINE)
def test_what_changes_no_array_is_fine(example):
    in_place(FINE[example][0] if isinstance(FINE[example], tuple) else FINE[example])


def test_arrays_may_change_after_the_backward_pass_and_before_the_next():
    x = leaf(3, 4)
    with tg.debug():
        for _ in range(3):
            (x * x).sum().backward()
            x.data -= 0.25 * x.grad
            x.grad = None
    np.testing.assert_array_equal(x.data, [0.375, 0.5])


def test_but_not_where_the_graph_is_kept_for_another_pass():
    x = leaf(3, 4)
    with tg.debug():
        loss = (x * x).sum()
        loss.backward(retain_graph=True)
        loss.backward(retain_graph=True)
        x.data -= 1
        with pytest.raises(MutatedArrayError):
            loss.backward()


def test_optimizers_do_not_disturb_a_graph():
    x = leaf(3, 4)
    optimizer = tg.optim.SGD([x], lr=0.1, momentum=0.9)
    with tg.debug():
        first, second = (x * x).sum(), (x * 3).sum()
        first.backward()
        optimizer.step()
        second.backward()


def test_under_no_grad_arrays_may_change_at_any_time():
    x = leaf(3, 4)
    with tg.debug(), tg.no_grad():
        y = tg.sigmoid(x * x)
        x.data += 1
        y.data += 1
        y * 2


@given(
    order=st.sampled_from("CF"),
    shape=st.tuples(*[st.integers(1, 5)] * 3),
    dtype=st.sampled_from([np.float64, np.float32, np.float16]),
    step=st.sampled_from([1, 2, -1]),
    data=st.data(),
)
def test_any_element_of_any_array_that_changes_is_noticed_and_no_other(
    order, shape, dtype, step, data
):
    array = np.ones((2 * shape[0], *shape[1:]), dtype, order)
    x = tg.Tensor(array[::step], requires_grad=True)
    place = data.draw(st.tuples(*[st.integers(0, n - 1) for n in array.shape]))
    with tg.debug():
        loss = (x * x).mean()
        array[place] = np.nextafter(array[place], dtype(2))
        if step == 2 and place[0] % 2:
            loss.backward()  # not an element of x
        else:
            with pytest.raises(MutatedArrayError):
                loss.backward()


def test_arrays_without_elements_and_without_axes_are_watched_too():
    x = tg.Tensor(3.0, requires_grad=True)
    with tg.debug():
        (x * tg.sum(np.zeros((0, 3)))).backward()
        loss = x * x
        x.data[...] = 4
        pytest.raises(MutatedArrayError, loss.backward)


# -- operations and rules that change arrays -------------------------------------------------------

@pytest.mark.parametrize("quiet", [nullcontext, tg.no_grad])
@pytest.mark.parametrize("given", [leaf(1, 2), np.array([1.0, 2.0])])
def test_an_operation_that_changes_its_argument_is_named(quiet, given):
    @planted()
    def doubled(a, b):
        b *= 2
        return a + b

    expected = r"doubled\(\) must leave its arguments .* changed b of shape \(2,\) in place"
    with quiet(), tg.debug(), pytest.raises(MutatedArrayError, match=expected) as caught:
        doubled(leaf(1, 2), given)
    assert place(caught)[1].startswith("doubled(leaf(1, 2), given)")


def spoil(a):
    a += 1
    return a


SPOILING = {
    "the result's gradient": lambda g, y, x, c: spoil(g),
    "the result,": lambda g, y, x, c: spoil(y),
    "x ('x'),": lambda g, y, x, c: spoil(x),
    "c,": lambda g, y, x, c: spoil(c),
}


@pytest.mark.parametrize("recorded", [nullcontext, tg.debug])
@pytest.mark.parametrize("example", SPOILING)
def test_a_rule_that_changes_an_array_is_named(example, recorded):
    product = planted(rules={"x": SPOILING[example]})(lambda x, c: x * c)
    product.name = "product"
    with recorded():
        loss = (product(leaf(1, 2, name="x"), np.array([3.0, 4.0])) * 2).sum()
    expected = re.escape(f"rule of product() for x ('x') must leave all arrays as they are. It "
                         f"changed {example}")
    with tg.debug(), pytest.raises(MutatedArrayError, match=expected):
        loss.backward()


def test_several_outputs_are_watched_each():
    @planted(outputs=2, rules={"x": lambda g, y, x: 2 * g[0] + 3 * g[1]})
    def both(x):
        return 2 * x, 3 * x

    x = leaf(1, 2)
    with tg.debug():
        one, two = both(x)
        (one * two).sum().backward()
        np.testing.assert_array_equal(x.grad, [12, 24])
        one, two = both(x)
        two.data *= 2
        with pytest.raises(MutatedArrayError, match=r"both\(\) .* but the result of shape"):
            one.sum().backward()
        with pytest.raises(NonFiniteError, match=r"both\(\) must return"):
            both(leaf(1e308))
