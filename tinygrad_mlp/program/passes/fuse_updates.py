"""Passes over the updates of parameters: ``θ − α g`` for every parameter, with less work.

Backpropagation is linear in the derivative it begins with, so the learning rate can be multiplied
in there, once, in the place of every gradient; and where a gradient is a product of matrices,
BLAS multiplies and adds it as it computes it.
"""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.program.blas_ops import accumulate, product
from tinygrad_mlp.program.instructions import Instruction, Number, Variable
from tinygrad_mlp.program.program import Program

SMALL = 512
"""Elements of a parameter up to which a pass through its memory costs nothing beside the call."""

OF_ONE_OPERAND = ("negative", "reshape", "transpose", "swapaxes", "sum", "sum_to", "broadcast_to",
                  "getitem", "identity", "expand_dims", "squeeze", "mean")  # fmt: skip
"""Operations that are linear in their first operand, which is the only array they have."""


def scaled_once(program: Program) -> tuple[Program, int]:
    """Multiply by the learning rate where the gradients begin, and not every gradient.

    ``s · g`` for each parameter of a small network, and s the same number: all the g are linear
    in one derivative c that was computed earlier, and in nothing else. So ``s · c`` stands for c,
    and every multiplication with s is left out. Not for large parameters: BLAS multiplies them
    for nothing, and the step reads better with derivatives in it that are not scaled.
    """
    groups: dict[Variable, list[Instruction]] = {}
    for line in program.instructions:
        if line.op.name == "multiply":
            for factor in line.operands:
                if isinstance(factor, Variable) and factor.dtype is None:
                    groups.setdefault(factor, []).append(line)
                    break
    saved = 0
    for factor, targets in groups.items():
        small = all(line.results[0].shape and math.prod(line.results[0].shape) <= SMALL
                    for line in targets)  # fmt: skip
        if len(targets) > 1 and small:
            changed = _scaled_at_the_source(program, factor, targets)
            if changed is not None:
                program = changed
                saved += len(targets) - 1
    return program, saved


def _scaled_at_the_source(
    program: Program, factor: Variable, targets: list[Instruction]
) -> Program | None:
    """The program with one multiplication by a number in the place of all the targets."""
    numbers = _computing(factor, program)
    if numbers is None:
        return None
    lines = [*numbers, *(line for line in program.instructions if line not in numbers)]
    outside = program.escaping() | set(program.required)
    for number, line in enumerate(lines):
        source = line.results[0]
        if line in targets or source in outside or len(line.results) > 1:
            continue
        if source.dtype is None or source.dtype.kind != "f":
            continue
        between = _between(source, factor, lines[number + 1 :], set(targets), outside)
        if between is not None:
            break
    else:
        return None

    made: list[Instruction] = []
    scaled: dict[Variable, Variable] = {}
    for line in lines:
        if line in targets:
            scaled[line.results[0]] = next(
                scaled[o] for o in line.operands if isinstance(o, Variable) and o in scaled
            )
            continue
        if line in between:
            line = _with_own_result(line, scaled)
        line = line.changed(
            operands=tuple(scaled.get(o, o) if isinstance(o, Variable) else o
                           for o in line.operands)
        )  # fmt: skip
        if line.results[0] is not source:
            made.append(line)
            continue
        constant = next((o for o in line.operands if type(o) in Number), None)
        if line.op.name == "multiply" and constant is not None:
            both = Instruction(line.op, (factor, constant), {}, 1.0)
            line = _with_own_result(line, scaled).changed(
                operands=tuple(both.results[0] if o is constant else o for o in line.operands)
            )
            made += [both, line]
        else:
            twice = Instruction(OPS["multiply"], (factor, source), {}, 1.0)
            twice = _with_own_result(twice.changed(results=(source,)), scaled)
            made += [line, twice]
    ends = {line.results[0]: scaled[line.results[0]] for line in targets}
    return program.rewritten(made, ends)


def _computing(number: Variable, program: Program) -> list[Instruction] | None:
    """The instructions that compute a number from inputs that are numbers; None where it comes
    from arrays."""
    found: list[Instruction] = []
    wanted = {number}
    for line in reversed(program.instructions):
        if wanted.intersection(line.results):
            operands = [o for o in line.operands if isinstance(o, Variable)]
            if len(line.results) > 1 or any(o.dtype is not None for o in operands):
                return None
            wanted.update(operands)
            found.append(line)
    return found[::-1]


def _between(
    source: Variable,
    factor: Variable,
    lines: list[Instruction],
    targets: set[Instruction],
    outside: set[Variable],
) -> set[Instruction] | None:
    """The instructions from `source` to the targets; None where it goes to something else, too,
    or not linearly, or not to all of the targets."""
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
    """Whether a result is multiplied by s where the operands that are `inside` are."""
    name = line.op.name
    if name in ("add", "subtract"):
        return all(inside)
    if name in ("multiply", "matmul"):
        return sum(inside) == 1
    if name == "divide":
        return inside == [True, False]
    return name in OF_ONE_OPERAND and inside[0] and not any(inside[1:])


