"""Gradients as one writes them on a blackboard: few lines, with names for what occurs often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tinygrad_mlp.explanation.algebra.monomial import Base, Shape
from tinygrad_mlp.explanation.algebra.order import in_order
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial
from tinygrad_mlp.explanation.differentiation.reverse import Reverse
from tinygrad_mlp.explanation.expressions.equation import ADJOINT, FORWARD, GRADIENT, Equation
from tinygrad_mlp.explanation.expressions.expression import Expression, Symbol, within
from tinygrad_mlp.explanation.expressions.notation import Notation
from tinygrad_mlp.explanation.repetition.loop_lines import EveryStep
from tinygrad_mlp.explanation.repetition.loops import argument_of
from tinygrad_mlp.explanation.repetition.stacks import NoStack, StackWriter
from tinygrad_mlp.explanation.writing.chosen_names import ChosenNames
from tinygrad_mlp.explanation.writing.slopes import name_slopes
from tinygrad_mlp.graph_view.names import Name, gradient, name
from tinygrad_mlp.graph_view.naming import is_filled

MOST_SHOWN = 8
"""The most elements of an array that the glossary shows."""


class Blackboard(ChosenNames):
    """The equations of the gradients: what they are written with, then they themselves."""

    diagonal_slopes = True

    def __init__(self, reverse: Reverse) -> None:
        super().__init__(reverse)
        if self.diagonal_slopes and not self.loop.places:
            name_slopes(reverse)
        self.writer = reverse.writer
        try:
            self._write()
        except NoStack:
            self.writer = reverse.writer = reverse.plain
            self._write()

    def _write(self) -> None:
        lines = sorted(self._definitions(), key=lambda line: line.kind == ADJOINT)
        self.each = list(self._gradients())
        self.equations = [*self._in_order(lines), *self._of_layers(self.each)]

    def _in_order(self, lines: Sequence[Equation]) -> Iterator[Equation]:
        """Lines, each after those that it is written with; those of a loop are in a circle."""
        line_of = {line.name: line for line in lines}
        for base, (letter, _) in self.loop.places.items():
            if base not in self.loop.initial and (
                    every := line_of.get(self.loop.name(letter, 0).text)) is not None:
                line_of.setdefault(str(base), every)
        of_loop = {line.name for line in lines if isinstance(line.right, EveryStep)}
        used = {line.name: {
            line_of[e.name.text].name for e in within([line.right])
            if isinstance(e, Symbol) and e.name.text in line_of
        } - {line.name} - (of_loop if line.name in of_loop else set()) for line in lines}
        left = {line.name: line for line in lines}
        while left:
            ready = next((text for text in left if used[text].isdisjoint(left)), next(iter(left)))
            yield left.pop(ready)

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
            lines[base] = Equation(ADJOINT if back else FORWARD, self.writer.left(symbol))
        return self._folded(lines)

    def _folded(self, lines: dict[Base, Equation]) -> list[Equation]:
        """With those of a loop, each where the first of the quantities was made that it is of."""
        loop = self.loop
        own = {b for b in loop.places if b in lines and b not in loop.initial}
        rows = [(b.number, line) for b, line in lines.items() if b not in own]
        for letter, kind in {loop.places[b][0]: lines[b].kind for b in own - loop.data}.items():
            rows += [(number, Equation(kind, symbol))
                     for number, symbol in self.writer.lines(letter, own)]
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
        start = p
        for base in p.bases():
            made = base.polynomial
            if made is not None and base.is_bracket and self.loop.places and all(
                    any(f.base in self.loop.places for f in m) for m in made.terms):
                p = self.simplifier.multiplied_out(p, base)
        return self.writer.expression(min((p, start), key=self.writer.apart))

    def _of_layers(self, each: Sequence[Equation]) -> Iterator[Equation]:
        """The gradients, with those that are alike in all layers as one."""
        rows: dict[Any, list[tuple[int, Polynomial, Symbol]]] = {}
        for target, p, equation in zip(self.reverse.targets, self.gradients, each, strict=True):
            base = self.reverse.target(target)
            letter, number = self.loop.places.get(base, (str(base), 0))
            shown = self.simplifier.shown(p)
            members = self.writer.rows(shown) or [(number, shown, equation.left)]
            rows.setdefault((letter, base in self.loop.places), []).extend(members)
        for (letter, _), members in rows.items():
            named = self._gradient_name(self.writer.loop.name(letter, 0))
            members.sort(key=lambda row: row[0])
            for _, symbol in self.writer.together(members, named):
                yield Equation(GRADIENT, symbol)

    # -- words --------------------------------------------------------------------------------

    def because(self) -> list[str]:
        """The facts about constants that were used."""
        t = self.reverse.t
        used = dict.fromkeys((*t.parts.get((base, axis), (base, axis)), total)
                             for base, axis, total in self.simplifier.used)
        return [f"Σ over axis {axis} of {base.name.text} = {total}" for base, axis, total in used
                if base.definition is None and base.name and base not in t.one_hot]

    def glossary(self) -> list[str]:
        """What the symbols are, and their shapes: first of those without a definition."""
        shown = {e.name.text for e in within(line.right for line in self.equations)
                 if isinstance(e, Symbol)}
        told: dict[str, None] = {}
        first = self.reverse.t.bases[0]  # a unit matrix that is never written
        for base in self.reverse.t.bases:
            if base.name is None or base.name.text not in shown or base.definition is not None:
                continue
            if base in self.loop.places and base not in self.loop.initial or base is first:
                continue
            number = not base.shape and base not in self.reverse.leaves
            what = f" = {float(base.value):g}" if number else "" if base.shape else ": a number"
            if base in self.reverse.t.one_hot:
                what = ", which has a single 1 in each row"
            elif base.shape and base not in self.reverse.leaves and base.value.size <= MOST_SHOWN:
                what = f", which is ({', '.join(f'{v:g}' for v in base.value.flat)})"
            if base in self.loop.initial and is_filled(base.value):
                what = f", which is {base.value.flat[0]:g}"
            shape = f": {written(base.shape)}" if base.shape else ""
            if what != f" = {base.name.text}":  # a number that is no name
                told[f"{self.writer.name_of(base)}{shape}{what}"] = None
        return [*told, *self._shapes(), *self._derivatives(), *self.writer.glossary()]

    def _shapes(self) -> list[str]:
        """The shapes of what has a definition or is of all steps, each with all names."""
        places = self.loop.places
        of_steps = {str(base) for base in places if base not in self.loop.initial}
        shapes = self.writer.shapes()
        shapes |= {e.name: [e.shape] for e in self.equations if e.kind != GRADIENT
                   and e.name not in of_steps and not isinstance(e.right, EveryStep)}
        named: dict[str, list[str]] = {}
        for text, of in sorted(shapes.items(), key=lambda row: row[0].startswith("δ")):
            shape = ", ".join(map(written, of if len({*of}) > 1 else of[:1]))
            named.setdefault(shape, []).append(text)
        return [f"{', '.join(texts)}: {shape}" for shape, texts in named.items()]

    def _derivatives(self) -> list[str]:
        """What the derivatives in a loop are by: a quantity, or the argument of an activation."""
        loop = self.loop
        activations = {argument_of(b): b for b in loop.places if b.call}
        own: dict[str, str] = {}
        of_arguments: dict[str, str] = {}
        for base, of in self.reverse.deltas.items():
            letter, t = loop.places.get(base, ("", 0))
            if isinstance(self.writer, StackWriter) and base.name and of.name and len(
                    base.shape) == 3:
                by, given = self.writer.stack.name(base.name), self.writer.stack.name(of.name)
                own[by.text] = self._gradient_name(given).text
            known = of if of in loop.places else activations.get(of)
            if letter.startswith("δ") and known is not None:
                name_of, number = loop.places[known]
                told = own if known is of else of_arguments
                by = loop.name(name_of, number - t)
                told[loop.name(letter, 0).text] = (
                    self._gradient_name(by).text if known is of else by.text)
        lines = [(own, ""), (of_arguments, "the derivative by the argument of the activation in ")]
        return [f"{', '.join(told)}: {what}{', '.join(told.values())}"
                for told, what in lines if told]


def written(shape: Shape) -> str:
    """A shape as the glossary has it: 6×4."""
    return Notation(latex=False).below(shape) or "a number"
