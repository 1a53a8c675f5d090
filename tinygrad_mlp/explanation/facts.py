"""What changes a polynomial beyond algebra: sums that are known, and quotients of exponentials.

A sum over an axis is known if it is 0 or 1 whatever the numbers are, as Σ (x − mean x) is, or
whatever the parameters are, as that of labels. ``e^z / Σ e^z`` is the softmax of z.
"""

from __future__ import annotations

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.explanation.monomial import ONE, SUMMED, UNIT, AppliedOp, Base, Factor, Monomial
from tinygrad_mlp.explanation.notation import Shape
from tinygrad_mlp.explanation.numbers import number
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
