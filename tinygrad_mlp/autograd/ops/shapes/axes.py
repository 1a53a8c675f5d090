"""The order of axes: transposes. The rule of each is the transpose that undoes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.argument_types import Operand, Shape
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, implements, op
from tinygrad_mlp.autograd.ops.samples import sample_arrays
from tinygrad_mlp.autograd.ops.shapes.shape import places, shape_of
from tinygrad_mlp.errors import ShapeError

__all__ = ["transpose", "permute_dims", "swapaxes", "moveaxis", "rollaxis"]


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    """Return the permutation that undoes `axes`."""
    return tuple(int(i) for i in np.argsort(axes))


def _transposed_latex(a: Any, axes: Sequence[int]) -> str:
    order = tuple(i % a.ndim for i in axes)
    if order == tuple(range(a.ndim)):
        return f"{a}"
    if order == (*range(a.ndim - 2), a.ndim - 1, a.ndim - 2):
        return rf"{a}^\top"
    return rf"{a}^{{\top({', '.join(map(str, order))})}}"


def _swapped_latex(a: Any, axis1: int, axis2: int) -> str:
    order = list(range(a.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return _transposed_latex(a, order)


@op(rules={
        "a": lambda g, y, a, axes: g.transpose(
            None if axes is None else _inverse([i % a.ndim for i in axes]))},
    equation="y = transpose(a, axes),  transpose(ā, axes) = g",
    latex=lambda a, axes: _transposed_latex(a, range(a.ndim)[::-1] if axes is None else axes),
    numpy=np.transpose,
    reference=lambda a, axes: np.moveaxis(a, axes or range(a.ndim)[::-1], range(a.ndim)),
    samples=lambda rng: (
        *sample_arrays(rng, shapes=((2, 3),), axes=(None, (1, 0))),
        *sample_arrays(rng, shapes=((2, 3, 4),), axes=(None, (1, 2, 0), (-1, 0, 1)))))
def transpose(a: Array, *, axes: Sequence[int] | None = None) -> Array:
    """Put the axes in another order (None: reversed).

    >>> transpose(np.ones((2, 3, 4)), axes=(2, 0, 1)).shape
    (4, 2, 3)
    """
    return a.transpose(axes)

permute_dims = transpose


@op(rules={"a": lambda g, y, a, axis1, axis2: g.swapaxes(axis1, axis2)},
    equation="y = swapaxes(a, axis1, axis2),  ā = swapaxes(g, axis1, axis2)", latex=_swapped_latex,
    numpy=np.swapaxes,
    reference=lambda a, axis1, axis2: np.moveaxis(a, [axis1, axis2], [axis2, axis1]),
    samples=lambda rng: (
        Sample(rng.normal(size=(2, 3)), axis1=0, axis2=1),
        Sample(rng.normal(size=(2, 3, 4)), axis1=-1, axis2=-2)))
def swapaxes(a: Array, *, axis1: int, axis2: int) -> Array:
    """Exchange two axes.

    >>> swapaxes(np.ones((2, 3, 4)), axis1=0, axis2=2).shape
    (4, 3, 2)
    """
    return a.swapaxes(axis1, axis2)


@implements(np.moveaxis)
def moveaxis(a: Operand, source: Shape, destination: Shape) -> Array:
    """Move axes from the positions `source` to `destination`; the others keep their order.

    Args:
        a: the array.
        source: an axis, or several.
        destination: where they are to stand.

    Raises:
        ShapeError: an axis that does not exist, or not as many of the one as of the other.

    >>> moveaxis(np.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    ndim = len(shape_of(a))
    start, end = places("moveaxis", source, ndim), places("moveaxis", destination, ndim)
    if len(start) != len(end):
        raise ShapeError(
            f"moveaxis() expects as many destinations as sources. Got {source!r} and "
            f"{destination!r}.")
    order = [i for i in range(ndim) if i not in start]
    for position, axis in sorted(zip(end, start, strict=True)):
        order.insert(position, axis)
    return transpose(a, axes=tuple(order))


@implements(np.rollaxis)
def rollaxis(a: Operand, axis: int, start: int = 0) -> Array:
    """Move one axis before the axis `start`. New code should use `moveaxis`.

    Args:
        a: the array.
        axis: which axis.
        start: where it is to stand.

    Raises:
        ShapeError: one of the two does not exist.

    >>> rollaxis(np.ones((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    ndim = len(shape_of(a))
    (place,) = places("rollaxis", axis, ndim)
    before = start + ndim if start < 0 else start
    if not 0 <= before <= ndim:
        raise ShapeError(f"rollaxis() expects start between {-ndim} and {ndim}. Got {start}.")
    return moveaxis(a, place, before - (place < before))
