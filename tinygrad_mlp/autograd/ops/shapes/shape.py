"""Shapes and the order of axes: linear, so each rule is the transposed operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.op import Sample, implements, op
from tinygrad_mlp.autograd.ops.samples import sample_arrays
from tinygrad_mlp.errors import DTypeError, ShapeError

__all__ = [
    "reshape", "ravel", "squeeze", "expand_dims", "atleast_1d", "atleast_2d", "atleast_3d",
    "transpose", "permute_dims", "swapaxes", "moveaxis", "rollaxis", "broadcast_to",
    "broadcast_arrays", "astype", "identity",
]  # fmt: skip


def shape_of(a: Any) -> tuple[int, ...]:
    """Return the shape of an array, a tensor, or anything that NumPy makes an array of."""
    shape = getattr(a, "shape", None)
    return np.shape(a) if shape is None else tuple(shape)


def _reshape_latex(a: Any, shape: Any) -> str:
    lengths = np.empty(a.shape, bool).reshape(shape).shape
    if [n for n in a.shape if n != 1] == [n for n in lengths if n != 1]:
        return f"{a}"  # as with broadcasting, axes of length 1 are not worth a word
    return rf"\mathrm{{reshape}}({a})"


@op(
    rules={"a": lambda g, y, a, shape: g.reshape(a.shape)},
    equation="y = reshape(a, shape),  ā = reshape(g, shape(a))",
    latex=_reshape_latex,
    reference=lambda a, shape: np.ndarray(shape, a.dtype, np.ascontiguousarray(a)),
    samples=lambda rng: sample_arrays(rng, shapes=((2, 3),), shape=((3, 2), (6,), (1, 2, 3))),
    numpy=np.reshape,
)
def reshape(a: Any, *, shape: Any) -> Any:
    """Arrange the same elements in another shape; one length may be −1.

    >>> reshape([1.0, 2.0, 3.0, 4.0], shape=(2, -1))
    array([[1., 2.],
           [3., 4.]])
    """
    return a.reshape(shape)


@implements(np.ravel)
def ravel(a: Any) -> Any:
    """Return all elements in one axis.

    Args:
        a: an array of n elements; the result is of shape ``(n,)``.

    >>> ravel([[1.0, 2.0], [3.0, 4.0]])
    array([1., 2., 3., 4.])
    """
    return reshape(a, shape=(-1,))


def places(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """Return `axis`, an integer or several, as positions from the front.

    Raises:
        ShapeError: there is no such axis among `ndim`.
    """
    try:
        return np.lib.array_utils.normalize_axis_tuple(axis, ndim)
    except (ValueError, TypeError) as error:
        raise ShapeError(
            f"{name}() expects axes between {-ndim} and {ndim - 1}, none of them twice. "
            f"Got axis={axis!r}."
        ) from error


@implements(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
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
    if axis is None:
        return reshape(a, shape=tuple(n for n in shape if n != 1))
    axes = places("squeeze", axis, len(shape))
    if any(shape[i] != 1 for i in axes):
        raise ShapeError(
            f"squeeze() expects axes of length 1. Got axis={axis} of an array of shape {shape}."
        )
    return reshape(a, shape=tuple(n for i, n in enumerate(shape) if i not in axes))


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
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


def _at_least(arrays: Sequence[Any], wider: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Any:
    made = []
    for a in arrays:
        shape = shape_of(a)
        wanted = wider(shape)
        made.append(
            reshape(a, shape=wanted) if wanted != shape
            else a if isinstance(a, Value) else np.asarray(a)
        )  # fmt: skip
    return made[0] if len(made) == 1 else tuple(made)


@implements(np.atleast_1d)
def atleast_1d(*arrays: Any) -> Any:
    """Return arrays with at least one axis: a number becomes a vector of one.

    >>> atleast_1d(np.array(3.0))
    array([3.])
    """
    return _at_least(arrays, lambda shape: shape or (1,))


@implements(np.atleast_2d)
def atleast_2d(*arrays: Any) -> Any:
    """Return arrays with at least two axes: a vector becomes a row.

    >>> atleast_2d([1.0, 2.0])
    array([[1., 2.]])
    """
    return _at_least(arrays, lambda shape: (1,) * (2 - len(shape)) + shape)


@implements(np.atleast_3d)
def atleast_3d(*arrays: Any) -> Any:
    """Return arrays with at least three axes: (n,) becomes (1, n, 1), (m, n) becomes (m, n, 1).

    Args:
        arrays: one array, or several, for which there are several results.

    >>> atleast_3d([1.0, 2.0]).shape
    (1, 2, 1)
    """
    return _at_least(
        arrays, lambda shape: ((1, *(shape or (1,)), 1) if len(shape) < 2
                               else (*shape, 1) if len(shape) == 2 else shape),
    )  # fmt: skip


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


@op(
    rules={
        "a": lambda g, y, a, axes: g.transpose(
            None if axes is None else _inverse([i % a.ndim for i in axes])
        )
    },
    equation="y = transpose(a, axes),  transpose(ā, axes) = g",
    latex=lambda a, axes: _transposed_latex(a, range(a.ndim)[::-1] if axes is None else axes),
    reference=lambda a, axes: np.moveaxis(a, axes or range(a.ndim)[::-1], range(a.ndim)),
    samples=lambda rng: (
        *sample_arrays(rng, shapes=((2, 3),), axes=(None, (1, 0))),
        *sample_arrays(rng, shapes=((2, 3, 4),), axes=(None, (1, 2, 0), (-1, 0, 1))),
    ),
    numpy=np.transpose,
)
def transpose(a: Any, *, axes: Any = None) -> Any:
    """Put the axes in another order (None: reversed).

    >>> transpose(np.ones((2, 3, 4)), axes=(2, 0, 1)).shape
    (4, 2, 3)
    """
    return a.transpose(axes)


permute_dims = transpose


@op(
    rules={"a": lambda g, y, a, axis1, axis2: g.swapaxes(axis1, axis2)},
    equation="y = swapaxes(a, axis1, axis2),  ā = swapaxes(g, axis1, axis2)",
    latex=_swapped_latex,
    reference=lambda a, axis1, axis2: np.moveaxis(a, [axis1, axis2], [axis2, axis1]),
    samples=lambda rng: (
        Sample(rng.normal(size=(2, 3)), axis1=0, axis2=1),
        Sample(rng.normal(size=(2, 3, 4)), axis1=-1, axis2=-2),
    ),
    numpy=np.swapaxes,
)
def swapaxes(a: Any, *, axis1: int, axis2: int) -> Any:
    """Exchange two axes.

    >>> swapaxes(np.ones((2, 3, 4)), axis1=0, axis2=2).shape
    (4, 3, 2)
    """
    return a.swapaxes(axis1, axis2)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
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
            f"{destination!r}."
        )
    order = [i for i in range(ndim) if i not in start]
    for position, axis in sorted(zip(end, start, strict=True)):
        order.insert(position, axis)
    return transpose(a, axes=tuple(order))


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
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


@op(
    # The engine sums a gradient down to the shape of its argument: that is the whole rule.
    rules={"a": lambda g, y, a, shape: g},
    equation="y = broadcast_to(a, shape),  ā = sum_to(g, shape(a))",
    latex="{a}",
    reference=lambda a, shape: a * np.ones(shape, a.dtype),
    samples=lambda rng: sample_arrays(rng, shapes=((3,), (2, 1), ()), shape=((2, 3), (4, 2, 3))),
    numpy=np.broadcast_to,
)
def broadcast_to(a: Any, *, shape: Any) -> Any:
    """Repeat along new axes and along axes of length 1.

    >>> broadcast_to([1.0, 2.0], shape=(2, 2))
    array([[1., 2.],
           [1., 2.]])
    """
    if a.ndim == 0:
        # A filled array costs a quarter of np.broadcast_to, and this case ends every loss.
        return np.full(shape, a)
    return np.broadcast_to(a, shape)


@implements(np.broadcast_arrays)
def broadcast_arrays(*arrays: Any) -> tuple[Any, ...]:
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
    equation="y = astype(a, dtype),  ā = g",
    latex="{a}",
    reference=lambda a, dtype: np.array(a, dtype=dtype),
    samples=lambda rng: sample_arrays(rng, shapes=((2, 3),), dtype=(np.float64,)),
    numpy=np.astype,
    elementwise=True,
)
def astype(a: Any, *, dtype: Any) -> Any:
    """Convert the numbers to another floating-point precision.

    >>> astype([1.0, 2.0], dtype="float32")
    array([1., 2.], dtype=float32)
    """
    if np.dtype(dtype).kind != "f":
        raise DTypeError(
            f"astype() expects a floating-point dtype, so that gradients can pass. Got "
            f"{np.dtype(dtype)}: for a tensor without history use its method, x.astype(...)."
        )
    return np.asarray(a).astype(dtype)


@op(
    rules={"a": lambda g, y, a: g},
    equation="y = a,  ā = g",
    latex="{a}",
    reference=lambda a: np.array(a),
    samples=lambda rng: sample_arrays(rng),
    elementwise=True,
)
def identity(a: Any) -> Any:
    """Return the array itself, as a new node of the graph.

    Source: the definition.

    >>> identity([1.0, 2.0])
    array([1., 2.])
    """
    return a
