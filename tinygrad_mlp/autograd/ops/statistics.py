"""Statistics along axes: variance.

`axis` and `keepdims` mean what they mean in NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.autograd.ops.reduction import kept, mean, over, reduced_count
from tinygrad_mlp.autograd.samples import reductions

__all__ = ["var"]


def _var_rule(g: Any, y: Any, a: Any, axis: Any, ddof: int, keepdims: bool) -> Any:
    deviation = a - mean(a, axis=axis, keepdims=True)
    n = reduced_count(a.shape, axis)
    return deviation * (kept(g, a.shape, axis, keepdims) * 2 / (n - ddof))


def _var_latex(a: Any, axis: Any, ddof: int, keepdims: bool) -> str:
    n = reduced_count(a.shape, axis)
    corrected = rf"\frac{{{n}}}{{{n - ddof}}}\," if ddof else ""
    return rf"{corrected}\mathrm{{var}}{over(axis, a.ndim)}({a})"


@op(
    rules={"a": _var_rule},
    equation="y = Σ (a − mean a)² / (n − ddof),  ā = g 2 (a − mean a) / (n − ddof)",
    latex=_var_latex,
    reference=lambda a, axis, ddof, keepdims: np.std(a, axis=axis, ddof=ddof, keepdims=keepdims)
    ** 2,
    samples=lambda rng: [
        s
        for s in reductions(rng, ddof=(0, 1))
        if reduced_count(s.args[0].shape, s.static["axis"]) > 1
    ],
    numpy=np.var,
)
def var(a: Any, *, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Variance over `axis`: the mean squared deviation, its sum divided by ``n − ddof``."""
    return np.var(a, axis=axis, ddof=ddof, keepdims=keepdims)
