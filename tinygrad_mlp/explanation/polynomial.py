"""Polynomials in index notation: the form in which gradients are computed and compared.

A polynomial is a sum of monomials, and a monomial a fraction times factors ``base[i, j]^e``. The
indices of the axes are called 0, 1, …; all others are summed over. ``(X w)[0]`` is
``Σ_k X[0, k] w[k]``. Products, sums, transposes and broadcasting are patterns of indices, so that
no rule is needed for a double transpose or the sum of a product. Equal polynomials have equal keys.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.graph_view.names import Name

Shape = tuple[int, ...]
Monomial = tuple["Factor", ...]
Exponent = Fraction | int

UNIT = -1
"""The index of an axis of length 1, which has no other place than 0."""
SUMMED = 100
"""The least number of a summed index."""
ONE = Fraction(1)


@dataclass(frozen=True, eq=False)
class OpCall:
    """An operation on polynomials; `index` is the number of the output among several."""

    op: Op
    args: tuple[Polynomial | None, ...]
    static: Mapping[str, Any]
    index: int = 0


class Base:
    """What factors are powers of: a leaf or constant, a call of an operation, or a bracket.

    `number` orders bases; those in a definition have smaller ones. `sums` tells for an axis what
    the sum over it is, where that is known: a base without the axis, or the number 0 or 1.
    """

    __slots__ = ("number", "shape", "definition", "value", "name", "sums")

    def __init__(self, number: float, shape: Shape, definition: Polynomial | OpCall | None,
                 value: Any) -> None:
        self.number = number
        self.shape = shape
        self.definition = definition
        self.value = value
        self.name: Name | None = None
        self.sums: dict[int, Base | int] = {}

    def __repr__(self) -> str:
        return self.name.text if self.name else f"b{self.number}"


class Factor(NamedTuple):
    """A power of an element of a base."""

    base: Base
    indices: tuple[int, ...]
    exponent: Exponent

    @property
    def order(self) -> tuple[Any, ...]:
        """The place among the factors of a monomial."""
        return self.base.number, self.exponent, self.indices


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

    def bases(self) -> set[Base]:
        """The bases in it."""
        return {factor.base for monomial in self.terms for factor in monomial}

    # -- arithmetic ---------------------------------------------------------------------------

    def aligned(self, shape: Shape) -> Mapping[Monomial, Fraction]:
        """Its terms as part of something of a shape that it is broadcast to."""
        shift = len(shape) - len(self.shape)
        if not shift:
            return self.terms
        return {renamed(m, lambda i: i + shift if 0 <= i < SUMMED else i): c
                for m, c in self.terms.items()}

    def __add__(self, other: Polynomial) -> Polynomial:
        shape = np.broadcast_shapes(self.shape, other.shape)
        terms = dict(self.aligned(shape))
        for monomial, coefficient in other.aligned(shape).items():
            terms[monomial] = terms.get(monomial, Fraction(0)) + coefficient
        return Polynomial(shape, terms)

    def __mul__(self, other: Polynomial) -> Polynomial:
        shape = np.broadcast_shapes(self.shape, other.shape)
        terms: dict[Monomial, Fraction] = {}
        right = other.aligned(shape).items()
        for m1, c1 in self.aligned(shape).items():
            first = max((i + 1 for f in m1 for i in f.indices), default=0)
            for m2, c2 in right:
                if first > SUMMED:
                    taken = {i for f in m2 for i in f.indices if i >= SUMMED}
                    m2 = moved(m2, {i: i - SUMMED + first for i in taken})
                monomial, factor = normal([*m1, *m2])
                terms[monomial] = terms.get(monomial, Fraction(0)) + c1 * c2 * factor
        return Polynomial(shape, terms)

    def scaled(self, number: Fraction) -> Polynomial:
        """A multiple."""
        return Polynomial(self.shape, {m: c * number for m, c in self.terms.items()})

    def __neg__(self) -> Polynomial:
        return self.scaled(Fraction(-1))

    def __sub__(self, other: Polynomial) -> Polynomial:
        return self + -other

    def summed(self, axes: Iterable[int], keepdims: bool = False) -> Polynomial:
        """The sum over axes."""
        axes = set(axes)
        kept = [i for i in range(len(self.shape)) if i not in axes]
        places = {i: i if keepdims else kept.index(i) for i in kept}
        shape = tuple(1 if i in axes else n for i, n in enumerate(self.shape) if keepdims
                      or i not in axes)
        summed = [i for i in axes if self.shape[i] != 1]
        terms: dict[Monomial, Fraction] = {}
        for m, c in self.terms.items():
            top = max((i for f in m for i in f.indices if i >= SUMMED), default=SUMMED - 1)
            new = {i: top + 1 + number for number, i in enumerate(summed)} | places
            present = {i for f in m for i in f.indices}
            lost = math.prod(self.shape[i] for i in summed if i not in present)
            m, factor = normal(moved(m, new))
            terms[m] = terms.get(m, Fraction(0)) + c * lost * factor
        return Polynomial(shape, terms)

    def rearranged(self, places: Mapping[int, int], shape: Shape) -> Polynomial:
        """With each index in another place, and the axes of length 1 that a shape says."""
        terms = {}
        for m, c in self.terms.items():
            m, factor = normal(moved(m, places))
            terms[m] = c * factor
        return Polynomial(shape, terms)

    def replaced(self, change: Callable[[Factor], Polynomial | None]) -> Polynomial:
        """With factors replaced by polynomials of the base's shape; None for those that stay."""
        total = Polynomial(self.shape, {})
        for m, c in self.terms.items():
            product = term(self.shape, (), c)
            for factor in m:
                new = change(factor)
                product = attached(product, [factor] if new is None else new, factor.indices)
            total += contracted(product, sizes(m))
        return total


