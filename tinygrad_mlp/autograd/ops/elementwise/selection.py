"""Selection between arguments, element by element: by a condition, or the larger or smaller one."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, op
from tinygrad_mlp.autograd.ops.elementwise.comparison import (
    equal,
    greater,
    isnan,
    less,
    less_equal,
)

__all__ = ["where", "maximum", "minimum", "fmax", "fmin", "clip"]


PREDICTABLE = 16_000
"""Elements up to which a processor foresees a random condition's choices, if they come again."""


def _is_zero(a: object) -> bool:
    return type(a) is int and a == 0


def _kept(a: Array, condition: Array) -> Array:
    """Return `a` where the condition holds and 0 elsewhere: fifteen times as fast by a product."""
    usual = isinstance(a, np.ndarray) and a.dtype.kind == "f" and condition.dtype == bool
    if usual and a.shape == condition.shape:
        with np.errstate(invalid="ignore"):
            kept = a * condition
            if np.isfinite(np.add.reduce(kept, axis=None)):  # not so where 0 · ∞ is NaN
                return kept
    return np.where(condition, a, 0)


def _where_x(g: Array, out: Array, condition: Array, x: Array, y: Array) -> Array:
    return where(condition, g, 0)


def _where_y(g: Array, out: Array, condition: Array, x: Array, y: Array) -> Array:
    return where(condition, 0, g)


@op(rules={"x": _where_x, "y": _where_y},
    equation="out = x where condition else y,  x̄ = g [condition],  ȳ = g [not condition]",
    latex=r"{condition} \odot {x} + (1 - {condition}) \odot {y}", numpy=np.where,
    reference=lambda condition, x, y: np.choose(np.asarray(condition, dtype=bool), [y, x]),
    samples=lambda rng: [
        Sample(rng.normal(size=(2, 3)) > 0, rng.normal(size=(2, 3)), rng.normal(size=3)),
        Sample(np.array([True, False, True]), rng.normal(size=(2, 1)), rng.normal(size=(2, 3))),
        Sample(np.array(True), rng.normal(), rng.normal())],
    elementwise=True)
def where(condition: Array, x: Array, y: Array) -> Array:
    """Choose element by element: `x` where the condition holds, `y` elsewhere.

    >>> where([True, False], [1.0, 2.0], [3.0, 4.0])
    array([1., 4.])
    """
    if np.size(condition) > PREDICTABLE:  # the gradient of ReLU, mostly
        if _is_zero(y):
            return _kept(x, condition)
        if _is_zero(x):
            return _kept(y, np.logical_not(condition))
    return np.where(condition, x, y)


def _to_winner(g: Array, x1: Array, x2: Array, wins: Array) -> Array:
    """Return the cotangent where an argument wins, and half of it where both are equal."""
    return where(equal(x1, x2), g / 2, where(wins, g, 0))


def _unless_loser(g: Array, x1: Array, x2: Array, loses: Array) -> Array:
    """Return the same where NaN loses to nothing: the result is NaN then, and both count."""
    return where(equal(x1, x2), g / 2, where(loses, 0, g))


@op(rules={"x1": lambda g, y, x1, x2: _unless_loser(g, x1, x2, less(x1, x2)),
           "x2": lambda g, y, x1, x2: _unless_loser(g, x1, x2, less(x2, x1))},
    equation="y = max(x1, x2),  x̄1 = g [x1 > x2] + ½ g [x1 = x2],  "
    "x̄2 = g [x2 > x1] + ½ g [x1 = x2]",
    latex=r"\max({x1}, {x2})", numpy=np.maximum,
    reference=lambda x1, x2: np.where(x1 > x2, x1, x2))
def maximum(x1: Array, x2: Array) -> Array:
    """Return the larger of two, element by element. Ties share the gradient equally.

    >>> maximum([1.0, 3.0], 2.0)
    array([2., 3.])
    """
    return np.maximum(x1, x2)


@op(rules={"x1": lambda g, y, x1, x2: _unless_loser(g, x1, x2, greater(x1, x2)),
           "x2": lambda g, y, x1, x2: _unless_loser(g, x1, x2, greater(x2, x1))},
    equation="y = min(x1, x2),  x̄1 = g [x1 < x2] + ½ g [x1 = x2],  "
    "x̄2 = g [x2 < x1] + ½ g [x1 = x2]",
    latex=r"\min({x1}, {x2})", numpy=np.minimum,
    reference=lambda x1, x2: np.where(x1 < x2, x1, x2))
