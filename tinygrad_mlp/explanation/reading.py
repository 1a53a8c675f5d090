"""Reading gradient rules: what a rule does to its arguments, as an expression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.explanation.expression import Expression, Number
from tinygrad_mlp.program.instructions import Variable
from tinygrad_mlp.program.trace import Trace, Tracer, untraced


class RuleReader:
    """Runs rules on tracers that stand for expressions, and reads off what comes out.

    `algebra` makes what an operation on expressions is: an `Algebra`, or a `Translation`.
    `constant` gives the expression for an array that a rule brings in.
    """

    def __init__(self, algebra: Any, constant: Callable[[Any], Any]) -> None:
        self.algebra = algebra
        self.constant = constant
        self.trace = Trace()
        self._read: dict[Variable, Any] = {}
        self._done = 0

    def tracer(self, e: Expression, data: Any = None) -> Any:
        """A carrier for an expression; Python numbers stay what they are."""
        if isinstance(e, Number) and e.plain:
            return e.number
        return self.trace.input(e.evaluate() if data is None else data, label=e)

    def expression(self, carrier: Any) -> Any:
        """What a carrier stands for."""
        for instruction in self.trace.instructions[self._done :]:
            args = [None if o is None else self._operand(o) for o in instruction.operands]
            for result in instruction.results:
                self._read[result] = self.algebra.apply(
                    instruction.op, args, instruction.static, result.data.shape, result.data.dtype,
                    result.index)
        self._done = len(self.trace.instructions)
        return self._operand(carrier.variable if isinstance(carrier, Tracer) else carrier)

    def _operand(self, operand: Any) -> Any:
        if isinstance(operand, Variable):
            if operand.instruction is None:
                return operand.label
            return self._read[operand]
        return self.constant(untraced(operand))

    def share(self, op: Op, position: int, g: Any, y: Any, inputs: Sequence[Any],
              static: dict[str, Any]) -> Any:
        """What the rule of one argument makes of carriers (None where there is no rule)."""
        with self.trace.recording(), np.errstate(all="ignore"):
            return op.vjp(position, g, y, inputs, static)

    def derivative(self, op: Op, position: int, y: Expression | None,
                   args: Sequence[Expression | None], static: dict[str, Any]) -> Expression:
        """What the rule makes of the cotangent 1."""
        if y is None:
            arrays = [None if a is None else a.evaluate() for a in args]
            with np.errstate(all="ignore"):
                out = np.asarray(op.forward(*arrays, **static))
            y = self.algebra.apply(op, args, static, out.shape, out.dtype)
        one = self.algebra.number(1.0, y.shape, y.dtype)
        inputs = [None if a is None else self.tracer(a) for a in args]
        slope: Expression = self.expression(
            self.share(op, position, self.tracer(one), self.tracer(y), inputs, static))
        return slope
