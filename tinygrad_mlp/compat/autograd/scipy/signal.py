"""`convolve`, as in `scipy.signal`, over all axes or some of them."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.ops.shapes.shape import places, shape_of
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

__all__ = ["convolve"]


def convolve(A: Array | Tensor, B: Array | Tensor, axes: Sequence[Sequence[int]] | None = None,
             dot_axes: Sequence[Sequence[int]] = ((), ()), mode: str = "full") -> Any:
    """Convolve two arrays over all of their axes, as `tg.convolve`, or over some.

    The result has the axes of A that are left, those of B, and then the convolved ones.

    Args:
        A, B: arrays.
        axes: the axes of A, and those of B, that are convolved with each other; None for all.
        dot_axes: the axes of A, and those of B, over which products are summed; needs `axes`.
        mode: as for `tg.convolve`; for ``valid``, one array is at least as large along all axes.

    Raises:
        ShapeError: the shapes do not fit.
        InvalidArgumentError: another mode, or `dot_axes` without `axes`.

    >>> convolve(np.ones((2, 3)), np.ones((4, 2)), axes=([1], [1]), mode="valid").shape
    (2, 4, 2)
    """
    if axes is None:
        if any(map(len, dot_axes)):
            raise InvalidArgumentError("convolve() expects axes, too, where it gets dot_axes.")
        return ops.convolve(A, B, mode)
    a_shape, b_shape = shape_of(A), shape_of(B)
    axes, dot_axes = (_pairs(each, (len(a_shape), len(b_shape))) for each in (axes, dot_axes))
    pairs = [(a_shape[i], b_shape[j]) for i, j in zip(*axes, strict=True)]
    if mode == "valid" and any(n < m for n, m in pairs) and any(n > m for n, m in pairs):
        raise ShapeError(
            f"convolve() with mode='valid' expects one array that is at least as large as the "
            f"other along every convolved axis. Got shapes {a_shape} and {b_shape}.")
    letters = iter(string.ascii_letters)
    a, b = [next(letters) for _ in a_shape], [next(letters) for _ in b_shape]
    own = [x for k, x in enumerate(a) if k not in (*axes[0], *dot_axes[0])]
    own += [x for k, x in enumerate(b) if k not in (*axes[1], *dot_axes[1])]
    for i, j in zip(*dot_axes, strict=True):
        b[j] = a[i]
    outs = [next(letters) for _ in pairs]
    operands, terms = [A, B], ["".join(a), "".join(b)]
    for out, i, j, (n, m) in zip(outs, *axes, pairs, strict=True):
        operands.append(_meets(n, m, mode))
        terms.append(out + a[i] + b[j])
    return ops.einsum(f"{','.join(terms)}->{''.join(own + outs)}", *operands, optimize=True)


def _pairs(axes: Sequence[Sequence[int]], ndims: Sequence[int]) -> list[tuple[int, ...]]:
    """Return axes of two arrays, as many of each, counted from 0."""
    if len({len(own) for own in axes}) > 1:
        raise InvalidArgumentError(f"convolve() expects as many axes of A as of B. Got {axes!r}.")
    return [places("convolve", tuple(own), ndim) for own, ndim in zip(axes, ndims, strict=True)]


def _meets(n: int, m: int, mode: str) -> Array:
    """Return 1 where ``i = p + q``, else 0, for places i of a result and p, q of two vectors."""
    spans = {"full": (0, n + m - 1), "valid": (min(n, m) - 1, abs(n - m) + 1),
             "same": ((m - 1) // 2, n)}
    if mode not in spans:
        raise InvalidArgumentError(
            f"convolve() expects mode to be 'full', 'valid' or 'same'. Got {mode!r}.")
    start, length = spans[mode]
    return (np.arange(start, start + length)[:, None, None] ==
            np.add.outer(np.arange(n), np.arange(m)))
