"""Comparisons, element by element: plain arrays of booleans, without gradient.

They are constant wherever they have a derivative, and what depends on them is chosen, not
computed: see `where`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import op

__all__ = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]


@op(equation="y = [x1 = x2]", latex="[{x1} = {x2}]", discrete=True, numpy=np.equal,
    reference=lambda x1, x2: ~np.not_equal(x1, x2))  # fmt: skip
def equal(x1: Any, x2: Any) -> Any:
    """Whether equal, element by element: a plain array of booleans, without gradient."""
    return np.equal(x1, x2)


@op(equation="y = [x1 ≠ x2]", latex=r"[{x1} \neq {x2}]", discrete=True, numpy=np.not_equal,
    reference=lambda x1, x2: ~np.equal(x1, x2))  # fmt: skip
def not_equal(x1: Any, x2: Any) -> Any:
    """Whether different, element by element: a plain array of booleans, without gradient."""
    return np.not_equal(x1, x2)


@op(equation="y = [x1 < x2]", latex="[{x1} < {x2}]", discrete=True, numpy=np.less,
    reference=lambda x1, x2: np.greater(x2, x1))  # fmt: skip
def less(x1: Any, x2: Any) -> Any:
    """Whether less, element by element: a plain array of booleans, without gradient."""
    return np.less(x1, x2)


@op(equation="y = [x1 ≤ x2]", latex=r"[{x1} \leq {x2}]", discrete=True, numpy=np.less_equal,
    reference=lambda x1, x2: np.greater_equal(x2, x1))  # fmt: skip
def less_equal(x1: Any, x2: Any) -> Any:
    """Whether less or equal, element by element: a plain array of booleans, without gradient."""
    return np.less_equal(x1, x2)


@op(equation="y = [x1 > x2]", latex="[{x1} > {x2}]", discrete=True, numpy=np.greater,
    reference=lambda x1, x2: np.less(x2, x1))  # fmt: skip
def greater(x1: Any, x2: Any) -> Any:
    """Whether greater, element by element: a plain array of booleans, without gradient."""
    return np.greater(x1, x2)


@op(equation="y = [x1 ≥ x2]", latex=r"[{x1} \geq {x2}]", discrete=True, numpy=np.greater_equal,
    reference=lambda x1, x2: np.less_equal(x2, x1))  # fmt: skip
def greater_equal(x1: Any, x2: Any) -> Any:
    """Whether greater or equal, element by element: a plain boolean array, without gradient."""
    return np.greater_equal(x1, x2)
