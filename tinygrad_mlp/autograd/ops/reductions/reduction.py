"""Sums, means and extremes.

`axis` and `keepdims` mean what they mean in NumPy. Where a rule needs the cotangent next to the
array again, `spread` puts the reduced axes back.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.autograd.ops.elementwise.comparison import equal
from tinygrad_mlp.autograd.ops.samples import reductions, sample_arrays
from tinygrad_mlp.autograd.ops.shapes.axes import swapaxes, transpose
from tinygrad_mlp.autograd.ops.shapes.shape import broadcast_to, reshape

__all__ = [
    "sum", "mean", "max", "amax", "min", "amin", "sum_to",
]  # fmt: skip

add_up: Any = np.add.reduce  # its stubs accept no keepdims but a literal
largest: Any = np.maximum.reduce
smallest: Any = np.minimum.reduce


def kept(g: Any, shape: tuple[int, ...], axis: Any, keepdims: bool) -> Any:
    """Put the reduced axes of an array of `shape` back into `g`, with length 1."""
    if keepdims or g.shape == shape:
        return g
    if axis is None:
        return reshape(g, shape=(1,) * len(shape))
    axes = axes_of(axis, len(shape))
    return reshape(g, shape=tuple(1 if i in axes else n for i, n in enumerate(shape)))


def spread(g: Any, shape: tuple[int, ...], axis: Any, keepdims: bool) -> Any:
    """Repeat `g` along the reduced axes, to an array of `shape`."""
    if axis is not None and not keepdims:
        g = kept(g, shape, axis, keepdims)
    return broadcast_to(g, shape=shape)


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    return np.lib.array_utils.normalize_axis_tuple(axis, ndim)


def in_one_axis(a: Any, axis: Any) -> Any:
    """Join the axes of a reduction to a single one, the last."""
    axes = axes_of(axis, a.ndim)
    if axes == (a.ndim - 1,):
        return a
    rest = tuple(i for i in range(a.ndim) if i not in axes)
    moved = transpose(a, axes=(*rest, *axes))
    return reshape(moved, shape=(*moved.shape[: len(rest)], -1 if a.size else 0))


def in_many_axes(a: Any, axis: Any, shape: tuple[int, ...]) -> Any:
    """Undo `in_one_axis` for an array that had `shape`."""
    axes = axes_of(axis, len(shape))
    if axes == (len(shape) - 1,):
        return a
    order = (*(i for i in range(len(shape)) if i not in axes), *axes)
    inverse = tuple(int(i) for i in np.argsort(order))
    return transpose(reshape(a, shape=tuple(shape[i] for i in order)), axes=inverse)


def exchanged(a: Any, axis: int) -> Any:
    """Exchange `axis` with the last axis."""
    return a if axis in (-1, a.ndim - 1) else swapaxes(a, axis1=axis, axis2=-1)


def reduced_count(shape: tuple[int, ...], axis: Any) -> int:
    """Return the number of elements that each result of a reduction over `axis` combines."""
    return math.prod(shape[i] for i in axes_of(axis, len(shape)))


def over(axis: Any, ndim: int) -> str:
    r"""Write the axes of a reduction as a subscript in LaTeX; nothing for all axes.

    >>> over(-1, 2), over(None, 2)
    ('_{\\mathrm{axis\\ 1}}', '')
    """
    axes = axes_of(axis, ndim)
    if len(axes) == ndim:
        return ""
    numbers = ", ".join(map(str, axes))
    return rf"_{{\mathrm{{{'axis' if len(axes) == 1 else 'axes'}\ {numbers}}}}}"


@op(
    rules={"a": lambda g, y, a, axis, keepdims: spread(g, a.shape, axis, keepdims)},
    equation="y = Σ a,  ā = g",
    latex=lambda a, axis, keepdims: rf"\sum{over(axis, a.ndim)} {a}",
    reference=lambda a, axis, keepdims: np.mean(a, axis, keepdims=keepdims)
    * reduced_count(a.shape, axis),
    samples=reductions,
    numpy=np.sum,
)
def sum(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum over `axis` (None: over all elements).

    >>> sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    array([4., 6.])
    """
    return add_up(a, axis=axis, keepdims=keepdims)


