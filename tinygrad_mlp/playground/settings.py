"""What can be set in the playground: tables of names, which are all that a page can choose from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tinygrad_mlp import nn, optim
from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.nn import init
from tinygrad_mlp.support.checks import integer_at_least, not_negative, one_of, positive

ACTIVATIONS: dict[str, Op] = {
    "tanh": ops.tanh, "sigmoid": ops.sigmoid, "relu": ops.relu, "softplus": ops.softplus}

WRONG_RULES: dict[str, dict[str, Callable[..., Any]]] = {
    "tanh": {"g (1 − y)": lambda g, y, x: g * (1 - y),
             "g (1 + y²)": lambda g, y, x: g * (1 + y * y)},
    "sigmoid": {"g y": lambda g, y, x: g * y, "g (1 − y)²": lambda g, y, x: g * (1 - y) ** 2},
    "relu": {"g": lambda g, y, x: g, "−g where x > 0": lambda g, y, x: -g * (x > 0)},
    "softplus": {"g": lambda g, y, x: g, "g y": lambda g, y, x: g * y}}
"""Gradient rules with a mistake that a student could make, by activation."""

INITIALISERS = {"xavier": init.xavier_normal(), "he": init.he_normal(),
                "small": init.normal(0.01), "large": init.normal(2.0)}

OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "sgd": optim.SGD, "momentum": lambda p, lr: optim.SGD(p, lr=lr, momentum=0.9),
    "rmsprop": optim.RMSprop, "adam": optim.Adam}


def squared_error(output: Tensor, target: Array) -> Any:
    """Return the squared error of the sigmoids of the outputs."""
    return nn.squared_error(ops.sigmoid(output), target)


LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "cross entropy": nn.softmax_cross_entropy, "sigmoid cross entropy": nn.sigmoid_cross_entropy,
    "squared error": squared_error, "regression": nn.squared_error}
"""Losses of the outputs of a last layer without an activation."""

ANSWERS: dict[str, Callable[[Any], Any]] = {
    "cross entropy": ops.softmax, "sigmoid cross entropy": ops.sigmoid,
    "squared error": ops.sigmoid, "regression": ops.identity}
"""What the outputs mean, by loss."""

MOST_LAYERS, WIDEST = 6, 1024


@dataclass(frozen=True)
class PlaySettings:
    """The settings of a training. Each is checked, so that there are only valid ones.

    Attributes:
        hidden: the widths of the hidden layers.
        activation: a key of `ACTIVATIONS`.
        loss: a key of `LOSSES`, or "own" for that of the person's own.
        optimizer: a key of `OPTIMIZERS`.
        init: a key of `INITIALISERS`.
        lr: the learning rate.
        batch: samples a step.
        rate: the most steps a second.
        noise: the noise of points.
        seed: the seed of data, weights and orders.
    """

    hidden: tuple[int, ...] = (6, 6)
    activation: str = "tanh"
    loss: str = "cross entropy"
    optimizer: str = "adam"
    init: str = "xavier"
    lr: float = 0.01
    batch: int = 10
    rate: float = 1000.0
    noise: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.hidden, tuple) or len(self.hidden) > MOST_LAYERS:
            raise InvalidArgumentError(
                f"hidden must be at most {MOST_LAYERS} widths. Got {self.hidden!r}.")
        for width in self.hidden:
            if integer_at_least(1, width, "hidden") > WIDEST:
                raise InvalidArgumentError(f"hidden must be at most {WIDEST} wide. Got {width}.")
        one_of(self.activation, tuple(ACTIVATIONS), "activation")
        one_of(self.loss, (*LOSSES, "own"), "loss")
        one_of(self.optimizer, tuple(OPTIMIZERS), "optimizer")
        one_of(self.init, tuple(INITIALISERS), "init")
        positive(self.lr, "lr")
        positive(self.rate, "rate")
        not_negative(self.noise, "noise")
        integer_at_least(1, self.batch, "batch")
        integer_at_least(0, self.seed, "seed")

    def changed(self, name: str, value: Any) -> PlaySettings:
        """Return the settings with another value of one of them."""
        one_of(name, tuple(self.__dataclass_fields__), "set: name")
        if name == "hidden" and isinstance(value, list):
            value = tuple(value)
        return replace(self, **{name: value})


PRESETS: dict[str, dict[str, Any]] = {
    "spirals": {"data": "spirals"},
    "circles": {"data": "circles", "hidden": (3,)},
    "digits": {"data": "digits", "hidden": (16,), "batch": 32},
    "vanishing gradient": {
        "data": "circles", "hidden": (5, 5, 5), "activation": "sigmoid", "init": "large",
        "optimizer": "sgd", "lr": 0.5, "loss": "sigmoid cross entropy", "rival": "squared error"}}
"""PlaySettings to begin with. A rival starts from the same weights and sees the same samples, with
another loss."""
