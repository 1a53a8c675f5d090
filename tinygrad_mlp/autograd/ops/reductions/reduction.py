"""Extremes and tests over axes; and the axes of a reduction as one axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd.argument_types import Axis
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, op
from tinygrad_mlp.autograd.ops.elementwise.comparison import equal
from tinygrad_mlp.autograd.ops.shapes.axes import moveaxis, swapaxes
from tinygrad_mlp.autograd.ops.shapes.shape import indicator, reshape
from tinygrad_mlp.autograd.ops.sums import axes_of, kept, named_over, over, reductions, sum

__all__ = ["max", "amax", "min", "amin", "all", "any", "count_nonzero"]

largest: Any = np.maximum.reduce
smallest: Any = np.minimum.reduce


def in_one_axis(a: Array, axis: Axis) -> Array:
    """Join the axes of a reduction to a single one, the last."""
    axes = axes_of(axis, a.ndim)
    if axes == (a.ndim - 1,):
        return a
    rest = a.ndim - len(axes)
    moved = moveaxis(a, axes, range(rest, a.ndim))
    return reshape(moved, shape=(*moved.shape[:rest], -1 if a.size else 0))


def in_many_axes(a: Array, axis: Axis, shape: tuple[int, ...]) -> Array:
    """Undo `in_one_axis` for an array that had `shape`."""
    axes = axes_of(axis, len(shape))
    if axes == (len(shape) - 1,):
        return a
    rest = [n for i, n in enumerate(shape) if i not in axes]
    apart = reshape(a, shape=(*rest, *(shape[i] for i in axes)))
    return moveaxis(apart, range(len(rest), len(shape)), axes)


def exchanged(a: Array, axis: int) -> Array:
    """Exchange `axis` with the last axis."""
    return a if axis in (-1, a.ndim - 1) else swapaxes(a, axis1=axis, axis2=-1)


def _at_extreme(g: Array, y: Array, a: Array, axis: Axis, keepdims: bool) -> Array:
    terms = a.size // (y.size or 1)
    hit = indicator(equal(a, kept(y, a.shape, axis, keepdims)), g, terms)
    ties = sum(hit, axis=axis, keepdims=True)
    return hit * (kept(g, a.shape, axis, keepdims) / ties)


@op(rules={"a": _at_extreme},
    equation="y = max a,  ā = g [a = y] / Σ [a = y]",
    latex=lambda a, axis, keepdims: rf"\max{over(axis, a.ndim)}({a})", numpy=(np.max, np.amax),
    reference=lambda a, axis, keepdims: -np.amin(-a, axis=axis, keepdims=keepdims),
    samples=reductions)
def max(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the largest element over `axis`. Ties share the gradient equally.

    >>> max([[1.0, 2.0], [3.0, 0.0]], axis=1)
    array([2., 3.])
    """
    return largest(a, axis=axis, keepdims=keepdims)

amax = max


@op(rules={"a": _at_extreme},
    equation="y = min a,  ā = g [a = y] / Σ [a = y]",
    latex=lambda a, axis, keepdims: rf"\min{over(axis, a.ndim)}({a})", numpy=(np.min, np.amin),
    reference=lambda a, axis, keepdims: -np.amax(-a, axis=axis, keepdims=keepdims),
    samples=reductions)
def min(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the smallest element over `axis`. Ties share the gradient equally.

    >>> min([[1.0, 2.0], [3.0, 0.0]], axis=1)
    array([1., 0.])
    """
    return smallest(a, axis=axis, keepdims=keepdims)

amin = min


def _rounded(rng: np.random.Generator) -> list[Sample]:
    """Draw samples of a reduction with zeros among the elements."""
    return [Sample(np.rint(s.args[0]), **s.static) for s in reductions(rng)]


@op(equation="y = Π [a ≠ 0]", latex=named_over("all"), numpy=np.all,
    reference=lambda a, axis, keepdims: np.min(np.abs(a), axis=axis, keepdims=keepdims) > 0,
    samples=_rounded, nondifferentiable=True)
def all(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Test whether all elements over `axis` are true. The result is a plain boolean array.

    >>> all([[True, False], [True, True]], axis=1)
    array([False,  True])
    """
    return np.all(a, axis=axis, keepdims=keepdims)


@op(equation="y = [Σ [a ≠ 0] > 0]", latex=named_over("any"), numpy=np.any,
    reference=lambda a, axis, keepdims: np.max(np.abs(a), axis=axis, keepdims=keepdims) > 0,
    samples=_rounded, nondifferentiable=True)
def any(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Test whether an element over `axis` is true. The result is a plain boolean array.

    >>> any([[True, False], [False, False]], axis=1)
    array([ True, False])
    """
    return np.any(a, axis=axis, keepdims=keepdims)


@op(equation="y = Σ [a ≠ 0]", latex=named_over("count"), numpy=np.count_nonzero,
    reference=lambda a, axis, keepdims: np.sum(np.sign(a) ** 2, axis=axis, keepdims=keepdims),
    samples=_rounded, nondifferentiable=True)
def count_nonzero(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Count the elements over `axis` that are not 0. The result is a plain array.

    >>> count_nonzero([[1.0, 0.0], [2.0, 3.0]], axis=1)
    array([1, 2])
    """
    return np.sum(np.not_equal(a, 0), axis=axis, keepdims=keepdims, dtype=np.intp)
