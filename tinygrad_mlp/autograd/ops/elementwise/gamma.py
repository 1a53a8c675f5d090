"""The gamma function and its family, element by element.

SciPy computes them. The derivative of one leads to another member of the family, so that
`polygamma` takes the order as an argument.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, Samples, op
from tinygrad_mlp.autograd.ops.elementwise.exponential import exp
from tinygrad_mlp.autograd.ops.elementwise.rounding import flat
from tinygrad_mlp.autograd.ops.elementwise.special import in_precision_of, scipy_special, xlogy
from tinygrad_mlp.errors import InvalidArgumentError

__all__ = [
    "polygamma", "digamma", "psi", "gammaln", "gamma", "rgamma", "gammasgn", "beta", "betaln",
    "gammainc", "gammaincc", "betainc", "multigammaln"]


def _zeta_sum(n: ArrayLike, x: Array, terms: int = 500) -> Array:
    """Sum ``(−1)ⁿ⁺¹ n! Σ (x + k)⁻ⁿ⁻¹`` for n ≥ 1, the tail by Euler and Maclaurin's formula."""
    n, x = np.asarray(n, float), np.asarray(x, float)
    s, end = n + 1, x + terms
    total = sum((x + k) ** -s for k in range(terms))
    total = total + end ** (1 - s) / (s - 1) + end**-s / 2 + s * end ** (-s - 1) / 12
    return (-1) ** (n + 1) * np.vectorize(math.gamma, otypes=[float])(s) * total


def _polygamma_rule(g: Array, y: Array, n: int, x: Array) -> Array:
    return g * polygamma(n + 1.0, x)


@op(rules={"x": _polygamma_rule},
    equation="y = polygamma(n, x),  x̄ = g polygamma(n + 1, x)", latex=r"\psi^{{({n})}}({x})",
    reference=_zeta_sum,
    samples=lambda rng: [
        Sample(np.array(1), rng.uniform(0.5, 4, size=3)),
        Sample(np.array([1, 2, 3]), rng.uniform(0.5, 4, size=(2, 3))),
        Sample(np.array(2), np.array(rng.uniform(0.5, 4)))],
    elementwise=True)
def polygamma(n: Array, x: Array) -> Array:
    """Compute the derivative of order n of the digamma function, for whole n ≥ 0.

    Shapes: n and x are broadcast against each other.

    Source: scipy.special.polygamma; Abramowitz and Stegun, 6.4.1.

    >>> polygamma(1, [1.0, 2.0]).round(4)
    array([1.6449, 0.6449])
    """
    return in_precision_of(x, scipy_special().polygamma(n, x))


@op(rules={"x": lambda g, y, x: g * polygamma(1, x)},
    equation="y = ψ(x),  x̄ = g polygamma(1, x)", latex=r"\psi({x})", scipy="psi",
    reference=lambda x: np.imag(scipy_special().loggamma(x + 1e-20j)) / 1e-20,
    domain={"x": (0.5, 4)})
def digamma(x: Array) -> Array:
    """Compute the digamma function: the derivative of the logarithm of the gamma function.

    >>> digamma([1.0, 2.0]).round(4)
    array([-0.5772,  0.4228])
    """
    return scipy_special().digamma(x)


@op(rules={"x": lambda g, y, x: g * digamma(x)},
    equation="y = ln |Γ(x)|,  x̄ = g ψ(x)", latex=r"\ln \left|\Gamma({x})\right|", scipy="gammaln",
    reference=lambda x: np.vectorize(math.lgamma, otypes=[float])(x), domain={"x": (0.3, 4)})
def gammaln(x: Array) -> Array:
    """Compute the logarithm of the absolute value of the gamma function.

    >>> gammaln([1.0, 5.0]).round(4)
    array([0.    , 3.1781])
    """
    return scipy_special().gammaln(x)

psi = digamma


@op(rules={"x": lambda g, y, x: g * y * digamma(x)},
    equation="y = Γ(x),  x̄ = g y ψ(x)", latex=r"\Gamma({x})", scipy="gamma",
    reference=lambda x: np.vectorize(math.gamma, otypes=[float])(x), domain={"x": (0.3, 4)})
