"""Passes that let SciPy's BLAS form products of matrices and add them to parameters.

Where a gradient is a product of matrices, BLAS multiplies it by the learning rate and adds it to
the parameter while it computes it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.program.instructions import Instruction, Number, Variable
from tinygrad_mlp.program.kernel import accumulate, product
from tinygrad_mlp.program.passes.simplify import remove_dead_code
from tinygrad_mlp.program.program import Program

SMALL = 512
"""Elements of a parameter up to which a pass through its memory takes no longer than the call."""
SHARED = 8192
"""Multiplications up to which BLAS forms a product on one thread, whatever it is allowed.

Lower than `NEVER_SHARED`, the limit of OpenBLAS, since other libraries may share earlier: a product
too many moved to SciPy costs little, one too few brings in the threads of a second library."""


def accumulate_products(program: Program) -> tuple[Program, int]:
    """Let BLAS add a product of matrices to what it is added to: ``W + s · (A B)`` in one step.

    This takes the place of a product, its multiple and the sum, each a pass through memory. Where
    A is one column, the product is an outer product, and the update one of rank one. A small
    product is left as it is if there is no multiple to be formed: see `SMALL`.
    """
    finder = _ProductFinder(program)

    def accumulated(line: Instruction) -> Instruction:
        pairs = {"add": [line.operands, line.operands[::-1]], "subtract": [line.operands]}
        for c, term in pairs.get(line.op.name, []):
            found = finder.product(term) if finder.may_replace(c, line) else None
            if found is None:
                continue
            alpha, a, b = found
            if alpha == 1 and math.prod(c.shape) <= SMALL:
                return line
            if line.op.name == "subtract":
                if isinstance(alpha, Variable):
                    return line
                alpha = -alpha
            return line.changed(op=accumulate, operands=(c, alpha, a, b), static={})
        return line

    changed, saved = program.line_by_line(accumulated)
    return remove_dead_code(changed)[0] if saved else program, saved


class _ProductFinder:
    """A search for products of matrices that are added to something in a program."""

    def __init__(self, program: Program) -> None:
        self.uses = program.uses()
        self.escaping = program.escaping()
        self.definition = {r: line for line in program.instructions for r in line.results}
        self.last_use = {v: line for line in program.instructions for v in line.variables}

    def may_replace(self, c: object, line: Instruction) -> bool:
        """Return whether the result of `line` may take the place of its operand `c`."""
        return (
            isinstance(c, Variable)
            and c.type == line.results[0].type
            and self.last_use[c] is line
            and c not in self.escaping)

    def product(self, term: object) -> tuple[Any, Variable, Variable] | None:
        """Return α, A and B where a term that is used nowhere else is ``α · A B``."""
        alpha: Any = 1.0
        line = self._only_use(term)
        if line is not None and line.op.name == "multiply":
            for factor, rest in (line.operands, line.operands[::-1]):
                if _is_number(factor) and isinstance(rest, Variable) and self.uses[rest] == 1:
                    alpha, line = factor, self.definition.get(rest)
                    break
        if line is None or not _is_product_of_matrices(line):
            return None
        a, b = line.operands
        return alpha, a, b

    def _only_use(self, a: object) -> Instruction | None:
        """Return the instruction that computes a variable, if that is used once."""
        return self.definition.get(a) if isinstance(a, Variable) and self.uses[a] == 1 else None


def _is_number(a: object) -> bool:
    return type(a) in Number or (isinstance(a, Variable) and a.dtype is None)


def _is_product_of_matrices(line: Instruction) -> bool:
    """Return whether an instruction computes ``A B`` of floats, or a column times a row."""
    result = line.results[0]
    if len(result.shape) != 2 or result.dtype not in (np.float32, np.float64):
        return False
    factors = line.variables
    if len(factors) != 2 or any(len(f.shape) != 2 or f.dtype != result.dtype for f in factors):
        return False
    column, row = factors
    outer = line.op.name == "multiply" and column.shape[1] == 1 and row.shape[0] == 1
    return outer or line.op.name == "matmul"


def use_one_blas(program: Program) -> tuple[Program, int]:
    """Where SciPy's BLAS adds products, let it form the other large products, too.

    NumPy and SciPy come with a BLAS each, with threads of its own. After a product these threads
    keep looking for the next one for a while, and hinder those of the other library: on two cores,
    steps on 128 samples took five times as long with two libraries as with one. Products with
    vectors are left to NumPy, which does not copy the matrix for them.
    """
    if all(line.op is not accumulate for line in program.instructions):
        return program, 0

    def by_one(line: Instruction) -> Instruction:
        large = line.op is OPS["matmul"] and _is_large_product(line.operands)
        return line.changed(op=product) if large else line

    return program.line_by_line(by_one)


def _is_large_product(operands: Sequence[Any]) -> bool:
    """Return whether a product of matrices is so large that BLAS shares it among threads."""
    a, b = operands
    return (
        len(a.shape) == len(b.shape) == 2
        and 1 not in a.shape + b.shape
        and math.prod(a.shape) * b.shape[1] > SHARED
        and a.dtype == b.dtype
        and a.dtype in (np.float32, np.float64))
