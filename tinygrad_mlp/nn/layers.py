"""Sequences, the linear layer, standardisation and dropout.

Layers compose operations; none has a backward.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError
from tinygrad_mlp.nn import init as initialisers
from tinygrad_mlp.nn.init import Initialiser
from tinygrad_mlp.nn.module import Module
from tinygrad_mlp.nn.parameter import Buffer, Parameter
from tinygrad_mlp.support.checks import as_array, integer_at_least, not_negative, rng_or_fresh
from tinygrad_mlp.support.memory import check_memory


class Sequential(Module):
    """Modules one after another: the output of each is the input of the next.

    Args:
        layers: the modules, or one list of them.

    Raises:
        InvalidArgumentError: one of them is not a module.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> rng = np.random.default_rng(0)
    >>> tg.nn.Sequential(tg.nn.Linear(4, 3, rng=rng), tg.nn.Tanh())
    Sequential(                               # 15 parameters
      (0) Linear(4, 3)                          # 15 parameters
      (1) Tanh()
    )
    """

    def __init__(self, *layers: Any) -> None:
        if len(layers) == 1 and isinstance(layers[0], (list, tuple)):
            layers = tuple(layers[0])
        for i, layer in enumerate(layers):
            if not isinstance(layer, Module):
                made = f" Did you mean {layer.__name__}()?" if isinstance(layer, type) else ""
                raise InvalidArgumentError(
                    f"Sequential() expects modules. Argument {i} is {layer!r}.{made}")
        self.layers: list[Module] = list(layers)

    def _members(self) -> Iterator[tuple[str, Any]]:
        # "0.weight" and not "layers.0.weight", as in other frameworks.
        for name, member in super()._members():
            yield name.removeprefix("layers."), member

    def forward(self, x: Any) -> Any:
        """Apply the layers in order."""
        for layer in self.layers:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __getitem__(self, index: int) -> Module:
        return self.layers[index]


def as_input(x: Any) -> Any:
    """Return the input of a layer as an array or a tensor."""
    return x if isinstance(x, Value) else as_array(x, "a layer")


def weight_and_bias(layer: str, shape: tuple[int, ...], bias: bool, init: Initialiser, rng: Any,
                    dtype: Any) -> tuple[Parameter, Parameter | None]:
    """Return the weight of a layer as it is drawn, and a bias of zeros if there is to be one."""
    check_memory(8 * math.prod(shape), f"{layer}: a weight of shape {shape}", "Use fewer features.")
    drawn = initialisers.drawn(init, shape, rng_or_fresh(rng, layer), layer)
    weight = Parameter(drawn, dtype=dtype or np.float64, name="weight")
    return weight, Parameter(np.zeros(shape[0], weight.dtype), name="bias") if bias else None


class Linear(Module):
    """Fully connected layer: ``z = x Wᵀ + b``, for each sample ``z = W x + b``.

    Args:
        in_features: length of x.
        out_features: length of z.
        bias: whether there is a b.
        init: how W is drawn (see `nn.init`); Xavier's uniform by default. b starts at 0.
        rng: generator of the draw; without one, the weights differ from run to run.
        dtype: precision of the parameters, float64 by default.

    Shapes: x ``(..., in_features)``, z ``(..., out_features)``, W ``(out_features, in_features)``.

    Raises:
        ShapeError: when called, if the last axis of x is not in_features long.
        TooLargeError: the weight would not fit into the memory.

    Source: Bishop, "Pattern Recognition and Machine Learning", 2006, (5.2).

    >>> layer = Linear(3, 2, rng=np.random.default_rng(0))
    >>> layer(np.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *,
                 init: Initialiser | None = None, rng: np.random.Generator | None = None,
                 dtype: Any = None) -> None:
        self.in_features = integer_at_least(1, in_features, "Linear: in_features")
        self.out_features = integer_at_least(1, out_features, "Linear: out_features")
        init = initialisers.xavier_uniform() if init is None else init
        shape = (self.out_features, self.in_features)
        self.weight, self.bias = weight_and_bias("Linear", shape, bias, init, rng, dtype)

    def forward(self, x: Any) -> Any:
        """Apply the affine map to the last axis."""
        x = as_input(x)
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise ShapeError(
                f"Linear({self.describe()}) expects inputs of shape (..., {self.in_features}). "
                f"Got {x.shape}.")
        return ops.linear(x, self.weight, self.bias)

    def describe(self) -> str:
        """Return the sizes."""
        sizes = f"{self.in_features}, {self.out_features}"
        return sizes + (", bias=False" if self.bias is None else "")


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

    def __init__(self, features: int, eps: float = 1e-5, *, dtype: Any = None) -> None:
        features = _checked_features(features, "LayerNorm")
        self.eps = not_negative(eps, "LayerNorm: eps")
        self.weight = Parameter(np.ones(features), dtype=dtype, name="weight")
        self.bias = Parameter(np.zeros(features), dtype=dtype, name="bias")

    def forward(self, x: Any) -> Any:
        """Standardise the last axis."""
        x = _check_features(self, as_input(x), -1)
        centred = x - ops.mean(x, axis=-1, keepdims=True)
        deviation = ops.sqrt(ops.mean(centred * centred, axis=-1, keepdims=True) + self.eps)
        return self.weight * (centred / deviation) + self.bias

    def describe(self) -> str:
        """Return the number of features."""
        return str(self.weight.size)


