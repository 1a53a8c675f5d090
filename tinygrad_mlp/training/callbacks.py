"""Callbacks: objects and functions that `fit` calls between steps, evaluations and epochs.

A callback is an object with any of the methods of `Callback`, or a plain function, which is called
after every evaluation. Each call passes the `Run`. A callback that remembers something from event
to event has `state_dict` and `load_state_dict`, so that training can resume from a checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError, StateDictError
from tinygrad_mlp.nn.matching import matched
from tinygrad_mlp.nn.module import Module
from tinygrad_mlp.optim.clipping import clip_by_norm
from tinygrad_mlp.support.checks import (
    integer_at_least,
    not_negative,
    one_of,
    positive_or_infinite,
)
from tinygrad_mlp.training.history import Record
from tinygrad_mlp.training.layer_statistics import Distributions
from tinygrad_mlp.training.live_plot import LivePlot
from tinygrad_mlp.training.run import Run

__all__ = ["BestWeights", "Callback", "ClipGradients", "Distributions", "EarlyStopping", "LivePlot",
           "Run"]


class Callback:
    """The base class of callbacks; override the methods that are needed.

    A callback with a method `on_step` sees the parameters and their gradients after every step.
    Without one, training may be faster: it takes several steps at a time and keeps no gradients.

    One with a method `on_gradients` sees the gradients before the update, and may replace them.

    A method that looks like an event but is none, such as ``on_epoch_end``, is refused.

    >>> class Patient(Callback):
    ...     def on_record(self, run):
    ...         if run.history.training_loss[-1] < 0.01:
    ...             run.stop("good enough")
    >>> Patient().watches_steps
    False
    """

    @property
    def watches_steps(self) -> bool:
        """True if `on_step` does anything."""
        return getattr(self.on_step, "__func__", None) is not Callback.on_step

    @property
    def changes_gradients(self) -> bool:
        """True if `on_gradients` does anything."""
        return getattr(self.on_gradients, "__func__", None) is not Callback.on_gradients

    @property
    def evaluates_training(self) -> bool:
        """True if records must be evaluations on the training data, not means over the steps."""
        return False

    @property
    def keeps_state(self) -> bool:
        """True if a checkpoint stores a state of this callback."""
        return getattr(self.state_dict, "__func__", None) is not Callback.state_dict

    @property
    def name(self) -> str:
        """The name of this callback in a checkpoint."""
        return type(self).__name__

    def state_dict(self) -> dict[str, Any]:
        """Return what it remembers: arrays, numbers, text, None, in dicts, lists and tuples."""
        return {}

    def load_state_dict(self, stored: Mapping[str, object]) -> None:
        """Take over a state that `state_dict` of the same kind of callback returned."""

    def on_start(self, run: Run) -> None:
        """Act before the first step, and before a checkpoint is read."""

    def on_gradients(self, run: Run) -> None:
        """Act between backward pass and update: read `.grad` of the parameters, or replace it."""

    def on_step(self, run: Run) -> None:
        """Act after every update."""

    def on_record(self, run: Run) -> None:
        """Act after every evaluation; the newest record is ``run.history.records[-1]``."""

    def on_epoch(self, run: Run) -> None:
        """Act after every epoch."""

    def on_end(self, run: Run) -> None:
        """Act after the last step, however training ended."""


class ClipGradients(Callback):
    """A callback that shortens the gradients, taken together as one vector, before each update.

    Args:
        max_norm: the greatest length (see `optim.clip_by_norm`).

    Attributes:
        norm: the length of the last step's gradients before, NaN before the first step.

    Raises:
        InvalidArgumentError: `max_norm` is not above 0.

    Source: Pascanu, Mikolov and Bengio, 2013, algorithm 1.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> model = tg.nn.Linear(1, 1, rng=np.random.default_rng(0))
    >>> sgd = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> clip = ClipGradients(1.0)
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> history = tg.fit(model, tg.nn.squared_error, sgd, X, 99 * X, epochs=1, callbacks=[clip],
    ...                  rng=np.random.default_rng(0))
    >>> clip.norm > 1
    True
    """

    def __init__(self, max_norm: float) -> None:
        self.max_norm = positive_or_infinite(max_norm, "ClipGradients: max_norm")
        self.norm = math.nan

    def on_gradients(self, run: Run) -> None:
        """Shorten the gradients."""
        self.norm = clip_by_norm(run.optimizer.parameters, self.max_norm)


class BestWeights(Callback):
    """A callback that restores the weights of the best evaluation at the end of training.

    Args:
        monitor: the field of `Record` to judge by; losses are best when small, accuracies when
            large. Without validation data use the fields of training, which are then evaluated on
            all of the training data (see `fit`, `evaluate_training`): a mean over the steps is of
            weights that no longer exist.

    Attributes:
        best: the best value so far, NaN before the first.
        best_iteration: the iteration of the best value, or None.

    Raises:
        InvalidArgumentError: there is no such field, or the run does not record it.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> model = tg.nn.Linear(1, 1, rng=np.random.default_rng(0))
    >>> sgd = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> best = BestWeights("training_loss")
    >>> history = tg.fit(model, tg.nn.squared_error, sgd, X, 2 * X, epochs=5,
    ...                  rng=np.random.default_rng(0), callbacks=[best])
    >>> best.best == min(history.training_loss), best.best_iteration
    (True, 4)
    """

    SETTINGS: tuple[str, ...] = ("monitor",)
    """The settings that a stored state must agree with."""

    def __init__(self, monitor: str = "validation_loss") -> None:
        self.monitor: str = one_of(monitor, Record._fields[3:], f"{type(self).__name__}: monitor")
        self.best = math.nan
        self.best_iteration: int | None = None
        self._weights: dict[str, Array] | None = None
        self._model: Module | None = None  # of the present run

    @property
    def evaluates_training(self) -> bool:
        """True if the monitored field is of the training data."""
        return self.monitor.startswith("training")

    def on_start(self, run: Run) -> None:
        """Check the monitored field, and forget an earlier run."""
        if self.monitor not in run.recorded:
            shown = ", ".join(run.recorded[3:]) or "nothing, because of record_every=0"
            raise InvalidArgumentError(
                f"{type(self).__name__}: this run does not record {self.monitor}. It records "
                f"{shown}; validation figures need validation=(X, Y), and accuracies need one-hot "
                f"targets.")
        self.best, self.best_iteration, self._weights = math.nan, None, None
        self._model = run.model

    def state_dict(self) -> dict[str, Any]:
        """Return the settings, the best value so far and its weights."""
        settings = {name: getattr(self, name) for name in self.SETTINGS}
        best = {"best": self.best, "best_iteration": self.best_iteration, "weights": self._weights}
        return settings | best

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        """Go on comparing with the best value of a stored state.

        Raises:
            StateDictError: the state is of a callback with other arguments.
        """
        for name in self.SETTINGS:
            if stored[name] != getattr(self, name):
                raise StateDictError(
                    f"{type(self).__name__}: {name} must be {stored[name]!r}, as in the stored "
                    f"state. Got {getattr(self, name)!r}. Make the callback as it was.")
        best, at, weights = (stored[key] for key in ("best", "best_iteration", "weights"))
        numbers = isinstance(best, (int, float)) and (at is None or isinstance(at, int))
        if not numbers or (weights is not None and self._misfits(weights)):
            raise StateDictError(
                f"{type(self).__name__}: the stored state must hold the best value, its iteration "
                f"and weights of this model. Got {best!r}, {at!r} and "
                f"{type(weights).__name__}. Start again without it.")
        self.best, self.best_iteration, self._weights = best, at, weights

    def _misfits(self, weights: object) -> list[str]:
        """Return what does not fit the model of this run, a line each."""
        if not isinstance(weights, Mapping):
            return ["no arrays by name"]
        return [] if self._model is None else matched(dict(self._model.named_state()), weights)[1]

    def improved(self, run: Run, min_delta: float = 0.0) -> bool:
        """Return whether the newest record is the best so far; remember its weights if so."""
        value = float(getattr(run.history.records[-1], self.monitor))
        gain = value - self.best if self.monitor.endswith("accuracy") else self.best - value
        # The first finite value is an improvement. NaN never is: comparing it is always false.
        first = self._weights is None and math.isfinite(value)
        if not (first or gain > min_delta):
            return False
        self.best, self.best_iteration = value, run.iteration
        self._weights = run.model.state_dict()
        return True

    def on_record(self, run: Run) -> None:
        """Remember the weights if they are the best so far."""
        self.improved(run)

    def on_end(self, run: Run) -> None:
        """Restore the best weights."""
        if self._weights is not None:
            run.model.load_state_dict(self._weights)


class EarlyStopping(BestWeights):
    """A callback that ends training when the evaluations have stopped improving.

    Args:
        patience: the number of evaluations without improvement after which training ends.
        min_delta: the least change that counts as an improvement, in the units of the monitored
            field.
        monitor: the field of `Record` to judge by.
        restore_best: whether the best weights are restored at the end.

    Source: Prechelt, "Early stopping - but when?", 1998.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> model = tg.nn.Linear(1, 1, rng=np.random.default_rng(0))
    >>> sgd = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> history = tg.fit(model, tg.nn.squared_error, sgd, X, 2 * X, epochs=500,
    ...                  rng=np.random.default_rng(0), validation=(X, 2 * X),
    ...                  callbacks=[EarlyStopping(patience=3, min_delta=1e-6)])
    >>> len(history) < 500, history.stopped.startswith("validation_loss has not improved")
    (True, True)
    """

    SETTINGS = ("monitor", "patience", "min_delta")

    def __init__(self, patience: int = 5, min_delta: float = 0.0, monitor: str = "validation_loss",
                 restore_best: bool = True) -> None:
        super().__init__(monitor)
        self.patience = integer_at_least(1, patience, "EarlyStopping: patience")
        self.min_delta = not_negative(min_delta, "EarlyStopping: min_delta")
        self.restore_best = restore_best
        self.waited = 0

    def on_start(self, run: Run) -> None:
        """Forget an earlier run."""
        super().on_start(run)
        self.waited = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the state of `BestWeights` and the evaluations without improvement."""
        return super().state_dict() | {"waited": self.waited}

    def load_state_dict(self, stored: Mapping[str, object]) -> None:
        """Go on counting from a stored state."""
        waited = integer_at_least(0, stored["waited"], f"{type(self).__name__}: waited")
        super().load_state_dict(stored)
        self.waited = waited

    def on_record(self, run: Run) -> None:
        """Count the evaluations without improvement, and end training after too many."""
        if self.improved(run, self.min_delta):
            self.waited = 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            run.stop(
                f"{self.monitor} has not improved for {self.waited} evaluations "
                f"(best at iteration {self.best_iteration})")

    def on_end(self, run: Run) -> None:
        """Restore the best weights, if wanted."""
        if self.restore_best:
            super().on_end(run)
