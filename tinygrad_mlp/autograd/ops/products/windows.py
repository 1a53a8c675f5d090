"""The windows of images, on which convolution and pooling are built.

`windows` lays the windows out as two further axes and `fold` adds them back. Each is the other's
adjoint, so rules written with them can be differentiated to any order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, op
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

__all__ = ["windows", "fold"]

Pair = tuple[int, int]


def pair(value: int | Sequence[int], name: str, least: int = 1) -> Pair:
    """Return `value`, an integer of at least `least` or two of them, as (vertical, horizontal)."""
    both = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2 or not all(isinstance(n, (int, np.integer)) and n >= least for n in both):
        raise InvalidArgumentError(
            f"{name} must be an integer of at least {least}, or a pair of them. Got {value!r}.")
    return int(both[0]), int(both[1])


def window_latex(name: str, argument: object, size: Pair, stride: Pair) -> str:
    """Write a function of windows in LaTeX, with their size and, if it differs, their stride."""
    shown = rf"{size[0]} \times {size[1]}"
    if stride != size:
        shown += rf", {stride[0]} \times {stride[1]}"
    return rf"\mathrm{{{name}}}_{{{shown}}}({argument})"


def windows_by_numpy(a: Array, size: Pair, stride: Pair) -> Array:
    """Return the same as `windows`, computed by NumPy."""
    seen = np.lib.stride_tricks.sliding_window_view(a, size, axis=(-2, -1))
    return seen[..., :: stride[0], :: stride[1], :, :]


def _windows_rule(g: Array, y: Array, a: Array, size: Pair, stride: Pair) -> Array:
    return fold(g, shape=a.shape[-2:], size=size, stride=stride)


@op(rules={"a": _windows_rule},
    equation="y[i, j, p, q] = a[s[0] i + p, s[1] j + q],  "
    "ā[k, l] = Σ g[i, j, k − s[0] i, l − s[1] j],  s = stride",
    latex=lambda a, size, stride: window_latex("windows", a, size, stride),
    reference=windows_by_numpy,
    samples=lambda rng: [
        Sample(rng.normal(size=(2, 5, 6)), size=(2, 3), stride=(1, 1)),
        Sample(rng.normal(size=(5, 6)), size=(3, 2), stride=(2, 3))])
def windows(a: Array, *, size: Pair, stride: Pair) -> Array:
    """Return windows of the last two axes, as a view of shape ``(..., rows, columns, *size)``.

    Source: the im2col of convolutions (Chellapilla, Puri and Simard, 2006), without a copy.

    >>> windows(np.ones((4, 4)), size=(2, 2), stride=(1, 1)).shape
    (3, 3, 2, 2)
    """
    (height, width), (kh, kw), (sh, sw) = a.shape[-2:], size, stride
    if kh > height or kw > width:
        raise ShapeError(
            f"the window {size} is larger than the image {(height, width)} (with its padding). "
            f"Use a smaller window or more padding.")
    shape = (*a.shape[:-2], (height - kh) // sh + 1, (width - kw) // sw + 1, kh, kw)
    down, right = a.strides[-2:]
    strides = (*a.strides[:-2], down * sh, right * sw, down, right)
    return np.lib.stride_tricks.as_strided(a, shape, strides, writeable=False)


def _fold_by_loops(a: Array, shape: Pair, size: Pair, stride: Pair) -> Array:
    out = np.zeros((*a.shape[:-4], *shape), a.dtype)
    for i, j in np.ndindex(*a.shape[-4:-2]):
        top, left = i * stride[0], j * stride[1]
        out[..., top : top + size[0], left : left + size[1]] += a[..., i, j, :, :]
    return out


@op(rules={"a": lambda g, y, a, shape, size, stride: windows(g, size=size, stride=stride)},
    equation="y[k, l] = Σ a[i, j, k − s[0] i, l − s[1] j],  "
    "ā[i, j, p, q] = g[s[0] i + p, s[1] j + q],  s = stride",
    latex=lambda a, shape, size, stride: window_latex("fold", a, size, stride),
    reference=_fold_by_loops,
    samples=lambda rng: [
        Sample(rng.normal(size=(2, 4, 4, 2, 3)), shape=(5, 6), size=(2, 3), stride=(1, 1)),
        Sample(rng.normal(size=(2, 2, 3, 2)), shape=(5, 6), size=(3, 2), stride=(2, 3))])
def fold(a: Array, *, shape: Pair, size: Pair, stride: Pair) -> Array:
    """Add windows back to where they were taken from: the adjoint of `windows`.

    Source: the transpose of the linear map `windows`.

    >>> fold(np.ones((2, 2, 2, 2)), shape=(3, 3), size=(2, 2), stride=(1, 1))
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    rows, columns = a.shape[-4:-2]
    (kh, kw), (sh, sw) = size, stride
    fitting = ((shape[0] - kh) // sh + 1, (shape[1] - kw) // sw + 1, kh, kw)
    if a.shape[-4:] != fitting:
        raise ShapeError(f"fold() expects windows of shape (..., {fitting}). Got {a.shape}.")
    out = np.zeros((*a.shape[:-4], *shape), a.dtype)
    apart = sh >= kh and sw >= kw
    for p, q in np.ndindex(size):
        place = out[..., p : p + sh * rows : sh, q : q + sw * columns : sw]
        if apart:  # the first to arrive is the only one
            place[...] = a[..., p, q]
        else:
            place += a[..., p, q]
    return out
