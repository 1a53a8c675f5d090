"""Shapes and precisions: the same elements, or copies of them, in another form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.autograd.argument_types import Axis, Operand, Shape
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.op import implements, op
from tinygrad_mlp.autograd.ops.samples import sample_arrays
from tinygrad_mlp.autograd.ops.sums import broadcast_to
from tinygrad_mlp.errors import DTypeError, ShapeError

__all__ = [
    "reshape", "ravel", "squeeze", "expand_dims", "atleast_1d", "atleast_2d", "atleast_3d",
    "broadcast_arrays", "astype", "identity"]


def shape_of(a: Any) -> tuple[int, ...]:
    """Return the shape of an array, a tensor, or anything that NumPy makes an array of."""
    shape = getattr(a, "shape", None)
    return np.shape(a) if shape is None else tuple(shape)


def array_or_tensor(a: Operand) -> Any:
    """Return a tensor as it is, and anything else as an array."""
    return a if isinstance(a, Value) else np.asarray(a)


def require_axes(name: str, a: Operand, least: int) -> None:
    """Raise a `ShapeError` if `a` has fewer axes than the function `name` needs."""
    if len(shape_of(a)) < least:
        raise ShapeError(f"{name}() expects at least {least} axes. Got shape {shape_of(a)}.")


def _reshape_latex(a: Any, shape: Any) -> str:
    lengths = np.empty(a.shape, bool).reshape(shape).shape
    if [n for n in a.shape if n != 1] == [n for n in lengths if n != 1]:
        return f"{a}"  # as with broadcasting, axes of length 1 are not worth a word
    return rf"\mathrm{{reshape}}({a})"


@op(rules={"a": lambda g, y, a, shape: g.reshape(a.shape)},
    equation="y = reshape(a, shape),  reshape(ā, shape) = g", latex=_reshape_latex,
    numpy=np.reshape,
    reference=lambda a, shape: np.ndarray(shape, a.dtype, np.ascontiguousarray(a)),
    samples=lambda rng: sample_arrays(rng, shapes=((2, 3),), shape=((3, 2), (6,), (1, 2, 3))))
def reshape(a: Array, *, shape: Shape) -> Array:
    """Arrange the same elements in another shape; one length may be −1.

    >>> reshape([1.0, 2.0, 3.0, 4.0], shape=(2, -1))
    array([[1., 2.],
           [3., 4.]])
    """
    return a.reshape(shape)


@implements(np.ravel)
def ravel(a: Operand) -> Array:
    """Return all elements in one axis.

    Args:
        a: an array of n elements; the result is of shape ``(n,)``.

    >>> ravel([[1.0, 2.0], [3.0, 4.0]])
    array([1., 2., 3., 4.])
    """
    made = reshape(a, shape=(-1,))
    if isinstance(a, Value):  # NumPy copies what does not lie in a row
        layout: Any = a.layout  # type: ignore[attr-defined]
        if isinstance(layout, np.ndarray) and not layout.flags.c_contiguous:
            made = made.copy()
    return made


def places(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """Return `axis`, an integer or several among `ndim`, as positions from the front."""
    try:
        return np.lib.array_utils.normalize_axis_tuple(axis, ndim)
    except (ValueError, TypeError) as error:
        raise ShapeError(
            f"{name}() expects axes between {-ndim} and {ndim - 1}, none of them twice. "
            f"Got axis={axis!r}.") from error


@implements(np.squeeze)
def squeeze(a: Operand, axis: Axis = None) -> Array:
    """Remove axes of length 1 (None: all of them).

    Args:
        a: the array.
        axis: one, several, or None.

    Raises:
        ShapeError: an axis is longer, or does not exist.

    >>> squeeze(np.ones((1, 2, 1))).shape
    (2,)
    """
    shape = shape_of(a)
    if axis is None or not shape and axis in (0, -1):  # NumPy has it so
        return reshape(a, shape=tuple(n for n in shape if n != 1))
    axes = places("squeeze", axis, len(shape))
    if any(shape[i] != 1 for i in axes):
        raise ShapeError(
            f"squeeze() expects axes of length 1. Got axis={axis} of an array of shape {shape}.")
    return reshape(a, shape=tuple(n for i, n in enumerate(shape) if i not in axes))


@implements(np.expand_dims)
def expand_dims(a: Operand, axis: Axis) -> Any:
    """Insert a new axis of length 1 at position `axis` of the result.

    >>> expand_dims([1.0, 2.0], axis=0).shape
    (1, 2)
    """
    shape = shape_of(a)
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    ndim = len(shape) + len(axes)
    new = places("expand_dims", axes, ndim)
    rest = iter(shape)
    return reshape(a, shape=tuple(1 if i in new else next(rest) for i in range(ndim)))


def _at_least(arrays: Sequence[Operand],
              wider: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Any:
    made = []
    for known in map(array_or_tensor, arrays):
        shape = wider(known.shape)
        made.append(known if shape == known.shape else reshape(known, shape=shape))
    return made[0] if len(made) == 1 else tuple(made)


@implements(np.atleast_1d)
def atleast_1d(*arrays: Operand) -> Any:
    """Return arrays with at least one axis: a number becomes a vector of one.

    >>> atleast_1d(np.array(3.0))
    array([3.])
    """
    return _at_least(arrays, lambda shape: shape or (1,))


@implements(np.atleast_2d)
def atleast_2d(*arrays: Operand) -> Array:
    """Return arrays with at least two axes: a vector becomes a row.

    >>> atleast_2d([1.0, 2.0])
    array([[1., 2.]])
    """
    return _at_least(arrays, lambda shape: (1,) * (2 - len(shape)) + shape)


@implements(np.atleast_3d)
def atleast_3d(*arrays: Operand) -> Any:
    """Return arrays with at least three axes: (n,) becomes (1, n, 1), (m, n) becomes (m, n, 1).

    Args:
        arrays: one array, or several, for which there are several results.

    >>> atleast_3d([1.0, 2.0]).shape
    (1, 2, 1)
    """
    return _at_least(
        arrays, lambda shape: ((1, *(shape or (1,)), 1) if len(shape) < 2
                               else (*shape, 1) if len(shape) == 2 else shape))


@implements(np.broadcast_arrays)
def broadcast_arrays(*arrays: Operand) -> tuple[Array, ...]:
    """Repeat each of the arrays to the shape that they have together.

    Raises:
        ShapeError: they have no shape together.

    >>> [a.shape for a in broadcast_arrays(np.ones((2, 1)), np.ones(3))]
    [(2, 3), (2, 3)]
    """
    try:
        shape = np.broadcast_shapes(*map(shape_of, arrays))
    except ValueError as error:
        raise ShapeError(f"broadcast_arrays() expects shapes that fit together: {error}") from error
    return tuple(broadcast_to(a, shape=shape) for a in arrays)


@op(
    # The engine returns a gradient in the dtype of its argument.
    rules={"a": lambda g, y, a, dtype: g},
    equation="y = astype(a, dtype),  ā = g", latex="{a}", numpy=np.astype,
    reference=lambda a, dtype: np.array(a, dtype=dtype),
    samples=lambda rng: sample_arrays(rng, shapes=((2, 3),), dtype=(np.float64,)),
    elementwise=True)
def astype(a: Array, *, dtype: DTypeLike | None) -> Array:
    """Convert the numbers to another floating-point precision.

    >>> astype([1.0, 2.0], dtype="float32")
    array([1., 2.], dtype=float32)
    """
    if np.dtype(dtype).kind != "f":
        raise DTypeError(
            f"astype() expects a floating-point dtype, so that gradients can pass. Got "
            f"{np.dtype(dtype)}: for a tensor without history use its method, x.astype(...).")
    return np.asarray(a).astype(dtype)


def indicator(condition: Array, like: Array, terms: int) -> Array:
    """Return what is 1 where a condition holds and 0 elsewhere, to multiply `like` with.

    The sum of booleans is of integers, by which a float32 is divided in float64, at twice the cost.
    But float32 counts to 2²⁴ only, so sums of more `terms` are of booleans all the same.
    """
    if like.dtype == np.float64 or terms > 2**24:
        return condition
    return astype(condition, dtype=np.promote_types(like.dtype, np.float32))


@op(rules={"a": lambda g, y, a: g},
    equation="y = a,  ā = g", latex="{a}",
    reference=lambda a: np.array(a), samples=lambda rng: sample_arrays(rng), elementwise=True)
def identity(a: Array) -> Array:
    """Return the array itself, as a new node of the graph.

    Source: the definition.

    >>> identity([1.0, 2.0])
    array([1., 2.])
    """
    return a
