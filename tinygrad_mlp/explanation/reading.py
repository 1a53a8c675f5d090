"""Reading gradient rules: what a rule does to its arguments, as a polynomial."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.explanation.polynomial import Polynomial
from tinygrad_mlp.explanation.translation import Translation
from tinygrad_mlp.program.instructions import Variable
from tinygrad_mlp.program.trace import Trace, Tracer, untraced


class RuleReader:
    """Runs rules on tracers that stand for polynomials, and reads off what comes out."""

    def __init__(self, translation: Translation) -> None:
        self.t = translation
        self.trace = Trace()
        self._read: dict[Variable, Polynomial] = {}
        self._done = 0

    def tracer(self, p: Polynomial, data: Any) -> Any:
        """A carrier for a polynomial; single numbers stay what they are."""
        value = p.number
        if value is not None and not p.shape:
            return float(value)
        return self.trace.input(np.asarray(data), label=p)

    def polynomial(self, carrier: Any) -> Polynomial:
        """What a carrier stands for."""
        for instruction in self.trace.instructions[self._done :]:
            args = [None if o is None else self._operand(o) for o in instruction.operands]
            for result in instruction.results:
                self._read[result] = self.t.apply(
                    instruction.op, args, instruction.static, result.data.shape, result.index)
        self._done = len(self.trace.instructions)
        return self._operand(carrier.variable if isinstance(carrier, Tracer) else carrier)

    def _operand(self, operand: Any) -> Polynomial:
        if not isinstance(operand, Variable):
            return self.t.constant(untraced(operand))
        if operand.instruction is not None:
            return self._read[operand]
        label: Polynomial = operand.label
        return label
