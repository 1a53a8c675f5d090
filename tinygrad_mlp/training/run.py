"""A training run: its settings, its state, its place in the data, and how Ctrl-C ends it."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_mlp.data.rows import shuffled_by_chunks
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.optim import Optimizer
from tinygrad_mlp.support.checks import flag, integer_at_least, one_of
from tinygrad_mlp.support.signals import ENDING, interruption
from tinygrad_mlp.training.history import History, Record
from tinygrad_mlp.training.running_means import RunningMeans

if TYPE_CHECKING:
    from types import FrameType

    from tinygrad_mlp.autograd.graph import Array
    from tinygrad_mlp.nn.module import Module

BATCH_SIZE = 32
"""The samples of a batch where nothing else is said."""


def checked_shuffle(value: object, name: str) -> bool | str:
    """Return `value`, if it says whether and how each epoch takes the samples in a new order."""
    if isinstance(value, str) and value == "chunks":
        return value
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidArgumentError(f"{name} must be True, False or 'chunks'. Got {value!r}.")
    return bool(value)


class FitSettings(NamedTuple):
    """The arguments of `fit` that are numbers and words; `fit` documents each."""

    epochs: int
    batch_size: Any
    accumulate: int
    shuffle: bool | str | None
    compiled: bool | str
    block: int | None
    threads: int | None
    record_every: int | None
    record_epochs: bool | None = None
    evaluate_training: bool = False

    def checked(self) -> FitSettings:
        """Return the settings with Python's own integers, or raise an error that names one."""

        def optional(lowest: int, value: object, name: str) -> int | None:
            return None if value is None else integer_at_least(lowest, value, name)

        given = self.record_epochs
        size = BATCH_SIZE if self.batch_size is None else self.batch_size
        epochs = self.record_every is None if given is None else flag(given, "fit: record_epochs")
        return self._replace(epochs=integer_at_least(1, self.epochs, "fit: epochs"),
                             batch_size=integer_at_least(1, size, "fit: batch_size"),
                             shuffle=True if self.shuffle is None else checked_shuffle(
                                 self.shuffle, "fit: shuffle"),
                             accumulate=integer_at_least(1, self.accumulate, "fit: accumulate"),
                             compiled=one_of(self.compiled, ("auto", True, False), "fit: compiled"),
                             block=optional(1, self.block, "fit: block"),
                             threads=optional(1, self.threads, "fit: threads"),
                             record_every=optional(0, self.record_every, "fit: record_every"),
                             record_epochs=epochs,
                             evaluate_training=flag(
                                 self.evaluate_training, "fit: evaluate_training"))

    @property
    def records(self) -> bool:
        """True if the training is evaluated at all."""
        return bool(self.record_every or self.record_epochs)

    def described(self, loss: Callable[..., object], optimizer: Any) -> dict[str, object]:
        """Return all settings of a training as JSON can hold them; functions by their names."""
        known = isinstance(optimizer, Optimizer)
        own = optimizer.settings() if known else {"optimizer": type(optimizer).__name__}
        name = getattr(loss, "__qualname__", None) or getattr(loss, "name", None)
        return {"loss": name or type(loss).__qualname__, "optimizer": own, **self._asdict()}


