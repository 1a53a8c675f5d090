"""Special functions, element by element, computed by SciPy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.autograd.ops.exponential import exp

__all__ = [
    "erf",
]  # fmt: skip

def _special() -> Any:
    # Loaded when first used: scipy would double the time of `import tinygrad_mlp`.
    from scipy import special

    return special


@op(
    rules={"x": lambda g, y, x: g * (2 / math.sqrt(math.pi)) * exp(-x * x)},
    equation="y = 2/√π ∫₀ˣ e^(−t²) dt,  x̄ = g 2/√π e^(−x²)",
    latex=r"\mathrm{{erf}}({x})",
    reference=lambda x: np.vectorize(math.erf, otypes=[float])(x),
)
def erf(x: Any) -> Any:
    """Error function."""
    return _special().erf(x)
