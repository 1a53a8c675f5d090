"""Callbacks: what else happens in training, at its steps, evaluations and end.

A callback is an object with any of the methods of `Callback`, or a plain function, which is called
after every evaluation. Each is given the `Run`. One that remembers something from event to event
has `state_dict` and `load_state_dict`, so that a training can go on from a checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError, StateDictError
from tinygrad_mlp.support.checks import integer_at_least, not_negative, one_of
from tinygrad_mlp.training.history import History, Record
from tinygrad_mlp.training.layer_statistics import Distributions as Distributions

INTERRUPTED = "interrupted by Ctrl-C"
"""How the reason of a run begins that the user has ended (`Run.stopped`)."""


class Run:
    """The state of a training run, as callbacks see it and may change it.

    Attributes:
        model: the model; its weights are up to date.
        optimizer: the optimizer; its `lr` may be changed.
        history: the records so far.
        recorded: the fields of `Record` that this run fills in.
        epoch: the number of the present epoch, from 0.
        iteration: the number of the last update, from 0; −1 before the first.
        loss: the loss of the last batch, NaN before the first.
        stopped: why training is to end, or None.

    >>> run = Run(model=None, optimizer=None, history=History())
    >>> run.stop("the loss is small enough")
    >>> run.stopped, run.iteration
    ('the loss is small enough', -1)
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        history: History,
        recorded: tuple[str, ...] = Record._fields,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.history = history
        self.recorded = recorded
        self.epoch = 0
        self.iteration = -1
        self.loss = math.nan
        self.stopped: str | None = None
        self.started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Time since training began, without the pauses of one that was resumed."""
        return time.perf_counter() - self.started

    def stop(self, reason: str = "") -> None:
        """End training after the present step, for this reason."""
        self.stopped = reason or "a callback asked for it"


class Callback:
    """Base of the callbacks; override what is needed.

    Whoever has a method `on_step` sees the parameters and their gradients after every step. For
    the others, training may go faster: several steps at a time, and no gradients are left over.

    >>> class Patient(Callback):
    ...     def on_record(self, run):
    ...         if run.history.training_loss[-1] < 0.01:
    ...             run.stop("good enough")
    >>> Patient().watches_steps
    False
    """

    @property
    def watches_steps(self) -> bool:
        """Whether `on_step` does anything."""
        return getattr(self.on_step, "__func__", None) is not Callback.on_step

    @property
    def keeps_state(self) -> bool:
        """Whether there is something to store in a checkpoint."""
        return getattr(self.state_dict, "__func__", None) is not Callback.state_dict

    @property
    def name(self) -> str:
        """What it is called in a checkpoint."""
        return type(self).__name__

    def state_dict(self) -> dict[str, Any]:
        """What it remembers: arrays, numbers, text, None, in dicts, lists and tuples."""
        return {}

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        """Remember what `state_dict` of the same kind of callback has given."""

    def on_start(self, run: Run) -> None:
        """Before the first step; where training goes on from a checkpoint, before that is read."""

    def on_step(self, run: Run) -> None:
        """After every update."""

    def on_record(self, run: Run) -> None:
        """After every evaluation; the newest record is ``run.history.records[-1]``."""

    def on_epoch(self, run: Run) -> None:
        """After every epoch."""

    def on_end(self, run: Run) -> None:
        """After the last step, however training ended."""


class FunctionCallback(Callback):
    """A plain function, called after every evaluation.

    >>> seen = []
    >>> FunctionCallback(seen.append).on_record("the run")
    >>> seen
    ['the run']
    """

    def __init__(self, function: Callable[[Run], Any]) -> None:
        self.function = function

    def on_record(self, run: Run) -> None:
        """Call the function."""
        self.function(run)


EVENTS = tuple(name for name in vars(Callback) if name.startswith("on_"))
STATE = ("state_dict", "load_state_dict")


class ObjectCallback(Callback):
    """An object of the user's with some of the methods; the others do nothing.

    Args:
        wrapped: the object.

    >>> class Counter:
    ...     steps = 0
    ...     def on_step(self, run):
    ...         self.steps += 1
    >>> counter = Counter()
    >>> callback = ObjectCallback(counter)
    >>> callback.on_step(None), callback.on_epoch(None), counter.steps
    (None, None, 1)
    """

    def __init__(self, wrapped: Any) -> None:
        self._name = type(wrapped).__name__
        for name in EVENTS + STATE:
            if hasattr(wrapped, name):
                setattr(self, name, getattr(wrapped, name))

    @property
    def name(self) -> str:
        """The name of its class."""
        return self._name


def as_callback(callback: Any) -> Callback:
    """A callback object for what the user passed.

    Raises:
        InvalidArgumentError: it is a class, or neither an object with the methods nor a function.

    >>> type(as_callback(print)).__name__
    'FunctionCallback'
    """
    if isinstance(callback, type):
        raise InvalidArgumentError(
            f"fit: callbacks must be objects; got the class {callback.__name__}. "
            f"Write {callback.__name__}()."
        )
    if isinstance(callback, Callback):
        return callback
    if any(hasattr(callback, name) for name in EVENTS):
        return ObjectCallback(callback)
    if callable(callback):
        return FunctionCallback(callback)
    raise InvalidArgumentError(
        f"fit: a callback must be a function of the run, or an object with one of the methods "
        f"{', '.join(EVENTS)}; got {callback!r}."
    )


def check_settings(callback: Any, stored: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Refuse the state of a callback that was made otherwise.

    Args:
        callback: the one that is to take the state.
        stored: the state, with the settings among its entries.
        names: the settings, which are attributes of the callback.

    Raises:
        StateDictError: a setting differs.

    >>> check_settings(EarlyStopping(patience=3), {"patience": 3}, ("patience",))
    """
    for name in names:
        if stored[name] != getattr(callback, name):
            raise StateDictError(
                f"{type(callback).__name__}: the stored state is of one with {name}="
                f"{stored[name]!r}; this one has {getattr(callback, name)!r}. Make it as it was."
            )


