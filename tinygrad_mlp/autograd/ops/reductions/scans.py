"""Running sums and products along an axis, linear recurrences, differences and integrals.

No rule divides by an element, so that products are right with zeros in them, to any order. The
derivative of a product with respect to one factor is the product of all the others; that of a
running product is a linear recurrence, whose derivative is a recurrence again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd.argument_types import Axis, Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, implements, op
from tinygrad_mlp.autograd.ops.reductions.reduction import exchanged, in_many_axes, in_one_axis
from tinygrad_mlp.autograd.ops.samples import each_row, sample_arrays
from tinygrad_mlp.autograd.ops.shapes.arranging import flip, pad_op
from tinygrad_mlp.autograd.ops.shapes.indexing import getitem
from tinygrad_mlp.autograd.ops.shapes.joining import concatenate
from tinygrad_mlp.autograd.ops.shapes.shape import reshape, shape_of
from tinygrad_mlp.autograd.ops.sums import kept, named_over, over, reductions, spread
from tinygrad_mlp.errors import ShapeError

__all__ = ["cumsum", "cumprod", "prod", "recurrence", "diff", "trapezoid"]

multiply_up: Any = np.multiply.reduce  # its stubs accept no keepdims but a literal


def widened(a: Array, before: int, after: int, axis: int = -1, value: float = 0) -> Array:
    """Add elements of `value` before the first and after the last of an axis."""
    widths = [(0, 0)] * a.ndim
    widths[axis] = before, after
    return pad_op(a, pad_width=tuple(widths), constant_values=value)


def delayed(a: Array, first: float) -> Array:
    """Shift by one along the last axis: ``first, a₀, a₁, …`` without the last element."""
    if a.shape[-1] == 0:
        return a
    return widened(getitem(a, template=(Ellipsis, slice(0, -1))), 1, 0, value=first)


def _cumsum_rule(g: Array, y: Array, a: Array, axis: int | None) -> Array:
    along = 0 if axis is None else axis
    return reshape(flip(cumsum(flip(g, along), axis=along), along), shape=a.shape)


def _scanned(rng: np.random.Generator) -> list[Sample]:
    return [
        *sample_arrays(rng, shapes=((), (3,)), axis=(None,)),
        *sample_arrays(rng, shapes=((2, 3),), axis=(None, 0, -1)),
        *sample_arrays(rng, shapes=((2, 2, 2),), axis=(1,))]


@op(rules={"a": _cumsum_rule},
    equation="y[i] = Σ a[j] [j ≤ i],  ā[i] = Σ g[j] [j ≥ i]", latex=named_over("cumsum"),
    numpy=np.cumsum,
    reference=lambda a, axis: each_row(lambda row: np.tri(len(row)) @ row, a, axis),
    samples=_scanned)
def cumsum(a: Array, *, axis: int | None = None) -> Array:
    """Compute running sums of the elements along `axis` (None: of all, in one axis).

    >>> cumsum([1.0, 2.0, 3.0])
    array([1., 3., 6.])
    """
    return np.cumsum(a, axis=axis)


def _backwards(g: Array, a: Array) -> Array:
    """Compute ``tᵢ = gᵢ + aᵢ₊₁ tᵢ₊₁`` from the last element to the first."""
    return flip(recurrence(flip(g, -1), delayed(flip(a, -1), 1)), -1)


def _recurrence_reference(b: Array, a: Array) -> Array:
    n = b.shape[-1]
    terms = [
        sum(b[..., j] * np.prod(a[..., j + 1 : i + 1], axis=-1) for j in range(i + 1))
        for i in range(n)]
    return np.stack(terms, axis=-1)


@op(rules={"b": lambda g, y, b, a: _backwards(g, a),
           "a": lambda g, y, b, a: _backwards(g, a) * delayed(y, 0)},
    equation="y[i] = b[i] + a[i] y[i − 1],  b̄[i] = g[i] + a[i + 1] b̄[i + 1],  "
    "ā[i] = b̄[i] y[i − 1]",
    latex=r"\mathrm{{recurrence}}({b}, {a})", reference=_recurrence_reference,
    samples=lambda rng: [
        Sample(rng.normal(size=shape), rng.normal(size=shape)) for shape in ((1,), (4,), (2, 3))],
    floating=True)
def recurrence(b: Array, a: Array) -> Array:
    """Compute the linear recurrence ``yᵢ = bᵢ + aᵢ yᵢ₋₁``, ``y₁ = b₁``, along the last axis.

    An exponential moving average is one, and so is the gradient of a running product.

    Raises:
        ShapeError: `a` and `b` are of different shapes, or have no axis.

    Source: the adjoint of a linear recurrence runs backwards; Griewank and Walther, "Evaluating
    Derivatives", 2008, ch. 3.

    >>> import numpy as np
    >>> recurrence(np.array([1.0, 0.0, 0.0]), np.full(3, 0.5))
    array([1.  , 0.5 , 0.25])
    """
    if np.shape(b) != np.shape(a) or np.ndim(b) == 0:
        raise ShapeError(
            f"recurrence() expects two arrays of one shape, with an axis. Got {np.shape(b)} and "
            f"{np.shape(a)}.")
    y = np.array(b, dtype=np.result_type(b, a))
    for i in range(1, y.shape[-1]):
        y[..., i] += a[..., i] * y[..., i - 1]
    return y


def _cumprod_rule(g: Array, y: Array, a: Array, axis: int | None) -> Array:
    shape = a.shape
    if axis is None or not shape:
        a, axis = reshape(a, shape=(-1,)), -1
    a, g, y = (exchanged(v, axis) for v in (a, g, y))
    # The product of the elements before, times a recurrence over those behind.
    return reshape(exchanged(delayed(y, 1) * _backwards(g, a), axis), shape=shape)


@op(rules={"a": _cumprod_rule},
    equation="y[i] = Π a[j]^[j ≤ i],  a[i] ā[i] = Σ g[j] y[j] [j ≥ i]",
    latex=named_over("cumprod"), numpy=np.cumprod,
    reference=lambda a, axis: each_row(
        lambda row: [np.prod(row[: i + 1]) for i in range(len(row))], a, axis),
    samples=lambda rng: [*_scanned(rng), Sample(np.array([0.5, 0.0, 2.0, 0.0, -1.0]), axis=0)])
def cumprod(a: Array, *, axis: int | None = None) -> Array:
    """Compute running products of the elements along `axis` (None: of all, in one axis).

    >>> cumprod([1.0, 2.0, 3.0])
    array([1., 2., 6.])
    """
    return np.cumprod(a, axis=axis)


def _all_but_one(a: Array) -> Array:
    """Compute for each element the product of all others along the last axis."""
    before = delayed(cumprod(a, axis=-1), 1)
    behind = flip(delayed(cumprod(flip(a, -1), axis=-1), 1), -1)
    return before * behind


def _prod_rule(g: Array, y: Array, a: Array, axis: Axis, keepdims: bool) -> Array:
    if a.ndim == 0:
        return g
    others = in_many_axes(_all_but_one(in_one_axis(a, axis)), axis, a.shape)
    return spread(g, a.shape, axis, keepdims) * others


@op(rules={"a": _prod_rule},
    equation="y = Π a,  ā[i] = g Π a[j]^[j ≠ i]", latex=named_over("prod"), numpy=np.prod,
    reference=lambda a, axis, keepdims: np.exp(
        np.sum(np.log(a.astype(complex)), axis=axis, keepdims=keepdims)).real,
    samples=reductions)
def prod(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Compute the product over `axis` (None: over all elements).

    >>> prod([[1.0, 2.0], [3.0, 4.0]], axis=0)
    array([3., 8.])
    """
    return multiply_up(a, axis=axis, keepdims=keepdims)


