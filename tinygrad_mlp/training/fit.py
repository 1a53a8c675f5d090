"""`fit`, the training loop, and the events between its steps and its epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.nn import Module
from tinygrad_mlp.parallel.ranks import Ranks, checked_ranks
from tinygrad_mlp.support.blas_threads import blas_threads, threads_now, threads_that_pay
from tinygrad_mlp.support.checks import rng_or_fresh
from tinygrad_mlp.support.signals import interruption, is_interruption
from tinygrad_mlp.training.batch_examples import Data
from tinygrad_mlp.training.callback_list import CallbackList
from tinygrad_mlp.training.checkpoint import CheckpointLike, CheckpointWriter
from tinygrad_mlp.training.evaluation import Evaluator, LossFunction
from tinygrad_mlp.training.examples import EVALUATION_ROWS
from tinygrad_mlp.training.given_data import fitting_settings, training_data, validation_data
from tinygrad_mlp.training.history import History, Record
from tinygrad_mlp.training.parallel_steps import ParallelSteps
from tinygrad_mlp.training.progress import Progress
from tinygrad_mlp.training.run import FitSettings, Run, deferred_interrupt
from tinygrad_mlp.training.steps import StepRunner, threads_of_steps

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import ArrayLike


def fit(model: Module, loss: LossFunction, optimizer: Any, X: object, Y: object = None, *,
        epochs: int, batch_size: int | None = None, accumulate: int = 1, validation: object = None,
        shuffle: bool | str | None = None, rng: Generator | None = None,
        callbacks: Iterable[object] = (), monitor: bool | Callable[[Record], str] = False,
        compiled: bool | str = "auto", block: int | None = None, threads: int | None = None,
        record_every: int | None = None, record_epochs: bool | None = None,
        evaluate_training: bool = False, checkpoint: CheckpointLike | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: str | Mapping[int, float] | None = None,
        ranks: Ranks | None = None) -> History:
    """Train `model` by gradient descent on batches.

    Each step takes the next batch (x, y), computes ``L = loss(model(x), y)`` and its gradient, and
    lets the optimizer update the parameters. At the end of each epoch, or every `record_every`
    steps, the means of loss and accuracy over the steps since then are recorded, and an evaluation
    on the validation data.

    Args:
        model: a module.
        loss: a function ``(prediction, target)`` that returns the mean over samples; with weights,
            a loss of ``tg.nn``, or a function that returns a number for each sample.
        optimizer: the optimizer of the model's parameters (see `optim`).
        X: training inputs, shape ``(n, ...)``: an array, a mapped file, a table, a sparse matrix or
            any object with ``len`` and rows, read by the batch where it is large. Converted to the
            precision of the parameters, but integers stay integers for a model that indexes with
            them. Or `data.batches` of pairs (x, y), without Y and `batch_size`.
        Y: training targets, shape ``(n, ...)``; likewise for a loss that indexes with them.
        epochs: number of passes through the data.
        batch_size: samples a step, 32 by default; the last batch of an epoch may be smaller.
        accumulate: batches an update. Their gradients are averaged, each counted by its samples: as
            with a batch so many times as large, in the memory of one. (Batch normalisation and
            dropout see the batches one by one.)
        validation: a pair (X, Y) to evaluate on, never to train on; or (X, Y, sample_weight);
            or `data.batches` of such.
        shuffle: whether each epoch visits the samples in a new random order: True by default, but
            batches have the order of their source. "chunks" for files on slow disks: chunks of
            16 MiB come in a random order, and the samples of four of them are mixed.
        rng: the generator of the orders; without one, they differ from run to run.
        callbacks: see `callbacks`; functions are called after each evaluation.
        monitor: whether to show progress; a function that makes a line of a `Record` sets what is
            printed.
        compiled: True to record the step and run it as a program (see `compile`), False to train
            eagerly, "auto" for programs where they pay off and the step can be recorded.
        block: steps between two updates of the first weight, where a program can defer them
            without changing a number (see `program.deferred`); None for as many as pay off, 1
            for none.
        threads: BLAS threads that a step may use; None for one where its products are small, and
            for all otherwise. The numbers of threads set before are restored at the end. They are
            those of the whole process: the first of several threads of Python that train at once
            sets them, the others train with them, and the last to end restores them. So give all
            of them ``threads=1`` for results that do not depend on which came first.
        record_every: number of steps between two records, the first after the first step, instead
            of one at the end of each epoch; 0 for none.
        record_epochs: whether to record the end of each epoch, with `record_every`, too.
        evaluate_training: whether to record an evaluation on all of the training data instead of
            the means over the steps. Those cost nothing, but each step counts with the weights that
            it started from, and dropout and batch normalisation act as they do in training.
            Callbacks that select by a training quantity turn it on.
        checkpoint: a path or a `Checkpoint`: the file to which the state of training is written
            after each epoch, or as often as the `Checkpoint` says. If the file exists, training
            resumes from it with bit-identical results.
        sample_weight: weights w >= 0, shape ``(n,)``. The loss of a batch is then the weighted mean
            of its samples' losses, ``sum(w * losses) / sum(w)``, and losses and accuracies are
            recorded with these weights. Samples of weight 0 are left out.
        class_weight: the weights by class number, which multiply those of the samples; classes
            that are not named have weight 1. "balanced" gives all classes the same sum of weights.
            The targets are one-hot rows or class numbers.
        ranks: the processes that train together, from `parallel.mpi`, each of which calls `fit`
            with the same arguments. `batch_size` is that of all; each rank computes with its part.
            Callbacks, progress and checkpoint are those of rank 0. An error during training ends
            all ranks.

    Returns:
        The history. If training ended early (Ctrl-C, a callback, a loss that is not finite), its
        `stopped` says why, and the model keeps the weights of the last whole step.

    Raises:
        ShapeError: X and Y, or the validation data, have different numbers of samples, or none, or
            do not fit the model; or the loss is not one number.
        DTypeError: they are not numbers.
        InvalidArgumentError: NaN or infinity in the data; an impossible setting.
        CheckpointError: the checkpoint belongs to another model, other settings or other data.
        DataError: the checkpoint is damaged.
        WriteError: the checkpoint cannot be written. Nothing has been changed in all these cases.
        NotDifferentiableError: the loss was not computed from the optimizer's parameters.

    Warns:
        RuntimeWarning: the loss became NaN or infinite; names the iteration and the operation.
        UserWarning: the step cannot be recorded; training continues eagerly. Or the checkpoint
            cannot be written while training runs; training continues (see `Checkpoint`).

    >>> import numpy as np, tinygrad_mlp as tg
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> model = tg.nn.Linear(1, 1, rng=np.random.default_rng(0))
    >>> sgd = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> history = tg.fit(model, tg.nn.squared_error, sgd, X, 2 * X, epochs=100, batch_size=5,
    ...                  rng=np.random.default_rng(0))
    >>> model.weight.data.round(3), len(history)
    (array([[2.]]), 100)
    """
    team = checked_ranks(ranks, "fit")
    with team.agreement("fit") as alike:
        settings = FitSettings(epochs, batch_size, accumulate, shuffle, compiled, block, threads,
                               record_every, record_epochs, evaluate_training)
        settings = fitting_settings(settings, X, team).checked()
        _check_parts(model, loss, optimizer)
        training, objective = training_data(model, loss, X, Y, sample_weight, class_weight)
        events = _prepared(model, loss, optimizer, training, objective, validation,
                           CallbackList(callbacks), settings, rng, monitor, checkpoint, team)
        run, steps = events.run, events.steps
        alike.update(steps.alike(events.evaluator.data, events.callbacks))

    with (deferred_interrupt(steps.interrupt) as forget, events.progress,
          blas_threads(events.threads)):
        model.train()
        try:
            events.start()
            with team.bound_together():
                for _ in steps.epochs():
                    for _ in steps.steps():
                        events.after_step()
                    if not run.stopped:
                        events.after_epoch()
                if events.writer is not None:
                    events.writer.at_end()
        except KeyboardInterrupt:
            if not steps.alone:
                raise  # the other ranks have not been interrupted
            if not is_interruption(run.stopped):
                run.stop(interruption())
        finally:
            optimizer.zero_grad()
            model.eval()
        forget()  # an impatient second Ctrl-C must not lose the history
        with team.bound_together():
            events.end()
    return run.history


def _prepared(model: Module, loss: LossFunction, optimizer: object, training: Data, objective: Any,
              validation: object, hooks: CallbackList, settings: FitSettings,
              rng: Generator | None, monitor: bool | Callable[[Record], str],
              checkpoint: CheckpointLike | None, team: Ranks) -> _Events:
    """Return the events of a training, of which nothing has been changed yet."""
    n_parameters = model.n_parameters
    held_out = validation_data(validation, training)
    if hooks.evaluate_training:
        settings = settings._replace(evaluate_training=True)
    order_rng = rng_or_fresh(rng, "fit") if settings.shuffle else None
    all_threads = settings.threads or team.threads or threads_now()
    alone = threads_that_pay(EVALUATION_ROWS * n_parameters)
    evaluator = Evaluator(model, loss, training, held_out, settings.threads or alone or all_threads,
                          settings.evaluate_training, team)

    run = Run(model, optimizer, History(), evaluator.fields, evaluator.running_means())
    if not settings.records:
        run.recorded, run.means.classes = (), None
    run.history.settings = settings.described(loss, optimizer)
    make = StepRunner if team.size == 1 else partial(ParallelSteps, team)
    steps = make(
        run, objective, training, settings, order_rng, threads=all_threads,
        watched=hooks.watch_steps,
        on_gradients=(lambda: hooks.tell("on_gradients", run)) if hooks.change_gradients else None)
    first = team.rank == 0
    writer = None
    if checkpoint is not None and first:
        writer = CheckpointWriter(checkpoint, run, steps, hooks, evaluator.data)
    progress = Progress(steps.updates, monitor if first else False)
    samples = steps.order.n * settings.batch_size / steps.unit
    threads = threads_of_steps(settings, n_parameters, samples) or team.threads
    return _Events(run, steps, evaluator, hooks, writer, progress, settings, team, threads)


@dataclass
class _Events:
    """The events of a run, and what happens at each of them, in this order."""

    run: Run
    steps: StepRunner
    evaluator: Evaluator
    callbacks: CallbackList
    writer: CheckpointWriter | None
    progress: Progress
    settings: FitSettings
    ranks: Ranks
    threads: int | None  # of BLAS, for a step; None for all

    def start(self) -> None:
        """Tell the callbacks, and resume from the checkpoint if there is one."""
        with self.ranks.agreement("fit"):
            self._start_alone()
        with self.ranks.bound_together():
            self.steps.begin()

    def _start_alone(self) -> None:
        if self.callbacks and self.ranks.rank == 0:
            self.callbacks.tell("on_start", self.run)
        if self.writer is not None and self.writer.resumes:
            self.writer.resume()
            path = self.writer.checkpoint.path
            self.progress.line(f"Resuming after iteration {self.run.iteration}, from {path}.")

    def after_step(self) -> None:
        """Show the progress, tell the callbacks, evaluate and save, each where it is due."""
        run = self.run
        if self.progress.wanted:
            self.progress.advance(run.iteration, run.means.loss)
        if self.callbacks.watch_steps:
            self._tell("on_step")
        every = self.settings.record_every
        if every and run.iteration % every == 0:
            self._record()
        if self.writer is not None:
            self.writer.after_step()

    def after_epoch(self) -> None:
        """Evaluate, tell the callbacks, go to the next epoch, and save."""
        records = self.run.history.records
        new = not records or records[-1].iteration != self.run.iteration
        if self.settings.record_epochs and new:
            self._record()
        self._tell("on_epoch")
        self.progress.iterations = self.steps.updates
        self.steps.order.end_epoch()
        if self.writer is not None:
            self.writer.after_epoch()

    def end(self) -> None:
        """Complete the history and tell the callbacks, however training ended."""
        run, history = self.run, self.run.history
        if is_interruption(run.stopped):
            run.stop(f"{run.stopped} after iteration {run.iteration}")
        history.execution = self.steps.execution
        self._tell("on_end")
        history.stopped = run.stopped
        if run.stopped:
            self.progress.line(f"Training ended early: {run.stopped}.")

    def _record(self) -> None:
        record = self.evaluator.record(self.run)
        self.run.history.append(record)
        self.progress.record(record)
        self._tell("on_record")

    def _tell(self, event: str) -> None:
        if self.callbacks:
            if self.ranks.rank == 0:
                self.callbacks.tell(event, self.run)
            self.steps.follow()
            self.steps.refresh(arrays=event != "on_step")


def _check_parts(model: object, loss: object, optimizer: object) -> None:
    """Raise InvalidArgumentError for a model, a loss or an optimizer of another kind."""
    if not isinstance(model, Module):
        raise InvalidArgumentError(
            f"fit: model must be a Module (see tg.nn). Got {type(model).__name__}.")
    if not callable(loss):
        raise InvalidArgumentError(
            f"fit: loss must be a function (prediction, target), such as tg.nn.squared_error. "
            f"Got {loss!r}.")
    if isinstance(optimizer, type) or not hasattr(optimizer, "step"):
        raise InvalidArgumentError(
            f"fit: optimizer must be an optimizer of the model's parameters, such as "
            f"tg.optim.SGD(model.parameters(), lr=0.1). Got {optimizer!r}.")
