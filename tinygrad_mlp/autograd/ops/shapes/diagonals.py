"""Diagonals and triangles of matrices."""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, implements, op
from tinygrad_mlp.autograd.ops.samples import sample_arrays
from tinygrad_mlp.autograd.ops.shapes.axes import moveaxis
from tinygrad_mlp.autograd.ops.shapes.shape import expand_dims, ravel, shape_of
from tinygrad_mlp.errors import ShapeError

__all__ = ["diagonal", "embed_diagonal", "trace", "diag", "diagflat", "tril", "triu"]


def _named(name: str, argument: object, *numbers: int) -> str:
    """Write a function in LaTeX, with numbers under its name where they are not all 0."""
    under = rf"_{{\mathrm{{{','.join(map(str, numbers))}}}}}" if any(numbers) else ""
    return rf"\mathrm{{{name}}}{under}({argument})"


def _among(a: Array, axis1: int, axis2: int) -> tuple[int, ...]:
    """Return the axes of the matrices for LaTeX; nothing where there are no other axes."""
    return () if a.ndim == 2 else (axis1 % a.ndim, axis2 % a.ndim)


def _matrices(rng: np.random.Generator) -> list[Sample]:
    return [
        *sample_arrays(rng, shapes=((3, 3), (2, 4)), offset=(0, 1, -1)),
        Sample(rng.normal(size=(2, 3, 4)), offset=0, axis1=-2, axis2=-1),
        Sample(rng.normal(size=(2, 3, 4)), offset=1, axis1=2, axis2=0)]


def _diagonal_rule(g: Array, y: Array, a: Array, offset: int, axis1: int, axis2: int) -> Array:
    shape = (a.shape[axis1], a.shape[axis2])
    return moveaxis(embed_diagonal(g, shape=shape, offset=offset), (-2, -1), (axis1, axis2))


def _diagonal_by_loops(a: Array, offset: int, axis1: int, axis2: int) -> Array:
    a = np.moveaxis(a, (axis1, axis2), (0, 1))
    rows, columns = a.shape[:2]
    places = [(i, i + offset) for i in range(rows) if 0 <= i + offset < columns]
    return np.stack([a[place] for place in places], axis=-1)


@op(rules={"a": _diagonal_rule},
    equation="y[i] = a[i + max(−offset, 0), i + max(offset, 0)],  "
    "ā[i, j] = g[min(i, j)] [j = i + offset]",
    latex=lambda a, offset, axis1, axis2: _named("diag", a, offset, *_among(a, axis1, axis2)),
    numpy=np.diagonal, reference=_diagonal_by_loops, samples=_matrices)