def _diff_rule(g: Array, y: Array, a: Array, n: int, axis: int) -> Array:
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
def diff_op(a: Array, *, n: int = 1, axis: int = -1) -> Array:
    return np.diff(a, n, axis)


@implements(np.diff)
def diff(a: Operand, n: int = 1, axis: int = -1, prepend: Operand | None = None,
         append: Operand | None = None) -> Array:
    """Compute the differences of neighbours along `axis`, `n` times over.

    `prepend` and `append` are joined to `a` before: arrays, or numbers for one element.

    >>> diff([1.0, 4.0, 9.0])
    array([3., 5.])
    """
    if prepend is None and append is None:
        return diff_op(a, n=n, axis=axis)
    shape = list(shape_of(a))
    shape[axis] = 1
    ends = [
        [] if end is None else [end if shape_of(end) else np.full(shape, end)]
        for end in (prepend, append)]
    return diff_op(concatenate([*ends[0], a, *ends[1]], axis), n=n, axis=axis)


def neighbours(a: Array) -> tuple[Array, Array]:
    """Return all elements of the last axis but the first, and all but the last."""
    return (
        getitem(a, template=(Ellipsis, slice(1, None))),
        getitem(a, template=(Ellipsis, slice(0, -1))))


def _trapezoid_y(g: Array, out: Array, y: Array, x: Array, dx: float, axis: int) -> Array:
    if y.size == 0:
        return np.zeros(y.shape, y.dtype)
    half = kept(g, y.shape, axis, False) / 2
    if x is None:
        apart = np.full(y.shape[axis] - 1, dx, y.dtype)
    else:
        apart = diff_op(x if x.ndim < 2 else exchanged(x, axis))
    half = exchanged(half, axis) * apart
    return exchanged(widened(half, 1, 0) + widened(half, 0, 1), axis)


def _trapezoid_x(g: Array, out: Array, y: Array, x: Array, dx: float, axis: int) -> Array:
    right, left = neighbours(exchanged(y, axis))
    mean = exchanged(kept(g, y.shape, axis, False), axis) * (right + left) / 2
    share = widened(mean, 1, 0) - widened(mean, 0, 1)
    return share if x.ndim < 2 else exchanged(share, axis)


def _trapezoid_reference(y: Array, x: Array, dx: float, axis: int) -> Array:
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
        Sample(rng.normal(size=(3, 2)), axis=0)],
    floating=True)
def trapezoid(y: Array, x: Array | None = None, *, dx: float = 1.0, axis: int = -1) -> Array:
    """Integrate `y` along `axis` by the trapezoidal rule, at the points `x` or `dx` apart.

    `x` has one axis, or as many as `y`.

    >>> trapezoid([[0.0, 1.0, 4.0]], dx=1.0)
    array([3.])
    """
    return np.trapezoid(y, x, dx=dx, axis=axis)
