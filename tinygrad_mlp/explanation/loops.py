"""Loops: what is the same at every step is written once, with t for the number of the step.

A loop is a sequence of results ``h_1, …, h_T`` of one operation, each computed from the one before
and from quantities that either all steps share or that belong to the step. The equations of all
steps are compared; those that are equal relative to t become one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.explanation.expression import Expression, Symbol
from tinygrad_mlp.explanation.making import apply
from tinygrad_mlp.explanation.matrices import Writer
from tinygrad_mlp.explanation.monomial import Base, Monomial
from tinygrad_mlp.explanation.polynomial import AppliedOp, Polynomial
from tinygrad_mlp.graph_view.names import Name, name

SHORTEST = 3
"""The number of steps from which a loop is written as one."""

Place = tuple[str, int]
"""A name that the quantities of a kind have in common, and the number of the step."""


@op(register=False, latex=lambda *steps: f"{steps[0]}")
def at_each_step(*steps: Any) -> Any:
    """The values at all steps; written as the formula that they have in common, which is first."""
    return np.stack(steps[1:])


@op(register=False, latex=lambda *steps, limits: rf"\sum{limits} {steps[0]}")
def over_steps(*steps: Any, limits: str) -> Any:
    """The sum over steps; written with the formula that they have in common, which is first."""
    return sum(steps[2:], steps[1])


class Loop:
    """The quantities of a loop.

    `steps` are the results of its operation; ``places[base]`` is ("h", 3) for that of the third
    step, and likewise for what belongs to a step. `derivatives` are the letters of derivatives.
    """

    def __init__(self, steps: Sequence[Base], letter: str) -> None:
        self.steps = steps
        self.places: dict[Base, Place] = {b: (letter, t) for t, b in enumerate(steps, start=1)}
        self.derivatives = {"δ"}
        self.every: dict[Any, Base] = {}

    def relative(self, p: Polynomial, t: int) -> Any:
        """What a polynomial is, with the places of its bases relative to t, to be compared."""
        return frozenset((c, self.relative_product(m, t)) for m, c in p.terms.items())

    def relative_product(self, monomial: Monomial, t: int) -> Any:
        """The same of a monomial."""
        return frozenset((self.relative_base(f.base, t), f.indices, f.exponent) for f in monomial)

    def relative_base(self, base: Base, t: int) -> Any:
        """The same of a base."""
        made = base.definition
        if base in self.places:
            letter, number = self.places[base]
            return letter, number - t
        if base.name is not None or made is None:
            return base.number
        if isinstance(made, Polynomial):
            return self.relative(made, t)
        return self.relative_call(made, t)

    def relative_call(self, call: AppliedOp, t: int) -> Any:
        """The same of an operation."""
        args = tuple(None if a is None else self.relative(a, t) for a in call.args)
        return call.op, args, repr(call.static), call.index

    def only_step(self, made: Polynomial | AppliedOp | None) -> int | None:
        """The number of the only step whose quantities a definition has; None for others."""
        if not isinstance(made, Polynomial):
            return None
        steps = {self.places[b][1] for b in made.bases() if b in self.places}
        return steps.pop() if len(steps) == 1 else None

    def common(self, p: Polynomial, t: int) -> Polynomial:
        """What a polynomial of step t is at every step, with bases named ``h_t``, ``x_t``."""
        return Polynomial(p.shape, {
            tuple(f._replace(base=self._common_base(f.base, t)) for f in m): c
            for m, c in p.terms.items()})

    def _common_base(self, base: Base, t: int) -> Base:
        made = base.definition
        if base in self.places:
            letter, number = self.places[base]
            return self._made((letter, number - t), base, step_name(letter, number - t), None)
        if base.name is not None or made is None:
            return base
        if isinstance(made, Polynomial):
            return self._made((base, t), base, None, self.common(made, t))
        return self._made((base, t), base, None, self.common_call(made, t))

    def common_call(self, call: AppliedOp, t: int) -> AppliedOp:
        """What an operation of step t is at every step."""
        args = tuple(None if a is None else self.common(a, t) for a in call.args)
        return AppliedOp(call.op, args, call.static, call.index)

    def _made(self, key: Any, like: Base, name: Name | None, definition: Any) -> Base:
        if key not in self.every:
            # A number of its own, next to that of what it stands for, where it is written, too.
            number = like.number + (len(self.every) + 1) * 1e-6
            made = Base(number, like.shape, definition, np.ones(like.shape))
            made.name = name
            self.every[key] = made
        return self.every[key]


def step_name(letter: str, offset: int) -> Name:
    """``h_t``, ``h_{t−1}``, ``δ_{t+1}``."""
    shown = "t" if not offset else f"t{'+' if offset > 0 else '-'}{abs(offset)}"
    text = f"{{{shown.replace('-', '−')}}}" if offset else shown
    return Name(f"{letter}_{text}", name(letter).latex, f"_{{{shown}}}")


def find_loop(calls: Iterable[Base], shared: set[Base], letter: str) -> Loop | None:
    """The longest loop among results of operations; None without one of at least three steps.

    `shared` are the parameters, which all steps use.
    """
    outlines = {b: outline(b, shared) for b in calls}
    best: list[Base] = []
    begun: set[Base] = set()
    for last in sorted(outlines, key=lambda b: -b.number):
        chain = [last]
        while last not in begun:
            before = [b for b in argument(chain[0]).bases()
                      if b in outlines and outlines[b] == outlines[last]]
            if len(before) != 1:
                break
            chain.insert(0, before[0])
        begun.update(chain)
        best = max(best, chain, key=len)
    return None if len(best) < SHORTEST else aligned(best, shared, letter)


def argument(call: Base) -> Polynomial:
    """What an operation of one argument was applied to, written out."""
    made = call.definition
    assert isinstance(made, AppliedOp) and made.args[0] is not None
    base = made.args[0].single
    inner = base.definition if base is not None else None
    return inner if isinstance(inner, Polynomial) else made.args[0]


def outline(call: Base, shared: set[Base]) -> Any:
    """What the results of all steps of a loop have in common."""
    made = call.definition
    assert isinstance(made, AppliedOp)
    return made.op, repr(made.static), frozenset(
        (c, _outline(m, shared)) for m, c in argument(call).terms.items())


def _outline(monomial: Monomial, shared: set[Base]) -> Any:
    return tuple(sorted(str((f.base.number if f.base in shared else f.base.shape, f.indices,
                             f.exponent)) for f in monomial))


def aligned(steps: Sequence[Base], shared: set[Base], letter: str) -> Loop | None:
    """The loop of some steps, with the quantities that belong to a step; None if it is none."""
    rows = []
    for step in steps:
        factors = {(_outline(m, shared), str((f.indices, f.exponent))): f.base
                   for m in argument(step).terms for f in m if f.base not in shared}
        rows.append(factors)
    loop = Loop(steps, letter)
    for key in rows[0]:
        column = [row[key] for row in rows]
        if column[1:] == list(steps[:-1]):
            loop.places[column[0]] = letter, 0
        elif len(set(column)) == len(column):
            for t, base in enumerate(column, start=1):
                loop.places[base] = _letter(base), t
        elif len(set(column)) > 1:
            return None
    return loop


def row_of(base: Base) -> Place | None:
    """The place of a row of an array that the user has named: that of ``y[0]`` is ("y", 1)."""
    made = base.definition
    if not isinstance(made, AppliedOp) or made.op is not ops.getitem or len(made.args) != 1:
        return None
    first, *others = made.static["template"]
    of = made.args[0].single if made.args[0] is not None else None
    if of is None or of.name is None or others or not isinstance(first, int) or first < 0:
        return None
    return of.name.text, first + 1


def _letter(base: Base) -> str:
    """What the quantities of all steps are called: x for the rows of x."""
    made = base.definition
    if isinstance(made, AppliedOp) and made.args[0] is not None and made.args[0].single is not None:
        base = made.args[0].single
    return re.sub(r"_?\d+$", "", base.name.text) if base.name else "x"


class LoopWriter:
    """Writes the equations of a loop, those that are equal at several steps as one."""

    def __init__(self, loop: Loop, writer: Writer) -> None:
        self.loop = loop
        self.writer = writer

    def lines(self, letter: str, written: Collection[Base], shown: Any) -> list[Symbol]:
        """The equations of the quantities of a kind, as symbols with definitions."""
        symbols = self.writer.symbols
        of = sorted((t, b) for b, (name, t) in self.loop.places.items()
                    if name == letter and b in written and b.definition is not None)
        groups: list[tuple[Any, list[tuple[int, Base]]]] = []
        for t, base in of:
            made = base.definition
            key = self.loop.relative(shown(made), t) if isinstance(made, Polynomial) else (
                self.loop.relative_call(made, t) if made is not None else t)
            if groups and groups[-1][0] == key:
                groups[-1][1].append((t, base))
            else:
                groups.append((key, [(t, base)]))
        found = []
        for _, members in groups if letter not in self.loop.derivatives else reversed(groups):
            t, base = members[0]
            if len(members) == 1:
                found.append(symbols[base])
                continue
            every = self._every(base, t, shown)
            steps = [symbols[b].definition for _, b in members]
            shape = (len(steps), *base.shape)
            all_steps = apply(at_each_step, shape, every, *(s for s in steps if s))
            found.append(Symbol(step_name(letter, 0), shape, all_steps.dtype,
                                definition=all_steps))
        return found

    def _every(self, base: Base, t: int, shown: Any) -> Expression:
        made = base.definition
        if isinstance(made, Polynomial):
            return self.writer.expression(self.loop.common(shown(made), t))
        assert made is not None
        call = self.loop.common_call(made, t)
        return self.writer.written_out(Base(base.number, base.shape, call, None))

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