def attached(product: Polynomial, new: Any, indices: tuple[int, ...]) -> Polynomial:
    """A product times a factor, or times a polynomial with its axes at some indices.

    Summed indices of the two stay what they are, so that they may be shared; those of the
    polynomial itself get numbers out of reach.
    """
    if isinstance(new, list):
        return Polynomial(product.shape, {(*m, *new): c for m, c in product.terms.items()})
    terms: dict[Monomial, Fraction] = {}
    high = max((i for m in product.terms for f in m for i in f.indices), default=0)
    shift = max(high, *indices, SUMMED) + 1000 if indices else max(high, SUMMED) + 1000

    def placed(i: int) -> int:
        return i + shift if i >= SUMMED else indices[i] if i >= 0 else i

    for m1, c1 in product.terms.items():
        for m2, c2 in new.terms.items():
            key = (*m1, *renamed(m2, placed))
            terms[key] = terms.get(key, Fraction(0)) + c1 * c2
    return Polynomial(product.shape, terms)


def contracted(raw: Polynomial, lengths: Mapping[int, int] = MappingProxyType({})) -> Polynomial:
    """The normal form of a polynomial whose monomials have been put together.

    A summed index of `lengths` that a monomial does not have gives its length.
    """
    terms: dict[Monomial, Fraction] = {}
    for m, c in raw.terms.items():
        present = {i for f in m for i in f.indices}
        lost = math.prod(n for i, n in lengths.items() if i >= SUMMED and i not in present)
        m, factor = normal(m)
        terms[m] = terms.get(m, Fraction(0)) + c * lost * factor
    return Polynomial(raw.shape, terms)


def term(shape: Shape, factors: Iterable[Factor], coefficient: Fraction = ONE) -> Polynomial:
    """A polynomial of one monomial, in normal form."""
    monomial, number = normal(factors)
    return Polynomial(shape, {monomial: coefficient * number})


def whole_indices(shape: Shape) -> tuple[int, ...]:
    """The indices of an array that is taken as it is."""
    return tuple(UNIT if n == 1 else i for i, n in enumerate(shape))


def whole(base: Base, exponent: Exponent = 1) -> Polynomial:
    """A base, or a power of it, as a polynomial."""
    return term(base.shape, [Factor(base, whole_indices(base.shape), exponent)])


def renamed(monomial: Iterable[Factor], new: Callable[[int], int]) -> Monomial:
    """A monomial with other indices."""
    return tuple(Factor(f.base, tuple(map(new, f.indices)), f.exponent) for f in monomial)


def moved(monomial: Iterable[Factor], places: Mapping[int, int]) -> Monomial:
    """A monomial with some indices replaced."""
    return tuple(Factor(f.base, tuple(places.get(i, i) for i in f.indices), f.exponent)
                 for f in monomial)


def sizes(monomial: Iterable[Factor]) -> dict[int, int]:
    """The lengths of the axes that indices belong to."""
    return {i: n for f in monomial for i, n in zip(f.indices, f.base.shape, strict=True)}


def normal(factors: Iterable[Factor]) -> tuple[Monomial, Fraction]:
    """The normal form of a product, and a number that it is to be multiplied by.

    Powers of the same base are one. An index that has lost all its factors gives its length.
    """
    given, number = _without_units(list(factors))
    powers: dict[tuple[Base, tuple[int, ...]], Exponent] = {}
    for f in given:
        powers[f.base, f.indices] = powers.get((f.base, f.indices), 0) + f.exponent
    left = [Factor(b, i, e.numerator if e.denominator == 1 else e)
            for (b, i), e in powers.items() if e]
    if len(left) < len(given):
        present = {i for f in left for i in f.indices}
        for i, n in sizes(given).items():
            if i >= SUMMED and i not in present:
                number *= n
    return _canonical(left), number


def _without_units(factors: list[Factor]) -> tuple[list[Factor], Fraction]:
    """Sums over an index of a unit matrix carried out: ``I[i, k] v[k]`` is ``v[i]``."""
    number = ONE
    place = 0
    while place < len(factors):
        f = factors[place]
        place += 1
        if f.base.number != UNIT_MATRIX:
            continue
        i, k = sorted(f.indices)
        if i != k and k < SUMMED:
            factors[place - 1] = f._replace(exponent=1)  # a power of it is itself
            continue
        place = 0
        factors = [other for other in factors if other is not f]
        if i != k:
            factors = list(moved(factors, {k: i}))
        elif i >= SUMMED and not any(i in other.indices for other in factors):
            number *= f.base.shape[0]
    return factors, number


UNIT_MATRIX = 0
"""The number of a unit matrix, the first base of all."""


def _canonical(factors: list[Factor]) -> Monomial:
    """In order, with summed indices numbered in the order in which they occur.

    Where a base occurs twice, the numbers are the least of all that are possible.
    """
    factors.sort(key=lambda f: (f.base.number, f.exponent, [min(i, SUMMED) for i in f.indices]))
    old = list(dict.fromkeys(i for f in factors for i in f.indices if i >= SUMMED))
    if not old:
        return tuple(sorted(factors, key=lambda f: f.order))
    different = {(f.base.number, f.exponent) for f in factors}
    orders: Iterable[Sequence[int]] = [old]
    if len(different) < len(factors) and len(old) <= 4:
        orders = permutations(old)
    best: tuple[Any, ...] | None = None
    for order in orders:
        new = {i: SUMMED + place for place, i in enumerate(order)}
        made = sorted(moved(factors, new), key=lambda f: f.order)
        key = [f.order for f in made]
        if best is None or key < best[0]:
            best = key, tuple(made)
    assert best is not None
    result: Monomial = best[1]
    return result
