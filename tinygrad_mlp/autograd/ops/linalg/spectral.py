"""Eigenvalues of symmetric matrices, and singular values. Batched: in the last two axes.

The rules: M. B. Giles, "An extended collection of matrix derivative results for forward and
reverse mode algorithmic differentiation" (2008).

Two cautions about derivatives of the vectors:

- **Signs.** LAPACK chooses the signs of eigenvectors and singular vectors. A gradient is meaningful
  where the result does not depend on them (squares, projections, ``V f(λ) Vᵀ``).
- **Equal eigenvalues or singular values.** Their vectors are any basis of a subspace. A result that
  does not use vectors has a gradient, and so has one that uses vectors only and does not depend on
  the choice of the basis (a projection, ``U Vᵀ``). All others get NaN. Functions ``V f(λ) Vᵀ`` are
  among them: they have a derivative, but the cotangents of λ and V do not determine it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, implements, op
from tinygrad_mlp.autograd.ops.elementwise.comparison import greater, less_equal
from tinygrad_mlp.autograd.ops.elementwise.rounding import abs as abs_
from tinygrad_mlp.autograd.ops.elementwise.selection import where
from tinygrad_mlp.autograd.ops.linalg.triangular import SHAPES, distinct, one_triangle, symmetric
from tinygrad_mlp.autograd.ops.reductions.reduction import max as max_
from tinygrad_mlp.autograd.ops.shapes.diagonals import diagonal
from tinygrad_mlp.autograd.ops.shapes.shape import expand_dims
from tinygrad_mlp.errors import NotDifferentiableError

__all__ = ["eigh", "eigvalsh", "svd", "svdvals"]

# Their stubs accept no UPLO but a literal.
_lapack_eigh: Any = np.linalg.eigh
_lapack_eigvalsh: Any = np.linalg.eigvalsh


def _turn(twist: Array, of: Array, gaps: Array, size: Array, with_values: bool) -> Array:
    """Return how vectors turn, ``twist / gaps``: NaN where that depends on the choice of vectors.

    Args:
        twist: how the result depends on turning one vector towards another: half of ``of − ofᵀ``.
        of: how it depends on adding to a vector a multiple of another.
        gaps: differences of values, or their sums.
        size: the largest of the values.
        with_values: whether the result depends on the values, too.
    """
    n = gaps.shape[-1]
    noise = 16 * n * np.finfo(gaps.dtype).eps
    equal = less_equal(abs_(gaps), noise * expand_dims(size, (-2, -1)))
    lost = equal & ~np.eye(n, dtype=bool)
    if not with_values:
        lost = lost & ~_same_for_every_basis(twist, of, noise)
    return where(equal, 0, twist) / where(lost, 0, where(equal, 1, gaps))


def _same_for_every_basis(twist: Array, of: Array, noise: float) -> Array:
    """Return for which pairs of vectors a result is the same after turning the two in their plane.

    Its derivative along the turn must be 0. That it is so by accident, as for the elements of
    unit vectors, shows in the second derivative: the difference of both, or that neither is used.
    """
    errors = noise * max_(abs_(of), axis=(-2, -1), keepdims=True)
    own = diagonal(of, axis1=-2, axis2=-1)
    one, other = expand_dims(own, -1), expand_dims(own, -2)
    unused = less_equal(max_(abs_(of), axis=-2), errors[..., 0])
    both_alike = less_equal(abs_(one - other), errors) & greater(abs_(one), errors)
    both_unused = expand_dims(unused, -1) & expand_dims(unused, -2)
    joined = greater(abs_(of + of.mT), errors)
    return less_equal(abs_(twist), errors) & (joined | both_alike | both_unused)


def _eigh_rule(g: Sequence[Array | None], y: Sequence[Array], a: Array, UPLO: str) -> Array:
    (g_values, g_vectors), (values, vectors) = g, y
    inner: Any = 0
    if g_values is not None:
        inner = vectors * expand_dims(g_values, -2)
    if g_vectors is not None and a.size:
        across = vectors.mT @ g_vectors
        gaps = expand_dims(values, -2) - expand_dims(values, -1)  # λ_j − λ_i
        size = max_(abs_(values), axis=-1)
        twist = (across - across.mT) / 2
        inner = inner + vectors @ _turn(twist, across, gaps, size, g_values is not None)
    return one_triangle(inner @ vectors.mT, UPLO == "U")


def _full(a: Array, UPLO: str) -> Array:
    """Return the symmetric matrix of which one triangle is given."""
    return np.triu(a) + np.triu(a, 1).mT if UPLO == "U" else np.tril(a) + np.tril(a, -1).mT


def _by_general_solver(a: Array, UPLO: str) -> tuple[Array, Array]:
    """Compute eigenvalues and vectors as of any square matrix, with the signs that eigh gives."""
    values, vectors = np.linalg.eig(_full(a, UPLO))
    order = np.argsort(values.real)
    values = np.take_along_axis(values.real, order, -1)
    vectors = np.take_along_axis(vectors.real, order[..., None, :], -1)
    alike = np.sum(vectors * _lapack_eigh(a, UPLO).eigenvectors, axis=-2, keepdims=True)
    return values, vectors * np.sign(alike)


def _symmetric_samples(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample(symmetric(rng), UPLO="L"), Sample(symmetric(rng, 2), UPLO="L"),
        Sample(symmetric(rng), UPLO="U")]


@op(name="eigh", rules={"a": _eigh_rule},
    equation="λ, V: a = V @ diag(λ) @ Vᵀ,  "
    "ā = tril(M) + triu(M, 1)ᵀ where UPLO = 'L' else triu(M) + tril(M, −1)ᵀ,  "
    "M = V @ (diag(λ̄) + F (Vᵀ @ V̄)) @ Vᵀ,  F[i, j] = 1 / (λ[j] − λ[i]) where i ≠ j else 0",
    latex=r"\mathrm{{eigh}}({a})", reference=_by_general_solver,
    samples=_symmetric_samples, outputs=2, unused_as_none=True)
def eigh_op(a: Array, *, UPLO: str = "L") -> tuple[Array, ...]:
    return tuple(_lapack_eigh(a, UPLO))


class EighResult(NamedTuple):
    """Eigenvalues in ascending order, and their vectors in columns."""

    eigenvalues: Any
    eigenvectors: Any


@implements(np.linalg.eigh)
def eigh(a: Operand, UPLO: str = "L") -> EighResult:
    """Compute eigenvalues λ and eigenvectors V of symmetric matrices, ``a = V diag(λ) Vᵀ``.

    The gradient is with respect to the triangle that is read. Where eigenvalues are equal, it is
    NaN for a result that depends on which vectors were chosen, or on values and vectors. Vectors
    have an arbitrary sign (see the top of this module).

    Args:
        a: the matrices, of which one triangle is read.
        UPLO: which: ``L`` for the lower, ``U`` for the upper.

    Source: Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
    differentiation", 2008, 3.1.

    >>> eigh(np.array([[2.0, 0.0], [0.0, 1.0]]))[0]
    array([1., 2.])
    """
    return EighResult(*eigh_op(a, UPLO=UPLO))


def _eigvalsh_rule(g: Array, y: Array, a: Array, UPLO: str) -> Array:
    values, vectors = eigh_op(a, UPLO=UPLO)
    g = g + 0 * values  # its own derivative depends on both, as `_turn` must know
    return one_triangle((vectors * expand_dims(g, -2)) @ vectors.mT, UPLO == "U")


@op(rules={"a": _eigvalsh_rule},
    equation="a = V @ diag(y) @ Vᵀ,  "
    "ā = tril(M) + triu(M, 1)ᵀ where UPLO = 'L' else triu(M) + tril(M, −1)ᵀ,  "
    "M = V @ diag(g) @ Vᵀ,  V = eigh(a)[1]",
    latex=r"\lambda({a})", numpy=np.linalg.eigvalsh,
    reference=lambda a, UPLO: np.sort(np.linalg.eigvals(_full(a, UPLO)).real, axis=-1),
    samples=_symmetric_samples)
def eigvalsh(a: Array, *, UPLO: str = "L") -> Array:
    """Compute the eigenvalues of symmetric matrices, in ascending order.

    Where some are equal, the gradient is finite: an element of the subdifferential of their sum.
    The second derivative is not finite there.

    >>> eigvalsh([[2.0, 1.0], [1.0, 2.0]]).round(6)
    array([1., 3.])
    """
    return _lapack_eigvalsh(a, UPLO)


def _svd_rule(g: Any, y: Any, a: Array, full_matrices: bool) -> Array:
    (g_u, g_s, g_vh), (u, s, vh) = g, y
    rows, columns = a.shape[-2:]
    if g_u is None and g_vh is None:
        k = min(rows, columns)
        return (u[..., :k] * expand_dims(g_s, -2)) @ vh[..., :k, :]
    if full_matrices and rows != columns:
        raise NotDifferentiableError(
            f"svd(full_matrices=True) has no gradient for matrices of shape {(rows, columns)}: "
            f"the vectors that complete the basis are an arbitrary choice. Use "
            f"full_matrices=False, or svdvals() for the singular values.")
    if not a.size:
        return np.zeros(a.shape, a.dtype)
    v = vh.mT
    g_u = np.zeros(u.shape, a.dtype) if g_u is None else g_u
    g_v = np.zeros(v.shape, a.dtype) if g_vh is None else g_vh.mT
    across, down = expand_dims(s, -2), expand_dims(s, -1)
    of_u, of_v = u.mT @ g_u, v.mT @ g_v
    twist_u, twist_v = (of_u - of_u.mT) / 2, (of_v - of_v.mT) / 2
    size = max_(s, axis=-1)
    # (T_u s_j + T_v s_i) / (s_j² − s_i²) in two parts: where U and V turn together, U Vᵀ stays.
    turned = (_turn(twist_u + twist_v, of_u + of_v, across - down, size, g_s is not None)
              + _turn(twist_u - twist_v, of_u - of_v, across + down, size, g_s is not None))
    inner = u @ turned if g_s is None else u * expand_dims(g_s, -2) + u @ turned
    total = inner @ vh
    if rows > columns:  # U can turn out of the space that its columns span
        total = total + ((g_u - u @ of_u) / across) @ vh
    if columns > rows:
        total = total + (u / across) @ (g_v - v @ of_v).mT
    return total


def _by_eigenvectors(a: Array, full_matrices: bool) -> tuple[Array, Array, Array]:
    """Compute the singular values from the eigenvalues of aᵀa, with LAPACK's signs."""
    k = min(a.shape[-2:])
    values, v = np.linalg.eigh(a.mT @ a)
    s, v = np.sqrt(values[..., ::-1][..., :k]), v[..., ::-1][..., :k]
    vh = v.mT * np.sign(np.sum(v.mT * np.linalg.svd(a).Vh[..., :k, :], axis=-1, keepdims=True))
    return a @ vh.mT / s[..., None, :], s, vh


