"""What changes a polynomial beyond algebra: known sums, the softmax, and common factors.

A sum over an axis is known if it is 0 or 1 whatever the numbers are, as Σ (x − mean x) is, or
whatever the parameters are, as that of labels. ``e^z / Σ e^z`` is the softmax of z.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.explanation.algebra.monomial import (
    ONE,
    OPEN,
    SUMMED,
    UNIT,
    UNIT_MATRIX,
    AppliedOp,
    Base,
    Factor,
    Monomial,
    Shape,
    moved,
    sizes,
)
from tinygrad_mlp.explanation.algebra.numbers import number
from tinygrad_mlp.explanation.algebra.polynomial import (
    Polynomial,
    collected,
    contracted,
    term,
    whole,
)
from tinygrad_mlp.explanation.algebra.translation import Translation


class Rewriting:
    """Applies facts to polynomials of a translation, and takes common factors out.

    `used` are the known sums that were carried out: a base, an axis, and the sum.
    """

    def __init__(self, translation: Translation) -> None:
        self.t = translation
        self.used: dict[tuple[Base, int, int], None] = {}

    def reduced(self, p: Polynomial) -> Polynomial:
        """With sums carried out that are known, and quotients of exponentials recognised."""
        if any(f.base in self.t.counts.values() for m in p.terms for f in m):
            p = self._counted(p)
        while True:
            new = Polynomial(p.shape, {})
            for m, c in p.terms.items():
                instead = self._known_sum(m) or self._softmax(m)
                new += Polynomial(p.shape, {m: c}).replaced(instead.get)
            if new.key == p.key:
                return p
            p = new

    def _counted(self, p: Polynomial) -> Polynomial:
        """With ``6 / n`` cancelled where n is 6, the length of an axis that was summed over."""
        products = []
        for m, c in p.terms.items():
            for n, base in self.t.counts.items():
                if n > 2 and c.numerator % n == 0 and any(
                        f.base is base and f.exponent < 0 for f in m):
                    m, c = (*m, Factor(base, (), 1)), c / n
            products.append((m, c))
        return collected(p.shape, products)

    def _known_sum(self, m: Monomial) -> dict[Factor, Polynomial]:
        """A factor with a sum that is known, and the mean over that axis to be written for it."""
        for f in m:
            for axis, total in f.base.sums.items():
                s = f.indices[axis]
                if f.exponent == 1 and s >= SUMMED and f.indices.count(s) == 1 and not any(
                        s in g.indices for g in m if g is not f):
                    self.used[f.base, axis, total] = None
                    return {f: number(total, f.base.shape).scaled(ONE / f.base.shape[axis])}
        return {}

    def _softmax(self, m: Monomial) -> dict[Factor, Polynomial]:
        """``e^z`` and ``Σ e^z``, and what is to be written for them: the softmax of z and 1."""
        for f in m:
            made = f.base.called(ops.exp) if f.exponent >= 1 else None
            found = exponential_sum(f.base, self.t) if made else None
            if made is None or found is None:
                continue
            axis, total = found
            for g in m:
                indices = [i for a, i in enumerate(f.indices) if a != axis]
                if len(g.indices) == len(f.indices):
                    indices.insert(axis, UNIT)
                if g.base is total and g.exponent <= -1 and list(g.indices) == indices:
                    share = softmax_of(made, axis, f.base.shape, self.t)
                    return {f: share * whole(f.base, f.exponent - 1),
                            g: whole(total, g.exponent + 1)}
        return {}

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
            alike = [g.exponent for m in others for g in m if g.base is f.base
                     and g.indices == f.indices and (g.exponent > 0) == (f.exponent > 0)]
            if len(alike) < len(others):
                continue
            exponent = sorted([f.exponent, *alike])[0 if f.exponent > 0 else -1]
            shared = term(p.shape, [f._replace(exponent=-exponent)])
            inside = self.factored(p * shared)
            back = term(p.shape, [f._replace(exponent=exponent)])
            return back * self.t.bracket(inside)
        together = self._summed_alike(p)
        if together is not None:
            return together
        divided = self._divided_alike(p)
        if divided is not None:
            return divided
        number = self.t.outside(p)
        if abs(number) != 1 and all(abs(c) == abs(number) for c in p.terms.values()):
            return self.t.bracket(p)
        return p

    def _divided_alike(self, p: Polynomial) -> Polynomial | None:
        """``(a − b) / s + c`` for ``a / s − b / s + c``, of arrays."""
        for f in dict.fromkeys(f for m in p.terms for f in m if f.exponent < 0 and f.indices):
            alike = {m: c for m, c in p.terms.items() if f in m}
            if 1 < len(alike) < len(p.terms) and not any(i >= SUMMED for i in f.indices):
                rest = Polynomial(p.shape, {m: c for m, c in p.terms.items() if m not in alike})
                back = term(p.shape, [f._replace(exponent=-f.exponent)])
                inside = self.factored(Polynomial(p.shape, alike) * back)
                return term(p.shape, [f]) * self.t.bracket(inside) + rest
        return None

    def _summed_alike(self, p: Polynomial) -> Polynomial | None:
        """``Σ_k (a[k, j] + b[k, j])`` for ``Σ_k a[k, j] + Σ_k b[k, j]``, of vectors or numbers."""
        free = [i for i, n in enumerate(p.shape) if n != 1]
        if len(free) > 1:
            return None
        rests = []
        lengths = set()
        for m, c in p.terms.items():
            summed = [(i, n) for i, n in sizes(m).items() if i >= SUMMED]
            if len(summed) != 1 or any(
                    summed[0][0] in f.indices and not set(free) <= set(f.indices) for f in m):
                return None  # a matrix times a vector stays one
            lengths.add(summed[0][1])
            rests.append((m, c, summed[0][0]))
        if len(lengths) > 1:
            return None
        axes = [OPEN, *free]
        return contracted(
            p.shape, [(self._bracket_of(rests, axes, p.shape, lengths.pop()), axes)])

    def _bracket_of(self, rests: Iterable[tuple[Monomial, Fraction, int]], axes: list[int],
                    shape: Shape, length: int) -> Polynomial:
        """The sum of products over indices of a length, with these indices as an axis: OPEN."""
        within = tuple(length if i == OPEN else shape[i] for i in axes)
        places = {i: place for place, i in enumerate(axes)}
        return self.t.bracket(self.factored(collected(within, (
            (moved(m, places | {s: places[OPEN]}), c) for m, c, s in rests))))

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
        rests = []
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
            rests.append((rest, c, s))
        inside = self._bracket_of(rests, axes, p.shape, f.base.shape[spot])
        around = [OPEN if place == spot else i for place, i in enumerate(f.indices)]
        return contracted(p.shape, [(whole(f.base), around), (inside, axes)])


def exponential_sum(base: Base, t: Translation) -> tuple[int, Base] | None:
    """The axis and the bracket of ``Σ e^z`` for a base e^z, if it was divided by somewhere."""
    for axis in range(len(base.shape)):
        for keepdims in (True, False):
            total = t.known_bracket(whole(base).summed([axis], keepdims))
            if total is not None and base.shape[axis] != 1:
                return axis, total
    return None


def softmax_of(made: AppliedOp, axis: int, shape: Shape, t: Translation) -> Polynomial:
    """The softmax whose numerator is e^z; what z has in all places alike cancels."""
    z = t.opened(made.args[0])
    inner = z.single.polynomial if z.single else None
    if inner and any(all(axis not in f.indices for f in m) for m in inner.terms):
        z = inner
    kept = {m: c for m, c in z.terms.items() if any(axis in f.indices for f in m)}
    return t.call(ops.softmax, [t.argument(Polynomial(z.shape, kept))], {"axis": axis}, shape)
