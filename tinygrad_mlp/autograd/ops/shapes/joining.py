"""Joining arrays, and taking them apart again."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, implements, op
from tinygrad_mlp.autograd.ops.shapes.indexing import getitem
from tinygrad_mlp.autograd.ops.shapes.shape import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    expand_dims,
    places,
    ravel,
    require_axes,
    shape_of,
)
from tinygrad_mlp.errors import ShapeError

__all__ = [
    "concatenate", "concat", "stack", "vstack", "hstack", "dstack", "column_stack", "append",
    "split", "array_split", "vsplit", "hsplit", "dsplit"]


def _slice_of(g: Array, arrays: Sequence[Array], position: int, axis: int) -> Array:
    axis %= arrays[0].ndim
    start = sum(a.shape[axis] for a in arrays[:position])
    stop = start + arrays[position].shape[axis]
    return getitem(g, template=(slice(None),) * axis + (slice(start, stop),))


@op(name="concatenate",
    rules={"arrays": lambda g, y, *arrays, position, axis: _slice_of(g, arrays, position, axis)},
    equation="y = [a₁, a₂, …],  āᵢ = the part of g that came from aᵢ",
    latex=lambda *arrays, axis: f"[{', '.join(map(str, arrays))}]"
    + (rf"_{{\mathrm{{axis\ {axis % arrays[0].ndim}}}}}" if arrays[0].ndim > 1 else ""),
    reference=lambda *arrays, axis: functools.reduce(
        lambda joined, a: np.append(joined, a, axis=axis), arrays),
    samples=lambda rng: (
        Sample(rng.normal(size=(2, 3)), rng.normal(size=(1, 3)), axis=0),
        Sample(rng.normal(size=(2, 3)), rng.normal(size=(2, 2)), rng.normal(size=(2, 1)), axis=-1),
        Sample(rng.normal(size=3), rng.normal(size=2), axis=0)))
def concatenate_op(*arrays: Array, axis: int = 0) -> Array:
    return np.concatenate(arrays, axis=axis)


@implements(np.concatenate)
def concatenate(arrays: Sequence[Operand], axis: int | None = 0) -> Array:
    """Join a sequence of arrays along an axis they have (None: all elements, in one axis).

    >>> concatenate(([1.0, 2.0], [3.0]))
    array([1., 2., 3.])
    """
    if axis is None:
        return concatenate_op(*[ravel(a) for a in arrays], axis=0)
    return concatenate_op(*arrays, axis=axis)

concat = concatenate


def _stack_rule(g: Array, y: Array, *arrays: Array, position: int, axis: int) -> Array:
    return getitem(g, template=(slice(None),) * (axis % y.ndim) + (position,))


@op(name="stack", rules={"arrays": _stack_rule},
    equation="y = a₁, a₂, … along a new axis,  āᵢ = the i-th slice of g",
    latex=lambda *arrays, axis: r"\mathrm{stack}"
    + (rf"_{{\mathrm{{axis\ {axis % (arrays[0].ndim + 1)}}}}}" if arrays[0].ndim else "")
    + f"({', '.join(map(str, arrays))})",
    reference=lambda *arrays, axis: np.moveaxis(np.array(arrays), 0, axis),
    samples=lambda rng: (
        Sample(rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), axis=0),
        Sample(rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), axis=-1),
        Sample(rng.normal(), rng.normal(), rng.normal(), axis=0)))
def stack_op(*arrays: Array, axis: int = 0) -> Array:
    return np.stack(arrays, axis=axis)


@implements(np.stack)
def stack(arrays: Sequence[Operand], axis: int = 0) -> Array:
    """Join a sequence of arrays of one shape along a new axis.

    >>> stack(([1.0, 2.0], [3.0, 4.0]), axis=1)
    array([[1., 3.],
           [2., 4.]])
    """
    return stack_op(*arrays, axis=axis)


@implements(np.vstack)
def vstack(tup: Sequence[Operand]) -> Array:
    """Join arrays along the first axis; vectors are rows.

    Args:
        tup: arrays of equal lengths along the other axes.

    >>> vstack(([1.0, 2.0], [3.0, 4.0]))
    array([[1., 2.],
           [3., 4.]])
    """
    return concatenate([atleast_2d(a) for a in tup], axis=0)


@implements(np.hstack)
def hstack(tup: Sequence[Operand]) -> Array:
    """Join arrays along the second axis; vectors end to end.

    Args:
        tup: arrays of equal lengths along the other axes.

    >>> hstack(([1.0, 2.0], [3.0]))
    array([1., 2., 3.])
    """
    arrays = [atleast_1d(a) for a in tup]
    return concatenate(arrays, axis=1 if arrays and len(shape_of(arrays[0])) > 1 else 0)


@implements(np.dstack)
def dstack(tup: Sequence[Operand]) -> Array:
    """Join arrays along the third axis, which vectors and matrices get as a new one.

    Args:
        tup: arrays of equal lengths along the first two axes.

    >>> dstack(([1.0, 2.0], [3.0, 4.0])).shape
    (1, 2, 2)
    """
    return concatenate([atleast_3d(a) for a in tup], axis=2)


@implements(np.column_stack)
def column_stack(tup: Sequence[Operand]) -> Array:
    """Join arrays along the second axis; vectors are columns.

    Args:
        tup: vectors of shape ``(n,)`` and matrices of shape ``(n, m)``.

    >>> column_stack(([1.0, 2.0], [3.0, 4.0]))
    array([[1., 3.],
           [2., 4.]])
    """
    columns = [a if len(shape_of(a)) > 1 else expand_dims(atleast_1d(a), 1) for a in tup]
    return concatenate(columns, axis=1)


@implements(np.append)
def append(arr: Operand, values: Operand, axis: int | None = None) -> Array:
    """Append `values` to the array along `axis` (None: all elements, in one axis).

    Args:
        arr: the array, a.
        values: what comes after it, of the same lengths along the other axes.
        axis: along which; None for vectors of all elements.

    >>> append([1.0, 2.0], 3.0)
    array([1., 2., 3.])
    """
    return concatenate([arr, values], axis=axis)


def _cut(a: Operand, ends: Sequence[int], axis: int) -> list[Array]:
    before = (slice(None),) * axis
    starts = [0, *ends]
    stops = [*ends, shape_of(a)[axis]]
    return [
        getitem(a, template=(*before, slice(start, stop)))
        for start, stop in zip(starts, stops, strict=True)]


@implements(np.array_split)
def array_split(ary: Operand, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Split an array along `axis` into a number of parts, or at given positions.

    Where a number of parts does not divide the length, the first ones are one longer.

    Args:
        ary: the array.
        indices_or_sections: the number of parts, or the positions at which they begin.
        axis: along which to split.

    Raises:
        ShapeError: the number of parts is not positive.

    >>> [len(part) for part in array_split(np.zeros(7), 3)]
    [3, 2, 2]
    """
    shape = shape_of(ary)
    (place,) = places("array_split", axis, len(shape))
    if np.ndim(indices_or_sections):
        return _cut(ary, [int(i) for i in indices_or_sections], place)
    sections = int(indices_or_sections)
    if sections < 1:
        raise ShapeError(f"array_split() expects at least one section. Got {sections}.")
    length, longer = divmod(shape[place], sections)
    return _cut(ary, [i * length + min(i, longer) for i in range(1, sections)], place)


