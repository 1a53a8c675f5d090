"""Trigonometric functions, element by element. Angles are in radians."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.autograd.ops.elementwise.comparison import equal
from tinygrad_mlp.autograd.ops.elementwise.exponential import sqrt
from tinygrad_mlp.autograd.ops.elementwise.selection import where

__all__ = [
    "sin", "cos", "tan", "arcsin", "asin", "arccos", "acos", "arctan", "atan", "hypot", "arctan2",
    "atan2", "degrees", "rad2deg", "radians", "deg2rad", "sinc", "sinc_derivative"]


def _sin_rule(g: Array, y: Array, x: Array) -> Array:
    return g * cos(x)


@op(rules={"x": _sin_rule},
    equation="y = sin x,  x̄ = g cos x", latex=r"\sin({x})", numpy=np.sin,
    reference=lambda x: np.cos(x - math.pi / 2))
def sin(x: Array) -> Array:
    """Compute the sine of an angle in radians.

    >>> sin([0.0, 1.0]).round(4)
    array([0.    , 0.8415])
    """
    return np.sin(x)


@op(rules={"x": lambda g, y, x: -g * sin(x)},
    equation="y = cos x,  x̄ = −g sin x", latex=r"\cos({x})", numpy=np.cos,
    reference=lambda x: np.sin(x + math.pi / 2))
def cos(x: Array) -> Array:
    """Compute the cosine of an angle in radians.

    >>> cos([0.0, 1.0]).round(4)
    array([1.    , 0.5403])
    """
    return np.cos(x)


@op(rules={"x": lambda g, y, x: g * (1 + y * y)},
    equation="y = tan x,  x̄ = g (1 + y²)", latex=r"\tan({x})", numpy=np.tan,
    reference=lambda x: np.sin(x) / np.cos(x), domain={"x": (-1.2, 1.2)})
def tan(x: Array) -> Array:
    """Compute the tangent of an angle in radians.

    >>> tan([0.0, 1.0]).round(4)
    array([0.    , 1.5574])
    """
    return np.tan(x)


@op(rules={"x": lambda g, y, x: g / sqrt((1 - x) * (1 + x))},
    equation="y = arcsin x,  x̄ = g / √(1 − x²)", latex=r"\arcsin({x})", numpy=np.arcsin,
    reference=lambda x: np.arctan2(x, np.sqrt(1 - x * x)), domain={"x": (-0.9, 0.9)})
def arcsin(x: Array) -> Array:
    """Compute the angle in radians, between −π/2 and π/2, whose sine is x.

    >>> arcsin([0.0, 1.0]).round(4)
    array([0.    , 1.5708])
    """
    return np.arcsin(x)


@op(rules={"x": lambda g, y, x: -g / sqrt((1 - x) * (1 + x))},
    equation="y = arccos x,  x̄ = −g / √(1 − x²)", latex=r"\arccos({x})", numpy=np.arccos,
    reference=lambda x: np.arctan2(np.sqrt(1 - x * x), x), domain={"x": (-0.9, 0.9)})
def arccos(x: Array) -> Array:
    """Compute the angle in radians, between 0 and π, whose cosine is x.

    >>> arccos([1.0, 0.0]).round(4)
    array([0.    , 1.5708])
    """
    return np.arccos(x)


@op(rules={"x": lambda g, y, x: g / (1 + x * x)},
    equation="y = arctan x,  x̄ = g / (1 + x²)", latex=r"\arctan({x})", numpy=np.arctan,
    reference=lambda x: np.arcsin(x / np.sqrt(1 + x * x)))
def arctan(x: Array) -> Array:
    """Compute the angle in radians, between −π/2 and π/2, whose tangent is x.

    >>> arctan([0.0, 1.0]).round(4)
    array([0.    , 0.7854])
    """
    return np.arctan(x)


def _hypot_rule(g: Array, y: Array, x1: Array, x2: Array) -> Array:
    return g * (x1 / where(equal(y, 0), 1, y))


def _over_square(x1: Array, x2: Array) -> Array:
    """Compute ``x1 / (x1² + x2²)`` without overflow."""
    r = hypot(x1, x2)
    r = where(equal(r, 0), 1, r)  # at the origin, where there is no angle, 0 is as good as any
    return x1 / r / r


@op(rules={"x1": _hypot_rule, "x2": lambda g, y, x1, x2: _hypot_rule(g, y, x2, x1)},
    equation="y = √(x1² + x2²),  x̄1 = g x1 / y where y ≠ 0 else 0,  "
    "x̄2 = g x2 / y where y ≠ 0 else 0",
    latex=r"\sqrt{{{x1}^2 + {x2}^2}}", numpy=np.hypot,
    reference=lambda x1, x2: np.sqrt(x1 * x1 + x2 * x2))
def hypot(x1: Array, x2: Array) -> Array:
    """Compute the length of the hypotenuse, without overflow. At the kink in 0 its gradient is 0.

    >>> hypot([3.0, 0.0], [4.0, 0.0])
    array([5., 0.])
    """
    return np.hypot(x1, x2)


@op(rules={"x1": lambda g, y, x1, x2: g * _over_square(x2, x1),
           "x2": lambda g, y, x1, x2: -g * _over_square(x1, x2)},
    equation="x1 = r sin y,  x2 = r cos y,  x̄1 = g x2 / r²,  x̄2 = −g x1 / r²,  r = √(x1² + x2²)",
    latex=r"\mathrm{{arctan2}}({x1}, {x2})", numpy=np.arctan2,
    reference=lambda x1, x2: np.angle(x2 + 1j * x1), domain={"x1": (0.3, 2), "x2": (-2, 2)})
def arctan2(x1: Array, x2: Array) -> Array:
    """Compute the angle in radians, between −π and π, from the positive axis to the point (x2, x1).

    >>> arctan2([1.0, -1.0], [0.0, -1.0]).round(4)
    array([ 1.5708, -2.3562])
    """
    return np.arctan2(x1, x2)


@op(rules={"x": lambda g, y, x: g * (180 / math.pi)},
    equation="y = 180 x / π,  x̄ = 180 g / π", latex=r"\frac{{180}}{{\pi}}\,{x}",
    numpy=(np.degrees, np.rad2deg), reference=lambda x: x / (math.pi / 180))
def degrees(x: Array) -> Array:
    """Convert an angle from radians to degrees.

    >>> degrees([0.0, math.pi])
    array([  0., 180.])
    """
    return np.degrees(x)


@op(rules={"x": lambda g, y, x: g * (math.pi / 180)},
    equation="y = π x / 180,  x̄ = π g / 180", latex=r"\frac{{\pi}}{{180}}\,{x}",
    numpy=(np.radians, np.deg2rad), reference=lambda x: x / (180 / math.pi))
def radians(x: Array) -> Array:
    """Convert an angle from degrees to radians.

    >>> radians([0.0, 180.0]).round(4)
    array([0.    , 3.1416])
    """
    return np.radians(x)


def _sinc_integral(x: Array, order: int) -> Array:
    """Integrate ``(πt)ⁿ cos(πxt + nπ/2)`` over 0 ≤ t ≤ 1 by Gauss's rule."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    t = (nodes + 1) / 2
    waves = np.cos(math.pi * np.multiply.outer(x, t) + order * math.pi / 2)
    return (math.pi * t) ** order * waves @ weights / 2


