"""Sequences, the linear layer and dropout.

Layers compose operations; none has a backward.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError
from tinygrad_mlp.nn import init as initialisers
from tinygrad_mlp.nn.init import Initialiser
from tinygrad_mlp.nn.module import Module
from tinygrad_mlp.nn.parameter import Parameter
from tinygrad_mlp.support.checks import as_array, integer_at_least, rng_or_fresh
from tinygrad_mlp.support.memory import check_memory

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from tinygrad_mlp.autograd.argument_types import Operand
    from tinygrad_mlp.autograd.tensor import Tensor


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

    def _members(self) -> list[tuple[str, Any]]:
        # "0.weight" and not "layers.0.weight", as in other frameworks.
        return [(name.removeprefix("layers."), member) for name, member in super()._members()]

    def forward(self, x: Operand) -> Any:
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


def as_input(x: Operand) -> Any:
    """Return the input of a layer as an array or a tensor."""
    plain = type(x) is np.ndarray or isinstance(x, Value)
    return x if plain else as_array(x, "a layer")


def weight_and_bias(layer: str, shape: tuple[int, ...], bias: bool, init: Initialiser,
                    rng: np.random.Generator | None,
                    dtype: DTypeLike | None) -> tuple[Parameter, Parameter | None]:
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
                 dtype: DTypeLike | None = None) -> None:
        self.in_features = integer_at_least(1, in_features, "Linear: in_features")
        self.out_features = integer_at_least(1, out_features, "Linear: out_features")
        init = initialisers.xavier_uniform() if init is None else init
        shape = (self.out_features, self.in_features)
        self.weight, self.bias = weight_and_bias("Linear", shape, bias, init, rng, dtype)

    def forward(self, x: Any) -> Array | Tensor:
        """Apply the affine map to the last axis."""
        x = as_input(x)
        shape = x.shape
        if not shape or shape[-1] != self.in_features:
            raise ShapeError(
                f"Linear({self.describe()}) expects inputs of shape (..., {self.in_features}). "
                f"Got {shape}.")
        return ops.linear(x, self.weight, self.bias)

    def describe(self) -> str:
        """Return the sizes."""
        sizes = f"{self.in_features}, {self.out_features}"
        return sizes + (", bias=False" if self.bias is None else "")


@op(register=False, nondifferentiable=True)
def keep_mask(*, shape: tuple[int, ...], p: float, dtype: DTypeLike,
              rng: np.random.Generator) -> Array:
    """Draw a mask: 0 with probability p, else 1/(1 − p).

    It is an operation so that a hook sees every draw.
    """
    return (rng.random(shape) >= p) / np.asarray(1 - p, dtype)


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

    def forward(self, x: Array | Tensor) -> Array | Tensor:
        """Drop elements of x, in training."""
        if not self.training or self.p == 0:
            return x
        x = as_input(x)
        dtype = x.dtype if x.dtype.kind == "f" else np.float64  # 1/(1 − p) is no integer
        return x * keep_mask(shape=x.shape, p=self.p, dtype=dtype, rng=self.rng)

    def describe(self) -> str:
        """Return the probability."""
        return f"{self.p:g}"
