"""Inverses, solutions of linear systems and powers of matrices, batched.

The rules follow from ``d(A⁻¹) = −A⁻¹ dA A⁻¹``; see M. B. Giles, "An extended collection of matrix
derivative results for forward and reverse mode algorithmic differentiation" (2008). The matrices
lie in the last two axes. A singular matrix raises `LinAlgError`, where NumPy does, and where a rule
needs the inverse.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, implements, op
from tinygrad_mlp.autograd.ops.products.matmul import matmul
from tinygrad_mlp.autograd.ops.shapes.diagonals import tril
from tinygrad_mlp.autograd.ops.shapes.shape import array_or_tensor, expand_dims
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

__all__ = ["inv", "solve", "pinv", "projector", "matrix_power"]


def well_conditioned(rng: np.random.Generator, *batch: int, n: int = 3) -> Array:
    """Draw matrices that are easy to invert: twice the identity plus a smaller one."""
    return 2 * np.eye(n) + 0.5 * rng.normal(size=(*batch, n, n))


def square_matrices(rng: np.random.Generator) -> list[Sample]:
    """Draw one matrix that is easy to invert, and a batch of two."""
    return [Sample(well_conditioned(rng)), Sample(well_conditioned(rng, 2, n=2))]


@op(rules={"a": lambda g, y, a: -(y.mT @ g @ y.mT)},
    equation="y = inv(a),  ā = −yᵀ @ g @ yᵀ", latex="{a}^{{-1}}", numpy=np.linalg.inv,
    reference=lambda a: np.linalg.solve(a, np.broadcast_to(np.eye(a.shape[-1]), a.shape)),
    samples=square_matrices)
def inv(a: Array) -> Array:
    """Invert square matrices.

    Raises:
        LinAlgError: a matrix is singular, or not square.

    Shapes: a and y ``(..., n, n)``.

    >>> inv([[2.0, 0.0], [0.0, 4.0]])
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return np.linalg.inv(a)


def _solve_b(g: Array, y: Array, a: Array, b: Array) -> Array:
    if b.ndim > 1:
        return solve(a.mT, g)
    return solve(a.mT, expand_dims(g, -1))[..., 0]


def _solve_a(g: Array, y: Array, a: Array, b: Array) -> Array:
    if b.ndim > 1:
        return -(solve(a.mT, g) @ y.mT)
    return -(solve(a.mT, expand_dims(g, -1)) * expand_dims(y, -2))


@op(rules={"a": _solve_a, "b": _solve_b},
    equation="y = inv(a) @ b,  ā = −inv(a)ᵀ @ g @ yᵀ,  b̄ = inv(a)ᵀ @ g", latex="{a}^{{-1}} {b}",
    numpy=np.linalg.solve,
    reference=lambda a, b: (np.linalg.inv(a) @ (b if b.ndim > 1 else b[:, None])).reshape(
        np.linalg.solve(a, b).shape),
    samples=lambda rng: [
        Sample(well_conditioned(rng), rng.normal(size=3)),
        Sample(well_conditioned(rng), rng.normal(size=(3, 2))),
        Sample(well_conditioned(rng, 2, n=2), rng.normal(size=2)),
        Sample(well_conditioned(rng, 2, n=2), rng.normal(size=(2, 3))),
        Sample(well_conditioned(rng, n=2), rng.normal(size=(2, 2, 1)))])
def solve(a: Array, b: Array) -> Array:
    """Solve the linear system ``a y = b``.

    Args:
        a: square matrices, shape ``(..., n, n)``.
        b: a vector, shape ``(n,)``, or right sides in columns, shape ``(..., n, k)``.

    Raises:
        LinAlgError: a matrix is singular, or not square.
        ShapeError: the lengths differ.

    >>> solve([[2.0, 0.0], [0.0, 4.0]], [1.0, 1.0])
    array([0.5 , 0.25])
    """
    return np.linalg.solve(a, b)


def _outside(a: Array, rcond: ArrayLike | None) -> Array:
    """Project onto what is orthogonal to the columns: the singular vectors that `a` leaves out."""
    u, s, _ = np.linalg.svd(a)
    limit = (1e-15 if rcond is None else rcond) * np.max(s, axis=-1, keepdims=True, initial=0)
    left_out = np.ones(u.shape[:-1], bool)
    left_out[..., : s.shape[-1]] = s <= limit
    rest = u * left_out[..., None, :]
    return rest @ rest.mT


def _projector_rule(g: Array, y: Array, a: Array, rcond: ArrayLike | None) -> Array:
    return -(y @ (g + g.mT) @ pinv_op(a, rcond=rcond).mT)


