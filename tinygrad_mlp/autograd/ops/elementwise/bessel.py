"""Bessel functions, element by element.

SciPy computes them. The derivative of one leads to the neighbouring orders, so that `jv`, `yv`,
`iv` and `ive` take the order as an argument.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, Samples, op
from tinygrad_mlp.autograd.ops.elementwise.rounding import sign
from tinygrad_mlp.autograd.ops.elementwise.special import in_precision_of, scipy_special

__all__ = ["iv", "ive", "i0", "i1", "jv", "jn", "j0", "j1", "yv", "yn", "y0", "y1"]


def _bessel_integral(v: ArrayLike, z: ArrayLike, points: int = 64) -> Array:
    """Integrate ``1/π e^(z cos t) cos(vt)`` over 0 ≤ t ≤ π for whole v."""
    t = 2 * math.pi / points * np.arange(points)
    v, z = np.asarray(v)[..., None], np.asarray(z)[..., None]
    return np.mean(np.exp(z * np.cos(t)) * np.cos(v * t), axis=-1)


def _iv_rule(g: Array, y: Array, v: Array, z: Array) -> Array:
    return g * (iv(v - 1.0, z) + iv(v + 1.0, z)) / 2  # (1.0: an unsigned 0 − 1 would wrap)


@op(rules={"z": _iv_rule},
    equation="y = iv(v, z),  z̄ = g (iv(v − 1, z) + iv(v + 1, z)) / 2", latex=r"I_{{{v}}}({z})",
    scipy="iv", reference=_bessel_integral,
    samples=lambda rng: [
        Sample(np.array(1), rng.uniform(-3, 3, size=3)),
        Sample(np.array([0, 1, 2]), rng.uniform(-3, 3, size=(2, 3))),
        Sample(np.array(2), np.array(rng.uniform(-3, 3)))])
def iv(v: Array, z: Array) -> Array:
    """Compute the modified Bessel function of the first kind, of order `v`.

    >>> iv(1.0, [0.0, 1.0]).round(4)
    array([0.    , 0.5652])
    """
    return in_precision_of(z, scipy_special().iv(v, z))


@op(rules={"x": lambda g, y, x: g * iv(1, x)},
    equation="y = iv(0, x),  x̄ = g iv(1, x)", latex=r"I_0({x})", numpy=np.i0, scipy="i0",
    reference=lambda x: _bessel_integral(0, x))
def i0(x: Array) -> Array:
    """Compute the modified Bessel function of the first kind of order 0, as in a Kaiser window.

    >>> i0([0.0, 1.0]).round(4)
    array([1.    , 1.2661])
    """
    return scipy_special().i0(x)


@op(rules={"x": lambda g, y, x: g * (i0(x) + iv(2, x)) / 2},
    equation="y = iv(1, x),  x̄ = g (iv(0, x) + iv(2, x)) / 2", latex=r"I_1({x})", scipy="i1",
    reference=lambda x: _bessel_integral(1, x))
def i1(x: Array) -> Array:
    """Compute the modified Bessel function of the first kind of order 1.

    >>> i1([0.0, 1.0]).round(4)
    array([0.    , 0.5652])
    """
    return scipy_special().i1(x)


def _ive_rule(g: Array, y: Array, v: Array, z: Array) -> Array:
    return g * ((ive(v - 1.0, z) + ive(v + 1.0, z)) / 2 - sign(z) * y)


def _orders(low: float, high: float) -> Samples:
    """Return samples of a function of a whole order and an argument between `low` and `high`."""
    return lambda rng: [
        Sample(np.array(1), rng.uniform(low, high, size=3)),
        Sample(np.array([0, 1, 2]), rng.uniform(low, high, size=(2, 3))),
        Sample(np.array(2), np.array(rng.uniform(low, high)))]


@op(rules={"z": _ive_rule},
    equation="y = iv(v, z) e^−|z|,  z̄ = g ((ive(v − 1, z) + ive(v + 1, z)) / 2 − sign(z) y)",
    latex=r"I_{{{v}}}({z})\, e^{{-\left|{z}\right|}}", scipy="ive",
    reference=lambda v, z: _bessel_integral(v, z) * np.exp(-np.abs(z)), samples=_orders(0.3, 3))
def ive(v: Array, z: Array) -> Array:
    """Compute ``iv(v, z) e^−|z|``, which does not overflow.

    >>> ive(1.0, [0.0, 1000.0]).round(4)
    array([0.    , 0.0126])
    """
    return in_precision_of(z, scipy_special().ive(v, z))


def _first_kind(v: ArrayLike, z: ArrayLike, points: int = 64) -> Array:
    """Return the mean of ``cos(v t − z sin t)`` over a circle, for whole v."""
    t = 2 * math.pi / points * np.arange(points)
    v, z = np.asarray(v)[..., None], np.asarray(z)[..., None]
    return np.mean(np.cos(v * t - z * np.sin(t)), axis=-1)


def _second_kind(v: ArrayLike, z: ArrayLike) -> Array:
    """Integrate Schläfli's representation of Y, for whole v and z > 0."""
    s, weight = np.polynomial.legendre.leggauss(400)
    v, z = np.asarray(v, float)[..., None], np.asarray(z)[..., None]
    t = math.pi * (s + 1) / 2
    near = np.sum(weight * np.sin(z * np.sin(t) - v * t), axis=-1) / 2
    t = 5 * (s + 1)
    tail = (np.exp(v * t) + (-1) ** v * np.exp(-v * t)) * np.exp(-z * np.sinh(t))
    return near - 5 * np.sum(weight * tail, axis=-1) / math.pi


