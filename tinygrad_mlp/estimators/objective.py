"""The objective of training: the weighted loss of a batch, with the penalty on the weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp import nn
from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError
from tinygrad_mlp.nn.losses import sums_of_samples
from tinygrad_mlp.training.evaluation import LossFunction


class OutputLoss(NamedTuple):
    """A loss as a function of the output's pre-activations z and the targets y."""

    output: str  # the name of its output activation
    samples: Callable[[Any, Any], Any]  # the loss of each sample, shape (n,)
    mean: Callable[[Any, Any], Any] | None = None  # their mean as one operation, if there is one


Loss = OutputLoss | LossFunction
"""One of `LOSSES`, or a user's function."""

LOSSES = {
    # −Σ y ln softmax(z)
    "log_loss of classes": OutputLoss(
        "softmax", lambda z, y: -ops.sum(y * ops.log_softmax(z), axis=1), nn.softmax_cross_entropy),
    # −Σ (y ln σ(z) + (1 − y) ln(1 − σ(z)))
    "log_loss of labels": OutputLoss(
        "logistic", lambda z, y: ops.sum(y * ops.softplus(-z) + (1 - y) * ops.softplus(z), axis=1),
        nn.sigmoid_cross_entropy),
    # ½ Σ (z − y)²
    "squared_error": OutputLoss(
        "identity", lambda z, y: 0.5 * ops.sum((z - y) ** 2, axis=1), nn.squared_error),
    # Σ (e^z − y + y ln(y / e^z)), half of the Poisson deviance
    "poisson": OutputLoss(
        "exp", lambda z, y: ops.sum(ops.exp(z) - y + ops.xlogy(y, y) - y * z, axis=1))}
"""The losses by name; each is summed over the outputs of a sample."""


@op(rules={"weights": lambda g, penalty, *weights, position: g * weights[position]},
    equation="y = ½ Σᵢ ‖Wᵢ‖²,  W̄ᵢ = g Wᵢ", register=False)
def penalty(*weights: Array) -> Array | float:
    """Return half the sum of squares, in one pass over each matrix."""
    rows = [weight.reshape(-1) for weight in weights]
    return 0.5 * sum(row @ row for row in rows)


class Objective:
    """The loss of a batch: ``Σᵢ wᵢ lᵢ / Σᵢ wᵢ + ½ α ‖W‖² / Σᵢ wᵢ``.

    lᵢ is the loss of sample i, wᵢ its weight (1 without weights), W are the weights of all
    layers, without the biases. This is what scikit-learn's multi-layer perceptrons minimise, too.
    `loss` is one of `LOSSES` if the model's outputs are pre-activations, or a user's function of
    predictions and targets that gives one number, or one (or more) for each sample. If `weighted`,
    the last column of the targets holds the samples' weights.

    >>> model = nn.Sequential(nn.Linear(1, 1, init=nn.init.constant(2.0)))
    >>> loss = Objective(model, LOSSES["squared_error"], alpha=0.5)
    >>> loss(model(np.array([[1.0], [1.0]])), np.array([[1.0], [0.0]])).item()  # (½ + 2 + 1) / 2
    1.75
    """

    def __init__(self, model: nn.Module, loss: Loss, alpha: float = 0.0,
                 weighted: bool = False) -> None:
        self.loss = loss
        self.alpha, self.weighted = float(alpha), weighted
        self.layers: Sequence[nn.Linear] = [
            module for _, module in model.named_modules() if isinstance(module, nn.Linear)]

    @property
    def name(self) -> str:
        """What is minimised, in words, as a checkpoint has it."""
        known = [name for name, loss in LOSSES.items() if loss is self.loss]
        own = getattr(self.loss, "__qualname__", type(self.loss).__qualname__)
        weighted = "weighted " * self.weighted
        return f"{weighted}{known[0] if known else own}, alpha={self.alpha:g}"

    def __call__(self, output: Array | Tensor, target: Array) -> Array | Tensor:
        """Return the objective of a batch: its loss and its share of the penalty."""
        return self.with_penalty(*self.of_data(output, target))

    def with_penalty(self, value: Any, total: Array | float) -> Any:
        """Return a loss with the penalty; `total` is the sum of the samples' weights."""
        if not self.alpha:
            return value
        return value + penalty(*[layer.weight for layer in self.layers]) * (self.alpha / total)

    def of_data(self, output: Array | Tensor,
                target: Array) -> tuple[Any, Array | float]:
        """Return the loss without the penalty, and the sum of the samples' weights."""
        n = output.shape[0]
        if not self.weighted:
            if isinstance(self.loss, OutputLoss) and self.loss.mean is not None:
                return self.loss.mean(output, target), n
            losses = self._losses(output, target)
            return (losses if losses.ndim == 0 else ops.sum(losses) / n), n
        losses, weight = self._losses(output, target[:, :-1]), target[:, -1]
        if losses.ndim == 0:
            raise InvalidArgumentError(
                "loss must return a number for each sample if samples or classes have weights. "
                "Got one number. Leave out the mean.")
        total = ops.sum(weight)
        return ops.sum(sums_of_samples(losses) * weight) / total, total

    def _losses(self, output: Array | Tensor, target: Array) -> Array | Tensor:
        """Return the loss of each sample, or what the user's function gives."""
        if isinstance(self.loss, OutputLoss):
            return self.loss.samples(output, target)
        losses = self.loss(output, target)
        losses = losses if hasattr(losses, "ndim") else np.asarray(losses)
        if losses.ndim and losses.shape[0] != output.shape[0]:
            raise ShapeError(
                f"loss must return one number, or one for each of the {output.shape[0]} samples of "
                f"a batch. Got shape {losses.shape}.")
        return losses
