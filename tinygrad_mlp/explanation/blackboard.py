"""Gradients as one writes them on a blackboard: few lines, with names for what occurs often."""

from __future__ import annotations

from collections.abc import Iterator

from tinygrad_mlp.explanation.chosen_names import ChosenNames
from tinygrad_mlp.explanation.equation import ADJOINT, FORWARD, GRADIENT, Equation
from tinygrad_mlp.explanation.expression import Expression, Symbol, within
from tinygrad_mlp.explanation.loops import Loop, LoopWriter
from tinygrad_mlp.explanation.monomial import Base
from tinygrad_mlp.explanation.polynomial import Polynomial
from tinygrad_mlp.explanation.reverse import Reverse
from tinygrad_mlp.explanation.slopes import name_slopes
from tinygrad_mlp.graph_view.names import gradient, name


class Blackboard(ChosenNames):
    """The equations of the gradients: what they are written with, then they themselves."""

    diagonal_slopes = True

    def __init__(self, reverse: Reverse) -> None:
        super().__init__(reverse)
        if self.diagonal_slopes and self.loop is None:
            name_slopes(reverse)
        self.writer = reverse.writer
        lines = sorted(self._definitions(), key=lambda line: line.kind == ADJOINT)
        self.equations = [*lines, *self._gradients()]

    def _definitions(self) -> list[Equation]:
        """What the gradients are written with; the quantities of a loop in between."""
        defined = [b for b in self._uses() if b.name is not None and b.definition is not None]
        lines: dict[Base, Equation] = {}
        for base in sorted(defined, key=lambda b: b.number):
            symbol = self.writer.symbol(base)
            assert symbol is not None
            symbol.definition = self.writer.definition(base)
            lines[base] = Equation(ADJOINT if base in self.reverse.deltas else FORWARD, symbol)
        return list(lines.values()) if self.loop is None else self._with_loop(self.loop, lines)

    def _with_loop(self, loop: Loop, lines: dict[Base, Equation]) -> list[Equation]:
        """Those of a loop's results after what they need; those of its derivatives last."""
        writer = LoopWriter(loop, self.writer)
        first = loop.steps[0]

        def of_loop(kind: str, letter: str) -> list[Equation]:
            symbols = writer.lines(letter, lines, self.simplifier.shown)
            return [Equation(kind, symbol) for symbol in symbols]

        forward = of_loop(FORWARD, loop.places[first][0])
        # Of the derivatives, that of the output, e, comes before δ.
        backward = [e for letter in sorted(loop.derivatives) for e in of_loop(ADJOINT, letter)]
        others = {b: line for b, line in lines.items() if b not in loop.places}
        return [*(line for b, line in others.items() if b.number <= first.number), *forward,
                *(line for b, line in others.items() if b.number > first.number), *backward]

    def _gradients(self) -> Iterator[Equation]:
        output = self.reverse.naming.of_output()
        for target, p in zip(self.reverse.targets, self.gradients, strict=True):
            base = self.reverse.target(target)
            assert base.name is not None
            of = name("f") if output.text == "L" and p.shape != base.shape else output
            made = self._gradient(self.simplifier.shown(p))
            symbol = self.writer.gradient(gradient(of, base.name), made, target.data.dtype)
            yield Equation(GRADIENT, symbol)

    def _gradient(self, p: Polynomial) -> Expression:
        if self.loop is None:
            return self.writer.expression(p)
        for base in p.bases():
            made = base.definition
            if self.simplifier.is_bracket(base) and isinstance(made, Polynomial) and all(
                    any(f.base in self.loop.places for f in m) for m in made.terms):
                p = self.simplifier.multiplied_out(p, base)
        return LoopWriter(self.loop, self.writer).gradient(p)

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
            letters = dict.fromkeys(f"{letter}_t" for letter, _ in self.loop.places.values())
            told += [f"{letter}_0 = {base.name.text}" for base, (letter, t) in
                     self.loop.places.items() if not t and base.name is not None
                     and base.name.text != f"{letter}_0"]
            told.append(f"{', '.join(letters)}: of step t = 1, …, {len(self.loop.steps)}")
        return told
