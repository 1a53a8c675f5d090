"""The one training loop."""

from __future__ import annotations

import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd.backward import first_non_finite
from tinygrad_mlp.autograd.graph import Array, Value, no_grad
from tinygrad_mlp.callbacks import Run, as_callback
from tinygrad_mlp.checks import integer_at_least, one_of, rng_or_fresh
from tinygrad_mlp.data import batches
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError, ShapeError
from tinygrad_mlp.history import History, Record
from tinygrad_mlp.progress import Progress

if TYPE_CHECKING:
    from numpy.random import Generator

EVALUATION_ROWS = 1000
"""Rows evaluated at a time: enough to fill a matrix product, few enough to stay in the cache."""

Loss = Callable[[Any, Any], Any]


def fit(
    model: Any,
    loss: Loss,
    optimizer: Any,
    X: Any,
    Y: Any,
    *,
    epochs: int,
    batch_size: int = 32,
    validation: tuple[Any, Any] | None = None,
    shuffle: bool = True,
    rng: Generator | None = None,
    callbacks: Iterable[Any] = (),
    monitor: bool | Callable[[Record], str] = False,
    compiled: Any = "auto",
    record_every: int | None = None,
) -> History:
    """Train `model` by gradient descent on batches.

    Each step takes the next batch (x, y), computes ``L = loss(model(x), y)`` and its gradient, and
    lets the optimizer update the parameters. Evaluations on all of the training data, and on the
    validation data, are recorded at the end of each epoch, or every `record_every` steps.

    Args:
        model: a module.
        loss: a function ``(prediction, target)`` that gives the mean over samples.
        optimizer: holds the model's parameters (see `optim`).
        X: training inputs, shape ``(n, ...)``; converted to the precision of the parameters.
        Y: training targets, shape ``(n, ...)``.
        epochs: number of passes through the data.
        batch_size: samples a step; the last batch of an epoch may be smaller.
        validation: a pair (X, Y) to evaluate on, never to train on.
        shuffle: whether each epoch visits the samples in a new random order.
        rng: generator of the orders; without one, they differ from run to run.
        callbacks: see `callbacks`; functions are called after each evaluation.
        monitor: show progress; a function that makes a line of a `Record` sets what is printed.
        compiled: "auto" or False; training is eager in this version.
        record_every: evaluate after the first step and every so many steps from there, instead
            of at the end of each epoch; 0 for never.

    Returns:
        The history. Where training ended early (Ctrl-C, a callback, a loss that is not finite),
        it says why in `stopped`, and the model keeps the weights of the last whole step.

    Raises:
        ShapeError: X and Y, or the validation data, have different numbers of samples, or none.
        DTypeError: they are not numbers.
        InvalidArgumentError: NaN or infinity in the data; an impossible setting. Nothing has been
            changed then.

    Warns:
        RuntimeWarning: the loss became NaN or infinite; names the iteration and the operation.
    """
    epochs = integer_at_least(1, epochs, "fit: epochs")
    batch_size = integer_at_least(1, batch_size, "fit: batch_size")
    if record_every is not None:
        record_every = integer_at_least(0, record_every, "fit: record_every")
    one_of(compiled, ("auto", False), "fit: compiled")
    dtype = next((p.dtype for p in model.parameters()), np.dtype(np.float64))
    X, Y = _checked_data(X, Y, "X", "Y", dtype)
    if validation is not None:
        if not isinstance(validation, (tuple, list)) or len(validation) != 2:
            raise InvalidArgumentError("fit: validation must be a pair (X, Y).")
        validation = _checked_data(*validation, "validation X", "validation Y", dtype)
    hooks = [as_callback(callback) for callback in callbacks]
    order = rng_or_fresh(rng, "fit") if shuffle else None
    as_line = monitor if callable(monitor) else monitor_line

    run = Run(model, optimizer, History())
    start = time.perf_counter()
    steps = math.ceil(len(X) / batch_size)

    def record() -> None:
        in_training, in_validation = (
            evaluate(model, loss, *data) if data is not None else (None, None)
            for data in ((X, Y), validation)
        )
        run.history.append(
            Record(run.iteration, run.epoch, time.perf_counter() - start,
                   *in_training, *in_validation)
        )  # fmt: skip
        model.train()
        progress.line(as_line(run.history.records[-1]))
        for hook in hooks:
            hook.on_record(run)

    with Progress(epochs * steps, bool(monitor)) as progress, _deferred_interrupt(run):
        model.train()
        try:
            for hook in hooks:
                hook.on_start(run)
            for run.epoch in range(epochs):
                optimizer.epoch = run.epoch
                for rows in batches(len(X), batch_size, order):
                    _step(run, loss, X[rows], Y[rows])
                    if run.stopped:
                        break
                    if progress.wanted:
                        progress.advance(run.iteration, run.loss)
                    for hook in hooks:
                        hook.on_step(run)
                    if record_every and run.iteration % record_every == 0:
                        record()
                    if run.stopped:
                        break
                if run.stopped:
                    break
                if record_every is None:
                    record()
                for hook in hooks:
                    hook.on_epoch(run)
                if run.stopped:
                    break
        except KeyboardInterrupt:
            run.stop(_interrupted(run))
        finally:
            optimizer.zero_grad()
            model.eval()
        for hook in hooks:
            hook.on_end(run)
        run.history.stopped = run.stopped
        if run.stopped:
            progress.line(f"Training ended early: {run.stopped}.")
    return run.history


