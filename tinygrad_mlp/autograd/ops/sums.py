"""Sums, and their transpose: repeating elements.

The gradient of a sum repeats the cotangent, and the gradient of a repetition sums it. The backward
pass itself uses `sum_to` where the forward pass has broadcast an argument. `axis` and `keepdims`
mean what they mean in NumPy; `kept` puts the reduced axes back into a cotangent.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, op

if TYPE_CHECKING:
    from tinygrad_mlp.autograd.argument_types import Axis, Shape

__all__ = ["sum", "mean", "sum_to", "broadcast_to"]

add_up: Any = np.add.reduce  # its stubs accept no keepdims but a literal


def reductions(rng: np.random.Generator, **static: Sequence[object]) -> list[Sample]:
    """Draw samples of a reduction: no axis, one or several, with and without keepdims."""
    axes = {(): (None,), (3,): (None, 0), (2, 3): (None, 0, -1, (0, 1)), (2, 3, 2): (1, (0, 2))}
    return [
        Sample(
            rng.normal(size=shape), axis=axis, keepdims=keepdims,
            **dict(zip(static, values, strict=True)))
        for shape in axes
        for axis in axes[shape]
        for keepdims in ((False, True) if len(shape) in (1, 2) else (False,))
        for values in product(*static.values())]


def axes_of(axis: Axis, ndim: int) -> tuple[int, ...]:
    """Return the axes of a reduction, counted from the front; all of them for None."""
    if axis is None:
        return tuple(range(ndim))
    return np.lib.array_utils.normalize_axis_tuple(axis, ndim)


def reduced_count(shape: tuple[int, ...], axis: Axis) -> int:
    """Return the number of elements that each result of a reduction over `axis` combines."""
    return math.prod(shape[i] for i in axes_of(axis, len(shape)))


def powers_fit(y: Array, power: float) -> bool:
    """Return whether numbers of the size of `y`, raised to a power, keep all of their digits."""
    limit = _limit(y.dtype, power)
    if y.size == 1:
        return bool(1 / limit < y.item() < limit)
    return bool(y.min(initial=limit) > 1 / limit and y.max(initial=0) < limit)


@functools.cache
def _limit(dtype: np.dtype[np.floating], power: float) -> float:
    return float(float(np.finfo(dtype).max) ** (0.4 / max(abs(power), 1)))


def scale_of(a: Array, exactly: bool = False) -> Array:
    """Return the size of numbers above 0, or the power of 2 below it, which changes no digit.

    For 0 and what is not finite: 1.
    """
    size = a if exactly else np.ldexp(np.ones_like(a), np.frexp(a)[1] - 1)
    return np.where(np.isfinite(a) & (a > 0), size, np.ones_like(a))


def kept(g: Array, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Array:
    """Put the reduced axes of an array of `shape` back into `g`, with length 1."""
    if keepdims or g.shape == shape:
        return g
    if axis is None:
        return g.reshape((1,) * len(shape))
    axes = axes_of(axis, len(shape))
    return g.reshape(tuple(1 if i in axes else n for i, n in enumerate(shape)))


def spread(g: Array, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Array:
    """Repeat `g` along the reduced axes, to an array of `shape`."""
    if axis is not None and not keepdims:
        g = kept(g, shape, axis, keepdims)
    return broadcast_to(g, shape=shape)


def over(axis: Axis, ndim: int) -> str:
    r"""Write the axes of a reduction as a subscript in LaTeX; nothing for all axes.

    >>> over(-1, 2), over(None, 2)
    ('_{\\mathrm{axis\\ 1}}', '')
    """
    axes = axes_of(axis, ndim)
    if len(axes) == ndim:
        return ""
    numbers = ", ".join(map(str, axes))
    return rf"_{{\mathrm{{{'axis' if len(axes) == 1 else 'axes'}\ {numbers}}}}}"


def named_over(name: str) -> Any:
    """Return the function that writes a named operation with its axes in LaTeX."""
    return lambda a, axis, **static: rf"\mathrm{{{name}}}{over(axis, a.ndim)}({a})"


@op(
    # The engine sums a gradient down to the shape of its argument: that is the whole rule.
    rules={"a": lambda g, y, a, shape: g},
    equation="y = broadcast_to(a, shape),  ā = g", latex="{a}",
    numpy=np.broadcast_to, reference=lambda a, shape: a * np.ones(shape, a.dtype),
    samples=lambda rng: [
        Sample(rng.normal(size=size), shape=shape)
        for size in ((3,), (2, 1), ())
        for shape in ((2, 3), (4, 2, 3))])
def broadcast_to(a: Array, *, shape: Shape) -> Array:
    """Repeat along new axes and along axes of length 1.

    >>> broadcast_to([1.0, 2.0], shape=(2, 2))
    array([[1., 2.],
           [1., 2.]])
    """
    if a.ndim == 0:
        # A filled array costs a quarter of np.broadcast_to, and this case ends every loss.
        return np.full(shape, a)
    return np.broadcast_to(a, shape)


@op(rules={"a": lambda g, y, a, axis, keepdims: spread(g, a.shape, axis, keepdims)},
    equation="y = Σ a,  ā = g", latex=lambda a, axis, keepdims: rf"\sum{over(axis, a.ndim)} {a}",
    numpy=np.sum,
    reference=lambda a, axis, keepdims: np.mean(a, axis, keepdims=keepdims)
    * reduced_count(a.shape, axis),
    samples=reductions)
def sum(a: Array, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Array:
    """Sum over `axis` (None: over all elements).

    >>> sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    array([4., 6.])
    """
    return add_up(a, axis=axis, keepdims=keepdims)


@op(rules={
        "a": lambda g, y, a, axis, keepdims: spread(g, a.shape, axis, keepdims)
        / reduced_count(a.shape, axis)},
    equation="y = Σ a / n,  ā = g / n", latex=named_over("mean"), numpy=np.mean,
    reference=lambda a, axis, keepdims: np.average(a, axis=axis, keepdims=keepdims),
    samples=reductions, decomposable=True)
def mean(a: Array, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Array:
    """Compute the arithmetic mean over `axis` (None: over all elements).

    >>> mean([[1.0, 2.0], [3.0, 4.0]], axis=0)
    array([2., 3.])
    """
    # Twice as fast as np.mean on small arrays, which does more bookkeeping for the same division.
    if a.dtype == np.float16:  # its sums would end at 65504
        wide = add_up(a.astype(np.float32), axis=axis, keepdims=keepdims)
        return (wide / reduced_count(a.shape, axis)).astype(np.float16)
    return add_up(a, axis=axis, keepdims=keepdims) / reduced_count(a.shape, axis)


def copied_axes(shape: tuple[int, ...], source: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes of `shape` along which an array of shape `source` is repeated.

    >>> copied_axes((4, 2, 3), (2, 1))
    (0, 2)
    """
    added = len(shape) - len(source)
    axes = (i + added for i, n in enumerate(source) if n == 1 and shape[i + added] != 1)
    return (*range(added), *axes)


