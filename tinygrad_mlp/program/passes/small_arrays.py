"""Passes for small arrays, where a call of NumPy takes longer than what it computes."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.program.instructions import Instruction, Number, Variable
from tinygrad_mlp.program.passes.simplify import array_type
from tinygrad_mlp.program.program import Program

SCALED = 512
"""Elements of a parameter up to which multiplying it takes no longer than the call does."""
SUMMED = 512
"""Elements up to which the rows of a matrix are added up by a product."""
FILLED = 1024
"""Elements up to which a number beside an array is written out as an array."""

OF_ONE_OPERAND = ("negative", "reshape", "transpose", "swapaxes", "sum", "sum_to", "broadcast_to",
                  "getitem", "identity", "expand_dims", "squeeze", "mean")
"""Operations that are linear in their first operand, which is the only array they have."""


def sum_by_products(program: Program) -> tuple[Program, int]:
    """Add up the rows of small matrices by BLAS: ``1ᵀ A``, with a vector of ones made once.

    NumPy takes two microseconds to begin a sum, and less than one to begin a product.
    """
    made: dict[Any, Any] = {}

    def as_product(line: Instruction) -> Instruction:
        if not _sums_rows(line):
            return line
        (a,) = line.operands
        ones = made.setdefault((a.shape[0], a.dtype), np.ones(a.shape[0], a.dtype))
        return line.changed(op=OPS["matmul"], operands=(ones, a), static={})

    return program.line_by_line(as_product)


def _sums_rows(line: Instruction) -> bool:
    """Return whether an instruction adds up the rows of a small matrix of floats."""
    a = line.operands[0] if line.operands else None
    return (
        line.op is OPS["sum"]
        and line.static == {"axis": 0, "keepdims": False}
        and isinstance(a, Variable)
        and len(a.shape) == 2
        and a.dtype in (np.float32, np.float64)
        and a.dtype == line.results[0].dtype
        and 0 < math.prod(a.shape) <= SUMMED)


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
            for a in line.operands))

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
        and 0 < math.prod(result.shape) <= FILLED)


# -- multiplying by the learning rate once -------------------------------------------------------


def scale_once(program: Program) -> tuple[Program, int]:
    """Multiply by the learning rate where backpropagation begins, and not every gradient.

    Backpropagation is linear in the derivative that it begins with. Where small gradients g are all
    multiplied by the same number s, and all of them are linear in one derivative c that was
    computed earlier and depend on c only in that way, ``s · c`` is computed once in the place of c,
    and all the products ``s · g`` are left out. Not for large parameters: BLAS multiplies them at
    no cost, and the step reads better with derivatives that are not scaled.
    """
    by_factor: dict[Variable, list[Instruction]] = {}
    for line in program.instructions:
        factor = next((v for v in line.variables if v.dtype is None), None)
        if line.op.name == "multiply" and factor is not None:
            by_factor.setdefault(factor, []).append(line)
    saved = 0
    for factor, targets in by_factor.items():
        shapes = [line.results[0].shape for line in targets]
        if len(targets) > 1 and all(shape and math.prod(shape) <= SCALED for shape in shapes):
            changed = _scaled_at_the_source(program, factor, targets)
            if changed is not None:
                program = changed
                saved += len(targets) - 1
    return program, saved


def _scaled_at_the_source(program: Program, factor: Variable,
                          targets: list[Instruction]) -> Program | None:
    """Return the program with one multiplication by a number in the place of all the targets."""
    numbers = _computing(factor, program)
    if numbers is None:
        return None
    lines = [*numbers, *(line for line in program.instructions if line not in numbers)]
    outside = program.escaping() | set(program.required)
    for place, line in enumerate(lines):
        result = line.results[0]
        is_float = result.dtype is not None and result.dtype.kind == "f"
        if line in targets or result in outside or len(line.results) > 1 or not is_float:
            continue
        found = _scaled_from(place, lines, factor, targets, outside)
        if found is not None:
            return program.rewritten(*found)
    return None


def _computing(number: Variable, program: Program) -> list[Instruction] | None:
    """Return the instructions that compute a number; None where arrays are among their operands."""
    found: list[Instruction] = []
    wanted = {number}
    for line in reversed(program.instructions):
        if wanted.intersection(line.results):
            if len(line.results) > 1 or any(v.dtype is not None for v in line.variables):
                return None
            wanted.update(line.variables)
            found.append(line)
    return found[::-1]


def _scaled_from(
        place: int, lines: list[Instruction], factor: Variable, targets: list[Instruction],
        outside: set[Variable]) -> tuple[list[Instruction], dict[Variable, Variable]] | None:
    """Return the lines with the result of line `place` scaled, and the values of the targets.

    None where that is used for something else, too, or not linearly, or not for all the targets.
    """
    scaled: dict[Variable, Variable] = {}  # s · v for every variable v that is scaled
    instead: dict[Variable, Variable] = {}
    made = [*lines[:place], *_multiplied(lines[place], factor, scaled)]
    for line in lines[place + 1 :]:
        inside = [isinstance(o, Variable) and o in scaled for o in line.operands]
        if not any(inside):
            made.append(line)
        elif line in targets:
            if factor in scaled or sum(inside) > 1:
                return None
            instead[line.results[0]] = next(scaled[v] for v in line.variables if v in scaled)
        elif _is_linear(line, inside) and outside.isdisjoint(line.results):
            made.append(_with_own_result(line, scaled).replacing(scaled))
        else:
            return None
    return (made, instead) if len(instead) == len(targets) else None


def _is_linear(line: Instruction, inside: list[bool]) -> bool:
    """Return whether a result is multiplied by s if the operands that are `inside` are."""
    name = line.op.name
    if name in ("add", "subtract"):
        return all(inside)
    if name in ("multiply", "matmul"):
        return sum(inside) == 1
    if name == "divide":
        return inside == [True, False]
    return name in OF_ONE_OPERAND and inside[0] and not any(inside[1:])


def _multiplied(line: Instruction, factor: Variable,
                scaled: dict[Variable, Variable]) -> list[Instruction]:
    """Return the instructions that compute s times the result of `line`.

    Where that is a multiple already, only its number is multiplied.
    """
    constant = next((o for o in line.operands if type(o) in Number), None)
    if line.op.name != "multiply" or constant is None:
        multiply = Instruction(OPS["multiply"], (factor, line.results[0]), {}, 1.0)
        return [line, _with_own_result(multiply.changed(results=line.results), scaled)]
    both = Instruction(line.op, (factor, constant), {}, 1.0)
    operands = tuple(both.results[0] if o is constant else o for o in line.operands)
    return [both, _with_own_result(line, scaled).changed(operands=operands)]


def _with_own_result(line: Instruction, scaled: dict[Variable, Variable]) -> Instruction:
    """Return an instruction for s times the result of `line`, which is another variable."""
    (old,) = line.results
    new = copy.copy(old)
    new.name = old.name and f"scaled_{old.name}"
    scaled[old] = new
    new.instruction = line.changed(results=(new,))
    return new.instruction
