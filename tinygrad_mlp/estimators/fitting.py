"""Fitting an estimator's network to samples by `fit`, in steps on batches."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from tinygrad_mlp import nn, optim
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.data import batches
from tinygrad_mlp.data.rows import PIECE, Rows, chunks, computed, converted, taken, whole
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.estimators.epoch_monitor import EpochMonitor, FitState, Minimised, Validation
from tinygrad_mlp.estimators.network import generator
from tinygrad_mlp.estimators.objective import Objective, OutputLoss
from tinygrad_mlp.estimators.parameter_checks import FittedEstimator
from tinygrad_mlp.optim.schedule import as_schedule
from tinygrad_mlp.support.signals import is_interruption
from tinygrad_mlp.training.callbacks import Callback, ClipGradients
from tinygrad_mlp.training.checked_data import as_number
from tinygrad_mlp.training.evaluation import predict
from tinygrad_mlp.training.examples import EVALUATION_ROWS, Examples
from tinygrad_mlp.training.fit import fit
from tinygrad_mlp.training.history import History

AUTO_BATCH = 200  # the batch size for "auto", if there are as many samples: scikit-learn's number
CALLER = 4  # the stack level, for a warning in `train`, of the line that called `fit`


class Samples(NamedTuple):
    """The samples to fit."""

    X: Array | Rows  # shape (n, features)
    Y: Array | Rows  # shape (n, outputs)
    weight: Array | None  # in the loss, shape (n,), or None
    own: Array | None  # in scores: `weight` without those of the classes, or None

    def rows(self, chosen: Array) -> Samples:
        """Return the samples in some rows."""
        return self._each(lambda array: taken(array, chosen))

    def astype(self, dtype: np.dtype[np.generic]) -> Samples:
        """Return the samples with another dtype."""
        return self._each(lambda array: converted(array, dtype))

    def _each(self, change: Callable[[Array | Rows], Array | Rows]) -> Samples:
        weights = (None if a is None else whole(change(a)) for a in (self.weight, self.own))
        return Samples(change(self.X), change(self.Y), *weights)

    @property
    def targets(self) -> Array | Rows:
        """The targets, with the weights as the last column, as `Objective` expects them."""
        Y, weight = self.Y, self.weight
        if weight is None:
            return Y
        both = computed(lambda rows: np.column_stack([Y[rows], weight[rows]]),
                        (len(Y), Y.shape[1] + 1), Y.dtype)
        return both if both.nbytes > PIECE else whole(both)


def train(estimator: FittedEstimator, network: nn.Sequential, minimised: Minimised,
          state: FitState, samples: Samples, random: Callable[[], np.random.RandomState],
          partial: bool) -> History:
    """Fit by `tg.fit`; update the state, and set the estimator's `n_iter_`.

    `random` returns the numpy.random.RandomState of this call; a `partial` fit is one epoch.
    """
    who = type(estimator).__name__
    model, objective, _ = minimised
    validate = None
    if estimator.early_stopping:
        rows, held_out = split(estimator, samples.Y, random())
        if estimator.shuffle == "chunks":
            rows = np.sort(rows)  # as they lie in the file
        validate = validation(estimator, network, model, objective, samples.rows(held_out))
        samples = samples.rows(rows)
    n = len(samples.X)
    if state.optimizer is None or not partial:
        state.optimizer = make_optimizer(estimator, list(model.parameters()))
        state.rng, state.epochs = generator(random()), 0
    set_rate(estimator, state.optimizer, n, state.epochs)
    evaluate = validation(estimator, network, model, objective, samples)
    monitor = EpochMonitor(estimator, state, evaluate, validate)
    callbacks: list[Callback] = [monitor]
    if estimator.clip_gradients is not None:
        callbacks.append(ClipGradients(estimator.clip_gradients))
    # What the last call has trained fits samples of the same shape and needs no trial. (A user's
    # function may have changed inside.)
    dtype = samples.X.dtype
    tried = minimised is state.minimised and isinstance(objective.loss, OutputLoss) and (
        isinstance(estimator.activation, str))
    examples = Examples(samples.X, samples.targets, (dtype, dtype), tried=tried)
    history = fit(model, objective, state.optimizer, examples,
                  epochs=1 if partial else estimator.max_iter, batch_size=batch_size(estimator, n),
                  shuffle=estimator.shuffle, rng=state.rng, callbacks=callbacks,
                  monitor=bool(estimator.verbose), record_every=0, compiled=estimator.compiled,
                  threads=estimator.threads, checkpoint=estimator.checkpoint)
    state.epochs += monitor.epochs
    estimator.n_iter_ = monitor.epochs
    if history.stopped is None and not partial:
        warnings.warn(
            f"{who}: training has not converged in max_iter={estimator.max_iter} epochs. "
            f"Increase max_iter, or scale the data.", ConvergenceWarning, stacklevel=CALLER)
    elif is_interruption(history.stopped):
        warnings.warn(f"{who}: training was {history.stopped}.", UserWarning, stacklevel=CALLER)
    return history


def batch_size(estimator: FittedEstimator, n: int) -> int:
    """Return the batch size for n samples."""
    if isinstance(estimator.batch_size, str):
        return min(AUTO_BATCH, n)
    if estimator.batch_size > n:
        warnings.warn(
            f"{type(estimator).__name__}: batch_size={estimator.batch_size} is larger than the "
            f"number of samples, {n}. All of them form one batch.", stacklevel=CALLER + 1)
    return min(int(estimator.batch_size), n)


def loss_of(model: nn.Module, objective: Objective, samples: Samples) -> float:
    """Return the mean loss of samples, without the penalty on the weights."""
    n, targets = len(samples.X), samples.targets
    parts = [objective.of_data(predict(model, samples.X[rows]), targets[rows])
             for rows in batches(n, EVALUATION_ROWS)]
    losses, weights = ([as_number(a) for a in column] for column in zip(*parts, strict=True))
    return losses[0] if len(parts) == 1 else float(np.average(losses, weights=weights))


def validation(estimator: FittedEstimator, network: nn.Sequential, model: nn.Module,
               objective: Objective, samples: Samples) -> Validation:
    """Return a function that returns loss, score, and accuracy or None, of samples."""

    def validate() -> tuple[float, float, float | None]:
        loss = loss_of(model, objective, samples)
        score = estimator._score(predict(network, samples.X), whole(samples.Y), samples.own)
        return loss, score, score if hasattr(estimator, "classes_") else None

    return validate


def split(estimator: FittedEstimator, Y: Array | Rows,
          random: np.random.RandomState) -> tuple[Array, Array]:
    """Return the rows to train on and those to hold out: stratified by class if possible."""
    n = len(Y)
    held_out = int(np.ceil(estimator.validation_fraction * n))
    if held_out < 2 or held_out >= n:
        raise InvalidArgumentError(
            f"{type(estimator).__name__}: early_stopping needs at least two samples to validate "
            f"on, and one to train on. Got {held_out} of {n} samples to validate on, with "
            f"validation_fraction={estimator.validation_fraction}.")
    classes: Any = None
    if estimator._class_numbers(Y[:2]) is not None:
        classes = np.concatenate([estimator._class_numbers(Y[rows]) for rows in chunks(Y)])
        numbers = np.unique(classes, return_counts=True)[1]
        if numbers.min() < 2 or min(held_out, n - held_out) < len(numbers):
            classes = None
    train_rows, test_rows = train_test_split(
        np.arange(n), test_size=held_out, random_state=random, stratify=classes)
    return train_rows, test_rows


def make_optimizer(estimator: FittedEstimator, parameters: list[nn.Parameter]) -> optim.Optimizer:
    """Return the optimizer that an estimator's parameters describe."""
    rate = estimator.learning_rate
    lr = rate if callable(rate) else estimator.learning_rate_init
    adam = {"beta1": estimator.beta_1, "beta2": estimator.beta_2, "eps": estimator.epsilon}
    match estimator.solver:
        case "sgd":
            momentum = estimator.momentum
            nesterov = bool(estimator.nesterovs_momentum and momentum)
            return optim.SGD(parameters, lr, momentum=momentum, nesterov=nesterov)
        case "adam":
            return optim.Adam(parameters, lr, **adam)
        case "adamw":
            return optim.AdamW(parameters, lr, **adam)
        case "rmsprop":
            return optim.RMSprop(parameters, lr, eps=estimator.epsilon)
    who = type(estimator).__name__
    try:
        made = estimator.solver(parameters, lr)
    except TypeError as error:
        raise InvalidArgumentError(
            f"{who}: solver, as a function, must take (parameters, lr), as the class "
            f"tg.optim.RMSprop does. Got the error: {error}. The learning rate itself is set by "
            f"learning_rate_init or learning_rate.") from error
    if not isinstance(made, optim.Optimizer):
        raise InvalidArgumentError(
            f"{who}: solver must be a function (parameters, lr) that returns an optimizer of "
            f"tg.optim. Got {made!r} from it.")
    return made


def set_rate(estimator: FittedEstimator, optimizer: optim.Optimizer, samples: int,
             epochs: int) -> None:
    """Set the learning rate of an optimizer that has already done `epochs` epochs.

    "invscaling" is scikit-learn's ``α(k) = learning_rate_init / (1 + n k)^power_t`` with n samples
    in an epoch. As there, it has no effect on Adam.
    """
    rate = estimator.learning_rate
    if rate == "invscaling" and estimator.solver != "adam":
        initial, power = estimator.learning_rate_init, estimator.power_t
        rate = functools.partial(_inverse_power, initial, power, samples)
    if isinstance(rate, str):
        return
    schedule = as_schedule(rate)
    if schedule.unit == "epoch" and epochs:
        optimizer.lr = functools.partial(_later, schedule, epochs)
    else:
        optimizer.lr = rate


def _inverse_power(initial: float, power: float, samples: int, k: int) -> float:
    return float(initial / (1 + samples * k) ** power)


def _later(schedule: Callable[[int], float], epochs: int, k: int) -> float:
    return schedule(k + epochs)
