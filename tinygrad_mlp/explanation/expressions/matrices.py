"""Polynomials as one writes them: products of matrices, elementwise products, sums.

Where a monomial is neither an elementwise product nor one of matrices (see `networks`), it stays in
index notation. What comes out is an `Expression`, which is evaluated by NumPy's own functions on
arrays of the original shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import OPS, Op
from tinygrad_mlp.explanation.algebra.monomial import (
    ONE,
    SUMMED,
    UNIT,
    UNIT_MATRIX,
    Base,
    Factor,
    Monomial,
    Shape,
)
from tinygrad_mlp.explanation.algebra.numbers import HALF
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial
from tinygrad_mlp.explanation.algebra.quantities import leading
from tinygrad_mlp.explanation.expressions.expression import Application, Expression, Number, Symbol
from tinygrad_mlp.explanation.expressions.indices import (
    index_sum,
    indexed,
    is_moving,
    is_spread,
    moving,
    overlapping,
    parts_along_an_axis,
    spread,
)
from tinygrad_mlp.explanation.expressions.making import (
    apply,
    hadamard,
    is_made_by,
    norm,
    norm2,
    quotient,
    shaped,
    side_by_side,
    transposed,
)
from tinygrad_mlp.explanation.expressions.networks import Network, part
from tinygrad_mlp.graph_view.names import Name, name

PLACES = (ops.argsort, ops.argpartition, ops.argmax, ops.argmin, ops.searchsorted)
"""Operations whose results are places in an array."""
POWERS = {Fraction(2): ops.square, HALF: ops.sqrt}
"""Operations that powers are written as."""
SMALL = Fraction(1, 1000)
"""A number up to which one stands last, as in √(v + 10⁻⁵)."""
NICE = 1000
"""The largest denominator that is written as a fraction and not as a decimal number."""


class Writer:
    """Writes polynomials as expressions.

    `symbols` are those of bases that have names. For the definition of another base, what `inner`
    makes of it is written. `sigmoid` is the operation that the sigmoid is written as.
    """

    def __init__(self, inner: Callable[[Polynomial], Polynomial], sigmoid: Op) -> None:
        self.symbols: dict[Base, Symbol] = {}
        self.inner = inner
        self.sigmoid = sigmoid
        self._written: dict[Base, Expression] = {}

    def symbol(self, base: Base) -> Symbol | None:
        """The symbol of a base that has a name."""
        if base.name is None:
            return None
        if base not in self.symbols:
            dtype = getattr(base.value, "dtype", float)
            self.symbols[base] = Symbol(base.name, base.shape, dtype, value=base.value)
        return self.symbols[base]

    # -- sums ---------------------------------------------------------------------------------

    def expression(self, p: Polynomial) -> Expression:
        """A polynomial, in its own shape."""
        if p.single is not None:
            return self.base(p.single)
        total = self.sum(p)
        if total.shape == p.shape:
            return total
        if isinstance(total, Number):
            return Number(total.number, p.shape, float)
        return apply(ops.broadcast_to, p.shape, total, shape=p.shape)

    def sum(self, p: Polynomial) -> Expression:
        """A polynomial, in a shape that is broadcast to its own."""
        axis, join, pieces = parts_along_an_axis(p)
        if len(pieces) > 1:
            return apply(side_by_side, p.shape, *(
                self.expression(self.inner(piece)) for piece in pieces), axis=axis, join=join)
        terms = sorted(p.terms.items(), key=lambda t: (
            not t[0] and abs(t[1]) > SMALL, bool(t[0]), leading(t[0])), reverse=True)
        terms.sort(key=lambda t: t[1] < 0)
        if not terms:
            return Number(0.0, p.shape, float) if p.shape else Number(0)
        parts = [self.monomial(monomial, abs(c), p.shape) for monomial, c in terms]
        turned = len(parts) > 1 and all(
            is_made_by(ops.transpose, e) and e.shape == p.shape for e in parts)
        if turned:  # (A − B)ᵀ for Aᵀ − Bᵀ
            parts = [transposed(e) for e in parts]
        total: Expression | None = None
        for written, (_, coefficient) in zip(parts, terms, strict=True):
            if total is None:
                total = apply(ops.negative, written.shape, written) if (
                    coefficient < 0) else written
                continue
            shape = np.broadcast_shapes(total.shape, written.shape)
            total = apply(ops.add if coefficient > 0 else ops.subtract, shape, total, written)
        assert total is not None
        return transposed(total) if turned else total

    def base(self, base: Base) -> Expression:
        """A base, by its name or written out."""
        return self.symbol(base) or self.written_out(base)

    def written_out(self, base: Base) -> Expression:
        """The definition of a base."""
        if base not in self._written:
            self._written[base] = self.correlated(base) or self._written_out(base)
        return self._written[base]

    def _written_out(self, base: Base) -> Expression:
        made = base.call
        if base.polynomial is not None:
            return self.expression(self.inner(base.polynomial))
        if made is None:
            return Number(base.value) if not base.shape else (
                Symbol(name(f"c{base.number}"), base.shape, float, value=base.value))
        args = [None if a is None else self.expression(a) for a in made.args]
        join = {OPS["concatenate"]: np.concatenate, OPS["stack"]: np.stack}.get(made.op)
        if join is not None:
            return apply(side_by_side, base.shape, *(a for a in args if a is not None),
                         axis=made.static["axis"] % len(base.shape), join=join)
        op = self.sigmoid if made.op is ops.sigmoid else made.op
        return Application(op, args, dict(made.static), base.shape, float, made.index)

    def definition(self, base: Base) -> Expression:
        """The right side of the equation of a base with a name."""
        made = base.polynomial
        return self.written_out(base) if made is None else self.expression(self.inner(made))

    def gradient(self, name: Name, made: Expression, dtype: Any) -> Symbol:
        """A gradient, of the type of elements that it has to have."""
        if isinstance(made, Number) or made.dtype != dtype or dtype.itemsize < 8:
            made = apply(ops.astype, made.shape, made, dtype=dtype)
        return Symbol(name, made.shape, made.dtype, definition=made)

    # -- monomials ----------------------------------------------------------------------------

    def monomial(self, monomial: Monomial, coefficient: Fraction, shape: Shape) -> Expression:
        """A monomial, in a shape that is broadcast to the one given."""
        scalars = [f for f in monomial if all(i == UNIT for i in f.indices)]
        rest = [f for f in monomial if f not in scalars]
        if not rest:
            return self.scalar(scalars, coefficient) or Number(1)
        written = self.natural(rest, shape)
        if written is None:
            counted = next((f for f in scalars if f.exponent == -1
                            and f.base.definition is None), None)
            network = Network([part(f, self.power(f)) for f in rest],
                              None if counted is None else counted.base.value)
            written = network.expression(shape)
            if counted is not None and written is not None and network.mean_of is None:
                scalars.remove(counted)  # it is a part of the mean
            written = written or self.stacked(rest, shape) or self.indexed(rest, shape)
        factor = self.scalar(scalars, coefficient)
        return written if factor is None else hadamard(factor, written)

    def scalar(self, factors: Sequence[Factor], coefficient: Fraction) -> Expression | None:
        """The product of a number and of factors without axes; None for 1."""
        above, below = coefficient.numerator, coefficient.denominator
        numbers = [(Number(above), False), (Number(below), True)]
        if below > NICE:
            numbers = [(Number(float(coefficient)), False)]
        parts: list[tuple[Expression, bool]] = [p for p in numbers if p[0].number != 1]
        parts += [(shaped(self.power(f), ()), f.exponent < 0) for f in factors]
        if parts and all(below for _, below in parts):
            parts.insert(0, (Number(1), False))
        return quotient(parts) if parts else None

    def power(self, f: Factor) -> Expression:
        """A factor with the absolute value of its exponent, in the shape of its base."""
        e, exponent = self.base(f.base), abs(Fraction(f.exponent))
        made = f.base.call
        if made is not None and made.op.nondifferentiable and made.op not in PLACES:
            e = apply(ops.astype, e.shape, e, dtype=np.dtype(float))  # of conditions, a count
        if is_made_by(norm2, e) and exponent != 1:
            e, exponent = apply(norm, (), *e.parts()), 2 * exponent
        if exponent == 1:
            return e
        if exponent in POWERS:
            return apply(POWERS[exponent], e.shape, e)
        whole = exponent.denominator == 1
        value = Number(int(exponent) if whole else float(exponent))
        return apply(ops.power, e.shape, e, value)

    def natural(self, factors: Sequence[Factor], shape: Shape) -> Expression | None:
        """Factors that NumPy multiplies element by element as they are; None for others."""
        n = len(shape)
        for f in factors:
            start = n - len(f.indices)
            if any(i not in (UNIT, start + place) for place, i in enumerate(f.indices)):
                return None
        sets = [{i for i in f.indices if i != UNIT} for f in factors]
        unit = len(factors) > 1 and any(f.base.number == UNIT_MATRIX for f in factors)
        if unit or set().union(*sets) not in sets:
            return None  # NumPy would repeat each along the axis of another: an outer product
        made = quotient([(self.power(f), f.exponent < 0) for f in factors])
        return made if made.ndim <= n else shaped(made, made.shape[made.ndim - n :])

    def indexed(self, factors: Sequence[Factor], shape: Shape) -> Expression:
        """In index notation."""
        static, axes = indexed(factors, shape)
        operands = [self.operand(f) for f in factors]
        lengths = tuple(shape[i] for i in axes)
        total = apply(index_sum, lengths, *operands, **static)
        return shaped(total, tuple(n if i in axes else 1 for i, n in enumerate(shape)))

    def stacked(self, factors: Sequence[Factor], shape: Shape) -> Expression | None:
        """The product of each matrix of a stack with one matrix; None for other products."""
        n = len(shape)
        for a, b in permutations(factors) if n > 2 and len(factors) == 2 else ():
            s = a.indices[-1]
            if s >= SUMMED and a.indices[:-1] == (*range(n - 1),) and b.indices in (
                    (s, n - 1), (n - 1, s)):
                right = self.power(b) if b.indices[0] == s else transposed(self.power(b))
                return apply(ops.matmul, shape, self.power(a), right)
        return None

    def operand(self, f: Factor) -> Expression:
        """A factor without its exponent, without axes of length 1."""
        made = f.base.call
        if made is not None and is_moving(f):
            e = apply(moving, f.base.shape, self.expression(made.args[0]), **made.static)
        elif made is not None and is_spread(f):
            e = apply(spread, f.base.shape, self.expression(made.args[0]),
                      size=made.static["size"], alone=False)
        else:
            e = self.power(f._replace(exponent=1))
        return shaped(e, tuple(
            n for n, i in zip(f.base.shape, f.indices, strict=True) if i != UNIT))

    def correlated(self, base: Base) -> Expression | None:
        """The sum of windows that overlap, of products of arrays with names, in index notation."""
        made = base.called(ops.fold)
        if made is None:
            return None
        p, static = made.args[0], made.static
        if p.single is not None and p.single.is_bracket:
            p = self.inner(p.single.polynomial)
        monomial, c = next(iter(p.terms.items()), ((), ONE))
        if len(p.terms) != 1 or tuple(static["stride"]) != (1, 1):
            return None
        written = overlapping(monomial, p.shape)
        lengths = [n for n in p.shape[:-4] if n != 1] + list(base.shape[-2:])
        if written is None or len(lengths) != len(base.shape) - p.shape[:-4].count(1):
            return None
        operands = [self.operand(f) for f in monomial]
        total = apply(index_sum, tuple(lengths), *operands, shape=static["shape"],
                      size=static["size"], **written)
        factor = self.scalar([], c)
        total = shaped(total, base.shape)
        return total if factor is None else hadamard(factor, total)