def _sinc_rule(g: Array, y: Array, x: Array, order: int = 0) -> Array:
    return g * sinc_derivative(x, order=order + 1)


@op(rules={"x": _sinc_rule},
    equation="y = sin(π x) / (π x),  x̄ = g sinc_derivative(x)", latex=r"\mathrm{{sinc}}({x})",
    numpy=np.sinc, reference=lambda x: np.sin(math.pi * x) / (math.pi * x), elementwise=True)
def sinc(x: Array) -> Array:
    """Compute the normalised sine cardinal ``sin(πx) / (πx)``, 1 at 0; smooth there, too.

    >>> sinc([0.0, 0.5]).round(4)
    array([1.    , 0.6366])
    """
    return np.sinc(x)


@op(rules={"x": _sinc_rule},
    equation="y = the derivative of that order of sinc x,  x̄ = g sinc_derivative(x, order + 1)",
    latex=lambda x, order: rf"\mathrm{{sinc}}^{{({order})}}({x})", reference=_sinc_integral,
    elementwise=True)
def sinc_derivative(x: Array, *, order: int = 1) -> Array:
    """Compute the derivative of `sinc`, accurate near 0, where the formula for it cancels.

    With ``z = πx`` and ``s(z) = sin z / z = ∫ cos(zt) dt`` over 0 ≤ t ≤ 1, the series of the
    integral, ``s⁽ⁿ⁾(z) = Σ cos((m + n) π/2) zᵐ / (m! (m + n + 1))``, is used for small z. For the
    others, ``z s = sin z`` differentiated n times, ``z s⁽ⁿ⁾ + n s⁽ⁿ⁻¹⁾ = sin⁽ⁿ⁾ z``.

    Source: ``sinc x = ∫₀¹ cos(πxt) dt``, differentiated under the integral.

    >>> sinc_derivative([0.0, 1.0]).round(4)
    array([ 0., -1.])
    """
    z = math.pi * x.astype(np.result_type(x, np.float64))
    waves = np.sin(z), np.cos(z), -np.sin(z), -np.cos(z)
    small = np.abs(z) <= max(order, 1)
    far, near = np.where(small, 1, z), np.where(small, z, 0)
    result = waves[0] / far
    for n in range(1, order + 1):
        result = (waves[n % 4] - n * result) / far
    series, power = np.zeros_like(z), np.ones_like(z)  # power = zᵐ / m!
    for m in range(30 + 4 * order):
        series = series + (1, 0, -1, 0)[(m + order) % 4] * power / (m + order + 1)
        power = power * near / (m + 1)
    y = math.pi**order * np.where(small, series, result)
    return y.astype(x.dtype) if x.dtype.kind == "f" else y


asin, acos, atan, atan2 = arcsin, arccos, arctan, arctan2
rad2deg, deg2rad = degrees, radians
