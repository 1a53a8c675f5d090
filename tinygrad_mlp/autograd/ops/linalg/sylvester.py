"""Sylvester's equation and the square root of a matrix, as in `scipy.linalg`: one matrix each.

Both are defined by an equation, and so are their rules: the differential of ``a y + y b = q`` is
such an equation for dy, and that of ``y y = a`` is one with y in the place of a and b.
"""

from __future__ import annotations

import functools
from types import ModuleType

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, op
from tinygrad_mlp.autograd.ops.linalg.solve import well_conditioned
from tinygrad_mlp.errors import LinAlgError, ShapeError

__all__ = ["solve_sylvester", "sqrtm"]


@functools.cache
def scipy_linalg() -> ModuleType:
    """Return the module scipy.linalg, loaded when first used."""
    from scipy import linalg

    return linalg


def _kronecker(a: Array, b: Array, q: Array) -> Array:
    """Solve Sylvester's equation as one system for all elements."""
    n, m = q.shape
    system = np.kron(a, np.eye(m)) + np.kron(np.eye(n), b.T)
    return np.linalg.solve(system, q.reshape(-1)).reshape(n, m)


def _sylvester_q(g: Array, y: Array, a: Array, b: Array, q: Array) -> Array:
    return solve_sylvester(a.mT, b.mT, g)


@op(rules={"a": lambda g, y, a, b, q: -(_sylvester_q(g, y, a, b, q) @ y.mT),
           "b": lambda g, y, a, b, q: -(y.mT @ _sylvester_q(g, y, a, b, q)), "q": _sylvester_q},
    equation="a @ y + y @ b = q,  aᵀ @ q̄ + q̄ @ bᵀ = g,  ā = −q̄ @ yᵀ,  b̄ = −yᵀ @ q̄",
    latex=r"\mathrm{{sylvester}}({a}, {b}, {q})", reference=_kronecker,
    samples=lambda rng: [
        Sample(well_conditioned(rng), well_conditioned(rng, n=2), rng.normal(size=(3, 2))),
        Sample(well_conditioned(rng, n=2), well_conditioned(rng, n=2), rng.normal(size=(2, 2)))],
    floating=True)
def solve_sylvester(a: Array, b: Array, q: Array) -> Array:
    """Solve Sylvester's equation ``a y + y b = q`` for y.

    Args:
        a: a matrix, shape ``(n, n)``.
        b: a matrix, shape ``(m, m)``. No eigenvalue of it is one of −a.
        q: a matrix, shape ``(n, m)``, as y.

    Raises:
        ShapeError: the shapes do not fit.
        LinAlgError: an eigenvalue of a and one of b have the sum 0.

    Source: Bartels and Stewart, "Solution of the matrix equation AX + XB = C", 1972.

    >>> solve_sylvester(np.eye(2), np.eye(2), [[2.0, 4.0], [6.0, 8.0]])
    array([[1., 2.],
           [3., 4.]])
    """
    if [x.ndim for x in (a, b, q)] != [2, 2, 2] or (*a.shape, *b.shape) != (
            q.shape[:1] * 2 + q.shape[1:] * 2):
        raise ShapeError(
            f"solve_sylvester() expects matrices of shape (n, n), (m, m) and (n, m). "
            f"Got {a.shape}, {b.shape} and {q.shape}.")
    # As scipy.linalg.solve_sylvester, which does not say where LAPACK had to change a or b.
    linalg = scipy_linalg()
    (r, u), (s, v) = linalg.schur(a), linalg.schur(b.T)
    inner = u.T @ q @ v
    (trsyl,) = linalg.get_lapack_funcs(("trsyl",), (r, s, inner))
    y, scale, info = trsyl(r, s, inner, tranb="C")
    if info == 1:
        raise LinAlgError(
            "solve_sylvester() has no unique solution: an eigenvalue of a and one of b have the "
            "sum 0.")
    return u @ (y / scale) @ v.T


def _root_by_eigenvectors(a: Array) -> Array:
    values, vectors = np.linalg.eig(a)
    return (vectors * np.sqrt(values + 0j) @ np.linalg.inv(vectors)).real


@op(rules={"a": lambda g, y, a: solve_sylvester(y.mT, y.mT, g)},
    equation="y @ y = a,  yᵀ @ ā + ā @ yᵀ = g", latex="{a}^{{1/2}}",
    reference=_root_by_eigenvectors,
    samples=lambda rng: [Sample(well_conditioned(rng)), Sample(well_conditioned(rng, n=2))],
    floating=True)
def sqrtm(a: Array) -> Array:
    """Compute the principal square root of a matrix: ``y y = a``, eigenvalues with real part > 0.

    Args:
        a: a matrix, shape ``(n, n)``, invertible and without negative eigenvalues.

    Raises:
        ShapeError: it is no square matrix.
        LinAlgError: the root is complex: an eigenvalue is negative; or the matrix is singular.

    Source: Higham, "Functions of Matrices", 2008, ch. 6; the rule from ``dy y + y dy = da``.

    >>> sqrtm([[4.0, 0.0], [0.0, 9.0]])
    array([[2., 0.],
           [0., 3.]])
    """
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ShapeError(f"sqrtm() expects one square matrix. Got shape {a.shape}.")
    if np.linalg.matrix_rank(a) < len(a):
        raise LinAlgError(
            "sqrtm() expects an invertible matrix. This one is singular: it may have no square "
            "root, and a root that it has is not differentiable.")
    y = scipy_linalg().sqrtm(a)
    # Some versions of SciPy compute real roots with complex numbers.
    if np.abs(y.imag).max() > np.sqrt(np.finfo(y.dtype).eps) * np.abs(y).max():
        raise LinAlgError(
            "sqrtm() expects a matrix whose square root is real. This one has a negative "
            "eigenvalue.")
    return y.real.astype(a.dtype, copy=False)
