"""Decompositions with a triangular factor: Cholesky's, and QR. Batched: in the last two axes.

The rules: S. F. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions"
(2010), and M. Seeger et al., "Auto-Differentiating Linear Algebra" (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, implements, op
from tinygrad_mlp.autograd.ops.linalg.solve import solve
from tinygrad_mlp.autograd.ops.shapes.diagonals import tril
from tinygrad_mlp.autograd.ops.shapes.joining import concatenate
from tinygrad_mlp.errors import InvalidArgumentError, NotDifferentiableError

__all__ = ["cholesky", "qr"]


def _triangle(n: int, dtype: DTypeLike | None) -> Array:
    """Return a matrix with ones below the diagonal and ½ on it."""
    return np.tril(np.ones((n, n), dtype), -1) + np.eye(n, dtype=dtype) / 2


def one_triangle(m: Array, upper: bool) -> Array:
    """Return the derivative for the triangle that LAPACK reads of a symmetric matrix.

    Every element off the diagonal represents two, so that it gets the gradients of both.
    """
    half = _triangle(m.shape[-1], m.dtype)
    return (m + m.mT) * (half.T if upper else half)


def symmetric(rng: np.random.Generator, *batch: int) -> Array:
    """Draw symmetric positive definite matrices with eigenvalues near 1, 3, 5."""
    a = rng.normal(size=(*batch, 3, 3))
    return np.diag([1.0, 3.0, 5.0]) + 0.15 * (a + a.mT)


def distinct(rng: np.random.Generator, *shape: int) -> Array:
    """Draw matrices with singular values near 1, 3, 5."""
    *_, rows, columns = shape
    k = min(rows, columns)
    return np.eye(rows, columns) * (1 + 2 * np.arange(columns)) + 0.2 * rng.normal(size=shape) / k


SHAPES = ((3, 3), (4, 2), (2, 3), (2, 3, 2))


def _cholesky_rule(g: Array, y: Array, a: Array, upper: bool) -> Array:
    factor, g = (y.mT, g.mT) if upper else (y, g)
    inner = (factor.mT @ tril(g, k=0)) * _triangle(a.shape[-1], a.dtype)
    outer = solve(factor.mT, solve(factor.mT, inner).mT).mT
    return one_triangle(outer, upper)


def _cholesky_by_columns(a: Array, upper: bool) -> Array:
    a = a.mT if upper else a
    y = np.zeros_like(a)
    for j in range(a.shape[-1]):
        rest = a[..., j:, j] - np.sum(y[..., j:, :j] * y[..., j : j + 1, :j], axis=-1)
        y[..., j:, j] = rest / np.sqrt(rest[..., :1])
    return y.mT if upper else y


@op(rules={"a": _cholesky_rule},
    equation="L @ Lᵀ = a,  ā = A where not upper else Aᵀ,  A = tril(B) + triu(B, 1)ᵀ,  "
    "B = inv(L)ᵀ @ C @ inv(L),  C = (tril(D) + tril(D, −1)) / 2,  D = Lᵀ @ tril(G),  "
    "L = y where not upper else yᵀ,  G = g where not upper else gᵀ",
    latex=r"\mathrm{{chol}}({a})", numpy=np.linalg.cholesky, reference=_cholesky_by_columns,
    samples=lambda rng: [
        Sample(symmetric(rng), upper=False), Sample(symmetric(rng, 2), upper=False),
        Sample(symmetric(rng), upper=True)])
def cholesky(a: Array, *, upper: bool = False) -> Array:
    """Compute the lower triangular L with ``a = L Lᵀ``, for symmetric positive definite matrices.

    Only the lower triangle of `a` is read, as in NumPy, and only it has a gradient, which includes
    that of the elements opposite.

    Args:
        a: the matrices.
        upper: give ``Lᵀ``, read off the upper triangle.

    Raises:
        LinAlgError: a matrix is not positive definite.

    >>> cholesky([[4.0, 2.0], [2.0, 5.0]])
    array([[2., 0.],
           [1., 2.]])
    """
    return np.linalg.cholesky(a, upper=upper)


def _tall_qr_rule(g_q: Array, g_r: Array, q: Array, r: Array) -> Array:
    m = r @ g_r.mT - g_q.mT @ q
    half = _triangle(m.shape[-1], m.dtype)
    symmetric = m * half + (m * half).mT  # the lower triangle, copied to the upper
    return solve(r, (g_q + q @ symmetric).mT).mT


def _qr_rule(g: Sequence[Array], y: Sequence[Array], a: Array, mode: str) -> Array:
    (g_q, g_r), (q, r) = g, y
    rows, columns = a.shape[-2:]
    if mode == "complete" and rows > columns:
        raise NotDifferentiableError(
            f"qr(mode='complete') has no gradient for matrices of shape {(rows, columns)}: the "
            f"vectors that complete the basis are an arbitrary choice. Use mode='reduced'.")
    if rows >= columns:
        return _tall_qr_rule(g_q, g_r, q, r)
    # The first columns make Q; the others are turned by it: R = [R₁, Qᵀ A₂].
    rest, g_rest = a[..., rows:], g_r[..., rows:]
    first = _tall_qr_rule(g_q + rest @ g_rest.mT, g_r[..., :rows], q, r[..., :rows])
    return concatenate([first, q @ g_rest], axis=-1)


def _qr_by_cholesky(a: Array, mode: str) -> tuple[Array, Array]:
    """Find R from ``Rᵀ R = aᵀ a`` for the first columns that make Q, with LAPACK's signs."""
    first = a[..., : a.shape[-2]]
    signs = np.sign(np.linalg.diagonal(np.linalg.qr(a).R))
    r = signs[..., None] * np.linalg.cholesky(first.mT @ first, upper=True)
    q = first @ np.linalg.inv(r)
    return q, np.triu(q.mT @ a)


@op(name="qr", rules={"a": _qr_rule},
    equation="Q, R: a = Q @ R,  ā = (Q̄ + Q @ (tril(M) + tril(M, −1)ᵀ)) @ inv(R)ᵀ,  "
    "M = R @ R̄ᵀ − Q̄ᵀ @ Q",
    latex=r"\mathrm{{qr}}({a})", reference=_qr_by_cholesky,
    samples=lambda rng: [Sample(distinct(rng, *shape), mode="reduced") for shape in SHAPES],
    outputs=2)
def qr_op(a: Array, *, mode: str) -> tuple[Array, ...]:
    return tuple(np.linalg.qr(a, mode))  # type: ignore[call-overload]


class QRResult(NamedTuple):
    """Orthonormal columns, and a triangular matrix."""

    Q: Any
    R: Any


@implements(np.linalg.qr)
def qr(a: Operand, mode: str = "reduced") -> Any:
    """Factor into ``a = Q R`` with orthonormal columns Q and an upper triangular R.

    Args:
        a: matrices, the first columns of which are linearly independent.
        mode: ``reduced``, or ``complete`` for a square Q, or ``r`` for R only.

    Raises:
        InvalidArgumentError: another mode.
        NotDifferentiableError: when the gradient of ``complete`` is asked for, of a matrix with
            more rows than columns.
        LinAlgError: when the gradient is asked for, and columns depend on each other.

    >>> qr(np.array([[0.0, 2.0], [1.0, 3.0]]))[1].shape
    (2, 2)
    """
    if mode not in ("reduced", "complete", "r"):
        raise InvalidArgumentError(
            f"qr() expects mode to be one of reduced, complete, r. Got {mode!r}.")
    result = QRResult(*qr_op(a, mode="reduced" if mode == "r" else mode))
    return result.R if mode == "r" else result