def _jv_rule(g: Array, y: Array, v: Array, z: Array) -> Array:
    return g * (jv(v - 1.0, z) - jv(v + 1.0, z)) / 2


@op(rules={"z": _jv_rule},
    equation="y = jv(v, z),  z̄ = g (jv(v − 1, z) − jv(v + 1, z)) / 2", latex=r"J_{{{v}}}({z})",
    scipy="jv", reference=_first_kind, samples=_orders(-3, 3))
def jv(v: Array, z: Array) -> Array:
    """Compute the Bessel function of the first kind, of order `v`.

    >>> jv(1.0, [0.0, 1.0]).round(4)
    array([0.    , 0.4401])
    """
    return in_precision_of(z, scipy_special().jv(v, z))

jn = jv


def _j0_rule(g: Array, y: Array, x: Array) -> Array:
    return -g * j1(x)


@op(rules={"x": _j0_rule},
    equation="y = jv(0, x),  x̄ = −g jv(1, x)", latex=r"J_0({x})", scipy="j0",
    reference=lambda x: _first_kind(0, x))
def j0(x: Array) -> Array:
    """Compute the Bessel function of the first kind of order 0.

    >>> j0([0.0, 1.0]).round(4)
    array([1.    , 0.7652])
    """
    return scipy_special().j0(x)


@op(rules={"x": lambda g, y, x: g * (j0(x) - jv(2, x)) / 2},
    equation="y = jv(1, x),  x̄ = g (jv(0, x) − jv(2, x)) / 2", latex=r"J_1({x})", scipy="j1",
    reference=lambda x: _first_kind(1, x))
def j1(x: Array) -> Array:
    """Compute the Bessel function of the first kind of order 1.

    >>> j1([0.0, 1.0]).round(4)
    array([0.    , 0.4401])
    """
    return scipy_special().j1(x)


def _yv_rule(g: Array, y: Array, v: Array, z: Array) -> Array:
    return g * (yv(v - 1.0, z) - yv(v + 1.0, z)) / 2


@op(rules={"z": _yv_rule},
    equation="y = yv(v, z),  z̄ = g (yv(v − 1, z) − yv(v + 1, z)) / 2", latex=r"Y_{{{v}}}({z})",
    scipy="yv", reference=_second_kind, samples=_orders(0.8, 4))
def yv(v: Array, z: Array) -> Array:
    """Compute the Bessel function of the second kind, of order `v`, for z > 0.

    >>> yv(1.0, [1.0, 2.0]).round(4)
    array([-0.7812, -0.107 ])
    """
    return in_precision_of(z, scipy_special().yv(v, z))

yn = yv


def _y0_rule(g: Array, y: Array, x: Array) -> Array:
    return -g * y1(x)


@op(rules={"x": _y0_rule},
    equation="y = yv(0, x),  x̄ = −g yv(1, x)", latex=r"Y_0({x})", scipy="y0",
    reference=lambda x: _second_kind(0, x), domain={"x": (0.8, 4)})
def y0(x: Array) -> Array:
    """Compute the Bessel function of the second kind of order 0, for x > 0.

    >>> y0([1.0, 2.0]).round(4)
    array([0.0883, 0.5104])
    """
    return scipy_special().y0(x)


@op(rules={"x": lambda g, y, x: g * (y0(x) - yv(2, x)) / 2},
    equation="y = yv(1, x),  x̄ = g (yv(0, x) − yv(2, x)) / 2", latex=r"Y_1({x})", scipy="y1",
    reference=lambda x: _second_kind(1, x), domain={"x": (0.8, 4)})
def y1(x: Array) -> Array:
    """Compute the Bessel function of the second kind of order 1, for x > 0.

    >>> y1([1.0, 2.0]).round(4)
    array([-0.7812, -0.107 ])
    """
    return scipy_special().y1(x)
