"""The simplest form of a polynomial: brackets multiplied out or not, common factors taken out.

Forms are proposed and the cheapest is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import reduce
from operator import mul
from typing import Any

from tinygrad_mlp.explanation.algebra.monomial import SUMMED, Base, Factor
from tinygrad_mlp.explanation.algebra.order import in_order
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial, term, whole
from tinygrad_mlp.explanation.algebra.rewriting import Rewriting
from tinygrad_mlp.explanation.algebra.translation import Translation

DELTA = 1.5
"""What a derivative costs at most in others: if it is long it will get a name."""
MOST_TERMS = 40
MOST_ROUNDS = 6


class TooManyForms(Exception):
    """More forms were compared than a graph of this length may take."""


class Simplifier(Rewriting):
    """Finds simple forms of the polynomials of a translation.

    `instead` maps a bracket to what is written for it: where q = u / s has a name, u is q s.
    `candidates` counts the forms that were compared, of which there may be `most`.
    """

    def __init__(self, translation: Translation) -> None:
        super().__init__(translation)
        self.instead: dict[Base, Polynomial] = {}
        self.deltas = translation.deltas
        self.candidates = 0
        self.most = math.inf
        self._found: dict[Any, Polynomial] = {}
        self._cost: dict[Base, float] = {}
        self._shown: dict[Any, Polynomial] = {}

    def simplest(self, p: Polynomial) -> Polynomial:
        """The cheapest form that is found."""
        if self.candidates > self.most:
            raise TooManyForms(f"more than {self.most} forms")
        if p.key not in self._found:
            best = min(self.forms(p), key=self.cost)
            self._found[p.key] = self._found[best.key] = best
        return self._found[p.key]

    def forms(self, p: Polynomial, instead: bool = True) -> Iterator[Polynomial]:
        """The forms that are compared: with ever more brackets multiplied out."""
        start = p
        for _ in range(MOST_ROUNDS):
            p = self.reduced(p)
            self.candidates += 2
            yield p
            yield self.factored(p)
            bracket = self.next_bracket(p)
            if bracket is None:
                break
            p = self.multiplied_out(p, bracket)
            if len(p.terms) > MOST_TERMS:
                break
        if self.instead and instead:
            replaced = self.reduced(start.replaced(self._instead_of))
            if replaced.key != start.key:
                self.candidates += 1
                yield from self.forms(replaced, instead=False)

    def _instead_of(self, f: Factor) -> Polynomial | None:
        made = self.instead.get(f.base)
        if made is None:
            return None
        (monomial, c), = made.terms.items()
        if len(monomial) == 1 and c == 1:  # of V = σ², every power is one of σ, which is positive
            return whole(monomial[0].base, monomial[0].exponent * f.exponent)
        return self.t.power(made, f.exponent)

    # -- brackets -----------------------------------------------------------------------------

    def next_bracket(self, p: Polynomial) -> Base | None:
        """The bracket to multiply out: one with quotients first, never one that is divided by."""
        below = {f.base for m in p.terms for f in m if f.exponent.denominator > 1 or (
            f.exponent < 0 and not self.is_plain_product(f.base))}
        inside = {b for b in p.bases() if b.is_bracket} - below
        return min(inside, key=lambda b: (-b.has_quotients, b.number), default=None)

    def is_plain_product(self, base: Base) -> bool:
        """Whether a bracket is a product that may be divided by factor by factor."""
        made = base.polynomial
        return made is not None and len(made.terms) == 1 and not has_sums(made)

    def multiplied_out(self, p: Polynomial, bracket: Base) -> Polynomial:
        """With one bracket multiplied out."""
        made: Polynomial = bracket.polynomial

        def power(f: Factor) -> Polynomial | None:
            if f.base is not bracket or f.exponent > 3:
                return None
            if len(made.terms) == 1 and not has_sums(made):
                return self.t.power(made, f.exponent)
            return reduce(mul, [made] * int(f.exponent))

        return p.replaced(power)

    # -- as it is written -----------------------------------------------------------------------

    def shown(self, p: Polynomial) -> Polynomial:
        """Factored, without brackets in brackets, and with numbers in front."""
        start = p.key
        if start not in self._shown:
            for _ in range(MOST_ROUNDS):
                old = p.key
                p = self.factored(self.flattened(self.t.opened(p)))
                if p.key == old:
                    break
            self._shown[start] = self._shown[p.key] = p
        return self._shown[start]

    def flattened(self, p: Polynomial) -> Polynomial:
        """With brackets of one term as part of the product around them."""

        def inner(f: Factor) -> Polynomial | None:
            if not f.base.is_bracket or f.exponent.denominator > 1:
                return None
            made = self.factored(f.base.polynomial)
            if len(made.terms) == 1 and (f.exponent == 1 or not has_sums(made)):
                return self.t.power(made, f.exponent)
            outside = self.t.outside(made)
            return None if outside == 1 else self.t.power(self.t.bracket(made), f.exponent)

        flat = p.replaced(inner)
        if len(flat.terms) == 1:
            (monomial, c), = flat.terms.items()
            first = next((f for f in monomial if f.base.is_bracket and f.exponent == 1), None)
            made = first.base.polynomial if first is not None and c < 0 else None
            if made is not None and len(made.terms) > 1 and min(made.terms.values()) < 0:
                opposite = self.t.bracket(-made, signed=False)  # b − a for −(a − b)
                flat = flat.replaced(lambda f: -opposite if f is first else None)
        return flat

    # -- cost ---------------------------------------------------------------------------------

    def cost(self, p: Polynomial) -> float:
        """How much there is to read."""
        total = 0.2 * max(len(p.terms) - 1, 0)
        for m, c in p.terms.items():
            total += 0.5 * (abs(c) != 1) + 0.1 * (c < 0) + (0.5 if not m else 0)
            total += 0.2 * max(len(m) - 1, 0)
            uses = [i for f in m for i in set(f.indices) if i >= SUMMED]
            alone = {i for f in m for i in f.indices if not f.base.is_bracket}
            total += sum(0.3 + (uses.count(i) == 1 and i in alone) for i in set(uses))
            for f in m:
                if not f.indices and f.base.definition is None:
                    total += 0.4
                    continue
                total += self.base_cost(f.base) + (f.exponent < 0) + 0.3 * (abs(f.exponent) != 1)
        return total + 0.4 * (len(p.terms) > 1)

    def forget_cost(self, base: Base) -> None:
        """That of a call, after bases in its arguments got names."""
        for b in (base, *base.parts()):
            self._cost.pop(b, None)

    def forget(self) -> None:
        """What was found before bases got names."""
        self._cost.clear()
        self._shown.clear()

    def cost_without_numbers(self, p: Polynomial) -> float:
        """That without a number in front."""
        if len(p.terms) > 1:
            return self.cost(p)
        return sum(self.cost(term(p.shape, [f for f in m if f.indices])) for m in p.terms)

    def base_cost(self, base: Base) -> float:
        """That of a base: 1 for a symbol."""
        if base.definition is None or base.name is not None:
            return 1.0
        if base in self._cost:
            return self._cost[base]
        for b in in_order([base], lambda b: b.parts() if b.name is None else (), self._cost):
            if b.polynomial is not None:
                cost = self.cost(self.factored(b.polynomial))
                self._cost[b] = min(cost, DELTA) if b in self.deltas else cost
            elif b.call is not None:
                self._cost[b] = 1 + sum(self.cost(a) for a in b.call.args if a is not None)
        return self._cost[base]


def has_sums(p: Polynomial) -> bool:
    """Whether there are summed indices."""
    return any(i >= SUMMED for m in p.terms for f in m for i in f.indices)
