"""The values of bases and polynomials, at the recorded numbers and at others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.explanation.algebra.monomial import SUMMED, UNIT, Base, Exponent, Monomial, Shape
from tinygrad_mlp.explanation.algebra.order import in_order
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial


class BaseValues:
    """The values of bases and polynomials, for given values of those without a definition."""

    def __init__(self, given: Mapping[Base, Any] | None = None) -> None:
        self.known: dict[Base, Any] = dict(given or {})

    def of_base(self, base: Base) -> Array:
        """The value of a base."""
        for b in () if base in self.known else in_order([base], Base.parts, self.known):
            self.known[b] = self._computed(b)
        value: Array = self.known[base]
        return value

    def _computed(self, base: Base) -> Any:
        made = base.call
        if base.polynomial is not None:
            return self.of(base.polynomial)
        if made is None:
            return base.value
        args = [None if a is None else self.of(a) for a in made.args]
        out = made.op.forward(*args, **made.static)
        return np.asarray(out[made.index] if made.op.outputs > 1 else out)

    def of(self, polynomial: Polynomial) -> Array:
        """The value of a polynomial."""
        base = polynomial.single
        if base is not None:
            return np.asarray(self.of_base(base))
        total: Any = 0  # whole numbers stay whole: they may be places
        for m, c in polynomial.terms.items():
            number = c.numerator if c.denominator == 1 else float(c)
            total = total + number * self._product(m, polynomial.shape)
        return np.broadcast_to(total, polynomial.shape)

    def _product(self, monomial: Monomial, shape: Shape) -> Any:
        free = [i for i in range(len(shape)) if any(i in f.indices for f in monomial)]
        operands: dict[Sequence[int], Any] = {}
        for f in monomial:
            value = self.of_base(f.base)
            kept = tuple(0 if i == UNIT else slice(None) for i in f.indices)
            value = np.asarray(value)[kept]
            if value.dtype == bool:
                value = value.astype(float)  # the sum of conditions is a count
            value = value if f.exponent == 1 else power(value, f.exponent)
            places = tuple(i if i < SUMMED else i - SUMMED + 26 for i in f.indices if i != UNIT)
            operands[places] = operands[places] * value if places in operands else value
        if not operands:
            return 1
        pairs = (part for places, value in operands.items() for part in (value, places))
        out = np.einsum(*pairs, free, optimize=len(operands) > 2)
        return out.reshape([n if i in free else 1 for i, n in enumerate(shape)])


def power(value: Any, exponent: Exponent) -> Any:
    """A power, as NumPy computes it."""
    value = np.asarray(value, float)
    return value ** (int(exponent) if exponent.denominator == 1 else float(exponent))


def random_point(bases: Sequence[Base], seed: int) -> BaseValues:
    """Other values for all leaves, of the same signs; those whose sums are known keep theirs.

    Zeros become random numbers, or all that they are multiplied with would seem to vanish.
    """
    rng = np.random.default_rng(seed)
    given = {}
    for base in bases:
        if base.definition is None and base.shape and not base.sums and base.number and (
                np.asarray(base.value).dtype.kind == "f"):
            other = base.value * rng.uniform(0.8, 1.25, base.shape)
            given[base] = np.where(base.value == 0, rng.normal(size=base.shape), other)
    return BaseValues(given)
