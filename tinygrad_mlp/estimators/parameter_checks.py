"""Checks of an estimator's parameters, made when `fit` is called, as scikit-learn asks."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.estimators.network import ACTIVATIONS, OUTPUTS, activation_layer, per_layer
from tinygrad_mlp.optim import Schedule
from tinygrad_mlp.support import checks
from tinygrad_mlp.support.checks import fraction, integer_at_least, one_of
from tinygrad_mlp.training.checkpoint import Checkpoint, CheckpointLike
from tinygrad_mlp.training.evaluation import LossFunction
from tinygrad_mlp.training.run import checked_shuffle

STOCHASTIC = ("sgd", "adam", "adamw", "rmsprop")
LBFGS = "lbfgs"
RATES = ("constant", "invscaling", "adaptive")

at_least_1 = functools.partial(integer_at_least, 1)
CHECKS: dict[Callable[[Any, str], Any], tuple[str, ...]] = {
    checks.not_negative: ("alpha", "tol", "power_t"),
    checks.positive: ("learning_rate_init", "epsilon"),
    fraction: ("momentum", "beta_1", "beta_2", "validation_fraction"),
    at_least_1: ("max_iter", "max_fun"),
    checked_shuffle: ("shuffle",),
    checks.flag: ("warm_start", "nesterovs_momentum", "early_stopping")}
"""The parameters that are one number or a flag, by their check."""


class FittedEstimator(Protocol):
    """The parameters of an estimator, and what its training asks of it."""

    hidden_layer_sizes: int | Sequence[int] | NDArray[np.integer[Any]]
    activation: object
    output_activation: object
    known_losses: tuple[str, ...]
    loss: str | LossFunction
    dropout: float | list[float] | tuple[float, ...]
    solver: Any  # a name, or a function of parameters and learning rate
    batch_size: int | str
    learning_rate: str | Callable[[int], float]
    learning_rate_init: float
    power_t: float
    max_iter: int
    shuffle: bool | str
    tol: float
    verbose: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    callbacks: Iterable[object]
    dtype: DTypeLike | None
    compiled: bool | str
    threads: int | None
    clip_gradients: float | None
    checkpoint: CheckpointLike | None
    n_iter_: int

    def _score(self, output: Array, target: Array, weight: Array | None) -> float: ...

    def _class_numbers(self, Y: Array) -> Array | None: ...

    def _has_partial_fit(self) -> bool: ...


def check(estimator: FittedEstimator) -> None:
    """Raise InvalidArgumentError for a parameter that is not allowed."""
    who = type(estimator).__name__
    for check_value, names in CHECKS.items():
        for name in names:
            check_value(getattr(estimator, name), f"{who}: {name}")
    if not isinstance(estimator.batch_size, str) or estimator.batch_size != "auto":
        at_least_1(estimator.batch_size, f"{who}: batch_size")
    if estimator.n_iter_no_change != math.inf:
        at_least_1(estimator.n_iter_no_change, f"{who}: n_iter_no_change")
    _check_layers(estimator, who)
    _check_names(estimator, who)
    _check_training(estimator, who)
    if not isinstance(estimator.callbacks, Iterable):
        raise InvalidArgumentError(
            f"{who}: callbacks must be a list. Got {estimator.callbacks!r}. Write [callback].")
    if estimator.solver == LBFGS:
        _check_lbfgs(estimator, who)


def _check_layers(estimator: FittedEstimator, who: str) -> None:
    hidden = hidden_layers(estimator.hidden_layer_sizes, f"{who}: hidden_layer_sizes")
    for activation in per_layer(estimator.activation, len(hidden), f"{who}: activation"):
        activation_layer(activation, ACTIVATIONS, f"{who}: activation")
    for p in per_layer(estimator.dropout, len(hidden), f"{who}: dropout"):
        fraction(p, f"{who}: dropout")
    if estimator.output_activation is not None:
        activation_layer(estimator.output_activation, OUTPUTS, f"{who}: output_activation")


def _check_names(estimator: FittedEstimator, who: str) -> None:
    """Check the parameters that are a name or a function."""
    if not callable(estimator.solver):
        one_of(estimator.solver, (*STOCHASTIC, LBFGS), f"{who}: solver, unless it is a function,")
    if not callable(estimator.learning_rate):
        one_of(estimator.learning_rate, RATES, f"{who}: learning_rate, unless it is a schedule,")
    elif isinstance(estimator.learning_rate, type):
        raise InvalidArgumentError(
            f"{who}: learning_rate must be a schedule. Got the class {estimator.learning_rate!r}.")
    if not callable(estimator.loss):
        one_of(estimator.loss, estimator.known_losses, f"{who}: loss, unless it is a function,")


def _check_training(estimator: FittedEstimator, who: str) -> None:
    """Check how the steps are taken."""
    one_of(estimator.compiled, ("auto", True, False), f"{who}: compiled")
    if estimator.threads is not None:
        at_least_1(estimator.threads, f"{who}: threads")
    if estimator.clip_gradients is not None:
        checks.positive(estimator.clip_gradients, f"{who}: clip_gradients")
    if not isinstance(estimator.checkpoint, (str, os.PathLike, Checkpoint, type(None))):
        raise InvalidArgumentError(
            f"{who}: checkpoint must be the path of a file, or a Checkpoint. Got "
            f"{estimator.checkpoint!r}.")
    try:
        known = estimator.dtype is None or np.dtype(estimator.dtype) in (np.float32, np.float64)
    except TypeError:
        known = False
    if not known:
        raise InvalidArgumentError(
            f"{who}: dtype must be None, 'float32' or 'float64'. Got {estimator.dtype!r}.")


def _check_lbfgs(estimator: FittedEstimator, who: str) -> None:
    """Check that nothing is random or by step: L-BFGS minimises one function of the weights."""
    unfit = {"dropout": np.any(estimator.dropout), "callbacks": list(estimator.callbacks),
             "learning_rate": isinstance(estimator.learning_rate, Schedule),
             "compiled": estimator.compiled is True,
             "clip_gradients": estimator.clip_gradients is not None,
             "checkpoint": estimator.checkpoint is not None,
             "shuffle": isinstance(estimator.shuffle, str)}
    for name, given in unfit.items():
        if given:
            raise InvalidArgumentError(
                f"{who}: {name} cannot be used with solver='lbfgs', which takes no steps on "
                f"batches. Got {getattr(estimator, name)!r}. Use another solver.")


def hidden_layers(sizes: object, name: str) -> list[int]:
    """Return the numbers of hidden neurons as a list."""
    if isinstance(sizes, Integral):
        sizes = [sizes]
    if isinstance(sizes, str) or not isinstance(sizes, Iterable):
        raise InvalidArgumentError(
            f"{name} must be a list of the numbers of hidden neurons. Got {sizes!r}.")
    return [integer_at_least(1, n, name) for n in sizes]
