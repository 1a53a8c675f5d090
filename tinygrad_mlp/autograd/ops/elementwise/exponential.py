"""Exponentials, logarithms, powers and roots, element by element.

For each of them the gradient rule is the chain rule ``x̄ = g · f′(x)``, written with the output `y`
where that is cheaper (``exp′ = y``).
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.autograd.ops.elementwise.comparison import equal
from tinygrad_mlp.autograd.ops.elementwise.selection import where

__all__ = [
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "power", "pow", "float_power", "sqrt",
    "cbrt", "square"]

POSITIVE = {"x": (0.2, 4.0)}


@op(rules={"x": lambda g, y, x: g * y},
    equation="y = e^x,  x̄ = g y", latex="e^{{{x}}}", numpy=np.exp,
    reference=lambda x: np.expm1(x) + 1)
def exp(x: Array) -> Array:
    """Compute the exponential ``y = e^x``.

    >>> exp([0.0, 1.0]).round(4)
    array([1.    , 2.7183])
    """
    return np.exp(x)


@op(rules={"x": lambda g, y, x: g * y * math.log(2)},
    equation="y = 2^x,  x̄ = g y ln 2", latex="2^{{{x}}}", numpy=np.exp2,
    reference=lambda x: np.power(2.0, x))
def exp2(x: Array) -> Array:
    """Compute the power of two: ``y = 2^x``.

    >>> exp2([0.0, 3.0])
    array([1., 8.])
    """
    return np.exp2(x)


@op(rules={"x": lambda g, y, x: g * (y + 1)},
    equation="y = e^x − 1,  x̄ = g (y + 1)", latex="e^{{{x}}} - 1", numpy=np.expm1,
    reference=lambda x: np.exp(x) - 1)
def expm1(x: Array) -> Array:
    """Compute the exponential minus one, exact near 0.

    >>> expm1([0.0, 1e-12])
    array([0.e+00, 1.e-12])
    """
    return np.expm1(x)


@op(rules={"x": lambda g, y, x: g / x},
    equation="y = ln x,  x̄ = g / x", latex=r"\ln({x})", numpy=np.log,
    reference=lambda x: np.log2(x) * math.log(2), domain=POSITIVE)
def log(x: Array) -> Array:
    """Compute the natural logarithm.

    >>> log([1.0, 10.0]).round(4)
    array([0.    , 2.3026])
    """
    return np.log(x)


@op(rules={"x": lambda g, y, x: g / (x * math.log(2))},
    equation="y = log₂ x,  x̄ = g / (x ln 2)", latex=r"\log_2({x})", numpy=np.log2,
    reference=lambda x: np.log(x) / math.log(2), domain=POSITIVE)
def log2(x: Array) -> Array:
    """Compute the logarithm to the base 2.

    >>> log2([1.0, 8.0])
    array([0., 3.])
    """
    return np.log2(x)


@op(rules={"x": lambda g, y, x: g / (x * math.log(10))},
    equation="y = log₁₀ x,  x̄ = g / (x ln 10)", latex=r"\log_{{10}}({x})", numpy=np.log10,
    reference=lambda x: np.log(x) / math.log(10), domain=POSITIVE)
def log10(x: Array) -> Array:
    """Compute the logarithm to the base 10.

    >>> log10([1.0, 1000.0])
    array([0., 3.])
    """
    return np.log10(x)


@op(rules={"x": lambda g, y, x: g / (1 + x)},
    equation="y = ln(1 + x),  x̄ = g / (1 + x)", latex=r"\ln(1 + {x})", numpy=np.log1p,
    reference=lambda x: np.log(1 + x), domain={"x": (-0.7, 3.0)})
def log1p(x: Array) -> Array:
    """Compute the logarithm of 1 + x, exact near 0.

    >>> log1p([0.0, 1e-12])
    array([0.e+00, 1.e-12])
    """
    return np.log1p(x)


def _power_base(g: Array, y: Array, x1: Array, x2: Array) -> Array:
    if isinstance(x2, (int, float)):
        return g * (x2 * x1 ** (x2 - 1)) if x2 != 0 else np.zeros(x1.shape, x1.dtype)
    # 0⁰ is constant in its base: without the exception, 0 · 0⁻¹ would make it NaN.
    constant = equal(x1, 0) & equal(x2, 0)
    return g * x2 * x1 ** where(constant, 1, x2 - 1.0)  # (1.0: an unsigned 0 − 1 would wrap)


def _power_exponent(g: Array, y: Array, x1: Array, x2: Array) -> Array:
    # 0ⁿ = 0 around every n > 0, so its derivative is 0, which 0 · log 0 would make NaN.
    return g * y * log(where(equal(x1, 0), 1.0, x1))  # (1.0: of bytes it would be float16)


@op(rules={"x1": _power_base, "x2": _power_exponent},
    equation="y = x1^x2,  x̄1 = g x2 x1^(x2 − 1),  x̄2 = g y ln x1", latex="{x1}^{{{x2}}}",
    numpy=np.power, reference=lambda x1, x2: np.exp(x2 * np.log(x1)),
    domain={"x1": (0.3, 3), "x2": (-2, 3)})
def power(x1: Array, x2: Array) -> Array:
    """Compute the power, element by element: ``y = x1 ** x2``.

    >>> power([2.0, 3.0], 2.0)
    array([4., 9.])
    """
    return x1**x2

pow = power


@op(rules={"x1": _power_base, "x2": _power_exponent},
    equation="y = x1^x2,  x̄1 = g x2 x1^(x2 − 1),  x̄2 = g y ln x1", latex="{x1}^{{{x2}}}",
    numpy=np.float_power, reference=lambda x1, x2: np.exp(x2 * np.log(x1)),
    domain={"x1": (0.3, 3), "x2": (-2, 3)})
def float_power(x1: Array, x2: Array) -> Array:
    """Compute the power in double precision, as NumPy does: float32 becomes float64.

    The gradients are of the dtypes of the arguments. `power` keeps float32.

    >>> float_power([2, 3], 2)
    array([4., 9.])
    """
    return np.float_power(x1, x2)


@op(rules={"x": lambda g, y, x: g / (2 * y)},
    equation="y = √x,  x̄ = g / (2 y)", latex=r"\sqrt{{{x}}}", numpy=np.sqrt,
    reference=lambda x: np.power(x, 0.5), domain=POSITIVE)
def sqrt(x: Array) -> Array:
    """Compute the square root. At 0 its derivative is infinite.

    >>> sqrt([4.0, 9.0])
    array([2., 3.])
    """
    return np.sqrt(x)


@op(rules={"x": lambda g, y, x: g / (3 * (y * y))},
    equation="y = ∛x,  x̄ = g / (3 y²)", latex="{x}^{{1/3}}", numpy=np.cbrt,
    reference=lambda x: np.power(x, 1 / 3), domain=POSITIVE)
def cbrt(x: Array) -> Array:
    """Compute the cube root, also of negative numbers. At 0 its derivative is infinite.

    >>> cbrt([-8.0, 27.0]).round(6)
    array([-2.,  3.])
    """
    return np.cbrt(x)


@op(rules={"x": lambda g, y, x: g * (2 * x)},
    equation="y = x²,  x̄ = 2 g x", latex="{x}^2", numpy=np.square,
    reference=lambda x: np.power(x, 2))
def square(x: Array) -> Array:
    """Compute the square ``y = x²``.

    >>> square([2.0, -3.0])
    array([4., 9.])
    """
    return x * x
