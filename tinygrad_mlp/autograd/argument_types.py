"""The types of what operations take: operands, axes and shapes."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from tinygrad_mlp.autograd.graph import Value

Operand = Value | ArrayLike
"""What stands for an array in a call: a tensor, an array, a number, nested lists of numbers."""

Axis = int | tuple[int, ...] | None
Shape = int | Sequence[int]
