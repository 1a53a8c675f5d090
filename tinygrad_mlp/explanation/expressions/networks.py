"""Monomials as products of matrices.

A monomial is a network of factors that indices connect. A summed index with one neighbour is a
product ``M v`` or a sum over rows, one with two is a product ``A diag(v) B``. The indices that are
not summed are the rows and columns of the result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.explanation.algebra.monomial import SUMMED, UNIT, Factor, Shape
from tinygrad_mlp.explanation.expressions.expression import Expression
from tinygrad_mlp.explanation.expressions.making import (
    apply,
    diag,
    hadamard,
    is_made_by,
    is_unit,
    matmul,
    mean_along,
    ones,
    quotient,
    shaped,
    sum_of,
    transposed,
    unshaped,
)


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

    def turned(self, rows: int | None, columns: int | None) -> Expression:
        """The matrix with the rows and columns that are wanted."""
        straight = (self.rows, self.columns) == (rows, columns)
        return self.expression if straight else transposed(self.expression)


def part(f: Factor, e: Expression) -> Part | None:
    """A factor, whose power is written `e`, as a matrix; None if it has more than two indices."""
    kept = [(i, n) for i, n in zip(f.indices, f.base.shape, strict=True) if i != UNIT]
    below = f.exponent < 0
    if len(kept) == 2 and kept[0][0] == kept[1][0]:
        (i, n), _ = kept
        e = apply(ops.diagonal, (n,), shaped(e, (n, n)), offset=0, axis1=0, axis2=1)
        return Part(shaped(e, (n, 1)), i, None, below)
    if len(kept) == 2:
        return Part(shaped(e, tuple(n for _, n in kept)), kept[0][0], kept[1][0], below)
    if len(kept) != 1:
        return None
    (i, n), = kept
    if len(f.indices) > 1 and f.indices[-1] == i:
        return Part(shaped(e, (1, n)), None, i, below, True)
    return Part(shaped(e, (n, 1)), i, None, below, len(f.indices) > 1)


class Network:
    """The parts of a monomial, to be written as a product of matrices.

    There may be a factor ``1 / counted``. Where it belongs to a mean, `mean_of` becomes None.
    """

    def __init__(self, parts: Sequence[Part | None], counted: float | None) -> None:
        self.parts = [p for p in parts if p is not None]
        self.complete = len(self.parts) == len(parts)
        self.mean_of = counted

    def expression(self, shape: Shape) -> Expression | None:
        """The product, in a shape that is broadcast to the one given; None if it is none."""
        free = [i for i, n in enumerate(shape) if n != 1]
        if len(free) > 2 or not self.complete:
            return None
        found = self._without_sums(self.parts)
        if found is None:
            return None
        is_row = len(free) == 1 and len(shape) > 1 and shape[-1] != 1
        rows = free[0] if free and not is_row else None
        columns = free[-1] if is_row or len(free) == 2 else None
        return self._outer(found, rows, columns, shape)

    def _without_sums(self, parts: list[Part]) -> list[Part] | None:
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
            result = self._carried_out(s, near[s], touching[s], touching)
            parts = [p for p in parts if s not in p.indices] + result

    def _carried_out(self, s: int, near: list[int], here: list[Part],
                    touching: dict[int, list[Part]]) -> list[Part]:
        """The sum over an index as a matrix."""
        vectors = [p for p in here if p.indices == {s}]
        if not near:
            return [Part(inner_product(vectors, s), None, None)]
        if len(near) == 1:
            (t,) = near
            matrices = [p for p in here if p.indices == {s, t}]
            if t >= SUMMED and not vectors and touching[t] == matrices:
                first = matrices[0]
                return [Part(sum_of(merged(matrices, first.rows, first.columns)), None, None)]
            mean = None if vectors or t >= SUMMED else self._mean(matrices, s, t)
            if mean is not None:
                return [mean]
            matrix = merged(matrices, t, s)
            vector = merged(vectors, s, None) if vectors else ones((matrix.shape[1], 1))
            return [Part(matmul(matrix, vector), t, None)]
        t, u = near
        left = merged([p for p in here if t in p.indices], t, s)
        right = merged([p for p in here if u in p.indices], s, u)
        if vectors:
            scale = merged(vectors, s, None)
            n = scale.shape[0]
            left = matmul(left, apply(diag, (n, n), scale))
        return [Part(matmul(left, right), t, u)]

    def _mean(self, matrices: list[Part], s: int, t: int) -> Part | None:
        """The mean over an index, if there is a factor 1/n that belongs to it."""
        axis = 0 if matrices[0].rows == s else 1
        e = merged(matrices, *((t, s) if axis else (s, t)))
        if e.shape[axis] != self.mean_of:
            return None
        self.mean_of = None
        shape = (1, e.shape[1]) if axis == 0 else (e.shape[0], 1)
        mean = apply(mean_along, shape, e, axis=axis)
        return Part(mean, None if axis == 0 else t, t if axis == 0 else None, False, True)

    def _outer(self, parts: list[Part], rows: int | None, columns: int | None,
              shape: Shape) -> Expression:
        """What is left without sums: matrices, columns and rows over the axes of the result."""
        scalars = [p.expression for p in parts if not p.indices]
        if len(shape) == 1:
            parts = [p._replace(rows=rows, columns=None, expression=shaped(
                p.expression, p.expression.shape[::-1])) if p.columns == rows else p
                for p in parts]
        both = [p for p in parts if len(p.indices) == 2]
        left = [p for p in parts if p.indices == {rows}]
        right = [p for p in parts if p.indices == {columns}]
        total: Expression | None = None
        if both:
            total = merged(both, rows, columns)
            if (left or right) and all(is_unit(p.expression) for p in both):
                total, left, right = _unit_diagonal([*left, *right], rows), [], []
            right = [p._replace(rows=None, columns=columns, spread=True, expression=(
                transposed(p.expression) if p.spread else shaped(
                    p.expression, p.expression.shape[::-1])))
                if p.below and p.rows == columns else p for p in right]  # Z / s, as NumPy has it
            spread = [p for p in (*left, *right) if p.spread and (
                p.rows == rows or p.columns == columns)]
            left, right = [[p for p in part if p not in spread] for part in (left, right)]
            if left:
                total = matmul(_diagonal(left, rows), total)
            if right:
                total = matmul(total, _diagonal(right, columns))
            total = quotient([*((p.expression, p.below) for p in spread), (total, False)])
        elif left or right:
            total = _of_vectors(left, right, rows, columns, shape)
        if total is not None and math.prod(total.shape) == math.prod(shape):
            total = shaped(total, shape)
        return hadamard(*scalars, *([] if total is None else [total]))


def merged(parts: Sequence[Part], rows: int | None, columns: int | None) -> Expression:
    """The elementwise product of parts with the same indices."""
    ordered = sorted(parts, key=lambda p: not is_made_by(ops.matmul, p.expression))
    plain = [p for p in parts if not is_made_by(ops.matmul, p.expression)] or parts
    straight = sum((p.rows, p.columns) == (rows, columns) for p in plain)
    if 2 * straight < len(plain):
        return transposed(quotient([(p.turned(columns, rows), p.below) for p in ordered]))
    return quotient([(p.turned(rows, columns), p.below) for p in ordered])


def inner_product(vectors: list[Part], s: int) -> Expression:
    """``aᵀ b``, or the sum of a single vector."""
    upper = [p for p in vectors if not p.below]
    if len(vectors) == 1 or not upper:
        return sum_of(merged(vectors, s, None))
    first = next((p for p in upper if not is_made_by(ops.square, unshaped(p.expression))), upper[0])
    others = [p for p in vectors if p is not first]
    product = matmul(merged([first], None, s), merged(others, s, None))
    return shaped(product, ())


def _of_vectors(left: list[Part], right: list[Part], rows: int | None,
                columns: int | None, shape: Shape) -> Expression:
    """The product of columns and rows: an outer product if the result has both axes."""
    if rows is None or columns is None:
        return merged(left, rows, None) if left else merged(right, None, columns)
    only = left or right
    if not (left and right) and all(
            p.spread and (p.rows == rows or p.columns == columns) for p in only):
        return quotient([(p.expression, p.below) for p in only])
    n, m = (length for length in shape if length != 1)
    a = merged(left, rows, None) if left else ones((n, 1))
    b = merged(right, None, columns) if right else transposed(ones((m, 1)))
    return matmul(a, b)


def _unit_diagonal(vectors: list[Part], rows: int | None) -> Expression:
    """``I v``: the diagonal matrix of v, whichever axis v belongs to."""
    return _diagonal([
        Part(p.turned(p.rows, None), rows, None, p.below) for p in vectors], rows)


def _diagonal(vectors: list[Part], index: int | None) -> Expression:
    scale = merged(vectors, index, None)
    return apply(diag, (scale.shape[0],) * 2, scale)
