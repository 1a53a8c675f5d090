"""Layers of images: convolution, pooling, and flattening for the linear layers that follow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.ops.products.windows import pair
from tinygrad_mlp.errors import ShapeError
from tinygrad_mlp.nn import init as initialisers
from tinygrad_mlp.nn.init import Initialiser
from tinygrad_mlp.nn.layers import as_input, weight_and_bias
from tinygrad_mlp.nn.module import Module
from tinygrad_mlp.support.checks import integer_at_least

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from tinygrad_mlp.autograd.argument_types import Operand, Shape
    from tinygrad_mlp.autograd.graph import Array
    from tinygrad_mlp.autograd.tensor import Tensor


class Conv2d(Module):
    """Convolution of images: ``y[o] = Σ_c W[o, c] ⋆ x[c] + b[o]`` (a cross-correlation).

    Args:
        in_channels: channels of x.
        out_channels: channels of y.
        kernel_size: height and width of the kernel in pixels, one integer or two.
        stride: step between windows in pixels.
        padding: border of zeros in pixels.
        bias: whether there is a b.
        init: how W is drawn; He's normal by default.
        rng: generator of the draw.
        dtype: precision of the parameters, float64 by default.

    Shapes: x ``(n, in_channels, height, width)``, y ``(n, out_channels, rows, columns)`` with
    ``rows = (height + 2 padding − kernel) // stride + 1``.

    Raises:
        ShapeError: when called, if x has other axes, or is smaller than the kernel.

    Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998.

    >>> Conv2d(1, 6, 5, padding=2, rng=np.random.default_rng(0))(np.ones((2, 1, 28, 28))).shape
    (2, 6, 28, 28)
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Shape, stride: Shape = 1,
                 padding: Shape = 0, bias: bool = True, *, init: Initialiser | None = None,
                 rng: np.random.Generator | None = None, dtype: DTypeLike | None = None) -> None:
        in_channels = integer_at_least(1, in_channels, "Conv2d: in_channels")
        out_channels = integer_at_least(1, out_channels, "Conv2d: out_channels")
        self.kernel_size = pair(kernel_size, "Conv2d() kernel_size")
        self.stride = pair(stride, "Conv2d() stride")
        self.padding = pair(padding, "Conv2d() padding", least=0)
        init = initialisers.he_normal() if init is None else init
        shape = (out_channels, in_channels, *self.kernel_size)
        self.weight, self.bias = weight_and_bias("Conv2d", shape, bias, init, rng, dtype)

    def forward(self, x: Array | Tensor) -> Array | Tensor:
        """Convolve the last two axes."""
        x = as_input(x)
        if x.ndim != 4 or x.shape[1] != self.weight.shape[1]:
            raise ShapeError(
                f"Conv2d({self.describe()}) expects inputs of shape "
                f"(n, {self.weight.shape[1]}, height, width). Got {x.shape}.")
        _check_window(self, x, self.padding)
        return ops.conv2d(x, self.weight, self.bias, stride=self.stride, padding=self.padding)

    def describe(self) -> str:
        """Return the sizes."""
        out_channels, in_channels = self.weight.shape[:2]
        text = f"{in_channels}, {out_channels}, {self.kernel_size}"
        text += f", stride={self.stride}" if self.stride != (1, 1) else ""
        text += f", padding={self.padding}" if self.padding != (0, 0) else ""
        return text + (", bias=False" if self.bias is None else "")


def _check_window(layer: Any, x: Array | Tensor, padding: tuple[int, int]) -> None:
    """Raise an error for images without a sample, or smaller than the kernel."""
    seen = tuple(n + 2 * p for n, p in zip(x.shape[-2:], padding, strict=True))
    if x.size == 0 or any(n < k for n, k in zip(seen, layer.kernel_size, strict=True)):
        raise ShapeError(
            f"{type(layer).__name__}({layer.describe()}) expects at least one image, with its "
            f"padding not smaller than the kernel. Got {x.shape}.")


class _Pool2d(Module):
    def __init__(self, kernel_size: Shape, stride: Shape | None = None) -> None:
        name = f"{type(self).__name__}()"
        self.kernel_size = pair(kernel_size, f"{name} kernel_size")
        self.stride = self.kernel_size if stride is None else pair(stride, f"{name} stride")

    def _images(self, x: Any) -> Array | Tensor:
        x = as_input(x)
        if x.ndim < 2:
            raise ShapeError(
                f"{type(self).__name__}({self.describe()}) expects inputs of shape "
                f"(..., height, width). Got {x.shape}.")
        _check_window(self, x, (0, 0))
        return x

    def describe(self) -> str:
        """Return the sizes."""
        stride = f", stride={self.stride}" if self.stride != self.kernel_size else ""
        return f"{self.kernel_size}{stride}"


class MaxPool2d(_Pool2d):
    """Largest element of each window of the last two axes; ties share the gradient.

    Args:
        kernel_size: height and width of the window in pixels, one integer or two.
        stride: step between windows in pixels; the window's size by default.

    >>> MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4))[0, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """

    def forward(self, x: Operand) -> Array | Tensor:
        """Return the maxima, shape ``(..., rows, columns)``."""
        return ops.max_pool2d(self._images(x), size=self.kernel_size, stride=self.stride)


class AvgPool2d(_Pool2d):
    """Mean of each window of the last two axes.

    Args:
        kernel_size: height and width of the window in pixels, one integer or two.
        stride: step between windows in pixels; the window's size by default.

    >>> AvgPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4))[0, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """

    def forward(self, x: Operand) -> Array | Tensor:
        """Return the means, shape ``(..., rows, columns)``."""
        return ops.avg_pool2d(self._images(x), size=self.kernel_size, stride=self.stride)


class Flatten(Module):
    """Reshape of all axes but the first into one: from images to vectors.

    Raises:
        ShapeError: when called with a single number.

    >>> Flatten()(np.ones((5, 1, 8, 8))).shape
    (5, 64)
    """

    def forward(self, x: Array | Tensor) -> Array | Tensor:
        """Reshape ``(n, ...)`` to ``(n, product of the rest)``."""
        x = as_input(x)
        if x.ndim == 0:
            raise ShapeError("Flatten() expects inputs of shape (n, ...). Got ().")
        return ops.reshape(x, shape=(x.shape[0], math.prod(x.shape[1:])))
