"""Passes that write a program in simple operations, and leave out superfluous ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.program.instructions import Instruction, Number, Variable, is_random
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.program.trace import Trace, Tracer

KEEPING = ("identity", "reshape", "broadcast_to", "sum_to", "astype")
"""Operations that change nothing where the result has the shape and dtype of the operand."""


def decompose(program: Program) -> Program:
    """Return the program with composed operations replaced by what they consist of.

    A composed operation, such as a loss, is one line in a listing and one call in eager mode. Its
    parts can be shared with those of the gradient (the error ``ŷ − y`` of the squared error) and
    written into memory that is there already.
    """
    instructions: list[Instruction] = []
    instead: dict[Variable, Any] = {}
    for line in program.instructions:
        if line.op.record.decomposable:
            parts, result = _parts_of(line)
            instructions += parts
            instead[line.results[0]] = result
        else:
            instructions.append(line)
    return program.rewritten(instructions, instead)


def _parts_of(line: Instruction) -> tuple[list[Instruction], Variable]:
    """Run the forward function of a composed operation on tracers; return its parts and result."""
    trace = Trace()
    given = [_stand_in(trace, o) if isinstance(o, Variable) else o for o in line.operands]
    with trace.recording(), np.errstate(all="ignore"):
        result = line.op.forward(*given, **line.static).variable
    operand_of = {
        g.variable: o for g, o in zip(given, line.operands, strict=True) if type(g) is Tracer}
    for part in trace.instructions:
        for variable in part.results:
            variable.data = None
    result.name = line.results[0].name
    parts = [part.replacing(operand_of) for part in trace.instructions]
    return parts, operand_of.get(result, result)


def _stand_in(trace: Trace, variable: Variable) -> Tracer:
    """Return a tracer of the variable's type. Its numbers are made up, and decide nothing."""
    if variable.dtype is None:
        return Tracer.of(Variable(0.5))
    return trace.input(np.ones(variable.shape, variable.dtype))


def remove_identities(program: Program) -> tuple[Program, int]:
    """Leave out what changes nothing: ``1 · x``, ``x / 1``, ``−(−x)``, reshaping to the same shape.

    A constant array that is filled with one number becomes that number, where the result has the
    same shape and dtype all the same.
    """
    instead: dict[Variable, Any] = {}
    kept: list[Instruction] = []
    definition: dict[Variable, Instruction] = {}
    for line in program.instructions:
        line = _with_numbers(line.replacing(instead))
        same = _unchanged(line, definition)
        if same is None:
            kept.append(line)
            definition.update(dict.fromkeys(line.results, line))
        else:
            instead[line.results[0]] = same
            if isinstance(same, Variable) and same.name is None and same.instruction is not None:
                same.name = line.results[0].name
    return program.rewritten(kept, instead), len(program.instructions) - len(kept)


def _with_numbers(line: Instruction) -> Instruction:
    """Return an instruction with numbers in the place of arrays that repeat one number."""
    if line.op.name not in ("add", "subtract", "multiply", "divide"):
        return line
    operands: list[Any] = list(line.operands)
    for i, a in enumerate(line.operands):
        other = line.operands[1 - i]
        constant = isinstance(a, (np.ndarray, np.floating)) and a.size > 0 and a.dtype.kind == "f"
        if constant and array_type(other) == line.results[0].type:
            flat = np.ravel(a)
            if (flat == flat[0]).all():
                operands[i] = float(flat[0])
    return line.changed(operands=tuple(operands))


def array_type(a: object) -> Any:
    """Return the shape and dtype of an operand; None for a number."""
    return (a.shape, a.dtype) if isinstance(a, (Variable, np.ndarray)) else None


def _unchanged(line: Instruction, definition: dict[Variable, Instruction]) -> Any:
    """Return the operand that the result of an instruction is equal to, or None."""
    result, name = line.results[0], line.op.name
    first = line.operands[0] if line.operands else None
    if name in KEEPING and len(line.operands) == 1:
        return first if array_type(first) == result.type else None
    if name in ("negative", "transpose"):
        before = definition.get(first) if isinstance(first, Variable) else None
        if before is not None and before.op is line.op and before.static == line.static:
            if line.static.get("axes") is None:
                return before.operands[0]
    if name in ("multiply", "divide"):
        first, second = line.operands
        if type(second) in Number and second == 1:
            same = first
        elif name == "multiply" and type(first) in Number and first == 1:
            same = second
        else:
            return None
        return same if array_type(same) == result.type or result.dtype is None else None
    return None


def fold_constants(program: Program) -> tuple[Program, int]:
    """Compute once and for all what depends on constants only."""
    instead: dict[Variable, Any] = {}
    kept: list[Instruction] = []
    for old in program.instructions:
        line = old.replacing(instead)
        if line.variables or is_random(line.static):
            kept.append(line)
            continue
        with changed_mode(hook=None, recorder=None):
            instead.update(zip(line.results, line.forward(line.operands), strict=True))
    return program.rewritten(kept, instead), len(program.instructions) - len(kept)


def share_subexpressions(program: Program) -> tuple[Program, int]:
    """Compute once what is computed several times from the same operands."""
    instead: dict[Variable, Any] = {}
    known: dict[Any, Instruction] = {}
    kept: list[Instruction] = []
    for old in program.instructions:
        line = old.replacing(instead)
        key = (line.op, tuple(map(_identity, line.operands)), repr(line.static))
        first = None if is_random(line.static) else known.get(key)
        if first is None:
            known[key] = line
            kept.append(line)
            continue
        for ours, theirs in zip(first.results, line.results, strict=True):
            instead[theirs] = ours
            ours.name = ours.name or theirs.name
    return program.rewritten(kept, instead), len(program.instructions) - len(kept)


def _identity(a: object) -> Any:
    if isinstance(a, Variable) or a is None:
        return a
    return (type(a), a) if type(a) in Number else id(a)


def remove_dead_code(program: Program) -> tuple[Program, int]:
    """Leave out instructions and inputs that nothing depends on."""
    needed = program.escaping() | set(program.required)
    kept: list[Instruction] = []
    for line in reversed(program.instructions):
        if needed.intersection(line.results):
            kept.append(line)
            needed.update(line.variables)
    inputs = tuple(v for v in program.inputs if v in needed or v.label.kind == "data")
    saved = len(program.instructions) - len(kept) + len(program.inputs) - len(inputs)
    return replace(program, instructions=tuple(kept[::-1]), inputs=inputs), saved


def count_views(program: Program) -> tuple[Program, int]:
    """Count the transposes that BLAS and NumPy read as views, without making a copy."""
    views = sum(line.op.name in ("transpose", "swapaxes") for line in program.instructions)
    return program, views
