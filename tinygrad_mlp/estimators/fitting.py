"""How an estimator's network is fitted to samples: by `fit` on batches, or by L-BFGS on all."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from tinygrad_mlp import nn
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.estimators import solvers
from tinygrad_mlp.estimators.network import generator
from tinygrad_mlp.estimators.objective import Loss, Objective
from tinygrad_mlp.estimators.recorder import Progress, Recorder, Rules, Validation
from tinygrad_mlp.training.evaluation import as_number, predict
from tinygrad_mlp.training.fit import fit
from tinygrad_mlp.training.history import History, Record
from tinygrad_mlp.training.run import INTERRUPTED

AUTO_BATCH = 200
"""Samples of a batch for "auto", where there are as many: scikit-learn's number."""

CALLER = 5
"""Calls from a warning here up to the line that called the estimator's `fit`."""


class Samples(NamedTuple):
    """What is fitted to.

    Attributes:
        X: inputs, shape ``(n, features)``.
        Y: targets, shape ``(n, outputs)``.
        weight: what each counts in the loss, shape ``(n,)``, or None.
        own: what each counts in scores: the weight without that of its class, or None.
    """

    X: Array
    Y: Array
    weight: Any
    own: Any

    def rows(self, chosen: Any) -> Samples:
        """Some of the samples."""
        return self._each(lambda array: array[chosen])

    def astype(self, dtype: Any) -> Samples:
        """The samples in that precision."""
        return self._each(lambda array: array.astype(dtype, copy=False))

    def _each(self, change: Callable[[Any], Any]) -> Samples:
        weights = (None if a is None else change(a) for a in (self.weight, self.own))
        return Samples(change(self.X), change(self.Y), *weights)

    @property
    def targets(self) -> Array:
        """The targets, with the weights as the last column, which `Objective` reads."""
        return self.Y if self.weight is None else np.column_stack([self.Y, self.weight])


def what_is_trained(
    estimator: Any, network: nn.Sequential, samples: Samples
) -> tuple[nn.Module, Objective]:
    """The module whose output the loss judges, and the loss.

    The losses that are known here are computed from the pre-activations of the output, so that
    they are exact for any size of these; the layers before are the same.
    """
    loss = estimator._loss()[0]
    model = nn.Sequential(*network.layers[:-1]) if isinstance(loss, Loss) else network
    return model, Objective(model, loss, estimator.alpha, samples.weight is not None)


def minimise(
    estimator: Any, network: nn.Sequential, progress: Progress, samples: Samples
) -> History:
    """Fit by L-BFGS.

    Warns:
        ConvergenceWarning: it ended without having converged.
    """
    model, objective = what_is_trained(estimator, network, samples)
    found = solvers.minimise(
        model, objective, samples.X, samples.targets, max_iter=estimator.max_iter,
        max_fun=estimator.max_fun, tol=estimator.tol, verbose=bool(estimator.verbose),
    )  # fmt: skip
    history = History()
    history.execution = "L-BFGS-B"
    history.stopped = found.problem
    for i, (loss, seconds) in enumerate(zip(found.losses, found.seconds, strict=True)):
        history.append(Record(i, i, seconds, loss, None, None, None))
    progress.losses += found.losses or [found.loss]
    progress.best_loss = min(progress.losses)
    estimator.n_iter_ = found.iterations
    if found.problem is not None:
        warnings.warn(
            f"{type(estimator).__name__}: L-BFGS ended without having converged: {found.problem}.",
            ConvergenceWarning,
            stacklevel=CALLER - 1,
        )
    return history


def train(
    estimator: Any, network: nn.Sequential, progress: Progress, samples: Samples, random: Any,
    partial: bool,
) -> History:  # fmt: skip
    """Fit by `tg.fit`, for one epoch if it is `partial`.

    Warns:
        ConvergenceWarning: the last epoch was reached before the loss stopped improving.
        UserWarning: training was interrupted.
    """
    who = type(estimator).__name__
    model, objective = what_is_trained(estimator, network, samples)
    rules = Rules(
        estimator.tol, estimator.n_iter_no_change,
        estimator.learning_rate == "adaptive" and estimator.solver != "adam",
        bool(estimator.verbose),
    )  # fmt: skip
    if estimator.early_stopping:
        rows, held_out = split(estimator, samples.Y, random)
        rules.validate = validation(estimator, network, model, objective, samples.rows(held_out))
        samples = samples.rows(rows)
    n = len(samples.X)
    if progress.optimizer is None or not partial:
        progress.optimizer = solvers.make_optimizer(estimator, list(model.parameters()))
        progress.rng, progress.epochs = generator(random), 0
    solvers.set_rate(estimator, progress.optimizer, n, progress.epochs)
    recorder = Recorder(progress, objective, n, rules, estimator.callbacks)
    history = fit(
        model, objective, progress.optimizer, samples.X, samples.targets,
        epochs=1 if partial else estimator.max_iter, batch_size=batch(estimator, n),
        shuffle=estimator.shuffle, rng=progress.rng, callbacks=[recorder],
        monitor=bool(estimator.verbose), record_every=0,
    )  # fmt: skip
    progress.epochs += recorder.epochs
    estimator.n_iter_ = recorder.epochs
    if history.stopped is None and not partial:
        warnings.warn(
            f"{who}: max_iter={estimator.max_iter} epochs have been done, and training has not "
            f"converged. Allow more, or scale the data.",
            ConvergenceWarning,
            stacklevel=CALLER - 1,
        )
    elif history.stopped is not None and history.stopped.startswith(INTERRUPTED):
        warnings.warn(f"{who}: training was {history.stopped}.", UserWarning, stacklevel=CALLER - 1)
    return history


def batch(estimator: Any, n: int) -> int:
    """The samples of a batch, of n."""
    if isinstance(estimator.batch_size, str):
        return min(AUTO_BATCH, n)
    if estimator.batch_size > n:
        warnings.warn(
            f"{type(estimator).__name__}: batch_size={estimator.batch_size} is larger than the "
            f"{n} samples: all of them make one batch.",
            UserWarning,
            stacklevel=CALLER,
        )
    return min(int(estimator.batch_size), n)


def validation(
    estimator: Any, network: nn.Sequential, model: nn.Module, objective: Objective,
    samples: Samples,
) -> Validation:  # fmt: skip
    """A function that gives loss, score, and accuracy or None, of the samples held out."""

    def validate() -> tuple[float, float, float | None]:
        loss = as_number(objective.of_data(predict(model, samples.X), samples.targets)[0])
        score = estimator._score(predict(network, samples.X), samples.Y, samples.own)
        return loss, score, score if hasattr(estimator, "classes_") else None

    return validate


def split(estimator: Any, Y: Array, random: Any) -> tuple[Array, Array]:
    """The samples to train on and those held out: each class in its proportion if possible.

    Raises:
        InvalidArgumentError: there are too few samples.
    """
    n = len(Y)
    held_out = int(np.ceil(estimator.validation_fraction * n))
    if held_out < 2 or held_out >= n:
        raise InvalidArgumentError(
            f"{type(estimator).__name__}: early_stopping needs at least two samples to validate "
            f"on, and one to train on; validation_fraction={estimator.validation_fraction} of {n} "
            f"samples are {held_out}."
        )
    classes = estimator._class_numbers(Y)
    if classes is not None:
        numbers = np.unique(classes, return_counts=True)[1]
        if numbers.min() < 2 or min(held_out, n - held_out) < len(numbers):
            classes = None
    train_rows, test_rows = train_test_split(
        np.arange(n), test_size=held_out, random_state=random, stratify=classes
    )
    return train_rows, test_rows
