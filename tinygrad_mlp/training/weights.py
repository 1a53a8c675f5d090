"""Weights of samples and of classes, and the loss that they make of the losses of samples.

With lᵢ the loss of sample i and wᵢ its weight, the loss of a batch is ``Σᵢ wᵢ lᵢ / Σᵢ wᵢ``. So a
sample of weight 2 counts like two samples, and one of weight 0 not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.data.rows import Rows, chunks, selected
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError
from tinygrad_mlp.nn.losses import losses_of_samples, sums_of_samples
from tinygrad_mlp.support.checks import as_array, not_negative
from tinygrad_mlp.training.checked_data import as_source, class_numbers, is_one_hot


class WeightedLoss:
    """The loss of a batch of weighted samples, ``Σᵢ wᵢ lᵢ / Σᵢ wᵢ``.

    `loss` is one of the package's, or a function (prediction, target) that returns a number for
    each sample; numbers for each output are summed.

    >>> loss = WeightedLoss(lambda prediction, target: (prediction - target) ** 2)
    >>> float(loss(np.array([[1.0], [2.0]]), np.zeros((2, 1)), np.array([3.0, 1.0])))
    1.75
    """

    def __init__(self, loss: Callable[[Any, Any], Any]) -> None:
        self.loss = loss
        self._of_samples = losses_of_samples(loss) or loss

    def __call__(self, prediction: Tensor, target: Array, weight: Any) -> Any:
        """Return the loss of a batch."""
        losses = self._of_samples(prediction, target)
        shape, n = getattr(losses, "shape", ()), prediction.shape[0]
        if shape[:1] != (n,):
            raise ShapeError(
                f"fit: with weights, the loss must return a number for each sample. Got shape "
                f"{shape} for {n} samples. Leave out the mean, or use a loss of tg.nn.")
        return ops.sum(sums_of_samples(losses) * weight) / ops.sum(weight)


def combined_weights(Y: Any, sample_weight: object, class_weight: object, dtype: DTypeLike,
                     name: str = "fit: ") -> Array | None:
    """Return the weight of each sample, with the factor of its class; None where there is none.

    Raises:
        ShapeError: there is not one weight for each sample.
        InvalidArgumentError: a weight is negative or not finite, or none is above 0; the classes
            are not known from Y.
    """
    if sample_weight is None and class_weight is None:
        return None
    Y = as_source(Y, f"{name}Y")
    weight: Array = np.ones(len(Y))
    if sample_weight is not None:
        weight = checked_weight(sample_weight, len(Y), f"{name}sample_weight")
    if class_weight is not None:
        weight = weight * _class_factors(class_weight, _class_numbers(Y, name), weight, name)
    weight = weight.astype(dtype)
    if not weight.any():
        raise InvalidArgumentError(
            f"{name}sample_weight must be above 0 for at least one sample. Got only zeros.")
    return weight


def checked_weight(given: object, n: int, name: str) -> Array:
    """Return the weights of n samples, or raise an error that begins with their name."""
    weight: Array = as_array(given, name).astype(np.float64)
    if weight.shape != (n,):
        raise ShapeError(
            f"{name} must have shape ({n},), a weight for each sample. Got shape {weight.shape}.")
    if not (np.isfinite(weight) & (weight >= 0)).all():
        i = int(np.argmin(np.isfinite(weight) & (weight >= 0)))
        raise InvalidArgumentError(
            f"{name} must be numbers >= 0. Got {weight[i]} for sample {i}.")
    return weight


def _class_numbers(Y: Array | Rows, name: str) -> Array:
    """Return the number of each sample's class."""
    if is_one_hot(Y):
        return class_numbers(Y)
    if Y.size == len(Y):
        numbers = np.concatenate([Y[rows].reshape(-1) for rows in chunks(Y)])
        if (numbers >= 0).all() and (numbers == np.floor(numbers)).all():
            return numbers.astype(np.intp)
    raise InvalidArgumentError(
        f"{name}class_weight needs targets that are classes: one-hot rows (see tg.data.one_hot), "
        f"or a class number 0, 1, 2, ... for each sample. Got targets of shape {Y.shape}.")


def _class_factors(class_weight: object, classes: Array, weight: Array, name: str) -> Array:
    """Return for each sample the weight of its class.

    "balanced" gives each of the k classes that occur the same sum of weights: the weight of a class
    is ``Σᵢ wᵢ / (k Σ wᵢ)``, where the second sum is over the samples of the class.
    """
    k = int(classes.max()) + 1
    if isinstance(class_weight, str) and class_weight == "balanced":
        of_class = np.bincount(classes, weight, k)
        present = of_class > 0
        factors = np.zeros(k)
        factors[present] = weight.sum() / (present.sum() * of_class[present])
        return factors[classes]
    if not isinstance(class_weight, Mapping):
        raise InvalidArgumentError(
            f"{name}class_weight must be 'balanced', or the weights by class number, such as "
            f"{{0: 1.0, 1: 5.0}}. Got {class_weight!r}.")
    factors = np.ones(k)
    for number, factor in class_weight.items():
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or not (
                0 <= number < k):
            raise InvalidArgumentError(
                f"{name}class_weight must name classes from 0 to {k - 1}. Got {number!r}.")
        factors[number] = not_negative(factor, f"{name}class_weight of class {number}")
    return factors[classes]


def counted(X: Array | Rows, Y: Array | Rows, weight: Array | None) -> tuple[Any, Any, Any]:
    """Return the samples and weights without those of weight 0, so that no batch weighs nothing."""
    if weight is None or weight.all():
        return X, Y, weight
    kept = np.flatnonzero(weight)
    return selected(X, kept), selected(Y, kept), weight[kept]


def total_weight(targets: Any) -> float:
    """Return by how much a batch counts: by its samples, or by the sum of their weights.

    `targets` are the targets of the batch, and the weights if there are any.
    """
    return float(targets[1].sum(dtype=np.float64)) if len(targets) > 1 else len(targets[0])
