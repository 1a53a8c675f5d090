"""Arithmetic, element by element, with NumPy's broadcasting.

In every rule `g` is the cotangent of the result `y`; the backward pass undoes broadcasting.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.op import implements, op
from tinygrad_mlp.autograd.ops.elementwise.selection import where

__all__ = [
    "add", "subtract", "multiply", "divide", "true_divide", "negative", "reciprocal", "real",
    "imag", "conjugate", "conj"]


@op(rules={"x1": lambda g, y, x1, x2: g, "x2": lambda g, y, x1, x2: g},
    equation="y = x1 + x2,  x̄1 = g,  x̄2 = g", latex="{x1} + {x2}", numpy=np.add,
    reference=lambda x1, x2: np.subtract(x1, np.negative(x2)))
def add(x1: Array, x2: Array) -> Array:
    """Sum, element by element: ``y = x1 + x2``.

    >>> add([1.0, 2.0], 0.5)
    array([1.5, 2.5])
    """
    return x1 + x2


@op(rules={"x1": lambda g, y, x1, x2: g, "x2": lambda g, y, x1, x2: -g},
    equation="y = x1 − x2,  x̄1 = g,  x̄2 = −g", latex="{x1} - {x2}", numpy=np.subtract,
    reference=lambda x1, x2: np.add(x1, np.negative(x2)))
def subtract(x1: Array, x2: Array) -> Array:
    """Compute the difference, element by element: ``y = x1 − x2``.

    >>> subtract([1.0, 2.0], 0.5)
    array([0.5, 1.5])
    """
    return x1 - x2


@op(rules={"x1": lambda g, y, x1, x2: g * x2, "x2": lambda g, y, x1, x2: g * x1},
    equation="y = x1 x2,  x̄1 = g x2,  x̄2 = g x1",
    latex=lambda x1, x2: rf"{x1} \odot {x2}" if x1.ndim and x2.ndim else rf"{x1}\,{x2}",
    numpy=np.multiply, reference=lambda x1, x2: np.divide(x1, np.divide(1, x2)),
    domain={"x2": (0.5, 3)})
def multiply(x1: Array, x2: Array) -> Array:
    """Compute the product, element by element: ``y = x1 · x2`` (for matrices see `matmul`).

    >>> multiply([1.0, 2.0], 0.5)
    array([0.5, 1. ])
    """
    return x1 * x2


@op(rules={"x1": lambda g, y, x1, x2: g / x2, "x2": lambda g, y, x1, x2: -g * y / x2},
    equation="y = x1 / x2,  x̄1 = g / x2,  x̄2 = −g y / x2", latex=r"\frac{{{x1}}}{{{x2}}}",
    numpy=np.divide, reference=lambda x1, x2: np.multiply(x1, np.power(x2, -1.0)),
    domain={"x2": (0.5, 3)})
def divide(x1: Array, x2: Array) -> Array:
    """Compute the quotient, element by element: ``y = x1 / x2``.

    >>> divide([1.0, 2.0], 0.5)
    array([2., 4.])
    """
    return x1 / x2

true_divide = divide


@op(rules={"x": lambda g, y, x: -g},
    equation="y = −x,  x̄ = −g", latex="-{x}", numpy=np.negative,
    reference=lambda x: np.subtract(0, x))
def negative(x: Array) -> Array:
    """Compute the negative: ``y = −x``.

    >>> negative([1.0, -2.0])
    array([-1.,  2.])
    """
    return -x


@op(rules={"x": lambda g, y, x: -g * (y * y)},
    equation="y = 1 / x,  x̄ = −g y²", latex=r"\frac{{1}}{{{x}}}", numpy=np.reciprocal,
    reference=lambda x: np.power(x, -1.0), domain={"x": (0.5, 3)})
def reciprocal(x: Array) -> Array:
    """Compute the reciprocal: ``y = 1 / x``.

    >>> reciprocal([2.0, 4.0])
    array([0.5 , 0.25])
    """
    return np.reciprocal(x)


@implements(np.real)
def real(val: Operand) -> Any:
    """Return the real part: of a tensor, which holds real numbers, the tensor itself.

    Args:
        val: the numbers; the result has their shape.

    >>> real(np.array([1.0 + 2.0j, 3.0]))
    array([1., 3.])
    """
    return val if isinstance(val, Value) else np.real(val)


@implements(np.imag)
def imag(val: Operand) -> Array:
    """Return the imaginary part: of a tensor, which holds real numbers, zeros.

    Args:
        val: the numbers; the result has their shape.

    >>> imag(np.array([1.0 + 2.0j, 3.0]))
    array([2., 0.])
    """
    return where(np.False_, val, 0) if isinstance(val, Value) else np.imag(val)


@implements(np.conjugate)
def conjugate(x: Operand) -> Any:
    """Return the complex conjugate: of a tensor, which holds real numbers, the tensor itself.

    Args:
        x: the numbers; the result has their shape.

    >>> conjugate(np.array([1.0 + 2.0j, 3.0]))
    array([1.-2.j, 3.-0.j])
    """
    return x if isinstance(x, Value) else np.conjugate(x)

conj = conjugate
