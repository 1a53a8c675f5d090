"""Matrix products: of vectors, matrices and stacks of matrices, and the affine map of a layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, op
from tinygrad_mlp.autograd.ops.shapes.shape import expand_dims

__all__ = ["matmul", "linear"]


def _product(a: Array, b: Array) -> Array:
    """Compute ``a @ b`` for matrices or stacks of them.

    An outer product (one column times one row) by broadcasting, which is three times as fast as
    BLAS: it is the weights' gradient of every step on one sample.
    """
    return a * b if a.shape[-1] == 1 else a @ b


def _column(a: Array) -> Array:
    """Return vectors as columns; of arrays in a twentieth of the time that an operation takes."""
    return a[..., None] if type(a) is np.ndarray else expand_dims(a, -1)


def _times_vectors(matrices: Array, vectors: Array) -> Array:
    return matrices @ vectors if vectors.ndim == 1 else (matrices @ _column(vectors))[..., 0]


def _matmul_x1(g: Array, y: Array, x1: Array, x2: Array) -> Array:
    if x2.ndim == 1:  # y = X1 x2: an outer product (for two vectors, a multiple)
        return g * x2 if x1.ndim == 1 else _column(g) * x2
    if x1.ndim == 1:  # y = x1ᵀ X2
        return _times_vectors(x2, g)
    return _product(g, x2.mT)


def _matmul_x2(g: Array, y: Array, x1: Array, x2: Array) -> Array:
    if x1.ndim == 1:  # y = x1ᵀ X2
        return g * x1 if x2.ndim == 1 else _column(x1) * expand_dims(g, -2)
    if x2.ndim == 1:  # y = X1 x2
        return _times_vectors(x1.mT, g)
    return _product(x1.mT, g)


@op(rules={"x1": _matmul_x1, "x2": _matmul_x2},
    equation="y = x1 @ x2,  x̄1 = g @ x2ᵀ,  x̄2 = x1ᵀ @ g",
    latex=lambda x1, x2: rf"{x1}^\top {x2}" if x1.ndim == 1 else f"{x1} {x2}",
    numpy=(np.matmul, np.linalg.matmul),
    reference=lambda x1, x2: np.einsum(
        {(1, 1): "i,i", (1, 2): "i,ij->j", (2, 1): "ij,j->i", (1, 3): "i,bij->bj",
         (3, 1): "bij,j->bi"}.get((x1.ndim, x2.ndim), "...ij,...jk->...ik"), x1, x2),
    samples=lambda rng: [
        Sample(rng.normal(size=a), rng.normal(size=b))
        for a, b in (
            ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4)),
            ((2, 3), (5, 3, 2)), ((5, 1, 2, 3), (4, 3, 2)), ((5, 2, 3), (3,)), ((3,), (5, 3, 2)))])
def matmul(x1: Array, x2: Array) -> Array:
    """Compute the matrix product ``x1 @ x2``, of vectors and stacks of matrices as in NumPy.

    Shapes: x1 ``(..., n, k)`` and x2 ``(..., k, m)`` give ``(..., n, m)``; a vector is a row on the
    left, a column on the right, and has no such axis in the result.

    >>> matmul([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    array([3., 7.])
    """
    return x1 @ x2


def _rows(a: Array) -> Array:
    """Return a vector as one row, and a stack of matrices as one tall matrix."""
    return a if a.ndim == 2 else a.reshape((-1, a.shape[-1]))


def _linear_latex(x: Any, weight: Any, bias: object) -> str:
    product = f"{weight} {x}" if x.ndim == 1 else rf"{x} {weight}^\top"
    return product if bias is None else f"{product} + {bias}"


@op(rules={"x": lambda g, y, x, weight, bias: g @ weight,
           "weight": lambda g, y, x, weight, bias: _product(_rows(g).T, _rows(x)),
           "bias": lambda g, y, x, weight, bias: g},
    equation="y = x @ Wᵀ + b,  x̄ = g @ W,  W̄ = gᵀ @ x,  b̄ = g", latex=_linear_latex,
    reference=lambda x, weight, bias: np.einsum("...i,oi->...o", x, weight)
    + (0 if bias is None else bias),
    samples=lambda rng: [
        Sample(rng.normal(size=shape), rng.normal(size=(4, 3)), bias)
        for shape in ((3,), (2, 3), (2, 5, 3))
        for bias in (rng.normal(size=4), None)],
    decomposable=True)
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Compute the affine map of the last axis: ``z = x Wᵀ + b``, for a sample ``z = W x + b``.

    Args:
        x: samples in rows, shape ``(..., in_features)``.
        weight: W, shape ``(out_features, in_features)``.
        bias: b, shape ``(out_features,)``, or None.

    Shapes: x ``(..., in)``, weight W ``(out, in)``, bias b ``(out,)`` or None, z ``(..., out)``.

    Source: Bishop, "Pattern Recognition and Machine Learning", 2006, (5.2).

    >>> linear([[1.0, 2.0]], [[1.0, 1.0], [0.0, 3.0]], [0.5, 0.5])
    array([[3.5, 6.5]])
    """
    z = x @ weight.T
    return z if bias is None else z + bias
