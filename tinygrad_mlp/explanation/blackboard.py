"""Gradients as one writes them on a blackboard: few lines, with names for what occurs often."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.explanation.chosen_names import ChosenNames
from tinygrad_mlp.explanation.expression import Expression, Number, Symbol, within
from tinygrad_mlp.explanation.loops import Loop, LoopWriter
from tinygrad_mlp.explanation.matrices import Writer
from tinygrad_mlp.explanation.polynomial import Base, Polynomial
from tinygrad_mlp.explanation.reverse import Reverse
from tinygrad_mlp.graph_view.names import gradient, name


class Blackboard(ChosenNames):
    """The lines of the closed form of the gradients.

    `lines` are symbols with definitions: what the gradients are written with, and the gradients.
    """

    def __init__(self, reverse: Reverse) -> None:
        super().__init__(reverse)
        self.symbols: dict[Base, Symbol] = {}
        self.writer = Writer(self.symbol, self.simplifier.shown)
        self.lines: list[Symbol] = []
        self._write()

    def symbol(self, base: Base) -> Symbol | None:
        """The symbol of a base that has a name."""
        if base.name is None:
            return None
        if base not in self.symbols:
            dtype = float if base.value is None else base.value.dtype if hasattr(
                base.value, "dtype") else float
            self.symbols[base] = Symbol(base.name, base.shape, dtype, value=base.value)
        return self.symbols[base]

    def _write(self) -> None:
        uses = self._uses()
        defined = [b for b in uses if b.name is not None and b.definition is not None]
        for base in sorted(defined, key=lambda b: b.number):
            symbol = self.symbol(base)
            assert symbol is not None
            symbol.definition = self._definition(base)
            if self.loop is None or base not in self.loop.places:
                self.lines.append(symbol)
        if self.loop is not None:
            self._write_loop(self.loop)
        output = self.reverse.naming.of_output()
        for target, p in zip(self.reverse.targets, self.gradients, strict=True):
            base = self.reverse.target(target)
            assert base.name is not None
            made = self._gradient(self.simplifier.shown(p))
            dtype = target.data.dtype
            if isinstance(made, Number) or made.dtype != dtype or dtype.itemsize < 8:
                made = self.writer.made(ops.astype, made.shape, made, dtype=dtype)
            of = name("f") if output.text == "L" and p.shape != base.shape else output
            self.lines.append(Symbol(gradient(of, base.name), p.shape, made.dtype,
                                     definition=made))

    def _write_loop(self, loop: Loop) -> None:
        """The lines of a loop: its results after what they need, then the derivatives."""
        writer = LoopWriter(loop, self.writer)
        first = loop.steps[0].number
        later = [line for line in self.lines if any(
            b.number > first for b, s in self.symbols.items() if s is line)]
        letter = loop.places[loop.steps[0]][0]
        shown = self.simplifier.shown
        self.lines = [*(line for line in self.lines if line not in later),
                      *writer.lines(letter, self.symbols, shown), *later]
        for of in sorted(loop.derivatives):  # that of the output, e, before δ
            self.lines += writer.lines(of, self.symbols, shown)

    def _gradient(self, p: Polynomial) -> Expression:
        if self.loop is None:
            return self.writer.expression(p)
        for base in p.bases():
            made = base.definition
            if self.simplifier.is_bracket(base) and isinstance(made, Polynomial) and all(
                    any(f.base in self.loop.places for f in m) for m in made.terms):
                p = self.simplifier.multiplied_out(p, base)
        return LoopWriter(self.loop, self.writer).gradient(p)

    def _definition(self, base: Base) -> Any:
        made = base.definition
        if isinstance(made, Polynomial):
            return self.writer.expression(self.simplifier.shown(made))
        return self.writer.written_out(base)


    # -- words --------------------------------------------------------------------------------

    def because(self) -> list[str]:
        """The facts about constants that were used."""
        return [f"Σ over axis {axis} of {base.name.text} = {total}"
                for base, axis, total in self.simplifier.used
                if base.definition is None and base.name and base not in self.reverse.t.one_hot]

    def glossary(self) -> list[str]:
        """What the symbols without a definition are, and their shapes."""
        shown = symbols_in(line.definition for line in self.lines if line.definition is not None)
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
            letters = dict.fromkeys(f"{letter}_t" for letter, _ in self.loop.places.values())
            told += [f"{letter}_0 = {base.name.text}" for base, (letter, t) in
                     self.loop.places.items() if not t and base.name is not None
                     and base.name.text != f"{letter}_0"]
            told.append(f"{', '.join(letters)}: of step t = 1, …, {len(self.loop.steps)}")
        return told


def symbols_in(expressions: Iterable[Any]) -> set[str]:
    """The names that expressions are written with."""
    return {e.name.text for e in within(expressions) if isinstance(e, Symbol)}
