"""Convolution over all axes, as `np.convolve` and `scipy.signal.convolve` define it.

It turns one of the arrays round, which `conv2d` does not. Its rules are convolutions, too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, implements, op
from tinygrad_mlp.autograd.ops.shapes.arranging import flip
from tinygrad_mlp.autograd.ops.shapes.indexing import getitem
from tinygrad_mlp.autograd.ops.shapes.shape import shape_of
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

__all__ = ["convolve"]


@functools.cache
def convolving(ndim: int) -> Callable[..., Array]:
    """Return the function for arrays of so many axes. That of SciPy is loaded when first used."""
    if ndim == 1:
        return np.convolve
    from scipy.signal import convolve

    return functools.partial(convolve, method="direct")


def _by_loops(a: Array, v: Array, mode: str) -> Array:
    full = np.zeros([n + m - 1 for n, m in zip(a.shape, v.shape, strict=True)])
    for place in np.ndindex(*v.shape):
        part = tuple(slice(i, i + n) for i, n in zip(place, a.shape, strict=True))
        full[part] += v[place] * a
    if mode == "full":
        return full
    return full[tuple(slice(m - 1, n) for n, m in zip(a.shape, v.shape, strict=True))]


def _convolve_a(g: Array, y: Array, a: Array, v: Array, mode: str) -> Array:
    return convolve_op(g, flip(v), mode="valid" if mode == "full" else "full")


def _convolve_v(g: Array, y: Array, a: Array, v: Array, mode: str) -> Array:
    return convolve_op(*((g, flip(a)) if mode == "full" else (flip(a), g)), mode="valid")


@op(name="convolve", rules={"a": _convolve_a, "v": _convolve_v},
    equation="y[i, …] = Σ a[p, …] v[i − p, …],  ā[p, …] = Σ g[i, …] v[i − p, …],  "
    "v̄[p, …] = Σ g[i, …] a[i − p, …]",
    latex=lambda a, v, mode: f"{a} * {v}" if mode == "full" else (
        rf"({a} * {v})_{{\mathrm{{valid}}}}"),
    reference=_by_loops,
    samples=lambda rng: [
        Sample(rng.normal(size=n), rng.normal(size=m), mode=mode)
        for n, m in ((4, 3), ((3, 4), (2, 2)), ((3, 2, 3), (1, 2, 2)))
        for mode in ("full", "valid")])
def convolve_op(a: Array, v: Array, *, mode: str) -> Array:
    if not a.size or not v.size:
        raise ShapeError(
            f"convolve() expects arrays that are not empty. Got shapes {a.shape} and {v.shape}.")
    return convolving(a.ndim)(a, v, mode)


@implements(np.convolve)
def convolve(a: Operand, v: Operand, mode: str = "full") -> Array:
    """Convolve two arrays over all of their axes: ``y[i] = Σ a[p] v[i − p]``.

    Vectors may be given in any order, as to ``np.convolve``. With more axes, the first array
    is at least as large as the second along each, unless the mode is ``full``.

    Args:
        a, v: arrays with the same number of axes, at least one; not empty.
        mode: ``full`` for all places at which they overlap, ``valid`` for those at which v lies
            within a, ``same`` for the middle of the full result, in the shape of a.

    Raises:
        ShapeError: the shapes do not fit.
        InvalidArgumentError: another mode.

    Source: the product of polynomials with these coefficients; as `np.convolve`.

    >>> convolve([1.0, 2.0, 3.0], [0.0, 1.0, 0.5])
    array([0. , 1. , 2.5, 4. , 1.5])
    """
    if mode not in ("full", "valid", "same"):
        raise InvalidArgumentError(
            f"convolve() expects mode to be 'full', 'valid' or 'same'. Got {mode!r}.")
    n, m = shape_of(a), shape_of(v)
    if len(n) == len(m) == 1 and m > n:
        a, v, n, m = v, a, m, n
    if not n or len(n) != len(m):
        raise ShapeError(
            f"convolve() expects arrays with the same number of axes, at least one. "
            f"Got shapes {n} and {m}.")
    if mode != "full" and any(i < j for i, j in zip(n, m, strict=True)):
        raise ShapeError(
            f"convolve() with mode={mode!r} expects a first array that is at least as large as the "
            f"second along every axis. Got shapes {n} and {m}.")
    if mode != "same":
        return convolve_op(a, v, mode=mode)
    middle = tuple(slice((j - 1) // 2, (j - 1) // 2 + i) for i, j in zip(n, m, strict=True))
    return getitem(convolve_op(a, v, mode="full"), template=middle)
