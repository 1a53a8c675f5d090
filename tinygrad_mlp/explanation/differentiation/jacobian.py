"""Jacobians: the derivative of an array f, from that of ``Σ v ⊙ f``, which is linear in v."""

from __future__ import annotations

from fractions import Fraction

from tinygrad_mlp.explanation.algebra.monomial import SUMMED, UNIT, Base, Factor, Monomial, moved
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial, term
from tinygrad_mlp.explanation.algebra.simplest import Simplifier


def jacobian(g: Polynomial, v: Base, simplifier: Simplifier) -> Polynomial:
    """The array J with ``g = Σ v J``: the axes of v, then those of g.

    A Hessian is the Jacobian of a gradient.
    """
    while True:
        inside = next((b for b in g.bases() if b.is_bracket and has(b, v)), None)
        if inside is None:
            break
        g = simplifier.multiplied_out(g, inside)
    total = Polynomial((*v.shape, *g.shape), {})
    for monomial, c in g.terms.items():
        total += _without(monomial, c, v, g, simplifier)
    return simplifier.simplest(total)


def has(base: Base, v: Base) -> bool:
    """Whether a base is, or a bracket contains, v."""
    return base is v or base.is_bracket and any(has(b, v) for b in base.parts())


def _without(monomial: Monomial, c: Fraction, v: Base, g: Polynomial,
             simplifier: Simplifier) -> Polynomial:
    """A monomial without its factor v, whose indices become axes."""
    (f,) = [f for f in monomial if f.base is v]
    n = len(v.shape)
    places = {i: i + n for i in range(len(g.shape))}
    units: list[Factor] = []
    for axis, i in enumerate(f.indices):
        if i >= SUMMED and i not in places:
            places[i] = axis
        elif i != UNIT:  # an axis that v and g have in common, or that v has twice
            unit = simplifier.t.unit_matrix(v.shape[axis]).bases().pop()
            units.append(Factor(unit, (axis, places[i]), 1))
    rest = moved([h for h in monomial if h is not f], places)
    return term((*v.shape, *g.shape), [*rest, *units], c)
