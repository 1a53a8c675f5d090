"""The network of an estimator: layers, activations and initial weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tinygrad_mlp import nn
from tinygrad_mlp.autograd.ops import exp
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.neural_network import ACTIVATIONS as NAMED

if TYPE_CHECKING:
    from tinygrad_mlp.autograd.argument_types import Operand

T = TypeVar("T")


class Function(nn.Module):
    """A layer that applies a function of tensors."""

    def __init__(self, function: Callable[[Operand], object]) -> None:
        self.function = function

    def forward(self, x: Operand) -> Any:
        """Return the function of x."""
        return self.function(x)

    def describe(self) -> str:
        """Return the function's name."""
        return str(getattr(self.function, "__name__", self.function))


# Activations by name, scikit-learn's and the package's: of hidden layers, and of the output.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    **{name: layer for name, layer in NAMED.items() if name != "softmax"},
    "logistic": nn.Sigmoid}
OUTPUTS = {**ACTIVATIONS, "softmax": nn.Softmax, "exp": lambda: Function(exp)}


def activation_layer(activation: object, known: dict[str, Callable[[], nn.Module]],
                     name: str = "activation") -> nn.Module:
    """Return the layer for a user's activation; a module is copied."""
    if isinstance(activation, str) and activation in known:
        return known[activation]()
    if isinstance(activation, nn.Module):
        return copy.deepcopy(activation)
    if isinstance(activation, type) and issubclass(activation, nn.Module):
        return activation()
    if callable(activation):
        return Function(activation)
    raise InvalidArgumentError(
        f"{name} must be one of {', '.join(map(repr, known))}, a layer, or a function of "
        f"tensors. Got {activation!r}.")


def per_layer(value: T | list[T] | tuple[T, ...], layers: int, name: str) -> list[T]:
    """Return a setting for each hidden layer; one that is no list holds for all."""
    if not isinstance(value, (list, tuple)):
        return [value] * layers
    if len(value) != layers:
        raise InvalidArgumentError(
            f"{name} must be one for all hidden layers, or a list of one for each. Got "
            f"{len(value)} for {layers} hidden layers.")
    return list(value)


def build(units: Sequence[int], activation: object, output: object,
          dropout: float | list[float] | tuple[float, ...], random: np.random.RandomState,
          dtype: np.dtype[np.generic]) -> nn.Sequential:
    """Return a fully connected network with scikit-learn's initial weights, in evaluation mode.

    Weights and biases are drawn uniformly within ±√(6 / (fan-in + fan-out)), with 2 instead of 6
    before a sigmoid, in scikit-learn's order: from the same RandomState both start equal.
    `activation` and `dropout` are of the hidden layers, one for all or a list.

    Source: Glorot and Bengio, 2010.
    """
    hidden = len(units) - 2
    activations = per_layer(activation, hidden, "activation")
    dropouts = per_layer(dropout, hidden, "dropout")
    linears = []
    for i, (n_in, n_out) in enumerate(zip(units, units[1:], strict=False), start=1):
        # As in scikit-learn, the hidden activation counts before the output layer, too.
        before = (activations + activations[-1:] or [activation])[i - 1]
        limit = math.sqrt((2.0 if before == "logistic" else 6.0) / (n_in + n_out))
        weight = random.uniform(-limit, limit, (n_in, n_out)).T
        linear = nn.Linear(n_in, n_out, init=nn.init.constant(0.0), dtype=dtype)
        linear.weight.data = np.array(weight, dtype=dtype, order="C")
        assert linear.bias is not None
        linear.bias.data = random.uniform(-limit, limit, n_out).astype(dtype)
        linear.weight.name, linear.bias.name = f"W{i}", f"b{i}"
        linears.append(linear)
    layers: list[nn.Module] = []
    for linear, chosen, p in zip(linears, activations, dropouts, strict=False):
        layers += [linear, activation_layer(chosen, ACTIVATIONS)]
        if p:
            layers.append(nn.Dropout(p, rng=generator(random)))
    return nn.Sequential(*layers, linears[-1], activation_layer(output, OUTPUTS)).eval()


def generator(random: np.random.RandomState) -> np.random.Generator:
    """Return a new generator, seeded by draws from a numpy.random.RandomState."""
    return np.random.default_rng(random.randint(2**31 - 1, size=4))
