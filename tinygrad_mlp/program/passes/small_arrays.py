"""Passes for small arrays, where a call of NumPy takes longer than what it computes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.program.instructions import Instruction, Number, Variable
from tinygrad_mlp.program.passes.simplify import array_type
from tinygrad_mlp.program.program import Program

SUMMED = 512
"""Elements up to which the rows of a matrix are added up by a product."""
FILLED = 1024
"""Elements up to which a number beside an array is written out as an array."""


def sum_by_products(program: Program) -> tuple[Program, int]:
    """Add up the rows of small matrices by BLAS: ``1ᵀ A``, with a vector of ones made once.

    NumPy takes two microseconds to begin a sum, and less than one to begin a product.
    """
    made: dict[Any, Any] = {}

    def as_product(line: Instruction) -> Instruction:
        if not _sums_rows(line):
            return line
        (a,) = line.operands
        if not 0 < math.prod(a.shape) <= SUMMED:
            return line
        ones = made.setdefault((a.shape[0], a.dtype), np.ones(a.shape[0], a.dtype))
        return line.changed(op=OPS["matmul"], operands=(ones, a), static={})

    return program.line_by_line(as_product)


def _sums_rows(line: Instruction) -> bool:
    """Return whether an instruction adds up the rows of a matrix of floats."""
    a = line.operands[0] if line.operands else None
    return (
        line.op is OPS["sum"]
        and line.static == {"axis": 0, "keepdims": False}
        and isinstance(a, Variable)
        and len(a.shape) == 2
        and a.dtype in (np.float32, np.float64)
        and a.dtype == line.results[0].dtype
    )


def fill_numbers(program: Program) -> tuple[Program, int]:
    """Write ``1 − a`` as ``ones − a`` for small arrays, with a constant made once.

    Turning a Python number into an operand takes NumPy as long as subtracting a thousand elements.
    """
    made: dict[Any, Any] = {}

    def filled(line: Instruction) -> Instruction:
        if not _beside_small_array(line):
            return line
        result = line.results[0]
        return line.changed(operands=tuple(
            made.setdefault((a, result.type), np.full(result.shape, a, result.dtype))
            if type(a) in Number else a
            for a in line.operands
        ))  # fmt: skip

    return program.line_by_line(filled)


def _beside_small_array(line: Instruction) -> bool:
    """Return whether a number is added to, …, a small array of floats of the result's type."""
    result = line.results[0]
    return (
        line.op.name in ("add", "subtract", "multiply", "divide")
        and any(type(o) in Number for o in line.operands)
        and any(array_type(o) == result.type for o in line.operands)
        and result.dtype is not None
        and result.dtype.kind == "f"
        and len(result.shape) > 0
        and 0 < math.prod(result.shape) <= FILLED
    )