def _with_own_result(line: Instruction, scaled: dict[Variable, Variable]) -> Instruction:
    """An instruction that computes s times what it did, which is another variable."""
    (old,) = line.results
    new = copy.copy(old)
    new.name = old.name and f"scaled_{old.name}"
    scaled[old] = new
    made = line.changed(results=(new,))
    new.instruction = made
    return made


def products_accumulated(program: Program) -> tuple[Program, int]:
    """Let BLAS add a product of matrices to what it is added to: ``W + s · (A B)`` in one step.

    Instead of a product, its multiple and the sum, each a pass through memory. Where A is one
    column, the product is an outer product, and the update one of rank one. A small product is
    left as it is where there is no multiple to be formed: see `SMALL`.
    """
    uses = program.uses()
    definition = {r: line for line in program.instructions for r in line.results}
    last = {
        o: number
        for number, line in enumerate(program.instructions)
        for o in line.operands
        if isinstance(o, Variable)
    }
    escaping = program.escaping()
    changed: dict[Instruction, Instruction] = {}
    dead: set[Variable] = set()
    for number, line in enumerate(program.instructions):
        if line.op.name not in ("add", "subtract"):
            continue
        found = None
        for c, scaled in (line.operands, line.operands[::-1]):
            if line.op.name == "subtract" and scaled is not line.operands[1]:
                continue
            if not isinstance(c, Variable) or last[c] != number or c in escaping:
                continue
            found = _scaled_product(scaled, definition, uses)
            if found is not None and c.type == line.results[0].type:
                break
            found = None
        if found is None:
            continue
        alpha, a, b, gone = found
        if math.prod(c.shape) <= SMALL and not isinstance(alpha, Variable) and alpha == 1:
            continue
        if line.op.name == "subtract":
            if isinstance(alpha, Variable):
                continue
            alpha = -alpha
        changed[line] = line.changed(op=accumulate, operands=(c, alpha, a, b), static={})
        dead.update(gone)
    kept = [changed.get(line, line) for line in program.instructions
            if not dead.intersection(line.results)]  # fmt: skip
    return replace(program, instructions=tuple(kept)), len(changed)


SHARED = 8192
"""Multiplications up to which BLAS does a product on one thread, whatever it is allowed."""


def products_by_one_library(program: Program) -> tuple[Program, int]:
    """Where BLAS adds products for us, let the same library form the others, too.

    NumPy and SciPy come with a BLAS each, with threads of its own. After a product these keep
    looking for the next one for a while, and hinder those of the other library: on two cores,
    steps on 128 samples took five times as long with two libraries as with one. Vectors are left
    to NumPy, which does not copy the matrix for them.
    """
    if all(line.op is not accumulate for line in program.instructions):
        return program, 0

    def by_one(line: Instruction) -> Instruction:
        if line.op is not OPS["matmul"]:
            return line
        a, b = line.operands
        shapes = a.shape + b.shape
        matrices = len(a.shape) == len(b.shape) == 2 and 1 not in shapes
        if not matrices or math.prod(a.shape) * b.shape[1] <= SHARED:
            return line
        if a.dtype != b.dtype or a.dtype not in (np.float32, np.float64):
            return line
        return line.changed(op=product)

    return program.line_by_line(by_one)


def _scaled_product(
    a: Any, definition: dict[Variable, Instruction], uses: dict[Variable, int]
) -> tuple[Any, Any, Any, list[Variable]] | None:
    """Number, factors and the variables in between, where `a` is a multiple of a product that is
    used nowhere else."""
    alpha: Any = 1.0
    gone: list[Variable] = []
    line = definition.get(a) if isinstance(a, Variable) and uses[a] == 1 else None
    if line is not None and line.op.name == "multiply":
        for factor, rest in (line.operands, line.operands[::-1]):
            number = type(factor) in Number or (
                isinstance(factor, Variable) and factor.dtype is None
            )
            if number and isinstance(rest, Variable) and uses[rest] == 1:
                alpha = factor
                gone.append(a)
                a, line = rest, definition.get(rest)
                break
    if line is None or len(a.shape) != 2 or a.dtype not in (np.float32, np.float64):
        return None
    factors = [o for o in line.operands if isinstance(o, Variable)]
    if len(factors) != 2 or any(len(f.shape) != 2 or f.dtype != a.dtype for f in factors):
        return None
    column, row = factors
    outer = line.op.name == "multiply" and column.shape[1] == 1 and row.shape[0] == 1
    if not outer and line.op.name != "matmul":
        return None
    return alpha, column, row, [*gone, a]
