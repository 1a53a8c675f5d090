"""Operations made of simpler ones, written out before a program is improved.

A composed operation is one line in a listing and one call in eager mode. Written out, its parts
can be shared with those of the gradient (the error ``ŷ − y`` of the squared error) and written
into memory that is there already. What it consists of is read off its forward function, by
running that on tracers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.program.trace import Trace, Tracer


def written_out(program: Program) -> Program:
    """The program with composed operations replaced by what they consist of."""
    instructions: list[Instruction] = []
    instead: dict[Variable, Any] = {}
    for line in program.instructions:
        if not line.op.record.decomposable:
            instructions.append(line)
            continue
        trace = Trace()
        given = [_stand_in(trace, o) if isinstance(o, Variable) else o for o in line.operands]
        with trace.recording(), np.errstate(all="ignore"):
            result = line.op.forward(*given, **line.static).variable
        own = {
            g.variable: o for g, o in zip(given, line.operands, strict=True) if type(g) is Tracer
        }
        for made in trace.instructions:
            operands = [own.get(o, o) if isinstance(o, Variable) else o for o in made.operands]
            instructions.append(made.changed(operands=tuple(operands)))
            for variable in made.results:
                variable.data = None
        result.name = line.results[0].name
        instead[line.results[0]] = own.get(result, result)
    return program.rewritten(instructions, instead)


def _stand_in(trace: Trace, variable: Variable) -> Tracer:
    """A tracer of the variable's type: its numbers are made up, and decide nothing."""
    if variable.dtype is None:
        return Tracer.of(Variable(0.5))
    return trace.input(np.ones(variable.shape, variable.dtype))
