"""Standardisation of features: over the features of a sample, or over the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import ShapeError
from tinygrad_mlp.nn.layers import as_input
from tinygrad_mlp.nn.module import Module
from tinygrad_mlp.nn.parameter import Buffer, Parameter
from tinygrad_mlp.support.checks import integer_at_least, not_negative
from tinygrad_mlp.support.memory import check_memory

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from tinygrad_mlp.autograd.graph import Array


class LayerNorm(Module):
    """Standardisation of each sample's features, then a scale and a shift.

    ``y = γ (x − mean x) / √(var x + ε) + β``, with mean and variance over the last axis.

    Args:
        features: length of the last axis.
        eps: ε, keeps the root away from 0.
        dtype: precision of γ and β, float64 by default.

    Source: Ba, Kiros and Hinton, 2016.

    >>> LayerNorm(4)(np.array([[1.0, 2.0, 3.0, 4.0]])).numpy().round(3)
    array([[-1.342, -0.447,  0.447,  1.342]])
    """

    def __init__(self, features: int, eps: float = 1e-5, *, dtype: DTypeLike | None = None) -> None:
        features = _checked_features(features, "LayerNorm")
        self.eps = not_negative(eps, "LayerNorm: eps")
        self.weight = Parameter(np.ones(features), dtype=dtype, name="weight")
        self.bias = Parameter(np.zeros(features), dtype=dtype, name="bias")

    def forward(self, x: Array | Tensor) -> Array | Tensor:
        """Standardise the last axis."""
        x = as_input(x)
        _check_features(self, x, -1, max(x.ndim, 1), "(..., {})")
        centred = x - ops.mean(x, axis=-1, keepdims=True)
        deviation = ops.sqrt(ops.mean(centred * centred, axis=-1, keepdims=True) + self.eps)
        return self.weight * (centred / deviation) + self.bias

    def describe(self) -> str:
        """Return the number of features."""
        return str(self.weight.size)


class _BatchNorm(Module):
    """Standardisation over all axes but the second."""

    axes: ClassVar[int | tuple[int, ...]]
    shape: ClassVar[str]

    def __init__(self, features: int, eps: float = 1e-5, momentum: float = 0.1, *,
                 dtype: DTypeLike | None = None) -> None:
        name = type(self).__name__
        features = _checked_features(features, name)
        self.eps = not_negative(eps, f"{name}: eps")
        self.momentum = not_negative(momentum, f"{name}: momentum")
        self.weight = Parameter(np.ones(features), dtype=dtype, name="weight")
        self.bias = Parameter(np.zeros(features), dtype=dtype, name="bias")
        self.running_mean = Buffer(np.zeros(features), dtype=dtype, name="running_mean")
        self.running_var = Buffer(np.ones(features), dtype=dtype, name="running_var")

    def forward(self, x: Array | Tensor) -> Array | Tensor:
        """Standardise each feature of x."""
        x = as_input(x)
        _check_features(self, x, 1, self.shape.count(",") + 1, self.shape)
        aligned = self._aligned
        if not self.training:
            deviation = ops.sqrt(self.running_var + self.eps)
            standardised = (x - aligned(self.running_mean)) / aligned(deviation)
            return aligned(self.weight) * standardised + aligned(self.bias)
        n = x.size // x.shape[1]
        if n < 2:
            raise ShapeError(
                f"{type(self).__name__}() expects at least two samples in training: one has no "
                f"variance. Got a batch of 1. Use a larger batch, or .eval() for predictions.")
        mean = ops.mean(x, axis=self.axes)
        centred = x - aligned(mean)
        var = ops.mean(centred * centred, axis=self.axes)
        self._remember(self.running_mean, mean)
        self._remember(self.running_var, var * (n / (n - 1)))
        standardised = centred / aligned(ops.sqrt(var + self.eps))
        return aligned(self.weight) * standardised + aligned(self.bias)

    def _aligned(self, vector: Array | Tensor) -> Array | Tensor:
        """Return a vector of one number a feature in a shape that broadcasts against x."""
        return vector

    def _remember(self, running: Buffer, batch: Array | Tensor) -> None:
        new = batch.detach() if isinstance(batch, Tensor) else batch
        # With the buffer as a tensor, so that the door sees that it is read.
        running.data = (running + self.momentum * (new.astype(running.dtype) - running)).data

    def describe(self) -> str:
        """Return the number of features."""
        return str(self.weight.size)


class BatchNorm1d(_BatchNorm):
    """Standardisation of each feature over the batch, then a scale and a shift.

    ``y = γ (x − μ) / √(σ² + ε) + β``. In training μ and σ² are the batch's mean and variance, and
    running averages of both are kept (``running += momentum · (batch − running)``, with the
    variance divided by n − 1); in evaluation the running averages are used.

    Args:
        features: length of the second axis of x, shape ``(n, features)``.
        eps: ε, keeps the root away from 0.
        momentum: weight of the newest batch in the running averages.
        dtype: precision of the arrays, float64 by default.

    Raises:
        ShapeError: when called in training with a single sample, which has no variance.

    Source: Ioffe and Szegedy, 2015.

    >>> BatchNorm1d(1)(np.array([[1.0], [3.0]])).numpy().round(3)
    array([[-1.],
           [ 1.]])
    """

    axes = 0
    shape = "(n, {})"


class BatchNorm2d(_BatchNorm):
    """Standardisation of each channel of images over the batch and all pixels.

    The equation is that of `BatchNorm1d`, with μ and σ² over samples, rows and columns.

    Args:
        features: channels of x, shape ``(n, channels, height, width)``.
        eps: ε, keeps the root away from 0.
        momentum: weight of the newest batch in the running averages.
        dtype: precision of the arrays, float64 by default.

    Raises:
        ShapeError: when called in training with a single pixel, which has no variance.

    Source: Ioffe and Szegedy, 2015, section 3.2.

    >>> BatchNorm2d(1)(np.array([[[[1.0, 3.0]]]])).numpy().round(3)
    array([[[[-1.,  1.]]]])
    """

    axes = (0, 2, 3)
    shape = "(n, {}, height, width)"

    def _aligned(self, vector: Array | Tensor) -> Array | Tensor:
        return ops.reshape(vector, shape=(self.weight.size, 1, 1))


def _checked_features(features: object, layer: str) -> int:
    number = integer_at_least(1, features, f"{layer}: features")
    check_memory(8 * number, f"{layer}: a weight of {number} features", "Use fewer features.")
    return number


def _check_features(layer: Any, x: Array | Tensor, axis: int, ndim: int, shape: str) -> None:
    features = layer.weight.shape[0]
    if x.ndim != ndim or x.shape[axis] != features:
        raise ShapeError(
            f"{type(layer).__name__}({layer.describe()}) expects inputs of shape "
            f"{shape.format(features)}. Got {x.shape}.")
