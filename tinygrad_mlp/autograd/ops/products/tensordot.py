"""Products of vectors, matrices and arrays with more axes, composed of `matmul`; and `cross`."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, implements, op
from tinygrad_mlp.autograd.ops.elementwise.arithmetic import multiply
from tinygrad_mlp.autograd.ops.products.matmul import matmul
from tinygrad_mlp.autograd.ops.shapes.axes import moveaxis, transpose
from tinygrad_mlp.autograd.ops.shapes.shape import (
    array_or_tensor,
    expand_dims,
    places,
    ravel,
    reshape,
    shape_of,
)
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

__all__ = ["dot", "vdot", "inner", "outer", "tensordot", "kron", "cross", "multi_dot"]


@implements(np.dot)
def dot(a: Operand, b: Operand) -> Array:
    """Compute NumPy's `dot`: the matrix product, or a multiple if one factor is a number.

    Where both have more than two axes: the sum over the last of `a` and the second to last of
    `b`, for all pairs of the others (`matmul` pairs stacks of matrices one by one instead).

    >>> dot([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    array([3., 7.])
    """
    first, second = shape_of(a), shape_of(b)
    if not first or not second:
        return multiply(a, b)
    if len(second) <= 2:
        return matmul(a, b)
    return tensordot(a, b, axes=((-1,), (-2,)))


@implements(np.vdot)
def vdot(a: Operand, b: Operand) -> Array:
    """Sum the products of all elements, whatever the shapes: ``Σ a_i b_i``.

    Args:
        a: an array.
        b: an array with as many elements.

    Source: defined as np.vdot.

    >>> vdot([1.0, 2.0], [3.0, 4.0]).item()
    11.0
    """
    return matmul(ravel(a), ravel(b))


@implements(np.inner)
def inner(a: Operand, b: Operand) -> Array:
    """Sum products over the last axes, for all pairs of the others; multiply numbers.

    Args:
        a: shape ``(..., n)``.
        b: shape ``(..., n)``; its other axes follow those of a in the result.

    >>> inner([1.0, 2.0], [3.0, 4.0]).item()
    11.0
    """
    if not shape_of(a) or not shape_of(b):
        return multiply(a, b)
    return tensordot(a, b, axes=((-1,), (-1,)))


@implements(np.outer, np.linalg.outer)
def outer(a: Operand, b: Operand) -> Array:
    """Return all products of an element of `a` and one of `b`: ``y[i, j] = a_i b_j``.

    >>> outer([1.0, 2.0], [3.0, 4.0])
    array([[3., 4.],
           [6., 8.]])
    """
    return multiply(expand_dims(ravel(a), 1), expand_dims(ravel(b), 0))


def _both(axes: Any, first: int, second: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the axes of either array to sum over."""
    if np.ndim(axes) == 0:
        n = int(axes)
        if not 0 <= n <= min(first, second):
            raise ShapeError(
                f"tensordot() expects axes between 0 and {min(first, second)}, the number of axes "
                f"that both arrays have. Got {axes!r}.")
        return tuple(range(first - n, first)), tuple(range(n))
    of_first, of_second = axes
    return places("tensordot", of_first, first), places("tensordot", of_second, second)


@implements(np.tensordot, np.linalg.tensordot)
def tensordot(a: Operand, b: Operand, axes: int | Sequence[int | Sequence[int]] = 2) -> Array:
    """Sum products over some axes of both arrays, for all pairs of the other axes.

    Args:
        a: the first array.
        b: the second array.
        axes: how many: the last of `a` and the first of `b`. Or two sequences: which of `a`, and
            the corresponding ones of `b`.

    Raises:
        ShapeError: corresponding axes differ in length.

    >>> tensordot(np.ones((2, 3, 4)), np.ones((4, 3, 5)), axes=([1, 2], [1, 0])).shape
    (2, 5)
    """
    first, second = shape_of(a), shape_of(b)
    left, right = _both(axes, len(first), len(second))
    summed = [first[i] for i in left]
    if summed != [second[i] for i in right]:
        raise ShapeError(
            f"tensordot() expects the axes summed over to have the same lengths. Got axes={axes!r} "
            f"of arrays of shape {first} and {second}.")
    kept_left = [i for i in range(len(first)) if i not in left]
    kept_right = [i for i in range(len(second)) if i not in right]
    rows, columns = [first[i] for i in kept_left], [second[i] for i in kept_right]
    one = reshape(transpose(a, axes=(*kept_left, *left)), shape=(prod(rows), prod(summed)))
    other = reshape(transpose(b, axes=(*right, *kept_right)), shape=(prod(summed), prod(columns)))
    return reshape(matmul(one, other), shape=(*rows, *columns))


@implements(np.kron)
def kron(a: Operand, b: Operand) -> Array:
    """Compute the Kronecker product, the matrix of the blocks ``a[i, j] b``.

    >>> kron([1.0, 10.0], [1.0, 2.0])
    array([ 1.,  2., 10., 20.])
    """
    first, second = shape_of(a), shape_of(b)
    ndim = max(len(first), len(second))
    first = (1,) * (ndim - len(first)) + first
    second = (1,) * (ndim - len(second)) + second
    pairs = list(zip(first, second, strict=True))
    coarse = reshape(a, shape=tuple(n for length, _ in pairs for n in (length, 1)))
    fine = reshape(b, shape=tuple(n for _, length in pairs for n in (1, length)))
    return reshape(multiply(coarse, fine), shape=tuple(n * m for n, m in pairs))


def _cross_a(g: Array, y: Array, a: Array, b: Array) -> Array:
    return cross_op(b, g)


def _cross_b(g: Array, y: Array, a: Array, b: Array) -> Array:
    return cross_op(g, a)


def _cross_by_permutations(a: Array, b: Array) -> Array:
    sign = np.zeros((3, 3, 3))
    sign[[0, 1, 2], [1, 2, 0], [2, 0, 1]] = 1
    sign[[0, 1, 2], [2, 0, 1], [1, 2, 0]] = -1
    return np.einsum("kij,...i,...j->...k", sign, a, b)


@op(name="cross", rules={"a": _cross_a, "b": _cross_b},
    equation="y = cross(a, b),  ā = cross(b, g),  b̄ = cross(g, a)", latex=r"{a} \times {b}",
    reference=_cross_by_permutations,
    samples=lambda rng: [
        Sample(rng.normal(size=a), rng.normal(size=b))
        for a, b in (((3,), (3,)), ((2, 3), (3,)), ((2, 1, 3), (4, 3)))])
def cross_op(a: Array, b: Array) -> Array:
    if a.shape[-1:] != (3,) or b.shape[-1:] != (3,):
        raise ShapeError(
            f"cross() expects vectors of three elements. Got shapes {a.shape} and {b.shape}: give "
            f"vectors of a plane a third element of 0.")
    return np.cross(a, b)


@implements(np.cross, np.linalg.cross)
def cross(
    a: Operand, b: Operand, axisa: int = -1, axisb: int = -1, axisc: int = -1,
    axis: int | None = None) -> Array:
    """Compute the vector product ``a × b`` of vectors with three elements.

    Args:
        a: vectors along `axisa`.
        b: vectors along `axisb`.
        axisa: the axis of `a` that the vectors lie along.
        axisb: the axis of `b`.
        axisc: the axis of the result.
        axis: in place of all three.

    Raises:
        ShapeError: the vectors do not have three elements.

    >>> cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    array([0., 0., 1.])
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    first = a if axisa == -1 else moveaxis(a, axisa, -1)
    second = b if axisb == -1 else moveaxis(b, axisb, -1)
    product = cross_op(first, second)
    return product if axisc == -1 else moveaxis(product, -1, axisc)


def _cheapest(lengths: Sequence[int]) -> dict[tuple[int, int], int]:
    """Find where to split the product of the matrices i…j, for the fewest multiplications."""
    cost = {(i, i): 0 for i in range(len(lengths) - 1)}
    split: dict[tuple[int, int], int] = {}
    for width in range(1, len(lengths) - 1):
        for i in range(len(lengths) - 1 - width):
            j = i + width
            costs = {
                k: cost[i, k] + cost[k + 1, j] + lengths[i] * lengths[k + 1] * lengths[j + 1]
                for k in range(i, j)}
            split[i, j] = min(costs, key=costs.__getitem__)
            cost[i, j] = costs[split[i, j]]
    return split


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Operand]) -> Array:
    """Multiply several matrices, in the order that needs the fewest multiplications.

    The first and the last may be vectors: a row and a column.

    Args:
        arrays: two or more, that fit one after the other.

    Raises:
        ShapeError: an array is no matrix.
        InvalidArgumentError: there are fewer than two.

    Source: the order is found by dynamic programming; Cormen et al., "Introduction to Algorithms",
    15.2.

    >>> multi_dot([np.ones((1, 2)), np.ones((2, 3)), np.ones((3, 1))])
    array([[6.]])
    """
    matrices = [array_or_tensor(a) for a in arrays]
    if len(matrices) < 2:
        raise InvalidArgumentError(f"multi_dot() expects at least two arrays. Got {len(arrays)}.")
    for number, m in enumerate(matrices):
        ends = number in (0, len(matrices) - 1)
        if len(m.shape) != 2 and not (ends and len(m.shape) == 1):
            raise ShapeError(
                f"multi_dot() expects matrices, the first and the last may be vectors. Got shape "
                f"{m.shape} as array {number}.")
    row, column = len(matrices[0].shape) == 1, len(matrices[-1].shape) == 1
    lengths = [1 if row else matrices[0].shape[0], *(m.shape[0] for m in matrices[1:])]
    split = _cheapest([*lengths, 1 if column else matrices[-1].shape[1]])

    def product(i: int, j: int) -> Array:
        if i == j:
            return matrices[i]
        k = split[i, j]
        return matmul(product(i, k), product(k + 1, j))

    return product(0, len(matrices) - 1)