def diagonal(a: Array, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """Return a diagonal of the matrices in two axes, as the last axis of the result.

    >>> diagonal([[1.0, 2.0], [3.0, 4.0]])
    array([1., 4.])
    """
    return np.diagonal(a, offset, axis1, axis2)


@op(rules={"a": lambda g, y, a, shape, offset: diagonal(g, offset=offset, axis1=-2, axis2=-1)},
    equation="y[i, j] = a[min(i, j)] [j = i + offset],  "
    "ā[i] = g[i + max(−offset, 0), i + max(offset, 0)]",
    latex=lambda a, shape, offset: _named("diag", a, offset),
    reference=lambda a, shape, offset: np.stack(
        [np.diag(row, offset)[: shape[0], : shape[1]] for row in a.reshape(-1, a.shape[-1])]
    ).reshape(*a.shape[:-1], *shape),
    samples=lambda rng: [
        Sample(rng.normal(size=3), shape=(3, 3), offset=0),
        Sample(rng.normal(size=3), shape=(4, 4), offset=-1),
        Sample(rng.normal(size=(2, 3)), shape=(3, 4), offset=1)])
def embed_diagonal(a: Array, *, shape: tuple[int, int], offset: int = 0) -> Array:
    """Return matrices of `shape` with the last axis on a diagonal: the adjoint of `diagonal`.

    Source: the transpose of the linear map `diagonal`.

    >>> embed_diagonal([1.0, 2.0], shape=(2, 2))
    array([[1., 0.],
           [0., 2.]])
    """
    out = np.zeros((*a.shape[:-1], *shape), a.dtype)
    i = np.arange(a.shape[-1])
    out[..., i - min(offset, 0), i + max(offset, 0)] = a
    return out


def _trace_rule(g: Array, y: Array, a: Array, offset: int, axis1: int, axis2: int) -> Array:
    first, second = axis1 % a.ndim, axis2 % a.ndim
    unit = np.eye(a.shape[first], a.shape[second], offset, dtype=a.dtype)
    unit = unit if first < second else unit.T
    unit = unit.reshape([n if i in (first, second) else 1 for i, n in enumerate(a.shape)])
    return expand_dims(g, (first, second)) * unit


@op(rules={"a": _trace_rule},
    equation="y = Σ a[i, j] [j = i + offset],  ā[i, j] = g [j = i + offset]",
    latex=lambda a, offset, axis1, axis2: _named("tr", a, offset, *_among(a, axis1, axis2)),
    numpy=np.trace,
    reference=lambda a, offset, axis1, axis2: np.sum(
        _diagonal_by_loops(a, offset, axis1, axis2), axis=-1),
    samples=_matrices)
def trace(a: Array, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """Sum over a diagonal of the matrices in two axes.

    >>> trace(np.array([[1.0, 2.0], [3.0, 4.0]])).item()
    5.0
    """
    return np.trace(a, offset, axis1, axis2)


@implements(np.diag)
def diag(v: Operand, k: int = 0) -> Array:
    """Return the matrix with a vector on its k-th diagonal; of a matrix, its k-th diagonal.

    Args:
        v: a vector of shape ``(n,)``, or a matrix.
        k: the diagonal, counted upwards from the main one.

    Raises:
        ShapeError: v has neither one axis nor two.

    >>> diag(np.array([1.0, 2.0]))
    array([[1., 0.],
           [0., 2.]])
    """
    shape = shape_of(v)
    if len(shape) == 1:
        return embed_diagonal(v, shape=(shape[0] + abs(k),) * 2, offset=k)
    if len(shape) == 2:
        return diagonal(v, offset=k)
    raise ShapeError(
        f"diag() expects a vector or a matrix. Got shape {shape}: for stacks of matrices use "
        f"diagonal(a, axis1=-2, axis2=-1).")


@implements(np.diagflat)
def diagflat(v: Operand, k: int = 0) -> Array:
    """Return the matrix with all elements of an array on its k-th diagonal.

    Args:
        v: an array of n elements; the result is of shape ``(n + |k|, n + |k|)``.
        k: the diagonal, counted upwards from the main one.

    >>> diagflat([[1.0, 2.0]])
    array([[1., 0.],
           [0., 2.]])
    """
    return diag(ravel(v), k)


def _triangles(rng: np.random.Generator) -> list[Sample]:
    return sample_arrays(rng, shapes=((3, 3), (2, 3, 2), (3,)), k=(0, 1, -1))


def _tril_rule(g: Array, y: Array, m: Array, k: int) -> Array:
    return tril(g, k=k)


def _triu_rule(g: Array, y: Array, m: Array, k: int) -> Array:
    return triu(g, k=k)


@op(rules={"m": _tril_rule},
    equation="y[i, j] = m[i, j] [j ≤ i + k],  m̄[i, j] = g[i, j] [j ≤ i + k]",
    latex=lambda m, k: _named("tril", m, k), numpy=np.tril,
    reference=lambda m, k: m * np.tri(m.shape[-2 if m.ndim > 1 else -1], m.shape[-1], k),
    samples=_triangles)
def tril(m: Array, *, k: int = 0) -> Array:
    """Return lower triangles: zeros above the k-th diagonal of the matrices in the last two axes.

    >>> tril([[1.0, 2.0], [3.0, 4.0]])
    array([[1., 0.],
           [3., 4.]])
    """
    return np.tril(m, k)


@op(rules={"m": _triu_rule},
    equation="y[i, j] = m[i, j] [j ≥ i + k],  m̄[i, j] = g[i, j] [j ≥ i + k]",
    latex=lambda m, k: _named("triu", m, k), numpy=np.triu,
    reference=lambda m, k: m * (1 - np.tri(m.shape[-2 if m.ndim > 1 else -1], m.shape[-1], k - 1)),
    samples=_triangles)
def triu(m: Array, *, k: int = 0) -> Array:
    """Return upper triangles: zeros below the k-th diagonal of the matrices in the last two axes.

    >>> triu([[1.0, 2.0], [3.0, 4.0]])
    array([[1., 2.],
           [0., 4.]])
    """
    return np.triu(m, k)
