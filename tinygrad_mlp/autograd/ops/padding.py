"""Borders around an array, in NumPy's modes: copied elements, statistics of them, ramps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import implements
from tinygrad_mlp.autograd.ops.reductions.reduction import max as max_
from tinygrad_mlp.autograd.ops.reductions.reduction import min as min_
from tinygrad_mlp.autograd.ops.reductions.statistics import median
from tinygrad_mlp.autograd.ops.shapes.arranging import PAD_MODES, pad_op
from tinygrad_mlp.autograd.ops.shapes.indexing import getitem
from tinygrad_mlp.autograd.ops.shapes.joining import concatenate
from tinygrad_mlp.autograd.ops.shapes.shape import places, reshape, shape_of
from tinygrad_mlp.autograd.ops.sums import broadcast_to, mean
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

__all__ = ["pad"]

STATISTICS: dict[str, Callable[..., Any]] = {
    "maximum": max_, "mean": mean, "median": median, "minimum": min_}


@implements(np.pad)
def pad(
    array: Operand, pad_width: object, mode: str = "constant", *, constant_values: ArrayLike = 0,
    stat_length: object = None, end_values: object = 0, reflect_type: str = "even",
) -> Any:
    """Add a border around the array.

    Args:
        array: what to surround.
        pad_width: how wide: a number, a pair (before, after), such a pair for each axis, or a
            dict of axes.
        mode: ``constant``; copies of elements: ``edge``, ``reflect``, ``symmetric``, ``wrap``; a
            statistic of the elements along each axis: ``maximum``, ``mean``, ``median``,
            ``minimum``; a ``linear_ramp`` to `end_values`.
        constant_values: of the border in the mode ``constant``; as `pad_width`.
        stat_length: of how many elements from the edge a statistic is; None for all.
        end_values: the outermost values of a ramp; as `pad_width`.
        reflect_type: ``even`` only: for ``odd`` write twice the edge less the reflection.

    Raises:
        InvalidArgumentError: another mode, among them ``empty``, whose values are accidental.

    >>> pad(np.array([1.0, 3.0]), 2, "mean"), pad(np.array([1.0, 3.0]), 1, "linear_ramp")
    (array([2., 2., 1., 3., 2., 2.]), array([0., 1., 3., 0.]))
    """
    shape = shape_of(array)
    if not shape:
        return reshape(array, shape=())  # there is no axis to widen
    widths = _pairs(pad_width, shape, 0)
    if reflect_type != "even":
        raise InvalidArgumentError(f"pad() expects reflect_type='even'. Got {reflect_type!r}.")
    if mode in PAD_MODES:
        constant = _pairs(constant_values, shape, 0) if np.ndim(constant_values) else (
            constant_values)
        return pad_op(array, pad_width=widths, mode=mode, constant_values=constant)
    if mode not in (*STATISTICS, "linear_ramp"):
        modes = ", ".join((*PAD_MODES, *STATISTICS, "linear_ramp"))
        raise InvalidArgumentError(f"pad() expects mode to be one of {modes}. Got {mode!r}.")
    lengths = _pairs(stat_length, shape, None)
    ends = _pairs(end_values, shape, 0)
    for axis, (before, after) in enumerate(widths):
        first, last = (
            _statistic(array, axis, STATISTICS[mode], length, side)
            if mode in STATISTICS
            else getitem(array, template=_part(axis, slice(0, 1) if side > 0 else slice(-1, None)))
            for side, length in zip((1, -1), lengths[axis], strict=True))
        if mode == "linear_ramp":
            first = _ramp(first, axis, before, ends[axis][0])
            last = _ramp(last, axis, after, ends[axis][1])[_part(axis, slice(None, None, -1))]
        parts = [_widened(first, axis, before), array, _widened(last, axis, after)]
        array = concatenate([p for p in parts if shape_of(p)[axis]] or [array], axis)
    return array


def _pairs(given: object, shape: tuple[int, ...], default: object) -> tuple[tuple[Any, Any], ...]:
    """Return a pair for each axis, from any form that NumPy takes."""
    if isinstance(given, Mapping):
        pairs = [(default, default)] * len(shape)
        for axis, pair in given.items():
            (place,) = places("pad", axis, len(shape))
            pairs[place] = pair if np.ndim(pair) else (pair, pair)
        return tuple(pairs)
    try:
        full = np.broadcast_to(np.asarray(given), (len(shape), 2)).tolist()
    except ValueError as error:
        raise ShapeError(
            f"pad() expects a number, a pair, or a pair for each axis of an array of shape "
            f"{shape}. Got {given!r}.") from error
    return tuple((before, after) for before, after in full)


def _part(axis: int, chosen: slice) -> tuple[slice, ...]:
    return (*(slice(None),) * axis, chosen)


def _statistic(a: Operand, axis: int, of: Callable[..., Array], length: int | None,
               side: int) -> Array:
    """Reduce `length` elements at one end of an axis, which is kept."""
    n = shape_of(a)[axis]
    if length is not None and length < n:
        a = getitem(a, template=_part(axis, slice(0, length) if side > 0 else slice(n - length, n)))
    return of(a, axis=axis, keepdims=True)


def _ramp(edge: Array, axis: int, width: int, end: Array) -> Array:
    """Return `width` equal steps from `end` towards the edge, without the edge."""
    steps = np.arange(width, dtype=edge.dtype) / max(width, 1)
    return end + (edge - end) * steps.reshape(-1, *(1,) * (len(shape_of(edge)) - axis - 1))


def _widened(a: Array, axis: int, width: int) -> Array:
    shape = shape_of(a)
    return broadcast_to(a, shape=(*shape[:axis], width, *shape[axis + 1 :]))
