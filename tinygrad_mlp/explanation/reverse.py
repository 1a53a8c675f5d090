"""Reverse mode on polynomials: the gradients of the output of a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.backward import unbroadcast
from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.explanation.forms import RULES
from tinygrad_mlp.explanation.forward import Forward
from tinygrad_mlp.explanation.matrices import Writer
from tinygrad_mlp.explanation.monomial import SUMMED, Base, sizes
from tinygrad_mlp.explanation.numbers import number
from tinygrad_mlp.explanation.polynomial import AppliedOp, Polynomial, whole
from tinygrad_mlp.explanation.reading import RuleReader
from tinygrad_mlp.explanation.values import parts
from tinygrad_mlp.graph_view.layer_view import Recorded
from tinygrad_mlp.graph_view.naming import Naming, key_of

FORMS_PER_BASE = 40
"""How many forms may be compared for each base; textbooks' graphs take six at most."""
NAMED_FROM = 3.0
"""The cost from which a derivative is a quantity of its own, to be named where it is used."""
MOST_FACTORS = 8
"""Factors from which a product is a quantity of its own: of a long chain, none has them all."""


class Reverse(Forward):
    """The `gradients` of the output of a graph with respect to targets.

    `deltas` are brackets that are derivatives, by what they are the derivative of, and `users` the
    bases that a derivative came through, None for the output. Bases with numbers from
    `first_derivative` on were made on the way back.
    """

    def __init__(self, graph: Recorded, naming: Naming, targets: Sequence[Value],
                 meant: Mapping[str, float]) -> None:
        super().__init__(graph, naming, targets, meant)
        self.users: dict[Base, list[Base | None]] = {}
        self.deltas = self.simplifier.deltas
        self.writer = Writer(self.simplifier.shown, "g" in naming.names.given)
        self.reader = RuleReader(self.t)
        self.record_all()
        self.first_derivative = len(self.t.bases)
        self.simplifier.most = FORMS_PER_BASE * (len(self.t.bases) + 5)
        self.gradients = self.differentiate()

    def differentiate(self) -> list[Polynomial]:
        """The gradients of the targets."""
        wanted = [self.target(t) for t in self.targets]
        output = self.values[key_of(self.graph.output)]
        leading = self.leading = self._leading(set(wanted))
        calls = [base.definition for base in self.t.bases if isinstance(base.definition, AppliedOp)]
        self.arguments = {a.single for call in calls for a in call.args if a is not None}
        arrived: dict[Base, Polynomial] = {}
        self.found: dict[Base, Polynomial] = {}
        through: Base | None = None

        def arrive(base: Base, share: Polynomial) -> None:
            if base in leading:
                self.users.setdefault(base, []).append(through)
                known = arrived.get(base)
                arrived[base] = share if known is None else self.t.sum(known, share)

        for base, share in self.t.shares(number(1, output.shape), output):
            arrive(base, share)
        while arrived:
            through = base = max(arrived, key=lambda b: b.number)
            g = self.simplifier.simplest(arrived.pop(base))
            if base in wanted:
                self._found(base, g)
            if base.definition is not None and g.terms:
                self._pass(base, g, arrived, arrive)
        for base in wanted:
            if base not in self.found:
                self._found(base, number(0, base.shape))
        return [self.found[base] for base in wanted]

    def _found(self, base: Base, g: Polynomial) -> None:
        self.found[base] = g

    def _pass(self, base: Base, g: Polynomial, arrived: dict[Base, Polynomial],
              arrive: Any) -> None:
        """Hand the derivative with respect to a base on to what it was computed from."""
        made = base.definition
        if isinstance(made, Polynomial):
            for inner, share in self.t.shares(self._delta(base, g), made):
                arrive(inner, share)
        elif made is not None and made.op.outputs > 1:
            self._through_several(base, g, arrived, arrive)
        elif made is not None:
            self._through(base, made, self._delta(base, g), arrive)

    def _leading(self, wanted: set[Base]) -> set[Base]:
        """The bases that are computed from wanted ones, and those themselves."""
        leading = set(wanted)
        for base in self.t.bases:
            if leading.intersection(parts(base)):
                leading.add(base)
        return leading

    def _delta(self, base: Base, g: Polynomial) -> Polynomial:
        """A derivative as one factor, which may get a name."""
        if len(g.terms) == 1 and self.simplifier.cost(g) <= NAMED_FROM:
            return g
        made_by = base.definition
        if isinstance(made_by, AppliedOp) and made_by.op.record.elementwise and (
                len(g.terms) == 1 and len(next(iter(g.terms))) < MOST_FACTORS):
            return g
        made = self.t.bracket(g, signed=False)
        delta = made.single
        assert delta is not None
        if not self.simplifier.is_bracket(delta):
            return made
        if base in self.arguments or isinstance(made_by, AppliedOp) or is_product(made_by):
            self.deltas.setdefault(delta, base)
        return made

    def _through(self, base: Base, call: AppliedOp, g: Polynomial, arrive: Any) -> None:
        """Past an operation, by its gradient rule."""
        self._hand_on(call, self._tracer(g), self._tracer(whole(base)), arrive)

    def _hand_on(self, call: AppliedOp, g: Any, y: Any, arrive: Any) -> None:
        """The shares of the arguments, by the rules; g and y are tuples for several outputs."""
        inputs = [None if a is None else self._tracer(a) for a in call.args]
        for position, a in enumerate(call.args):
            if a is not None and call.op.rule(position) and a.bases() & self.leading:
                share = self._share(call, position, g, y, inputs, a)
                for inner, part in self.t.shares(share, a):
                    arrive(inner, part)

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

    def _through_several(self, base: Base, g: Polynomial, arrived: dict[Base, Polynomial],
                         arrive: Any) -> None:
        """Past an operation with several outputs, whose bases have successive numbers."""
        call = base.definition
        assert isinstance(call, AppliedOp)
        first = self.t.bases.index(base) - call.index
        outputs = self.t.bases[first : first + call.op.outputs]
        cotangents = {base: g}
        for other in outputs:
            if other in arrived:
                cotangents[other] = self.simplifier.simplest(arrived.pop(other))
        gs = tuple(
            self._tracer(self._delta(o, cotangents[o]) if o in cotangents else number(0, o.shape))
            for o in outputs)
        ys = tuple(self._tracer(whole(o)) for o in outputs)
        self._hand_on(call, gs, ys, arrive)

    def _tracer(self, p: Polynomial) -> Any:
        with np.errstate(all="ignore"):
            return self.reader.tracer(p, self.recorded.of(p))


def is_product(p: Polynomial | None) -> bool:
    """Whether there is a product of matrices in a polynomial."""
    return p is not None and any(
        sum(i in f.indices for f in m) > 1 for m in p.terms for i in sizes(m) if i >= SUMMED)
