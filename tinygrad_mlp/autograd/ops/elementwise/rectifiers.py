"""Rectified linear units and their smooth relatives, element by element."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.autograd.ops.elementwise.comparison import greater, less_equal
from tinygrad_mlp.autograd.ops.elementwise.exponential import exp
from tinygrad_mlp.autograd.ops.elementwise.selection import where
from tinygrad_mlp.autograd.ops.elementwise.special import erf, scipy_special, sigmoid

__all__ = ["relu", "leaky_relu", "softplus", "gelu"]


@op(rules={"x": lambda g, y, x: where(less_equal(x, 0), 0, g)},  # NaN passes
    equation="y = max(x, 0),  x̄ = g [x > 0]", latex=r"\mathrm{{ReLU}}({x})",
    reference=lambda x: np.where(x > 0, x, 0.0), elementwise=True)
def relu(x: Array) -> Array:
    """Compute the rectified linear unit. At 0, where it has no derivative, the gradient is 0.

    Source: Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", 2010.

    >>> relu([-2.0, 3.0])
    array([0., 3.])
    """
    return np.maximum(x, 0)


@op(rules={"x": lambda g, y, x, slope: where(greater(x, 0), g, g * slope)},
    equation="y = x where x > 0 else slope x,  x̄ = g where x > 0 else slope g",
    latex=lambda x, slope: rf"\mathrm{{LReLU}}_{{{slope:g}}}({x})",
    reference=lambda x, slope: np.maximum(x, 0) + slope * np.minimum(x, 0), elementwise=True,
    floating=True)
def leaky_relu(x: Array, *, slope: float = 0.01) -> Array:
    """Compute ReLU with a small slope for negative inputs. At 0 the slope is the small one.

    Source: Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models",
    2013.

    >>> leaky_relu([-2.0, 3.0])
    array([-0.02,  3.  ])
    """
    return np.where(x > 0, x, x * slope)


@op(rules={"x": lambda g, y, x: g * sigmoid(x)},
    equation="y = ln(1 + e^x),  x̄ = g σ(x)", latex=r"\ln(1 + e^{{{x}}})",
    reference=lambda x: np.log(1 + np.exp(x)), elementwise=True, floating=True)
def softplus(x: Array) -> Array:
    """Compute the smooth ReLU ``ln(1 + e^x)``, without overflow for large x.

    Source: Dugas et al., "Incorporating second-order functional knowledge", 2001.

    >>> softplus([-1000.0, 0.0, 1000.0]).round(4)
    array([0.000e+00, 6.931e-01, 1.000e+03])
    """
    return np.logaddexp(x, 0)


def _gelu_slope(x: Array) -> Array:
    """Compute Φ(x) + x φ(x), with the distribution Φ and density φ of the standard normal."""
    return 0.5 * (1 + erf(x / math.sqrt(2))) + x * exp(-x * x / 2) / math.sqrt(2 * math.pi)


@op(rules={"x": lambda g, y, x: g * _gelu_slope(x)},
    equation="y = x Φ(x),  x̄ = g (Φ(x) + x φ(x))", latex=r"\mathrm{{GELU}}({x})",
    reference=lambda x: np.vectorize(lambda t: t * 0.5 * math.erfc(-t / math.sqrt(2)), [float])(x),
    elementwise=True, floating=True)
def gelu(x: Array) -> Array:
    """Compute the Gaussian error linear unit ``x Φ(x)``, Φ the normal distribution function.

    Source: Hendrycks and Gimpel, 2016, the exact form (not the tanh approximation).

    >>> gelu([-1.0, 0.0, 1.0]).round(4)
    array([-0.1587,  0.    ,  0.8413])
    """
    return x * (0.5 * scipy_special().erfc(-x / math.sqrt(2)))
