"""Reverse mode on polynomials: the gradients of the output of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.backward import unbroadcast
from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.explanation.algebra.monomial import SUMMED, AppliedOp, Base, sizes
from tinygrad_mlp.explanation.algebra.numbers import Meanings, number
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial, whole
from tinygrad_mlp.explanation.algebra.translation import RuleReader
from tinygrad_mlp.explanation.differentiation.forms import RULES
from tinygrad_mlp.explanation.differentiation.forward import Forward
from tinygrad_mlp.explanation.expressions.making import SIGMOIDS
from tinygrad_mlp.explanation.repetition.loop_lines import LoopWriter
from tinygrad_mlp.explanation.repetition.loops import Place
from tinygrad_mlp.explanation.repetition.members import find_loop
from tinygrad_mlp.explanation.repetition.stacks import MatrixStack, StackWriter
from tinygrad_mlp.graph_view.layer_view import Recorded
from tinygrad_mlp.graph_view.naming import Naming, key_of

FORMS_PER_BASE = 40
"""How many forms may be compared for each base; textbooks' graphs take six at most."""
NAMED_FROM = 3.0
"""The cost from which a derivative is a quantity of its own, to be named where it is used."""
MOST_FACTORS = 8
"""Factors from which a derivative is a quantity of its own: a long chain is written in parts."""


