"""Numbers: fractions, those with a name, the n of a mean, and roots of whole numbers."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction
from itertools import product
from typing import Any, NamedTuple

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
FORMS = list(product((ONE, 2 * ONE, HALF), (ONE, -ONE, HALF, -HALF)))
"""The factors and exponents with which a number that has a name is recognised."""
PLAIN = (0, 1, 2, -1, 0.5)
"""Numbers that have no other name, unless they change with one."""

Row = tuple[float, ...]
"""A number in all calls of a function, the first of which was recorded."""


class Meanings(NamedTuple):
    """What numbers may mean.

    `named` are numbers by the names that the user has for them, `literals` those that stand in the
    code without a name, `constants` those of a graph by node and place, and `counts` those of what
    means are over, by their first ones.
    """

    named: Mapping[str, Row] = {}
    literals: Collection[float] = ()
    constants: Mapping[tuple[object, int], Row] = {}
    counts: Mapping[float, Collection[Row]] = {}

    def candidates(self, row: Row, forms: Iterable[tuple[Fraction, Fraction]] = FORMS) -> list[
            tuple[str, Fraction, Fraction]]:
        """All names with factors and exponents that a number may be."""
        return [(text, c, e) for text, known in self.named.items() for c, e in forms
                if all(is_power(v, c, k, e) for v, k in zip(row, known, strict=False))]

    def fitting(self, row: Row, forms: Iterable[tuple[Fraction, Fraction]] = FORMS) -> list[
            tuple[str, Fraction, Fraction]]:
        """Those of them that a number may be told to be; one only if that is certain.

        Names that fit a number that changes from call to call are all right, and of several
        calls, what is the number itself comes first.
        """
        if row[0] in PLAIN and len(set(row)) == 1:
            return []
        found = self.candidates(row, forms)
        if len(row) > 1:
            found = [(text, c, e) for text, c, e in found if c == e == 1] or found
        certain = len(set(row)) > 1 or len({text for text, _, _ in found}) == 1
        return sorted(found, key=lambda f: FORMS.index(f[1:]))[:1] if certain else found


def is_power(value: float, factor: Fraction, known: float, exponent: Fraction) -> bool:
    """Whether a number is that power of a known one, which is positive unless it is itself."""
    if factor == exponent == 1:
        return value == known
    return known > 0 and known != 1 and math.isclose(
        value, float(factor) * known ** float(exponent), rel_tol=ROUNDED)


ROUNDED = 1e-15
"""The relative error of a power of a number."""


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

    `bases` are all that were made, and `counts` the numbers n of means.
    """

    def __init__(self, meanings: Meanings) -> None:
        self.meanings = meanings
        self.bases: list[Base] = []
        self._known: dict[Any, Base] = {}
        self.counts: dict[int, Base] = {}

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
            rows = self.meanings.counts.get(n) or [(float(n),)]
            found = [self.meanings.fitting(row, [(ONE, ONE)]) for row in rows]
            one = len(rows) == 1 and len(found[0]) < 2
            self.counts[n] = self.named_number(found[0][0][0] if found[0] else str(n), n) if (
                found[0] or not one) else self.base((), None, float(n))
        return whole(self.counts[n], Fraction(-1))

    def scalar(self, value: Any, row: Row = ()) -> Polynomial:
        """A number of the user's: one with a name, the root of a whole number, or a fraction.

        `row` is that number in all calls of a function.
        """
        if value < 0:
            return -self.scalar(-value, tuple(-v for v in row))
        row = row or (value,)
        literal = value in self.meanings.literals and len(set(row)) == 1
        found = [] if literal else self.meanings.fitting(row)
        if len(found) == 1:
            (text, factor, exponent), = found
            base = self.named_number(text, self.meanings.named[text][0])
            return whole(base, exponent).scaled(factor)
        simple = fraction(value)
        square = fraction(value * value).limit_denominator(NICE)
        if simple.denominator > EXACT and math.isclose(square, value * value, rel_tol=1e-15):
            m = square.numerator * square.denominator
            root = whole(self.named_number(str(m), m), Fraction(1, 2))
            return root.scaled(Fraction(1, square.denominator))
        return number(value)

    def named_number(self, text: str, value: Any) -> Base:
        """The base of a number with a name."""
        if ("number", text) not in self._known:
            made = self._known["number", text] = self.base((), None, float(value))
            made.name = Name(text, text) if text.isdigit() else name(text)
        return self._known["number", text]
