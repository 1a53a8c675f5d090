"""`gradient`: the slopes of sampled functions, by the differences of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.autograd.argument_types import Axis, Operand
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.op import implements, in_floating_point
from tinygrad_mlp.autograd.ops.reductions.scans import diff
from tinygrad_mlp.autograd.ops.shapes.axes import moveaxis
from tinygrad_mlp.autograd.ops.shapes.joining import concatenate
from tinygrad_mlp.autograd.ops.shapes.shape import places, shape_of
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

__all__ = ["gradient"]


def _steps(spacing: Any, n: int, dtype: DTypeLike | None) -> Array:
    """Return the distances of neighbours: a number where all are equal, else n − 1 of them."""
    shape = shape_of(spacing)
    if not shape:
        return spacing
    if shape != (n,):
        raise ShapeError(
            f"gradient() expects a number, or a coordinate for each of {n} elements. "
            f"Got shape {shape}.")
    return diff(spacing) if isinstance(spacing, Value) else np.diff(spacing).astype(dtype)


def _ends(f: Array, steps: Array, order: int) -> Array:
    """Return the slope at the first element of the last axis, from one side.

    To the second order: the derivative of the parabola through the first three.
    """
    uniform = not shape_of(steps)
    h, k = (steps, steps) if uniform else (steps[0], steps[1] if order == 2 else None)
    first = (f[..., 1:2] - f[..., :1]) / h
    if order == 1:
        return first
    second = (f[..., 2:3] - f[..., 1:2]) / k
    return first - (second - first) * h / (h + k)


def _along_last(f: Array, steps: Array, order: int) -> Array:
    slopes = diff(f) / steps
    if shape_of(steps):  # the mean, weighted with the other step: exact for parabolas
        h, k = steps[:-1], steps[1:]
        inner = (k * slopes[..., :-1] + h * slopes[..., 1:]) / (h + k)
        back = -steps[::-1]
    else:
        inner = (f[..., 2:] - f[..., :-2]) / (2 * steps)
        back = -steps
    return concatenate(
        [_ends(f, steps, order), inner, _ends(f[..., ::-1], back, order)], axis=-1)


@implements(np.gradient)
def gradient(f: Operand, *varargs: object, axis: Axis = None, edge_order: int = 1) -> Any:
    """Compute the slopes of sampled values: central differences inside, one-sided at the ends.

    Args:
        f: the values.
        varargs: the distance of samples, or their coordinates: one for all axes, or one for each.
        axis: along which; None for all axes.
        edge_order: of the differences at the ends, 1 or 2.

    Returns:
        The slopes, of the shape of f; for several axes a tuple of them.

    Raises:
        ShapeError: an axis has fewer than ``edge_order + 1`` elements, or coordinates do not fit.
        InvalidArgumentError: another `edge_order`, a number of `varargs` that does not fit, or f
            is a function.

    >>> gradient([1.0, 2.0, 4.0, 7.0])
    array([1. , 1.5, 2.5, 3. ])
    """
    if callable(f):
        raise InvalidArgumentError(
            "gradient() takes sampled values, as np.gradient does. The gradient of a function is "
            "tg.grad(f).")
    values: Any = f if isinstance(f, Value) else in_floating_point((f,), "gradient")[0]
    if edge_order not in (1, 2):
        raise InvalidArgumentError(f"gradient() expects edge_order 1 or 2. Got {edge_order!r}.")
    chosen: Sequence[int] = (
        range(values.ndim) if axis is None else places("gradient", axis, values.ndim))
    spacings = varargs or (1.0,)
    if len(spacings) == 1 and not shape_of(spacings[0]):
        spacings *= len(chosen)
    if len(spacings) != len(chosen):
        raise InvalidArgumentError(
            f"gradient() expects one distance, or one for each of {len(chosen)} axes. "
            f"Got {len(varargs)}.")
    made = []
    for place, spacing in zip(chosen, spacings, strict=True):
        n = values.shape[place]
        if n <= edge_order:
            raise ShapeError(
                f"gradient() with edge_order={edge_order} expects at least {edge_order + 1} "
                f"elements along an axis. Got {n}.")
        steps = _steps(spacing, n, values.dtype)
        along = _along_last(moveaxis(values, place, -1), steps, edge_order)
        made.append(moveaxis(along, -1, place))
    return made[0] if len(made) == 1 else tuple(made)
