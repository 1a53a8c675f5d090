"""Choices between values, and the quotients they guard."""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.explanation.algebra import Algebra, ratio, where_not, where_only
from tinygrad_mlp.explanation.expression import Application, Expression, Number
from tinygrad_mlp.explanation.simplify.registry import arguments, is_number, is_op, rule, same_kind


@rule(where_only)
def indicator(algebra: Algebra, e: Application) -> Expression | None:
    """1 where a condition holds, 0 elsewhere: the condition as a number."""
    condition, x = e.parts()
    if is_number(x, 1) and condition.dtype.kind == "b" and condition.shape == e.shape:
        return algebra.like(e, ops.astype, condition, dtype=e.dtype)
    return None


@rule(ops.where)
def where_alike(algebra: Algebra, e: Application) -> Expression | None:
    """A choice between the same, between something and 0, or between 1 and something."""
    condition, x, y = e.parts()
    if x is y and same_kind(x, e):
        return x
    if is_number(y, 0) and _fills(condition, x, e):
        return algebra.like(e, where_only, condition, x)
    if is_number(x, 1) and condition.shape == e.shape and condition.dtype.kind == "b":
        return algebra.like(e, ops.add, condition, algebra.like(e, where_not, condition, y))
    if is_number(x, 0) and _fills(condition, y, e):
        if is_op(condition, ops.less_equal):  # relu's rule, which lets NaN pass
            opposite = algebra.like(condition, ops.greater, *arguments(condition))
            return algebra.like(e, where_only, opposite, y)
        return algebra.like(e, where_not, condition, y)
    return None


def _fills(condition: Expression, x: Expression, e: Expression) -> bool:
    """Whether a condition and one of the alternatives alone lead to the shape of the choice."""
    return np.broadcast_shapes(condition.shape, x.shape) == e.shape and x.dtype == e.dtype


def _is_zero_test(test: Expression | None, numerator: Expression) -> bool:
    """Whether `test` is [t = k], and the numerator is t (with k = 0) or k − t, so 0 there."""
    if not is_op(test, ops.equal):
        return False
    t, k = arguments(test)
    if is_op(numerator, ops.subtract):
        one, other = arguments(numerator)
        return other is t and isinstance(one, Number) and is_number(k, one.number)
    return numerator is t and is_number(k, 0)


@rule(ops.divide)
def guarded_quotient(algebra: Algebra, e: Application) -> Expression | None:
    """``a / (b, but 1 where a is 0)`` is the quotient that is 0 where its numerator is."""
    a, b = e.parts()
    if is_op(b, ops.where):
        test, one, rest = arguments(b)
        guarded = is_number(one, 1)
    elif is_op(b, ops.add) and is_op(arguments(b)[1], where_not):  # as `where_alike` leaves it
        test, other = arguments(b)
        again, rest = arguments(other)
        guarded = test is again
    else:
        return None
    guarded = guarded and _is_zero_test(test, a)
    return algebra.like(e, ratio, a, rest) if guarded else None


@rule(where_not)
def guarded_twice(algebra: Algebra, e: Application) -> Expression | None:
    """A quotient that is 0 anyway where it is to be left out."""
    test, x = e.parts()
    return x if is_op(x, ratio) and _is_zero_test(test, arguments(x)[0]) else None
