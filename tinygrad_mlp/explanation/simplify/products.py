"""Matrix products that were written by broadcasting, and numbers in products."""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.explanation.algebra import Algebra, outer
from tinygrad_mlp.explanation.expression import Application, Expression
from tinygrad_mlp.explanation.simplify.registry import arguments, is_op, is_scalar_number, rule


def is_column_of(e: Expression | None) -> Expression | None:
    """The vector that `e` is as a matrix of one column, if it is that."""
    if is_op(e, ops.reshape):
        (a,) = arguments(e)
        assert e is not None
        if a.ndim == 1 and e.shape == (*a.shape, 1):
            return a
    return None


def is_row_of(e: Expression) -> Expression | None:
    """The vector that `e` is, or is as a matrix of one row."""
    if e.ndim == 1:
        return e
    if is_op(e, ops.reshape):
        (a,) = arguments(e)
        if a.ndim == 1 and e.shape == (1, *a.shape):
            return a
    return None


@rule(ops.multiply)
def column_times_row(algebra: Algebra, e: Application) -> Expression | None:
    """A column times a row, by broadcasting, is a matrix product."""
    a, b = e.parts()
    if a.ndim == b.ndim == 2 and a.shape != b.shape and a.shape[1] == b.shape[0] == 1:
        if a.shape[0] > 1 and b.shape[1] > 1:
            column, row = is_column_of(a), is_row_of(b)
            if column is not None and row is not None:
                return algebra.like(e, outer, column, row)
            return algebra.like(e, ops.matmul, a, b)
    column, row = is_column_of(a), is_row_of(b)
    if column is not None and row is not None:
        return algebra.like(e, outer, column, row)
    return None


@rule(ops.getitem)
def matrix_times_vector(algebra: Algebra, e: Application) -> Expression | None:
    """A matrix times a vector made into a column, of which the column is taken."""
    a = e.args[0]
    if len(e.args) > 1 or not is_op(a, ops.matmul) or e.static["template"] != (Ellipsis, 0):
        return None
    matrix, column = arguments(a)
    vector = is_column_of(column)
    if vector is None or matrix.ndim != 2:
        return None
    return algebra.like(e, ops.matmul, matrix, vector)


@rule(ops.multiply)
def numbers_first(algebra: Algebra, e: Application) -> Expression | None:
    """``x 2 = 2 x``, ``a (2 b) = 2 (a b)``, ``2 (3 x) = 6 x``; a single number before an array"""
    a, b = e.parts()
    if is_scalar_number(b) and not is_scalar_number(a) or (a.ndim and not b.ndim):
        return algebra.like(e, ops.multiply, b, a)
    for place, x in enumerate((a, b)):
        if not is_op(x, ops.multiply) or not is_scalar_number(arguments(x)[0]):
            continue
        number, rest = arguments(x)
        other = (b, a)[place]
        if is_scalar_number(other):
            if rest.shape == e.shape:
                typed = [x.dtype for x in (other, number) if not getattr(x, "plain", False)]
                dtype = np.result_type(*typed or (other.dtype, number.dtype))
                both = algebra.apply(ops.multiply, (other, number), {}, (), dtype)
                return algebra.like(e, ops.multiply, both, rest)
        elif e.dtype == rest.dtype:
            factors = (rest, b) if place == 0 else (a, rest)
            return algebra.like(e, ops.multiply, number, algebra.like(e, ops.multiply, *factors))
    return None


@rule(ops.matmul, outer)
def number_in_product(algebra: Algebra, e: Application) -> Expression | None:
    """``A (2 b) = 2 (A b)``"""
    for place, x in enumerate(e.parts()):
        if is_op(x, ops.multiply) and is_scalar_number(arguments(x)[0]):
            number, rest = arguments(x)
            if rest.shape == x.shape:
                factors = list(e.parts())
                factors[place] = rest
                return algebra.like(e, ops.multiply, number, algebra.like(e, e.op, *factors))
    return None
