"""Transforms inside transforms, around `backward()` and under `no_grad`; and their mistakes."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError, ShapeError


def smooth(x):
    """A function of any array with one number as result and a full Hessian."""
    return tg.sum(tg.tanh(x)) ** 2 + tg.logsumexp(x * x) + tg.sum(tg.sin(x) * x)


# -- nesting ---------------------------------------------------------------------------------------


def test_an_inner_gradient_does_not_see_the_outer_variable():
    """d/dx [x · d/dy (x + y)] at y = x is 1, and not 2."""
    assert tg.grad(lambda x: x * tg.grad(lambda y: x + y)(x))(3.0) == 1
    assert tg.grad(lambda x: x * tg.grad(lambda y: x * y)(x))(3.0) == 6
    assert tg.grad(lambda x: tg.grad(lambda y: x * y * y)(x))(3.0) == 12
    assert tg.grad(lambda x: tg.jvp(lambda y: x * y * y, (x,), (1.0,))[1])(3.0) == 12


def test_a_gradient_penalty_trains_the_weights(assert_derivative):
    """∂/∂w ‖∂f/∂x‖², of a network, with backward() around grad()."""
    w = tg.Tensor([[0.5, -1.0], [2.0, 0.3]], requires_grad=True)
    x = tg.Tensor([0.7, -0.2], requires_grad=True)

    def penalty(x, w):
        slope = tg.grad(lambda x: tg.sum(tg.tanh(w @ x)))(x)
        return (slope * slope).sum()

    penalty(x, w).backward()
    assert_derivative(w.grad, lambda w: penalty(x.data, w), w.data)
    assert_derivative(x.grad, lambda x: penalty(x, w.data), x.data)


def test_without_recording_around_them_transforms_still_differentiate():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    with tg.no_grad():
        gradient = tg.grad(lambda x: (x**3).sum())(x)
        np.testing.assert_array_equal(tg.grad(tg.grad(lambda x: x**3))(2.0), 12)
        np.testing.assert_array_equal(tg.hessian(lambda x: (x**3).sum())(np.ones(1)), [[6]])
        assert tg.jvp(lambda x: x**3, (2.0,), (1.0,))[1] == 12
        assert tg.vjp(lambda x: x**3, x)[1](np.ones(2))[0][0] == 3
    assert type(gradient) is np.ndarray
    np.testing.assert_array_equal(gradient, 3 * x.data**2)


def test_what_the_function_computes_without_recording_is_a_constant():
    def f(x):
        with tg.no_grad():
            constant = x * x
        return constant * x

    assert tg.grad(f)(3.0) == 9


# -- ownership -------------------------------------------------------------------------------------


def test_results_alias_neither_arguments_nor_each_other():
    x, y, v = np.ones(3), np.ones(3), np.ones(3)
    results = [
        *tg.grad(lambda x, y: tg.sum(x + y), (0, 1))(x, y),
        *tg.vjp(lambda x: x, x)[1](v),
        *tg.vjp(lambda x, y: x + y, x, y)[1](v),
        *tg.vjp(lambda x: x.reshape(3, 1), x)[1](v.reshape(3, 1)),
        tg.jvp(lambda x: x, (x,), (v,))[1],
        tg.hvp(lambda x: tg.sum(x * x) / 2, x, v),
        tg.jacobian(lambda x: x)(x),
    ]
    for i, result in enumerate(results):
        assert result.flags.writeable
        for other in [x, y, v, *results[:i]]:
            assert not np.shares_memory(result, other)


def test_arguments_are_left_as_they_were():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    tg.hessian(smooth)(x)
    assert x.grad is None and x.node is None and x.name == "x"


# -- mistakes --------------------------------------------------------------------------------------

two = np.ones(2)
MISTAKES = {
    "grad of an array": (lambda: tg.grad(tg.tanh)(two), ShapeError, ["grad()", "(2,)", "jacobian"]),
    "grad of nothing": (
        lambda: tg.grad(lambda x: None)(two), InvalidArgumentError, ["grad()", "NoneType"]),
    "grad of integers": (
        lambda: tg.grad(tg.sum)(np.array([1, 2])), DTypeError, ["grad()", "int64", "astype"]),
    "grad of complex numbers": (lambda: tg.grad(tg.sum)(two * 1j), DTypeError, ["complex128"]),
    "argnums too large": (
        lambda: tg.grad(tg.sum, 1)(two), InvalidArgumentError, ["grad()", "argument 1"]),
    "argnums of jacobian": (
        lambda: tg.jacobian(tg.tanh, 3)(two), InvalidArgumentError, ["jacobian()", "argument 3"]),
    "cotangent of another shape": (
        lambda: tg.vjp(tg.tanh, two)[1](np.ones(3)), ShapeError, ["vjp()", "(2,)", "(3,)"]),
    "cotangent of another structure": (
        lambda: tg.vjp(lambda x: (x, x), two)[1](two), ShapeError, ["vjp()", "tuple of 2"]),
    "tangent of another shape": (
        lambda: tg.jvp(tg.tanh, (two,), (np.ones(3),)), ShapeError, ["jvp()", "(2,)", "(3,)"]),
    "too few tangents": (
        lambda: tg.jvp(tg.add, (two, two), (two,)), ShapeError, ["jvp()", "tuple of 2"]),
    "tangents under other keys": (
        lambda: tg.hvp(lambda p: tg.sum(p["a"]), {"a": two}, {"b": two}), ShapeError,
        ["'a'", "'b'"]),
    "jacobian of two outputs": (
        lambda: tg.jacobian(lambda x: (x, x))(two), InvalidArgumentError, ["jacobian()"]),
    "hessian of a list": (
        lambda: tg.hessian(lambda p: tg.sum(p[0] * p[1]))([two, two]), InvalidArgumentError,
        ["one array"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_explained(mistake):
    call, kind, words = MISTAKES[mistake]
    with pytest.raises(kind) as caught:
        call()
    for word in words:
        assert word in str(caught.value), str(caught.value)
