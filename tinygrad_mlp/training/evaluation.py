"""Using and judging a model: predictions, loss, accuracy, and the checks of what they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.mode import no_grad
from tinygrad_mlp.data import batches
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError, ShapeError
from tinygrad_mlp.nn.module import evaluation
from tinygrad_mlp.support.blas_threads import WORTH_WARMING, warm_up
from tinygrad_mlp.support.checks import index_beyond

Loss = Callable[[Any, Any], Any]

EVALUATION_ROWS = 1000
"""Rows evaluated at a time: enough to fill a matrix product, few enough to stay in the cache."""


def evaluate(model: Any, loss: Loss, X: Any, Y: Any) -> tuple[float, float | None]:
    """Loss per sample and accuracy of `model` on (X, Y), in evaluation mode, without a graph.

    Args:
        model: a module; afterwards it is in the mode it was in.
        loss: a function ``(prediction, target)`` that gives the mean over samples.
        X: inputs, shape ``(n, ...)``.
        Y: targets, shape ``(n, ...)``.

    Returns:
        The mean loss, and the share of samples whose class is right, or None where the targets
        are not one-hot.

    Raises:
        ShapeError: X and Y have different numbers of samples, or none; or the loss is no number.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> identity = tg.nn.Sequential(tg.nn.Identity())
    >>> Y = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> evaluate(identity, tg.nn.squared_error, np.array([[0.0, 1.0], [0.0, 1.0]]), Y)
    (0.5, 0.5)
    """
    X, Y = as_rows(X, "evaluate: X"), as_rows(Y, "evaluate: Y")
    check_lengths(X, Y, "evaluate: X", "Y")
    total, right, classes = 0.0, 0, True
    with evaluation(model), no_grad():
        for rows in batches(len(X), EVALUATION_ROWS):
            target = Y[rows]
            prediction = model(X[rows])
            total += as_number(loss(prediction, target)) * len(target)
            classes = classes and is_one_hot(target)
            if classes:
                right += int(hits(target, plain(prediction)).sum())
    return total / len(X), right / len(X) if classes else None


def predict(model: Any, X: Any) -> Array:
    """The output of `model` for every row of X, in evaluation mode, as a plain array.

    Raises:
        ShapeError: X has no rows.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> model = tg.nn.Sequential(tg.nn.Dropout(0.5), tg.nn.ReLU())
    >>> predict(model, np.array([[-1.0, 2.0]]))  # in evaluation mode nothing is dropped
    array([[0., 2.]])
    """
    X = as_rows(X, "predict: X")
    if len(X) * model.n_parameters >= WORTH_WARMING:
        warm_up()
    with evaluation(model), no_grad():
        parts = [plain(model(X[rows])) for rows in batches(len(X), EVALUATION_ROWS)]
    return np.concatenate(parts)


def accuracy(Y: Any, Y_hat: Any) -> float:
    """Share of rows whose largest entry is at the same place: classes that are right.

    Args:
        Y: one-hot targets, shape ``(n, k)``.
        Y_hat: predictions, of the same shape.

    Raises:
        ShapeError: the shapes differ, or are not those of rows.

    >>> accuracy([[0, 1], [1, 0]], [[0.2, 0.8], [0.4, 0.6]])
    0.5
    """
    Y, Y_hat = np.asarray(Y), np.asarray(plain(Y_hat))
    if Y.shape != Y_hat.shape or Y.ndim != 2 or len(Y) == 0:
        raise ShapeError(
            f"accuracy: Y and Y_hat must have the same shape (n, k) with n >= 1; got {Y.shape} "
            f"and {Y_hat.shape}."
        )
    return float(hits(Y, Y_hat).mean())


def hits(Y: Array, Y_hat: Array) -> Array:
    """For each row, whether the largest entries of target and prediction are at one place."""
    right: Array = np.argmax(Y, axis=1) == np.argmax(Y_hat, axis=1)
    return right


def is_one_hot(Y: Array) -> bool:
    """Whether every row of Y has a single 1 and else 0.

    >>> is_one_hot(np.eye(3)), is_one_hot(np.full((2, 2), 0.5)), is_one_hot(np.ones((2, 1)))
    (True, False, False)
    """
    return bool(
        Y.ndim == 2
        and Y.shape[1] > 1
        and ((Y == 0) | (Y == 1)).all()
        and (Y.sum(axis=1) == 1).all()
    )


def checked_numbers(a: Any, name: str, dtype: Any) -> Array:
    """`a` as an array of `dtype` with at least one sample, proved to be finite.

    Raises:
        ShapeError, DTypeError, InvalidArgumentError: it has no samples, is no array of numbers,
            or holds NaN or infinity; the message begins with `name`.
    """
    array = as_rows(a, name)
    if array.dtype.kind == "f":
        at = index_beyond(array, float(np.finfo(dtype).max))
        if at is not None:
            raise InvalidArgumentError(
                f"{name} must be finite; got {array[at]} at index {at}, which is not finite in "
                f"{np.dtype(dtype)}. Remove or replace such samples first."
            )
    return array.astype(dtype, copy=False)


def check_lengths(x: Array, y: Array, name_x: str, name_y: str) -> None:
    """Refuse inputs and targets of different numbers.

    Raises:
        ShapeError: naming both.
    """
    if len(x) != len(y):
        raise ShapeError(
            f"{name_x} and {name_y} must have as many samples as each other; got shapes "
            f"{x.shape} and {y.shape}."
        )


def as_rows(a: Any, name: str) -> Array:
    """`a` as an array of numbers with at least one sample."""
    try:
        array = np.asarray(plain(a))
    except ValueError as error:
        raise DTypeError(f"{name} must be an array of numbers; {error}") from error
    if array.dtype.kind not in "fiub":
        raise DTypeError(f"{name} must be an array of numbers; got dtype {array.dtype}.")
    if array.ndim == 0 or array.size == 0:
        raise ShapeError(
            f"{name} must have at least one sample and one value; got shape {array.shape}."
        )
    return array


def as_number(loss: Any) -> float:
    """The value of a loss.

    Raises:
        ShapeError: it is not one number.
    """
    array = np.asarray(plain(loss))
    if array.size != 1 or array.dtype.kind not in "fiub":
        raise ShapeError(
            f"the loss function must give one number; got shape {array.shape} of {array.dtype}. "
            f"Reduce it over outputs and samples, e.g. with tg.mean(...)."
        )
    return float(array.reshape(()))


def plain(value: Any) -> Any:
    """The array of a tensor; anything else as it is."""
    return value.data if isinstance(value, Value) else value
