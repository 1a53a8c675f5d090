"""Differences of neighbours along an axis, and integrals by the trapezoidal rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import Sample, implements, op
from tinygrad_mlp.autograd.ops.reductions.reduction import exchanged
from tinygrad_mlp.autograd.ops.reductions.scans import widened
from tinygrad_mlp.autograd.ops.samples import each_row, sample_arrays
from tinygrad_mlp.autograd.ops.shapes.indexing import getitem
from tinygrad_mlp.autograd.ops.shapes.joining import concatenate
from tinygrad_mlp.autograd.ops.sums import kept, over

__all__ = ["diff", "trapezoid"]


def _diff_rule(g: Any, y: Any, a: Any, n: int, axis: int) -> Any:
    if n == 0:
        return g
    if y.size == 0:
        return np.zeros(a.shape, a.dtype)
    back = diff_op(widened(g, n, n, axis), n=n, axis=axis)
    return -back if n % 2 else back


@op(name="diff", rules={"a": _diff_rule},
    equation="y[i] = Σ (−1)^(n + i − j) C(n, j − i) a[j],  "
    "ā[j] = Σ (−1)^(n + i − j) C(n, j − i) g[i]",
    latex=lambda a, n, axis: (rf"\Delta{f'^{{{n}}}' if n != 1 else ''}{over(axis, a.ndim)} {a}"),
    reference=lambda a, n, axis: each_row(
        lambda row: np.convolve(row, (np.poly1d([1.0, -1.0]) ** n).coeffs, "valid"), a, axis),
    samples=lambda rng: (
        *sample_arrays(rng, shapes=((4,),), n=(0, 1, 2, 3), axis=(-1,)),
        *sample_arrays(rng, shapes=((3, 4),), n=(1, 2), axis=(0, -1))))
def diff_op(a: Any, *, n: int = 1, axis: int = -1) -> Any:
    return np.diff(a, n, axis)


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Compute the differences of neighbours along `axis`, `n` times over.

    `prepend` and `append` are joined to `a` before: arrays, or numbers for one element.

    >>> diff([1.0, 4.0, 9.0])
    array([3., 5.])
    """
    if prepend is None and append is None:
        return diff_op(a, n=n, axis=axis)
    shape = list(np.shape(a))
    shape[axis] = 1
    ends = [
        [] if end is None else [end if np.ndim(end) else np.full(shape, end)]
        for end in (prepend, append)]
    return diff_op(concatenate([*ends[0], a, *ends[1]], axis), n=n, axis=axis)


def neighbours(a: Any) -> tuple[Any, Any]:
    """Return all elements of the last axis but the first, and all but the last."""
    return (
        getitem(a, template=(Ellipsis, slice(1, None))),
        getitem(a, template=(Ellipsis, slice(0, -1))))


def _trapezoid_y(g: Any, out: Any, y: Any, x: Any, dx: float, axis: int) -> Any:
    if y.size == 0:
        return np.zeros(y.shape, y.dtype)
    half = kept(g, y.shape, axis, False) / 2
    if x is None:
        apart = np.full(y.shape[axis] - 1, dx, y.dtype)
    else:
        apart = diff_op(x if x.ndim < 2 else exchanged(x, axis))
    half = exchanged(half, axis) * apart
    return exchanged(widened(half, 1, 0) + widened(half, 0, 1), axis)


def _trapezoid_x(g: Any, out: Any, y: Any, x: Any, dx: float, axis: int) -> Any:
    right, left = neighbours(exchanged(y, axis))
    mean = exchanged(kept(g, y.shape, axis, False), axis) * (right + left) / 2
    share = widened(mean, 1, 0) - widened(mean, 0, 1)
    return share if x.ndim < 2 else exchanged(share, axis)


def _trapezoid_reference(y: Any, x: Any, dx: float, axis: int) -> Any:
    y = np.moveaxis(y, axis, -1)
    n = y.shape[-1]
    x = dx * np.arange(n) if x is None else np.moveaxis(x, axis, -1) if x.ndim > 1 else x
    return sum((x[..., i + 1] - x[..., i]) * (y[..., i] + y[..., i + 1]) / 2 for i in range(n - 1))


@op(rules={"y": _trapezoid_y, "x": _trapezoid_x},
    equation="out = Σ d[i] m[i],  ȳ[i] = g (d[i] + d[i + 1]) / 2,  x̄[i] = g (m[i] − m[i + 1]),  "
    "d[i] = (x[i] − x[i − 1]) [i > 0],  m[i] = (y[i] + y[i − 1]) / 2 [i > 0]",
    latex=lambda y, x, dx, axis: rf"\mathrm{{trapezoid}}{over(axis, y.ndim)}({y}"
    + (")" if x is None else f", {x})"),
    numpy=np.trapezoid, reference=_trapezoid_reference,
    samples=lambda rng: [
        Sample(rng.normal(size=4), dx=0.5),
        Sample(rng.normal(size=(2, 3)), rng.normal(size=3)),
        Sample(rng.normal(size=(3, 2)), rng.normal(size=3), axis=0),
        Sample(rng.normal(size=(3, 1, 2)), rng.normal(size=(3, 1, 2)), axis=0),
        Sample(rng.normal(size=(3, 2)), axis=0)])
def trapezoid(y: Any, x: Any = None, *, dx: float = 1.0, axis: int = -1) -> Any:
    """Integrate `y` along `axis` by the trapezoidal rule, at the points `x` or `dx` apart.

    `x` has one axis, or as many as `y`.

    >>> trapezoid([[0.0, 1.0, 4.0]], dx=1.0)
    array([3.])
    """
    return np.trapezoid(y, x, dx=dx, axis=axis)
