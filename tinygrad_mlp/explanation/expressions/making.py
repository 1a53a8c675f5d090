"""Making expressions, and the operations that only formulas have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Op, op
from tinygrad_mlp.explanation.algebra.monomial import Shape
from tinygrad_mlp.explanation.expressions.expression import Application, Expression, Number, Symbol


@op(register=False, latex=r"\mathrm{{diag}}({a})")
def diag(a: Any) -> Any:
    """The diagonal matrix with the elements of `a`."""
    return np.diag(np.ravel(a))


@op(register=False, latex="{a}")
def in_shape(a: Any, *, shape: Shape) -> Any:
    """The same elements as a column, or as what the column stands for: written the same."""
    return np.reshape(a, shape)


@op(register=False, latex=r"\left\Vert {a} \right\Vert^2")
def norm2(a: Any) -> Any:
    """The sum of squares."""
    return np.sum(np.square(a))


@op(register=False, latex=r"\left\Vert {a} \right\Vert")
def norm(a: Array) -> Array:
    """The root of the sum of squares."""
    return np.asarray(np.sqrt(np.sum(np.square(a))))


@op(register=False, latex=r"{a}^{{-\top}}")
def inverse_transposed(a: Any) -> Any:
    """The transpose of the inverse."""
    return np.linalg.inv(a).T


@op(register=False, latex=r"\sigma({a})")
def logistic(a: Any) -> Any:
    """The sigmoid, where it is called σ."""
    return ops.sigmoid.forward(a)


@op(register=False, latex=r"\mathrm{{sigmoid}}({a})")
def sigmoid_in_full(a: Any) -> Any:
    """The sigmoid, where other things are called g and σ."""
    return ops.sigmoid.forward(a)


SIGMOIDS = {"g": ops.sigmoid, "σ": logistic, "sigmoid": sigmoid_in_full}
"""The sigmoid by how it is written."""


@op(register=False, latex=lambda a, axis: rf"\mathrm{{mean}}_{axis}({a})")
def mean_along(a: Any, *, axis: int) -> Any:
    """The mean over an axis, which is kept with length 1."""
    return np.mean(a, axis=axis, keepdims=True)


@op(register=False, latex=lambda *parts, axis, join: "[" + (
    ", " if axis == parts[0].ndim - 1 or join is np.stack else "; ").join(map(str, parts)) + "]")
def side_by_side(*parts: Array, axis: int, join: Callable[..., Array]) -> Array:
    """Arrays beside each other, or one below the other, along an axis; or stacked."""
    return join(parts, axis=axis)


def apply(op: Op, shape: Shape, /, *args: Expression, **static: Any) -> Expression:
    """An application of an operation."""
    floats = [a.dtype for a in args if a.dtype.kind == "f" and (
        not isinstance(a, Number) or a.shape)]
    dtype = np.result_type(*floats) if floats else float
    return Application(op, args, static, shape, dtype)


def shaped(e: Expression, shape: Shape) -> Expression:
    """The same elements in another shape, written the same."""
    if is_made_by(in_shape, e):
        (e,) = e.parts()
    return e if e.shape == shape else apply(in_shape, shape, e, shape=shape)


def transposed(e: Expression) -> Expression:
    """The transpose of a matrix; that of a product is a product."""
    if is_unit(e) or is_made_by(diag, e):
        return e
    if is_made_by(ops.transpose, e):
        return e.parts()[0]
    if is_made_by(ops.matmul, e):
        a, b = e.parts()
        return matmul(transposed(b), transposed(a))
    if is_made_by(ops.inv, e):
        return apply(inverse_transposed, e.shape, *e.parts())
    return apply(ops.transpose, e.shape[::-1], e, axes=None)


def matmul(a: Expression, b: Expression) -> Expression:
    """The product of two matrices, bracketed from the left."""
    if is_made_by(ops.matmul, b):
        first, last = b.parts()
        return matmul(matmul(a, first), last)
    return apply(ops.matmul, (a.shape[0], b.shape[1]), a, b)


def hadamard(*factors: Expression) -> Expression:
    """The elementwise product."""
    total = factors[0]
    for f in factors[1:]:
        total = apply(ops.multiply, np.broadcast_shapes(total.shape, f.shape), total, f)
    return total


def quotient(factors: Sequence[tuple[Expression, bool]]) -> Expression:
    """The elementwise product of factors, of which those marked are divided by."""
    upper = [e for e, below in factors if not below]
    lower = [e for e, below in factors if below]
    if not lower:
        return hadamard(*upper)
    divisor = hadamard(*lower)
    if not upper:
        return apply(ops.reciprocal, divisor.shape, divisor)
    top = hadamard(*upper)
    return apply(ops.divide, np.broadcast_shapes(top.shape, divisor.shape), top, divisor)


def sum_of(e: Expression) -> Expression:
    """The sum of all elements, in whatever shape."""
    e = unshaped(e)
    if is_made_by(ops.square, e):
        return apply(norm2, (), e.parts()[0])
    return apply(ops.sum, (), e, axis=None, keepdims=False)


def unshaped(e: Expression) -> Expression:
    """What is transposed, or written in another shape."""
    while is_made_by(ops.transpose, e) or is_made_by(in_shape, e):
        (e,) = e.parts()
    return e


def ones(shape: Shape) -> Expression:
    """An array of ones."""
    return Number(1.0, shape, float)


def is_made_by(op: Op, e: Expression) -> bool:
    """Whether it is the result of an operation."""
    return isinstance(e, Application) and e.op is op


def is_unit(e: Expression) -> bool:
    """Whether it is a unit matrix."""
    return isinstance(e, Symbol) and e.name.text == "I"
