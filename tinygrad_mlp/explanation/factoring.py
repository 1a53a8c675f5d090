"""Common factors of the terms of a polynomial, and matrices that all terms are multiplied by."""

from __future__ import annotations

from fractions import Fraction

from tinygrad_mlp.explanation.facts import Facts
from tinygrad_mlp.explanation.monomial import (
    SUMMED,
    UNIT,
    UNIT_MATRIX,
    Factor,
    Monomial,
    moved,
    normal,
    sizes,
)
from tinygrad_mlp.explanation.polynomial import Polynomial, attached, contracted, term

OPEN = SUMMED + 50
"""The index of a sum that is put together."""


class Factoring(Facts):
    """Takes common factors out."""

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
        product = attached(term(p.shape, ()), inside, (OPEN, *free))
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
        indices = tuple(OPEN if i == free else UNIT if n == 1 else i
                        for i, n in enumerate(shape))
        product = term(p.shape, ())
        product = attached(product, inside, indices)
        spot = (OPEN, free) if place == 0 else (free, OPEN)
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
        product = attached(term(p.shape, ()), inside, (free[0], OPEN))
        indices = tuple(OPEN if place == spot else i for place, i in enumerate(f.indices))
        return contracted(attached(product, [Factor(f.base, indices, 1)], indices))