class BestWeights(Callback):
    """At the end, puts back the weights of the best evaluation.

    Args:
        monitor: the field of `Record` to judge by; losses are best when small, accuracies when
            large. Without validation data use the fields of training.

    Attributes:
        best: the best value so far, NaN before the first.
        best_iteration: the iteration it belongs to, or None.

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

    def __init__(self, monitor: str = "validation_loss") -> None:
        self.monitor = one_of(monitor, Record._fields[3:], f"{type(self).__name__}: monitor")
        self.best = math.nan
        self.best_iteration: int | None = None
        self._weights: dict[str, Array] | None = None

    def on_start(self, run: Run) -> None:
        """Forget an earlier run."""
        if self.monitor not in run.recorded:
            shown = ", ".join(run.recorded[3:]) or "nothing, because of record_every=0"
            raise InvalidArgumentError(
                f"{type(self).__name__}: this run does not record {self.monitor}. It records "
                f"{shown}; the figures of validation need validation=(X, Y), and accuracies "
                f"one-hot targets."
            )
        self.best, self.best_iteration, self._weights = math.nan, None, None

    def state_dict(self) -> dict[str, Any]:
        """The best value so far, and the weights it belongs to."""
        return {
            "monitor": self.monitor,
            "best": self.best,
            "best_iteration": self.best_iteration,
            "weights": self._weights,
        }

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        """Go on comparing with what was the best.

        Raises:
            StateDictError: it was made with other arguments.
        """
        check_settings(self, stored, ("monitor",))
        self.best, self.best_iteration = stored["best"], stored["best_iteration"]
        self._weights = stored["weights"]

    def improved(self, run: Run, min_delta: float = 0.0) -> bool:
        """Whether the newest record is the best so far; remembers its weights if so."""
        value = float(getattr(run.history.records[-1], self.monitor))
        gain = value - self.best if self.monitor.endswith("accuracy") else self.best - value
        # The first finite value beats none. NaN beats nothing: comparing it is always false.
        first = self._weights is None and math.isfinite(value)
        if not (first or gain > min_delta):
            return False
        self.best = value
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

    def __init__(
        self,
        patience: int = 5,
        min_delta: float = 0.0,
        monitor: str = "validation_loss",
        restore_best: bool = True,
    ) -> None:
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
        """That of `BestWeights`, and how long there has been no improvement."""
        own = {"patience": self.patience, "min_delta": self.min_delta, "waited": self.waited}
        return {**super().state_dict(), **own}

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        """Go on waiting."""
        check_settings(self, stored, ("patience", "min_delta"))
        super().load_state_dict(stored)
        self.waited = stored["waited"]

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
