"""The gamma function's logarithm, its derivatives, and Bessel functions, computed by SciPy.

The derivatives lead to further members of these families, so that `iv` and `polygamma` take the
order as an argument.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import Sample, op
from tinygrad_mlp.autograd.ops.elementwise.special import scipy_special

__all__ = ["polygamma", "digamma", "gammaln", "iv", "i0"]


def _in_precision_of(x: Any, y: Any) -> Any:
    """Return `y` in the dtype of `x`: beside whole numbers SciPy computes in float64."""
    dtype = getattr(x, "dtype", None)  # of a NumPy scalar, too; a Python number has none
    return y.astype(dtype) if dtype is not None and dtype.kind == "f" else y


def _zeta_sum(n: Any, x: Any, terms: int = 500) -> Any:
    """Sum ``(−1)ⁿ⁺¹ n! Σ (x + k)⁻ⁿ⁻¹`` for n ≥ 1, the tail by Euler and Maclaurin's formula."""
    n, x = np.asarray(n, float), np.asarray(x, float)
    s, end = n + 1, x + terms
    total = sum((x + k) ** -s for k in range(terms))
    total = total + end ** (1 - s) / (s - 1) + end**-s / 2 + s * end ** (-s - 1) / 12
    return (-1) ** (n + 1) * np.vectorize(math.gamma, otypes=[float])(s) * total


def _polygamma_rule(g: Any, y: Any, n: Any, x: Any) -> Any:
    return g * polygamma(n + 1, x)


@op(rules={"x": _polygamma_rule},
    equation="y = polygamma(n, x),  x̄ = g polygamma(n + 1, x)", latex=r"\psi^{{({n})}}({x})",
    reference=_zeta_sum,
    samples=lambda rng: [
        Sample(np.array(1), rng.uniform(0.5, 4, size=3)),
        Sample(np.array([1, 2, 3]), rng.uniform(0.5, 4, size=(2, 3))),
        Sample(np.array(2), np.array(rng.uniform(0.5, 4)))],
    elementwise=True)
def polygamma(n: Any, x: Any) -> Any:
    """Compute the derivative of order n of the digamma function, for whole n ≥ 0.

    Shapes: n and x are broadcast against each other.

    Source: scipy.special.polygamma; Abramowitz and Stegun, 6.4.1.

    >>> polygamma(1, [1.0, 2.0]).round(4)
    array([1.6449, 0.6449])
    """
    return _in_precision_of(x, scipy_special().polygamma(n, x))


@op(rules={"x": lambda g, y, x: g * polygamma(1, x)},
    equation="y = ψ(x),  x̄ = g polygamma(1, x)", latex=r"\psi({x})", scipy="psi",
    reference=lambda x: np.imag(scipy_special().loggamma(x + 1e-20j)) / 1e-20,
    domain={"x": (0.5, 4)})
def digamma(x: Any) -> Any:
    """Compute the digamma function: the derivative of the logarithm of the gamma function.

    >>> digamma([1.0, 2.0]).round(4)
    array([-0.5772,  0.4228])
    """
    return scipy_special().digamma(x)


@op(rules={"x": lambda g, y, x: g * digamma(x)},
    equation="y = ln |Γ(x)|,  x̄ = g ψ(x)", latex=r"\ln \left|\Gamma({x})\right|", scipy="gammaln",
    reference=lambda x: np.vectorize(math.lgamma, otypes=[float])(x), domain={"x": (0.3, 4)})
def gammaln(x: Any) -> Any:
    """Compute the logarithm of the absolute value of the gamma function.

    >>> gammaln([1.0, 5.0]).round(4)
    array([0.    , 3.1781])
    """
    return scipy_special().gammaln(x)


def _bessel_integral(v: Any, z: Any, points: int = 64) -> Any:
    """Integrate ``1/π e^(z cos t) cos(vt)`` over 0 ≤ t ≤ π for whole v."""
    t = 2 * math.pi / points * np.arange(points)
    v, z = np.asarray(v)[..., None], np.asarray(z)[..., None]
    return np.mean(np.exp(z * np.cos(t)) * np.cos(v * t), axis=-1)


def _iv_rule(g: Any, y: Any, v: Any, z: Any) -> Any:
    return g * (iv(v - 1, z) + iv(v + 1, z)) / 2


@op(rules={"z": _iv_rule},
    equation="y = iv(v, z),  z̄ = g (iv(v − 1, z) + iv(v + 1, z)) / 2", latex=r"I_{{{v}}}({z})",
    scipy="iv", reference=_bessel_integral,
    samples=lambda rng: [
        Sample(np.array(1), rng.uniform(-3, 3, size=3)),
        Sample(np.array([0, 1, 2]), rng.uniform(-3, 3, size=(2, 3))),
        Sample(np.array(2), np.array(rng.uniform(-3, 3)))])
def iv(v: Any, z: Any) -> Any:
    """Compute the modified Bessel function of the first kind, of order `v`.

    >>> iv(1.0, [0.0, 1.0]).round(4)
    array([0.    , 0.5652])
    """
    return _in_precision_of(z, scipy_special().iv(v, z))


@op(rules={"x": lambda g, y, x: g * iv(1, x)},
    equation="y = iv(0, x),  x̄ = g iv(1, x)", latex=r"I_0({x})", numpy=np.i0, scipy="i0",
    reference=lambda x: _bessel_integral(0, x))
def i0(x: Any) -> Any:
    """Compute the modified Bessel function of the first kind of order 0, as in a Kaiser window.

    >>> i0([0.0, 1.0]).round(4)
    array([1.    , 1.2661])
    """
    return scipy_special().i0(x)
