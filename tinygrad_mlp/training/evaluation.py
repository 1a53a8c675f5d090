"""Predictions, and the loss and the accuracy of a model."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.mode import no_grad
from tinygrad_mlp.data import batches
from tinygrad_mlp.data.batch_source import BatchSource
from tinygrad_mlp.data.rows import Rows
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError
from tinygrad_mlp.nn.module import Module, evaluation, precision
from tinygrad_mlp.parallel.ranks import ALONE, Ranks
from tinygrad_mlp.support.blas_threads import WORTH_WARMING, blas_threads, warm_up
from tinygrad_mlp.training.batch_examples import BatchExamples, Data, parts_of
from tinygrad_mlp.training.checked_data import (
    as_number,
    as_source,
    check_lengths,
    is_one_hot,
    plain,
)
from tinygrad_mlp.training.examples import EVALUATION_ROWS, Batch
from tinygrad_mlp.training.history import Record
from tinygrad_mlp.training.run import Run
from tinygrad_mlp.training.running_means import RunningMeans, number_right
from tinygrad_mlp.training.weights import WeightedLoss, combined_weights, counted, total_weight

LossFunction = Callable[..., Any]
"""A function ``(prediction, target)`` that returns the mean over samples."""


def evaluate(model: Module, loss: LossFunction, X: object, Y: object = None, *,
             sample_weight: object = None) -> tuple[float, float | None]:
    """Return the loss per sample and the accuracy of `model`, in evaluation mode.

    Args:
        model: a module; afterwards it is in the mode it was in.
        loss: a function ``(prediction, target)`` that returns the mean over samples.
        X: inputs, shape ``(n, ...)``; or `data.batches` of pairs (x, y), without Y.
        Y: targets, shape ``(n, ...)``.
        sample_weight: weights >= 0, shape ``(n,)``, for weighted means (see `fit`).

    Returns:
        The mean loss, and the share of samples whose class is right, or None where the targets
        are not one-hot, or the model's output is of another shape.

    Raises:
        ShapeError: X and Y have different numbers of samples, or none; or the loss is not one
            number.
        DTypeError: they are not numbers.
        InvalidArgumentError: the weights are negative, or all 0.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> identity = tg.nn.Sequential(tg.nn.Identity())
    >>> Y = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> evaluate(identity, tg.nn.squared_error, np.array([[0.0, 1.0], [0.0, 1.0]]), Y)
    (0.5, 0.5)
    """
    if isinstance(X, BatchSource):
        if Y is not None or sample_weight is not None:
            raise InvalidArgumentError(
                "evaluate: Y and sample_weight must be left out where X is data.batches: they are "
                "parts of each batch.")
        x, y, *_ = parts_of(X.first, "evaluate: batch 0")
        dtypes = as_source(x, "evaluate: X").dtype, as_source(y, "evaluate: Y").dtype
        given = BatchExamples(X, dtypes, precision(model), who="evaluate")
        objective = loss if given.weight is None else WeightedLoss(loss)
        return _loss_and_accuracy(model, objective, given.batches(ALONE), given.classes)
    X, Y = as_source(X, "evaluate: X"), as_source(Y, "evaluate: Y")
    weight = combined_weights(Y, sample_weight, None, precision(model), "evaluate: ")
    check_lengths(X, Y, "evaluate: X", "Y")
    objective = loss if weight is None else WeightedLoss(loss)
    data = [a for a in counted(X, Y, weight) if a is not None]
    parts = (tuple(a[rows] for a in data) for rows in batches(len(data[0]), EVALUATION_ROWS))
    return _loss_and_accuracy(model, objective, parts, is_one_hot(Y))


def _loss_and_accuracy(model: Module, loss: LossFunction, parts: Iterable[Batch], classes: bool,
                       ranks: Ranks = ALONE) -> tuple[float, float | None]:
    total = weight = 0.0
    right: float | None = 0.0 if classes else None
    with evaluation(model), no_grad():
        for x, *targets in parts:
            prediction = model(x)
            share = total_weight(targets)
            total += as_number(loss(prediction, *targets)) * share
            weight += share
            if right is not None:
                output = plain(prediction)
                same = np.shape(output) == targets[0].shape
                right = right + number_right(
                    hits(targets[0], output), *targets[1:]) if same else None
    total, weight, hit = ranks.sum(np.array([total, weight, right or 0.0])).tolist()
    return total / weight, None if right is None else hit / weight


def fitting_dtypes(model: Any, loss: LossFunction, X: Any, Y: Any,
                   dtype: Any) -> tuple[np.dtype[np.generic], np.dtype[np.generic]]:
    """Return the dtypes of inputs and targets that the model and the loss take.

    Numbers become floats of `dtype`. Integers stay integers where floats are refused: by a model
    that indexes with its inputs, by a loss that indexes with its targets.
    """
    arrays = as_source(X, "fit: X"), as_source(Y, "fit: Y")
    choices = [[dtype, a.dtype] if a.dtype.kind in "iu" else [dtype] for a in arrays]
    pairs = list(itertools.product(*choices))
    weights = [np.ones(min(2, len(arrays[0])), dtype)] * isinstance(loss, WeightedLoss)
    refused: list[type[Exception]] = []
    for dtypes in pairs if len(pairs) > 1 else []:
        x, y = (a[:2].astype(kind) for a, kind in zip(arrays, dtypes, strict=True))
        try:
            _loss_and_accuracy(model, loss, [(x, y, *weights)], False)
        except (IndexError, TypeError, ValueError) as error:
            refused.append(type(error))
        else:
            return dtypes
    # The error of integers says what is wrong with an index; without indices, that of floats does.
    indexing = refused and issubclass(refused[0], IndexError)
    return pairs[-1] if indexing else pairs[0]


class Evaluator:
    """The evaluations of a training run, on its validation data and, if wanted, its training data.

    Where the training data are not to be evaluated, `evaluates_training`, the means over the steps
    are recorded. Evaluations have many rows at a time, and so BLAS threads of their own. Each of
    the `ranks` evaluates a part of the data.
    """

    def __init__(self, model: Module, loss: LossFunction, training: Data,
                 validation: Data | None, threads: int, evaluates_training: bool,
                 ranks: Ranks = ALONE) -> None:
        self.model, self.loss, self.threads, self.ranks = model, loss, threads, ranks
        self.evaluates_training = evaluates_training
        self._parts = {"training": training}
        if validation is not None:
            self._parts["validation"] = validation
        self.data: dict[str, Array | Rows] = {}  # all arrays by name
        for part in self._parts.values():
            self.data |= part.arrays
            if not part.tried:
                # Two samples show what does not fit, before anything has been changed.
                right = self._evaluated(part, [part.example(2)])[1]
                part.classes = right is not None

    def _evaluated(self, part: Data, batches: Iterable[Batch],
                   ranks: Ranks = ALONE) -> tuple[float, float | None]:
        loss = self.loss if part.weight is None else WeightedLoss(self.loss)
        return _loss_and_accuracy(self.model, loss, batches, part.classes, ranks)

    def running_means(self) -> RunningMeans:
        """Return what adds up the steps' losses, and their accuracy where that is recorded."""
        training = self._parts["training"]
        judged = training.classes and not self.evaluates_training
        return RunningMeans(training.class_numbers() if judged else None, training.weight)

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
                own = part.batches(self.ranks)
                figures[f"{name}_loss"], figures[f"{name}_accuracy"] = (
                    self._evaluated(part, own, self.ranks) if passes else means)
        return Record(run.iteration, run.epoch, run.seconds, **figures)


def predict(model: Module, X: object) -> Array:
    """Return the output of `model` for each row of X, in evaluation mode, as a plain array.

    X may be `data.batches` of inputs, or of pairs whose first part are the inputs.

    Raises:
        ShapeError: X has no rows.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> model = tg.nn.Sequential(tg.nn.Dropout(0.5), tg.nn.ReLU())
    >>> predict(model, np.array([[-1.0, 2.0]]))  # in evaluation mode nothing is dropped
    array([[0., 2.]])
    """
    if isinstance(X, BatchSource):
        inputs = (b[0] if isinstance(b, (tuple, list)) else b for b in X.epoch())
        return np.concatenate([predict(model, x) for x in inputs])
    X = as_source(X, "predict: X")
    if len(X) > 1 and len(X) * model.n_parameters >= WORTH_WARMING:
        warm_up()
    with evaluation(model), no_grad():
        parts = [plain(model(X[rows])) for rows in batches(len(X), EVALUATION_ROWS)]
    return np.concatenate(parts)


def accuracy(Y: ArrayLike, Y_hat: ArrayLike) -> float:
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
