"""What an estimator does after each epoch: the loss curve, validation, and when to end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.estimators.objective import Objective
from tinygrad_mlp.training.callbacks import Callback, Run, as_callback
from tinygrad_mlp.training.history import Record

SMALLEST_RATE = 1e-6
"""The learning rate at which "adaptive" gives up dividing it, as in scikit-learn."""

Validation = Callable[[], tuple[float, float, float | None]]
"""Gives the validation's loss, its score, and the accuracy where there are classes."""


@dataclass
class Progress:
    """How training has gone so far, over all calls that continue it.

    Attributes:
        losses: mean loss of the batches of each epoch.
        best_loss: the smallest of them.
        scores: the validation score of each epoch.
        best_score: the largest of them.
        waited: epochs without improvement.
        optimizer: the optimizer, for `partial_fit` to go on with.
        rng: generator of the samples' order.
        epochs: epochs done with that optimizer.
    """

    losses: list[float] = field(default_factory=list)
    best_loss: float = math.inf
    scores: list[float] = field(default_factory=list)
    best_score: float = -math.inf
    waited: int = 0
    optimizer: Any = None
    rng: Any = None
    epochs: int = 0


@dataclass
class Rules:
    """When training ends, and what is shown.

    Attributes:
        tol: the least improvement that counts.
        patience: epochs without one that are endured.
        adaptive: whether the learning rate is divided by 5 first.
        verbose: whether to print a line for each epoch.
        validate: what is looked at after each epoch, or None.
    """

    tol: float
    patience: float
    adaptive: bool
    verbose: bool
    validate: Validation | None = None


class Recorder(Callback):
    """Keeps the curves, decides when training has converged, and passes all events on.

    The loss of an epoch is the mean over its batches, which costs no evaluation of its own.

    Args:
        progress: what has been so far, and is added to.
        objective: the loss, which adds up its batches.
        samples: of an epoch.
        rules: when to end.
        callbacks: the user's.
    """

    def __init__(
        self,
        progress: Progress,
        objective: Objective,
        samples: int,
        rules: Rules,
        callbacks: Iterable[Any],
    ) -> None:
        self.progress = progress
        self.objective = objective
        self.samples = samples
        self.rules = rules
        self.hooks = [as_callback(callback) for callback in callbacks]
        self.epochs = 0
        self._best: dict[str, Array] | None = None

    @property
    def watches_steps(self) -> bool:
        """Whether one of the user's callbacks wants to see every step."""
        return any(hook.watches_steps for hook in self.hooks)

    def _tell(self, event: str, run: Run) -> None:
        for hook in self.hooks:
            getattr(hook, event)(run)

    def on_start(self, run: Run) -> None:
        """Say what will be recorded."""
        run.recorded = (*Record._fields[:3], "training_loss")
        if self.rules.validate is not None:
            run.recorded += ("validation_loss",)
            if self.rules.validate()[2] is not None:
                run.recorded += ("validation_accuracy",)
        if self.progress.scores:
            self._best = run.model.state_dict()  # training goes on from the best weights so far
        self._tell("on_start", run)

    def on_step(self, run: Run) -> None:
        """Pass it on."""
        self._tell("on_step", run)

    def on_epoch(self, run: Run) -> None:
        """Record the epoch, and end training where it does not get any further."""
        self.epochs += 1
        loss = self.objective.taken() / self.samples
        self.progress.losses.append(loss)
        validation_loss = score = accuracy = None
        if self.rules.validate is not None:
            validation_loss, score, accuracy = self.rules.validate()
            self.progress.scores.append(score)
        run.history.append(
            Record(run.iteration, run.epoch, run.seconds, loss, None, validation_loss, accuracy)
        )
        if self.rules.verbose:
            shown = "" if score is None else f", validation score = {score:.6f}"
            print(f"Iteration {self.epochs}, loss = {loss:.8f}{shown}", flush=True)
        self._tell("on_record", run)
        self._tell("on_epoch", run)
        self._judge(run, loss, score)

    def on_end(self, run: Run) -> None:
        """Put the weights of the best validation score back."""
        self._tell("on_end", run)
        if self._best is not None:
            run.model.load_state_dict(self._best)

    def _judge(self, run: Run, loss: float, score: float | None) -> None:
        """Count the epochs without improvement, as scikit-learn does."""
        progress, rules = self.progress, self.rules
        if score is None:
            better = loss <= progress.best_loss - rules.tol
            progress.best_loss = min(progress.best_loss, loss)
        else:
            better = score >= progress.best_score + rules.tol
            if score > progress.best_score:
                self._best = run.model.state_dict()
                progress.best_score = score
        progress.waited = 0 if better else progress.waited + 1
        if progress.waited <= rules.patience or run.stopped:
            return
        if rules.adaptive and run.optimizer.lr > SMALLEST_RATE:
            run.optimizer.lr /= 5
            progress.waited = 0
            if rules.verbose:
                print(f"Setting learning rate to {run.optimizer.lr:f}", flush=True)
            return
        what = "the training loss" if score is None else "the validation score"
        run.stop(f"{what} has not improved by tol={rules.tol:g} for {rules.patience:g} epochs")
