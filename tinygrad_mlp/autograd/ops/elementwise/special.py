"""Special functions, element by element: the sigmoid, the error function and their relatives."""

from __future__ import annotations

import functools
import math
from types import ModuleType

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.autograd.ops.elementwise.comparison import equal
from tinygrad_mlp.autograd.ops.elementwise.exponential import exp, log
from tinygrad_mlp.autograd.ops.elementwise.selection import where

__all__ = [
    "sigmoid", "expit", "logit", "logaddexp", "logaddexp2", "erf", "erfc", "erfinv", "erfcinv",
    "ndtr", "log_ndtr", "xlogy", "difference"]


@functools.cache
def scipy_special() -> ModuleType:
    """Return the module scipy.special."""
    # Loaded when first used: scipy would double the time of `import tinygrad_mlp`.
    from scipy import special

    return special


@op(rules={"x": lambda g, y, x: g * y * (1 - y)},
    equation="y = 1 / (1 + e^−x),  x̄ = g y (1 − y)", latex="g({x})", scipy="expit",
    reference=lambda x: 1 / (1 + np.exp(-x)), provenance=True, floating=True)
def sigmoid(x: Array) -> Array:
    """Compute the logistic sigmoid ``g(x) = 1 / (1 + e^−x)``.

    ``g′(x) = g(x) (1 − g(x))``. Computed without overflow for any x.

    >>> import numpy as np
    >>> sigmoid(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    return scipy_special().expit(x)

expit = sigmoid


@op(rules={"x": lambda g, y, x: g / (x * (1 - x))},
    equation="y = ln(x / (1 − x)),  x̄ = g / (x (1 − x))", latex=r"\mathrm{{logit}}({x})",
    scipy="logit", reference=lambda x: np.log(x) - np.log1p(-x), domain={"x": (0.1, 0.9)})
def logit(x: Array) -> Array:
    """Compute the inverse of the sigmoid: the logarithm of the odds, for 0 < x < 1.

    >>> logit([0.5, 0.9]).round(4)
    array([0.    , 2.1972])
    """
    return scipy_special().logit(x)


@op(rules={"x1": lambda g, y, x1, x2: g, "x2": lambda g, y, x1, x2: -g},
    equation="y = 0 where x1 = x2 else x1 − x2,  x̄1 = g,  x̄2 = −g", latex="{x1} - {x2}",
    reference=lambda x1, x2: np.add(x1, np.negative(x2)), elementwise=True,
    floating=True)
def difference(x1: Array, x2: Array) -> Array:
    """Compute the difference ``x1 − x2``, which is 0 for two equal infinities.

    Source: the limit of x1 − x2 along x1 = x2; the gradients of `logaddexp` use it.

    >>> difference(np.array([np.inf, 3.0]), np.array([np.inf, 1.0]))
    array([0., 2.])
    """
    with np.errstate(invalid="ignore"):
        return np.where(np.equal(x1, x2), np.zeros_like(x2), np.subtract(x1, x2))


@op(rules={"x1": lambda g, y, x1, x2: g * sigmoid(difference(x1, x2)),
           "x2": lambda g, y, x1, x2: g * sigmoid(difference(x2, x1))},
    equation="y = ln(e^x1 + e^x2),  x̄1 = g σ(x1 − x2),  x̄2 = g σ(x2 − x1)",
    latex=r"\ln(e^{{{x1}}} + e^{{{x2}}})", numpy=np.logaddexp,
    reference=lambda x1, x2: np.log(np.exp(x1) + np.exp(x2)))
def logaddexp(x1: Array, x2: Array) -> Array:
    """Compute the logarithm of the sum of two exponentials, without overflow.

    >>> logaddexp([0.0, 1000.0], [0.0, 1000.0]).round(4)
    array([6.9310000e-01, 1.0006931e+03])
    """
    return np.logaddexp(x1, x2)


@op(rules={"x1": lambda g, y, x1, x2: g * sigmoid(difference(x1, x2) * math.log(2)),
           "x2": lambda g, y, x1, x2: g * sigmoid(difference(x2, x1) * math.log(2))},
    equation="y = log₂(2^x1 + 2^x2),  x̄1 = g 2^x1 / 2^y,  x̄2 = g 2^x2 / 2^y",
    latex=r"\log_2(2^{{{x1}}} + 2^{{{x2}}})", numpy=np.logaddexp2,
    reference=lambda x1, x2: np.log2(np.exp2(x1) + np.exp2(x2)))
def logaddexp2(x1: Array, x2: Array) -> Array:
    """Compute the logarithm to the base 2 of the sum of two powers of 2, without overflow.

    >>> logaddexp2([0.0, 2000.0], [0.0, 2000.0])
    array([1.000e+00, 2.001e+03])
    """
    return np.logaddexp2(x1, x2)


@op(rules={"x": lambda g, y, x: g * (2 / math.sqrt(math.pi)) * exp(-x * x)},
    equation="y = erf x,  x̄ = g 2/√π e^(−x²)", latex=r"\mathrm{{erf}}({x})", scipy="erf",
    reference=lambda x: np.vectorize(math.erf, otypes=[float])(x))
def erf(x: Array) -> Array:
    """Compute the error function ``2/√π ∫ e^(−t²) dt`` over 0 ≤ t ≤ x.

    >>> erf([0.0, 1.0]).round(4)
    array([0.    , 0.8427])
    """
    return scipy_special().erf(x)


@op(rules={"x": lambda g, y, x: -g * (2 / math.sqrt(math.pi)) * exp(-x * x)},
    equation="y = 1 − erf x,  x̄ = −g 2/√π e^(−x²)", latex=r"\mathrm{{erfc}}({x})", scipy="erfc",
    reference=lambda x: np.vectorize(math.erfc, otypes=[float])(x))
def erfc(x: Array) -> Array:
    """Compute the complementary error function ``1 − erf x``, exact also where it is nearly 0.

    >>> erfc([0.0, 1.0]).round(4)
    array([1.    , 0.1573])
    """
    return scipy_special().erfc(x)


@op(rules={"x": lambda g, y, x: g * (math.sqrt(math.pi) / 2) * exp(y * y)},
    equation="erf y = x,  x̄ = g √π/2 e^(y²)", latex=r"\mathrm{{erf}}^{{-1}}({x})", scipy="erfinv",
    reference=lambda x: scipy_special().ndtri((1 + x) / 2) / math.sqrt(2),
    domain={"x": (-0.9, 0.9)})
def erfinv(x: Array) -> Array:
    """Compute the inverse of the error function, for −1 < x < 1.

    >>> erfinv([0.0, 0.8427]).round(3)
    array([0., 1.])
    """
    return scipy_special().erfinv(x)


@op(rules={"x": lambda g, y, x: -g * (math.sqrt(math.pi) / 2) * exp(y * y)},
    equation="erfc y = x,  x̄ = −g √π/2 e^(y²)", latex=r"\mathrm{{erfc}}^{{-1}}({x})",
    scipy="erfcinv", reference=lambda x: -scipy_special().ndtri(x / 2) / math.sqrt(2),
    domain={"x": (0.1, 1.9)})
def erfcinv(x: Array) -> Array:
    """Compute the inverse of the complementary error function, for 0 < x < 2.

    >>> erfcinv([0.5, 0.1573]).round(3)
    array([0.477, 1.   ])
    """
    return scipy_special().erfcinv(x)


@op(rules={"x": lambda g, y, x: g * exp(-x * x / 2) / math.sqrt(2 * math.pi)},
    equation="y = ½ erfc(−x / √2),  x̄ = g e^(−x²/2) / √(2π)", latex=r"\Phi({x})", scipy="ndtr",
    reference=lambda x: np.vectorize(math.erfc, otypes=[float])(-x / math.sqrt(2)) / 2)
def ndtr(x: Array) -> Array:
    """Compute the distribution function Φ of the standard normal distribution.

    >>> ndtr([0.0, 1.0]).round(4)
    array([0.5   , 0.8413])
    """
    return scipy_special().ndtr(x)


@op(rules={"x": lambda g, y, x: g * exp(-x * x / 2 - y) / math.sqrt(2 * math.pi)},
    equation="y = ln Φ(x),  x̄ = g e^(−x²/2 − y) / √(2π)", latex=r"\ln \Phi({x})",
    scipy="log_ndtr",
    reference=lambda x: np.log(np.vectorize(math.erfc, otypes=[float])(-x / math.sqrt(2)) / 2))
def log_ndtr(x: Array) -> Array:
    """Compute the logarithm of Φ, accurate where Φ underflows.

    >>> log_ndtr([0.0, -4.0]).round(4)
    array([ -0.6931, -10.3601])
    """
    return scipy_special().log_ndtr(x)


def _xlogy_y(g: Array, out: Array, x: Array, y: Array) -> Array:
    # 0 log y = 0 for every y, also around y = 0.
    return g * (x / where(equal(y, 0) & equal(x, 0), 1, y))


@op(rules={"x": lambda g, out, x, y: g * log(y), "y": _xlogy_y},
    equation="out = x ln y where x ≠ 0 else 0,  x̄ = g ln y,  ȳ = g x / y",
    latex=r"{x} \odot \ln({y})", scipy="xlogy",
    reference=lambda x, y: x * (np.log2(y) * math.log(2)), domain={"y": (0.2, 4)}, floating=True)
def xlogy(x: Array, y: Array) -> Array:
    """Compute ``x ln y``, which is 0 where x is 0, even if y is: a term of an entropy.

    >>> xlogy([0.0, 2.0], [0.0, 1.0])
    array([0., 0.])
    """
    return scipy_special().xlogy(x, y)


def in_precision_of(x: Array, y: Array) -> Array:
    """Return `y` in the dtype of `x`: beside whole numbers SciPy computes in float64."""
    dtype = getattr(x, "dtype", None)  # of a NumPy scalar, too; a Python number has none
    return y.astype(dtype) if dtype is not None and dtype.kind == "f" else y
