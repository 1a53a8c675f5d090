"""Convolution and pooling of images, channels first: ``(..., channels, height, width)``.

All three are sums or maxima over the windows of `windows`. They are copied so that the pixels of a
row of the result lie side by side: NumPy is fast with long contiguous rows. In a program a forward
pass and its gradient share that copy.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_mlp.autograd.argument_types import Operand, Shape
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, op
from tinygrad_mlp.autograd.ops.elementwise.comparison import equal
from tinygrad_mlp.autograd.ops.products.windows import (
    Pair,
    fold,
    pair,
    window_latex,
    windows,
    windows_by_numpy,
)
from tinygrad_mlp.autograd.ops.shapes.arranging import pad_op
from tinygrad_mlp.autograd.ops.shapes.axes import transpose
from tinygrad_mlp.autograd.ops.shapes.shape import expand_dims, indicator, reshape
from tinygrad_mlp.autograd.ops.sums import broadcast_to
from tinygrad_mlp.autograd.ops.sums import sum as sum_
from tinygrad_mlp.errors import ShapeError

__all__ = ["conv2d", "max_pool2d", "avg_pool2d"]


def _padded(x: Array, padding: Pair) -> Array:
    if padding == (0, 0):
        return x
    return pad_op(x, pad_width=((0, 0),) * (x.ndim - 2) + ((padding[0],) * 2, (padding[1],) * 2))


def _cropped(x: Array, padding: Pair) -> Array:
    (ph, pw), (height, width) = padding, x.shape[-2:]
    return x if padding == (0, 0) else x[..., ph : height - ph, pw : width - pw]


LAST = (0, 1, 4, 5, 2, 3)
"""The order of axes that puts rows and columns behind the pixels of a window, and back."""


def _patches(x: Array, weight: Array, stride: Pair, padding: Pair) -> Array:
    """Return every window as a column: shape ``(n, channels · kh · kw, rows · columns)``."""
    seen = windows(_padded(x, padding), size=weight.shape[-2:], stride=stride)
    rows, columns = seen.shape[2:4]
    shape = x.shape[0], math.prod(weight.shape[1:]), rows * columns
    return reshape(transpose(seen, axes=LAST), shape=shape)


def _matrix(weight: Array) -> Array:
    """Return the kernels as rows: shape ``(out, channels · kh · kw)``."""
    return reshape(weight, shape=(weight.shape[0], math.prod(weight.shape[1:])))


def _pixels(g: Array) -> Array:
    """Return images as rows: shape ``(n, out, rows · columns)``."""
    return reshape(g, shape=(*g.shape[:2], g.shape[2] * g.shape[3]))


def _conv_x(
    g: Array, y: Array, x: Array, weight: Array, bias: Array, stride: Pair, padding: Pair
) -> Array:
    size = weight.shape[-2:]
    padded = x.shape[-2] + 2 * padding[0], x.shape[-1] + 2 * padding[1]
    if stride == (1, 1):
        return _cropped(_added_in_rows(g, weight), padding)
    patches = _matrix(weight).T @ _pixels(g)
    patches = reshape(patches, shape=(*x.shape[:2], *size, *g.shape[2:]))
    patches = transpose(patches, axes=LAST)
    return _cropped(fold(patches, shape=padded, size=size, stride=stride), padding)


def _added_in_rows(g: Array, weight: Array) -> Array:
    """Return the gradient of the images for windows of stride 1, added in long runs.

    The rows of g are made as wide as the image by zeros at their end. So all that a pixel of a
    row of a window gives to an image lies in memory as one long row, which can be added with a
    shift: what leaves a row is zero. Then the rows of a window are added.

    If a weight is not finite, these zeros become NaN, which the shift moves to the start of the
    next row, or of the next channel. An operation that zeroes them takes a fifth more time.
    """
    out, channels, kh, kw = weight.shape
    g = pad_op(g, pad_width=((0, 0), (0, 0), (0, 0), (0, kw - 1)))
    n, _, rows, width = g.shape
    matrix = reshape(transpose(weight, axes=(3, 1, 2, 0)), shape=(kw * channels * kh, out))
    length = channels * kh * rows * width
    long = reshape(matrix @ _pixels(g), shape=(n, kw, 1, length, 1))
    long = transpose(long, axes=(0, 2, 3, 4, 1))
    of_rows = fold(long, shape=(1, length + kw - 1), size=(1, kw), stride=(1, 1))
    of_rows = reshape(of_rows[..., :length], shape=(n, channels, kh, 1, rows, width))
    of_rows = transpose(of_rows, axes=LAST)
    return fold(of_rows, shape=(rows + kh - 1, width), size=(kh, 1), stride=(1, 1))


def _conv_weight(
    g: Array, y: Array, x: Array, weight: Array, bias: Array, stride: Pair, padding: Pair
) -> Array:
    patches = _patches(x, weight, stride, padding)
    # The larger array first: BLAS takes half the time where the second one is the transposed one.
    of_each = patches @ transpose(_pixels(g), axes=(0, 2, 1))
    return reshape(sum_(of_each, axis=0).T, shape=weight.shape)


def _conv_latex(x: object, weight: object, bias: object, stride: Pair, padding: Pair) -> str:
    seen = f"{x}" if padding == (0, 0) else (
        rf"\mathrm{{pad}}_{{{padding[0]} \times {padding[1]}}}({x})")
    product = f"{seen} * {weight}"
    if stride != (1, 1):
        product = rf"\mathrm{{conv}}_{{{stride[0]} \times {stride[1]}}}({seen}, {weight})"
    return product if bias is None else f"{product} + {bias}"


def _conv_by_loops(x: Array, weight: Array, bias: Array, stride: Pair, padding: Pair) -> Array:
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    kh, kw = weight.shape[-2:]
    rows = range(0, x.shape[2] - kh + 1, stride[0])
    columns = range(0, x.shape[3] - kw + 1, stride[1])
    y = np.array([[np.tensordot(x[:, :, i : i + kh, j : j + kw], weight, ((1, 2, 3), (1, 2, 3)))
                   for j in columns] for i in rows])
    y = np.transpose(y, (2, 3, 0, 1))
    return y if bias is None else y + bias[:, None, None]


@op(name="conv2d",
    rules={"x": _conv_x, "weight": _conv_weight,
           "bias": lambda g, y, x, weight, bias, stride, padding: sum_(g, axis=(0, 2, 3))},
    equation="y[m, o, i, j] = b[o] + Σ x[m, c, s[0] i + p − r[0], s[1] j + q − r[1]] "
    "W[o, c, p, q],  "
    "x̄[m, c, k, l] = Σ g[m, o, i, j] W[o, c, k + r[0] − s[0] i, l + r[1] − s[1] j],  "
    "W̄[o, c, p, q] = Σ g[m, o, i, j] x[m, c, s[0] i + p − r[0], s[1] j + q − r[1]],  "
    "b̄[o] = Σ g[m, o, i, j],  s = stride,  r = padding",
    latex=_conv_latex, reference=_conv_by_loops,
    samples=lambda rng: [
        Sample(
            rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(4, 3, 2, 3)), rng.normal(size=4),
            stride=stride, padding=padding)
        for stride, padding in (((1, 1), (0, 0)), ((2, 1), (1, 2)), ((3, 3), (1, 1)))
    ] + [Sample(rng.normal(size=(1, 2, 4, 4)), rng.normal(size=(1, 2, 3, 3)), None)],
    floating=True, decomposable=True)
def conv2d_op(
    x: Array, weight: Array, bias: Array | None = None, *, stride: Pair = (1, 1),
    padding: Pair = (0, 0)) -> Array:
    if x.ndim != 4 or weight.ndim != 4 or x.shape[1] != weight.shape[1]:
        raise ShapeError(
            f"conv2d() expects x of shape (n, channels, height, width) and weight of shape "
            f"(out_channels, channels, height, width). Got {x.shape} and {weight.shape}.")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(
            f"conv2d() expects bias of shape {weight.shape[:1]}, a number for each output channel. "
            f"Got {bias.shape}.")
    y = _matrix(weight) @ _patches(x, weight, stride, padding)
    if bias is not None:
        y = y + expand_dims(bias, 1)
    rows = (x.shape[2] + 2 * padding[0] - weight.shape[2]) // stride[0] + 1
    return reshape(y, shape=(*y.shape[:2], rows, y.shape[2] // rows))


def conv2d(x: Operand, weight: Operand, bias: Operand | None = None, stride: Shape = 1,
           padding: Shape = 0) -> Array:
    """Compute the two-dimensional cross-correlation, called convolution in neural networks.

    ``y[n, o, i, j] = b[o] + Σ x[n, c, s i + p, s j + q] W[o, c, p, q]``

    Args:
        x: images, shape ``(n, channels, height, width)``.
        weight: W, shape ``(out_channels, channels, kernel height, kernel width)``.
        bias: b, shape ``(out_channels,)``, or None.
        stride: step s of the windows, in pixels: an integer, or (vertical, horizontal).
        padding: width of the border of zeros, in pixels: an integer, or (vertical, horizontal).

    Raises:
        ShapeError: the shapes do not fit, or the window is larger than the image.
        InvalidArgumentError: a stride below 1, or a negative padding.

    Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998.

    >>> import numpy as np
    >>> conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 2, 2)), stride=2)
    array([[[[4., 4.],
             [4., 4.]]]])
    """
    steps, border = pair(stride, "conv2d() stride"), pair(padding, "conv2d() padding", least=0)
    return conv2d_op(x, weight, bias, stride=steps, padding=border)


def _in_front(x: Array, size: Pair, stride: Pair) -> Array:
    """Return the pixels of windows on the first axis: shape ``(kh · kw, ..., rows, columns)``."""
    seen = windows(x, size=size, stride=stride)
    last, order = x.ndim, range(x.ndim)
    seen = transpose(seen, axes=(last, last + 1, *order))
    return reshape(seen, shape=(size[0] * size[1], *seen.shape[2:]))


def _folded(front: Array, x: Array, size: Pair, stride: Pair) -> Array:
    """Add up pixels of windows that lie on the first axis where they are in the image."""
    seen = reshape(front, shape=(*size, *front.shape[1:]))
    seen = transpose(seen, axes=(*range(2, seen.ndim), 0, 1))
    return fold(seen, shape=x.shape[-2:], size=size, stride=stride)


def _max_pool_rule(g: Array, y: Array, x: Array, size: Pair, stride: Pair) -> Array:
    hit = indicator(equal(_in_front(x, size, stride), y), g, math.prod(size))
    return _folded(hit * (g / sum_(hit, axis=0)), x, size, stride)


def _avg_pool_rule(g: Array, y: Array, x: Array, size: Pair, stride: Pair) -> Array:
    n = size[0] * size[1]
    return _folded(broadcast_to(g / n, shape=(n, *g.shape)), x, size, stride)


def _pool_samples(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample(rng.normal(size=(2, 3, 4, 6)), size=(2, 2), stride=(2, 2)),
        Sample(rng.normal(size=(1, 5, 5)), size=(3, 2), stride=(1, 2))]


@op(name="max_pool2d", rules={"x": _max_pool_rule},
    equation="y = amax(v, (−2, −1)),  x̄[k, l] = Σ h[i, j, k − s[0] i, l − s[1] j],  "
    "h[i, j, p, q] = g[i, j] [v[i, j, p, q] = y[i, j]] / t[i, j],  "
    "t[i, j] = Σ [v[i, j, p, q] = y[i, j]],  v = windows(x, size, stride),  s = stride",
    latex=lambda x, size, stride: window_latex("maxpool", x, size, stride),
    reference=lambda x, size, stride: np.max(windows_by_numpy(x, size, stride), axis=(-2, -1)),
    samples=_pool_samples, decomposable=True)
def max_pool2d_op(x: Array, *, size: Pair, stride: Pair) -> Array:
    return _in_front(x, size, stride).max(axis=0)


def max_pool2d(x: Operand, size: Shape, stride: Shape | None = None) -> Array:
    """Return the largest element of each window. Ties share the gradient equally.

    Args:
        x: images, shape ``(..., height, width)``.
        size: of the windows, in pixels: an integer, or (vertical, horizontal).
        stride: the step between windows, in pixels; None for `size`, without overlap.

    Raises:
        ShapeError: the window is larger than the image.
        InvalidArgumentError: a size or a stride below 1.

    >>> import numpy as np
    >>> max_pool2d(np.arange(16.0).reshape(4, 4), 2)
    array([[ 5.,  7.],
           [13., 15.]])
    """
    window = pair(size, "max_pool2d() size")
    steps = window if stride is None else pair(stride, "max_pool2d() stride")
    return max_pool2d_op(x, size=window, stride=steps)


@op(name="avg_pool2d",
    rules={"x": _avg_pool_rule},
    equation="y[i, j] = Σ x[k, l] [0 ≤ k − s[0] i < d[0]] [0 ≤ l − s[1] j < d[1]] / (d[0] d[1]),  "
    "x̄[k, l] = Σ g[i, j] [0 ≤ k − s[0] i < d[0]] [0 ≤ l − s[1] j < d[1]] / (d[0] d[1]),  "
    "s = stride,  d = size",
    latex=lambda x, size, stride: window_latex("avgpool", x, size, stride),
    reference=lambda x, size, stride: np.mean(windows_by_numpy(x, size, stride), axis=(-2, -1)),
    samples=_pool_samples, decomposable=True)
def avg_pool2d_op(x: Array, *, size: Pair, stride: Pair) -> Array:
    return _in_front(x, size, stride).mean(axis=0)


def avg_pool2d(x: Operand, size: Shape, stride: Shape | None = None) -> Array:
    """Return the mean of each window of the last two axes.

    Args:
        x: images, shape ``(..., height, width)``.
        size: of the windows, in pixels: an integer, or (vertical, horizontal).
        stride: the step between windows, in pixels; None for `size`, without overlap.

    Raises:
        ShapeError: the window is larger than the image.
        InvalidArgumentError: a size or a stride below 1.

    >>> import numpy as np
    >>> avg_pool2d(np.arange(16.0).reshape(4, 4), 2)
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    window = pair(size, "avg_pool2d() size")
    steps = window if stride is None else pair(stride, "avg_pool2d() stride")
    return avg_pool2d_op(x, size=window, stride=steps)
