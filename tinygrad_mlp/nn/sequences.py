"""Layers of sequences: embeddings, and convolution along time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError, ShapeError
from tinygrad_mlp.nn import init as initialisers
from tinygrad_mlp.nn.init import Initialiser
from tinygrad_mlp.nn.layers import as_input, weight_and_bias
from tinygrad_mlp.nn.module import Module
from tinygrad_mlp.support.checks import integer_at_least


class Embedding(Module):
    """A learned vector for each of n symbols: ``y = W[i]``.

    Args:
        n: the number of symbols, which are called 0, …, n − 1.
        features: length of a vector.
        init: how W is drawn; N(0, 1) by default.
        rng: generator of the draw.
        dtype: precision of W, float64 by default.

    Shapes: i ``(...)``, whole numbers; y ``(..., features)``, W ``(n, features)``.

    Raises:
        DTypeError: when called, if the symbols are not whole numbers.
        InvalidArgumentError: when called, if one is not between 0 and n − 1.

    >>> Embedding(5, 2, rng=np.random.default_rng(0))(np.array([[0, 4, 0]])).shape
    (1, 3, 2)
    """

    def __init__(self, n: int, features: int, *, init: Initialiser | None = None,
                 rng: np.random.Generator | None = None, dtype: DTypeLike | None = None) -> None:
        shape = (integer_at_least(1, n, "Embedding: n"),
                 integer_at_least(1, features, "Embedding: features"))
        init = initialisers.normal(1.0) if init is None else init
        self.weight, _ = weight_and_bias("Embedding", shape, False, init, rng, dtype)

    def forward(self, i: Any) -> Tensor:
        """Return the vectors of the symbols i."""
        i, n = as_input(i), self.weight.shape[0]
        if i.dtype.kind not in "iu":
            raise DTypeError(
                f"Embedding({self.describe()}) expects symbols as whole numbers. Got {i.dtype}: "
                f"convert them with .astype(int).")
        if type(i) is np.ndarray and i.size and not (0 <= i.min() and i.max() < n):
            raise InvalidArgumentError(
                f"Embedding({self.describe()}) expects symbols from 0 to {n - 1}. Got numbers from "
                f"{i.min()} to {i.max()}.")
        return self.weight[i]

    def describe(self) -> str:
        """Return the sizes."""
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"


class Conv1d(Module):
    """Convolution of sequences: ``y[o] = Σ_c W[o, c] ⋆ x[c] + b[o]`` (a cross-correlation).

    Args:
        in_channels: channels of x.
        out_channels: channels of y.
        kernel_size: length of the kernel in steps.
        stride: steps between windows.
        padding: zeros put before and after.
        bias: whether there is a b.
        init: how W is drawn; He's normal by default.
        rng: generator of the draw.
        dtype: precision of the parameters, float64 by default.

    Shapes: x ``(n, in_channels, length)``, y ``(n, out_channels, steps)`` with
    ``steps = (length + 2 padding − kernel) // stride + 1``.

    Raises:
        ShapeError: when called, if x has other axes, or is shorter than the kernel.

    Source: Waibel et al., "Phoneme recognition using time-delay neural networks", 1989.

    >>> Conv1d(3, 6, 5, padding=2, rng=np.random.default_rng(0))(np.ones((2, 3, 28))).shape
    (2, 6, 28)
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1,
                 padding: int = 0, bias: bool = True, *, init: Initialiser | None = None,
                 rng: np.random.Generator | None = None, dtype: DTypeLike | None = None) -> None:
        in_channels = integer_at_least(1, in_channels, "Conv1d: in_channels")
        out_channels = integer_at_least(1, out_channels, "Conv1d: out_channels")
        self.kernel_size = integer_at_least(1, kernel_size, "Conv1d: kernel_size")
        self.stride = integer_at_least(1, stride, "Conv1d: stride")
        self.padding = integer_at_least(0, padding, "Conv1d: padding")
        init = initialisers.he_normal() if init is None else init
        shape = (out_channels, in_channels, self.kernel_size)
        self.weight, self.bias = weight_and_bias("Conv1d", shape, bias, init, rng, dtype)

    def forward(self, x: Array | Tensor) -> Tensor:
        """Convolve the last axis: images with a single row."""
        x, channels = as_input(x), self.weight.shape[1]
        if (x.ndim != 3 or x.shape[1] != channels or x.size == 0
                or x.shape[2] + 2 * self.padding < self.kernel_size):
            raise ShapeError(
                f"Conv1d({self.describe()}) expects inputs of shape (n, {channels}, length), with "
                f"their padding not shorter than the kernel. Got {x.shape}.")
        images, kernels = ops.expand_dims(x, 2), ops.expand_dims(self.weight, 2)
        y = ops.conv2d(images, kernels, self.bias, (1, self.stride), (0, self.padding))
        return ops.squeeze(y, 2)

    def describe(self) -> str:
        """Return the sizes."""
        text = f"{self.weight.shape[1]}, {self.weight.shape[0]}, {self.kernel_size}"
        text += f", stride={self.stride}" if self.stride != 1 else ""
        text += f", padding={self.padding}" if self.padding else ""
        return text + (", bias=False" if self.bias is None else "")
