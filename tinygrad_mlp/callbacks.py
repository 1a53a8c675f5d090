"""Callbacks: what else happens in training, at its steps, evaluations and end.

A callback is an object with any of the methods of `Callback`, or a plain function, which is called
after every evaluation. Each is given the `Run`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.checks import integer_at_least, one_of
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.history import History, Record


class Run:
    """The state of a training run, as callbacks see it and may change it.

    Attributes:
        model: the model; its weights are up to date.
        optimizer: the optimizer; its `lr` may be changed.
        history: the records so far.
        epoch: the number of the present epoch, from 0.
        iteration: the number of the last update, from 0; −1 before the first.
        loss: the loss of the last batch, NaN before the first.
        stopped: why training is to end, or None.
    """

    def __init__(self, model: Any, optimizer: Any, history: History) -> None:
        self.model = model
        self.optimizer = optimizer
        self.history = history
        self.epoch = 0
        self.iteration = -1
        self.loss = math.nan
        self.stopped: str | None = None

    def stop(self, reason: str) -> None:
        """End training after the present step, for this reason."""
        self.stopped = reason


class Callback:
    """Base of the callbacks; override what is needed."""

    def on_start(self, run: Run) -> None:
        """Before the first step."""

    def on_step(self, run: Run) -> None:
        """After every update."""

    def on_record(self, run: Run) -> None:
        """After every evaluation; the newest record is ``run.history.records[-1]``."""

    def on_epoch(self, run: Run) -> None:
        """After every epoch."""

    def on_end(self, run: Run) -> None:
        """After the last step, however training ended."""


class FunctionCallback(Callback):
    """A plain function, called after every evaluation."""

    def __init__(self, function: Callable[[Run], Any]) -> None:
        self.function = function

    def on_record(self, run: Run) -> None:
        """Call the function."""
        self.function(run)


def as_callback(callback: Any) -> Any:
    """A callback object for what the user passed.

    Raises:
        InvalidArgumentError: it is a class, or neither an object with the methods nor a function.
    """
    if isinstance(callback, type):
        raise InvalidArgumentError(
            f"fit: callbacks must be objects; got the class {callback.__name__}. "
            f"Write {callback.__name__}()."
        )
    events = [name for name in vars(Callback) if name.startswith("on_")]
    if isinstance(callback, Callback):
        return callback
    if any(hasattr(callback, name) for name in events):
        for name in events:
            if not hasattr(callback, name):
                setattr(callback, name, lambda run: None)
        return callback
    if callable(callback):
        return FunctionCallback(callback)
    raise InvalidArgumentError(
        f"fit: a callback must be a function of the run, or an object with one of the methods "
        f"{', '.join(events)}; got {callback!r}."
    )


class BestWeights(Callback):
    """At the end, puts back the weights of the best evaluation.

    Args:
        monitor: the field of `Record` to judge by; losses are best when small, accuracies when
            large. Without validation data use the fields of training.

    Raises:
        InvalidArgumentError: there is no such field, or the run does not record it.
    """

    def __init__(self, monitor: str = "validation_loss") -> None:
        self.monitor = one_of(monitor, Record._fields[3:], f"{type(self).__name__}: monitor")
        self.best = math.inf
        self.best_iteration: int | None = None
        self._weights: dict[str, Array] | None = None

    def on_start(self, run: Run) -> None:
        """Forget an earlier run."""
        self.best, self.best_iteration, self._weights = math.inf, None, None

    def _cost(self, run: Run) -> float:
        value = getattr(run.history.records[-1], self.monitor)
        if value is None:
            raise InvalidArgumentError(
                f"{type(self).__name__}: this run does not record {self.monitor}. Pass "
                f"validation=(X, Y) to fit, or monitor a field that it records."
            )
        return -float(value) if self.monitor.endswith("accuracy") else float(value)

    def improved(self, run: Run, min_delta: float = 0.0) -> bool:
        """Whether the newest record is the best so far; remembers its weights if so."""
        cost = self._cost(run)
        if not cost < self.best - min_delta:
            return False
        self.best = cost
        self.best_iteration = run.iteration
        self._weights = run.model.state_dict()
        return True

    def on_record(self, run: Run) -> None:
        """Remember the weights if they are the best so far."""
        self.improved(run)

    def on_end(self, run: Run) -> None:
        """Put the best weights back."""
        if self._weights is not None:
            run.model.load_state_dict(self._weights)


class EarlyStopping(BestWeights):
    """Ends training when an evaluation has not improved for some time.

    Args:
        patience: how many evaluations without improvement are endured.
        min_delta: what counts as an improvement, in the units of the monitored field.
        monitor: the field of `Record` to judge by.
        restore_best: whether the best weights are put back at the end.

    Source: Prechelt, "Early stopping - but when?", 1998.
    """

    def __init__(
        self,
        patience: int = 5,
        min_delta: float = 0.0,
        monitor: str = "validation_loss",
        restore_best: bool = True,
    ) -> None:
        super().__init__(monitor)
        self.patience = integer_at_least(1, patience, "EarlyStopping: patience")
        self.min_delta = min_delta
        self.restore_best = restore_best
        self.waited = 0

    def on_start(self, run: Run) -> None:
        """Forget an earlier run."""
        super().on_start(run)
        self.waited = 0

    def on_record(self, run: Run) -> None:
        """Count the evaluations without improvement."""
        if self.improved(run, self.min_delta):
            self.waited = 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            run.stop(
                f"{self.monitor} has not improved for {self.waited} evaluations "
                f"(best at iteration {self.best_iteration})"
            )

    def on_end(self, run: Run) -> None:
        """Put the best weights back, if wanted."""
        if self.restore_best:
            super().on_end(run)
