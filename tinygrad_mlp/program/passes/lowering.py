"""A pass that replaces composed operations by the simpler ones they consist of.

A composed operation, such as a loss, is one line in a listing and one call in eager mode. Its parts
can be shared with those of the gradient (the error ``ŷ − y`` of the squared error) and written
into memory that is there already. They are found by running its forward function on tracers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.program.trace import Trace, Tracer


def decompose(program: Program) -> Program:
    """Return the program with composed operations replaced by what they consist of."""
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
    """Return the instructions that a composed operation consists of, and their result."""
    trace = Trace()
    given = [_stand_in(trace, o) if isinstance(o, Variable) else o for o in line.operands]
    with trace.recording(), np.errstate(all="ignore"):
        result = line.op.forward(*given, **line.static).variable
    operand_of = {
        g.variable: o for g, o in zip(given, line.operands, strict=True) if type(g) is Tracer
    }
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