def minimum(x1: Array, x2: Array) -> Array:
    """Return the smaller of two, element by element. Ties share the gradient equally.

    >>> minimum([1.0, 3.0], 2.0)
    array([1., 2.])
    """
    return np.minimum(x1, x2)


@op(rules={"x1": lambda g, y, x1, x2: _to_winner(g, x1, x2, greater(x1, x2) | isnan(x2)),
           "x2": lambda g, y, x1, x2: _to_winner(g, x1, x2, greater(x2, x1) | isnan(x1))},
    equation="y = x2 where isnan(x1) or x2 > x1 else x1,  "
    "x̄1 = g [x1 > x2 or isnan(x2)] + ½ g [x1 = x2],  "
    "x̄2 = g [x2 > x1 or isnan(x1)] + ½ g [x1 = x2]",
    latex=r"\mathrm{{fmax}}({x1}, {x2})", numpy=np.fmax,
    reference=lambda x1, x2: np.where(x1 > x2, x1, x2))
def fmax(x1: Array, x2: Array) -> Array:
    """Return the larger of two, element by element; where one of them is NaN, the other.

    >>> fmax([1.0, float("nan")], 2.0)
    array([2., 2.])
    """
    return np.fmax(x1, x2)


@op(rules={"x1": lambda g, y, x1, x2: _to_winner(g, x1, x2, less(x1, x2) | isnan(x2)),
           "x2": lambda g, y, x1, x2: _to_winner(g, x1, x2, less(x2, x1) | isnan(x1))},
    equation="y = x2 where isnan(x1) or x2 < x1 else x1,  "
    "x̄1 = g [x1 < x2 or isnan(x2)] + ½ g [x1 = x2],  "
    "x̄2 = g [x2 < x1 or isnan(x1)] + ½ g [x1 = x2]",
    latex=r"\mathrm{{fmin}}({x1}, {x2})", numpy=np.fmin,
    reference=lambda x1, x2: np.where(x1 < x2, x1, x2))
def fmin(x1: Array, x2: Array) -> Array:
    """Return the smaller of two, element by element; where one of them is NaN, the other.

    >>> fmin([1.0, float("nan")], 2.0)
    array([1., 2.])
    """
    return np.fmin(x1, x2)


def _outside(a: Array, a_min: Array | None, a_max: Array | None) -> Array:
    # Not "unless inside": NaN is neither, and passes.
    outside: Any = False
    if a_min is not None:
        outside = less(a, a_min)
    if a_max is not None:
        outside = outside | greater(a, a_max)
    return outside


def _below(a: Array, a_min: Array | None, a_max: Array | None) -> Array:
    # NumPy clips to the minimum first: where the bounds are crossed, the maximum wins.
    return less(a, a_min) if a_max is None else less(a, a_min) & less_equal(a_min, a_max)


def _above(a: Array, a_min: Array | None, a_max: Array | None) -> Array:
    beyond = greater(a, a_max)
    return beyond if a_min is None else beyond | greater(a_min, a_max)


def _clip_latex(a: object, a_min: object, a_max: object) -> str:
    raised = f"{a}" if a_min is None else rf"\max({a}, {a_min})"
    return raised if a_max is None else rf"\min({raised}, {a_max})"


@op(rules={"a": lambda g, y, a, a_min, a_max: where(_outside(a, a_min, a_max), 0, g),
           "a_min": lambda g, y, a, a_min, a_max: where(_below(a, a_min, a_max), g, 0),
           "a_max": lambda g, y, a, a_min, a_max: where(_above(a, a_min, a_max), g, 0)},
    equation="y = min(max(a, a_min), a_max),  ā = g [a_min ≤ a ≤ a_max],  "
    "ā_min = g [a < a_min ≤ a_max],  ā_max = g [a > a_max or a_min > a_max]",
    latex=_clip_latex, numpy=np.clip,
    reference=lambda a, a_min, a_max: np.where(a < a_min, a_min, np.where(a > a_max, a_max, a)),
    domain={"a_min": (-1, -0.5), "a_max": (0.5, 1)}, elementwise=True)
def clip(a: Array, a_min: Array | None = None, a_max: Array | None = None) -> Array:
    """Limit to an interval. At a bound the gradient goes to `a`, beyond it to the bound.

    Shapes: a and the bounds are broadcast against each other; y has their common shape.

    >>> clip([-1.0, 0.5, 2.0], 0.0, 1.0)
    array([0. , 0.5, 1. ])
    """
    return np.clip(a, a_min, a_max)
