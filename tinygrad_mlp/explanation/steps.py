"""The chain rule, one line for each quantity, with the reason for each line.

The same reverse mode as for the closed form, with every result of an operation and everything that
one is applied to under a name, and nothing multiplied out: so each line is one rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tinygrad_mlp.autograd.graph import Node
from tinygrad_mlp.explanation.blackboard import Blackboard
from tinygrad_mlp.explanation.monomial import Base
from tinygrad_mlp.explanation.polynomial import OpCall, Polynomial
from tinygrad_mlp.explanation.reverse import Reverse
from tinygrad_mlp.explanation.simplest import Simplifier
from tinygrad_mlp.graph_view.naming import key_of

SYMBOL = 1.0
"""The cost of a single symbol, which needs no other name."""


class PlainSimplifier(Simplifier):
    """Carries out sums that are known and takes common factors out, and no more."""

    def forms(self, p: Polynomial, instead: bool = True) -> Iterator[Polynomial]:
        """The forms that are compared."""
        p = self.reduced(p)
        yield p
        yield self.factored(p)


class StepReverse(Reverse):
    """Reverse mode in which each quantity has a derivative of its own."""

    simplifier_class = PlainSimplifier

    def keeps_name(self, node: Node, index: int) -> bool:
        """Whether a result is a quantity of its own: also the parts of layers."""
        name = self.naming.of_node(node, index)
        of_layer = node not in self.graph.inlined and not re.fullmatch(r"v\d+", name.text)
        return of_layer or super().keeps_name(node, index)

    def _delta(self, base: Base, g: Polynomial) -> Polynomial:
        if self.simplifier.cost(g) <= SYMBOL:
            return g
        made = self.t.bracket(g, signed=False)
        delta = made.single
        if delta is not None and self.simplifier.is_bracket(delta) and (
                delta.number >= self.first_derivative):
            self.deltas.setdefault(delta, base)
        return made


class StepBoard(Blackboard):
    """Writes the lines of the chain rule; `reasons` are those of the lines, or empty."""

    def roots(self) -> list[Polynomial]:
        """The gradients, and the output."""
        return [*super().roots(), self.reverse.values[key_of(self.reverse.graph.output)]]

    def _is_worth_a_name(self, base: Base, uses: int) -> bool:
        cost = self.simplifier.base_cost(base)
        if isinstance(base.definition, OpCall):
            return base in self.reverse.recorded_calls and cost > SYMBOL
        return super()._is_worth_a_name(base, uses)

    def _name_deltas(self) -> None:
        named = [d for d, of in self.reverse.deltas.items() if of.name or self.reverse.hint(of)]
        for delta in (*named, *self.reverse.deltas):
            if delta.name is None:
                delta.name = self._name(delta)
        self.simplifier.forget()

    def reasons(self) -> dict[str, str]:
        """The reason for each line, by the name on its left side."""
        output = self.reverse.naming.of_output().text
        of = {d.name.text: b for d, b in self.reverse.deltas.items() if d.name is not None}
        for target in self.reverse.targets:
            base = self.reverse.target(target)
            if base.name is not None:
                of[f"∂{output}/∂{base.name.text}"] = base
        return {name: self._reason(base) for name, base in of.items()}

    def _reason(self, base: Base) -> str:
        told = dict.fromkeys(self._rule(user) for user in self.reverse.users.get(base, ()))
        return " and ".join(filter(None, told))

    def _rule(self, user: Base | None) -> str:
        if user is None:
            return "derivative of the loss"
        made = user.definition
        if isinstance(made, OpCall):
            forward, _, rule = made.op.record.equation.partition(",  ")
            return f"{forward} gives {rule}" if rule else f"the rule of {made.op.name}"
        return f"chain rule through {user.name.text}" if user.name else "chain rule"