@op(name="svd", rules={"a": _svd_rule},
    equation="U, s, H: a = U @ diag(s) @ H,  "
    "ā = U @ (diag(s̄) + F (A − Aᵀ) @ diag(s) + diag(s) @ (F (B − Bᵀ))) @ H + "
    "(Ū − U @ A) @ diag(1 / s) @ H + U @ diag(1 / s) @ (H̄ − Bᵀ @ H),  A = Uᵀ @ Ū,  B = H @ H̄ᵀ,  "
    "F[i, j] = 1 / (s[j]² − s[i]²) where i ≠ j else 0",
    latex=r"\mathrm{{svd}}({a})", reference=_by_eigenvectors,
    samples=lambda rng: [Sample(distinct(rng, *shape), full_matrices=False) for shape in SHAPES],
    outputs=3, unused_as_none=True)
def svd_op(a: Array, *, full_matrices: bool) -> tuple[Array, ...]:
    return tuple(np.linalg.svd(a, full_matrices))


class SVDResult(NamedTuple):
    """Left singular vectors in columns, singular values, right singular vectors in rows."""

    U: Any
    S: Any
    Vh: Any


@implements(np.linalg.svd)
def svd(a: Operand, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Decompose into ``a = U diag(S) Vh``, with singular values in descending order.

    The values are differentiable, and the vectors with ``full_matrices=False`` and for square
    matrices, where that makes no difference. Where singular values are equal, or 0 in a matrix
    that is not square, a result that depends on which vectors were chosen, or on values and
    vectors, has a gradient that is not finite. Vectors have an arbitrary sign (see the top of this
    module).

    Args:
        a: matrices of any shape.
        full_matrices: complete U and Vh to square matrices.
        compute_uv: False for the singular values only.

    Raises:
        NotDifferentiableError: when the gradient of vectors of ``full_matrices=True`` is asked
            for, of a matrix that is not square.

    >>> svd(np.array([[3.0, 0.0], [0.0, 4.0]]))[1]
    array([4., 3.])
    """
    if not compute_uv:
        return svdvals(a)
    return SVDResult(*svd_op(a, full_matrices=full_matrices))


def _svdvals_rule(g: Array, y: Array, a: Array) -> Array:
    u, s, vh = svd_op(a, full_matrices=False)
    g = g + 0 * s  # as in the rule of eigvalsh
    return (u * expand_dims(g, -2)) @ vh


@op(rules={"a": _svdvals_rule},
    equation="a = U @ diag(y) @ Vᵀ,  ā = U @ diag(g) @ Vᵀ,  U = svd(a, 0)[0],  "
    "V = svd(a, 0)[2]ᵀ",
    latex=r"\sigma({a})", numpy=np.linalg.svdvals,
    reference=lambda a: np.sqrt(
        np.linalg.eigvalsh(a.mT @ a if a.shape[-1] <= a.shape[-2] else a @ a.mT)[..., ::-1]),
    samples=lambda rng: [Sample(distinct(rng, *shape)) for shape in SHAPES])
def svdvals(a: Array) -> Array:
    """Compute the singular values, in descending order.

    Shapes: a ``(..., n, m)``, y ``(..., min(n, m))``.

    >>> svdvals([[3.0, 0.0], [0.0, -4.0]])
    array([4., 3.])
    """
    return np.linalg.svdvals(a)