@op(
    rules={
        "a": lambda g, y, a, axis, keepdims: spread(g, a.shape, axis, keepdims)
        / reduced_count(a.shape, axis)
    },
    equation="y = Σ a / n,  ā = g / n",
    latex=lambda a, axis, keepdims: rf"\mathrm{{mean}}{over(axis, a.ndim)}({a})",
    reference=lambda a, axis, keepdims: np.average(a, axis=axis, keepdims=keepdims),
    samples=reductions,
    numpy=np.mean,
    decomposable=True,
)
def mean(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Arithmetic mean over `axis` (None: over all elements).

    >>> mean([[1.0, 2.0], [3.0, 4.0]], axis=0)
    array([2., 3.])
    """
    # Twice as fast as np.mean on small arrays, which does more bookkeeping for the same division.
    return add_up(a, axis=axis, keepdims=keepdims) / reduced_count(a.shape, axis)


def _at_extreme(g: Any, y: Any, a: Any, axis: Any, keepdims: bool) -> Any:
    hit = equal(a, kept(y, a.shape, axis, keepdims))
    ties = sum(hit, axis=axis, keepdims=True)
    return hit * (kept(g, a.shape, axis, keepdims) / ties)


@op(
    rules={"a": _at_extreme},
    equation="y = max a,  ā = g [a = y] / Σ [a = y]",
    latex=lambda a, axis, keepdims: rf"\max{over(axis, a.ndim)}({a})",
    reference=lambda a, axis, keepdims: -np.amin(-a, axis=axis, keepdims=keepdims),
    samples=reductions,
    numpy=(np.max, np.amax),
)
def max(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Largest element over `axis`. Ties share the gradient equally.

    >>> max([[1.0, 2.0], [3.0, 0.0]], axis=1)
    array([2., 3.])
    """
    return largest(a, axis=axis, keepdims=keepdims)


amax = max


@op(
    rules={"a": _at_extreme},
    equation="y = min a,  ā = g [a = y] / Σ [a = y]",
    latex=lambda a, axis, keepdims: rf"\min{over(axis, a.ndim)}({a})",
    reference=lambda a, axis, keepdims: -np.amax(-a, axis=axis, keepdims=keepdims),
    samples=reductions,
    numpy=(np.min, np.amin),
)
def min(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Smallest element over `axis`. Ties share the gradient equally.

    >>> min([[1.0, 2.0], [3.0, 0.0]], axis=1)
    array([1., 0.])
    """
    return smallest(a, axis=axis, keepdims=keepdims)


amin = min


def _copied(shape: tuple[int, ...], source: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes of `shape` along which an array of shape `source` is repeated."""
    added = len(shape) - len(source)
    axes = (i + added for i, n in enumerate(source) if n == 1 and shape[i + added] != 1)
    return (*range(added), *axes)


@op(
    rules={"a": lambda g, y, a, shape: broadcast_to(g, shape=a.shape)},
    equation="y = a summed down to shape,  ā = broadcast_to(g, shape(a))",
    latex=lambda a, shape: rf"\sum{over(_copied(a.shape, shape), a.ndim)} {a}",
    reference=lambda a, shape: np.einsum("ij->j", a) if shape == a.shape[1:]
    else np.einsum("ij->i", a)[:, None],
    samples=lambda rng: sample_arrays(rng, shapes=((2, 3),), shape=((3,), (2, 1))),
    decomposable=True,
)
def sum_to(a: Any, *, shape: tuple[int, ...]) -> Any:
    """Sum the axes along which an array of `shape` was broadcast: the adjoint of `broadcast_to`.

    Source: the transpose of the linear map `broadcast_to`.

    >>> sum_to([[1.0, 2.0], [3.0, 4.0]], shape=(1, 2))
    array([[4., 6.]])
    """
    added = a.ndim - len(shape)
    if added == 1 and 1 not in shape:  # a bias: the case of every layer
        return add_up(a, axis=0)
    return add_up(a, axis=_copied(a.shape, shape), keepdims=True).reshape(shape)


def broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Return whether an array of `shape` can be broadcast to the shape `to`.

    >>> broadcasts((2, 1), (4, 2, 3)), broadcasts((2,), (2, 3))
    (True, False)
    """
    n = len(shape)
    return n <= len(to) and all(
        a == b or a == 1 for a, b in zip(shape, to[len(to) - n :], strict=True)
    )