@op(rules={"a": lambda g, y, a, shape: broadcast_to(g, shape=a.shape)},
    equation="y = a summed down to shape,  ā = g",
    latex=lambda a, shape: rf"\sum{over(copied_axes(a.shape, shape), a.ndim)} {a}",
    reference=lambda a, shape: np.einsum("ij->j", a) if shape == a.shape[1:]
    else np.einsum("ij->i", a)[:, None],
    samples=lambda rng: [Sample(rng.normal(size=(2, 3)), shape=shape) for shape in ((3,), (2, 1))],
    decomposable=True)
def sum_to(a: Array, *, shape: tuple[int, ...]) -> Array:
    """Sum the axes along which an array of `shape` was broadcast: the adjoint of `broadcast_to`.

    Source: the transpose of the linear map `broadcast_to`.

    >>> sum_to([[1.0, 2.0], [3.0, 4.0]], shape=(1, 2))
    array([[4., 6.]])
    """
    added = a.ndim - len(shape)
    if added == 1 and 1 not in shape:  # a bias: the case of every layer
        return add_up(a, axis=0)
    return add_up(a, axis=copied_axes(a.shape, shape), keepdims=True).reshape(shape)


def broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Return whether an array of `shape` can be broadcast to the shape `to`.

    >>> broadcasts((2, 1), (4, 2, 3)), broadcasts((2,), (2, 3))
    (True, False)
    """
    last = to[max(len(to) - len(shape), 0) :]
    return shape == last or len(shape) == len(last) and all(
        a == b or a == 1 for a, b in zip(shape, last, strict=True))
