"""The one training loop."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.nn.module import precision
from tinygrad_mlp.support.blas_threads import (
    WORTH_WARMING,
    blas_threads,
    threads_now,
    threads_that_pay,
    warm_up,
)
from tinygrad_mlp.support.checks import integer_at_least, one_of, rng_or_fresh
from tinygrad_mlp.training.arguments import check_parts, checked_data, recorded, settings
from tinygrad_mlp.training.callbacks import INTERRUPTED, Run, as_callback
from tinygrad_mlp.training.checkpoint import CheckpointWriter
from tinygrad_mlp.training.evaluation import Loss, evaluate
from tinygrad_mlp.training.history import History, Record
from tinygrad_mlp.training.progress import Progress
from tinygrad_mlp.training.steps import StepRunner

if TYPE_CHECKING:
    from numpy.random import Generator


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
    compiled: bool | str = "auto",
    block: int | None = None,
    threads: int | None = None,
    record_every: int | None = None,
    checkpoint: Any = None,
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
        compiled: True to record the step and run it as a program (see `compile`), False not to,
            "auto" for programs where they pay off and the step can be recorded.
        block: steps between two updates of the first weight, where a program can defer them
            without changing a number (see `program.deferred`); None for as many as pay off, 1
            for none.
        threads: BLAS threads that a step may use; None for one where its products are small, and
            for all otherwise. What was set before is put back.
        record_every: evaluate after the first step and every so many steps from there, instead
            of at the end of each epoch; 0 for never.
        checkpoint: a path or a `Checkpoint`: a file to which all that training needs to go on is
            written after each epoch (or as often as the `Checkpoint` says). Where it is there
            already, training goes on from it and gives the bits of one that was never cut off.

    Returns:
        The history. Where training ended early (Ctrl-C, a callback, a loss that is not finite),
        it says why in `stopped`, and the model keeps the weights of the last whole step.

    Raises:
        ShapeError: X and Y, or the validation data, have different numbers of samples, or none, or
            do not fit the model; or the loss is not one number.
        DTypeError: they are not numbers.
        InvalidArgumentError: NaN or infinity in the data; an impossible setting. Nothing has been
            changed in all these cases.
        CheckpointError: the checkpoint is of another model, other settings or other data. Nothing
            has been changed.
        DataError: it is damaged.
        NotDifferentiableError: the loss does not come from the optimizer's parameters.

    Warns:
        RuntimeWarning: the loss became NaN or infinite; names the iteration and the operation.
        UserWarning: the step cannot be recorded; training goes on eagerly.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> model = tg.nn.Linear(1, 1, rng=np.random.default_rng(0))
    >>> sgd = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> history = tg.fit(model, tg.nn.squared_error, sgd, X, 2 * X, epochs=100, batch_size=5,
    ...                  rng=np.random.default_rng(0))
    >>> model.weight.data.round(3), len(history)
    (array([[2.]]), 100)
    """
    epochs = integer_at_least(1, epochs, "fit: epochs")
    batch_size = integer_at_least(1, batch_size, "fit: batch_size")
    if threads is not None:
        threads = integer_at_least(1, threads, "fit: threads")
    if record_every is not None:
        record_every = integer_at_least(0, record_every, "fit: record_every")
    one_of(compiled, ("auto", True, False), "fit: compiled")
    if block is not None:
        block = integer_at_least(1, block, "fit: block")
    check_parts(model, loss, optimizer, callbacks)
    dtype = precision(model)
    X, Y = checked_data(X, Y, "X", "Y", dtype)
    if validation is not None:
        if not isinstance(validation, (tuple, list)) or len(validation) != 2:
            raise InvalidArgumentError("fit: validation must be a pair (X, Y).")
        validation = checked_data(*validation, "validation X", "validation Y", dtype)
    hooks = [as_callback(callback) for callback in callbacks]
    order = rng_or_fresh(rng, "fit") if shuffle else None
    as_line = monitor if callable(monitor) else monitor_line

    for data in ((X, Y), validation):
        if data is not None:
            # Wrong shapes, or a loss that is no number, show in two samples; the rest is untouched.
            evaluate(model, loss, data[0][:2], data[1][:2])

    run = Run(model, optimizer, History(), recorded(Y, validation, record_every))
    watched = any(hook.watches_steps for hook in hooks)
    run.history.settings = settings(
        loss, optimizer, epochs=epochs, batch_size=batch_size, shuffle=shuffle, compiled=compiled,
        block=block, threads=threads, record_every=record_every,
    )  # fmt: skip
    all_threads = threads if threads is not None else threads_now()
    steps = StepRunner(
        run, loss, X, Y, batch_size=batch_size, epochs=epochs, compiled=compiled, block=block,
        threads=all_threads, watched=watched,
    )  # fmt: skip
    keeper = None
    if checkpoint is not None:
        of_run = {"X": X, "Y": Y}
        if validation is not None:
            of_run |= {"validation X": validation[0], "validation Y": validation[1]}
        keeper = CheckpointWriter(checkpoint, run, steps, hooks, order, of_run)

    def record() -> None:
        with blas_threads(all_threads):  # evaluations are of many rows at a time
            in_training, in_validation = (
                evaluate(model, loss, *data) if data is not None else (None, None)
                for data in ((X, Y), validation)
            )
        run.history.append(
            Record(run.iteration, run.epoch, run.seconds, *in_training, *in_validation)
        )
        latest = run.history.records[-1]
        progress.line(as_line(latest))
        progress.accuracy = (
            latest.training_accuracy if validation is None else latest.validation_accuracy
        )
        tell("on_record")

    def tell(event: str) -> None:
        for hook in hooks:
            getattr(hook, event)(run)
        if hooks:
            steps.release()

    n_steps = epochs * math.ceil(len(X) / batch_size)
    multiplications = model.n_parameters  # for each sample
    if epochs * len(X) * multiplications >= WORTH_WARMING:
        warm_up()
    if threads is None:
        threads = threads_that_pay(batch_size * multiplications)
    with (
        _deferred_interrupt(run), Progress(n_steps, bool(monitor)) as progress,
        blas_threads(threads),
    ):  # fmt: skip
        model.train()
        try:
            tell("on_start")
            last = epochs
            if keeper is not None and keeper.resumes:
                if keeper.resume():
                    last = steps.epochs  # a callback has ended it for good
                progress.line(
                    f"Going on after iteration {run.iteration}, from {keeper.checkpoint.path}."
                )
            for run.epoch in range(steps.epochs, last):
                optimizer.epoch = run.epoch
                for _ in steps.epoch(order, record_every):
                    if progress.wanted:
                        progress.advance(run.iteration, run.loss)
                    if watched:
                        tell("on_step")
                    if record_every and run.iteration % record_every == 0:
                        record()
                    if keeper is not None:
                        keeper.after_step()
                    if run.stopped:
                        break
                if run.stopped:
                    break
                if record_every is None:
                    record()
                tell("on_epoch")
                steps.next_epoch()
                if keeper is not None:
                    keeper.after_epoch()
                if run.stopped:
                    break
            if keeper is not None:
                keeper.at_end()
        except KeyboardInterrupt:
            run.stop(INTERRUPTED)
        finally:
            optimizer.zero_grad()
            model.eval()
        if run.stopped == INTERRUPTED:
            run.stop(f"{INTERRUPTED} after iteration {run.iteration}")
        run.history.execution = steps.execution
        tell("on_end")
        run.history.stopped = run.stopped
        if run.stopped:
            progress.line(f"Training ended early: {run.stopped}.")
    return run.history


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
        if run.stopped:
            raise KeyboardInterrupt
        run.stop(INTERRUPTED)

    if before is not signal.default_int_handler:
        yield  # the program has its own way with Ctrl-C
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
