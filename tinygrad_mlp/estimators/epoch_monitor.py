"""The end of each epoch: loss curve, validation, and the decision to stop."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tinygrad_mlp import nn
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import StateDictError
from tinygrad_mlp.estimators.objective import Objective
from tinygrad_mlp.estimators.parameter_checks import FittedEstimator
from tinygrad_mlp.training.callback_list import CallbackList
from tinygrad_mlp.training.callbacks import Callback, Run
from tinygrad_mlp.training.history import Record

SMALLEST_RATE = 1e-6  # the learning rate at which "adaptive" stops dividing it, as in scikit-learn
# A function that returns the validation's loss, its score, and the accuracy of a classifier.
Validation = Callable[[], tuple[float, float, float | None]]


STORED = ("losses", "best_loss", "scores", "best_score", "waited")
"""What a checkpoint holds of `FitState`, beside optimizer and generator, which have their parts."""


class Minimised(NamedTuple):
    """What a training minimises."""

    model: nn.Module  # the part of the network whose output the objective judges
    objective: Objective
    made_of: tuple[object, ...]  # what these were made of

    def is_of(self, parts: tuple[object, ...]) -> bool:
        """Return whether these would be the same, made of `parts`."""
        return len(parts) == len(self.made_of) and all(map(operator.is_, parts, self.made_of))


@dataclass
class FitState:
    """The state of training over all calls of `fit` and `partial_fit` that continue it."""

    losses: list[float] = field(default_factory=list)  # mean over the batches of each epoch
    best_loss: float = math.inf
    scores: list[float] = field(default_factory=list)  # validation score of each epoch
    best_score: float = -math.inf
    waited: int = 0  # epochs since the last improvement
    optimizer: Any = None  # which `partial_fit` continues with
    epochs: int = 0  # those done with that optimizer
    rng: Any = None  # of the samples' order
    minimised: Minimised | None = None  # by the last call

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "minimised": None}  # made anew by the next call: it holds functions


class EpochMonitor(Callback):
    """A callback that records each epoch, stops training, and calls the user's callbacks.

    The loss of an epoch is the mean over its steps, which costs no evaluation of its own. Where a
    callback judges by the training loss, the record has loss and accuracy of `evaluate` instead.
    """

    def __init__(self, estimator: FittedEstimator, state: FitState, evaluate: Validation,
                 validate: Validation | None) -> None:
        self.state, self.evaluate, self.validate = state, evaluate, validate
        self.tol: float = estimator.tol
        self.patience: float = estimator.n_iter_no_change
        self.verbose = bool(estimator.verbose)
        self.judged = hasattr(estimator, "classes_")  # whether there are accuracies
        self.adaptive = estimator.learning_rate == "adaptive" and estimator.solver != "adam"
        self.callbacks = CallbackList(estimator.callbacks)
        self.epochs = 0
        self._best: dict[str, Array] | None = None

    @property
    def watches_steps(self) -> bool:
        """True if one of the user's callbacks needs every step."""
        return self.callbacks.watch_steps

    @property
    def changes_gradients(self) -> bool:
        """True if one of the user's callbacks does."""
        return self.callbacks.change_gradients

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the training, and those of the user's callbacks."""
        kept = {name: getattr(self.state, name) for name in STORED}
        own = {callback.name: callback.state_dict() for callback in self.callbacks.with_state}
        return {**kept, "epochs": self.epochs, "best": self._best, "callbacks": own}

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        """Go on from a stored state."""
        callbacks = self.callbacks.with_state
        if [callback.name for callback in callbacks] != list(stored["callbacks"]):
            raise StateDictError(
                f"callbacks must be those of the stored training, {list(stored['callbacks'])}.")
        for callback in callbacks:
            callback.load_state_dict(stored["callbacks"][callback.name])
        for name in STORED:
            setattr(self.state, name, stored[name])
        self.epochs, self._best = stored["epochs"], stored["best"]

    def on_start(self, run: Run) -> None:
        """Name the quantities to be recorded."""
        run.recorded = (*Record._fields[:3], "training_loss")
        if self.callbacks.evaluate_training and self.judged:
            run.recorded += ("training_accuracy",)
        if self.validate is not None:
            run.recorded += ("validation_loss",)
            if self.judged:
                run.recorded += ("validation_accuracy",)
        if self.state.scores:
            self._best = run.model.state_dict()  # training continues from the best weights so far
        self.callbacks.tell("on_start", run)

    def on_gradients(self, run: Run) -> None:
        """Call the user's callbacks."""
        self.callbacks.tell("on_gradients", run)

    def on_step(self, run: Run) -> None:
        """Call the user's callbacks."""
        self.callbacks.tell("on_step", run)

    def on_epoch(self, run: Run) -> None:
        """Record the epoch, and stop training that does not improve any more."""
        self.epochs += 1
        loss, _ = run.means.take()
        recorded, of_training = loss, None
        if self.callbacks.evaluate_training:
            recorded, _, of_training = self.evaluate()
        self.state.losses.append(loss)
        validation_loss = score = accuracy = None
        if self.validate is not None:
            validation_loss, score, accuracy = self.validate()
            self.state.scores.append(score)
        run.history.append(Record(
            run.iteration, run.epoch, run.seconds, recorded, of_training, validation_loss,
            accuracy))
        if self.verbose:
            shown = "" if score is None else f", validation score = {score:.6f}"
            print(f"Iteration {self.epochs}, loss = {loss:.8f}{shown}", flush=True)
        self.callbacks.tell("on_record", run)
        self.callbacks.tell("on_epoch", run)
        self.state.waited = 0 if self._improved(run, loss, score) else self.state.waited + 1
        if self.state.waited > self.patience and not run.stopped:
            self._slow_down_or_stop(run, "training loss" if score is None else "validation score")

    def on_end(self, run: Run) -> None:
        """Restore the weights of the best validation score."""
        self.callbacks.tell("on_end", run)
        if self._best is not None:
            run.model.load_state_dict(self._best)

    def _improved(self, run: Run, loss: float, score: float | None) -> bool:
        """Update the best loss or score; return whether it improved by `tol`, as scikit-learn."""
        state = self.state
        if score is None:
            improved = loss <= state.best_loss - self.tol
            state.best_loss = min(state.best_loss, loss)
            return improved
        improved = score >= state.best_score + self.tol
        if score > state.best_score:
            self._best = run.model.state_dict()
            state.best_score = score
        return improved

    def _slow_down_or_stop(self, run: Run, quantity: str) -> None:
        if self.adaptive and run.optimizer.lr > SMALLEST_RATE:
            run.optimizer.lr /= 5
            self.state.waited = 0
            if self.verbose:
                print(f"Setting learning rate to {run.optimizer.lr:f}", flush=True)
        else:
            run.stop(
                f"the {quantity} has not improved by tol={self.tol:g} for {self.patience:g} epochs")
