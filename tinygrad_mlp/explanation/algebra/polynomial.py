"""Polynomials in index notation: the form in which gradients are computed and compared.

A polynomial is a sum of monomials, and a monomial a fraction times factors ``base[i, j]^e``.
Products, sums, transposes and broadcasting are patterns of indices, so that no rule is needed for a
double transpose or the sum of a product. Equal polynomials have equal keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.explanation.algebra.monomial import (
    ONE,
    SUMMED,
    UNIT,
    AppliedOp,
    Base,
    Exponent,
    Factor,
    Monomial,
    Shape,
    moved,
    normal,
)

Products = Iterable[tuple[Monomial, Fraction]]
"""Products with their coefficients, not in normal form."""

FAR = 1000
"""What is added to indices that shall not be any of another product's."""


class Polynomial:
    """A sum of monomials with coefficients, of a shape."""

    __slots__ = ("shape", "terms", "_key")

    def __init__(self, shape: Shape, terms: Mapping[Monomial, Fraction]) -> None:
        self.shape = shape
        self.terms = {m: c for m, c in terms.items() if c}
        self._key: Any = None

    @property
    def key(self) -> Any:
        """Equal for equal polynomials."""
        if self._key is None:
            self._key = self.shape, frozenset(
                (c, *((f.base.number, f.indices, f.exponent) for f in m))
                for m, c in self.terms.items())
        return self._key

    # -- what it is ---------------------------------------------------------------------------

    @property
    def number(self) -> Fraction | None:
        """The number that it is in all elements; None if it is none."""
        if not self.terms:
            return Fraction(0)
        (monomial, coefficient), *more = self.terms.items()
        return None if more or monomial else coefficient

    @property
    def single(self) -> Base | None:
        """The base that it is, with its axes in order; None if it is none."""
        if len(self.terms) != 1:
            return None
        (monomial, coefficient), = self.terms.items()
        if coefficient != 1 or len(monomial) != 1 or monomial[0].exponent != 1:
            return None
        base = monomial[0].base
        whole = base.shape == self.shape and monomial[0].indices == whole_indices(self.shape)
        return base if whole else None

    def called(self, op: Op) -> AppliedOp | None:
        """The call that it is, if that is one of an operation."""
        return None if self.single is None else self.single.called(op)

    def bases(self) -> list[Base]:
        """The bases in it, each once, in the order of its terms."""
        return list(dict.fromkeys(factor.base for monomial in self.terms for factor in monomial))

    # -- arithmetic ---------------------------------------------------------------------------

    def aligned(self, shape: Shape) -> Mapping[Monomial, Fraction]:
        """Its terms as part of something of a shape that it is broadcast to."""
        shift = len(shape) - len(self.shape)
        places = {i: i + shift for i in range(len(self.shape))}
        return {moved(m, places): c for m, c in self.terms.items()} if shift else self.terms

    def __add__(self, other: Polynomial) -> Polynomial:
        shape = np.broadcast_shapes(self.shape, other.shape)
        terms = dict(self.aligned(shape))
        for monomial, coefficient in other.aligned(shape).items():
            terms[monomial] = terms.get(monomial, Fraction(0)) + coefficient
        return Polynomial(shape, terms)

    def __mul__(self, other: Polynomial) -> Polynomial:
        shape = np.broadcast_shapes(self.shape, other.shape)
        return contracted(shape, [(p, range(len(shape) - len(p.shape), len(shape)))
                                  for p in (self, other)])

    def scaled(self, number: Fraction) -> Polynomial:
        """A multiple."""
        return self if number == 1 else Polynomial(
            self.shape, {m: c * number for m, c in self.terms.items()})

    def __neg__(self) -> Polynomial:
        return self.scaled(Fraction(-1))

    def __sub__(self, other: Polynomial) -> Polynomial:
        return self + -other

    def summed(self, axes: Iterable[int], keepdims: bool = False) -> Polynomial:
        """The sum over axes."""
        axes = set(axes)
        kept = [i for i in range(len(self.shape)) if keepdims or i not in axes]
        shape = tuple(1 if i in axes else self.shape[i] for i in kept)
        return contracted(shape, [(self, [SUMMED + i if i in axes else kept.index(i)
                                          for i in range(len(self.shape))])])

    def rearranged(self, places: Mapping[int, int], shape: Shape) -> Polynomial:
        """With each index in another place, and the axes of length 1 that a shape says."""
        return contracted(shape, [(self, [places.get(i, i) for i in range(len(self.shape))])])

    def replaced(self, change: Callable[[Factor], Polynomial | None]) -> Polynomial:
        """With factors replaced by polynomials of the base's shape; None for those that stay."""
        total = Polynomial(self.shape, {})
        for m, c in self.terms.items():
            new = [change(f) for f in m]
            total += contracted(self.shape, [
                (whole(f.base, f.exponent) if made is None else made, f.indices)
                for f, made in zip(m, new, strict=True)], c) if any(new) else Polynomial(
                    self.shape, {m: c})
        return total


def contracted(shape: Shape, operands: Iterable[tuple[Polynomial, Sequence[int]]],
               coefficient: Fraction = ONE) -> Polynomial:
    """The product of polynomials whose axes have some indices, summed over all that are no axes.

    The summed indices of the polynomials themselves get numbers out of reach. An index that no
    factor has is summed over, too, and gives its length.
    """
    products: Products = [((), coefficient)]
    lengths: dict[int, int] = {}
    for number, (p, indices) in enumerate(operands, start=1):
        lengths |= {i: n for i, n in zip(indices, p.shape, strict=True) if n != 1}
        right = [(moved(m, dict(enumerate(indices)), number * FAR), c) for m, c in p.terms.items()]
        products = [((*m1, *m2), c1 * c2) for m1, c1 in products for m2, c2 in right]
    return collected(shape, products, lengths)


def collected(shape: Shape, products: Products,
              lengths: Mapping[int, int] = MappingProxyType({})) -> Polynomial:
    """The sum of products, each in its normal form.

    A summed index of `lengths` that a product does not have gives its length.
    """
    terms: dict[Monomial, Fraction] = {}
    for factors, c in products:
        monomial, number = normal(factors, lengths)
        terms[monomial] = terms.get(monomial, Fraction(0)) + c * number
    return Polynomial(shape, terms)


def term(shape: Shape, factors: Iterable[Factor], coefficient: Fraction = ONE) -> Polynomial:
    """A polynomial of one monomial, in normal form."""
    return collected(shape, [(tuple(factors), coefficient)])


def whole_indices(shape: Shape) -> tuple[int, ...]:
    """The indices of an array that is taken as it is."""
    return tuple(UNIT if n == 1 else i for i, n in enumerate(shape))


def whole(base: Base, exponent: Exponent = 1) -> Polynomial:
    """A base, or a power of it, as a polynomial."""
    return term(base.shape, [Factor(base, whole_indices(base.shape), exponent)])
