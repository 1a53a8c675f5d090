"""Normalisers of the exponential family: logsumexp and the softmax, without overflow."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd.argument_types import Axis, Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, op
from tinygrad_mlp.autograd.ops.elementwise.exponential import exp
from tinygrad_mlp.autograd.ops.elementwise.selection import minimum
from tinygrad_mlp.autograd.ops.reductions.reduction import largest
from tinygrad_mlp.autograd.ops.samples import sample_arrays
from tinygrad_mlp.autograd.ops.shapes.shape import array_or_tensor
from tinygrad_mlp.autograd.ops.sums import (
    add_up,
    axes_of,
    broadcast_to,
    kept,
    over,
    reductions,
    sum,
)

__all__ = ["logsumexp", "weighted_logsumexp", "log_share", "softmax", "log_softmax"]


def _log_of_sum(shifted: Array, axis: Axis) -> Array:
    """Compute ``ln Σ e^a`` for an array whose largest element is 0, accurately near a sum of 1.

    The largest elements are counted and not summed, so that ``ln(1 + rest)`` keeps the digits of a
    rest that would be lost beside the 1.
    """
    at_most = shifted == 0
    rest = add_up(np.where(at_most, 0, np.exp(shifted)), axis=axis, keepdims=True)
    count = add_up(at_most, axis=axis, keepdims=True)
    with np.errstate(divide="ignore"):  # where all are −∞, there is no largest, and so is the sum
        return np.log1p(rest + (count - 1).astype(shifted.dtype))


def _largest(a: Array, axis: Axis) -> Array:
    """Return the maximum to subtract before an exponential; 0 where it is infinite."""
    m = largest(a, axis=axis, keepdims=True)
    return np.where(np.isfinite(m), m, 0)


@op(rules={"a": lambda g, out, a, y, axis: g,
           "y": lambda g, out, a, y, axis: -sum(g, axis=axis, keepdims=True)},
    equation="out = a − y,  ā = g,  ȳ = −Σ g", latex="{a} - {y}",
    reference=lambda a, y, axis: np.subtract(a, y),
    samples=lambda rng: [
        Sample(rng.normal(size=(2, 3)), rng.normal(size=shape), axis=axis)
        for axis, shape in ((None, (1, 1)), (0, (1, 3)), (-1, (2, 1)))],
    floating=True)
def log_share(a: Array, y: Array, *, axis: Axis) -> Array:
    """Compute the logarithms of shares in a sum: ``a − y`` for ``y = ln Σ e^a``.

    Where the largest elements are infinite, ``a − y`` says nothing. They share, as those of `max`.

    Args:
        a: an array of any shape.
        y: its `logsumexp` along `axis`, with the axes kept.
        axis: the axes of the sum; None for all.

    Source: ``ln(e^a / Σ e^a)``; at infinities the limit along equal elements.

    >>> log_share(np.array([0.0, 0.0]), np.log([2.0]), axis=0).round(6)
    array([-0.693147, -0.693147])
    """
    with np.errstate(invalid="ignore"):
        shares = np.subtract(a, y)
    infinite = np.isinf(y)
    if infinite.any():
        largest = np.equal(a, y)
        count = add_up(largest, axis=axis, keepdims=True)
        shares = np.where(
            infinite, np.where(largest, -np.log(np.where(infinite, count, 1)), -np.inf), shares
        ).astype(shares.dtype)
    return shares


def _logsumexp_rule(g: Array, y: Array, a: Array, axis: Axis, keepdims: bool) -> Array:
    g, y = kept(g, a.shape, axis, keepdims), kept(y, a.shape, axis, keepdims)
    return g * exp(log_share(a, y, axis=axis))


@op(name="logsumexp", rules={"a": _logsumexp_rule},
    equation="y = ln Σ e^a,  ā = g e^(a − y)",
    latex=lambda a, axis, keepdims: rf"\ln \sum{over(axis, a.ndim)} e^{{{a}}}",
    reference=lambda a, axis, keepdims: np.log(np.sum(np.exp(a), axis=axis, keepdims=keepdims)),
    samples=reductions, floating=True)
def logsumexp_op(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    m = _largest(a, axis)
    total = _log_of_sum(a - m, axis) + m
    return total if keepdims else np.squeeze(total, axis=axes_of(axis, a.ndim))


def _share(g: Array, y: Array, a: Array, axis: Axis, keepdims: bool) -> Array:
    above = a - kept(y, a.shape, axis, keepdims)
    # Only where the weight is 0 could the exponential overflow.
    e = exp(minimum(above, np.log(np.finfo(a.dtype).max)))
    return kept(g, a.shape, axis, keepdims) * e


def _weighted_samples(rng: np.random.Generator) -> list[Sample]:
    samples = reductions(rng)
    return [Sample(s.args[0], rng.uniform(0.5, 2, size=s.args[0].shape), **s.static)
            for s in samples]


@op(rules={"a": lambda g, y, a, b, axis, keepdims: b * _share(g, y, a, axis, keepdims),
           "b": lambda g, y, a, b, axis, keepdims: _share(g, y, a, axis, keepdims)},
    equation="y = ln Σ b e^a,  ā = g b e^(a − y),  b̄ = g e^(a − y)",
    latex=lambda a, b, axis, keepdims: rf"\ln \sum{over(axis, a.ndim)} {b} e^{{{a}}}",
    reference=lambda a, b, axis, keepdims: np.log(
        np.sum(b * np.exp(a), axis=axis, keepdims=keepdims)),
    samples=_weighted_samples, floating=True)
def weighted_logsumexp(a: Array, b: Array, *, axis: Axis, keepdims: bool) -> Array:
    """Compute ``ln Σ b e^a`` for arrays of one shape, without overflow.

    Source: as `logsumexp`; the largest exponent is that of the weights that are not 0.

    >>> weighted_logsumexp([1000.0, 2000.0], [2.0, 0.0], axis=0, keepdims=True).round(4)
    array([1000.6931])
    """
    weighted = np.where(b == 0, -np.inf, a).astype(a.dtype, copy=False)
    m = _largest(weighted, axis)
    with np.errstate(divide="ignore", invalid="ignore"):  # a sum of 0, or below
        total = np.log(add_up(b * np.exp(weighted - m), axis=axis, keepdims=True)) + m
    return total if keepdims else np.squeeze(total, axis=axes_of(axis, a.ndim))


def logsumexp(a: Operand, axis: Axis = None, b: Operand | None = None,
              keepdims: bool = False) -> Array:
    """Compute the logarithm of a sum of exponentials, ``y = ln Σ b e^a``, without overflow.

    ``y = m + ln Σ b e^(a − m)`` with m the largest element. Without b its gradient is the softmax.

    Args:
        a: the exponents.
        axis: of the sum: one, several, or None for all.
        b: weights that broadcast against a; 1 by default. Where their sum is negative, y is NaN.
        keepdims: keep the axes summed over, with length 1.

    Source: Boyd and Vandenberghe, "Convex Optimization", 2004, 3.1.5.

    >>> logsumexp([[0.0, 0.0], [1000.0, 1000.0]], axis=1).round(4)
    array([6.9310000e-01, 1.0006931e+03])
    """
    if b is None:
        return logsumexp_op(a, axis=axis, keepdims=keepdims)
    both = array_or_tensor(a), array_or_tensor(b)
    shape = np.broadcast_shapes(*(x.shape for x in both))
    a, b = (x if x.shape == shape else broadcast_to(x, shape=shape) for x in both)
    return weighted_logsumexp(a, b, axis=axis, keepdims=keepdims)


def _softmax_latex(a: Any, axis: Any) -> str:
    along = "" if axis in (-1, a.ndim - 1) else over(axis, a.ndim)  # the last axis is the default
    return rf"\mathrm{{softmax}}{along}({a})"


@op(rules={"a": lambda g, y, a, axis: y * (g - sum(g * y, axis=axis, keepdims=True))},
    equation="y = e^a / Σ e^a,  ā = y (g − Σ g y)", latex=_softmax_latex,
    reference=lambda a, axis: np.exp(a) / np.sum(np.exp(a), axis=axis, keepdims=True),
    samples=lambda rng: sample_arrays(rng, axis=(-1, 0)), provenance=True, floating=True)
def softmax(a: Array, *, axis: Axis = -1) -> Array:
    """Compute probabilities ``e^a / Σ e^a`` along `axis`, without overflow.

    Shapes: y has the shape of a.

    Source: Bridle, 1990; Bishop, "Pattern Recognition and Machine Learning", 2006, (4.104).

    >>> softmax([[0.0, 0.0], [0.0, 1000.0]])
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    e = np.exp(a - largest(a, axis=axis, keepdims=True))
    return e / add_up(e, axis=axis, keepdims=True)


@op(rules={"a": lambda g, y, a, axis: g - exp(y) * sum(g, axis=axis, keepdims=True)},
    equation="y = a − ln Σ e^a,  ā = g − e^y Σ g",
    latex=lambda a, axis: rf"\ln {_softmax_latex(a, axis)}",
    reference=lambda a, axis: a - np.log(np.sum(np.exp(a), axis=axis, keepdims=True)),
    samples=lambda rng: sample_arrays(rng, axis=(-1, 0)), floating=True)
def log_softmax(a: Array, *, axis: Axis = -1) -> Array:
    """Compute the logarithm of the softmax, exact where the softmax itself would round to 0.

    Shapes: y has the shape of a.

    Source: the logarithm of Bishop, 2006, (4.104).

    >>> log_softmax([0.0, 1000.0])
    array([-1000.,     0.])
    """
    shifted = a - largest(a, axis=axis, keepdims=True)
    return shifted - _log_of_sum(shifted, axis)
