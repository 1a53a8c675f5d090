"""Determinants and cofactors of square matrices, batched.

The rules follow from ``d det A = tr(adj(A) dA)``. They are computed from singular values, so that
they hold for singular matrices, too. The matrices lie in the last two axes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, implements, op
from tinygrad_mlp.autograd.ops.linalg.solve import inv, square_matrices, well_conditioned
from tinygrad_mlp.autograd.ops.shapes.shape import expand_dims
from tinygrad_mlp.autograd.ops.sums import sum as sum_

__all__ = ["det", "cofactor", "second_cofactor", "slogdet"]


def _without(s: Array) -> Array:
    """Return for every element the product of all others along the last axis, without dividing."""
    one = np.ones_like(s[..., :1])
    before = np.cumprod(np.concatenate([one, s[..., :-1]], axis=-1), axis=-1)
    behind = np.cumprod(np.concatenate([one, s[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    return before * behind


def _rotations(a: Array) -> tuple[Array, Array, Array, Array]:
    """Return the singular value decomposition, and the determinant of ``U Vᵀ``: 1 or −1."""
    u, s, vh = np.linalg.svd(a)
    return u, s, vh, np.round(np.linalg.det(u) * np.linalg.det(vh))[..., None, None]


def _by_inverse(v: Array, a: Array) -> Array:
    c, b = cofactor(a), inv(a).mT
    return np.sum(v * c, axis=(-2, -1), keepdims=True) * b - c @ v.mT @ b


def _second_cofactor_v(g: Array, y: Array, v: Array, a: Array) -> Array:
    return second_cofactor(g, a)  # ∂² det is symmetric


def _second_cofactor_a(g: Array, y: Array, v: Array, a: Array) -> Array:
    """Differentiate ``Σ v c · b − c vᵀ b`` for the cofactors c and ``b = inv(a)ᵀ``."""
    c, b = cofactor(a), inv(a).mT
    of_c = v * sum_(g * b, axis=(-2, -1), keepdims=True) - g @ b.mT @ v
    of_b = g * sum_(v * c, axis=(-2, -1), keepdims=True) - v @ c.mT @ g
    return second_cofactor(of_c, a) - b @ of_b.mT @ b


@op(rules={"v": _second_cofactor_v, "a": _second_cofactor_a},
    equation="y[i, j] = Σ v[k, l] (c[k, l] b[j, i] − c[i, l] b[j, k]),  "
    "v̄[i, j] = Σ g[k, l] (c[k, l] b[j, i] − c[i, l] b[j, k]),  "
    "ā[i, j] = Σ c[i, j] v[k, l] b[l, k] g[m, h] b[h, m] − Σ b[j, i] p[k, l] g[k, l] "
    "− Σ p[i, j] g[k, l] b[l, k] − Σ q[i, j] v[k, l] b[l, k] + r[i, j],  b = inv(a),  "
    "c = cofactor(a),  p = c @ vᵀ @ bᵀ,  q = c @ gᵀ @ bᵀ,  r = p @ gᵀ @ bᵀ + q @ vᵀ @ bᵀ",
    latex=r"\mathrm{{cof}}'({a})[{v}]", reference=_by_inverse,
    samples=lambda rng: [
        Sample(rng.normal(size=(n, n)), well_conditioned(rng, n=n)) for n in (3, 4)])
def second_cofactor(v: Array, a: Array) -> Array:
    """Compute the derivative of the cofactors of `a` in the direction `v`: ``∂² det a``, times v.

    With ``a = U diag(s) Wᵀ``, ``h = Uᵀ v W`` and ``P_ij = Π s_k`` over all k but i and j:
    ``det(U Wᵀ) U (diag(P diag(h)) − P ∘ hᵀ) Wᵀ``. Nothing is divided by, so that it is right for
    singular matrices, too. Its own derivative with respect to `a` needs the inverse.

    Raises:
        LinAlgError: a matrix is not square.

    Shapes: v, a and y ``(..., n, n)``.

    Source: the derivative of the product of singular values, in their coordinates.

    >>> second_cofactor(np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros((2, 2)))
    array([[ 4., -3.],
           [-2.,  1.]])
    """
    u, s, vh, sign = _rotations(a)
    eye = np.eye(s.shape[-1], dtype=bool)
    pairs = np.where(eye, 0, _without(np.where(eye, 1, s[..., None, :])))
    h = u.mT @ v @ vh.mT
    diagonal = pairs @ np.linalg.diagonal(h)[..., None]
    return sign * (u @ np.where(eye, diagonal, -pairs * h.mT) @ vh)


def _minors(a: Array) -> Array:
    out = np.zeros_like(a)
    for *batch, i, j in np.ndindex(a.shape):
        minor = np.delete(np.delete(a[tuple(batch)], i, 0), j, 1)
        out[(*batch, i, j)] = (-1) ** (i + j) * np.linalg.det(minor)
    return out


@op(rules={"a": lambda g, y, a: second_cofactor(g, a)},
    equation="y[i, j] = d b[j, i],  ā[i, j] = Σ g[k, l] (y[k, l] b[j, i] − y[i, l] b[j, k]),  "
    "b = inv(a),  d = det(a)", latex=r"\mathrm{{cof}}({a})",
    reference=_minors, samples=square_matrices)
def cofactor(a: Array) -> Array:
    """Compute the matrix of cofactors, the transpose of the adjugate: ``∂ det a / ∂a``.

    Computed from the singular values, ``det(U Vᵀ) U diag(Π_{j≠i} s_j) Vᵀ``, so that it is
    also exact for singular matrices.

    Shapes: a and y ``(..., n, n)``.

    Source: Jacobi's formula; Magnus and Neudecker, "Matrix Differential Calculus", 1988, ch. 8.

    >>> cofactor([[1.0, 2.0], [3.0, 4.0]]).round(6)
    array([[ 4., -3.],
           [-2.,  1.]])
    """
    u, s, vh, sign = _rotations(a)
    return sign * ((u * _without(s)[..., None, :]) @ vh)


@op(rules={"a": lambda g, y, a: expand_dims(g, (-2, -1)) * cofactor(a)},
    equation="y = det(a),  ā[i, j] = g c[i, j],  c = cofactor(a)", latex=r"\mathrm{{det}}({a})",
    numpy=np.linalg.det, reference=lambda a: np.prod(np.linalg.eigvals(a), axis=-1).real,
    samples=square_matrices)
def det(a: Array) -> Array:
    """Compute the determinant of square matrices.

    Its first and second derivatives are also exact for singular matrices; the third needs the
    inverse.

    Raises:
        LinAlgError: a matrix is not square.

    Shapes: a ``(..., n, n)``, y ``(...)``.

    >>> det([[1.0, 2.0], [3.0, 4.0]]).round(6).item()
    -2.0
    """
    return np.linalg.det(a)


@op(name="slogdet", rules={"a": lambda g, y, a: expand_dims(g[1], (-2, -1)) * inv(a).mT},
    equation="s, l: s = sign(det(a)),  l = ln |det(a)|,  ā[i, j] = l̄ b[j, i],  b = inv(a)",
    latex=r"\mathrm{{slogdet}}({a})",
    reference=lambda a: (np.sign(np.linalg.det(a)), np.log(np.abs(np.linalg.det(a)))),
    samples=lambda rng: [
        Sample(s.args[0] * sign) for s in square_matrices(rng) for sign in (1, -1)],
    outputs=2)
def slogdet_op(a: Array) -> tuple[Array, ...]:
    return tuple(np.linalg.slogdet(a))


class SlogdetResult(NamedTuple):
    """Sign and logarithm of the absolute value of a determinant."""

    sign: Any
    logabsdet: Any


@implements(np.linalg.slogdet)
def slogdet(a: Operand) -> SlogdetResult:
    """Compute the sign of the determinant and the logarithm of its size, without overflow.

    The gradient is that of the logarithm; the sign has none. For a singular matrix the logarithm
    is −∞ as in NumPy, and asking for the gradient raises `LinAlgError`.

    >>> sign, logabsdet = slogdet(np.diag([1e-200, -1e-200]))
    >>> float(sign), round(float(logabsdet), 3)
    (-1.0, -921.034)
    """
    return SlogdetResult(*slogdet_op(a))
