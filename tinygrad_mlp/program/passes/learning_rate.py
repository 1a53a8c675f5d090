"""A pass that multiplies by the learning rate once, where backpropagation begins.

Backpropagation is linear in the derivative that it begins with, so the learning rate can be
multiplied into that derivative, instead of into the gradient of every parameter.
"""

from __future__ import annotations

import copy
import math

from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.program.instructions import Instruction, Number, Variable
from tinygrad_mlp.program.program import Program

SMALL = 512
"""Elements of a parameter up to which multiplying it takes no longer than the call does."""

OF_ONE_OPERAND = ("negative", "reshape", "transpose", "swapaxes", "sum", "sum_to", "broadcast_to",
                  "getitem", "identity", "expand_dims", "squeeze", "mean")  # fmt: skip
"""Operations that are linear in their first operand, which is the only array they have."""


def scale_once(program: Program) -> tuple[Program, int]:
    """Multiply by the learning rate where the gradients begin, and not every gradient.

    For small networks, whose gradients g are all multiplied by the same number s: where all of
    them are linear in one derivative c that was computed earlier, and depend on c only in that
    way, ``s · c`` is computed once in the place of c, and all the products ``s · g`` are left out.
    Not for large parameters: BLAS multiplies them at no cost, and the step reads better with
    derivatives that are not scaled.
    """
    by_factor: dict[Variable, list[Instruction]] = {}
    for line in program.instructions:
        factor = next((v for v in line.variables if v.dtype is None), None)
        if line.op.name == "multiply" and factor is not None:
            by_factor.setdefault(factor, []).append(line)
    saved = 0
    for factor, targets in by_factor.items():
        shapes = [line.results[0].shape for line in targets]
        if len(targets) > 1 and all(shape and math.prod(shape) <= SMALL for shape in shapes):
            changed = _scaled_at_the_source(program, factor, targets)
            if changed is not None:
                program = changed
                saved += len(targets) - 1
    return program, saved


def _scaled_at_the_source(
    program: Program, factor: Variable, targets: list[Instruction]
) -> Program | None:
    """Return the program with one multiplication by a number in the place of all the targets."""
    numbers = _computing(factor, program)
    if numbers is None:
        return None
    lines = [*numbers, *(line for line in program.instructions if line not in numbers)]
    found = _common_source(program, lines, factor, set(targets))
    if found is None:
        return None
    source, between = found
    made: list[Instruction] = []
    scaled: dict[Variable, Variable] = {}  # s · v for every variable v that is scaled
    for line in lines:
        if line in targets:
            scaled[line.results[0]] = next(scaled[v] for v in line.variables if v in scaled)
        elif line is source:
            made += _multiplied(line, factor, scaled)
        else:
            if line in between:
                line = _with_own_result(line, scaled)
            made.append(line.replacing(scaled))
    return program.rewritten(made, {line.results[0]: scaled[line.results[0]] for line in targets})


def _computing(number: Variable, program: Program) -> list[Instruction] | None:
    """Return the instructions that compute a number from inputs that are numbers.

    None where it is computed from arrays.
    """
    found: list[Instruction] = []
    wanted = {number}
    for line in reversed(program.instructions):
        if wanted.intersection(line.results):
            if len(line.results) > 1 or any(v.dtype is not None for v in line.variables):
                return None
            wanted.update(line.variables)
            found.append(line)
    return found[::-1]


def _common_source(
    program: Program, lines: list[Instruction], factor: Variable, targets: set[Instruction]
) -> tuple[Instruction, set[Instruction]] | None:
    """Return the first instruction in whose result all targets are linear, and those between."""
    outside = program.escaping() | set(program.required)
    for number, line in enumerate(lines):
        result = line.results[0]
        is_float = result.dtype is not None and result.dtype.kind == "f"
        if line in targets or result in outside or len(line.results) > 1 or not is_float:
            continue
        between = _between(result, factor, lines[number + 1 :], targets, outside)
        if between is not None:
            return line, between
    return None


def _between(
    source: Variable,
    factor: Variable,
    lines: list[Instruction],
    targets: set[Instruction],
    outside: set[Variable],
) -> set[Instruction] | None:
    """Return the instructions from `source` to the targets.

    None where it is used for something else, too, or not linearly, or not for all the targets.
    """
    linear, found, reached = {source}, set(), set()
    for line in lines:
        inside = [isinstance(o, Variable) and o in linear for o in line.operands]
        if not any(inside):
            continue
        if line in targets:
            if factor in linear or sum(inside) > 1:
                return None
            reached.add(line)
        elif _is_linear(line, inside) and outside.isdisjoint(line.results):
            linear.update(line.results)
            found.add(line)
        else:
            return None
    return found if reached == targets else None


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


def _multiplied(
    line: Instruction, factor: Variable, scaled: dict[Variable, Variable]
) -> list[Instruction]:
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
    made = line.changed(results=(new,))
    new.instruction = made
    return made
