"""Further points that satisfy what a given one does: positive, symmetric, sums of 1, and so on.

A check at a single point misses mistakes that show elsewhere. But a function of a covariance matrix
means nothing at a matrix that is none, and its author may say so with an assertion. So a property
that the given array has is kept: each is a way to recognise it, and a way to move within it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array

Rng = np.random.Generator


class Property(NamedTuple):
    """A property of arrays: its name, whether an array has it, and a move that keeps it."""

    name: str
    holds: Callable[[Array], bool]
    moved: Callable[[Array, float, Rng], Array]


def move_freely(a: Array, reach: float, rng: Rng) -> Array:
    """Return an array with a normal number added to each element, `reach` times as large as it."""
    return a + reach * _size(a) * rng.standard_normal(a.shape)


def _size(a: Array) -> float:
    size = float(np.sqrt(np.mean(np.square(a)))) if a.size else 1.0
    return size if np.isfinite(size) and size > 0 else 1.0


def _tolerance(a: Array) -> float:
    return 64 * float(np.finfo(a.dtype).eps) * max(1.0, a.shape[-1] if a.ndim else 1)


def _square(a: Array) -> bool:
    # A matrix of equal numbers is a simple choice, and not meant as a symmetric one.
    return bool(a.ndim == 2 and a.shape[0] == a.shape[1] > 1 and not _constant(a))


def _constant(a: Array) -> bool:
    return bool((a == a.flat[0]).all())


def _symmetric(a: Array) -> bool:
    return _square(a) and bool(np.abs(a - a.T).max() <= _tolerance(a) * np.abs(a).max())


def _diagonal(a: Array) -> bool:
    return _square(a) and not bool(a[~np.eye(len(a), dtype=bool)].any())


def _positive_definite(a: Array) -> bool:
    return _symmetric(a) and bool(np.linalg.eigvalsh(a.astype(float)).min() > 0)


def _move_definite(a: Array, reach: float, rng: Rng) -> Array:
    change = np.eye(len(a)) + 0.6 * np.tanh(reach) * rng.standard_normal(a.shape) / np.sqrt(len(a))
    moved = np.asarray(change @ a @ change.T)
    return np.asarray((moved + moved.T) / 2)


def _move_symmetric(a: Array, reach: float, rng: Rng) -> Array:
    moved = move_freely(a, reach, rng)
    return np.asarray((moved + moved.T) / 2)


def _lower(a: Array) -> bool:
    return _square(a) and not np.triu(a, 1).any() and bool(np.tril(a, -1).any())


def _upper(a: Array) -> bool:
    return _square(a) and _lower(a.T)


def _move_within_pattern(a: Array, reach: float, rng: Rng) -> Array:
    # The sign on the diagonal stays, as that of a Cholesky factor must.
    moved = np.where(a == 0, 0.0, move_freely(a, reach, rng))
    diagonal = np.diag(a) * np.exp(np.tanh(reach) * rng.standard_normal(len(a)))
    moved[np.diag_indices_from(moved)] = diagonal
    return moved


def _orthogonal(a: Array) -> bool:
    if a.ndim != 2 or min(a.shape) < 2 or _diagonal(a):
        return False
    narrow = a if a.shape[0] >= a.shape[1] else a.T
    gap = narrow.T @ narrow - np.eye(narrow.shape[1])
    return bool(np.abs(gap).max() <= _tolerance(a))


def _move_orthogonal(a: Array, reach: float, rng: Rng) -> Array:
    narrow = a if a.shape[0] >= a.shape[1] else a.T
    q, r = np.linalg.qr(move_freely(narrow, np.tanh(reach), rng))
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return q if a.shape[0] >= a.shape[1] else q.T


def _axes(a: Array) -> tuple[int | None, ...]:
    """Return the axes along which a property may hold: rows, columns, the whole."""
    return (-1, None) if a.ndim == 1 else (-1, 0, None)


def _axis_where(a: Array, along: Callable[[Array], Array]) -> tuple[int | None] | None:
    """Return, in a tuple, the first axis along which a function of the array is 1 everywhere."""
    if a.ndim == 0 or a.size < 2:
        return None
    for axis in _axes(a):
        if axis is not None and a.shape[axis] < 2:
            continue
        flat = a.ravel() if axis is None else np.moveaxis(a, axis, -1)
        if np.abs(along(flat) - 1).max(initial=0) <= _tolerance(a):
            return (axis,)
    return None


def _sum_axis(a: Array) -> tuple[int | None] | None:
    return _axis_where(a, lambda rows: rows.sum(axis=-1))


def _norm_axis(a: Array) -> tuple[int | None] | None:
    return _axis_where(a, lambda rows: np.sqrt(np.square(rows).sum(axis=-1)))


def _distribution(a: Array) -> bool:
    return _sum_axis(a) is not None and bool((a >= 0).all())


def _move_distribution(a: Array, reach: float, rng: Rng) -> Array:
    (axis,) = _sum_axis(a) or (None,)
    weights = np.exp(np.minimum(reach, 1.5) * rng.standard_normal(a.shape))
    # Zeros of a one-hot row become positive, which lets it move at all.
    moved = (a + 0.1 * reach * (a == 0).any()) * weights
    return np.asarray(moved / moved.sum(axis=axis, keepdims=True))


def _move_sum(a: Array, reach: float, rng: Rng) -> Array:
    (axis,) = _sum_axis(a) or (None,)
    step = np.asarray(reach * _size(a) * rng.standard_normal(a.shape))
    return np.asarray(a + step - step.mean(axis=axis, keepdims=True))


def _move_norm(a: Array, reach: float, rng: Rng) -> Array:
    (axis,) = _norm_axis(a) or (None,)
    moved = move_freely(a, reach, rng)
    return np.asarray(moved / np.sqrt(np.square(moved).sum(axis=axis, keepdims=True)))


def _whole(a: Array) -> bool:
    return a.size > 1 and not _constant(a) and bool((a == np.rint(a)).all())


def _move_whole(a: Array, reach: float, rng: Rng) -> Array:
    moved = a + np.rint(np.maximum(reach, 1) * rng.uniform(-2, 2, a.shape))
    return np.asarray(np.abs(moved) + (moved == 0) * (a > 0).all() if (a >= 0).all() else moved)


def _increasing(a: Array) -> bool:
    return a.ndim == 1 and a.size > 2 and bool((np.diff(a) > 0).all())


def _move_increasing(a: Array, reach: float, rng: Rng) -> Array:
    gaps = np.diff(a) * np.exp(np.minimum(reach, 1.5) * rng.standard_normal(a.size - 1))
    start = a[0] * np.exp(0.5 * rng.standard_normal())  # which keeps its sign
    return np.concatenate([[start], start + np.cumsum(gaps)])


def _between(a: Array) -> bool:
    return bool(((a > 0) & (a < 1)).all())


def _move_between(a: Array, reach: float, rng: Rng) -> Array:
    odds = a / (1 - a) * np.exp(np.minimum(2 * reach, 3) * rng.standard_normal(a.shape))
    return np.asarray(odds / (1 + odds))


def _move_by_factors(a: Array, reach: float, rng: Rng) -> Array:
    return np.asarray(a * np.exp(np.minimum(reach, 1.5) * rng.standard_normal(a.shape)))


def _move_not_negative(a: Array, reach: float, rng: Rng) -> Array:
    return np.abs(move_freely(a, reach, rng))


PROPERTIES = (
    Property("diagonal", _diagonal, _move_within_pattern),
    Property("lower triangular", _lower, _move_within_pattern),
    Property("upper triangular", _upper, _move_within_pattern),
    Property("not negative with sums of 1", _distribution, _move_distribution),
    Property("symmetric and positive definite", _positive_definite, _move_definite),
    Property("symmetric", _symmetric, _move_symmetric),
    Property("orthogonal", _orthogonal, _move_orthogonal),
    Property("of sum 1", lambda a: _sum_axis(a) is not None, _move_sum),
    Property("of norm 1", lambda a: _norm_axis(a) is not None, _move_norm),
    Property("of whole numbers", _whole, _move_whole),
    Property("increasing", _increasing, _move_increasing),
    Property("between 0 and 1", _between, _move_between),
    Property("positive", lambda a: bool((a > 0).all()), _move_by_factors),
    Property("negative", lambda a: bool((a < 0).all()), _move_by_factors),
    Property("not negative", lambda a: bool((a >= 0).all() and a.any()), _move_not_negative),
)
"""From the strictest to the weakest: the first that holds is kept. A whole number or a positive one
may be chance; so a difference where it does not hold is told, but is no verdict."""


def property_of(a: Array) -> Property | None:
    """Return the property of an array that further points keep, or None.

    >>> found = property_of(np.array([[2.0, 1.0], [1.0, 3.0]]))
    >>> found.name
    'symmetric and positive definite'
    """
    if a.size == 0 or not np.isfinite(a).all():
        return None
    return next((known for known in PROPERTIES if known.holds(a)), None)


def moved(a: Array, reach: float, rng: Rng, *, freely: bool = False) -> Array:
    """Return a further point `reach` times its size away from `a`, with the property that it has.

    >>> rows = moved(np.array([[0.25, 0.75], [0.5, 0.5]]), 0.5, np.random.default_rng(0))
    >>> rows.sum(axis=1)
    array([1., 1.])
    """
    kept = None if freely else property_of(a)
    with np.errstate(all="ignore"):
        found = move_freely(a, reach, rng) if kept is None else kept.moved(a, reach, rng)
    return np.asarray(found, dtype=a.dtype)