@op(rules={"a": _projector_rule},
    equation="y[i, j] = [i = j] − Σ a[i, k] b[k, j],  ā = −y @ (g + gᵀ) @ bᵀ,  b = pinv(a)",
    latex=r"(I - {a} {a}^{{+}})",
    reference=lambda a, rcond: np.eye(a.shape[-2]) - a @ np.linalg.inv(a.mT @ a) @ a.mT,
    samples=lambda rng: [Sample(rng.normal(size=shape) + np.eye(*shape[-2:]), rcond=None)
                         for shape in ((3, 2), (2, 4, 2))])
def projector(a: Array, *, rcond: ArrayLike | None = None) -> Array:
    """Project onto the orthogonal complement of the columns: ``I − a a⁺``.

    From the singular vectors and not by the formula, which would leave rounding errors in the place
    of the zeros that matrices of full rank have; the rule of `pinv` multiplies it by large numbers.

    Source: Golub and Pereyra, "The differentiation of pseudo-inverses", 1973, (4.1).

    >>> projector([[2.0], [0.0]])
    array([[0., 0.],
           [0., 1.]])
    """
    return _outside(a, rcond)


def _pinv_rule(g: Array, y: Array, a: Array, rcond: ArrayLike | None) -> Array:
    left, right = projector(a, rcond=rcond), projector(a.mT, rcond=rcond)
    return left @ g.mT @ y @ y.mT + y.mT @ y @ g.mT @ right - y.mT @ g @ y.mT


@op(name="pinv", rules={"a": _pinv_rule},
    equation="y = pinv(a),  ā = −yᵀ @ g @ yᵀ + (gᵀ − a @ y @ gᵀ) @ y @ yᵀ + "
    "yᵀ @ y @ (gᵀ − gᵀ @ y @ a)", latex="{a}^{{+}}",
    reference=lambda a, rcond: (
        np.linalg.inv(a.mT @ a) @ a.mT if a.shape[-2] >= a.shape[-1]
        else a.mT @ np.linalg.inv(a @ a.mT)),
    samples=lambda rng: [
        Sample(rng.normal(size=shape) + 2 * np.eye(*shape[-2:]), rcond=None)
        for shape in ((3, 2), (2, 3), (2, 2, 2))])
def pinv_op(a: Array, *, rcond: Array | float | None = None) -> Array:
    return np.linalg.pinv(a, rcond)


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Array | float | None = None, hermitian: bool = False, *,
         rtol: Any = np._NoValue) -> Array:
    """Compute the pseudo-inverse of Moore and Penrose.

    The rule holds where the rank does not change nearby: always for full rank. At a lower rank
    the pseudo-inverse jumps, and the rule gives its derivative along matrices of the same rank
    (G. H. Golub and V. Pereyra, 1973).

    Args:
        a: matrices of any shape.
        rcond: singular values below this times the largest count as 0; None for NumPy's choice.
        hermitian: take the matrices as symmetric, and read their lower triangles only.
        rtol: another name of `rcond`; here None is the larger side times the machine epsilon.

    Raises:
        InvalidArgumentError: both `rcond` and `rtol` are given.

    >>> pinv([[2.0], [0.0]])
    array([[0.5, 0. ]])
    """
    if rtol is not np._NoValue:
        if rcond is not None:
            raise InvalidArgumentError("pinv() expects rcond or rtol. Got both.")
        known = array_or_tensor(a)
        rcond = max(known.shape[-2:]) * np.finfo(known.dtype).eps if rtol is None else rtol
    if hermitian:
        a = tril(a) + tril(a, -1).mT
    return pinv_op(a, rcond=rcond)


@implements(np.linalg.matrix_power)
def matrix_power(a: Operand, n: int) -> Array:
    """Raise matrices to an integer power by repeated squaring; negative n invert them.

    Raises:
        ShapeError: the matrices are not square.
        LinAlgError: n is negative and a matrix is singular.
        InvalidArgumentError: n is no integer.

    >>> matrix_power(np.array([[1.0, 1.0], [0.0, 1.0]]), 3)
    array([[1., 3.],
           [0., 1.]])
    """
    matrix = array_or_tensor(a)
    shape = matrix.shape
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ShapeError(f"matrix_power() expects square matrices. Got shape {shape}.")
    if not isinstance(n, (int, np.integer)):
        raise InvalidArgumentError(f"matrix_power() expects an integer power. Got {n!r}.")
    if n < 0:
        matrix, n = inv(matrix), -n
    square, result = matrix, None
    while n:
        n, odd = divmod(n, 2)
        if odd:
            result = square if result is None else matmul(result, square)
        if n:
            square = matmul(square, square)
    if result is None:  # a⁰ is constant
        return np.broadcast_to(np.eye(shape[-1], dtype=matrix.dtype), shape)
    return result
