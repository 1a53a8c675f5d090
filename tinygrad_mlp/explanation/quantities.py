"""The bases of one derivation, each different one made once, and products and powers of sums."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.explanation.polynomial import (
    ONE,
    SUMMED,
    UNIT,
    UNIT_MATRIX,
    Base,
    Exponent,
    Factor,
    Monomial,
    OpCall,
    Polynomial,
    Shape,
    attached,
    contracted,
    term,
    whole,
    whole_indices,
)
from tinygrad_mlp.graph_view.names import Name, name
from tinygrad_mlp.graph_view.naming import is_filled

NICE = 1000
EXACT = 10**6
"""The largest denominator of a fraction that a float is taken for."""


def fraction(number: Any) -> Fraction:
    """The fraction that a finite number is, a simple one if it rounds to the same number."""
    exact = Fraction(float(number))
    simple = exact.limit_denominator(EXACT)
    return simple if float(simple) == float(number) else exact


def number(value: Any, shape: Shape = ()) -> Polynomial:
    """A number in all elements of a shape."""
    return term(shape, (), fraction(value))


class Quantities:
    """Makes bases and polynomials.

    `deltas` are brackets that are derivatives, by the base that they are the derivative of: long
    ones will get names. `defined` are bases with names by the keys of their definitions. `counts`
    are the numbers n of means, and `meant` names and values of numbers that the user has named.
    """

    def __init__(self) -> None:
        self.bases: list[Base] = []
        self._known: dict[Any, Base] = {}
        self.counts: dict[int, Base] = {}
        self.deltas: dict[Base, Base] = {}
        self.defined: dict[Any, Base] = {}
        self.meant: list[tuple[str, float]] = []
        self.unit_matrix(1)  # the first base of all

    def base(self, shape: Shape, definition: Polynomial | OpCall | None = None,
             value: Any = None) -> Base:
        """A new base."""
        made = Base(len(self.bases), shape, definition, value)
        self.bases.append(made)
        return made

    def unit_matrix(self, n: int) -> Polynomial:
        """The unit matrix."""
        if ("I", n) not in self._known:
            made = self.base((n, n), None, np.eye(n))
            made.number = UNIT_MATRIX
            made.name = Name("I", "I")
            self._known["I", n] = made
        return whole(self._known["I", n])

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
        named = self._meaning(value)
        if named is not None:
            return whole(named)
        for text, known in self.meant:
            if known in (0, 1):
                continue
            for factor in (ONE, Fraction(2), Fraction(1, 2)):
                for exponent in (Fraction(1), Fraction(-1), Fraction(1, 2), Fraction(-1, 2)):
                    if known > 0 and value == float(factor) * known ** float(exponent):
                        return whole(self.named_number(text, known), exponent).scaled(factor)
        simple = fraction(value)
        square = fraction(value * value).limit_denominator(NICE)
        if simple.denominator > EXACT and math.isclose(square, value * value, rel_tol=1e-15):
            m = square.numerator * square.denominator
            root = whole(self.named_number(str(m), m), Fraction(1, 2))
            return root.scaled(Fraction(1, square.denominator))
        return number(value)

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

    def constant(self, array: Any) -> Polynomial:
        """An array that a rule brings in, or a Python number."""
        array = np.asarray(array)
        if is_number(array) and np.isfinite(array.flat[0]):
            return number(array.flat[0], array.shape)
        n = array.shape[0] if array.ndim == 2 else 0
        if array.shape == (n, n) and (array == np.eye(n)).all():
            return self.unit_matrix(n)
        key = ("array", array.shape, array.dtype.char, array.tobytes())
        if key not in self._known:
            self._known[key] = self.base(array.shape, None, array)
        return whole(self._known[key])

    def call(self, op: Op, args: Sequence[Polynomial | None], static: Mapping[str, Any],
             shape: Shape, index: int = 0) -> Polynomial:
        """The result of an operation that has no form in index notation."""
        start = (op, tuple(None if a is None else a.key for a in args), repr(static))
        if (*start, index) not in self._known:
            for output in range(op.outputs):  # those of one call have successive numbers
                made = OpCall(op, tuple(args), dict(static), output)
                self._known[(*start, output)] = self.base((), made)
        base = self._known[(*start, index)]
        base.shape = shape
        if op is ops.softmax and isinstance(static["axis"], int):
            base.sums = {static["axis"] % len(shape): 1}
        return whole(base)

    # -- products and powers of sums ----------------------------------------------------------

    def bracket(self, p: Polynomial, signed: bool = True) -> Polynomial:
        """A sum as one factor; a number that all its terms have stays outside."""
        if len(p.terms) == 1 and signed:
            return p
        outside = self.outside(p) if signed else ONE
        shape = p.shape
        if signed:  # along axes that no term has, it need not be repeated
            present = {i for m in p.terms for f in m for i in f.indices}
            shape = tuple(n if i in present else 1 for i, n in enumerate(p.shape))
        inside = Polynomial(shape, p.terms).scaled(1 / outside)
        base = inside.single or self._known.get(("bracket", inside.key))
        if base is None:
            base = self._known["bracket", inside.key] = self.base(shape, inside)
        return term(p.shape, [Factor(base, whole_indices(shape), 1)], outside)

    def outside(self, p: Polynomial) -> Fraction:
        """The number that all terms have; negative if the bracket with the other signs is known."""
        size = content(p)
        opposite = p.scaled(-1 / size)
        known = ("bracket", opposite.key) in self._known
        return -size if known or all(c < 0 for c in p.terms.values()) else size

    def opposite(self, p: Polynomial) -> Polynomial:
        """The bracket with the other signs."""
        inside = -p
        if ("bracket", inside.key) not in self._known:
            self._known["bracket", inside.key] = self.base(p.shape, inside)
        return whole(self._known["bracket", inside.key])

    def known_bracket(self, p: Polynomial) -> Base | None:
        """The bracket of a sum, if there is one already."""
        return self._known.get(("bracket", p.key))

    def argument(self, p: Polynomial) -> Polynomial:
        """What an operation is applied to, as a base that a derivative can be taken of."""
        if p.number is not None or p.single is not None:
            return p
        return whole(self.bracket(p, signed=False).bases().pop())

    def opened(self, p: Polynomial) -> Polynomial:
        """A multiple of a bracket as a sum."""
        if len(p.terms) == 1:
            (monomial, coefficient), = p.terms.items()
            base = p.scaled(1 / coefficient).single
            if base is not None and base.name is None and isinstance(
                    base.definition, Polynomial) and base not in self.deltas:
                return base.definition.scaled(coefficient)
        return p

    def sum(self, a: Polynomial, b: Polynomial) -> Polynomial:
        """``a + b``."""
        return self.opened(a) + self.opened(b)

    def product(self, a: Polynomial, b: Polynomial) -> Polynomial:
        """``a ⊙ b``."""
        if a.number is None and b.number is None:
            a, b = self.bracket(a), self.bracket(b)
        return a * b

    def power(self, p: Polynomial, exponent: Exponent) -> Polynomial | None:
        """``p^e``; None where it is not the power of anything."""
        if exponent == 1:
            return p
        if not p.terms:
            return p if exponent > 0 else None
        (monomial, coefficient), *more = p.terms.items()
        whole_number = exponent.denominator == 1
        if whole_number and p.number is not None:
            return number(1, p.shape).scaled(coefficient**int(exponent))
        summed = any(i >= SUMMED for f in monomial for i in f.indices)
        if whole_number and not more and summed and coefficient != 1:
            inner = self.power(p.scaled(1 / coefficient), exponent)
            assert inner is not None
            return inner.scaled(coefficient**int(exponent))
        simple = len(monomial) == 1 and coefficient == 1 and monomial[0].exponent % 2
        if not more and not summed and (whole_number or simple):
            new = [f._replace(exponent=f.exponent * exponent) for f in monomial]
            scale = coefficient**int(exponent) if whole_number else ONE
            return term(p.shape, new, scale)
        if whole_number and more:
            if exponent % 2 == 0 and p.terms[max(p.terms, key=leading)] < 0:
                p = -p
            return self.power(self.bracket(p), exponent)
        base = self.bracket(p, signed=False).single
        assert base is not None
        return whole(base, exponent)

    def contract(self, operands: Sequence[Polynomial], subscripts: str,
                 shape: Shape) -> Polynomial:
        """The sum of products that subscripts of `einsum` tell."""
        inputs, output = subscripts.split("->")
        labels = {c: i for i, c in enumerate(output)}
        lengths: dict[int, int] = {}
        operands = [p if p.number is not None else self.bracket(p) for p in operands]
        product = term(shape, ())
        for p, letters in zip(operands, inputs.split(","), strict=True):
            for c in letters:
                labels.setdefault(c, SUMMED + len(labels))
            indices = tuple(UNIT if n == 1 else labels[c]
                            for c, n in zip(letters, p.shape, strict=True))
            lengths |= dict(zip(indices, p.shape, strict=True))
            product = attached(product, p, indices)
        return contracted(product, lengths)

    # -- derivatives --------------------------------------------------------------------------

    def shares(self, g: Polynomial, p: Polynomial) -> list[tuple[Base, Polynomial]]:
        """What ``Σ g ⊙ dp`` gives for each occurrence of a base in p."""
        found = []
        outer = g if g.number is not None else self.bracket(g)
        for monomial, c in p.terms.items():
            for place, f in enumerate(monomial):
                rest = [*monomial[:place], *monomial[place + 1 :]]
                if f.exponent != 1:
                    rest.append(f._replace(exponent=f.exponent - 1))
                found.append((f.base, self._share(outer, p.shape, f, rest, c * f.exponent)))
        return found

    def _share(self, g: Polynomial, shape: Shape, f: Factor, rest: list[Factor],
               c: Fraction) -> Polynomial:
        # The indices of f become the axes of the result; all others are summed over.
        axes = whole_indices(f.base.shape)
        new = {i: SUMMED + 500 + i for i in range(len(shape))}
        new |= {i: 2 * SUMMED + 500 + i for i in range(SUMMED, SUMMED + 100)}
        equal = []
        for axis, i in zip(axes, f.indices, strict=True):
            if i == UNIT:
                continue
            if new.get(i, SUMMED) < SUMMED:  # an index that f has twice
                unit = self.unit_matrix(f.base.shape[axis]).single
                assert unit is not None
                equal.append(Factor(unit, (new[i], axis), 1))
            else:
                new[i] = axis
        new[UNIT] = UNIT
        moved = [Factor(r.base, tuple(new[i] for i in r.indices), r.exponent) for r in rest]
        product = Polynomial(f.base.shape, {(*moved, *equal): c})
        product = attached(product, g, tuple(
            UNIT if n == 1 else new[i] for i, n in enumerate(shape)))
        return contracted(product, {new[i]: n for i, n in enumerate(shape) if n != 1})


def is_number(array: Array) -> bool:
    """Whether an array holds one number everywhere, and no places that are picked by it."""
    return is_filled(array) and (array.dtype.kind == "f" or not array.ndim)


def content(p: Polynomial) -> Fraction:
    """The largest simple number that all coefficients are multiples of."""
    values = list(p.terms.values())
    if any(v.denominator > EXACT for v in values):
        return abs(values[0]) if len({abs(v) for v in values}) == 1 else ONE
    return Fraction(math.gcd(*(abs(v.numerator) for v in values)),
                    math.lcm(*(v.denominator for v in values)))


def is_mean(base: Base) -> bool:
    """Whether a base is a mean, or a multiple of a sum."""
    made = base.definition
    return isinstance(made, Polynomial) and all(
        any(not f.indices and f.exponent < 0 for f in m) for m in made.terms)


def leading(monomial: Monomial) -> tuple[Any, ...]:
    """A key that is large for what is written first: much computed, of many factors, made first."""
    computed = any(f.base.definition is not None and not is_mean(f.base) for f in monomial)
    plain = all(f.indices for f in monomial)
    return plain, len(monomial) > 1 or computed, len(monomial), [-f.base.number for f in monomial]
