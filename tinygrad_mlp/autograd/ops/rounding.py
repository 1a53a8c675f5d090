"""Signs, absolute values and rounding: functions that are constant, or nearly, between jumps."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import op

__all__ = [
    "abs", "sign",
]  # fmt: skip

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
