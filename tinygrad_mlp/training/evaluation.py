"""Predictions, loss and accuracy of a model, and the checks of the data they are computed from."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.mode import no_grad
from tinygrad_mlp.data import batches
from tinygrad_mlp.data.rows import Rows, chunks, converted, stays_in_place, whole
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError, ShapeError
from tinygrad_mlp.nn.module import evaluation
from tinygrad_mlp.support.blas_threads import WORTH_WARMING, blas_threads, warm_up
from tinygrad_mlp.support.checks import as_array, index_beyond
from tinygrad_mlp.training.history import Record
from tinygrad_mlp.training.run import Run
from tinygrad_mlp.training.running_means import RunningMeans

LossFunction = Callable[[Any, Any], Any]
"""A function ``(prediction, target)`` that returns the mean over samples."""

EVALUATION_ROWS = 1000
"""Rows evaluated at a time: enough to fill a matrix product, few enough to stay in the cache."""


def evaluate(model: Any, loss: LossFunction, X: Any, Y: Any) -> tuple[float, float | None]:
    """Return the loss per sample and the accuracy of `model`, in evaluation mode.

    Args:
        model: a module; afterwards it is in the mode it was in.
        loss: a function ``(prediction, target)`` that returns the mean over samples.
        X: inputs, shape ``(n, ...)``.
        Y: targets, shape ``(n, ...)``.

    Returns:
        The mean loss, and the share of samples whose class is right, or None where the targets
        are not one-hot, or the model's output is of another shape.

    Raises:
        ShapeError: X and Y have different numbers of samples, or none; or the loss is not one
            number.
        DTypeError: they are not numbers.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> identity = tg.nn.Sequential(tg.nn.Identity())
    >>> Y = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> evaluate(identity, tg.nn.squared_error, np.array([[0.0, 1.0], [0.0, 1.0]]), Y)
    (0.5, 0.5)
    """
    X, Y = as_source(X, "evaluate: X"), as_source(Y, "evaluate: Y")
    check_lengths(X, Y, "evaluate: X", "Y")
    return _loss_and_accuracy(model, loss, X, Y, is_one_hot(Y))


def _loss_and_accuracy(model: Any, loss: LossFunction, X: Array | Rows, Y: Array | Rows,
                       classes: bool) -> tuple[float, float | None]:
    total, right = 0.0, 0 if classes else None
    with evaluation(model), no_grad():
        for rows in batches(len(X), EVALUATION_ROWS):
            target = Y[rows]
            prediction = model(X[rows])
            total += as_number(loss(prediction, target)) * len(target)
            if right is not None:
                output = plain(prediction)
                same = np.shape(output) == target.shape
                right = right + int(hits(target, output).sum()) if same else None
    return total / len(X), None if right is None else right / len(X)


def fitting_dtypes(model: Any, loss: LossFunction, X: Any, Y: Any, dtype: Any) -> tuple[Any, Any]:
    """Return the dtypes of inputs and targets that the model and the loss take.

    Numbers become floats of `dtype`. Integers stay integers where floats are refused: by a model
    that indexes with its inputs, by a loss that indexes with its targets.
    """
    arrays = as_source(X, "fit: X"), as_source(Y, "fit: Y")
    choices = [[dtype, a.dtype] if a.dtype.kind in "iu" else [dtype] for a in arrays]
    pairs = list(itertools.product(*choices))
    refused: list[type[Exception]] = []
    for dtypes in pairs if len(pairs) > 1 else []:
        x, y = (a[:2].astype(kind) for a, kind in zip(arrays, dtypes, strict=True))
        try:
            _loss_and_accuracy(model, loss, x, y, False)
        except (IndexError, TypeError, ValueError) as error:
            refused.append(type(error))
        else:
            return dtypes
    # The error of integers says what is wrong with an index; without indices, that of floats does.
    indexing = refused and issubclass(refused[0], IndexError)
    return pairs[-1] if indexing else pairs[0]


class Examples:
    """Checked data: X and Y are finite numbers of two dtypes, with a target for each input.

    `classes` says whether the targets are one-hot rows that outputs of the model are judged by.
    For the data that are not trained on, `part` is "validation ", for messages and for the names
    of the `arrays`.
    """

    def __init__(self, X: Any, Y: Any, dtypes: tuple[Any, Any], part: str = "") -> None:
        self.X = checked_source(X, f"fit: {part}X", dtypes[0])
        self.Y = checked_source(Y, f"fit: {part}Y", dtypes[1])
        check_lengths(self.X, self.Y, f"fit: {part}X", f"{part}Y")
        self.arrays = {f"{part}X": self.X, f"{part}Y": self.Y}
        self.classes = is_one_hot(self.Y)

    def __len__(self) -> int:
        return len(self.X)

    @classmethod
    def of_validation(cls, validation: Any, dtypes: tuple[Any, Any]) -> Examples | None:
        """Return the validation data of `fit`, checked; None without any."""
        if validation is None:
            return None
        if not isinstance(validation, (tuple, list)) or len(validation) != 2:
            raise InvalidArgumentError(
                f"fit: validation must be a pair (X, Y). Got {type(validation).__name__}.")
        X, Y = validation
        return cls(X, Y, dtypes, "validation ")


class Evaluator:
    """The evaluations of a training run, on its validation data and, if wanted, its training data.

    Where the training data are not to be evaluated, `evaluates_training`, the means over the steps
    are recorded. Evaluations have many rows at a time, and so BLAS threads of their own.
    """

    def __init__(self, model: Any, loss: LossFunction, training: Examples,
                 validation: Examples | None, threads: int, evaluates_training: bool) -> None:
        self.model, self.loss, self.threads = model, loss, threads
        self.evaluates_training = evaluates_training
        self._parts = {"training": training}
        if validation is not None:
            self._parts["validation"] = validation
        self.data: dict[str, Array | Rows] = {}  # all arrays by name
        for part in self._parts.values():
            self.data |= part.arrays
            # Two samples show what does not fit, before anything has been changed.
            right = _loss_and_accuracy(model, loss, part.X[:2], part.Y[:2], part.classes)[1]
            part.classes = right is not None

    def running_means(self) -> RunningMeans:
        """Return what adds up the steps' losses, and their accuracy where that is recorded."""
        training = self._parts["training"]
        judged = training.classes and not self.evaluates_training
        parts = [training.Y[rows].argmax(axis=1) for rows in chunks(training.Y)] if judged else []
        return RunningMeans(np.concatenate(parts) if judged else None)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of `Record` that an evaluation fills in."""
        names = list(Record._fields[:3])
        for name, part in self._parts.items():
            names += [f"{name}_loss", f"{name}_accuracy"][: 1 + part.classes]
        return tuple(names)

    def record(self, run: Run) -> Record:
        """Return the record of the run as it is now; the running means begin anew."""
        figures: dict[str, Any] = dict.fromkeys(Record._fields[3:])
        means = run.means.take()
        with blas_threads(self.threads):
            for name, part in self._parts.items():
                passes = name != "training" or self.evaluates_training
                figures[f"{name}_loss"], figures[f"{name}_accuracy"] = _loss_and_accuracy(
                    self.model, self.loss, part.X, part.Y, part.classes) if passes else means
        return Record(run.iteration, run.epoch, run.seconds, **figures)


def predict(model: Any, X: Any) -> Array:
    """Return the output of `model` for each row of X, in evaluation mode, as a plain array.

    Raises:
        ShapeError: X has no rows.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> model = tg.nn.Sequential(tg.nn.Dropout(0.5), tg.nn.ReLU())
    >>> predict(model, np.array([[-1.0, 2.0]]))  # in evaluation mode nothing is dropped
    array([[0., 2.]])
    """
    X = as_source(X, "predict: X")
    if len(X) > 1 and len(X) * model.n_parameters >= WORTH_WARMING:
        warm_up()
    with evaluation(model), no_grad():
        parts = [plain(model(X[rows])) for rows in batches(len(X), EVALUATION_ROWS)]
    return np.concatenate(parts)


def accuracy(Y: Any, Y_hat: Any) -> float:
    """Return the share of rows of one-hot targets whose largest entry the predictions share.

    >>> accuracy([[0, 1], [1, 0]], [[0.2, 0.8], [0.4, 0.6]])
    0.5
    """
    Y, Y_hat = np.asarray(Y), np.asarray(plain(Y_hat))
    if Y.shape != Y_hat.shape or Y.ndim != 2 or len(Y) == 0:
        raise ShapeError(
            f"accuracy: Y and Y_hat must have the same shape (n, k) with n >= 1. Got {Y.shape} "
            f"and {Y_hat.shape}.")
    return float(hits(Y, Y_hat).mean())


def hits(Y: Array, Y_hat: Array) -> Array:
    """Return for each row whether the largest entries of target and prediction coincide."""
    right: Array = np.argmax(Y, axis=1) == np.argmax(Y_hat, axis=1)
    return right


def is_one_hot(Y: Array | Rows) -> bool:
    """Return whether each row of Y has a single 1 and zeros otherwise."""
    if Y.ndim != 2 or Y.shape[1] < 2:
        return False
    parts = (Y[rows] for rows in chunks(Y))
    return all(bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()) for y in parts)


def checked_source(a: Any, name: str, dtype: Any) -> Array | Rows:
    """Return `a` as an array of `dtype` with at least one sample, all of it finite.

    Of what takes more than `AT_ONCE` bytes when it is converted, rows that are converted in parts.
    """
    array = as_source(a, name)
    if np.dtype(dtype).kind in "iu":
        if array.dtype.kind not in "iu":
            raise DTypeError(
                f"{name} must be of integers, as the training data are, which the model or the "
                f"loss indexes with. Got {array.dtype}. Convert it with .astype({dtype}).")
        return converted(array, array.dtype)
    for rows in chunks(array) if array.dtype.kind == "f" else ():
        part = array[rows]
        at = index_beyond(part, float(np.finfo(dtype).max))
        if at is not None:
            place = (rows.start + at[0], *at[1:])
            raise InvalidArgumentError(
                f"{name} must be finite. Got {part[at]} at index {place}, which is not finite in "
                f"{np.dtype(dtype)}. Remove or replace such samples first.")
    return converted(array, dtype)


def checked_numbers(a: Any, name: str, dtype: Any) -> Array:
    """Return what `checked_source` returns, as an array."""
    return whole(checked_source(a, name, dtype))


def as_rows(a: Any, name: str) -> Array:
    """Return what `as_source` returns, as an array."""
    return whole(as_source(a, name))


def check_lengths(x: Array | Rows, y: Array | Rows, name_x: str, name_y: str) -> None:
    """Raise an error unless there are as many targets as inputs."""
    if len(x) != len(y):
        raise ShapeError(
            f"{name_x} and {name_y} must have the same number of samples. Got shapes {x.shape} "
            f"and {y.shape}.")


def as_source(a: Any, name: str) -> Array | Rows:
    """Return `a` as an array of numbers, or rows that are read when needed; at least one sample."""
    a = plain(a)
    try:
        if stays_in_place(a):
            array: Array | Rows = Rows(a)
        else:
            array = as_array(np.asarray(a) if isinstance(a, np.memmap) else a, name)
    except ValueError as error:
        raise DTypeError(f"{name} must be an array of numbers. NumPy says: {error}.") from error
    if array.dtype.kind not in "fiub":
        raise DTypeError(f"{name} must be an array of numbers. Got dtype {array.dtype}.")
    if array.ndim == 0 or array.size == 0:
        raise ShapeError(
            f"{name} must have at least one sample and one value. Got shape {array.shape}.")
    return array


def as_number(loss: Any) -> float:
    """Return the value of a loss as a float."""
    array = np.asarray(plain(loss))
    if array.size != 1 or array.dtype.kind not in "fiub":
        raise ShapeError(
            f"the loss function must return one number. Got shape {array.shape} of {array.dtype}. "
            f"Reduce it over outputs and samples, e.g. with tg.mean(...).")
    return float(array.reshape(()))


def plain(value: Any) -> Any:
    """Return the array of a tensor, and anything else as it is."""
    return value.data if isinstance(value, Value) else value
