"""Products of elements of arrays, in index notation.

The indices of the axes of a result are called 0, 1, …; all others are summed over. ``(X w)[0]`` is
``Σ_k X[0, k] w[k]``. Equal products have equal normal forms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations
from types import MappingProxyType
from typing import Any, NamedTuple

from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.graph_view.names import Name

Shape = tuple[int, ...]
Exponent = Fraction | int

UNIT = -1
"""The index of an axis of length 1, which has no other place than 0."""
SUMMED = 100
"""The least number of a summed index."""
OPEN = SUMMED + 50
"""The index of a sum that is put together."""
ONE = Fraction(1)
UNIT_MATRIX = 0
"""The number of a unit matrix, the first base of all."""


@dataclass(frozen=True, eq=False)
class AppliedOp:
    """An operation on polynomials; `index` is the number of the output among several."""

    op: Op
    args: tuple[Any, ...]
    static: Mapping[str, Any]
    index: int = 0


class Base:
    """What factors are powers of: a leaf or constant, a call of an operation, or a bracket.

    A `call` is what an operation gives, a `polynomial` what a bracket or a name stands for; leaves
    and constants have a `value`. `number` orders bases; those that one is made of have smaller
    ones. `sums` tells for an axis what the sum over it is, where that is known: 0 or 1.
    `has_quotients` tells of a bracket, and of those in it.
    """

    __slots__ = ("number", "shape", "polynomial", "call", "value", "name", "sums",
                 "has_quotients")

    def __init__(self, number: float, shape: Shape, definition: Any, value: Any) -> None:
        self.number = number
        self.shape = shape
        self.call = definition if isinstance(definition, AppliedOp) else None
        self.polynomial: Any = None if self.call else definition
        self.value = value
        self.name: Name | None = None
        self.sums: dict[int, int] = {}
        self.has_quotients = self.polynomial is not None and any(
            f.exponent < 0 and (f.base.shape or f.base.definition is not None)
            or f.base.is_bracket and f.base.has_quotients
            for m in self.polynomial.terms for f in m)

    @property
    def definition(self) -> Any:
        """What it stands for; None for leaves and constants."""
        return self.polynomial or self.call

    @property
    def is_bracket(self) -> bool:
        """Whether it is a sum without a name of its own."""
        return self.name is None and self.polynomial is not None

    def parts(self) -> list[Base]:
        """The bases that it is made of, each once."""
        made = self.call.args if self.call else [self.polynomial]
        return list(dict.fromkeys(b for p in made if p is not None for b in p.bases()))

    def called(self, op: Op) -> AppliedOp | None:
        """The call that it is, if that is one of an operation."""
        return self.call if self.call is not None and self.call.op is op else None

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


Monomial = tuple[Factor, ...]


def moved(monomial: Iterable[Factor], places: Mapping[int, int], away: int = 0) -> Monomial:
    """A monomial with some indices replaced; all other summed ones are raised by a number."""
    return tuple(
        Factor(f.base, tuple(places.get(i, i + away if i >= SUMMED else i) for i in f.indices),
               f.exponent) for f in monomial)


def sizes(monomial: Iterable[Factor]) -> dict[int, int]:
    """The lengths of the axes that indices belong to."""
    return {i: n for f in monomial for i, n in zip(f.indices, f.base.shape, strict=True)}


def normal(factors: Iterable[Factor],
           lengths: Mapping[int, int] = MappingProxyType({})) -> tuple[Monomial, int]:
    """The normal form of a product, and a number that it is to be multiplied by.

    Powers of the same base are one. A summed index, of a factor or of `lengths`, that no factor is
    left of gives its length.
    """
    factors = list(factors)
    lost = {**lengths, **sizes(factors)}
    powers: dict[tuple[Base, tuple[int, ...]], Exponent] = {}
    for f in _without_units(factors, lost):
        powers[f.base, f.indices] = powers.get((f.base, f.indices), 0) + f.exponent
    left = [Factor(b, i, e.numerator if e.denominator == 1 else e)
            for (b, i), e in powers.items() if e]
    present = {i for f in left for i in f.indices}
    return _canonical(left), math.prod(
        n for i, n in lost.items() if i >= SUMMED and i not in present)


def _without_units(factors: Sequence[Factor], lengths: dict[int, int]) -> Sequence[Factor]:
    """Sums over an index of a unit matrix carried out: ``I[i, k] v[k]`` is ``v[i]``."""
    for f in factors:
        i, *_, k = sorted(f.indices) if f.base.number == UNIT_MATRIX else (0, 1)
        if i == k or k >= SUMMED:
            rest = [other for other in factors if other is not f]
            if i != k:
                del lengths[k]
            return _without_units(moved(rest, {k: i}), lengths)
    return [f._replace(exponent=1) if f.base.number == UNIT_MATRIX else f
            for f in factors]  # a power of it is itself


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
