"""The equations of a loop: those that are equal at several steps are written as one."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import Op, op
from tinygrad_mlp.explanation.algebra.monomial import ONE, Base, Monomial, Shape
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial, whole
from tinygrad_mlp.explanation.expressions.expression import Application, Expression, Symbol
from tinygrad_mlp.explanation.expressions.making import apply
from tinygrad_mlp.explanation.expressions.matrices import Writer
from tinygrad_mlp.explanation.expressions.notation import Notation, Written
from tinygrad_mlp.explanation.repetition.loops import JOINING, Fixed, Loop, block_of, row_of
from tinygrad_mlp.graph_view.names import Name, layer_number


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


@op(register=False, latex=lambda *steps, op, axis, index: rf"[{steps[0]}]_{{{index}}}")
def joined(*steps: Any, op: Op, axis: int, index: str) -> Any:
    """The arrays of all steps beside each other; written with what each has, which is first."""
    return op.forward(*steps[1:], axis=axis)


KINDS = {"t": "step", "l": "layer", "h": "head"}


def total(parts: Sequence[tuple[bool, Expression]]) -> Expression:
    """The sum of expressions, of which those marked are subtracted."""
    (negative, made), *others = sorted(parts, key=lambda part: part[0])
    made = apply(ops.negative, made.shape, made) if negative else made
    for negative, part in others:
        shape = np.broadcast_shapes(made.shape, part.shape)
        made = apply(ops.subtract if negative else ops.add, shape, made, part)
    return made


class EveryStep(Application):
    """The values at all steps, written as what every step has."""

    __slots__ = ()

    def written(self, notation: Notation) -> Written:
        """What every step has."""
        return self.parts()[0].written(notation)

    @property
    def alike(self) -> bool:
        """Whether the factors have the same shapes at all steps."""
        notation = Notation(latex=False, shapes=True)
        return len({tuple(piece.shape for piece in step.written(notation).pieces)
                    for step in self.parts()[1:]}) == 1


class AllSteps(Symbol):
    """The left side of that, with the shape that it has at a step."""

    __slots__ = ()

    def written(self, notation: Notation) -> Written:
        """The name of every step."""
        return Symbol(self.name, self.shape[1:], self.dtype).written(notation)


class LoopWriter(Writer):
    """Writes the equations of a loop, those that are equal at several steps as one."""

    def __init__(self, loop: Loop, inner: Callable[[Polynomial], Polynomial], sigmoid: Op) -> None:
        super().__init__(inner, sigmoid)
        self.loop = loop

    def lines(self, letter: str, written: Collection[Base]) -> list[tuple[float, Symbol]]:
        """The equations of the quantities of a kind, as symbols with definitions.

        Before each stands the number of the first base that it is of.
        """
        of = sorted(((t, b) for b, (name, t) in self.loop.places.items()
                     if name == letter and b in written), key=lambda row: row[0])
        numbers = {self.symbols[base]: base.number for _, base in of}
        rows = [(t, self.inner(b.polynomial) if b.polynomial else b.call, self.symbols[b])
                for t, b in of]
        found = self.together(rows, self.loop.name(letter, 0))
        return [(min(numbers[symbol] for symbol in of), made) for of, made in found]

    def left(self, symbol: Symbol) -> Symbol:
        """The left side of an equation."""
        return symbol

    def name_of(self, base: Base) -> str:
        """The name of a base without a definition, or that for what each step has."""
        letter, t = self.loop.places.get(base, ("", 0))
        each = letter and self.loop.index == "t" and base not in self.loop.initial
        return self.loop.name(letter, 0).text if each else str(base)

    def shapes(self) -> dict[str, list[Shape]]:
        """The shapes that names for all steps are of, each once if all steps have it."""
        found: dict[str, list[Shape]] = {}
        for base, (letter, _) in sorted(self.loop.places.items(), key=lambda row: row[1][1]):
            if base not in self.loop.initial:
                found.setdefault(self.loop.name(letter, 0).text, []).append(base.shape)
        return found

    def glossary(self) -> list[str]:
        """Parts of arrays, the values before the first step, and the steps that names are of."""
        loop = self.loop
        of = f"of {KINDS[loop.index]} {loop.index}"
        parts = [(block.call.args[0], loop.common(whole(block), t))
                 for block, t in loop.blocks.items() if block.call]
        told = list(dict.fromkeys(
            f"{self.expression(part).text()}: the part of {self.expression(p).text()} {of}"
            for p, part in parts))
        numbers: dict[str, set[int]] = {}
        for base, (letter, t) in loop.places.items():
            if base not in loop.initial:
                numbers.setdefault(letter, set()).add(t)
            elif layer_number(str(base), re.escape(letter)) != t:
                told.append(f"{letter}_{t} = {base}")
        ranges: dict[str, list[str]] = {}
        for letter, found in numbers.items():
            ends = ", …, ".join(dict.fromkeys([str(min(found)), str(max(found))]))
            ranges.setdefault(ends, []).append(loop.name(letter, 0).text)
        return told + [f"{', '.join(names)}: {of} = {ends}"
                       for ends, names in ranges.items()]

    def together(self, rows: Iterable[tuple[int, Any, Symbol]],
                 name: Name) -> Iterator[tuple[list[Symbol], Symbol]]:
        """One symbol for most successive steps that are equal; rows have the definition of each.

        Before each stand the symbols that it is of.
        """
        rows = list(rows)
        read = [self.loop.members(made) for _, made, _ in rows]
        shared: Fixed = frozenset(set.intersection(*read) if len(read) > 1 else ())

        def alike(fixed: Fixed) -> list[list[tuple[int, Any, Symbol]]]:
            return [list(group) for _, group in itertools.groupby(
                rows, lambda row: self.loop.relative(row[1], row[0], fixed))]

        choices = [(fixed, alike(fixed)) for fixed in dict.fromkeys((frozenset(), shared))]
        fixed, groups = min(choices, key=lambda choice: len(choice[1]))
        most = max(groups, key=len, default=[])
        for group in groups:
            symbols = [symbol for _, _, symbol in group]
            if group is most and len(group) > 1:
                t, made, first = group[0]
                steps = [s.definition for s in symbols if s.definition]
                shape = (len(steps), *first.shape) if len({s.shape for s in steps}) == 1 else (
                    sum(math.prod(s.shape) for s in steps),)
                every = self.made(self.loop.common(made, t, fixed), first.shape)
                yield symbols, AllSteps(name, shape, every.dtype, definition=EveryStep(
                    at_each_step, [every, *steps], {}, shape, steps[0].dtype))
            else:
                yield from (([symbol], symbol) for symbol in symbols)

    def rows(self, p: Polynomial) -> list[tuple[int, Polynomial, Symbol]]:
        """The gradients of the rows of an array, as those of its members; nothing for others."""
        found: dict[int, Polynomial] = {}
        for m, c in p.terms.items():
            made = m[0].base.called(ops.scatter_add) if len(m) == 1 else None
            axis, row = row_of(made.static["template"] if made is not None else (), len(p.shape))
            if made is None or len(made.args) > 1:
                return []
            found[row + 1] = self.inner(made.args[0].scaled(c))
        if not found or sorted(found) not in self.loop.spans or len(found) != p.shape[axis] or len(
                {self.loop.relative(q, t) for t, q in found.items()}) > 1:
            return []
        name = self.loop.name("x", 0)
        return [(t, q, Symbol(name, q.shape, float, definition=self.expression(q)))
                for t, q in sorted(found.items())]

    def made(self, made: Any, shape: Shape) -> Expression:
        """A polynomial, or a call of a shape."""
        return self.expression(made) if isinstance(made, Polynomial) else (
            self.written_out(Base(math.inf, shape, made, None)))

    def sum(self, p: Polynomial) -> Expression:
        """A polynomial, with terms that are equal at several steps as a sum over t."""
        if not self.loop.places:
            return super().sum(p)
        found, rest = self._sums(p)
        sums = [(c < 0, self._over_steps(p.shape, abs(c), members, fixed))
                for fixed, c, members in found]
        if rest or not sums:
            sums.append((False, super().sum(Polynomial(p.shape, rest))))
        return total(sums)

    def apart(self, p: Polynomial) -> tuple[int, int]:
        """How many terms belong to no sum over steps, and how many such sums there are."""
        found, rest = self._sums(p)
        return len(rest), len(found)

    def _sums(self, p: Polynomial) -> tuple[
            list[tuple[Fixed, Fraction, list[tuple[int, Monomial]]]], dict[Monomial, Fraction]]:
        """The sums over steps, with what all their terms have, and the terms of none."""
        found, rest = self._alike(p, frozenset())
        read = Counter(b for m, c in rest.items()
                       for b in self.loop.members(Polynomial(p.shape, {m: c})))
        shared = frozenset(b for b, times in read.items() if times > 1)
        more, rest = self._alike(Polynomial(p.shape, rest), shared) if shared else ([], rest)
        return [(fixed, c, members) for fixed, groups in ((frozenset(), found), (shared, more))
                for c, members in groups], rest

    def _alike(self, p: Polynomial, fixed: Fixed) -> tuple[
            list[tuple[Fraction, list[tuple[int, Monomial]]]], dict[Monomial, Fraction]]:
        """Terms that are equal at successive steps, by their steps, and all others."""
        groups: dict[Any, list[tuple[int, Monomial]]] = {}
        rest: dict[Monomial, Fraction] = {}
        for m, c in p.terms.items():
            t = self._step(m, fixed)
            if t is None:
                rest[m] = c
            else:
                key = c, self.loop.relative(Polynomial(p.shape, {m: ONE}), t, fixed)
                groups.setdefault(key, []).append((t, m))
        found = []
        for (c, _), members in groups.items():
            members.sort(key=lambda member: member[0])
            first, last = members[0][0], members[-1][0]
            if len(members) == 1 or last - first + 1 > len(members):
                rest.update({m: c for _, m in members})
            else:
                found.append((c, members))
        return found, rest

    def written_out(self, base: Base) -> Expression:
        """The definition of a base; what is joined of all steps by what every step has."""
        made, loop = base.call, self.loop
        if made is not None and base in loop.blocks:
            return Application(block_of, [self.expression(made.args[0])], {
                **made.static, "index": loop.blocks[base]}, base.shape, float)
        joining = made is not None and made.op in JOINING
        numbers = [loop.step_of(a) or 0 for a in made.args] if made is not None and joining else []
        if made is None or numbers not in loop.spans or (
                len(set(map(loop.relative, made.args, numbers))) > 1):
            return super().written_out(base)
        every = loop.common(made.args[0], numbers[0])
        return Application(joined, [self.expression(p) for p in (every, *made.args)], {
            **made.static, "index": self.loop.index, "op": made.op}, base.shape, float)

    def _step(self, m: Monomial, fixed: Fixed) -> int | None:
        """The step that a term belongs to: that of the derivative in it, or the last one."""
        places = [self.loop.places[f.base] for f in m
                  if f.base in self.loop.places and f.base not in fixed]
        steps = [t for letter, t in places if letter in self.loop.derivatives]
        return steps[0] if steps else self.loop.step_of(Polynomial((), {m: ONE}), fixed)

    def _over_steps(self, shape: Shape, c: Fraction,
                    members: Sequence[tuple[int, Monomial]], fixed: Fixed) -> Expression:
        """The sum of terms that are equal at several steps."""
        (first, start), (last, _) = members[0], members[-1]
        steps = [super(LoopWriter, self).sum(Polynomial(shape, {m: c})) for _, m in members]
        every = super().sum(self.loop.common(Polynomial(shape, {start: c}), first, fixed))
        index, numbers = self.loop.index, [t for t, _ in members]
        letters = {letter for f in start if f.base in self.loop.places and f.base not in fixed
                   for letter, t in [self.loop.places[f.base]] if t == first}
        whole = numbers in self.loop.spans and all(
            self.loop.numbers_of(letter) == numbers for letter in letters)
        limits = f"_{index}" if whole else rf"_{{{index}={first}}}^{{{last}}}"
        return apply(over_steps, steps[0].shape, every, *steps, limits=limits)