def _step(run: Run, loss: Loss, x: Array, y: Array) -> None:
    """One update of the parameters, left out where the loss is not finite."""
    run.optimizer.zero_grad()
    value = loss(run.model(x), y)
    if not isinstance(value, Value) or value.data.size != 1:
        shape = np.shape(value.data if isinstance(value, Value) else value)
        raise ShapeError(
            f"fit: the loss must be one number computed from the model's parameters; got shape "
            f"{shape}. Reduce it over outputs and samples, e.g. with tg.mean(...)."
        )
    run.loss = float(value.data.reshape(()))
    if not math.isfinite(run.loss):
        reason = (
            f"the loss of iteration {run.iteration + 1} is {run.loss}: "
            f"{first_non_finite(value)}. The weights are those before that iteration"
        )
        warnings.warn(f"fit: {reason}.", RuntimeWarning, stacklevel=3)
        run.stop(reason)
        return
    value.backward()  # type: ignore[attr-defined]
    run.optimizer.step()
    run.iteration += 1


def evaluate(model: Any, loss: Loss, X: Any, Y: Any) -> tuple[float, float | None]:
    """Loss per sample and accuracy of `model` on (X, Y), in evaluation mode, without a graph.

    Args:
        model: a module; it is left in evaluation mode.
        loss: a function ``(prediction, target)`` that gives the mean over samples.
        X: inputs, shape ``(n, ...)``.
        Y: targets, shape ``(n, ...)``.

    Returns:
        The mean loss, and the share of samples whose class is right, or None where the targets
        are not one-hot.
    """
    total, right, classes = 0.0, 0, True
    model.eval()
    with no_grad():
        for rows in batches(len(X), EVALUATION_ROWS):
            target = Y[rows]
            prediction = model(X[rows])
            total += float(_data(loss(prediction, target))) * len(target)
            classes = classes and is_one_hot(target)
            if classes:
                right += int(hits(target, _data(prediction)).sum())
    return total / len(X), right / len(X) if classes else None


def predict(model: Any, X: Any) -> Array:
    """The output of `model` for every row of X, in evaluation mode, as a plain array."""
    model.eval()
    with no_grad():
        parts = [_data(model(X[rows])) for rows in batches(len(X), EVALUATION_ROWS)]
    return np.concatenate(parts)


def accuracy(Y: Any, Y_hat: Any) -> float:
    """Share of rows whose largest entry is at the same place: classes that are right.

    Args:
        Y: one-hot targets, shape ``(n, k)``.
        Y_hat: predictions, of the same shape.

    Raises:
        ShapeError: the shapes differ, or are not those of rows.

    >>> accuracy([[0, 1], [1, 0]], [[0.2, 0.8], [0.4, 0.6]])
    0.5
    """
    Y, Y_hat = np.asarray(Y), np.asarray(_data(Y_hat))
    if Y.shape != Y_hat.shape or Y.ndim != 2 or len(Y) == 0:
        raise ShapeError(
            f"accuracy: Y and Y_hat must have the same shape (n, k) with n >= 1; got {Y.shape} "
            f"and {Y_hat.shape}."
        )
    return float(hits(Y, Y_hat).mean())


