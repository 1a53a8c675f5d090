"""Sums, signs, and what 0 and 1 do."""

from __future__ import annotations

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.explanation.algebra import Algebra, in_shape, outer, ratio, where_not, where_only
from tinygrad_mlp.explanation.expression import Application, Expression, Number
from tinygrad_mlp.explanation.simplify.registry import arguments, is_number, is_op, rule, same_kind


@rule(ops.add, ops.subtract, ops.multiply, ops.negative)
def numbers_only(algebra: Algebra, e: Application) -> Expression | None:
    """Arithmetic of numbers is done."""
    numbers = [a.number for a in e.parts() if isinstance(a, Number)]
    if len(numbers) < len(e.parts()):
        return None
    return algebra.number(e.op.forward(*numbers), e.shape, e.dtype)


@rule(ops.add)
def add_zero(algebra: Algebra, e: Application) -> Expression | None:
    """``0 + x = x``"""
    for zero, x in (e.args, e.args[::-1]):
        if is_number(zero, 0) and same_kind(x, e):
            return x
    return None


@rule(ops.add)
def twice(algebra: Algebra, e: Application) -> Expression | None:
    """``a + a = 2 a``"""
    a, b = e.parts()
    if a is b and a.dtype.kind == "f":
        return algebra.like(e, ops.multiply, algebra.number(2), a)
    return None


@rule(ops.add)
def add_negative(algebra: Algebra, e: Application) -> Expression | None:
    """``a + (−b) = a − b``, ``(−a) + b = b − a``"""
    a, b = e.parts()
    if is_op(b, ops.negative):
        return algebra.like(e, ops.subtract, a, *arguments(b))
    return algebra.like(e, ops.subtract, b, *arguments(a)) if is_op(a, ops.negative) else None


@rule(ops.subtract)
def subtract_zero(algebra: Algebra, e: Application) -> Expression | None:
    """``a − 0 = a``, ``0 − b = −b``"""
    a, b = e.parts()
    if is_number(b, 0) and same_kind(a, e):
        return a
    return algebra.minus(b) if is_number(a, 0) and same_kind(b, e) else None


@rule(ops.subtract)
def subtract_negative(algebra: Algebra, e: Application) -> Expression | None:
    """``a − (−b) = a + b``"""
    a, b = e.parts()
    return algebra.like(e, ops.add, a, *arguments(b)) if is_op(b, ops.negative) else None


@rule(ops.negative)
def negative_twice(algebra: Algebra, e: Application) -> Expression | None:
    """``−(−a) = a``, ``−(a − b) = b − a``"""
    (a,) = e.parts()
    if is_op(a, ops.negative):
        return arguments(a)[0]
    if is_op(a, ops.subtract):
        return algebra.like(e, ops.subtract, *arguments(a)[::-1])
    return None


PRODUCTS = (ops.multiply, ops.divide, ratio, ops.matmul, outer)
LINEAR = (ops.sum, ops.mean, ops.getitem, ops.scatter_add, ops.windows, ops.fold, ops.reshape,
          ops.broadcast_to, ops.sum_to, ops.transpose, ops.swapaxes, in_shape)


@rule(*PRODUCTS)
def negative_factor(algebra: Algebra, e: Application) -> Expression | None:
    """``(−a) b = −(a b)``, and the same of quotients and matrix products."""
    a, b = e.parts()
    for place, x in enumerate((a, b)):
        factors = [a, b]
        if is_op(x, ops.negative):
            (factors[place],) = arguments(x)
        elif isinstance(x, Number) and x.number < 0 and x.dtype.kind != "b":
            factors[place] = algebra.number(-x.number, x.shape, None if x.plain else x.dtype)
        else:
            continue
        return algebra.minus(algebra.like(e, e.op, *factors))
    return None


@rule(*LINEAR, where_only, where_not)
def negative_argument(algebra: Algebra, e: Application) -> Expression | None:
    """``f(−a) = −f(a)`` for linear f."""
    args = list(e.args)
    place = 1 if e.op in (where_only, where_not) else 0
    if not is_op(args[place], ops.negative):
        return None
    (args[place],) = arguments(args[place])
    return algebra.minus(algebra.apply(e.op, args, e.static, e.shape, e.dtype, e.index))


@rule(ops.multiply)
def multiply_by_one(algebra: Algebra, e: Application) -> Expression | None:
    """``1 x = x``"""
    for one, x in (e.args, e.args[::-1]):
        if is_number(one, 1) and same_kind(x, e):
            return x
    return None


@rule(ops.multiply)
def multiply_by_number(algebra: Algebra, e: Application) -> Expression | None:
    """A number in every element multiplies like the number alone."""
    for filled, x in (e.args, e.args[::-1]):
        if isinstance(filled, Number) and filled.shape and same_kind(x, e):
            if filled.dtype == e.dtype:
                single = algebra.number(filled.number, (), filled.dtype)
                return algebra.like(e, ops.multiply, single, x)
    return None


@rule(ops.divide, ops.power)
def second_is_one(algebra: Algebra, e: Application) -> Expression | None:
    """``x / 1 = x``, ``x¹ = x``"""
    x, one = e.parts()
    return x if is_number(one, 1) and same_kind(x, e) else None


@rule(ops.multiply)
def times_itself(algebra: Algebra, e: Application) -> Expression | None:
    """``x ⊙ x = x²``"""
    a, b = e.parts()
    return algebra.like(e, ops.square, a) if a is b and a.dtype.kind == "f" else None


@rule(ops.power)
def second_power(algebra: Algebra, e: Application) -> Expression | None:
    """``x`` to the power of the number 2 is its square."""
    x, two = e.parts()
    return algebra.like(e, ops.square, x) if is_number(two, 2) and same_kind(x, e) else None