def gamma(x: Array) -> Array:
    """Compute the gamma function, ``Γ(x) = (x − 1)!`` for whole x.

    >>> gamma([1.0, 5.0])
    array([ 1., 24.])
    """
    return scipy_special().gamma(x)


@op(rules={"x": lambda g, y, x: -g * y * digamma(x)},
    equation="y = 1 / Γ(x),  x̄ = −g y ψ(x)", latex=r"\frac{{1}}{{\Gamma({x})}}", scipy="rgamma",
    reference=lambda x: 1 / np.vectorize(math.gamma, otypes=[float])(x), domain={"x": (0.3, 4)})
def rgamma(x: Array) -> Array:
    """Compute the reciprocal of the gamma function.

    >>> rgamma([1.0, 3.0])
    array([1. , 0.5])
    """
    return scipy_special().rgamma(x)


@op(rules={"x": flat},
    equation="y = sign Γ(x),  x̄ = 0", latex=r"\mathrm{{sign}}\,\Gamma({x})", scipy="gammasgn",
    reference=lambda x: np.where((x > 0) | (np.floor(x) % 2 == 0), 1.0, -1.0))
def gammasgn(x: Array) -> Array:
    """Compute the sign of the gamma function, 1 or −1. The gradient is 0.

    >>> gammasgn([2.5, -0.5, -1.5])
    array([ 1., -1.,  1.])
    """
    return scipy_special().gammasgn(x)


def _log_beta(a: Array, b: Array) -> Array:
    log_gamma = np.vectorize(math.lgamma, otypes=[float])
    return log_gamma(a) + log_gamma(b) - log_gamma(a + b)


@op(rules={"a": lambda g, y, a, b: g * (digamma(a) - digamma(a + b)),
           "b": lambda g, y, a, b: g * (digamma(b) - digamma(a + b))},
    equation="y = betaln(a, b),  ā = g (ψ(a) − ψ(a + b)),  b̄ = g (ψ(b) − ψ(a + b))",
    latex=r"\ln \left|\mathrm{{B}}({a}, {b})\right|", scipy="betaln", reference=_log_beta,
    domain={"a": (0.3, 4), "b": (0.3, 4)})
def betaln(a: Array, b: Array) -> Array:
    """Compute the logarithm of the absolute value of the beta function.

    >>> betaln([1.0, 2.0], 3.0).round(4)
    array([-1.0986, -2.4849])
    """
    return scipy_special().betaln(a, b)


@op(rules={"a": lambda g, y, a, b: g * y * (digamma(a) - digamma(a + b)),
           "b": lambda g, y, a, b: g * y * (digamma(b) - digamma(a + b))},
    equation="y = beta(a, b),  ā = g y (ψ(a) − ψ(a + b)),  b̄ = g y (ψ(b) − ψ(a + b))",
    latex=r"\mathrm{{B}}({a}, {b})", scipy="beta", reference=lambda a, b: np.exp(_log_beta(a, b)),
    domain={"a": (0.3, 4), "b": (0.3, 4)})
def beta(a: Array, b: Array) -> Array:
    """Compute the beta function, ``B(a, b) = Γ(a) Γ(b) / Γ(a + b)``.

    >>> beta([1.0, 2.0], 3.0).round(4)
    array([0.3333, 0.0833])
    """
    return scipy_special().beta(a, b)


def _whole(count: int, low: float, high: float) -> Samples:
    """Return samples of `count` whole numbers, which have no gradient, and of x in a range."""
    return lambda rng: [
        Sample(*(rng.integers(1, 4, size=size[-1:]) for _ in range(count)),
               rng.uniform(low, high, size=size)) for size in ((3,), (2, 3), ())]


def _gamma_density(a: Array, x: Array) -> Array:
    """Return ``x^(a − 1) e^−x / Γ(a)``."""
    return exp(xlogy(a - 1, x) - x - gammaln(a))


def _gammainc_series(a: Array, x: Array) -> Array:
    """Sum ``x^a e^−x Σ x^k / Γ(a + k + 1)``."""
    log_gamma = np.vectorize(math.lgamma, otypes=[float])
    terms = (np.exp((a + k) * np.log(x) - x - log_gamma(a + k + 1)) for k in range(80))
    return sum(terms)


