"""Inverse hyperbolic functions, element by element."""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.autograd.ops.elementwise.exponential import sqrt
from tinygrad_mlp.autograd.ops.elementwise.trigonometry import hypot

__all__ = ["arcsinh", "asinh", "arccosh", "acosh", "arctanh", "atanh"]


@op(rules={"x": lambda g, y, x: g / hypot(x, 1)},
    equation="y = arsinh x,  x̄ = g / √(x² + 1)", latex=r"\mathrm{{arcsinh}}({x})",
    numpy=np.arcsinh, reference=lambda x: np.log(x + np.sqrt(x * x + 1)))
def arcsinh(x: Array) -> Array:
    """Compute the inverse of the hyperbolic sine.

    >>> arcsinh([0.0, 1.0]).round(4)
    array([0.    , 0.8814])
    """
    return np.arcsinh(x)


@op(rules={"x": lambda g, y, x: g / (sqrt(x - 1) * sqrt(x + 1))},
    equation="y = arcosh x,  x̄ = g / √(x² − 1)", latex=r"\mathrm{{arccosh}}({x})",
    numpy=np.arccosh, reference=lambda x: np.log(x + np.sqrt(x * x - 1)), domain={"x": (1.3, 4)})
def arccosh(x: Array) -> Array:
    """Compute the inverse of the hyperbolic cosine, for x ≥ 1.

    >>> arccosh([1.0, 2.0]).round(4)
    array([0.   , 1.317])
    """
    return np.arccosh(x)


@op(rules={"x": lambda g, y, x: g / ((1 - x) * (1 + x))},
    equation="y = artanh x,  x̄ = g / (1 − x²)", latex=r"\mathrm{{arctanh}}({x})",
    numpy=np.arctanh, reference=lambda x: np.log((1 + x) / (1 - x)) / 2, domain={"x": (-0.9, 0.9)})
def arctanh(x: Array) -> Array:
    """Compute the inverse of the hyperbolic tangent, for −1 < x < 1.

    >>> arctanh([0.0, 0.5]).round(4)
    array([0.    , 0.5493])
    """
    return np.arctanh(x)


asinh, acosh, atanh = arcsinh, arccosh, arctanh
