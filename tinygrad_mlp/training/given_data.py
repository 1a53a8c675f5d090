"""What `fit` is given to train on: arrays, or batches that come one after the other."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_mlp.data.batch_source import BatchSource
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.nn.module import Module, precision
from tinygrad_mlp.parallel.ranks import Ranks
from tinygrad_mlp.training.batch_examples import BatchExamples, Data, parts_of
from tinygrad_mlp.training.checked_data import as_source
from tinygrad_mlp.training.evaluation import LossFunction, fitting_dtypes
from tinygrad_mlp.training.examples import Examples
from tinygrad_mlp.training.run import FitSettings
from tinygrad_mlp.training.weights import WeightedLoss, combined_weights

BATCHES = "where X is data.batches"


def fitting_settings(settings: FitSettings, X: object, ranks: Ranks) -> FitSettings:
    """Return the settings, with those of a source of batches where X is one."""
    if not isinstance(X, BatchSource):
        return settings
    if ranks.size > 1:
        raise InvalidArgumentError(
            f"fit: ranks cannot share batches {BATCHES}, as they come one after the other. Pass "
            f"arrays or a mapped file as X, of which each rank reads its part.")
    if settings.batch_size is not None:
        raise InvalidArgumentError(
            f"fit: batch_size must be left out {BATCHES}, whose batches have sizes of their own. "
            f"Got {settings.batch_size!r}.")
    if settings.shuffle is not None and settings.shuffle is not X.shuffles:
        advice = (
            "the source shuffles: pass a function without arguments to data.batches" if X.shuffles
            else "the source has its own order: let it shuffle, or pass a function of a generator")
        raise InvalidArgumentError(
            f"fit: shuffle={settings.shuffle!r} cannot be, {BATCHES}: {advice}.")
    first = parts_of(X.first, "fit: batch 0")
    return settings._replace(batch_size=len(first[0]), shuffle=X.shuffles)


def training_data(model: Module, loss: LossFunction, X: object, Y: object, sample_weight: object,
                  class_weight: object) -> tuple[Data, Callable[..., object]]:
    """Return the checked examples, which X may be already, and the loss of a batch of them."""
    if isinstance(X, Examples):
        return X, loss
    precise = precision(model)
    if not isinstance(X, BatchSource):
        if Y is None:
            raise InvalidArgumentError(
                "fit: Y must be the targets of X. Got None. Pass Y, or data.batches(...) as X, "
                "whose batches are pairs (x, y).")
        X, Y = as_source(X, "fit: X"), as_source(Y, "fit: Y")
        weight = combined_weights(Y, sample_weight, class_weight, precise)
        objective = loss if weight is None else WeightedLoss(loss)
        dtypes = fitting_dtypes(model, objective, X, Y, precise)
        return Examples(X, Y, dtypes, weight=weight, precise=precise), objective
    given = {"Y": Y, "sample_weight": sample_weight, "class_weight": class_weight}
    for name, value in given.items():
        if value is not None:
            raise InvalidArgumentError(
                f"fit: {name} must be left out {BATCHES}: targets and weights are the second and "
                f"third part of each batch. Got {type(value).__name__}.")
    first = parts_of(X.first, "fit: batch 0")
    objective = loss if len(first) == 2 else WeightedLoss(loss)
    dtypes = fitting_dtypes(model, objective, first[0], first[1], precise)
    return BatchExamples(X, dtypes, precise), objective


def validation_data(validation: object, training: Data) -> Data | None:
    """Return the validation data of `fit`, checked; None without any."""
    weighted = training.weight is not None
    if isinstance(validation, BatchSource):
        return BatchExamples(
            validation, training.dtypes, training.precise, "validation ", weighted or None)
    return Examples.of_validation(validation, training.dtypes, training.precise, weighted)