class BatchNorm1d(Module):
    """Standardisation of each feature over the batch, then a scale and a shift.

    ``y = γ (x − μ) / √(σ² + ε) + β``. In training μ and σ² are the batch's mean and variance, and
    running averages of both are kept (``running += momentum · (batch − running)``, with the
    variance divided by n − 1); in evaluation the running averages are used.

    Args:
        features: length of the second axis.
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

    def __init__(self, features: int, eps: float = 1e-5, momentum: float = 0.1, *,
                 dtype: Any = None) -> None:
        features = _checked_features(features, "BatchNorm1d")
        self.eps = not_negative(eps, "BatchNorm1d: eps")
        self.momentum = not_negative(momentum, "BatchNorm1d: momentum")
        self.weight = Parameter(np.ones(features), dtype=dtype, name="weight")
        self.bias = Parameter(np.zeros(features), dtype=dtype, name="bias")
        self.running_mean = Buffer(np.zeros(features), dtype=dtype, name="running_mean")
        self.running_var = Buffer(np.ones(features), dtype=dtype, name="running_var")

    def forward(self, x: Any) -> Any:
        """Standardise each column of x, shape ``(n, features)``."""
        x = _check_features(self, as_input(x), 1)
        if not self.training:
            deviation = ops.sqrt(self.running_var + self.eps)
            return self.weight * ((x - self.running_mean) / deviation) + self.bias
        n = x.shape[0]
        if n < 2:
            raise ShapeError(
                "BatchNorm1d() expects at least two samples in training: one has no variance. "
                "Got a batch of 1. Use a larger batch, or .eval() for predictions.")
        mean = ops.mean(x, axis=0)
        centred = x - mean
        var = ops.mean(centred * centred, axis=0)
        self._remember(self.running_mean, mean)
        self._remember(self.running_var, var * (n / (n - 1)))
        return self.weight * (centred / ops.sqrt(var + self.eps)) + self.bias

    def _remember(self, running: Buffer, batch: Any) -> None:
        new = batch.detach() if isinstance(batch, Tensor) else batch
        # With the buffer as a tensor, so that the door sees that it is read.
        running.data = (running + self.momentum * (new.astype(running.dtype) - running)).data

    def describe(self) -> str:
        """Return the number of features."""
        return str(self.weight.size)


def _checked_features(features: Any, layer: str) -> int:
    number = integer_at_least(1, features, f"{layer}: features")
    check_memory(8 * number, f"{layer}: a weight of {number} features", "Use fewer features.")
    return number


def _check_features(layer: Any, x: Any, axis: int) -> Any:
    features = layer.weight.shape[0]
    ndim = {1: 2, -1: max(x.ndim, 1)}[axis]
    if x.ndim != ndim or x.shape[axis] != features:
        wanted = "(n, {})" if axis == 1 else "(..., {})"
        raise ShapeError(
            f"{type(layer).__name__}({layer.describe()}) expects inputs of shape "
            f"{wanted.format(features)}. Got {x.shape}.")
    return x


@op(register=False, nondifferentiable=True)
def keep_mask(*, shape: tuple[int, ...], p: float, dtype: Any, rng: Any) -> Array:
    """Draw a mask: 0 with probability p, else 1/(1 − p).

    It is an operation so that a hook sees every draw.
    """
    return (rng.random(shape) >= p) / np.asarray(1 - p, dtype)  # type: ignore[no-any-return]


class Dropout(Module):
    """Dropout: in training each element is 0 with probability p, others are scaled by 1/(1 − p).

    The expected value of an element is unchanged; in evaluation nothing is dropped.

    Args:
        p: probability of dropping, at least 0 and less than 1.
        rng: generator of the masks; without one, they differ from run to run.

    Source: Srivastava et al., 2014 (in the inverted form).

    Raises:
        InvalidArgumentError: p is no such probability.

    >>> layer = Dropout(0.5, rng=np.random.default_rng(0))
    >>> layer(np.ones(6))
    array([2., 0., 0., 0., 2., 2.])
    >>> layer.eval()(np.ones(3))
    array([1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | None = None) -> None:
        if not isinstance(p, (int, float, np.floating)) or not 0 <= p < 1:
            raise InvalidArgumentError(
                f"Dropout() expects p to be at least 0 and less than 1. Got {p!r}.")
        self.p = float(p)
        self.rng = rng_or_fresh(rng, "Dropout")

    def forward(self, x: Any) -> Any:
        """Drop elements of x, in training."""
        if not self.training or self.p == 0:
            return x
        x = as_input(x)
        dtype = x.dtype if x.dtype.kind == "f" else np.float64  # 1/(1 − p) is no integer
        return x * keep_mask(shape=x.shape, p=self.p, dtype=dtype, rng=self.rng)

    def describe(self) -> str:
        """Return the probability."""
        return f"{self.p:g}"
