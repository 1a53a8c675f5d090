"""The record: every operation that was recorded, and what its gradient rule makes of the adjoint.

The adjoint of v, written v̄, is the derivative of the output with respect to v. There is a line for
each result, then one for each adjoint in the order of the backward pass, and one for each gradient
where its last share has arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.explanation.algebra.monomial import Base
from tinygrad_mlp.explanation.algebra.numbers import Meanings, Row, fraction
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial, whole
from tinygrad_mlp.explanation.differentiation.reverse import Reverse
from tinygrad_mlp.explanation.expressions.equation import ADJOINT, FORWARD, GRADIENT, Equation
from tinygrad_mlp.explanation.writing.steps import PlainSimplifier
from tinygrad_mlp.graph_view.layer_view import Recorded
from tinygrad_mlp.graph_view.names import gradient
from tinygrad_mlp.graph_view.naming import Naming, is_alias

SIMPLE = 4
"""The largest denominator of a fraction that is written for a recorded number."""


class RecordedReverse(Reverse):
    """Reverse mode in which each result and each adjoint is a line, written as its rule has it."""

    simplifier_class = PlainSimplifier
    folded = ""

    def __init__(self, graph: Recorded, naming: Naming, targets: Sequence[Value],
                 meanings: Meanings) -> None:
        self.equations: list[Equation] = []
        super().__init__(graph, naming, targets, meanings)

    def constant(self, array: Any, row: Row = ()) -> Polynomial:
        """A number as it was recorded, with its digits, if it is no simple one."""
        simple = not isinstance(array, float) or not isfinite(array) or (
            fraction(array).denominator <= SIMPLE)
        if not simple:
            if array not in self.values:
                self.values[array] = whole(self.t.base((), None, array))
            return self.values[array]
        return super().constant(array, row)

    def record(self, node: Node) -> None:
        """A result as a call of its operation, with its name."""
        arguments = [self.argument(node, place) for place in range(len(node))]
        args = [a if a is None or not node.op.rule(place) else self.t.argument(a)
                for place, a in enumerate(arguments)]
        if is_alias(node) and node not in self.kept and args[0] is not None:
            self.values[node] = args[0]
            return
        if node.op is ops.multiply and args[1] is not None and args[1].shape == ():
            args = args[::-1]  # a number stands first
        for index, out in enumerate(node.out if node.op.outputs > 1 else (node.out,)):
            key = node if node.op.outputs == 1 else (node, index)
            base = self.t.call(node.op, args, node.static, out.shape, index).single
            assert base is not None
            if base.name is not None:  # computed before, under another name
                base = self.t.base(out.shape, whole(base))
            self.recorded.known[base] = out
            self.values[key] = whole(base)
            if node not in self.graph.inlined or node in self.kept:
                base.name = self.naming.of_node(node, index)
                self._write(FORWARD, base)

    def _write(self, kind: str, base: Base) -> None:
        symbol = self.writer.symbol(base)
        assert symbol is not None
        symbol.definition = self.writer.definition(base)
        symbol.dtype = symbol.definition.dtype
        self.equations.append(Equation(kind, symbol))

    def _find_facts(self) -> None:
        """None: what the rules say is written."""

    def _note_sums(self, p: Polynomial, array: object) -> None:
        """None: what the rules say is written."""

    def _delta(self, base: Base, g: Polynomial) -> Polynomial:
        """The adjoint under its name; a number is passed on as such."""
        if base.name is None:
            return g
        adjoint = self.t.base(base.shape, g)
        adjoint.name = self.naming.names.adjoint(base.name)
        self._write(ADJOINT, adjoint)
        return g if g.number is not None else whole(adjoint)

    def _found(self, base: Base, g: Polynomial) -> None:
        """A gradient as a line of its own."""
        super()._found(base, g)
        assert base.name is not None
        name = gradient(self.naming.of_output(), base.name)
        target = next(t for t in self.targets if self.target(t) is base)
        made = self.writer.expression(self.simplifier.shown(g))
        symbol = self.writer.gradient(name, made, target.data.dtype)
        self.equations.append(Equation(GRADIENT, symbol))
