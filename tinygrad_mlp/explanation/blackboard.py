"""Gradients as one writes them on a blackboard: few lines, with names for what occurs often."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tinygrad_mlp.explanation.chosen_names import ChosenNames
from tinygrad_mlp.explanation.equation import ADJOINT, FORWARD, GRADIENT, Equation
from tinygrad_mlp.explanation.expression import Expression, Symbol, within
from tinygrad_mlp.explanation.loop_lines import LoopWriter
from tinygrad_mlp.explanation.loops import Loop
from tinygrad_mlp.explanation.monomial import Base
from tinygrad_mlp.explanation.order import in_order
from tinygrad_mlp.explanation.polynomial import Polynomial
from tinygrad_mlp.explanation.reverse import Reverse
from tinygrad_mlp.explanation.slopes import name_slopes
from tinygrad_mlp.graph_view.names import Name, gradient, layer_number, name


class Blackboard(ChosenNames):
    """The equations of the gradients: what they are written with, then they themselves."""

    diagonal_slopes = True

    def __init__(self, reverse: Reverse) -> None:
        super().__init__(reverse)
        if self.diagonal_slopes and self.loop is None:
            name_slopes(reverse)
        self.writer = reverse.writer
        lines = sorted(self._definitions(), key=lambda line: line.kind == ADJOINT)
        self.each = list(self._gradients())
        self.equations = [*lines, *self._of_layers(self.each)]

    def _definitions(self) -> list[Equation]:
        """What the gradients are written with; the quantities of a loop in between."""
        defined = [b for b in self._uses() if b.name is not None and b.definition is not None]
        lines: dict[Base, Equation] = {}
        for base in sorted(defined, key=lambda b: b.number):
            symbol = self.writer.symbol(base)
            assert symbol is not None
            symbol.definition = self.writer.definition(base)
            inside = in_order(self.parts(base), parts_of=lambda b: () if b in lines else (
                self.parts(b)))
            back = base in self.reverse.deltas or any(
                b in lines and lines[b].kind == ADJOINT for b in inside)
            lines[base] = Equation(ADJOINT if back else FORWARD, symbol)
        return list(lines.values()) if self.loop is None else self._with_loop(self.loop, lines)

    def _with_loop(self, loop: Loop, lines: dict[Base, Equation]) -> list[Equation]:
        """With those of a loop, each where the first of the quantities was made that it is of."""
        writer = LoopWriter(loop, self.writer)
        own = {b for b, place in loop.places.items() if b in lines and place != loop.before}
        rows = [(b.number, line) for b, line in lines.items() if b not in own]
        letters = {loop.places[b][0]: FORWARD for b in (*loop.arguments, *loop.steps)
                   if b in loop.places} | dict.fromkeys(loop.derivatives, ADJOINT)
        for letter, kind in letters.items():
            rows += [(number, Equation(kind, symbol)) for number, symbol in writer.lines(
                letter, own, self.simplifier.shown)]
        return [line for _, line in sorted(rows, key=lambda row: row[0])]

    def _gradients(self) -> Iterator[Equation]:
        for target, p in zip(self.reverse.targets, self.gradients, strict=True):
            base = self.reverse.target(target)
            assert base.name is not None
            made = self._gradient(self.simplifier.shown(p))
            named = self._gradient_name(base.name, p.shape != base.shape)
            symbol = self.writer.gradient(named, made, target.data.dtype)
            yield Equation(GRADIENT, symbol)

    def _gradient_name(self, of: Name, of_array: bool = False) -> Name:
        output = self.reverse.naming.of_output()
        return gradient(name("f") if output.text == "L" and of_array else output, of)

    def _gradient(self, p: Polynomial) -> Expression:
        if self.loop is None or self.loop.index == "l":
            return self.writer.expression(p)
        for base in p.bases():
            made = base.polynomial
            if made is not None and base.is_bracket and all(
                    any(f.base in self.loop.places for f in m) for m in made.terms):
                p = self.simplifier.multiplied_out(p, base)
        return LoopWriter(self.loop, self.writer).gradient(p)

    def _of_layers(self, each: Sequence[Equation]) -> Iterator[Equation]:
        """The gradients, with those that are alike in all layers as one."""
        loop = self.loop
        if loop is None or loop.index == "t":
            yield from each
            return
        rows: dict[str, list[tuple[int, Polynomial, Symbol]]] = {}
        for target, p, equation in zip(self.reverse.targets, self.gradients, each, strict=True):
            letter, number = loop.places.get(self.reverse.target(target), (equation.name, 0))
            rows.setdefault(letter, []).append((number, self.simplifier.shown(p), equation.left))
        for letter, members in rows.items():
            named = self._gradient_name(loop.name(letter, 0))
            members.sort(key=lambda row: row[0])
            for _, symbol in LoopWriter(loop, self.writer).together(members, named):
                yield Equation(GRADIENT, symbol)

    # -- words --------------------------------------------------------------------------------

    def because(self) -> list[str]:
        """The facts about constants that were used."""
        return [f"Σ over axis {axis} of {base.name.text} = {total}"
                for base, axis, total in self.simplifier.used
                if base.definition is None and base.name and base not in self.reverse.t.one_hot]

    def glossary(self) -> list[str]:
        """What the symbols without a definition are, and their shapes."""
        shown = {e.name.text for e in within(line.right for line in self.equations)
                 if isinstance(e, Symbol)}
        told = []
        for base in self.reverse.t.bases:
            if base.name is None or base.name.text not in shown or base.definition is not None:
                continue
            number = not base.shape and base not in self.reverse.leaves
            what = f" = {float(base.value):g}" if number else "" if base.shape else ": a number"
            if base in self.reverse.t.one_hot:
                what = ", which has a single 1 in each row"
            shape = f": {'×'.join(map(str, base.shape))}" if base.shape else ""
            told.append(f"{base.name.text}{shape}{what}")
        if self.loop is not None:
            loop = self.loop
            letter, t = loop.before
            told += [f"{letter}_{t} = {base.name.text}" for base, place in loop.places.items()
                     if place == loop.before and base.name is not None
                     and layer_number(base.name.text, re.escape(letter)) != t]
            kind = "layer" if loop.index == "l" else "step"
            told += [f"{', '.join(names)}: of {kind} {loop.index} = {', …, '.join(ends)}"
                     for ends, names in self._ranges(loop).items()]
        return told

    def _ranges(self, loop: Loop) -> dict[tuple[str, ...], list[str]]:
        """The names ``W_l, b_l`` of what a loop has, by the first and the last of their numbers."""
        numbers: dict[str, set[int]] = {}
        for letter, t in loop.places.values():
            if (letter, t) != loop.before:
                numbers.setdefault(letter, set()).add(t)
        ranges: dict[tuple[str, ...], list[str]] = {}
        for letter, found in numbers.items():
            ends = dict.fromkeys([str(min(found)), str(max(found))])
            ranges.setdefault(tuple(ends), []).append(loop.name(letter, 0).text)
        return ranges
