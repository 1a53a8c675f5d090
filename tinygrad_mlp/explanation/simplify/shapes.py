"""Changes of shape that change nothing, or nothing that one would see."""

from __future__ import annotations

import math

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.explanation.algebra import Algebra, in_shape
from tinygrad_mlp.explanation.expression import Application, Expression, Number
from tinygrad_mlp.explanation.simplify.registry import (
    arguments,
    is_op,
    is_transpose,
    rule,
    same_kind,
)

REDUCING = (ops.sum, ops.mean, ops.max, ops.min)


@rule(ops.identity, ops.astype, ops.reshape, ops.broadcast_to, ops.sum_to, in_shape, *REDUCING)
def nothing_to_do(algebra: Algebra, e: Application) -> Expression | None:
    """A reshape to the same shape, a sum over nothing: what it is applied to.

    A reduction that keeps the shape reduces only axes of length 1, and keeps them.
    """
    return e.args[0] if same_kind(e.args[0], e) else None


@rule(ops.sum_to, *REDUCING)
def sum_over_one(algebra: Algebra, e: Application) -> Expression | None:
    """A reduction over axes of length 1 is a change of shape."""
    (a,) = e.parts()
    if math.prod(a.shape) == math.prod(e.shape) and a.dtype == e.dtype:
        return algebra.like(e, ops.reshape, a, shape=e.shape)
    return None


@rule(ops.transpose, ops.swapaxes)
def transposed_twice(algebra: Algebra, e: Application) -> Expression | None:
    """``aᵀᵀ = a``; a vector is its own transpose here."""
    (a,) = e.parts()
    if e.ndim < 2:
        return a
    return arguments(a)[0] if is_transpose(e) and is_transpose(a) else None


@rule(ops.reshape, in_shape)
def reshaped_twice(algebra: Algebra, e: Application) -> Expression | None:
    """Of two changes of shape, the last one counts."""
    (a,) = e.parts()
    if is_op(a, e.op):
        return algebra.apply(e.op, arguments(a), e.static, e.shape, e.dtype)
    return None


@rule(in_shape)
def shape_of_parts(algebra: Algebra, e: Application) -> Expression | None:
    """The column of a sum is the sum of columns, and so for all that works element by element."""
    (a,) = e.parts()
    if not isinstance(a, Application) or not a.op.record.elementwise:
        return None
    if any(part.shape not in ((), a.shape) for part in a.parts()):
        return None
    args = [p if p is None or p.shape != a.shape else algebra.shaped(p, e.shape) for p in a.args]
    return algebra.apply(a.op, args, a.static, e.shape, e.dtype)


@rule(ops.broadcast_to, ops.reshape, in_shape)
def shaped_number(algebra: Algebra, e: Application) -> Expression | None:
    """A number in another shape."""
    (a,) = e.parts()
    return algebra.number(a.number, e.shape, e.dtype) if isinstance(a, Number) else None