class Run:
    """The state of a training run, which callbacks read and may change.

    Attributes:
        model: the model; its weights are up to date.
        optimizer: the optimizer; its `lr` may be changed.
        history: the records so far.
        recorded: the fields of `Record` that this run fills in.
        epoch: the number of the present epoch, from 0.
        iteration: the number of the last update, from 0; −1 before the first.
        loss: the loss of the last batch, NaN before the first.
        means: the running means of the steps since the last record.
        stopped: why training is to end, or None.

    >>> run = Run(model=None, optimizer=None, history=History())
    >>> run.stop("the loss is small enough")
    >>> run.stopped, run.iteration
    ('the loss is small enough', -1)
    """

    def __init__(self, model: Module, optimizer: Any, history: History,
                 recorded: tuple[str, ...] = Record._fields,
                 means: RunningMeans | None = None) -> None:
        self.model, self.optimizer = model, optimizer
        self.history, self.recorded = history, recorded
        self.means = means or RunningMeans()
        self.epoch = 0
        self.iteration = -1
        self.loss = math.nan
        self.stopped: str | None = None
        self.started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Time since training began, without the pauses of a training that was resumed."""
        return time.perf_counter() - self.started

    def stop(self, reason: str = "") -> None:
        """End training after the present step, for this reason."""
        self.stopped = reason or "a callback asked for it"


class SampleOrder:
    """The order of the samples in each epoch, and the place that has been reached in it.

    `rng` draws a new order for each epoch, where `chunk` is given one by chunks of so many samples;
    without it, the samples stay in the order given. So many `epochs` are done, and so many
    `samples` of the present one.
    """

    def __init__(self, n: float, rng: Any, chunk: int | None = None) -> None:
        self.n, self.rng, self.chunk = n, rng, chunk
        self.epochs = 0
        self.samples = 0
        self._drawn_from: Any = None  # the generator's state before it drew the present order
        self._drawn: Any = None

    def begin(self) -> None:
        """Draw the order of the present epoch, or draw it again after resuming within the epoch."""
        if self.rng is None:
            self._drawn = self._draw()
            return
        bits = self.rng.bit_generator
        now = bits.state
        if self._drawn_from is None:
            self._drawn_from = now
            self._drawn = self._draw()
            return
        bits.state = self._drawn_from
        self._drawn = self._draw()
        bits.state = now

    def _draw(self) -> Any:
        """Return a new order; None for that of the data."""
        if self.rng is None:
            return None
        if self.chunk is None:
            return self.rng.permutation(self.n)
        return shuffled_by_chunks(int(self.n), self.chunk, self.rng)

    def unit(self, batch_size: int) -> int:
        """Return the length of a batch, as places are counted."""
        return batch_size

    def rows(self, start: int, stop: int) -> Any:
        """Return the index of the samples between two places of the order."""
        stop = min(stop, int(self.n))
        return slice(start, stop) if self._drawn is None else self._drawn[start:stop]

    @staticmethod
    def length(rows: slice | Array) -> int:
        """Return the number of samples of an index."""
        return rows.stop - rows.start if isinstance(rows, slice) else len(rows)

    @staticmethod
    def parts(rows: slice | Array, size: int) -> Iterator[Any]:
        """Return the index of every `size` samples of an index."""
        n = SampleOrder.length(rows)
        for i in range(0, n, size):
            yield SampleOrder.between(rows, i, min(i + size, n))

    @staticmethod
    def between(rows: slice | Array, start: int, stop: int) -> Any:
        """Return the index of some of the samples of an index."""
        if isinstance(rows, slice):
            return slice(rows.start + start, rows.start + stop)
        return rows[start:stop]

    def end_epoch(self) -> None:
        """Go to the beginning of the next epoch."""
        self.epochs += 1
        self.samples, self._drawn_from, self._drawn = 0, None, None

    def state_dict(self) -> dict[str, Any]:
        """Return the place that has been reached."""
        return {"epochs": self.epochs, "samples": self.samples, "drawn_from": self._drawn_from,
                "last": None}

    def load_state_dict(self, stored: dict[str, Any]) -> None:
        """Go to a place that `state_dict` has returned."""
        self.epochs, self.samples = stored["epochs"], stored["samples"]
        self._drawn_from = stored["drawn_from"]


@contextmanager
def deferred_interrupt(stop: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Let Ctrl-C only call `stop` with the reason, so that a run ends between two updates.

    A second Ctrl-C raises KeyboardInterrupt at once, for a step that hangs; the function that is
    yielded forgets the first. What ends the run is the KeyboardInterrupt of a signal's handler, and
    not the signal: a program with other handlers keeps them.
    """
    before: dict[int, Any] = {}
    interruptions = 0

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal interruptions
        try:
            before[number](number, frame)
        except KeyboardInterrupt:
            interruptions += 1
            if interruptions > 1:
                raise
            stop(interruption(number))

    def forget() -> None:
        nonlocal interruptions
        interruptions = 0

    # Only the main thread may set handlers, and only it is interrupted.
    if threading.current_thread() is threading.main_thread():
        before = {n: h for n in ENDING if callable(h := signal.getsignal(n))}
    for number in before:
        signal.signal(number, handler)
    try:
        yield forget
    finally:
        for number, own in before.items():
            signal.signal(number, own)