@op(rules={"x": lambda g, y, a, x: g * _gamma_density(a, x)},
    equation="y = gammainc(a, x),  x̄ = g x^(a − 1) e^−x / Γ(a)", latex=r"P({a}, {x})",
    scipy="gammainc", reference=_gammainc_series, samples=_whole(1, 0.3, 4),
    elementwise=True)
def gammainc(a: Array, x: Array) -> Array:
    """Compute the regularised incomplete gamma function, ``1/Γ(a) ∫ t^(a − 1) e^−t dt`` up to x.

    It is differentiable with respect to x.

    >>> gammainc(1.0, [0.0, 1.0]).round(4)
    array([0.    , 0.6321])
    """
    return in_precision_of(x, scipy_special().gammainc(a, x))


@op(rules={"x": lambda g, y, a, x: -g * _gamma_density(a, x)},
    equation="y = gammaincc(a, x),  x̄ = −g x^(a − 1) e^−x / Γ(a)", latex=r"Q({a}, {x})",
    scipy="gammaincc", reference=lambda a, x: 1 - _gammainc_series(a, x),
    samples=_whole(1, 0.3, 4), elementwise=True)
def gammaincc(a: Array, x: Array) -> Array:
    """Compute ``1 − gammainc(a, x)``, exact also where it is nearly 0.

    >>> gammaincc(1.0, [0.0, 1.0]).round(4)
    array([1.    , 0.3679])
    """
    return in_precision_of(x, scipy_special().gammaincc(a, x))


def _beta_integral(a: Array, b: Array, x: Array) -> Array:
    """Integrate ``t^(a − 1) (1 − t)^(b − 1) / B(a, b)`` over 0 ≤ t ≤ x, with ``t = x s²``."""
    s, weight = np.polynomial.legendre.leggauss(200)
    s, weight = (s + 1) / 2, weight / 2
    a, b, x = (np.asarray(each)[..., None] for each in (a, b, x))
    t = x * s**4
    values = t ** (a - 1) * (1 - t) ** (b - 1) * 4 * x * s**3
    return np.sum(weight * values, axis=-1) / np.exp(_log_beta(a, b))[..., 0]


@op(rules={"x": lambda g, y, a, b, x: g * exp(
               xlogy(a - 1, x) + xlogy(b - 1, 1 - x) - betaln(a, b))},
    equation="y = betainc(a, b, x),  x̄ = g x^(a − 1) (1 − x)^(b − 1) / beta(a, b)",
    latex=r"I_{{{x}}}({a}, {b})", scipy="betainc", reference=_beta_integral,
    samples=_whole(2, 0.1, 0.9), elementwise=True)
def betainc(a: Array, b: Array, x: Array) -> Array:
    """Compute the regularised incomplete beta function, the share of B(a, b) up to 0 ≤ x ≤ 1.

    It is differentiable with respect to x.

    >>> betainc(2.0, 1.0, [0.5, 1.0])
    array([0.25, 1.  ])
    """
    return in_precision_of(x, scipy_special().betainc(a, b, x))


def multigammaln(a: Operand, d: int) -> Any:
    """Compute the logarithm of the multivariate gamma function of dimension d.

    ``d (d − 1)/4 ln π + Σⱼ ln Γ(a + (1 − j)/2)``, over j = 1, …, d.

    Args:
        a: the argument, more than (d − 1)/2.
        d: the dimension, at least 1.

    Raises:
        InvalidArgumentError: d is no such integer.

    Source: scipy.special.multigammaln; James, "Distributions of matrix variates", 1964.

    >>> float(multigammaln(3.0, 2).round(4))
    1.5502
    """
    if not isinstance(d, (int, np.integer)) or d < 1:
        raise InvalidArgumentError(f"multigammaln() expects d to be an integer >= 1. Got {d!r}.")
    total = d * (d - 1) / 4 * math.log(math.pi)
    for j in range(d):
        total = total + gammaln(a - j / 2)  # type: ignore[operator]
    return total
