"""Numbers: fractions, those with a name, the n of a mean, and roots of whole numbers."""

from __future__ import annotations

import math
from collections.abc import Collection
from fractions import Fraction
from itertools import product
from typing import Any

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.explanation.algebra.monomial import ONE, AppliedOp, Base, Shape
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial, term, whole
from tinygrad_mlp.graph_view.names import Name, name
from tinygrad_mlp.graph_view.naming import is_filled

NICE = 1000
"""The largest denominator of the square of a number that is written as a root."""

EXACT = 10**6
"""The largest denominator of a fraction that a float is taken for."""

HALF = Fraction(1, 2)
MEANINGS = list(product((ONE, 2 * ONE, HALF), (ONE, -ONE, HALF, -HALF)))
"""The factors and exponents with which a number that has a name is recognised."""


def fraction(number: Any) -> Fraction:
    """The fraction that a finite number is, a simple one if it rounds to the same number."""
    exact = Fraction(float(number))
    simple = exact.limit_denominator(EXACT)
    return simple if float(simple) == float(number) else exact


def number(value: Any, shape: Shape = ()) -> Polynomial:
    """A number in all elements of a shape."""
    return term(shape, (), fraction(value))


def is_number(array: Array) -> bool:
    """Whether an array holds one number everywhere, and no places that are picked by it."""
    return is_filled(array) and (array.dtype.kind == "f" or not array.ndim)


class Numbers:
    """Makes the numbers of a derivation.

    `bases` are all that were made. `counts` are the numbers n of means, `meant` names and values of
    numbers that the user has named, and `literals` numbers that stand in the code without a name.
    """

    def __init__(self) -> None:
        self.bases: list[Base] = []
        self._known: dict[Any, Base] = {}
        self.counts: dict[int, Base] = {}
        self.meant: list[tuple[str, float]] = []
        self.literals: Collection[float] = ()

    def base(self, shape: Shape, definition: Polynomial | AppliedOp | None = None,
             value: Any = None) -> Base:
        """A new base."""
        made = Base(len(self.bases), shape, definition, value)
        self.bases.append(made)
        return made

    def count(self, n: int) -> Polynomial:
        """1/n, the factor of a mean, where n keeps its meaning."""
        if n == 1:
            return number(1)
        if n not in self.counts:
            self.counts[n] = self._meaning(n) or self.base((), None, float(n))
        return whole(self.counts[n], Fraction(-1))

    def scalar(self, value: Any) -> Polynomial:
        """A number of the user's: one with a name, the root of a whole number, or a fraction."""
        if abs(value) in (0, 1, 2, 0.5):
            return number(value)
        if value < 0:
            return -self.scalar(-value)
        named = None if value in self.literals else self._named(value)
        if named is not None:
            return named
        simple = fraction(value)
        square = fraction(value * value).limit_denominator(NICE)
        if simple.denominator > EXACT and math.isclose(square, value * value, rel_tol=1e-15):
            m = square.numerator * square.denominator
            root = whole(self.named_number(str(m), m), Fraction(1, 2))
            return root.scaled(Fraction(1, square.denominator))
        return number(value)

    def _named(self, value: Any) -> Polynomial | None:
        """A number as one that has a name, or a simple multiple or power of it."""
        named = self._meaning(value)
        if named is not None:
            return whole(named)
        for text, known in self.meant:
            for factor, exponent in MEANINGS if known > 0 and known != 1 else ():
                if value == float(factor) * known ** float(exponent):
                    return whole(self.named_number(text, known), exponent).scaled(factor)
        return None

    def _meaning(self, value: Any) -> Base | None:
        for text, known in self.meant:
            if known == value and value not in (0, 1, 2, -1):
                return self.named_number(text, known)
        return None

    def named_number(self, text: str, value: Any) -> Base:
        """The base of a number with a name."""
        if ("number", text) not in self._known:
            made = self._known["number", text] = self.base((), None, float(value))
            made.name = Name(text, text) if text.isdigit() else name(text)
        return self._known["number", text]