@implements(np.split)
def split(ary: Operand, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Split an array along `axis` into parts of the same length, or at given positions.

    Args:
        ary: the array.
        indices_or_sections: the number of parts, or the positions at which they begin.
        axis: along which to split.

    Raises:
        ShapeError: the number of parts does not divide the length.

    >>> split(np.array([1.0, 2.0, 3.0, 4.0]), [1, 3])
    [array([1.]), array([2., 3.]), array([4.])]
    """
    shape = shape_of(ary)
    (place,) = places("split", axis, len(shape))
    if not np.ndim(indices_or_sections) and shape[place] % int(indices_or_sections):
        raise ShapeError(
            f"split() expects a number of sections that divides the length {shape[place]} of axis "
            f"{axis}. Got {indices_or_sections}: use array_split() for parts of different length.")
    return array_split(ary, indices_or_sections, place)


@implements(np.vsplit)
def vsplit(ary: Operand, indices_or_sections: int | Sequence[int]) -> list[Array]:
    """Split an array along the first of at least two axes, as `split` does.

    Args:
        ary: the array.
        indices_or_sections: the number of parts, or the positions at which they begin.

    >>> [part.shape for part in vsplit(np.ones((4, 2)), 2)]
    [(2, 2), (2, 2)]
    """
    require_axes("vsplit", ary, 2)
    return split(ary, indices_or_sections, 0)


@implements(np.hsplit)
def hsplit(ary: Operand, indices_or_sections: int | Sequence[int]) -> list[Array]:
    """Split an array along the second axis (a vector along its only one), as `split` does.

    Args:
        ary: an array with at least one axis.
        indices_or_sections: the number of parts, or the positions at which they begin.

    >>> hsplit(np.array([1.0, 2.0]), 2)
    [array([1.]), array([2.])]
    """
    require_axes("hsplit", ary, 1)
    return split(ary, indices_or_sections, 1 if len(shape_of(ary)) > 1 else 0)


@implements(np.dsplit)
def dsplit(ary: Operand, indices_or_sections: int | Sequence[int]) -> list[Array]:
    """Split an array along the third axis, as `split` does.

    Args:
        ary: an array with at least three axes.
        indices_or_sections: the number of parts, or the positions at which they begin.

    >>> [part.shape for part in dsplit(np.ones((1, 2, 4)), 2)]
    [(1, 2, 2), (1, 2, 2)]
    """
    require_axes("dsplit", ary, 3)
    return split(ary, indices_or_sections, 2)