def hits(Y: Array, Y_hat: Array) -> Array:
    """For each row, whether the largest entries of target and prediction are at one place."""
    right: Array = np.argmax(Y, axis=1) == np.argmax(Y_hat, axis=1)
    return right


def is_one_hot(Y: Array) -> bool:
    """Whether every row of Y has a single 1 and else 0.

    >>> is_one_hot(np.eye(3)), is_one_hot(np.full((2, 2), 0.5)), is_one_hot(np.ones((2, 1)))
    (True, False, False)
    """
    return bool(
        Y.ndim == 2
        and Y.shape[1] > 1
        and ((Y == 0) | (Y == 1)).all()
        and (Y.sum(axis=1) == 1).all()
    )


def monitor_line(record: Record, loss_factor: float = 1.0) -> str:
    """A record as the document prints it, each part once; losses times `loss_factor`.

    >>> monitor_line(Record(0, 0, 0.1, 2.5, 0.125, 2.75, 0.25))
    'Iteration 0 - training loss: 2.5 | training accuracy: 0.125 | validation loss: 2.75 | \
validation accuracy: 0.25'
    """
    parts = []
    for field in Record._fields[3:]:
        value = getattr(record, field)
        if value is not None:
            factor = loss_factor if field.endswith("loss") else 1.0
            parts.append(f"{field.replace('_', ' ')}: {value * factor:.6g}")
    return f"Iteration {record.iteration} - " + " | ".join(parts)


def _data(value: Any) -> Any:
    return value.data if isinstance(value, Value) else value


def _checked_data(X: Any, Y: Any, name_x: str, name_y: str, dtype: Any) -> tuple[Array, Array]:
    """Inputs and targets as finite arrays of `dtype`, one target for each input."""
    arrays = [
        checked_numbers(_data(a), f"fit: {name}", dtype) for a, name in ((X, name_x), (Y, name_y))
    ]
    x, y = arrays
    if len(x) != len(y):
        raise ShapeError(
            f"fit: {name_x} and {name_y} must have as many samples as each other; got shapes "
            f"{x.shape} and {y.shape}."
        )
    return x, y


def checked_numbers(a: Any, name: str, dtype: Any) -> Array:
    """`a` as an array of `dtype` with at least one sample, proved to be finite.

    Raises:
        ShapeError, DTypeError, InvalidArgumentError: it has no samples, is no array of numbers,
            or holds NaN or infinity; the message begins with `name`.
    """
    array = np.asarray(a)
    if array.dtype.kind not in "fiub":
        raise DTypeError(f"{name} must be an array of numbers; got dtype {array.dtype}.")
    if array.ndim == 0 or array.size == 0:
        raise ShapeError(
            f"{name} must have at least one sample and one value; got shape {array.shape}."
        )
    if array.dtype.kind == "f":
        # The extremes need no array in between, and NaN passes through both of them.
        low, high = float(array.min()), float(array.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            at = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise InvalidArgumentError(
                f"{name} must be finite; got {array[at]} at index {at}. Remove or replace such "
                f"samples first."
            )
    return array.astype(dtype, copy=False)


def _interrupted(run: Run) -> str:
    return f"interrupted by Ctrl-C after iteration {run.iteration}"


@contextmanager
def _deferred_interrupt(run: Run) -> Iterator[None]:
    """Let Ctrl-C end training between two steps, never in the middle of an update.

    A second Ctrl-C interrupts at once, for a step that hangs.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers, and only it is interrupted
        return
    before = signal.getsignal(signal.SIGINT)

    def handler(number: int, frame: Any) -> None:
        if run.stopped or before is signal.SIG_IGN:
            raise KeyboardInterrupt
        run.stop(_interrupted(run))

    if before is not signal.default_int_handler:
        yield  # the program has its own way with Ctrl-C
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
