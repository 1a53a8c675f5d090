"""The bases of one derivation, each different one made once, and products and powers of sums."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.explanation.algebra.monomial import (
    ONE,
    SUMMED,
    UNIT,
    UNIT_MATRIX,
    AppliedOp,
    Base,
    Exponent,
    Factor,
    Monomial,
    Shape,
)
from tinygrad_mlp.explanation.algebra.numbers import NICE, Meanings, Numbers, is_number, number
from tinygrad_mlp.explanation.algebra.polynomial import (
    Polynomial,
    contracted,
    term,
    whole,
    whole_indices,
)
from tinygrad_mlp.graph_view.names import Name


class Quantities(Numbers):
    """Makes bases and polynomials.

    `deltas` are brackets that are derivatives, by the base that they are the derivative of: long
    ones will get names. `defined` are bases with names by the keys of their definitions. `parts`
    are arrays and axes that parts have their known sums from.
    """

    def __init__(self, meanings: Meanings) -> None:
        super().__init__(meanings)
        self.deltas: dict[Base, Base] = {}
        self.defined: dict[Any, Base] = {}
        self.parts: dict[tuple[Base, int], tuple[Base, int]] = {}
        self.unit_matrix(1)  # the first base of all

    def unit_matrix(self, n: int) -> Polynomial:
        """The unit matrix."""
        if ("I", n) not in self._known:
            made = self.base((n, n), None, np.eye(n))
            made.number = UNIT_MATRIX
            made.name = Name("I", "I")
            self._known["I", n] = made
        return whole(self._known["I", n])

    def constant(self, array: Any) -> Polynomial:
        """An array that a rule brings in, or a Python number."""
        array = np.asarray(array)
        if is_number(array) and np.isfinite(array.flat[0]):
            return number(array.flat[0], array.shape)
        n = array.shape[0] if array.ndim == 2 else 0
        if array.shape == (n, n) and (array == np.eye(n)).all():
            return self.unit_matrix(n)
        if array.dtype.kind == "f" and (array <= 0).all():
            return -self.constant(np.abs(array))
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
                made = AppliedOp(op, tuple(args), dict(static), output)
                self._known[(*start, output)] = self.base((), made)
        base = self._known[(*start, index)]
        base.shape = shape
        if op is ops.softmax and isinstance(static["axis"], int):
            base.sums = {static["axis"] % len(shape): 1}
        source = args[0].single if op is ops.getitem and args[0] is not None else None
        if source is not None and source.sums:
            self._note_part(base, source, static["template"])
        return whole(base)

    def _note_part(self, base: Base, source: Base, template: Sequence[Any]) -> None:
        """Note the sums of a part of an array along axes that it has as a whole."""
        cuts = cuts_of(template, len(source.shape))
        if all(isinstance(cut, (int, slice)) for cut in cuts.values()):
            kept = [i for i in range(len(source.shape)) if not isinstance(cuts.get(i), int)]
            for axis, old in enumerate(kept):
                if old in source.sums and old not in cuts:
                    base.sums[axis] = source.sums[old]
                    self.parts[base, axis] = self.parts.get((source, old), (source, old))

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
        base = inside.single or self.known_bracket(inside)
        if base is None:
            base = self._known["bracket", inside.key] = self.base(shape, inside)
        return term(p.shape, [Factor(base, whole_indices(shape), 1)], outside)

    def outside(self, p: Polynomial) -> Fraction:
        """The number that all terms have; negative if the bracket with the other signs is known."""
        size = content(p)
        known = self.known_bracket(p.scaled(-1 / size)) is not None
        return -size if known or all(c < 0 for c in p.terms.values()) else size

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
            if base is not None and base.is_bracket and base not in self.deltas:
                opened: Polynomial = base.polynomial.scaled(coefficient)
                return opened
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
        whole_number, scale = exponent.denominator == 1, ONE
        if whole_number:
            if len(p.terms) > 1:
                if exponent % 2 == 0 and p.terms[max(p.terms, key=leading)] < 0:
                    p = -p
                p = self.bracket(p)
            (number,) = p.terms.values()
            p, scale = p.scaled(1 / number), number**int(exponent)
        (monomial, coefficient), *more = p.terms.items()
        summed = any(i >= SUMMED for f in monomial for i in f.indices)
        simple = len(monomial) == 1 and coefficient == 1 and monomial[0].exponent % 2
        if not more and not summed and (whole_number or simple):
            new = [f._replace(exponent=f.exponent * exponent) for f in monomial]
            return term(p.shape, new, scale)
        base = self.bracket(p, signed=False).single
        assert base is not None
        return whole(base, exponent).scaled(scale)

    def contract(self, operands: Sequence[Polynomial], subscripts: str,
                 shape: Shape) -> Polynomial:
        """The sum of products that subscripts of `einsum` tell."""
        inputs, output = subscripts.split("->")
        letters = dict.fromkeys(c for c in inputs if c != "," and c not in output)
        labels = dict(zip((*output, *letters), (*range(len(output)), *range(
            SUMMED, SUMMED + len(letters))), strict=True))
        return contracted(shape, [
            (p if p.number is not None else self.bracket(p), [labels[c] for c in term])
            for p, term in zip(operands, inputs.split(","), strict=True)])

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
        new = {i: SUMMED + 500 + i for i in range(len(shape))} | {UNIT: UNIT}
        new |= {i: i for h in rest for i in h.indices if i >= SUMMED}
        operands: list[tuple[Polynomial, list[int]]] = [(g, [])]
        for axis, i in enumerate(f.indices):
            if new.get(i, SUMMED) < SUMMED and i != UNIT:  # an index that f has twice
                operands.append((self.unit_matrix(f.base.shape[axis]), [new[i], axis]))
            elif i != UNIT:
                new[i] = axis
        operands[0] = g, [new[i] for i in range(len(shape))]
        operands += [(whole(h.base, h.exponent), [new[i] for i in h.indices]) for h in rest]
        return contracted(f.base.shape, operands, c)


def cuts_of(template: Sequence[object], ndim: int) -> dict[int, object]:
    """What an index takes of each axis that it does not take whole."""
    place = template.index(Ellipsis) if Ellipsis in template else len(template)
    rest = template[place + 1 :]
    whole = [slice(None)] * (ndim - place - len(rest))
    return {axis: cut for axis, cut in enumerate((*template[:place], *whole, *rest))
            if cut != slice(None)}


def content(p: Polynomial) -> Fraction:
    """The largest simple number that all coefficients are multiples of."""
    values = list(p.terms.values())
    if any(v.denominator > NICE for v in values):
        return abs(values[0]) if len({abs(v) for v in values}) == 1 else ONE
    return Fraction(math.gcd(*(abs(v.numerator) for v in values)),
                    math.lcm(*(v.denominator for v in values)))


def is_mean(base: Base) -> bool:
    """Whether a base is a mean, or a multiple of a sum."""
    made = base.polynomial
    return made is not None and all(
        any(not f.indices and f.exponent < 0 for f in m) for m in made.terms)


def leading(monomial: Monomial) -> tuple[Any, ...]:
    """A key that is large for what is written first: much computed, of many factors, made first."""
    computed = any(f.base.definition is not None and not is_mean(f.base) for f in monomial)
    plain = all(f.indices for f in monomial)
    return plain, len(monomial) > 1 or computed, len(monomial), [-f.base.number for f in monomial]
