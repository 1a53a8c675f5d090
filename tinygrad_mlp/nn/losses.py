"""Losses composed of operations. Those with a rule of their own are operations themselves."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.ops.losses import check_loss, divisor, logits_behind
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.nn.layers import as_input

if TYPE_CHECKING:
    from tinygrad_mlp.autograd.graph import Array


def absolute_error(prediction: Operand, target: Operand, reduction: str = "mean") -> Tensor:
    """Compute the sum of absolute errors, averaged over samples: ``Σⱼ |ŷⱼ − yⱼ|``.

    Args:
        prediction: ŷ, shape ``(n, outputs)``; a vector is one sample.
        target: y, of the same shape.
        reduction: "mean" or "sum" over samples.

    Raises:
        ShapeError: the shapes differ.

    Source: Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", 2009, (10.21).

    >>> float(absolute_error(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]])))
    3.0
    """
    check_loss("absolute_error", prediction, target, reduction)
    return _total(_absolute_errors(as_input(prediction), as_input(target)), reduction)


def huber(prediction: Operand, target: Operand, reduction: str = "mean", *,
          delta: float = 1.0) -> Tensor:
    """Compute Huber's loss, which outliers pull with a bounded force, averaged over samples.

    With ``e = ŷ − y``: ``Σⱼ ½ eⱼ²`` where ``|eⱼ| ≤ δ``, and ``δ (|eⱼ| − ½ δ)`` elsewhere.

    Args:
        prediction: ŷ, shape ``(n, outputs)``; a vector is one sample.
        target: y, of the same shape.
        reduction: "mean" or "sum" over samples.
        delta: δ, where the square ends; more than 0.

    Raises:
        ShapeError: the shapes differ.
        InvalidArgumentError: δ is not more than 0.

    Source: Huber, "Robust estimation of a location parameter", 1964.

    >>> float(huber(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]])))
    2.0
    """
    if not delta > 0:
        raise InvalidArgumentError(f"huber() expects delta to be more than 0. Got {delta!r}.")
    check_loss("huber", prediction, target, reduction)
    return _total(_hubers(as_input(prediction), as_input(target), delta), reduction)


def hinge(prediction: Operand, target: Operand, reduction: str = "mean") -> Tensor:
    """Compute the hinge loss of classes −1 and 1, averaged over samples: ``Σⱼ max(0, 1 − yⱼ ŷⱼ)``.

    Args:
        prediction: scores ŷ, shape ``(n, outputs)``; a vector is one sample.
        target: y, −1 or 1, of the same shape.
        reduction: "mean" or "sum" over samples.

    Raises:
        ShapeError: the shapes differ.
        InvalidArgumentError: a target is neither −1 nor 1.

    Source: Cortes and Vapnik, "Support-vector networks", 1995.

    >>> float(hinge(np.array([[0.5], [2.0]]), np.array([[1.0], [1.0]])))
    0.25
    """
    check_loss("hinge", prediction, target, reduction)
    return _total(_hinges(as_input(prediction), as_input(target)), reduction)


def kl_divergence(prediction: Operand, target: Operand, reduction: str = "mean") -> Tensor:
    """Compute the divergence of Kullback and Leibler, averaged over samples: ``Σⱼ yⱼ ln(yⱼ / ŷⱼ)``.

    It is the cross entropy less the entropy of the target, and 0 where the two are equal. Where
    `prediction` is the output of `softmax`, it is computed from the pre-activations.

    Args:
        prediction: probabilities ŷ, shape ``(n, classes)``; a vector is one sample.
        target: probabilities y, of the same shape.
        reduction: "mean" or "sum" over samples.

    Raises:
        ShapeError: the shapes differ.

    Source: Cover and Thomas, "Elements of Information Theory", 2006, (2.26).

    >>> float(kl_divergence(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])).round(4))
    0.6931
    """
    check_loss("kl_divergence", prediction, target, reduction)
    cross = ops.categorical_cross_entropy(prediction, target, reduction)
    y = as_input(target)
    return cross + _total(ops.xlogy(y, y), reduction)


def _total(losses: Any, reduction: str) -> Tensor:
    return ops.sum(losses) / divisor(losses, reduction)


# -- the losses of single outputs ----------------------------------------------------------------


def _absolute_errors(prediction: Any, y: Any) -> Any:
    return ops.abs(prediction - y)


def _hubers(prediction: Operand, y: Operand, delta: float = 1.0) -> Array | Tensor:
    size = _absolute_errors(prediction, y)
    near = ops.minimum(size, delta)
    return near * (size - 0.5 * near)


def _hinges(prediction: Array | Tensor, y: Array | Tensor) -> Array | Tensor:
    if type(y) is np.ndarray and not np.all(np.abs(y) == 1):
        raise InvalidArgumentError(
            f"hinge() expects targets of -1 or 1. Got {y[np.abs(y) != 1].flat[0]}: write "
            f"2 * y - 1 for targets of 0 and 1.")
    return ops.relu(1 - y * prediction)


def _sigmoid_cross_entropies(z: Any, y: Array) -> Array | Tensor:
    return y * ops.softplus(-z) + (1 - y) * ops.softplus(z)


def _binary_cross_entropies(prediction: Array | Tensor, y: Any) -> Array | Tensor:
    z = logits_behind(prediction, ops.sigmoid)
    if z is not None:
        return _sigmoid_cross_entropies(z, y)
    return -(ops.xlogy(y, prediction) + ops.xlogy(1 - y, 1 - prediction))


def _categorical_cross_entropies(prediction: Array | Tensor, y: Array | Tensor) -> Array | Tensor:
    z = logits_behind(prediction, ops.softmax)
    return -ops.xlogy(y, prediction) if z is None else -y * ops.log_softmax(z)


OF_OUTPUTS: dict[Any, Callable[..., Any]] = {
    ops.squared_error: lambda prediction, y: 0.5 * (prediction - y) ** 2,
    absolute_error: _absolute_errors, huber: _hubers, hinge: _hinges,
    ops.sigmoid_cross_entropy: _sigmoid_cross_entropies,
    ops.softmax_cross_entropy: lambda z, y: -y * ops.log_softmax(z),
    ops.binary_cross_entropy: _binary_cross_entropies,
    ops.categorical_cross_entropy: _categorical_cross_entropies,
    kl_divergence: lambda prediction, y: (
        _categorical_cross_entropies(prediction, y) + ops.xlogy(y, y))}
"""The losses of single outputs, by the loss that sums them and takes the mean."""


def losses_of_samples(loss: Callable[..., object]) -> Callable[..., Any] | None:
    """Return the function that gives the losses of single samples, shape ``(n,)``.

    `loss` is one of this package, or a `functools.partial` of it; of another, None is returned.

    >>> losses_of_samples(ops.squared_error)(np.array([[1.0, 1.0], [3.0, 1.0]]), np.ones((2, 2)))
    array([0., 2.])
    """
    part = loss if isinstance(loss, functools.partial) else functools.partial(loss)
    of_outputs = OF_OUTPUTS.get(part.func)
    if of_outputs is None or part.args or "reduction" in part.keywords:
        return None

    def losses(prediction: Operand, target: Operand) -> Any:
        check_loss(part.func.__name__, prediction, target, "mean")
        found = of_outputs(as_input(prediction), as_input(target), **part.keywords)
        return sums_of_samples(found)

    return losses


def sums_of_samples(losses: Array | Tensor) -> Array | Tensor:
    """Return the sum of the losses of each sample, shape ``(n,)``."""
    return ops.sum(losses, axis=tuple(range(1, losses.ndim))) if losses.ndim > 1 else losses
