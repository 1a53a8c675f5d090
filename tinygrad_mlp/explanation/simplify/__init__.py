"""Simplification by local rules.

A rule looks at one operation and its arguments and gives an expression of the same value, shape
and dtype, or None. It is exact in real numbers, and in floating point up to rounding; what it
changes is how the expression reads. No rule looks at values: the result holds for all of them.
"""

from __future__ import annotations

# The modules are imported for the rules that they enter.
from tinygrad_mlp.explanation.simplify import arithmetic, choices, products, shapes
from tinygrad_mlp.explanation.simplify.registry import RULES, is_op

__all__ = ["RULES", "arithmetic", "choices", "is_op", "products", "shapes"]
