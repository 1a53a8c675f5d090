"""The simplest form of a polynomial: brackets multiplied out or not, common factors taken out.

Forms are proposed and the cheapest is kept. What changes a form beyond algebra are facts (sums over
an axis that are 0 or 1 whatever the numbers are), and ``e^z / Σ e^z``, which is the softmax of z.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.explanation.polynomial import (
    ONE,
    SUMMED,
    UNIT,
    UNIT_MATRIX,
    Base,
    Factor,
    Monomial,
    OpCall,
    Polynomial,
    attached,
    contracted,
    moved,
    normal,
    sizes,
    term,
    whole,
)
from tinygrad_mlp.explanation.translation import Translation

DELTA = 1.5
"""What a derivative costs at most in others: if it is long it will get a name."""
MOST_TERMS = 40
MOST_ROUNDS = 6


class TooManyForms(Exception):
    """More forms were compared than a graph of this length may take."""


class Simplifier:
    """Finds simple forms of the polynomials of a translation.

    `instead` maps a bracket to what is written for it: where q = u / s has a name, u is q s.
    `used` are the known sums that were carried out: a base, an axis, and the sum.
    `candidates` counts the forms that were compared, of which there may be `most`.
    """

    def __init__(self, translation: Translation) -> None:
        self.t = translation
        self.instead: dict[Base, Polynomial] = {}
        self.deltas = translation.deltas
        self.used: dict[tuple[Base, int, int], None] = {}
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

    def is_bracket(self, base: Base) -> bool:
        """Whether a base is a sum without a name of its own."""
        return base.name is None and isinstance(base.definition, Polynomial)

    def next_bracket(self, p: Polynomial) -> Base | None:
        """The bracket to multiply out: one with quotients first, never one that is divided by."""
        below = {f.base for m in p.terms for f in m if f.exponent.denominator > 1 or (
            f.exponent < 0 and not self.is_plain_product(f.base))}
        inside = {b for b in p.bases() if self.is_bracket(b)} - below
        return min(inside, key=lambda b: (-self.quotients(b), b.number), default=None)

    def is_plain_product(self, base: Base) -> bool:
        """Whether a bracket is a product that may be divided by factor by factor."""
        made = base.definition
        return isinstance(made, Polynomial) and len(made.terms) == 1 and not has_sums(made)

    def quotients(self, base: Base) -> bool:
        """Whether there are quotients in a bracket."""
        made = base.definition
        return isinstance(made, Polynomial) and any(
            (f.exponent < 0 and f.base.shape) or self.quotients(f.base)
            for m in made.terms for f in m if f.exponent < 0 or self.is_bracket(f.base))

    def multiplied_out(self, p: Polynomial, bracket: Base) -> Polynomial:
        """With one bracket multiplied out."""
        made = bracket.definition
        assert isinstance(made, Polynomial)

        def power(f: Factor) -> Polynomial | None:
            if f.base is not bracket or f.exponent > 3:
                return None
            if len(made.terms) == 1 and not has_sums(made):
                return self.t.power(made, f.exponent)
            total = made
            for _ in range(int(f.exponent) - 1):
                total = total * made
            return total

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
            made = f.base.definition
            if not self.is_bracket(f.base) or f.exponent.denominator > 1:
                return None
            assert isinstance(made, Polynomial)
            made = self.factored(made)
            if len(made.terms) == 1 and (f.exponent == 1 or not has_sums(made)):
                return self.t.power(made, f.exponent)
            outside = self.t.outside(made)
            return None if outside == 1 else self.t.power(self.t.bracket(made), f.exponent)

        flat = p.replaced(inner)
        if len(flat.terms) == 1:
            (monomial, c), = flat.terms.items()
            turned = [f for f in monomial if self.is_bracket(f.base) and f.exponent == 1]
            if c < 0 and turned and self._turns(turned[0].base):
                made = turned[0].base.definition
                assert isinstance(made, Polynomial)
                opposite = self.t.opposite(made)
                flat = flat.replaced(lambda f: -opposite if f is turned[0] else None)
        return flat

    def _turns(self, base: Base) -> bool:
        made = base.definition
        assert isinstance(made, Polynomial)
        return len(made.terms) > 1 and any(c < 0 for c in made.terms.values())

    # -- facts --------------------------------------------------------------------------------

    def reduced(self, p: Polynomial) -> Polynomial:
        """With sums carried out that are known, and quotients of exponentials recognised."""
        if any(f.base in self.t.counts.values() for m in p.terms for f in m):
            p = self._counted(p)
        while True:
            new = Polynomial(p.shape, {})
            for m, c in p.terms.items():
                changed = self._known_sum(m)
                if changed is None:
                    changed = self._softmax(m)
                if changed is None:
                    new += Polynomial(p.shape, {m: c})
                elif changed:
                    new += contracted(Polynomial(p.shape, {changed[0]: c * changed[1]}))
            if new.key == p.key:
                return p
            p = new

    def _counted(self, p: Polynomial) -> Polynomial:
        """With ``6 / n`` cancelled where n is 6, the length of an axis that was summed over."""
        terms: dict[Monomial, Fraction] = {}
        for m, c in p.terms.items():
            for n, base in self.t.counts.items():
                f = next((f for f in m if f.base is base and f.exponent < 0), None)
                if f is not None and n > 2 and c.numerator % n == 0:
                    m, _ = normal([*(g for g in m if g is not f),
                                   f._replace(exponent=f.exponent + 1)])
                    c /= n
            terms[m] = terms.get(m, Fraction(0)) + c
        return Polynomial(p.shape, terms)

    def _known_sum(self, m: Monomial) -> tuple[Any, ...] | None:
        """A monomial with a known sum carried out; () if that is 0, None if there is none."""
        for place, f in enumerate(m):
            for axis, total in f.base.sums.items():
                s = f.indices[axis]
                rest = (*m[:place], *m[place + 1 :])
                if f.exponent != 1 or s < SUMMED or f.indices.count(s) > 1 or any(
                        s in other.indices for other in rest):
                    continue
                if isinstance(total, int):
                    self.used[f.base, axis, total] = None
                if total == 0:
                    return ()
                if isinstance(total, Base):
                    indices = [i for a, i in enumerate(f.indices) if a != axis]
                    if len(total.shape) == len(f.base.shape):
                        indices.insert(axis, UNIT)
                    return (*rest, Factor(total, tuple(indices), 1)), ONE
                # The other indices of f may be summed, too: each is lost with its length.
                lost = ONE
                for i, n in zip(f.indices, f.base.shape, strict=True):
                    if i >= SUMMED and i != s and not any(i in r.indices for r in rest):
                        lost *= n
                return rest, lost
        return None

    def _softmax(self, m: Monomial) -> tuple[Monomial, Fraction] | None:
        """``e^z / Σ e^z`` replaced by the softmax of z."""
        for f in m:
            found = exponential_sum(f.base, self.t) if f.exponent >= 1 else None
            if found is None:
                continue
            axis, total = found
            for g in m:
                indices = [i for a, i in enumerate(f.indices) if a != axis]
                if len(g.indices) == len(f.indices):
                    indices.insert(axis, UNIT)
                if g.base is total and g.exponent <= -1 and list(g.indices) == indices:
                    share = softmax_of(f.base, axis, self.t)
                    rest = [f._replace(exponent=f.exponent - 1) if h is f else
                            g._replace(exponent=g.exponent + 1) if h is g else h for h in m]
                    return normal([*rest, Factor(share, f.indices, 1)])
        return None

    # -- common factors -----------------------------------------------------------------------

    def factored(self, p: Polynomial) -> Polynomial:
        """With factors that all terms have taken out, and matrices that all are multiplied by."""
        if len(p.terms) < 2 or any(f.base.number == UNIT_MATRIX for m in p.terms for f in m):
            return p
        first, *others = p.terms
        for f in first:
            if any(i >= SUMMED for i in f.indices):
                outside = self._contracted_alike(p, f)
                if outside is not None:
                    return outside
                continue
            alike = [next((g for g in m if g.base is f.base and g.indices == f.indices
                           and (g.exponent > 0) == (f.exponent > 0)), None) for m in others]
            if None in alike:
                continue
            exponent = min((g.exponent for g in (f, *alike) if g), key=float)
            if f.exponent < 0:
                exponent = max((g.exponent for g in (f, *alike) if g), key=float)
            shared = term(p.shape, [f._replace(exponent=-exponent)])
            inside = self.factored(p * shared)
            back = term(p.shape, [f._replace(exponent=exponent)])
            return back * self.t.bracket(inside)
        together = self._summed_alike(p)
        if together is not None:
            return together
        number = self.t.outside(p)
        if abs(number) != 1 and all(abs(c) == abs(number) for c in p.terms.values()):
            return self.t.bracket(p)
        return p

    def _summed_alike(self, p: Polynomial) -> Polynomial | None:
        """``Σ_k (a[k, j] + b[k, j])`` for ``Σ_k a[k, j] + Σ_k b[k, j]``, of vectors or numbers."""
        free = [i for i, n in enumerate(p.shape) if n != 1]
        if len(free) > 1:
            return None
        terms: dict[Monomial, Fraction] = {}
        shapes = set()
        for m, c in p.terms.items():
            lengths = sizes(m)
            summed = [i for i in lengths if i >= SUMMED]
            if len(summed) != 1:
                return None
            places = {summed[0]: 0} | {i: 1 for i in free}
            shapes.add((lengths[summed[0]], *(p.shape[i] for i in free)))
            m, number = normal(moved(m, places))
            terms[m] = terms.get(m, Fraction(0)) + c * number
        if len(shapes) > 1 or len(terms) < 2:
            return None
        (shape,) = shapes
        inside = self.t.bracket(self.factored(Polynomial(shape, terms)))
        if len(inside.terms) > 1 or not all(any(0 in f.indices for f in m) for m in inside.terms):
            return None
        product = attached(term(p.shape, ()), inside, (SUMMED + 50, *free))
        return contracted(product)

    def _contracted_alike(self, p: Polynomial, f: Factor) -> Polynomial | None:
        """``Σ_k rest[…, k] M[k, j]``: the rest as one bracket, if M is in every term alike."""
        if f.exponent != 1 or len(f.indices) != 2 or f.indices[0] == f.indices[1]:
            return self._vector_alike(p, f)
        place = 0 if f.indices[0] >= SUMMED else 1
        free = f.indices[1 - place]
        if free >= SUMMED or free == UNIT:
            return self._vector_alike(p, f)
        n = f.base.shape[place]
        shape = tuple(n if i == free else length for i, length in enumerate(p.shape))
        terms: dict[Monomial, Fraction] = {}
        for m, c in p.terms.items():
            same = [g for g in m if g.base is f.base and g.exponent == 1 and g.indices[place]
                    >= SUMMED and g.indices[1 - place] == free]
            if len(same) != 1:
                return None
            rest = tuple(g for g in m if g is not same[0])
            s = same[0].indices[place]
            if any(free in g.indices for g in rest) or not any(s in g.indices for g in rest):
                return None
            rest, number = normal(moved(rest, {s: free}))
            terms[rest] = terms.get(rest, Fraction(0)) + c * number
        inside = self.t.bracket(self.factored(Polynomial(shape, terms)))
        indices = tuple(SUMMED + 50 if i == free else UNIT if n == 1 else i
                        for i, n in enumerate(shape))
        product = term(p.shape, ())
        product = attached(product, inside, indices)
        spot = (SUMMED + 50, free) if place == 0 else (free, SUMMED + 50)
        return contracted(attached(product, [Factor(f.base, spot, 1)], spot))

    def _vector_alike(self, p: Polynomial, f: Factor) -> Polynomial | None:
        """``(A + B) v`` for ``A v + B v``, of a vector or a product that is one."""
        spots = [place for place, i in enumerate(f.indices) if i != UNIT]
        free = [i for i, n in enumerate(p.shape) if n != 1]
        if f.exponent != 1 or len(spots) != 1 or len(free) != 1:
            return None
        (spot,) = spots
        n = f.base.shape[spot]
        terms: dict[Monomial, Fraction] = {}
        for m, c in p.terms.items():
            same = [g for g in m if g.base is f.base and g.exponent == 1
                    and g.indices[spot] >= SUMMED]
            if len(same) != 1:
                return None
            rest = tuple(g for g in m if g is not same[0])
            s = same[0].indices[spot]
            if not rest or sum(s in g.indices for g in rest) != 1:
                return None
            places = {s: 1, free[0]: 0}
            rest, number = normal(moved(rest, places))
            terms[rest] = terms.get(rest, Fraction(0)) + c * number
        inside = self.t.bracket(Polynomial((p.shape[free[0]], n), terms))
        if len(inside.terms) > 1:
            return None
        product = attached(term(p.shape, ()), inside, (free[0], SUMMED + 50))
        indices = tuple(SUMMED + 50 if place == spot else i for place, i in enumerate(f.indices))
        return contracted(attached(product, [Factor(f.base, indices, 1)], indices))

    # -- cost ---------------------------------------------------------------------------------

    def cost(self, p: Polynomial) -> float:
        """How much there is to read."""
        total = 0.2 * max(len(p.terms) - 1, 0)
        for m, c in p.terms.items():
            total += 0.5 * (abs(c) != 1) + 0.1 * (c < 0) + (0.5 if not m else 0)
            total += 0.2 * max(len(m) - 1, 0)
            uses = [i for f in m for i in set(f.indices) if i >= SUMMED]
            alone = {i for f in m for i in f.indices if not self.is_bracket(f.base)}
            total += sum(0.3 + (uses.count(i) == 1 and i in alone) for i in set(uses))
            for f in m:
                if not f.indices and f.base.definition is None:
                    total += 0.4
                    continue
                total += self.base_cost(f.base) + (f.exponent < 0) + 0.3 * (abs(f.exponent) != 1)
        return total + 0.4 * (len(p.terms) > 1)

    def forget_cost(self, base: Base) -> None:
        """That of a call, after bases in its arguments got names."""
        self._cost.pop(base, None)
        made = base.definition
        for a in made.args if isinstance(made, OpCall) else []:
            for inner in a.bases() if a is not None else ():
                self._cost.pop(inner, None)

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
        made = base.definition
        if made is None or base.name is not None:
            return 1.0
        if base not in self._cost:
            if isinstance(made, Polynomial):
                cost = self.cost(self.factored(made))
                self._cost[base] = min(cost, DELTA) if base in self.deltas else cost
            else:
                self._cost[base] = 1 + sum(self.cost(a) for a in made.args if a is not None)
        return self._cost[base]


def has_sums(p: Polynomial) -> bool:
    """Whether there are summed indices."""
    return any(i >= SUMMED for m in p.terms for f in m for i in f.indices)


def exponential_sum(base: Base, t: Translation) -> tuple[int, Base] | None:
    """The axis and the bracket of ``Σ e^z`` for a base e^z, if it was divided by somewhere."""
    if not isinstance(base.definition, OpCall) or base.definition.op is not ops.exp:
        return None
    for axis in range(len(base.shape)):
        for keepdims in (True, False):
            total = t.known_bracket(whole(base).summed([axis], keepdims))
            if total is not None and base.shape[axis] != 1:
                return axis, total
    return None


def softmax_of(base: Base, axis: int, t: Translation) -> Base:
    """The softmax whose numerator is a base e^z; what z has in all places alike cancels."""
    made = base.definition
    assert isinstance(made, OpCall) and made.args[0] is not None
    z = t.opened(made.args[0])
    kept = {m: c for m, c in z.terms.items() if any(axis in f.indices for f in m)}
    share = t.call(ops.softmax, [t.argument(Polynomial(z.shape, kept))], {"axis": axis},
                   base.shape).single
    assert share is not None
    return share
