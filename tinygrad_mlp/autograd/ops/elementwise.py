"""Functions of one variable, element by element, and powers.

For each of them the gradient rule is the chain rule ``x̄ = g · f′(x)``, written with the output `y`
where that is cheaper (``tanh′ = 1 − y²``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.autograd.ops.arithmetic import equal, greater, where

__all__ = [
    "abs", "sign", "exp", "expm1", "log", "log1p", "power", "sqrt", "square", "sin", "cos", "tanh",
    "sigmoid", "relu", "leaky_relu", "softplus", "gelu", "erf",
]  # fmt: skip

POSITIVE = {"x": (0.2, 4.0)}


def _special() -> Any:
    # Loaded when first used: scipy would double the time of `import tinygrad_mlp`.
    from scipy import special

    return special


@op(
    rules={"x": lambda g, y, x: np.zeros(x.shape, x.dtype)},
    equation="y = sign x,  x̄ = 0",
    latex=r"\mathrm{{sign}}({x})",
    reference=lambda x: np.where(x > 0, 1.0, np.where(x < 0, -1.0, 0.0)),
    numpy=np.sign,
)
def sign(x: Any) -> Any:
    """Sign: −1, 0 or 1. Constant wherever it has a derivative, so the gradient is 0."""
    return np.sign(x)


@op(
    rules={"x": lambda g, y, x: g * sign(x)},
    equation="y = |x|,  x̄ = g sign x  (0 at x = 0)",
    latex=r"\left|{x}\right|",
    reference=lambda x: np.sqrt(np.square(x)),
    numpy=(np.absolute, np.fabs),
)
def abs(x: Any) -> Any:
    """Absolute value. At 0, where it has no derivative, the gradient is 0."""
    return np.absolute(x)


@op(
    rules={"x": lambda g, y, x: g * y},
    equation="y = e^x,  x̄ = g y",
    latex="e^{{{x}}}",
    reference=lambda x: np.expm1(x) + 1,
    numpy=np.exp,
)
def exp(x: Any) -> Any:
    """Exponential."""
    return np.exp(x)


@op(
    rules={"x": lambda g, y, x: g * (y + 1)},
    equation="y = e^x − 1,  x̄ = g (y + 1)",
    latex="e^{{{x}}} - 1",
    reference=lambda x: np.exp(x) - 1,
    numpy=np.expm1,
)
def expm1(x: Any) -> Any:
    """Exponential minus one, exact near 0."""
    return np.expm1(x)


@op(
    rules={"x": lambda g, y, x: g / x},
    equation="y = ln x,  x̄ = g / x",
    latex=r"\ln({x})",
    reference=lambda x: np.log2(x) * math.log(2),
    domain=POSITIVE,
    numpy=np.log,
)
def log(x: Any) -> Any:
    """Natural logarithm."""
    return np.log(x)


@op(
    rules={"x": lambda g, y, x: g / (1 + x)},
    equation="y = ln(1 + x),  x̄ = g / (1 + x)",
    latex=r"\ln(1 + {x})",
    reference=lambda x: np.log(1 + x),
    domain={"x": (-0.7, 3.0)},
    numpy=np.log1p,
)
def log1p(x: Any) -> Any:
    """Logarithm of 1 + x, exact near 0."""
    return np.log1p(x)


def _power_base(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    if isinstance(x2, (int, float)):
        return g * (x2 * x1 ** (x2 - 1)) if x2 != 0 else np.zeros(x1.shape, x1.dtype)
    # 0⁰ is constant in its base: without the exception, 0 · 0⁻¹ would make it NaN.
    constant = equal(x1, 0) & equal(x2, 0)
    return g * x2 * x1 ** where(constant, 1, x2 - 1)


def _power_exponent(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    # 0ⁿ = 0 around every n > 0, so its derivative is 0, which 0 · log 0 would make NaN.
    return g * y * log(where(equal(x1, 0), 1, x1))


@op(
    rules={"x1": _power_base, "x2": _power_exponent},
    equation="y = x1^x2,  x̄1 = g x2 x1^(x2 − 1),  x̄2 = g y log x1",
    latex="{x1}^{{{x2}}}",
    reference=lambda x1, x2: np.exp(x2 * np.log(x1)),
    domain={"x1": (0.3, 3), "x2": (-2, 3)},
    numpy=np.power,
)
def power(x1: Any, x2: Any) -> Any:
    """Power, element by element: ``y = x1 ** x2``."""
    return x1**x2


@op(
    rules={"x": lambda g, y, x: g / (2 * y)},
    equation="y = √x,  x̄ = g / (2 y)",
    latex=r"\sqrt{{{x}}}",
    reference=lambda x: np.power(x, 0.5),
    domain=POSITIVE,
    numpy=np.sqrt,
)
def sqrt(x: Any) -> Any:
    """Square root. At 0 its derivative is infinite."""
    return np.sqrt(x)


@op(
    rules={"x": lambda g, y, x: g * (2 * x)},
    equation="y = x²,  x̄ = 2 g x",
    latex="{x}^2",
    reference=lambda x: np.power(x, 2),
    numpy=np.square,
)
def square(x: Any) -> Any:
    """Square."""
    return x * x


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


@op(
    rules={"x": lambda g, y, x: g * y * (1 - y)},
    equation="y = 1 / (1 + e^−x),  x̄ = g y (1 − y)",
    latex="g({x})",
    reference=lambda x: 1 / (1 + np.exp(-x)),
    provenance=True,
)
def sigmoid(x: Any) -> Any:
    """Logistic sigmoid ``g(x) = 1 / (1 + e^−x)``, the document's output activation.

    ``g′(x) = g(x) (1 − g(x))``. Computed without overflow for any x.

    >>> import numpy as np
    >>> sigmoid(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    return _special().expit(x)


@op(
    rules={"x": lambda g, y, x: where(greater(x, 0), g, 0)},
    equation="y = max(x, 0),  x̄ = g [x > 0]",
    latex=r"\mathrm{{ReLU}}({x})",
    reference=lambda x: np.where(x > 0, x, 0.0),
)
def relu(x: Any) -> Any:
    """Rectified linear unit. At 0, where it has no derivative, the gradient is 0."""
    return np.maximum(x, 0)


@op(
    rules={"x": lambda g, y, x, slope: where(greater(x, 0), g, g * slope)},
    equation="y = x where x > 0 else slope · x,  x̄ = g or slope · g",
    latex=lambda x, slope: rf"\mathrm{{LReLU}}_{{{slope:g}}}({x})",
    reference=lambda x, slope: np.maximum(x, 0) + slope * np.minimum(x, 0),
)
def leaky_relu(x: Any, *, slope: float = 0.01) -> Any:
    """ReLU with a small slope for negative inputs. At 0 the gradient is that of the left side."""
    return np.where(x > 0, x, x * slope)


@op(
    rules={"x": lambda g, y, x: g * sigmoid(x)},
    equation="y = ln(1 + e^x),  x̄ = g σ(x)",
    latex=r"\ln(1 + e^{{{x}}})",
    reference=lambda x: np.log(1 + np.exp(x)),
)
def softplus(x: Any) -> Any:
    """Smooth ReLU ``ln(1 + e^x)``, without overflow for large x."""
    return np.logaddexp(x, 0)


@op(
    rules={"x": lambda g, y, x: g * (2 / math.sqrt(math.pi)) * exp(-x * x)},
    equation="y = 2/√π ∫₀ˣ e^(−t²) dt,  x̄ = g 2/√π e^(−x²)",
    latex=r"\mathrm{{erf}}({x})",
    reference=lambda x: np.vectorize(math.erf, otypes=[float])(x),
)
def erf(x: Any) -> Any:
    """Error function."""
    return _special().erf(x)


def _gelu_slope(x: Any) -> Any:
    """Φ(x) + x φ(x), with Φ and φ the distribution and density of the standard normal."""
    return 0.5 * (1 + erf(x / math.sqrt(2))) + x * exp(-x * x / 2) / math.sqrt(2 * math.pi)


@op(
    rules={"x": lambda g, y, x: g * _gelu_slope(x)},
    equation="y = x Φ(x),  x̄ = g (Φ(x) + x φ(x))",
    latex=r"\mathrm{{GELU}}({x})",
    reference=lambda x: np.vectorize(lambda t: t * 0.5 * math.erfc(-t / math.sqrt(2)), [float])(x),
)
def gelu(x: Any) -> Any:
    """Gaussian error linear unit ``x Φ(x)``, Φ the standard normal distribution function.

    Source: Hendrycks and Gimpel, 2016, the exact form (not the tanh approximation).
    """
    return x * (0.5 * _special().erfc(-x / math.sqrt(2)))
