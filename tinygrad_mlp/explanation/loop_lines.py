"""The equations of a loop: those that are equal at several steps are written as one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.explanation.expression import Expression, Symbol
from tinygrad_mlp.explanation.loops import Loop
from tinygrad_mlp.explanation.making import apply
from tinygrad_mlp.explanation.matrices import Writer
from tinygrad_mlp.explanation.monomial import Base, Monomial
from tinygrad_mlp.explanation.polynomial import Polynomial
from tinygrad_mlp.graph_view.names import Name


@op(register=False, latex=lambda *steps: f"{steps[0]}")
def at_each_step(*steps: Any) -> Any:
    """The values at all steps; written as the formula that they have in common, which is first.

    Where their shapes differ, their elements stand one after the other.
    """
    alike = len({np.shape(step) for step in steps[1:]}) == 1
    return np.stack(steps[1:]) if alike else np.concatenate([np.ravel(s) for s in steps[1:]])


@op(register=False, latex=lambda *steps, limits: rf"\sum{limits} {steps[0]}")
def over_steps(*steps: Any, limits: str) -> Any:
    """The sum over steps; written with the formula that they have in common, which is first."""
    return sum(steps[2:], steps[1])


class LoopWriter:
    """Writes the equations of a loop, those that are equal at several steps as one."""

    def __init__(self, loop: Loop, writer: Writer) -> None:
        self.loop = loop
        self.writer = writer

    def lines(self, letter: str, written: Collection[Base],
              shown: Any) -> list[tuple[float, Symbol]]:
        """The equations of the quantities of a kind, as symbols with definitions.

        Before each stands the number of the first base that it is of.
        """
        of = sorted((t, b) for b, (name, t) in self.loop.places.items()
                    if name == letter and b in written and b.definition is not None)
        rows = []
        numbers = {self.writer.symbols[base]: base.number for _, base in of}
        for t, base in of:
            made = base.definition
            if isinstance(made, Polynomial):
                made = shown(made)
            rows.append((t, made, self.writer.symbols[base]))
        found = self.together(rows, self.loop.name(letter, 0))
        return [(min(numbers[symbol] for symbol in of), made) for of, made in found]

    def together(self, rows: Iterable[tuple[int, Any, Symbol]],
                 name: Name) -> Iterator[tuple[list[Symbol], Symbol]]:
        """One symbol for most successive steps that are equal; rows have the definition of each.

        Before each stand the symbols that it is of.
        """
        groups = [list(group) for _, group in itertools.groupby(
            rows, lambda row: self._key(*row[:2]))]
        most = max(groups, key=len, default=[])
        for group in groups:
            symbols = [symbol for _, _, symbol in group]
            if group is most and len(group) > 1:
                t, made, first = group[0]
                steps = [s.definition for s in symbols if s.definition]
                shape = (len(steps), *first.shape) if len({s.shape for s in steps}) == 1 else (
                    sum(math.prod(s.shape) for s in steps),)
                every = apply(at_each_step, shape, self._every(made, t, first), *steps)
                yield symbols, Symbol(name, shape, every.dtype, definition=every)
            else:
                yield from (([symbol], symbol) for symbol in symbols)

    def _key(self, t: int, made: Any) -> Any:
        return self.loop.relative(made, t) if isinstance(made, Polynomial) else (
            self.loop.relative_call(made, t))

    def _every(self, made: Any, t: int, symbol: Symbol) -> Expression:
        if isinstance(made, Polynomial):
            return self.writer.expression(self.loop.common(made, t))
        call = self.loop.common_call(made, t)
        return self.writer.written_out(Base(math.inf, symbol.shape, call, None))

    def gradient(self, p: Polynomial) -> Expression:
        """A gradient, with terms that are equal at several steps as a sum over t."""
        groups: dict[Any, list[tuple[int, Monomial]]] = {}
        rest: dict[Monomial, Fraction] = {}
        for m, c in p.terms.items():
            t = next((self.loop.places[f.base][1] for f in m if f.base in self.loop.places
                      and self.loop.places[f.base][0] in self.loop.derivatives), None)
            if t is None:
                rest[m] = c
            else:
                groups.setdefault((c, self.loop.relative_product(m, t)), []).append((t, m))
        total: Expression | None = None
        for (c, _), members in groups.items():
            members.sort(key=lambda member: member[0])
            first, last = members[0][0], members[-1][0]
            if len(members) == 1 or last - first + 1 > len(members):
                rest.update({m: c for _, m in members})
                continue
            polynomials = [Polynomial(p.shape, {m: c}) for _, m in members]
            steps = [self.writer.sum(q) for q in polynomials]
            every = self.writer.sum(self.loop.common(polynomials[0], first))
            whole = (first, last) == (1, len(self.loop.steps))
            limits = "_t" if whole else rf"_{{t={first}}}^{{{last}}}"
            made = apply(over_steps, steps[0].shape, every, *steps, limits=limits)
            total = made if total is None else apply(ops.add, made.shape, total, made)
        if total is None:
            return self.writer.expression(p)
        if rest:
            others = self.writer.sum(Polynomial(p.shape, rest))
            total = apply(ops.add, p.shape, total, others)
        return total
