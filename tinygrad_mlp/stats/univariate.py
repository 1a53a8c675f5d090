"""Distributions of one number.

Every function takes arrays, numbers and tensors, with NumPy's broadcasting, and can be
differentiated with respect to each argument for which the special function behind it has a rule.
With a location and a scale, ``z = (x − loc) / scale``. Outside of the support a density is 0 and
its logarithm −∞.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.support.checks import as_array

LOG_2PI = math.log(2 * math.pi)


def operand(x: Operand) -> Any:
    """Return a tensor as it is, and anything else as an array of floating-point numbers."""
    if isinstance(x, Value):
        return x
    array = as_array(x, "a distribution")
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def standardised(x: Operand, loc: Operand, scale: Operand) -> Array:
    """Return ``(x − loc) / scale``."""
    return (operand(x) - operand(loc)) / operand(scale)


def within(inside: Array, function: Any, z: Array, outside: float) -> Array:
    """Return ``function(z)`` where z is inside of the support, and a constant elsewhere."""
    if np.all(inside):
        return function(z)
    return ops.where(inside, function(ops.where(inside, z, 0.5)), outside)


class Normal:
    """The normal distribution, as `tg.stats.norm`.

    >>> Normal().logpdf([0.0, 1.0]).round(4)
    array([-0.9189, -1.4189])
    """

    def logpdf(self, x: Operand, loc: Operand = 0.0, scale: Operand = 1.0) -> Any:
        """Compute the logarithm of the density: ``−½ z² − ln(scale √(2π))``."""
        z = standardised(x, loc, scale)
        return -0.5 * z * z - ops.log(operand(scale)) - 0.5 * LOG_2PI

    def pdf(self, x: Operand, loc: Operand = 0.0, scale: Operand = 1.0) -> Any:
        """Compute the density."""
        return ops.exp(self.logpdf(x, loc, scale))

    def cdf(self, x: Operand, loc: Operand = 0.0, scale: Operand = 1.0) -> Any:
        """Compute the probability of at most x: ``Φ(z)``."""
        return ops.ndtr(standardised(x, loc, scale))

    def logcdf(self, x: Operand, loc: Operand = 0.0, scale: Operand = 1.0) -> Any:
        """Compute the logarithm of `cdf`, accurate where that underflows."""
        return ops.log_ndtr(standardised(x, loc, scale))

    def sf(self, x: Operand, loc: Operand = 0.0, scale: Operand = 1.0) -> Any:
        """Compute the probability of more than x: ``Φ(−z)``."""
        return ops.ndtr(-standardised(x, loc, scale))

    def logsf(self, x: Operand, loc: Operand = 0.0, scale: Operand = 1.0) -> Any:
        """Compute the logarithm of `sf`, accurate where that underflows."""
        return ops.log_ndtr(-standardised(x, loc, scale))


class StudentT:
    """Student's distribution with `df` degrees of freedom, as `tg.stats.t`.

    >>> StudentT().pdf(0.0, 1.0).round(4)  # 1 / π
    np.float64(0.3183)
    """

    def logpdf(self, x: Operand, df: Operand, loc: Operand = 0.0, scale: Operand = 1.0) -> Any:
        """Compute ``−½ (df + 1) ln(1 + z²/df) − ln B(df/2, ½) − ½ ln df − ln scale``."""
        z, n = standardised(x, loc, scale), operand(df)
        shape = -0.5 * (n + 1) * ops.log1p(z * z / n)
        return shape - ops.betaln(n / 2, 0.5) - 0.5 * ops.log(n) - ops.log(operand(scale))

    def pdf(self, x: Operand, df: Operand, loc: Operand = 0.0, scale: Operand = 1.0) -> Any:
        """Compute the density."""
        return ops.exp(self.logpdf(x, df, loc, scale))

    def cdf(self, x: Operand, df: Operand, loc: Operand = 0.0, scale: Operand = 1.0) -> Any:
        """Compute the probability of at most x; differentiable in x, loc and scale."""
        z, n = standardised(x, loc, scale), operand(df)
        tail = 0.5 * ops.betainc(n / 2, 0.5, n / (n + z * z))  # of more than |z|
        return ops.where(z > 0, 1 - tail, tail)

    def logcdf(self, x: Operand, df: Operand, loc: Operand = 0.0, scale: Operand = 1.0) -> Any:
        """Compute the logarithm of `cdf`."""
        return ops.log(self.cdf(x, df, loc, scale))


class Gamma:
    """The gamma distribution of shape `a`, as `tg.stats.gamma`.

    >>> Gamma().cdf([0.0, 1.0], 1.0).round(4)
    array([0.    , 0.6321])
    """

    def logpdf(self, x: Operand, a: Operand, loc: Operand = 0.0, scale: Operand = 1.0) -> Any:
        """Compute ``(a − 1) ln z − z − ln Γ(a) − ln scale``."""
        z, shape = standardised(x, loc, scale), operand(a)
        inside = within(z >= 0, lambda z: ops.xlogy(shape - 1, z) - z, z, -np.inf)
        return inside - ops.gammaln(a) - ops.log(operand(scale))

    def pdf(self, x: Operand, a: Operand, loc: Operand = 0.0, scale: Operand = 1.0) -> Any:
        """Compute the density."""
        return ops.exp(self.logpdf(x, a, loc, scale))

    def cdf(self, x: Operand, a: Operand, loc: Operand = 0.0, scale: Operand = 1.0) -> Any:
        """Compute the probability of at most x; differentiable in x, loc and scale."""
        z = standardised(x, loc, scale)
        return within(z >= 0, lambda z: ops.gammainc(a, z), z, 0.0)


class ChiSquared:
    """The χ² distribution with `df` degrees of freedom, as `tg.stats.chi2`.

    >>> ChiSquared().pdf(2.0, 2.0).round(4)
    np.float64(0.1839)
    """

    def logpdf(self, x: Operand, df: Operand, loc: Operand = 0.0, scale: Operand = 1.0) -> Any:
        """Compute the logarithm of the density: that of the gamma distribution of shape df/2."""
        return gamma.logpdf(x, operand(df) / 2, loc, 2 * operand(scale))

    def pdf(self, x: Operand, df: Operand, loc: Operand = 0.0, scale: Operand = 1.0) -> Any:
        """Compute the density."""
        return ops.exp(self.logpdf(x, df, loc, scale))

    def cdf(self, x: Operand, df: Operand, loc: Operand = 0.0, scale: Operand = 1.0) -> Any:
        """Compute the probability of at most x; differentiable in x, loc and scale."""
        return gamma.cdf(x, operand(df) / 2, loc, 2 * operand(scale))


class Beta:
    """The beta distribution of shapes `a` and `b`, as `tg.stats.beta`.

    >>> Beta().cdf(0.5, 2.0, 1.0)
    np.float64(0.25)
    """

    def logpdf(self, x: Operand, a: Operand, b: Operand, loc: Operand = 0.0,
               scale: Operand = 1.0) -> Any:
        """Compute ``(a − 1) ln z + (b − 1) ln(1 − z) − ln B(a, b) − ln scale``."""
        z, below, above = standardised(x, loc, scale), operand(a) - 1, operand(b) - 1
        inside = within((z >= 0) & (z <= 1), lambda z: ops.xlogy(below, z) + ops.xlogy(
            above, 1 - z), z, -np.inf)
        return inside - ops.betaln(a, b) - ops.log(operand(scale))

    def pdf(self, x: Operand, a: Operand, b: Operand, loc: Operand = 0.0,
            scale: Operand = 1.0) -> Any:
        """Compute the density."""
        return ops.exp(self.logpdf(x, a, b, loc, scale))

    def cdf(self, x: Operand, a: Operand, b: Operand, loc: Operand = 0.0,
            scale: Operand = 1.0) -> Any:
        """Compute the probability of at most x; differentiable in x, loc and scale."""
        z = ops.clip(standardised(x, loc, scale), 0.0, 1.0)
        return ops.betainc(a, b, z)


class Poisson:
    """The Poisson distribution of mean `mu`, as `tg.stats.poisson`; k are whole numbers.

    >>> Poisson().pmf([0, 1, -1], 1.0).round(4)
    array([0.3679, 0.3679, 0.    ])
    """

    def logpmf(self, k: Operand, mu: Operand) -> Any:
        """Compute the logarithm of the probability of k: ``k ln mu − mu − ln k!``."""
        count = np.asarray(k)
        possible = (count >= 0) & (count == np.floor(count))
        n = np.where(possible, count, 0).astype(np.float64)
        found = ops.xlogy(n, mu) - ops.gammaln(n + 1) - operand(mu)
        return ops.where(possible, found, -np.inf)

    def pmf(self, k: Operand, mu: Operand) -> Any:
        """Compute the probability of k."""
        return ops.exp(self.logpmf(k, mu))

    def cdf(self, k: Operand, mu: Operand) -> Any:
        """Compute the probability of at most k: ``Q(⌊k⌋ + 1, mu)``."""
        count = np.asarray(k)
        found = ops.gammaincc(np.maximum(np.floor(count), 0.0) + 1, mu)
        return ops.where(count >= 0, found, 0.0)


norm, t, gamma, chi2, beta, poisson = (
    Normal(), StudentT(), Gamma(), ChiSquared(), Beta(), Poisson())
