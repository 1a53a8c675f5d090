"""Sorting, partitioning, and the places of elements.

Each element of the argument gets the cotangent of the position to which it was sorted. Equal
elements share their cotangents equally, in whatever order they were sorted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, op
from tinygrad_mlp.autograd.ops.elementwise.comparison import not_equal
from tinygrad_mlp.autograd.ops.reductions.reduction import exchanged
from tinygrad_mlp.autograd.ops.reductions.scans import cumsum, neighbours, widened
from tinygrad_mlp.autograd.ops.samples import each_row, sample_arrays, well_apart
from tinygrad_mlp.autograd.ops.shapes.indexing import IndexSlot, getitem, scatter_add
from tinygrad_mlp.autograd.ops.shapes.shape import reshape
from tinygrad_mlp.autograd.ops.sums import kept, named_over

__all__ = ["sort", "partition", "argsort", "argpartition", "argmax", "argmin", "searchsorted"]


@op(equation="y = Σ [a[i] < v] where side = 'left' else Σ [a[i] ≤ v]",
    latex=lambda a, v, side, sorter: rf"\mathrm{{searchsorted}}({a}, {v})", numpy=np.searchsorted,
    reference=lambda a, v, side, sorter: np.sum(
        (np.less if side == "left" else np.less_equal)(a, np.expand_dims(v, -1)), axis=-1),
    samples=lambda rng: [
        Sample(np.sort(rng.normal(size=4)), rng.normal(size=(2, 3))),
        Sample(np.array([0.0, 1.0, 1.0, 2.0]), np.array([1.0, 0.5]), side="right"),
        Sample(np.array([2.0, 0.0, 1.0]), np.array([1.5]), sorter=np.array([1, 2, 0]))],
    nondifferentiable=True)
def searchsorted(a: Array, v: Array, *, side: Any = "left", sorter: Any = None) -> Array:
    """Find where elements of `v` belong in the sorted array `a`. The result is a plain array.

    >>> searchsorted([1.0, 2.0, 3.0], [0.0, 2.5])
    array([0, 2])
    """
    return np.searchsorted(a, v, side, sorter)


def _given_back(g: Array, y: Array, a: Array, axis: int | None, in_order: bool) -> Array:
    """Give each element of `a` the mean cotangent of its equals in the permutation `y`."""
    if a.size == 0:
        return np.zeros(a.shape, a.dtype)
    shape = a.shape
    if axis is None:
        a, axis = reshape(a, shape=(-1,)), -1
    g, y, a = (exchanged(v, axis) for v in (g, y, a))
    starts = np.arange(0, a.size, a.shape[-1]).reshape(*a.shape[:-1], 1)

    def flat(places: Array) -> Array:
        """Return places in a row as places among all elements."""
        return reshape(places + starts, shape=(-1,))

    def picked(values: Array, places: Array) -> Array:
        return getitem(values, places, template=(IndexSlot(0),))

    def put(values: Array, places: Array) -> Array:
        return scatter_add(values, places, template=(IndexSlot(0),), shape=(a.size,))

    g = reshape(g, shape=(-1,))
    if not in_order:
        g, y = picked(g, flat(argsort(y))), sort(y)
    # Equal elements stand side by side now: number the groups, and give each its mean.
    group = flat(cumsum(widened(not_equal(*neighbours(y)), 1, 0), axis=-1))
    mean = picked(put(g, group), group) / picked(put(np.ones(a.size, g.dtype), group), group)
    back = reshape(put(mean, flat(argsort(a))), shape=a.shape)
    return reshape(exchanged(back, axis), shape=shape)


def _apart(rng: np.random.Generator, **given: Any) -> list[Sample]:
    return well_apart(rng, sample_arrays(rng, **given))


@op(rules={"a": lambda g, y, a, axis, kind: _given_back(g, y, a, axis, True)},
    equation="y = sort(a, axis),  ā[i] = Σ g[j] [y[j] = a[i]] / Σ [y[j] = a[i]]",
    latex=named_over("sort"), numpy=np.sort,
    reference=lambda a, axis, kind: each_row(sorted, a, axis),
    samples=lambda rng: (
        *_apart(rng, shapes=((3, 2),), axis=(None, 0, -1)),
        *_apart(rng, shapes=((2, 2, 2),), axis=(1,))))
def sort(a: Array, *, axis: int | None = -1, kind: Any = None) -> Array:
    """Sort the elements in ascending order along `axis` (None: all, in one axis).

    >>> sort([3.0, 1.0, 2.0])
    array([1., 2., 3.])
    """
    return np.sort(a, axis=axis, kind=kind)


@op(rules={"a": lambda g, y, a, kth, axis, kind: _given_back(g, y, a, axis, False)},
    equation="sort(y, axis) = sort(a, axis),  ā[i] = Σ g[j] [y[j] = a[i]] / Σ [y[j] = a[i]]",
    latex=named_over("partition"), numpy=np.partition,
    # The order of the others is not specified: nothing but the function itself can tell it.
    reference=lambda a, kth, axis, kind: np.take_along_axis(
        np.ravel(a) if axis is None else a,
        np.argpartition(a, kth, axis=axis), -1 if axis is None else axis),
    samples=lambda rng: _apart(rng, shapes=((3, 3),), kth=(1, (0, 2)), axis=(None, 0, -1)))
def partition(a: Array, *, kth: Any, axis: int | None = -1, kind: Any = "introselect") -> Array:
    """Put the k-th smallest element in its sorted place, smaller ones before, larger ones behind.

    >>> partition([3.0, 1.0, 2.0], kth=0)[0].item()
    1.0
    """
    return np.partition(a, kth, axis=axis, kind=kind)


@op(equation="take_along_axis(a, y, axis) = sort(a, axis)", latex=named_over("argsort"),
    numpy=np.argsort,
    reference=lambda a, axis, kind: each_row(
        lambda row: np.array(sorted(range(len(row)), key=row.__getitem__), int), a, axis),
    samples=lambda rng: sample_arrays(rng, shapes=((5,), (3, 4)), axis=(None, 0, -1)),
    nondifferentiable=True)
def argsort(a: Array, *, axis: int | None = -1, kind: Any = None) -> Array:
    """Find the indices that would sort `a` along `axis`. The result is a plain array.

    >>> argsort([3.0, 1.0, 2.0])
    array([1, 2, 0])
    """
    return np.argsort(a, axis=axis, kind=kind)


@op(equation="sort(take_along_axis(a, y, axis), axis) = sort(a, axis)",
    latex=named_over("argpartition"), numpy=np.argpartition,
    reference=lambda a, kth, axis: np.argpartition(np.array(a), kth, axis),
    samples=lambda rng: sample_arrays(rng, shapes=((5,), (3, 4)), kth=(1,), axis=(None, 0, -1)),
    nondifferentiable=True)
def argpartition(a: Array, *, kth: int | Sequence[int], axis: int | None = -1) -> Array:
    """Find the indices that would partition `a` along `axis`. The result is a plain array.

    >>> argpartition([3.0, 1.0, 2.0], kth=0)[0].item()
    1
    """
    return np.argpartition(a, kth, axis=axis)


def _places_of(rng: np.random.Generator) -> list[Sample]:
    return [
        *sample_arrays(rng, shapes=((3,), (2, 3)), axis=(None, 0, -1), keepdims=(False, True)),
        Sample(np.array([1.0, 3.0, 3.0, 1.0]))]


def _first_place(a: Any, axis: int | None, keepdims: bool, extreme: Any) -> Array:
    place = each_row(lambda row: list(row).index(extreme(row)), a, axis)
    return kept(place, a.shape, axis, False) if keepdims else place


@op(equation="amax(a, axis) = m,  m = Σ a[j] [j = y]", latex=named_over("argmax"), numpy=np.argmax,
    reference=lambda a, axis, keepdims: _first_place(a, axis, keepdims, max),
    samples=_places_of, nondifferentiable=True)
def argmax(a: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Find the index of the largest element over `axis`. The result is a plain array.

    >>> argmax([[3.0, 1.0], [1.0, 2.0]], axis=1)
    array([0, 1])
    """
    return np.argmax(a, axis=axis, keepdims=keepdims)


@op(equation="amin(a, axis) = m,  m = Σ a[j] [j = y]", latex=named_over("argmin"), numpy=np.argmin,
    reference=lambda a, axis, keepdims: _first_place(a, axis, keepdims, min),
    samples=_places_of, nondifferentiable=True)
def argmin(a: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Find the index of the smallest element over `axis`. The result is a plain array.

    >>> argmin([[3.0, 1.0], [1.0, 2.0]], axis=1)
    array([1, 0])
    """
    return np.argmin(a, axis=axis, keepdims=keepdims)
