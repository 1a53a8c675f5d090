"""Trigonometric and hyperbolic functions, element by element. Angles are in radians.

For each of them the gradient rule is the chain rule ``x̄ = g · f′(x)``, written with the output `y`
where that is cheaper (``tanh′ = 1 − y²``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import op

__all__ = [
    "sin", "cos", "tanh",
]  # fmt: skip

def _sin_rule(g: Any, y: Any, x: Any) -> Any:
    return g * cos(x)


@op(
    rules={"x": _sin_rule},
    equation="y = sin x,  x̄ = g cos x",
    latex=r"\sin({x})",
    reference=lambda x: np.cos(x - math.pi / 2),
    numpy=np.sin,
)
def sin(x: Any) -> Any:
    """Sine of an angle in radians."""
    return np.sin(x)


@op(
    rules={"x": lambda g, y, x: -g * sin(x)},
    equation="y = cos x,  x̄ = −g sin x",
    latex=r"\cos({x})",
    reference=lambda x: np.sin(x + math.pi / 2),
    numpy=np.cos,
)
def cos(x: Any) -> Any:
    """Cosine of an angle in radians."""
    return np.cos(x)


@op(
    rules={"x": lambda g, y, x: g * (1 - y * y)},
    equation="y = tanh x,  x̄ = g (1 − y²)",
    latex=r"\tanh({x})",
    reference=lambda x: np.expm1(2 * x) / (np.exp(2 * x) + 1),
    numpy=np.tanh,
)
def tanh(x: Any) -> Any:
    """Hyperbolic tangent, the document's hidden activation: ``f′(z) = 1 − tanh²(z)``."""
    return np.tanh(x)
