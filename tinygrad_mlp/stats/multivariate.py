"""Distributions of vectors, which lie along the last axis of x."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.errors import ShapeError
from tinygrad_mlp.stats.univariate import LOG_2PI, operand


class MultivariateNormal:
    """The normal distribution of vectors of length d, as `tg.stats.multivariate_normal`.

    The mean is a vector or a number, 0 by default; the covariance a positive definite matrix, or a
    number for a multiple of the unit matrix, 1 by default.

    >>> MultivariateNormal().logpdf(np.zeros(2)).round(4)
    np.float64(-1.8379)
    """

    def logpdf(self, x: Operand, mean: Operand = 0.0, cov: Operand = 1.0,
               allow_singular: bool = False) -> Any:
        """Compute ``−½ (d ln 2π + ln det Σ + (x − μ)ᵀ Σ⁻¹ (x − μ))``; Σ is read symmetrically.

        With `allow_singular`, on the vectors that a singular Σ can bring about: its pseudo-inverse,
        the product of its positive eigenvalues, and as d their number.

        Raises:
            ShapeError: mean or covariance does not fit x.
        """
        centred = operand(x) - operand(mean)
        d = centred.shape[-1] if centred.ndim else 1
        if allow_singular:
            return self._on_support(centred, self._matrix(cov, d))
        triangle = self._triangle(cov, d)
        whitened = ops.solve(triangle, ops.reshape(centred, shape=(-1, d)).T)
        form = ops.reshape(ops.sum(whitened * whitened, axis=0), shape=centred.shape[:-1])
        return -0.5 * (form + d * LOG_2PI) - self._half_log_det(triangle)

    def pdf(self, x: Operand, mean: Operand = 0.0, cov: Operand = 1.0,
            allow_singular: bool = False) -> Any:
        """Compute the density; see `logpdf`."""
        return ops.exp(self.logpdf(x, mean, cov, allow_singular))

    def _on_support(self, centred: Array, cov: Array) -> Array:
        """Return the logarithm of the density for a covariance that may be singular.

        ``det(Σ + N)``, with the projector N on what Σ maps to 0, is the product of the others.
        """
        rcond = 1e6 * np.finfo(float).eps  # SciPy's
        inverse, rest = ops.pinv(cov, rcond, True), ops.projector(cov, rcond=rcond)
        rest = rest.data if isinstance(rest, Value) else rest  # constant among such matrices
        form = ops.sum((centred @ inverse) * centred, axis=-1)
        rank = len(rest) - round(float(np.trace(rest)))
        return -0.5 * (form + rank * LOG_2PI + ops.slogdet(cov + rest)[1])

    def entropy(self, mean: Operand = 0.0, cov: Operand = 1.0) -> Any:
        """Compute the entropy, ``½ (d (1 + ln 2π) + ln det Σ)``."""
        shape = operand(cov).shape
        d = shape[0] if shape else operand(mean).size
        return 0.5 * d * (1 + LOG_2PI) + self._half_log_det(self._triangle(cov, d))

    def _triangle(self, cov: Operand, d: int) -> Array:
        """Return Cholesky's factor of the covariance."""
        return ops.cholesky(self._matrix(cov, d))

    def _matrix(self, cov: Operand, d: int) -> Array:
        matrix = operand(cov)
        if matrix.ndim == 0:
            matrix = matrix * np.eye(d)
        if matrix.shape != (d, d):
            raise ShapeError(
                f"multivariate_normal: cov must be of shape ({d}, {d}) for vectors of length {d}. "
                f"Got {matrix.shape}.")
        return matrix

    def _half_log_det(self, triangle: Array) -> Array:
        return ops.sum(ops.log(ops.diagonal(triangle)))


class Dirichlet:
    """Dirichlet's distribution of vectors of sum 1, as `tg.stats.dirichlet`.

    >>> Dirichlet().pdf([0.2, 0.3, 0.5], [1.0, 1.0, 1.0]).round(4)
    np.float64(2.0)
    """

    def logpdf(self, x: Operand, alpha: Operand) -> Any:
        """Compute ``Σ (αᵢ − 1) ln xᵢ − Σ ln Γ(αᵢ) + ln Γ(Σ αᵢ)``.

        Raises:
            ShapeError: x and alpha have different lengths.
        """
        point, a = operand(x), operand(alpha)
        if point.ndim == 0 or a.ndim != 1 or point.shape[-1] != a.shape[0]:
            raise ShapeError(
                f"dirichlet: x must have as many entries along the last axis as alpha. Got shapes "
                f"{point.shape} and {a.shape}.")
        constant = ops.gammaln(ops.sum(a)) - ops.sum(ops.gammaln(a))
        return ops.sum(ops.xlogy(a - 1, point), axis=-1) + constant

    def pdf(self, x: Operand, alpha: Operand) -> Any:
        """Compute the density."""
        return ops.exp(self.logpdf(x, alpha))


multivariate_normal, dirichlet = MultivariateNormal(), Dirichlet()
