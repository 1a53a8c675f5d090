"""Which quantities of a derivation get a name, and which: what is written often, or is long.

Names of the user come first, then those of the parts of layers and of loops, then what books use:
δ for derivatives, p for probabilities, e for a residual.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tinygrad_mlp.explanation.algebra.monomial import Base
from tinygrad_mlp.explanation.algebra.order import in_order
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial
from tinygrad_mlp.explanation.differentiation.reverse import MOST_FACTORS, Reverse
from tinygrad_mlp.explanation.repetition.members import TEXTBOOK
from tinygrad_mlp.explanation.repetition.repeats import SHORTEST
from tinygrad_mlp.graph_view.names import Name, name

WORTH_A_NAME = 3.0
"""The cost from which something that is used twice gets a name."""
WORTH_A_DELTA = 3.0
"""The same for a derivative that gradients only are computed from."""
WORTH_A_LAYER = 1.5
"""The same for the derivative with respect to z in a network of several layers."""
TOO_LONG = 14.0
"""The cost from which something that is used once gets one, too."""


class ChosenNames:
    """Gives names to bases of a derivation; `loop` is the loop in it."""

    def __init__(self, reverse: Reverse) -> None:
        self.reverse = reverse
        self.simplifier = reverse.simplifier
        self.names = reverse.naming.names
        self.gradients = reverse.gradients
        self.loop = reverse.loop
        self._name_counts()
        self._choose_names()

    def _name_counts(self) -> None:
        """Name the numbers of means, and the matrices of ones and zeros that pick."""
        for base in self.reverse.t.bases:
            if base.name is not None:  # numbers of the user keep their names
                self.names.given.setdefault(base.name.text, 1)
        for base in self.reverse.t.counts.values():
            base.name = base.name or self._free("n", "N", "m")
        for base in self.reverse.t.bases:
            if base.name is None and base.definition is None and base.shape and (
                    base not in self.reverse.t.one_hot):
                base.name = self._free("e", "c")
        for base in self.reverse.t.one_hot:
            base.name = base.name or self._free("Y", "O")

    def _free(self, *wanted: str) -> Name:
        """The first name that is not taken, or the last one with a number."""
        for text in wanted:
            if text not in self.names.given:
                return self.names.unique(text)
        return self.names.numbered(wanted[-1])

    def parts(self, base: Base) -> list[Base]:
        """The bases in the definition of a base."""
        if base.polynomial is not None:
            return list(occurrences(self.simplifier.shown(base.polynomial)))
        args = base.call.args if base.call else ()
        return [b for a in args if a is not None for b in occurrences(a)]

    def roots(self) -> list[Polynomial]:
        """What is to be written."""
        return self.gradients

    def _uses(self, chosen: dict[Base, Any] | None = None) -> dict[Base, int]:
        """How often each base is written, if every base without a name is written out.

        `chosen` takes those that are worth a name, and are not written out therefore.
        """
        uses: dict[Base, int] = {}
        for p in self.roots():
            for base in occurrences(self.simplifier.shown(p)):
                uses[base] = uses.get(base, 0) + 1
        parts = functools.cache(self.parts)
        for base in reversed(list(in_order(uses, parts))):
            if chosen is not None and base.name is None and base.definition is not None and (
                    self._is_worth_a_name(base, uses[base])):
                chosen[base] = None
            named = base.name is not None or base in (chosen or ())
            times = 1 if named else uses[base]
            for part in parts(base):
                uses[part] = uses.get(part, 0) + times
        return uses

    def _choose_names(self) -> None:
        """Name what is written often or is long, the largest first."""
        self._name_slopes()
        self._name_calls()
        self._name_layers()
        self._name_deltas()
        chosen: dict[Base, Any] = {}
        while self._uses(chosen) and chosen:
            for base in sorted(chosen, key=lambda b: b.number):
                base.name = self._name(base)
            chosen.clear()
            self.simplifier.forget()
        self._place_others()

    def _name_calls(self) -> None:
        """Name results of operations, the first ones first, so that they count as short after."""
        uses = self._uses()
        for base in sorted(uses, key=lambda b: b.number):
            if base.name is None and base.call is not None:
                self.simplifier.forget_cost(base)
                if self._is_worth_a_name(base, uses[base]):
                    base.name = self._name(base)
        self.simplifier.forget()

    def _name_slopes(self) -> None:
        """Choose the names of derivatives in a loop, before other things take them."""
        made = self.reverse.t.bases[self.reverse.first_derivative :]
        self.loop.find_blocks(made, self.reverse.deltas)
        for place in self.loop.slopes.values():
            self.loop.member(place, self.names)

    def _place_others(self) -> None:
        """Enter what else has a name and is alike at several steps."""
        loop, deltas = self.loop, self.reverse.deltas
        others: list[tuple[Base, Any, Any]] = []
        for base in self.reverse.t.bases:
            made = base.definition
            if base.name is None or made is None or base in loop.places:
                continue
            made = made if base.polynomial is None else self.simplifier.shown(made)
            of = deltas.get(base)
            others.append((base, made, made if of is None else of.definition or made))
        read = Counter(b for _, made, _ in others for b in loop.members(made))
        shared = frozenset(b for b, times in read.items() if times >= SHORTEST)
        found: list[dict[int, Base]] = []
        for fixed in (frozenset(), shared):
            groups: dict[Any, dict[int, Base]] = {}
            for base, made, by in others if not found else ():
                step = loop.step_of(by, fixed)
                if step is not None:
                    key = base in deltas, loop.relative(made, step, fixed)
                    groups.setdefault(key, {})[step] = base
            found += [members for members in groups.values() if len(members) >= SHORTEST]
        for members in found:
            letter = re.sub(r"_?\d+$", "", str(members[max(members)]))
            if letter == "δ" or any(letter == of for of, _ in self.loop.places.values()):
                letter = self._free("e", "ε", "u").text
            for step, base in members.items():
                derivative = base in self.reverse.deltas
                self.loop.enter(base, (letter, step), self.names, derivative)
        if found:
            self.simplifier.forget()
            self._place_others()

    def _name_layers(self) -> None:
        """Call the derivative by which the gradient of a layer's weight is written δ and a number.

        It has the number of z: δ2 belongs to ``z2 = W1 x + b1``. A loop over layers has its own.
        """
        if self.loop.index == "l":
            return
        layers = {id(layer.product[layer.weight]): layer for layer in self.reverse.graph.layers}
        for target, g in zip(self.reverse.targets, self.gradients, strict=True):
            layer = layers.get(id(target))
            found = [b for b in occurrences(g) if b in self.reverse.deltas]
            if layer is None or len(found) != 1 or len(layers) == 1:
                continue
            made = found[0].polynomial
            if self.reverse.naming.by_user(layer.z):
                continue
            text = f"δ{layer.number}"
            if text not in self.names.given and found[0].name is None and (
                    self.simplifier.cost_without_numbers(made) > WORTH_A_LAYER):
                found[0].name = self.names.unique(text)
        self.simplifier.forget()

    def _name_deltas(self) -> None:
        """Name the derivatives that several others are computed from, the newest first."""
        deltas = self.reverse.deltas
        users: dict[Base, list[Base | None]] = {}
        for g in self.gradients:
            for b in self._reached(g):
                users.setdefault(b, []).append(None)
        for delta in deltas:
            made = delta.polynomial
            for b in self._reached(made):
                users.setdefault(b, []).append(delta)
        for delta in deltas:
            used = users.get(delta, [])
            made = delta.polynomial
            cost = self.simplifier.cost_without_numbers(made)
            least = WORTH_A_DELTA if set(used) == {None} else 1.5
            many = any(len(m) >= MOST_FACTORS for m in made.terms)
            worth = cost > least if len(used) > 1 else cost > TOO_LONG or many
            of_step = self.loop.is_derived(deltas[delta]) or used and deltas[delta] in (
                self.loop.slopes)
            if delta.name is None and (used and worth or of_step):
                delta.name = self._name(delta)
        self._name_like_most([delta for delta in deltas if users.get(delta)])
        self.simplifier.forget()

    def _name_like_most(self, deltas: Iterable[Base]) -> None:
        """Name the derivative of a step that has a name at most other steps."""
        steps: dict[str, list[Base]] = {}
        for delta in deltas:
            if (place := self.loop.places.get(self.reverse.deltas[delta])) is not None:
                steps.setdefault(place[0], []).append(delta)
        for of in steps.values():
            others = [delta for delta in of if delta.name is None]
            for delta in others if 2 * len(others) < len(of) else ():
                delta.name = self._name(delta)

    def _reached(self, p: Polynomial) -> Iterable[Base]:
        """The bases in a polynomial, and in what is written out in it and is no derivative."""
        for b in occurrences(p):
            yield b
            if b.name is None and b not in self.reverse.deltas:
                made = b.call.args if b.call is not None else [b.polynomial]
                for q in made if b.is_bracket or b.number >= self.reverse.first_derivative else ():
                    yield from () if q is None else self._reached(q)

    def _is_worth_a_name(self, base: Base, uses: int) -> bool:
        cost = self.simplifier.base_cost(base)
        made = base.call
        if made is not None and made.op in TEXTBOOK:
            return cost > WORTH_A_NAME
        if made is not None and made.op.nondifferentiable:
            return False  # conditions are told by what they compare
        return cost > (WORTH_A_NAME if uses > 1 else TOO_LONG)

    def _name(self, base: Base) -> Name:
        """The name of a base that gets one."""
        if base in self.reverse.deltas:
            of = self.reverse.deltas[base]
            place = self.loop.place_of_derivative(of)
            return self.loop.enter(base, place, self.names) if place else self._delta_name(of)
        hint = self.reverse.hint(base)
        several = len(self.reverse.graph.layers) > 1
        if hint is not None and not re.fullmatch(r"v\d+" if several else r"[vaz]\d+", hint.text):
            return hint
        made = base.call
        if made is not None and made.op in TEXTBOOK:
            letter = TEXTBOOK[made.op]
            matrix = sum(n != 1 for n in base.shape) > 1
            return self._free(letter.upper() if matrix else letter)
        return self._free("e" if base.polynomial and len(base.polynomial.terms) > 1 else "u")

    def _delta_name(self, of: Base) -> Name:
        """δ with the number of a layer, or with the name of what it is the derivative of."""
        named = of.name or self.reverse.hint(of)
        number = re.fullmatch(r"[zZ]_?(\d+)", named.text) if named else None
        if named is None or re.fullmatch(r"v\d+", named.text):
            return self._free("δ")
        text = f"δ{number[1]}" if number else f"δ_{named.text}"
        if text in self.names.given:
            return self.names.unique(text)
        self.names.unique(text)
        return name(text) if number else Name(text, r"\delta", rf"_{{{named.latex}}}")


def occurrences(p: Polynomial) -> Iterable[Base]:
    """The bases of a polynomial, once for each factor."""
    return (f.base for monomial in p.terms for f in monomial)
