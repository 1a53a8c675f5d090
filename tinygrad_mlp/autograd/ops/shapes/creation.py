"""Arrays made from numbers: filled ones, and the coordinates of a grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.autograd.argument_types import Operand, Shape
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.op import implements
from tinygrad_mlp.autograd.ops.elementwise.arithmetic import subtract
from tinygrad_mlp.autograd.ops.shapes.shape import (
    array_or_tensor,
    astype,
    expand_dims,
    places,
    reshape,
    shape_of,
)
from tinygrad_mlp.autograd.ops.sums import broadcast_to
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError, refuse_more_than_numbers

__all__ = ["full", "full_like", "zeros_like", "ones_like", "linspace", "meshgrid"]


def full(shape: Any, fill_value: Operand, dtype: DTypeLike | None = None) -> Array:
    """Fill an array with a value. If the value is a tensor, gradients flow to it.

    Args:
        shape: of the result, an integer or several.
        fill_value: a number, or an array that broadcasts to that shape.
        dtype: of the result; that of the value by default.

    >>> full((2,), 0.5)
    array([0.5, 0.5])
    """
    if not isinstance(fill_value, Value):
        refuse_more_than_numbers(fill_value, "full()")
        return np.full(shape, fill_value, dtype)
    value = fill_value if dtype is None else astype(fill_value, dtype=np.dtype(dtype))
    return broadcast_to(value, shape=tuple(shape) if np.ndim(shape) else (int(shape),))


def _like(a: Operand, dtype: Any, shape: Any) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    known = array_or_tensor(a)
    return known.shape if shape is None else shape, known.dtype if dtype is None else dtype


@implements(np.full_like)
def full_like(a: Operand, fill_value: Operand, dtype: DTypeLike | None = None, *,
              shape: Shape | None = None) -> Array:
    """Fill an array of the shape and dtype of another with a value, as `full` does.

    Args:
        a: the array whose shape and dtype are used.
        fill_value: a number, or an array that broadcasts to the shape.
        dtype, shape: replace those of a.

    >>> full_like([1.0, 2.0], 0.5)
    array([0.5, 0.5])
    """
    shape, dtype = _like(a, dtype, shape)
    return full(shape, fill_value, dtype)


@implements(np.zeros_like)
def zeros_like(a: Operand, dtype: DTypeLike | None = None, *, shape: Shape | None = None) -> Array:
    """Return zeros of the shape and dtype of another array, as a plain array.

    >>> zeros_like([1.0, 2.0])
    array([0., 0.])
    """
    return np.zeros(*_like(a, dtype, shape))


@implements(np.ones_like)
def ones_like(a: Operand, dtype: DTypeLike | None = None, *, shape: Shape | None = None) -> Array:
    """Return ones of the shape and dtype of another array, as a plain array.

    >>> ones_like([1.0, 2.0])
    array([1., 1.])
    """
    return np.ones(*_like(a, dtype, shape))


@implements(np.linspace)
def linspace(start: Operand, stop: Operand, num: int = 50, endpoint: bool = True,
             retstep: bool = False, dtype: DTypeLike | None = None, axis: int = 0) -> Any:
    """Return numbers at equal distances between two, ``(1 − t) start + t stop`` for 0 ≤ t ≤ 1.

    Args:
        start, stop: the ends, numbers or arrays that broadcast.
        num: how many.
        endpoint: whether `stop` is the last number. If not, it would be the next one.
        retstep: return the distance, too.
        dtype: of the result; that of the ends by default.
        axis: of the result, along which the numbers lie.

    Raises:
        InvalidArgumentError: `num` is negative.

    >>> linspace(0.0, 1.0, 5)
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    if not isinstance(start, Value) and not isinstance(stop, Value):
        return np.linspace(start, stop, num, endpoint, retstep, dtype, axis=axis)  # type: ignore
    if num < 0:
        raise InvalidArgumentError(f"linspace() expects num to be 0 or more. Got {num}.")
    between = subtract(stop, start)
    shape = shape_of(between)
    (place,) = places("linspace", axis, len(shape) + 1)
    t = np.linspace(0, 1, num, endpoint, dtype=between.dtype)
    t = t.reshape([-1 if i == place else 1 for i in range(len(shape) + 1)])
    ends = (x if isinstance(x, Value) else np.asarray(x, t.dtype) for x in (start, stop))
    first, last = (expand_dims(broadcast_to(end, shape=shape), place) for end in ends)
    made = (1 - t) * first + t * last
    made = made if dtype is None else astype(made, dtype=np.dtype(dtype))
    return (made, between / max(num - bool(endpoint), 1)) if retstep else made


@implements(np.meshgrid)
def meshgrid(*xi: Operand, sparse: bool = False, indexing: str = "xy") -> tuple[Array, ...]:
    """Return the coordinates of a grid, from those along each of its axes.

    Args:
        xi: vectors, or numbers.
        sparse: leave axes of length 1 instead of repeating the numbers.
        indexing: ``xy`` for the first two axes in the order of a picture, rows being y; ``ij`` for
            the order of `xi`.

    Raises:
        InvalidArgumentError: another `indexing`.
        ShapeError: one of `xi` has more than one axis.

    >>> x, y = meshgrid(np.array([1.0, 2.0]), np.array([5.0, 6.0, 7.0]))
    >>> x.shape, y[:, 0]
    ((3, 2), array([5., 6., 7.]))
    """
    if indexing not in ("xy", "ij"):
        raise InvalidArgumentError(
            f"meshgrid() expects indexing to be 'xy' or 'ij'. Got {indexing!r}.")
    for number, x in enumerate(xi):
        if len(shape_of(x)) > 1:
            raise ShapeError(
                f"meshgrid() expects vectors. Got shape {shape_of(x)} as argument {number}.")
    order = list(range(len(xi)))
    if indexing == "xy" and len(xi) > 1:
        order[:2] = 1, 0
    lengths = [int(np.prod(shape_of(x), dtype=int)) for x in xi]
    grid = tuple(lengths[axis] for axis in order)  # the order is its own inverse
    made = []
    for x, axis in zip(xi, order, strict=True):
        along = reshape(x, shape=tuple(-1 if i == axis else 1 for i in range(len(xi))))
        made.append(along if sparse else broadcast_to(along, shape=grid))
    return tuple(made)
