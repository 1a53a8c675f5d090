"""Common factors of the terms of a polynomial, and matrices that all terms are multiplied by."""

from __future__ import annotations

from tinygrad_mlp.explanation.facts import Facts
from tinygrad_mlp.explanation.monomial import (
    OPEN,
    SUMMED,
    UNIT,
    UNIT_MATRIX,
    Factor,
    moved,
    sizes,
)
from tinygrad_mlp.explanation.polynomial import Polynomial, collected, contracted, term, whole


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
        products = []
        shapes = set()
        for m, c in p.terms.items():
            lengths = sizes(m)
            summed = [i for i in lengths if i >= SUMMED]
            if len(summed) != 1 or any(
                    summed[0] in f.indices and not set(free) <= set(f.indices) for f in m):
                return None  # a matrix times a vector stays one
            shapes.add((lengths[summed[0]], *(p.shape[i] for i in free)))
            products.append((moved(m, {summed[0]: 0} | {i: 1 for i in free}), c))
        if len(shapes) > 1:
            return None
        (shape,) = shapes
        made = collected(shape, products)
        inside = self.t.bracket(self.factored(made))
        if len(made.terms) < 2 or len(inside.terms) > 1 or not all(
                any(0 in f.indices for f in m) for m in inside.terms):
            return None
        return contracted(p.shape, [(inside, (OPEN, *free))])

    def _contracted_alike(self, p: Polynomial, f: Factor) -> Polynomial | None:
        """``Σ_k (A + B)[…, k] M[k, j]``, or of a vector M[k], if M is in every term alike."""
        spots = [place for place, i in enumerate(f.indices) if i != UNIT]
        summed = [place for place in spots if f.indices[place] >= SUMMED]
        kept = [f.indices[place] for place in spots if place not in summed]
        free = [i for i, n in enumerate(p.shape) if n != 1]
        vector = len(spots) == 1 and len(free) == 1
        if f.exponent != 1 or len(summed) != 1 or not (vector or len(spots) == 2):
            return None
        # The axes of the bracket: those of p, with that of the sum in place of that of M.
        axes = [free[0], OPEN] if vector else [
            OPEN if i in kept else i for i in range(len(p.shape))]
        (spot,) = summed
        shape = tuple(f.base.shape[spot] if i == OPEN else p.shape[i] for i in axes)
        products = []
        for m, c in p.terms.items():
            same = [g for g in m if g.base is f.base and g.exponent == 1 and all(
                i == f.indices[place] or place == spot and i >= SUMMED
                for place, i in enumerate(g.indices))]
            if len(same) != 1:
                return None
            s = same[0].indices[spot]
            rest = tuple(g for g in m if g is not same[0])
            uses = sum(s in g.indices for g in rest)
            if not uses or vector and uses > 1 or any(i in g.indices for i in kept for g in rest):
                return None
            places = {i: place for place, i in enumerate(axes)} | {s: axes.index(OPEN)}
            products.append((moved(rest, places), c))
        inside = self.t.bracket(self.factored(collected(shape, products)))
        if vector and len(inside.terms) > 1:
            return None
        around = [OPEN if place == spot else i for place, i in enumerate(f.indices)]
        return contracted(p.shape, [(whole(f.base), around), (inside, axes)])
