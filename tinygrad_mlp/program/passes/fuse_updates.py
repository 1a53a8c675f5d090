"""Passes over the updates of parameters: ``θ − α g`` for every parameter, with less work.

Backpropagation is linear in the derivative that it begins with, so the learning rate can be
multiplied into that derivative once, instead of into every gradient. And where a gradient is a
product of matrices, BLAS multiplies and adds it while it computes it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.program.blas_ops import accumulate, product
from tinygrad_mlp.program.instructions import Instruction, Number, Variable
from tinygrad_mlp.program.program import Program

SMALL = 512
"""Elements of a parameter up to which a pass through its memory costs nothing beside the call."""
SHARED = 8192
"""Multiplications up to which BLAS forms a product on one thread, whatever it is allowed."""

OF_ONE_OPERAND = ("negative", "reshape", "transpose", "swapaxes", "sum", "sum_to", "broadcast_to",
                  "getitem", "identity", "expand_dims", "squeeze", "mean")  # fmt: skip
"""Operations that are linear in their first operand, which is the only array they have."""


# -- the learning rate multiplied once -----------------------------------------------------------


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


# -- products added by BLAS ------------------------------------------------------------------------


class _Product(NamedTuple):
    """A multiple of a product of matrices, ``alpha · a b``.

    Attributes:
        alpha: the number, or a variable that is a number.
        a, b: the matrices.
        gone: the variables that are not needed if BLAS adds the product to something.
    """

    alpha: Any
    a: Variable
    b: Variable
    gone: tuple[Variable, ...]


def accumulate_products(program: Program) -> tuple[Program, int]:
    """Let BLAS add a product of matrices to what it is added to: ``W + s · (A B)`` in one step.

    This takes the place of a product, its multiple and the sum, each a pass through memory. Where
    A is one column, the product is an outer product, and the update one of rank one. A small
    product is left as it is if there is no multiple to be formed: see `SMALL`.
    """
    finder = _ProductFinder(program)
    gone: set[Variable] = set()

    def accumulated(line: Instruction) -> Instruction:
        found = finder.addition(line)
        if found is None:
            return line
        c, (alpha, a, b, unneeded) = found
        gone.update(unneeded)
        return line.changed(op=accumulate, operands=(c, alpha, a, b), static={})

    changed, saved = program.line_by_line(accumulated)
    kept = tuple(line for line in changed.instructions if gone.isdisjoint(line.results))
    return replace(changed, instructions=kept), saved


class _ProductFinder:
    """A search for products of matrices that are added to something in a program."""

    def __init__(self, program: Program) -> None:
        self.uses = program.uses()
        self.escaping = program.escaping()
        self.definition = {r: line for line in program.instructions for r in line.results}
        self.last_use = {v: line for line in program.instructions for v in line.variables}

    def addition(self, line: Instruction) -> tuple[Variable, _Product] | None:
        """Return c and a product where an instruction computes their sum, and c may be replaced."""
        if line.op.name not in ("add", "subtract"):
            return None
        pairs = [line.operands, line.operands[::-1]] if line.op.name == "add" else [line.operands]
        for c, term in pairs:
            if not isinstance(c, Variable) or c.type != line.results[0].type:
                continue
            if self.last_use[c] is not line or c in self.escaping:
                continue
            found = self.product(term)
            if found is not None:
                return self._worth_it(line, c, found)
        return None

    def _worth_it(
        self, line: Instruction, c: Variable, found: _Product
    ) -> tuple[Variable, _Product] | None:
        alpha = found.alpha
        is_variable = isinstance(alpha, Variable)
        if not is_variable and alpha == 1 and math.prod(c.shape) <= SMALL:
            return None
        if line.op.name == "subtract":
            if is_variable:
                return None
            found = found._replace(alpha=-alpha)
        return c, found

    def product(self, term: Any) -> _Product | None:
        """Return the product that a term is a multiple of, if it is used nowhere else."""
        alpha: Any = 1.0
        gone: list[Variable] = []
        line = self._only_use(term)
        if line is not None and line.op.name == "multiply":
            for factor, rest in (line.operands, line.operands[::-1]):
                if _is_number(factor) and isinstance(rest, Variable) and self.uses[rest] == 1:
                    alpha, line = factor, self.definition.get(rest)
                    gone.append(term)
                    term = rest
                    break
        if line is None or not _is_product_of_matrices(line):
            return None
        a, b = line.operands
        return _Product(alpha, a, b, (*gone, term))

    def _only_use(self, a: Any) -> Instruction | None:
        """Return the instruction that computes a variable, if that is used once."""
        return self.definition.get(a) if isinstance(a, Variable) and self.uses[a] == 1 else None


def _is_number(a: Any) -> bool:
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
        if line.op is not OPS["matmul"] or not _is_large_product(line.operands):
            return line
        return line.changed(op=product)

    return program.line_by_line(by_one)


def _is_large_product(operands: Sequence[Any]) -> bool:
    """Return whether a product of matrices is so large that BLAS shares it among threads."""
    a, b = operands
    matrices = len(a.shape) == len(b.shape) == 2 and 1 not in a.shape + b.shape
    return (
        matrices
        and math.prod(a.shape) * b.shape[1] > SHARED
        and a.dtype == b.dtype
        and a.dtype in (np.float32, np.float64)
    )