class Reverse(Forward):
    """The `gradients` of the output of a graph with respect to targets.

    `deltas` are brackets that are derivatives, by what they are the derivative of, and `users` the
    bases that a derivative came through, None for the output. Bases with numbers from
    `first_derivative` on were made on the way back. `folded` are the indices of loops that are
    written once.
    """

    folded = "tlh"

    def __init__(self, graph: Recorded, naming: Naming, targets: Sequence[Value],
                 meanings: Meanings) -> None:
        super().__init__(graph, naming, targets, meanings)
        self.users: dict[Base, list[Base | None]] = {}
        self.deltas = self.simplifier.deltas
        numbered = len(graph.layers) > 1 and not any(map(naming.by_user, graph.nodes))
        taken = {*naming.names.given, *meanings.named}
        free = [s for s in ("gσ" if numbered else "σg") if s not in taken]
        sigmoid = SIGMOIDS[free[0] if free else "sigmoid"]
        self.loop = find_loop(naming, targets, self.folded)
        self.writer = self.plain = LoopWriter(self.loop, self.simplifier.shown, sigmoid)
        length = next((len(t.data) for t in targets if np.ndim(t.data) == 3), 0)
        if length > 1 and not self.loop.planned and self.folded == "tlh":
            stack = MatrixStack(length, "h")
            self.writer = StackWriter(stack, self.simplifier.shown, sigmoid)
        self.reader = RuleReader(self.t)
        self.entered: dict[Place, Base] = {}
        self.record_all()
        self.loop.settle(self.values)
        self.first_derivative = len(self.t.bases)
        self.simplifier.most = FORMS_PER_BASE * (len(self.t.bases) + 5)
        self.gradients = self.differentiate()

    def argument(self, node: Node, position: int) -> Polynomial | None:
        """An argument of a node; what another loop ends with is what this one begins with."""
        p, place = super().argument(node, position), self.loop.entries.get((node, position))
        if p is None or place is None:
            return p
        if place not in self.entered:
            base = self.entered[place] = self.t.base(p.shape, p)
            self.loop.enter(base, place, self.naming.names, derivative=False)
            self.loop.initial.add(base)
        return whole(self.entered[place])

    def differentiate(self) -> list[Polynomial]:
        """The gradients of the targets."""
        wanted = [self.target(t) for t in self.targets]
        self.leading = self._leading(set(wanted))
        self.arguments = {a.single for base in self.t.bases if base.call is not None
                          for a in base.call.args if a is not None}
        self.found: dict[Base, Polynomial] = {}
        self._arrived: dict[Base, Polynomial] = {}
        output = self.values[key_of(self.graph.output)]
        self._arrive(number(1, output.shape), output, None)
        while self._arrived:
            base = max(self._arrived, key=lambda b: b.number)
            g = self._arrived_at(base)
            if base in wanted:
                self._found(base, g)
            if g.terms:
                self._pass(base, g)
        for base in wanted:
            if base not in self.found:
                self._found(base, number(0, base.shape))
        return [self.found[base] for base in wanted]

    def _found(self, base: Base, g: Polynomial) -> None:
        self.found[base] = g

    def _arrive(self, g: Polynomial, p: Polynomial, through: Base | None) -> None:
        """Add the shares of ``Σ g ⊙ dp``, which came through a base, to those of the bases in p."""
        for base, share in self.t.shares(g, p):
            if base in self.leading:
                self.users.setdefault(base, []).append(through)
                known = self._arrived.get(base)
                self._arrived[base] = share if known is None else self.t.sum(known, share)

    def _arrived_at(self, base: Base) -> Polynomial:
        """The derivative with respect to a base, all of whose shares have arrived."""
        share = self._arrived.pop(base, None)
        return number(0, base.shape) if share is None else self.simplifier.simplest(share)

    def _pass(self, base: Base, g: Polynomial) -> None:
        """Hand the derivative with respect to a base on to what it was computed from."""
        made = base.call
        if base.polynomial is not None:
            self._arrive(self._delta(base, g), base.polynomial, base)
        elif made is not None:
            self._pass_call(base, made, g)

    def _pass_call(self, base: Base, made: AppliedOp, g: Polynomial) -> None:
        several = made.op.outputs > 1
        outputs = [base]
        if several:  # their bases have successive numbers
            first = self.t.bases.index(base) - made.index
            outputs = self.t.bases[first : first + made.op.outputs]
        arrived = [g if o is base else self._arrived_at(o) for o in outputs]
        gs = tuple(self._tracer(self._delta(o, h) if h.terms else h)
                   for o, h in zip(outputs, arrived, strict=True))
        ys = tuple(self._tracer(whole(o)) for o in outputs)
        inputs = [None if a is None else self._tracer(a) for a in made.args]
        for position, a in enumerate(made.args):
            if a is not None and made.op.rule(position) and self.leading.intersection(a.bases()):
                share = self._share(made, position, gs if several else gs[0],
                                    ys if several else ys[0], inputs, a)
                self._arrive(share, a, base)

    def _leading(self, wanted: set[Base]) -> set[Base]:
        """The bases that are computed from wanted ones, and those themselves."""
        leading = set(wanted)
        for base in self.t.bases:
            if leading.intersection(base.parts()):
                leading.add(base)
        return leading

    def _delta(self, base: Base, g: Polynomial) -> Polynomial:
        """A derivative as one factor, which may get a name; that of a member of a loop has one."""
        of_step = self.loop.is_derived(base) and any(
            f.indices or f.base.definition for m in g.terms for f in m)
        made_by = base.call
        several = len(g.terms) > 1
        if not of_step and not several and (self.simplifier.cost(g) <= NAMED_FROM or (
                made_by is not None and made_by.op.record.elementwise
                and len(next(iter(g.terms))) < MOST_FACTORS)):
            return g
        made = self.t.bracket(g, signed=False)
        delta = made.single
        assert delta is not None
        if not delta.is_bracket:
            return made
        if of_step or base in self.arguments or made_by is not None or is_product(base.polynomial):
            self.deltas.setdefault(delta, base)
        place = self.loop.place_of_derivative(base)
        if base in self.loop.carried and place is not None:
            self.loop.enter(delta, place, self.naming.names)
        return made

    def _share(self, call: AppliedOp, position: int, g: Any, y: Any, inputs: list[Any],
               a: Polynomial) -> Polynomial:
        book = RULES.get((call.op, position))
        with self.reader.trace.recording(), np.errstate(all="ignore"):
            share = None if book is None else book(g, y, *inputs, **call.static)
            if share is None:
                share = call.op.vjp(position, g, y, inputs, dict(call.static))
            share = unbroadcast(share, self.recorded.of(a), call.op, position)
        return self.reader.polynomial(share)

    def slope(self, base: Base, call: AppliedOp) -> Polynomial | None:
        """The derivative of an elementwise function of one argument; None for other operations."""
        if len(call.args) != 1 or call.args[0] is None or not call.op.record.elementwise:
            return None
        one, y, x = (self._tracer(p) for p in (number(1, base.shape), whole(base), call.args[0]))
        return self._share(call, 0, one, y, [x], call.args[0])

    def _tracer(self, p: Polynomial) -> Any:
        with np.errstate(all="ignore"):
            return self.reader.tracer(p, self.recorded.of(p))


def is_product(p: Polynomial | None) -> bool:
    """Whether there is a product of matrices in a polynomial."""
    return p is not None and any(
        sum(i in f.indices for f in m) > 1 for m in p.terms for i in sizes(m) if i >= SUMMED)
