"""Polynomials as one writes them: products of matrices, elementwise products, sums.

A monomial is a network of factors that indices connect. A summed index with one neighbour is a
product ``M v`` or a sum over rows, one with two is a product ``A diag(v) B``; where a monomial is
no product of matrices, it stays in index notation. What comes out is an `Expression`, which is
evaluated by NumPy's own functions on arrays of the original shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import Op, op
from tinygrad_mlp.explanation.algebra import Algebra, diag, in_shape
from tinygrad_mlp.explanation.expression import Application, Expression, Number, Shape, Symbol
from tinygrad_mlp.explanation.indices import (
    correlation,
    index_sum,
    indexed,
    is_moving,
    moving,
    overlapping,
)
from tinygrad_mlp.explanation.polynomial import (
    SUMMED,
    UNIT,
    UNIT_MATRIX,
    Base,
    Factor,
    Monomial,
    OpCall,
    Polynomial,
)
from tinygrad_mlp.explanation.quantities import leading
from tinygrad_mlp.graph_view.names import Name, name

PLACES = (ops.argsort, ops.argpartition, ops.argmax, ops.argmin, ops.searchsorted)
"""Operations whose results are places in an array."""
NICE = 1000
"""The largest denominator that is written as a fraction and not as a decimal number."""


@op(register=False, latex=r"\left\Vert {a} \right\Vert^2")
def norm2(a: Any) -> Any:
    """The sum of squares."""
    return np.sum(np.square(a))


@op(register=False, latex=r"{a}^{{-\top}}")
def inverse_transposed(a: Any) -> Any:
    """The transpose of the inverse."""
    return np.linalg.inv(a).T


@op(register=False, latex=lambda a, axis: rf"\mathrm{{mean}}_{axis}({a})")
def mean_along(a: Any, *, axis: int) -> Any:
    """The mean over an axis, which is kept with length 1."""
    return np.mean(a, axis=axis, keepdims=True)


class Part(NamedTuple):
    """A matrix whose rows and columns are the places of two indices, None for no index.

    `below` says that it is to be divided by, `spread` that NumPy repeats it as it is along the axis
    that it does not have.
    """

    expression: Expression
    rows: int | None
    columns: int | None
    below: bool = False
    spread: bool = False

    @property
    def indices(self) -> frozenset[int]:
        """Its indices."""
        return frozenset(i for i in (self.rows, self.columns) if i is not None)


class Writer:
    """Writes polynomials as expressions.

    `symbols` are those of bases that have names. For the definition of another base, what `inner`
    makes of it is written.
    """

    def __init__(self, inner: Callable[[Polynomial], Polynomial]) -> None:
        self.symbols: dict[Base, Symbol] = {}
        self.inner = inner
        self.algebra = Algebra()
        self.mean_of: float | None = None
        self._written: dict[Base, Expression] = {}

    def symbol(self, base: Base) -> Symbol | None:
        """The symbol of a base that has a name."""
        if base.name is None:
            return None
        if base not in self.symbols:
            dtype = getattr(base.value, "dtype", float)
            self.symbols[base] = Symbol(base.name, base.shape, dtype, value=base.value)
        return self.symbols[base]

    # -- making expressions -------------------------------------------------------------------

    def made(self, op: Op, shape: Shape, /, *args: Expression, **static: Any) -> Expression:
        """An application of an operation."""
        floats = [a.dtype for a in args if a.dtype.kind == "f" and (
            not isinstance(a, Number) or a.shape)]
        dtype = np.result_type(*floats) if floats else float
        return self.algebra.apply(op, args, static, shape, dtype)

    def shaped(self, e: Expression, shape: Shape) -> Expression:
        """The same elements in another shape, written the same."""
        if isinstance(e, Application) and e.op is in_shape:
            (e,) = e.parts()
        return e if e.shape == shape else self.made(in_shape, shape, e, shape=shape)

    def transposed(self, e: Expression) -> Expression:
        """The transpose of a matrix; that of a product is a product."""
        if isinstance(e, Application):
            if e.op is ops.transpose:
                return e.parts()[0]
            if e.op is ops.matmul:
                a, b = e.parts()
                return self.matmul(self.transposed(b), self.transposed(a))
            if e.op is diag:
                return e
        if isinstance(e, Symbol) and e.name.text == "I":
            return e
        if isinstance(e, Application) and e.op is ops.inv:
            return self.made(inverse_transposed, e.shape, *e.parts())
        return self.made(ops.transpose, e.shape[::-1], e, axes=None)

    def matmul(self, a: Expression, b: Expression) -> Expression:
        """The product of two matrices, bracketed from the left."""
        if isinstance(b, Application) and b.op is ops.matmul:
            first, last = b.parts()
            return self.matmul(self.matmul(a, first), last)
        return self.made(ops.matmul, (a.shape[0], b.shape[1]), a, b)

    def hadamard(self, *factors: Expression) -> Expression:
        """The elementwise product."""
        total = factors[0]
        for f in factors[1:]:
            total = self.made(ops.multiply, np.broadcast_shapes(total.shape, f.shape), total, f)
        return total

    def ones(self, shape: Shape) -> Expression:
        """A vector of ones."""
        return self.algebra.number(1.0, shape, float)

    # -- sums ---------------------------------------------------------------------------------

    def expression(self, p: Polynomial) -> Expression:
        """A polynomial, in its own shape."""
        if p.single is not None:
            return self.base(p.single)
        total = self.sum(p)
        if total.shape == p.shape:
            return total
        return self.made(ops.broadcast_to, p.shape, total, shape=p.shape)

    def sum(self, p: Polynomial) -> Expression:
        """A polynomial, in a shape that is broadcast to its own."""
        terms = sorted(p.terms.items(), key=lambda t: (t[1] < 0, *_order(t[0])))
        if not terms:
            return self.algebra.number(0.0, p.shape, float) if p.shape else self.algebra.number(0)
        parts = [self.monomial(monomial, abs(c), p.shape) for monomial, c in terms]
        turned = len(parts) > 1 and all(is_transposed(e) and e.shape == p.shape for e in parts)
        if turned:  # (A − B)ᵀ for Aᵀ − Bᵀ
            parts = [self.transposed(e) for e in parts]
        total: Expression | None = None
        for written, (_, coefficient) in zip(parts, terms, strict=True):
            if total is None:
                total = self.made(ops.negative, written.shape, written) if (
                    coefficient < 0) else written
                continue
            shape = np.broadcast_shapes(total.shape, written.shape)
            total = self.made(ops.add if coefficient > 0 else ops.subtract, shape, total, written)
        assert total is not None
        return self.transposed(total) if turned else total

    def base(self, base: Base) -> Expression:
        """A base, by its name or written out."""
        return self.symbol(base) or self.written_out(base)

    def written_out(self, base: Base) -> Expression:
        """The definition of a base."""
        if base not in self._written:
            made = base.definition
            overlap = self.correlated(base) if isinstance(made, OpCall) else None
            if overlap is not None:
                self._written[base] = overlap
            elif isinstance(made, OpCall):
                args = [None if a is None else self.expression(a) for a in made.args]
                self._written[base] = self.algebra.apply(
                    made.op, args, dict(made.static), base.shape, float, made.index)
            elif made is None:
                self._written[base] = self.algebra.number(base.value) if not base.shape else (
                    Symbol(base.name or _anonymous(base), base.shape, float, value=base.value))
            else:
                self._written[base] = self.expression(self.inner(made))
        return self._written[base]

    def definition(self, base: Base) -> Expression:
        """The right side of the equation of a base with a name."""
        made = base.definition
        if isinstance(made, Polynomial):
            return self.expression(self.inner(made))
        return self.written_out(base)

    def gradient(self, name: Name, made: Expression, dtype: Any) -> Symbol:
        """A gradient, of the type of elements that it has to have."""
        if isinstance(made, Number) or made.dtype != dtype or dtype.itemsize < 8:
            made = self.made(ops.astype, made.shape, made, dtype=dtype)
        return Symbol(name, made.shape, made.dtype, definition=made)

    # -- monomials ----------------------------------------------------------------------------

    def monomial(self, monomial: Monomial, coefficient: Fraction, shape: Shape) -> Expression:
        """A monomial, in a shape that is broadcast to the one given."""
        scalars = [f for f in monomial if all(i == UNIT for i in f.indices)]
        rest = [f for f in monomial if f not in scalars]
        factor = self.scalar(scalars, coefficient)
        if not rest:
            return self.algebra.number(1) if factor is None else factor
        written = self.natural(rest, shape)
        if written is None:
            counted = next((f.base.value for f in scalars if f.exponent == -1
                            and f.base.definition is None), None)
            written = self.network(rest, shape, counted)
            if written is not None and counted is not None and self.mean_of is None:
                gone = next(f for f in scalars if f.exponent == -1 and f.base.value == counted)
                factor = self.scalar([f for f in scalars if f is not gone], coefficient)
            written = written or self.indexed(rest, shape)
        return written if factor is None else self.hadamard(factor, written)

    def scalar(self, factors: Sequence[Factor], coefficient: Fraction) -> Expression | None:
        """The product of a number and of factors without axes; None for 1."""
        above, below = coefficient.numerator, coefficient.denominator
        if below > NICE:
            above, below = 1, 1
        numbers: list[Expression] = [] if above == 1 else [self.algebra.number(above)]
        if coefficient.denominator > NICE:
            numbers = [self.algebra.number(float(coefficient))]
        upper = numbers + [self.power(f) for f in factors if f.exponent > 0]
        lower: list[Expression] = [] if below == 1 else [self.algebra.number(below)]
        lower += [self.power(f) for f in factors if f.exponent < 0]
        upper = [self.shaped(e, ()) for e in upper]
        lower = [self.shaped(e, ()) for e in lower]
        if not lower:
            return self.hadamard(*upper) if upper else None
        top = self.hadamard(*upper) if upper else self.algebra.number(1)
        return self.made(ops.divide, (), top, self.hadamard(*lower))

    def power(self, f: Factor) -> Expression:
        """A factor with the absolute value of its exponent, in the shape of its base."""
        e, exponent = self.base(f.base), abs(Fraction(f.exponent))
        made = f.base.definition
        if isinstance(made, OpCall) and made.op.nondifferentiable and made.op not in PLACES:
            e = self.made(ops.astype, e.shape, e, dtype=np.dtype(float))  # of conditions, a count
        if exponent == 1:
            return e
        if exponent == 2:
            return self.made(ops.square, e.shape, e)
        if exponent == Fraction(1, 2):
            return self.made(ops.sqrt, e.shape, e)
        whole = exponent.denominator == 1
        value = self.algebra.number(int(exponent) if whole else float(exponent))
        return self.made(ops.power, e.shape, e, value)

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
        made = self._quotient([(self.power(f), f.exponent < 0) for f in factors])
        return made if made.ndim <= n else self.shaped(made, made.shape[made.ndim - n :])

    def _quotient(self, factors: Sequence[tuple[Expression, bool]]) -> Expression:
        upper = [e for e, below in factors if not below]
        lower = [e for e, below in factors if below]
        if not lower:
            return self.hadamard(*upper)
        divisor = self.hadamard(*lower)
        if not upper:
            return self.made(ops.reciprocal, divisor.shape, divisor)
        top = self.hadamard(*upper)
        return self.made(ops.divide, np.broadcast_shapes(top.shape, divisor.shape), top, divisor)

    def indexed(self, factors: Sequence[Factor], shape: Shape) -> Expression:
        """In index notation."""
        static, axes = indexed(factors, shape)
        operands = []
        for f in factors:
            kept = tuple(n for n, i in zip(f.base.shape, f.indices, strict=True) if i != UNIT)
            made = f.base.definition
            if is_moving(f) and isinstance(made, OpCall) and made.args[0] is not None:
                e = self.made(moving, f.base.shape, self.expression(made.args[0]), **made.static)
            else:
                e = self.power(f._replace(exponent=1))
            operands.append(self.shaped(e, kept))
        lengths = tuple(shape[i] for i in axes)
        total = self.made(index_sum, lengths, *operands, **static)
        return self.shaped(total, tuple(n if i in axes else 1 for i, n in enumerate(shape)))

    def correlated(self, base: Base) -> Expression | None:
        """The sum of windows that overlap, of products of arrays with names, in index notation."""
        made = base.definition
        if not isinstance(made, OpCall) or made.op is not ops.fold or made.args[0] is None:
            return None
        p, static = made.args[0], made.static
        monomial = next(iter(p.terms), ())
        if len(p.terms) != 1 or p.terms[monomial] != 1 or tuple(static["stride"]) != (1, 1):
            return None
        written = overlapping(monomial, p.shape)
        lengths = [n for n in p.shape[:-4] if n != 1] + list(base.shape[-2:])
        if written is None or len(lengths) != len(base.shape) - p.shape[:-4].count(1):
            return None
        operands = [self.shaped(self.power(f._replace(exponent=1)), tuple(
            n for n, i in zip(f.base.shape, f.indices, strict=True) if i != UNIT))
            for f in monomial]
        total = self.made(correlation, tuple(lengths), *operands, shape=static["shape"],
                          size=static["size"], **written)
        return self.shaped(total, base.shape)

    # -- networks of matrices -----------------------------------------------------------------

    def network(self, factors: Sequence[Factor], shape: Shape,
                counted: float | None) -> Expression | None:
        """A monomial as a product of matrices; None if it is none.

        There is a factor ``1 / counted``. Where it belongs to a mean, `mean_of` becomes None.
        """
        free = [i for i, n in enumerate(shape) if n != 1]
        parts = [self.part(f) for f in factors]
        if len(free) > 2 or any(part is None for part in parts):
            return None
        self.mean_of = counted
        found = self.without_sums([part for part in parts if part is not None])
        if found is None:
            return None
        rows = None if len(shape) > 1 and shape[-1] != 1 and len(free) == 1 else (
            free[0] if free else None)
        columns = None if len(free) < 2 and rows is not None else free[-1] if free else None
        return self.outer(found, rows, columns, shape)

    def part(self, f: Factor) -> Part | None:
        """A factor as a matrix; None if it has more than two indices."""
        kept = [(i, n) for i, n in zip(f.indices, f.base.shape, strict=True) if i != UNIT]
        e, below = self.power(f), f.exponent < 0
        if len(kept) == 2 and kept[0][0] == kept[1][0]:
            e = self.made(ops.diagonal, kept[0][1:], self.shaped(e, (kept[0][1],) * 2),
                          offset=0, axis1=0, axis2=1)
            return Part(self.shaped(e, (kept[0][1], 1)), kept[0][0], None, below)
        if len(kept) == 2:
            return Part(self.shaped(e, tuple(n for _, n in kept)), kept[0][0], kept[1][0], below)
        if len(kept) != 1:
            return None
        (i, n), = kept
        if len(f.indices) > 1 and f.indices[-1] == i:
            return Part(self.shaped(e, (1, n)), None, i, below, True)
        return Part(self.shaped(e, (n, 1)), i, None, below, len(f.indices) > 1)

    def turned(self, part: Part, rows: int | None, columns: int | None) -> Expression:
        """The matrix of a part with the rows and columns that are wanted."""
        if (part.rows, part.columns) == (rows, columns):
            return part.expression
        return self.transposed(part.expression)

    def merged(self, parts: Sequence[Part], rows: int | None, columns: int | None) -> Expression:
        """The elementwise product of parts with the same indices."""
        ordered = sorted(parts, key=lambda p: not _is_product(p.expression))
        plain = [p for p in parts if not _is_product(p.expression)] or parts
        straight = sum((p.rows, p.columns) == (rows, columns) for p in plain)
        if 2 * straight < len(plain):
            return self.transposed(self._quotient(
                [(self.turned(p, columns, rows), p.below) for p in ordered]))
        return self._quotient([(self.turned(p, rows, columns), p.below) for p in ordered])

    def without_sums(self, parts: list[Part]) -> list[Part] | None:
        """Carries out the sums, that with the fewest neighbours first."""
        while True:
            summed = {i for p in parts for i in p.indices if i >= SUMMED}
            if not summed:
                return parts
            touching = {s: [p for p in parts if s in p.indices] for s in summed}
            near = {s: sorted({i for p in touching[s] for i in p.indices} - {s}) for s in summed}
            s = min(summed, key=lambda s: (len(near[s]), s))
            if len(near[s]) > 2:
                return None
            result = self.carried_out(s, near[s], touching[s], touching)
            gone = [p for p in parts if s in p.indices]
            if len(near[s]) == 1 and result[0].indices == frozenset():
                gone = [p for p in parts if near[s][0] in p.indices]
            parts = [p for p in parts if p not in gone] + result

    def carried_out(self, s: int, near: list[int], here: list[Part],
                    touching: dict[int, list[Part]]) -> list[Part]:
        """The sum over an index as a matrix."""
        vectors = [p for p in here if p.indices == {s}]
        if not near:
            return [Part(self.inner_product(vectors, s), None, None)]
        if len(near) == 1:
            (t,) = near
            matrices = [p for p in here if p.indices == {s, t}]
            if t >= SUMMED and not vectors and touching[t] == matrices:
                return [Part(self.total(self.merged(matrices, *_as_is(matrices[0]))), None, None)]
            mean = None if vectors or t >= SUMMED else self._mean(matrices, s, t)
            if mean is not None:
                return [mean]
            matrix = self.merged(matrices, t, s)
            vector = self.merged(vectors, s, None) if vectors else self.ones(
                (matrix.shape[1], 1))
            return [Part(self.matmul(matrix, vector), t, None)]
        t, u = near
        left = self.merged([p for p in here if t in p.indices], t, s)
        right = self.merged([p for p in here if u in p.indices], s, u)
        if vectors:
            scale = self.merged(vectors, s, None)
            n = scale.shape[0]
            left = self.matmul(left, self.made(diag, (n, n), scale))
        return [Part(self.matmul(left, right), t, u)]

    def _mean(self, matrices: list[Part], s: int, t: int) -> Part | None:
        """The mean over an index, if there is a factor 1/n that belongs to it."""
        e = self.merged(matrices, *((s, t) if matrices[0].rows == s else (t, s)))
        axis = 0 if matrices[0].rows == s else 1
        if self.mean_of is None or e.shape[axis] != self.mean_of:
            return None
        self.mean_of = None
        shape = (1, e.shape[1]) if axis == 0 else (e.shape[0], 1)
        made = self.made(mean_along, shape, e, axis=axis)
        return Part(made, None if axis == 0 else t, t if axis == 0 else None, False, True)

    def total(self, e: Expression) -> Expression:
        """The sum of all elements, in whatever shape."""
        while isinstance(e, Application) and e.op in (in_shape, ops.transpose):
            (e,) = e.parts()
        if isinstance(e, Application) and e.op is ops.square:
            return self.made(norm2, (), e.parts()[0])
        return self.made(ops.sum, (), e, axis=None, keepdims=False)

    def inner_product(self, vectors: list[Part], s: int) -> Expression:
        """``aᵀ b``, or the sum of a single vector."""
        upper = [p for p in vectors if not p.below]
        if len(vectors) == 1 or not upper:
            return self.total(self.merged(vectors, s, None))
        first = next((p for p in upper if not _is_square(p)), upper[0])
        others = [p for p in vectors if p is not first]
        product = self.matmul(self.merged([first], None, s), self.merged(others, s, None))
        return self.shaped(product, ())

    def outer(self, parts: list[Part], rows: int | None, columns: int | None,
              shape: Shape) -> Expression:
        """What is left without sums: matrices, columns and rows over the axes of the result."""
        scalars = [p.expression for p in parts if not p.indices]
        if len(shape) == 1 and rows is not None:
            parts = [p._replace(rows=rows, columns=None, expression=self.shaped(
                p.expression, p.expression.shape[::-1])) if p.spread and p.columns == rows else p
                for p in parts]
        both = [p for p in parts if len(p.indices) == 2]
        left = [p for p in parts if rows is not None and p.indices == {rows}]
        right = [p for p in parts if columns is not None and p.indices == {columns}]
        total: Expression | None = None
        if both:
            total = self.merged(both, rows, columns)
            if (left or right) and all(_is_unit(p.expression) for p in both):
                total, left, right = self._unit_diagonal([*left, *right], rows), [], []
            spread = [p for p in (*left, *right) if p.spread and (
                p.rows == rows or p.columns == columns)]
            left, right = [[p for p in part if p not in spread] for part in (left, right)]
            if left:
                total = self.matmul(self._diagonal(left, rows), total)
            if right:
                total = self.matmul(total, self._diagonal(right, columns))
            if spread:
                total = self._quotient([(p.expression, p.below) for p in spread if not p.below]
                                       + [(total, False)]
                                       + [(p.expression, p.below) for p in spread if p.below])
        elif left or right:
            total = self._of_vectors(left, right, rows, columns, shape)
        if total is not None and math.prod(total.shape) == math.prod(shape):
            total = self.shaped(total, shape)
        factors = [*scalars, *([] if total is None else [total])]
        return self.hadamard(*factors)

    def _of_vectors(self, left: list[Part], right: list[Part], rows: int | None,
                    columns: int | None, shape: Shape) -> Expression:
        """The product of columns and rows: an outer product if the result has both axes."""
        if rows is None or columns is None:
            return self.merged(left, rows, None) if left else self.merged(right, None, columns)
        only = left or right
        if not (left and right) and all(
                p.spread and (p.rows == rows or p.columns == columns) for p in only):
            return self._quotient([(p.expression, p.below) for p in only])
        n, m = (length for length in shape if length != 1)
        a = self.merged(left, rows, None) if left else self.ones((n, 1))
        b = self.merged(right, None, columns) if right else self.transposed(self.ones((m, 1)))
        return self.matmul(a, b)

    def _unit_diagonal(self, vectors: list[Part], rows: int | None) -> Expression:
        """``I v``: the diagonal matrix of v, whichever axis v belongs to."""
        columns = [p.expression if p.columns is None else self.transposed(p.expression)
                   for p in vectors]
        return self._diagonal([Part(e, rows, None, p.below)
                               for e, p in zip(columns, vectors, strict=True)], rows)

    def _diagonal(self, vectors: list[Part], index: int | None) -> Expression:
        scale = self.merged(vectors, index, None)
        return self.made(diag, (scale.shape[0],) * 2, scale)


def _as_is(part: Part) -> tuple[int | None, int | None]:
    return part.rows, part.columns


def is_transposed(e: Expression) -> bool:
    """Whether it is written as a transpose."""
    return isinstance(e, Application) and e.op is ops.transpose


def _is_unit(e: Expression) -> bool:
    return isinstance(e, Symbol) and e.name.text == "I"


def _is_product(e: Expression) -> bool:
    return isinstance(e, Application) and e.op is ops.matmul


def _is_square(part: Part) -> bool:
    e = part.expression
    while isinstance(e, Application) and e.op in (in_shape, ops.transpose):
        e = e.parts()[0]
    return isinstance(e, Application) and e.op is ops.square


def _order(monomial: Monomial) -> tuple[Any, ...]:
    if not monomial:
        return (0,)
    return 1, *(-k if isinstance(k, (bool, int)) else [-i for i in k] for k in leading(monomial))


def _anonymous(base: Base) -> Name:
    return name("I" if base.number == UNIT_MATRIX else f"c{base.number}")

