"""Hyperbolic functions, element by element.

The gradient rules are the chain rule ``x̄ = g · f′(x)``, written with the output `y` where that is
cheaper (``tanh′ = 1 − y²``).
"""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import op

__all__ = ["sinh", "cosh", "tanh"]


def _sinh_rule(g: Array, y: Array, x: Array) -> Array:
    return g * cosh(x)


@op(rules={"x": _sinh_rule},
    equation="y = sinh x,  x̄ = g cosh x", latex=r"\sinh({x})", numpy=np.sinh,
    reference=lambda x: (np.exp(x) - np.exp(-x)) / 2)
def sinh(x: Array) -> Array:
    """Compute the hyperbolic sine: ``(e^x − e^−x) / 2``.

    >>> sinh([0.0, 1.0]).round(4)
    array([0.    , 1.1752])
    """
    return np.sinh(x)


@op(rules={"x": lambda g, y, x: g * sinh(x)},
    equation="y = cosh x,  x̄ = g sinh x", latex=r"\cosh({x})", numpy=np.cosh,
    reference=lambda x: (np.exp(x) + np.exp(-x)) / 2)
def cosh(x: Array) -> Array:
    """Compute the hyperbolic cosine: ``(e^x + e^−x) / 2``.

    >>> cosh([0.0, 1.0]).round(4)
    array([1.    , 1.5431])
    """
    return np.cosh(x)


@op(rules={"x": lambda g, y, x: g * (1 - y * y)},
    equation="y = tanh x,  x̄ = g (1 − y²)", latex=r"\tanh({x})", numpy=np.tanh,
    reference=lambda x: np.expm1(2 * x) / (np.exp(2 * x) + 1))
def tanh(x: Array) -> Array:
    """Compute the hyperbolic tangent, with the derivative ``1 − tanh² x``.

    >>> tanh([0.0, 1.0]).round(4)
    array([0.    , 0.7616])
    """
    return np.tanh(x)
