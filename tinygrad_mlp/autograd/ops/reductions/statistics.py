"""Statistics along axes: spread, weighted means, the median."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd.argument_types import Axis, Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, implements, op
from tinygrad_mlp.autograd.ops.elementwise.comparison import equal, isnan
from tinygrad_mlp.autograd.ops.elementwise.selection import where
from tinygrad_mlp.autograd.ops.reductions.reduction import in_many_axes, in_one_axis
from tinygrad_mlp.autograd.ops.reductions.sorting import sort
from tinygrad_mlp.autograd.ops.samples import well_apart
from tinygrad_mlp.autograd.ops.shapes.indexing import getitem
from tinygrad_mlp.autograd.ops.shapes.shape import array_or_tensor, indicator, reshape
from tinygrad_mlp.autograd.ops.sums import (
    axes_of,
    kept,
    mean,
    named_over,
    over,
    powers_fit,
    reduced_count,
    reductions,
    scale_of,
    spread,
    sum,
)
from tinygrad_mlp.errors import ShapeError

__all__ = ["var", "std", "average", "median"]

weighted_mean: Any = np.average  # its stubs accept no keepdims but a literal


def _var_rule(g: Array, y: Array, a: Array, axis: Axis, ddof: int, keepdims: bool) -> Array:
    deviation = a - mean(a, axis=axis, keepdims=True)
    n = reduced_count(a.shape, axis)
    return deviation * (kept(g, a.shape, axis, keepdims) * 2 / (n - ddof))


def _var_latex(a: Any, axis: Any, ddof: int, keepdims: bool) -> str:
    n = reduced_count(a.shape, axis)
    corrected = rf"\frac{{{n}}}{{{n - ddof}}}\," if ddof else ""
    return rf"{corrected}\mathrm{{var}}{over(axis, a.ndim)}({a})"


def _of_several(rng: np.random.Generator) -> list[Sample]:
    """Draw samples of a reduction in which every result combines several elements."""
    return [
        s
        for s in reductions(rng, ddof=(0, 1))
        if reduced_count(s.args[0].shape, s.static["axis"]) > 1]


@op(rules={"a": _var_rule},
    equation="y = Σ (a − m)² / (n − ddof),  ā = 2 g (a − m) / (n − ddof),  m = Σ a / n",
    latex=_var_latex, numpy=np.var,
    reference=lambda a, axis, ddof, keepdims: np.std(a, axis=axis, ddof=ddof, keepdims=keepdims)
    ** 2,
    samples=_of_several)
def var(a: Array, *, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Array:
    """Compute the variance over `axis`: the sum of squared deviations, over ``n − ddof``.

    >>> var([[1.0, 3.0], [2.0, 2.0]], axis=1)
    array([1., 0.])
    """
    return np.var(a, axis=axis, ddof=ddof, keepdims=keepdims)


def _std_rule(g: Array, y: Array, a: Array, axis: Axis, ddof: int, keepdims: bool) -> Array:
    y, g = kept(y, a.shape, axis, keepdims), kept(g, a.shape, axis, keepdims)
    deviation = a - mean(a, axis=axis, keepdims=True)
    # Where all elements are equal, all deviations are 0, and so is the gradient.
    relative = deviation / where(equal(y, 0), 1, y)  # (g / y could overflow)
    return relative * (g / (reduced_count(a.shape, axis) - ddof))


@op(rules={"a": _std_rule},
    equation="y = √(Σ (a − m)² / (n − ddof)),  "
    "ā = g (a − m) / ((n − ddof) y) where y ≠ 0 else 0,  m = Σ a / n",
    latex=lambda a, axis, ddof, keepdims: rf"\sqrt{{{_var_latex(a, axis, ddof, keepdims)}}}",
    numpy=np.std,
    reference=lambda a, axis, ddof, keepdims: np.sqrt(
        np.var(a, axis=axis, ddof=ddof, keepdims=keepdims)),
    samples=_of_several)
def std(a: Array, *, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Array:
    """Compute the standard deviation over `axis`: the root of the variance.

    >>> std([[1.0, 3.0], [2.0, 2.0]], axis=1)
    array([1., 0.])
    """
    with np.errstate(over="ignore", under="ignore"):
        y = np.std(a, axis=axis, ddof=ddof, keepdims=keepdims)
        if a.size and a.dtype.kind == "f" and not powers_fit(y, 2):
            scale = scale_of(np.max(np.abs(a), axis=axis, keepdims=True))
            scaled = np.std(a / scale, axis=axis, ddof=ddof, keepdims=True) * scale
            y = scaled.reshape(np.shape(y))
    return y


def _weights_for(a: Array, weights: Array, axis: Axis) -> Array:
    """Return the weights in a shape that broadcasts against `a`."""
    if weights.shape == a.shape:
        return weights
    axes = axes_of(axis, a.ndim)
    return reshape(weights, shape=tuple(n if i in axes else 1 for i, n in enumerate(a.shape)))


def _average_a(g: Array, y: Array, a: Array, weights: Array, axis: Axis, keepdims: bool) -> Array:
    if weights is None:
        return spread(g, a.shape, axis, keepdims) / reduced_count(a.shape, axis)
    w = _weights_for(a, weights, axis)
    return w * (kept(g, a.shape, axis, keepdims) / sum(w, axis=axis, keepdims=True))


def _average_weights(
    g: Array, y: Array, a: Array, weights: Array, axis: Axis, keepdims: bool
) -> Array:
    w = _weights_for(a, weights, axis)
    total = sum(w, axis=axis, keepdims=True)
    g, y = kept(g, a.shape, axis, keepdims), kept(y, a.shape, axis, keepdims)
    share = (a - y) * (g / total)
    if weights.shape == a.shape:
        return share
    rest = tuple(i for i in range(a.ndim) if i not in axes_of(axis, a.ndim))
    return reshape(sum(share, axis=rest), shape=weights.shape)


def _average_latex(a: Any, weights: object, axis: Any, keepdims: bool) -> str:
    given = "" if weights is None else f", {weights}"
    return rf"\mathrm{{average}}{over(axis, a.ndim)}({a}{given})"


def _average_reference(a: Array, weights: Array, axis: Axis, keepdims: bool) -> Array:
    w = np.ones(a.shape) if weights is None else _weights_for(a, weights, axis) * np.ones(a.shape)
    total = np.sum(w * a, axis=axis, keepdims=keepdims)
    return total / np.sum(w, axis=axis, keepdims=keepdims)


@op(name="average", rules={"a": _average_a, "weights": _average_weights},
    equation="y = Σ w[i] a[i] / Σ w[i],  ā[i] = g w[i] / Σ w[j],  w̄[i] = g (a[i] − y) / Σ w[j]",
    latex=_average_latex, reference=_average_reference,
    samples=lambda rng: [
        *reductions(rng),
        Sample(rng.normal(size=(2, 3)), rng.uniform(0.5, 2, size=(2, 3)), axis=(0, 1)),
        Sample(rng.normal(size=(2, 3)), rng.uniform(0.5, 2, size=(2, 3)), axis=1, keepdims=True),
        Sample(rng.normal(size=(2, 3)), rng.uniform(0.5, 2, size=3), axis=-1),
        Sample(rng.normal(size=(2, 3)), rng.uniform(0.5, 2, size=2), axis=0, keepdims=True)])
def average_op(a: Array, weights: Any = None, *, axis: Axis = None,
               keepdims: bool = False) -> Array:
    if np.shape(weights) not in ((), a.shape) and isinstance(axis, tuple):
        raise ShapeError(
            f"average() expects weights of the shape of a, {a.shape}, or for a single axis one "
            f"for each element of it. Got shape {weights.shape} for axis={axis}.")
    if weights is None:  # np.average divides by a number of results, which may be 0
        return np.mean(a, axis=axis, keepdims=keepdims)
    return weighted_mean(a, axis=axis, weights=weights, keepdims=keepdims)


@implements(np.average)
def average(a: Operand, axis: Axis = None, weights: Operand | None = None, *,
            keepdims: bool = False) -> Array:
    """Compute the weighted mean over `axis`; without weights, the mean.

    Args:
        weights: of the shape of `a`, or one for each element of the one `axis`.

    With `keepdims` the axes that the mean is taken over stay, with length 1.

    >>> average([1.0, 3.0], weights=[3.0, 1.0]).item()
    1.5
    """
    return average_op(array_or_tensor(a), weights, axis=axis, keepdims=keepdims)


def _median_rule(g: Array, y: Array, a: Array, axis: Axis, keepdims: bool) -> Array:
    if a.ndim == 0:
        return g
    rows = in_one_axis(a, axis)
    ordered, n = sort(rows), rows.shape[-1]
    half = reshape(g, shape=(*rows.shape[:-1], 1)) / 2
    lost = isnan(getitem(ordered, template=(Ellipsis, slice(-1, None))))  # the median is NaN, too
    share: Any = 0
    for k in ((n - 1) // 2, n // 2):  # the two in the middle; one twice, where n is odd
        hit = equal(rows, getitem(ordered, template=(Ellipsis, slice(k, k + 1))))
        hit = indicator(where(lost, isnan(rows), hit), g, n)
        share = share + hit * (half / sum(hit, axis=-1, keepdims=True))
    return in_many_axes(share, axis, a.shape)


@op(rules={"a": _median_rule},
    equation="y = (l + u) / 2,  "
    "ā[i] = ½ g ([a[i] = l] / Σ [a[j] = l] + [a[i] = u] / Σ [a[j] = u]),  l = s[⌊(n − 1) / 2⌋],  "
    "u = s[⌊n / 2⌋],  s = sort(a, axis)",
    latex=named_over("median"), numpy=np.median,
    reference=lambda a, axis, keepdims: np.quantile(a, 0.5, axis=axis, keepdims=keepdims),
    samples=lambda rng: well_apart(rng, reductions(rng)))
def median(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Compute the median over `axis`. Ties share the gradient equally.

    >>> median([[1.0, 5.0, 2.0]], axis=1)
    array([2.])
    """
    return np.median(a, axis=axis, keepdims=keepdims)
