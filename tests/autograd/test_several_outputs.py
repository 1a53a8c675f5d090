"""An operation with several outputs: one node, one cotangent for each output."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_mlp as tg


def planted(**record):
    return tg.op(register=False, **record)


@planted(
    outputs=2,
    rules={
        "a": lambda g, y, a, b: g[0] * 2 * a + g[1] * b * y[1],
        "b": lambda g, y, a, b: g[1] * a * y[1],
    },
)
def square_and_exp(a, b):
    """a² and exp(a b)."""
    return a**2, np.exp(a * b)


def both(a, b):
    square, exponential = square_and_exp(a, b)
    return (square * exponential).sum()


def reference(a, b):
    return (a**2 * tg.exp(a * b)).sum()


A, B = np.array([0.5, -1.0]), np.array([0.3, 0.8])


def test_each_output_is_a_tensor_of_its_own():
    square, exponential = square_and_exp(tg.Tensor(A, requires_grad=True), B)
    np.testing.assert_array_equal(square.data, A**2)
    np.testing.assert_array_equal(exponential.data, np.exp(A * B))
    assert isinstance(square_and_exp(A, B), tuple)
    assert all(isinstance(out, np.ndarray) for out in square_and_exp(A, B))


def test_gradients_of_several_outputs_add_up():
    for argnums in (0, 1):
        np.testing.assert_allclose(
            tg.grad(both, argnums)(A, B), tg.grad(reference, argnums)(A, B), rtol=1e-13
        )


def test_unused_outputs_count_as_zero():
    np.testing.assert_allclose(tg.grad(lambda a: square_and_exp(a, B)[0].sum())(A), 2 * A)
    second = tg.grad(lambda a: square_and_exp(a, B)[1].sum())(A)
    np.testing.assert_allclose(second, B * np.exp(A * B))


def test_an_output_used_twice_counts_twice():
    def twice(a):
        square, _ = square_and_exp(a, B)
        return (square * square + square).sum()

    np.testing.assert_allclose(tg.grad(twice)(A), 4 * A**3 + 2 * A)


def test_second_derivatives_of_several_outputs():
    def pair(f):
        return lambda ab: f(ab[0], ab[1])

    for v in ([A, B], [B, 0 * A], [0 * A, B]):
        found, expected = tg.hvp(pair(both), [A, B], v), tg.hvp(pair(reference), [A, B], v)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    only = tg.hvp(lambda a: square_and_exp(a, B)[1].sum(), A, np.ones(2))
    np.testing.assert_allclose(only, B**2 * np.exp(A * B), rtol=1e-13)


def test_outputs_may_ask_for_their_gradient_one_by_one():
    a = tg.Tensor(A, requires_grad=True)
    square, exponential = square_and_exp(a, B)
    square.retain_grad()
    exponential.retain_grad()
    (square * 3).sum().backward()
    np.testing.assert_array_equal(square.grad, [3.0, 3.0])
    assert exponential.grad is None


def test_gradients_of_several_outputs_alias_nothing():
    @planted(
        outputs=2,
        rules={"a": lambda g, y, a, b: g[0], "b": lambda g, y, a, b: g[0]},
    )
    def same(a, b):
        return a + b, a - b

    a, b = (tg.Tensor(A.copy(), requires_grad=True) for _ in range(2))
    first, _ = same(a, b)
    (first * first).sum().backward()
    np.testing.assert_array_equal(a.grad, b.grad)
    assert not np.shares_memory(a.grad, b.grad)


def test_a_released_operation_with_several_outputs_says_so():
    a = tg.Tensor(A, requires_grad=True)
    square, exponential = square_and_exp(a, B)
    square.sum().backward()
    with pytest.raises(tg.errors.GraphReleasedError, match="square_and_exp"):
        exponential.sum().backward()
