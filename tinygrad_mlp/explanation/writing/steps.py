"""The chain rule, one line for each quantity, with the reason for each line.

The same reverse mode as for the closed form, with every result of an operation and everything that
one is applied to under a name, and nothing multiplied out: so each line is one rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Node
from tinygrad_mlp.explanation.algebra.monomial import AppliedOp, Base
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial
from tinygrad_mlp.explanation.algebra.simplest import Simplifier
from tinygrad_mlp.explanation.differentiation.reverse import Reverse
from tinygrad_mlp.explanation.writing.blackboard import Blackboard
from tinygrad_mlp.graph_view.naming import key_of

SYMBOL = 1.75
"""The cost of a single symbol with a factor, −y or y / n, which needs no other name."""

TURNING = ops.transpose, ops.swapaxes
"""Operations whose result is written as it is: Aᵀ."""

FUNCTION = re.compile(r"([^\W\d]+|\\\w+|\\mathrm\{\w+\})((?:\\left)?\(.*\))")
"""A function's name and its argument between brackets."""


class Reason(NamedTuple):
    """Why a line follows from those before it, as plain text and in LaTeX (or empty)."""

    text: str
    latex: str


class PlainSimplifier(Simplifier):
    """Carries out sums that are known and takes common factors out, and no more."""

    def forms(self, p: Polynomial, instead: bool = True) -> Iterator[Polynomial]:
        """The forms that are compared."""
        p = self.reduced(self.t.opened(p))
        yield p
        yield self.factored(p)


class StepReverse(Reverse):
    """Reverse mode in which each quantity has a derivative of its own."""

    simplifier_class = PlainSimplifier
    folded = "t"  # each line of a layer has its reason

    def keeps_name(self, node: Node, index: int) -> bool:
        """Whether a result is a quantity of its own: also the parts of layers."""
        name = self.naming.of_node(node, index)
        of_layer = node not in self.graph.inlined and not re.fullmatch(r"v\d+", name.text)
        return of_layer and node.op not in TURNING or super().keeps_name(node, index)

    def _delta(self, base: Base, g: Polynomial) -> Polynomial:
        if self.simplifier.cost(g) <= SYMBOL:
            return g
        made = self.t.bracket(g, signed=False)
        delta = made.single
        if delta is not None and delta.is_bracket and (
                delta.number >= self.first_derivative):
            self.deltas.setdefault(delta, base)
        return made


class StepBoard(Blackboard):
    """Writes the lines of the chain rule; `reasons` are those of the lines, or empty."""

    diagonal_slopes = False  # as the rules of the operations have it

    def roots(self) -> list[Polynomial]:
        """The gradients, and the output."""
        return [*super().roots(), self.reverse.values[key_of(self.reverse.graph.output)]]

    def _is_worth_a_name(self, base: Base, uses: int) -> bool:
        cost = self.simplifier.base_cost(base)
        if base.call is not None:
            return base in self.reverse.recorded_calls and cost > SYMBOL
        return super()._is_worth_a_name(base, uses)

    def _name_deltas(self) -> None:
        named = [d for d, of in self.reverse.deltas.items() if of.name or self.reverse.hint(of)]
        for delta in (*named, *self.reverse.deltas):
            if delta.name is None:
                delta.name = self._name(delta)
        self.simplifier.forget()

    def reasons(self) -> dict[str, Reason]:
        """The reason for each line, by the name on its left side."""
        output = self.reverse.naming.of_output().text
        of = {d.name.text: b for d, b in self.reverse.deltas.items() if d.name is not None}
        for target in self.reverse.targets:
            base = self.reverse.target(target)
            if base.name is not None:
                of[f"∂{output}/∂{base.name.text}"] = base
        return {name: self._reason(base) for name, base in of.items()}

    def _reason(self, base: Base) -> Reason:
        told = list(dict.fromkeys(self._rule(user) for user in self.reverse.users.get(base, ())))
        return Reason(" and ".join(reason.text for reason in told),
                      r" \text{ and } ".join(reason.latex for reason in told if reason.latex))

    def _rule(self, user: Base | None) -> Reason:
        if user is None:
            return in_words("derivative of the output")
        made = user.call
        if made is not None:
            return self._slope(user, made) or in_words(f"the rule of {made.op.name}")
        if user.name is None:
            return in_words("chain rule")
        return Reason(f"chain rule through {user.name.text}",
                      rf"\text{{chain rule through }} {user.name.latex}")

    def _slope(self, base: Base, call: AppliedOp) -> Reason | None:
        """``tanh′(z) = 1 − a²`` for a function of one argument; otherwise the rule in words."""
        whole = self.writer.written_out(base)
        slope = self.reverse.slope(base, call)
        if slope is None:
            forward, _, rule = call.op.record.equation.partition(",  ")
            rule = re.sub(r"\bg\b", "δ", rule)  # g is the sigmoid
            return Reason(f"{forward} gives {rule}", "") if rule else None
        right = self.writer.expression(self.simplifier.shown(slope))
        sides = [(FUNCTION.fullmatch(left), made) for left, made in (
            (whole.text(), right.text()), (whole.latex(), right.latex()))]
        texts = [f"{left[1]}{mark}{left[2]} = {made}" if left else "" for (left, made), mark in zip(
            sides, ("′", "'"), strict=True)]
        return Reason(texts[0], texts[1]) if texts[0] else Reason(
            f"({whole.text()})′ = {right.text()}", f"({whole.latex()})' = {right.latex()}")


def in_words(text: str) -> Reason:
    """A reason without formulas."""
    return Reason(text, rf"\text{{{text}}}".replace("_", r"\_"))
