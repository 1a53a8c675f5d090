"""What changes a polynomial beyond algebra: sums that are known, and quotients of exponentials.

A sum over an axis is known if it is 0 or 1 whatever the numbers are, as Σ (x − mean x) is, or
whatever the parameters are, as that of labels. ``e^z / Σ e^z`` is the softmax of z.
"""

from __future__ import annotations

from fractions import Fraction

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.explanation.monomial import ONE, SUMMED, UNIT, Base, Factor, Monomial, normal
from tinygrad_mlp.explanation.polynomial import Polynomial, collected, whole
from tinygrad_mlp.explanation.translation import Translation


class Facts:
    """Applies facts to polynomials of a translation.

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
            products = []
            for m, c in p.terms.items():
                changed, number = self._known_sum(m) or self._softmax(m) or (m, ONE)
                products.append((changed, c * number))
            new = collected(p.shape, products)
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

    def _known_sum(self, m: Monomial) -> tuple[Monomial, Fraction] | None:
        """A monomial with a known sum carried out, and a number; None if there is none."""
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
                    return (), Fraction(0)
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


def exponential_sum(base: Base, t: Translation) -> tuple[int, Base] | None:
    """The axis and the bracket of ``Σ e^z`` for a base e^z, if it was divided by somewhere."""
    if base.called(ops.exp) is None:
        return None
    for axis in range(len(base.shape)):
        for keepdims in (True, False):
            total = t.known_bracket(whole(base).summed([axis], keepdims))
            if total is not None and base.shape[axis] != 1:
                return axis, total
    return None


def softmax_of(base: Base, axis: int, t: Translation) -> Base:
    """The softmax whose numerator is a base e^z; what z has in all places alike cancels."""
    made = base.call
    assert made is not None
    z = t.opened(made.argument)
    inner = z.single.polynomial if z.single else None
    if inner and any(all(axis not in f.indices for f in m) for m in inner.terms):
        z = inner
    kept = {m: c for m, c in z.terms.items() if any(axis in f.indices for f in m)}
    share = t.call(ops.softmax, [t.argument(Polynomial(z.shape, kept))], {"axis": axis},
                   base.shape).single
    assert share is not None
    return share
