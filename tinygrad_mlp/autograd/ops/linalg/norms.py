"""Norms of vectors and matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.argument_types import Axis, Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import implements, in_floating_point, op
from tinygrad_mlp.autograd.ops.elementwise.comparison import equal
from tinygrad_mlp.autograd.ops.elementwise.exponential import power
from tinygrad_mlp.autograd.ops.elementwise.rounding import abs as abs_
from tinygrad_mlp.autograd.ops.elementwise.rounding import sign
from tinygrad_mlp.autograd.ops.elementwise.selection import where
from tinygrad_mlp.autograd.ops.linalg.spectral import svdvals
from tinygrad_mlp.autograd.ops.reductions.reduction import max as max_
from tinygrad_mlp.autograd.ops.reductions.reduction import min as min_
from tinygrad_mlp.autograd.ops.shapes.axes import moveaxis
from tinygrad_mlp.autograd.ops.shapes.shape import expand_dims, places, require_axes, shape_of
from tinygrad_mlp.autograd.ops.sums import (
    kept,
    over,
    powers_fit,
    reductions,
    scale_of,
)
from tinygrad_mlp.autograd.ops.sums import sum as sum_
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

__all__ = ["vector_norm", "matrix_norm", "norm"]


def _norm_rule(g: Array, y: Array, x: Array, axis: Axis, keepdims: bool, ord: float) -> Array:
    y, g = kept(y, x.shape, axis, keepdims), kept(g, x.shape, axis, keepdims)
    if ord == 1:
        return sign(x) * g
    length = where(equal(y, 0), 1, y)  # at 0 the gradient is 0, which lies between all slopes
    if ord == 2:
        return x / length * g  # (g / length could overflow)
    part = abs_(x) / length
    if ord < 1:  # the slope beside a 0 is infinite on both sides: at 0 it is taken as 0, as of |x|
        part = where(equal(x, 0), 1, part)
    return sign(x) * power(part, ord - 1) * g


@op(name="vector_norm", rules={"x": _norm_rule},
    equation="y = (Σ |x|^ord)^(1 / ord),  x̄ = g sign(x) (|x| / y)^(ord − 1)",
    latex=lambda x, axis, keepdims, ord: rf"\mathrm{{norm}}{over(axis, x.ndim)}({x}; {ord})",
    reference=lambda x, axis, keepdims, ord: np.power(
        np.sum(np.abs(x) ** ord, axis=axis, keepdims=keepdims), 1 / ord),
    samples=lambda rng: [s for s in reductions(rng, ord=(2, 1, 3, 2.5)) if s.args[0].ndim],
    floating=True)
def vector_norm_op(x: Array, *, axis: Any, keepdims: bool, ord: Any) -> Array:
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        y = np.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)
        if x.size and not powers_fit(y, ord):
            shape = y.shape
            # The largest element counts most, for a negative power the smallest.
            extreme = (np.max if ord > 0 else np.min)(np.abs(x), axis=axis, keepdims=True)
            scale = scale_of(extreme, exactly=abs(ord) > 4)
            y = np.linalg.vector_norm(x / scale, axis=axis, keepdims=True, ord=ord) * scale
            y = y.reshape(shape)
    return y


@implements(np.linalg.vector_norm)
def vector_norm(x: Operand, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Array:
    """Compute the norm of vectors, ``(Σ |x|ᵖ)^(1/p)``; for p = ∞, their largest element.

    At 0 the gradient is 0; ties of the largest element share it equally.

    Args:
        x: an array.
        axis: the axis, or axes, that the vectors lie along; None for all elements.
        keepdims: keep the axes, with length 1.
        ord: p: any number but 0, or ±infinity.

    Raises:
        InvalidArgumentError: `ord` is 0: the number of elements that are not 0 has no gradient.

    Source: defined as np.linalg.vector_norm.

    >>> vector_norm([3.0, 4.0]).item()
    5.0
    """
    if ord == 0:
        raise InvalidArgumentError(
            "a norm of order 0 counts elements: it is constant wherever it has a derivative. Use "
            "np.count_nonzero(x) on an array.")
    (x,) = in_floating_point((x,), "vector_norm")  # |−128| of bytes is −128
    if math.isinf(ord):
        extreme: Any = min_ if ord < 0 else max_ if 0 not in shape_of(x) else sum_  # of nothing: 0
        return extreme(abs_(x), axis=axis, keepdims=keepdims)
    return vector_norm_op(x, axis=axis, keepdims=keepdims, ord=ord)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Operand, *, keepdims: bool = False, ord: float | str = "fro") -> Array:
    """Compute the norm of the matrices in the last two axes, as `norm` does.

    Args:
        x: the matrices, shape ``(..., n, m)``.
        keepdims: keep the axes, with length 1.
        ord: as for matrices in `norm`.

    Raises:
        ShapeError: `x` has fewer than two axes.
        InvalidArgumentError: an `ord` that matrices do not have.

    >>> matrix_norm(np.array([[3.0, 0.0], [0.0, 4.0]])).item()
    5.0
    """
    require_axes("matrix_norm", x, 2)
    (x,) = in_floating_point((x,), "matrix_norm")
    if ord is None or ord == "fro":
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord == "nuc" or ord in (2, -2):
        values = svdvals(x)
        reduce: Any = sum_ if ord == "nuc" else max_ if ord == 2 else min_
    elif ord in (1, -1, math.inf, -math.inf):
        values = sum_(abs_(x), axis=-1 if math.isinf(ord) else -2)
        reduce = max_ if ord > 0 else min_
    else:
        raise InvalidArgumentError(
            f"norm() of matrices expects ord to be one of None, 'fro', 'nuc', ±1, ±2, ±inf. "
            f"Got {ord!r}.")
    if reduce is max_ and 0 in shape_of(values):
        reduce = sum_  # of nothing: 0
    result = reduce(values, axis=-1)
    return expand_dims(result, (-2, -1)) if keepdims else result


@implements(np.linalg.norm)
def norm(x: Operand, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Array:
    """Compute the norm of vectors or matrices, as NumPy does.

    Args:
        x: an array.
        ord: for vectors p in ``(Σ |x|ᵖ)^(1/p)``, or ±infinity (2 if None). For matrices: ``fro``,
            the root of the sum of squares (also if None); ``nuc``, the sum of the singular values;
            2 and −2, the largest and the smallest of them; 1 and infinity, the largest sum of
            absolute values in a column and in a row (−1 and −infinity, the smallest).
        axis: an integer for vectors along it, two for matrices in them. None for all of a vector
            or a matrix; without `ord`, for all elements.
        keepdims: keep the axes, with length 1.

    Raises:
        InvalidArgumentError: another `ord`, among them 0, which has no gradient.
        ShapeError: axes that do not exist, or more than two.

    Source: defined as np.linalg.norm.

    >>> a = np.array([[3.0, 0.0], [0.0, 4.0]])
    >>> [float(norm(a, ord)) for ord in (None, "nuc", 2, 1)]
    [5.0, 7.0, 4.0, 4.0]
    """
    ndim = len(shape_of(x))
    if axis is None and ord is None:
        return vector_norm(x, axis=None, keepdims=keepdims)
    if axis is None and ndim not in (1, 2):
        raise ShapeError(
            f"norm() with ord={ord!r} expects a vector or a matrix. Got shape {shape_of(x)}: say "
            f"by axis where the vectors or matrices lie.")
    axes = tuple(range(ndim)) if axis is None else places("norm", axis, ndim)
    if len(axes) == 2:
        matrices = x if axes == (ndim - 2, ndim - 1) else moveaxis(x, axes, (-2, -1))
        result = matrix_norm(matrices, ord=ord)
        return expand_dims(result, axes) if keepdims else result
    if len(axes) != 1:
        raise ShapeError(f"norm() expects one axis or two. Got axis={axis!r}.")
    if isinstance(ord, str):
        raise InvalidArgumentError(
            f"norm() of vectors expects a number as ord. Got {ord!r}, which is for matrices.")
    return vector_norm(x, axis=axes[0], keepdims=keepdims, ord=2 if ord is None else ord)
