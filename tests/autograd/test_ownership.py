"""Whose array a gradient is, and that no gradient is computed which nobody asked for."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_mlp as tg


def leaf(*numbers):
    return tg.Tensor(np.array(numbers), requires_grad=True)


def counted(calls):
    """A product that notes which of its rules were called.

    It has been used before: at the first use, all rules are checked (see `autograd.rule_check`).
    """

    def rule(name, value):
        def called(g, y, a, b):
            calls.append(name)
            return value(g, a, b)

        return called

    @tg.op(
        rules={"a": rule("a", lambda g, a, b: g * b), "b": rule("b", lambda g, a, b: g * a)},
        register=False,
    )
    def product(a, b):
        return a * b

    product(leaf(1.0), leaf(1.0)).backward()
    calls.clear()
    return product


# -- ownership -------------------------------------------------------------------------------------


def test_gradients_alias_neither_each_other_nor_anything_of_the_user():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    given = np.array([1.0, 1.0])
    z = x + y
    z.retain_grad()
    z.backward(given)
    arrays = [given, x.data, y.data, z.data, x.grad, y.grad, z.grad]
    for i, a in enumerate(arrays):
        for b in arrays[:i]:
            assert not np.shares_memory(a, b)
    x.grad += 10
    np.testing.assert_array_equal(y.grad, [1.0, 1.0])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.reshape(2, 1),
        lambda x: x.T,
        lambda x: x[::-1],
        lambda x: tg.broadcast_to(x, shape=(3, 2)),
        lambda x: tg.stack([x, x]),
        lambda x: tg.sum(x),
        lambda x: x + 0,
    ],
    ids=["reshape", "transpose", "slice", "broadcast", "stack", "sum", "add"],
)
def test_a_gradient_is_writable_and_its_own_even_where_it_is_a_view_of_another(f):
    x = leaf(1.0, 2.0)
    out = f(x)
    given = np.ones(out.shape)
    out.backward(given)
    assert x.grad.flags.writeable and not np.shares_memory(x.grad, given)
    x.grad += 1
    np.testing.assert_array_equal(given, 1)


def test_gradients_given_in_another_precision_arrive_in_that_of_the_leaf():
    x = tg.Tensor(np.ones(2, np.float32), requires_grad=True)
    (x * 2).backward(np.array([1.0, 3.0]))
    assert x.grad.dtype == np.float32
    w = tg.Tensor(np.ones(2), requires_grad=True)
    (x * w).sum().backward()
    assert (x.grad.dtype, w.grad.dtype) == (np.float32, np.float64)


# -- economy ---------------------------------------------------------------------------------------


def test_no_rule_is_called_for_an_argument_that_needs_no_gradient():
    calls = []
    product = counted(calls)
    x = leaf(1.0)
    for constant in (np.array([2.0]), tg.Tensor([2.0]), 2.0, (x * 3).detach()):
        product(x, constant).backward()
        product(constant, x).backward()
    assert calls == ["a", "b"] * 4


def test_each_rule_is_called_once_however_often_its_result_is_used():
    calls = []
    product = counted(calls)
    x = leaf(1.0)
    y = product(x, 2.0)
    (y * y + y / 2 + y).backward()
    assert calls == ["a"]


def test_the_transforms_call_no_rule_off_the_path_to_their_arguments():
    calls = []
    product = counted(calls)
    w = leaf(2.0)
    tg.grad(lambda x: (product(x, w) + product(w, w)).sum())(np.array([1.0]))
    assert calls == ["a"]


def test_an_output_nothing_depends_on_costs_nothing():
    calls = []
    product = counted(calls)
    x = leaf(1.0)
    product(x, 3.0)
    (x * 2).backward()
    assert calls == []
