"""Checkpoints: files from which `fit` resumes a training with bit-identical results.

A checkpoint holds everything that the coming steps depend on, and how the steps so far were taken:
a resumed training takes its steps by the same programs and in the same blocks. Writing a checkpoint
changes nothing and cuts no block short, since it waits until everything is up to date.
"""

from __future__ import annotations

import copy
import os
import time
import warnings
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.data.rows import Rows
from tinygrad_mlp.errors import CheckpointError, DataError, InvalidArgumentError, TinygradError
from tinygrad_mlp.nn import Module
from tinygrad_mlp.nn.architecture import architecture, differences
from tinygrad_mlp.optim import Optimizer
from tinygrad_mlp.support.checks import integer_at_least, one_of
from tinygrad_mlp.support.files import check_writable
from tinygrad_mlp.support.safetensors_file import fingerprint, packed, read, unpacked, write
from tinygrad_mlp.training.callback_list import CallbackList
from tinygrad_mlp.training.run import Run
from tinygrad_mlp.training.run_state import (
    check_optimizer,
    other_parameters,
    state_of,
    stopped_for_good,
    take_over,
)
from tinygrad_mlp.training.steps import StepRunner
from tinygrad_mlp.training.stored_state import check_form

UNITS = ("epoch", "step", "second")
FREE = ("epochs",)
"""The settings that may change when a training is resumed."""
DAMAGE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError)
"""The errors that a state of another form than this version writes can raise."""


class Checkpoint:
    """The file from which `fit` resumes, and how often the file is written.

    If the file exists when `fit` begins, training resumes from it with bit-identical results: see
    the guide on saving for the conditions. Where the file cannot be written while a training runs,
    as on a full disk, there is a warning, training goes on, and writing is tried again when it is
    next due and at the end.

    Args:
        path: the file, by convention ending in ``.safetensors``. One file belongs to one training.
        every: the number of units between two checkpoints. The last one is written at the end, also
            after Ctrl-C.
        unit: "epoch", "step" or "second". Within an epoch a checkpoint waits until the present
            block of steps is done.

    Attributes:
        error: why the file could not be written when that was last tried, or None.

    Raises:
        InvalidArgumentError: an impossible number, or an unknown unit.

    >>> Checkpoint("run.safetensors", every=10, unit="second")
    Checkpoint('run.safetensors', every=10, unit='second')
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 1, unit: str = "epoch") -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise InvalidArgumentError(
                f"Checkpoint: path must be the path of a file. Got {type(path).__name__}.")
        self.path = os.fspath(path)
        self.every = integer_at_least(1, every, "Checkpoint: every")
        self.unit = one_of(unit, UNITS, "Checkpoint: unit")
        self.error: OSError | None = None

    def __repr__(self) -> str:
        return f"Checkpoint({self.path!r}, every={self.every}, unit={self.unit!r})"


CheckpointLike = Checkpoint | str | os.PathLike[str]
"""A checkpoint, or the path of one that is written after each epoch."""


class CheckpointWriter:
    """The writer of a run's checkpoints, which also reads one back.

    The file, if there is one, is read and checked before the run starts: `resumes` says whether
    there is one. `data` are the arrays that the model is trained and evaluated on, by name.
    """

    def __init__(self, checkpoint: CheckpointLike, run: Run, steps: StepRunner,
                 callbacks: CallbackList, data: dict[str, Array | Rows]) -> None:
        if not isinstance(checkpoint, Checkpoint):
            checkpoint = Checkpoint(checkpoint)
        self.checkpoint, self.run, self.steps = checkpoint, run, steps
        check_optimizer(run.optimizer, "checkpoint needs")
        self._callbacks = callbacks.with_state
        generators = _generators(run.model, steps.order.rng)
        self._generators = [generator for _, generator in generators]
        self._others = other_parameters(run)
        self._architecture = architecture(run.model)
        settings = {k: v for k, v in run.history.settings.items() if k not in FREE}
        watched = "each watched by a callback" if steps.watched else "unwatched"
        self._of_the_run: dict[str, Any] = {
            "settings": {**settings, "steps": watched},
            "data": {name: fingerprint(array) for name, array in data.items()},
            "callbacks": [callback.name for callback in self._callbacks],
            "generators": [users for users, _ in generators]}
        self._written: Any = None
        self._mark = self._count()
        self._path = check_writable(checkpoint.path)  # absolute, if the program goes elsewhere
        self.resumes = os.path.exists(self._path)
        self._stored = self._read() if self.resumes else None

    def after_step(self) -> None:
        """Write a checkpoint within an epoch, if one is due."""
        # At the end of an epoch the checkpoint follows the evaluations, in `after_epoch`.
        if self.checkpoint.unit != "epoch" and self.steps.order.samples < self.steps.order.n:
            self.after_epoch()

    def after_epoch(self) -> None:
        """Write a checkpoint, if one is due."""
        if self._count() - self._mark >= self.checkpoint.every:
            self.write()

    def at_end(self) -> None:
        """Write the last checkpoint, unless the file is up to date or training has diverged."""
        # A diverged state is useless; the checkpoint before it may still be of use.
        if not self.steps.diverged and self._written != self._place():
            self.write()

    def _count(self) -> float:
        unit = self.checkpoint.unit
        if unit == "second":
            return time.perf_counter()
        return self.steps.order.epochs if unit == "epoch" else self.run.iteration + 1

    def _place(self) -> Any:
        order = self.steps.order
        return self.run.iteration, order.epochs, order.samples, stopped_for_good(self.run)

    def write(self) -> None:
        """Write the present state of the run, completely or not at all; warn where that fails."""
        state: dict[str, Any] = {
            **state_of(self.run, self.steps),
            "callbacks": [callback.state_dict() for callback in self._callbacks],
            "generators": [generator.bit_generator.state for generator in self._generators]}
        arrays: dict[str, Array] = {}
        try:
            parts = {name: packed(part, name, arrays) for name, part in state.items()}
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"fit: this state cannot be stored: {error}") from None
        about = {**self._of_the_run, "state": parts}
        facts = {"architecture": self._architecture, "checkpoint": about}
        try:
            write(self._path, arrays, facts, "fit: checkpoint")
        except OSError as error:
            if self.checkpoint.error is None:
                warnings.warn(f"fit: checkpoint: {error} Training goes on.", stacklevel=2)
            self.checkpoint.error = error
        else:
            self.checkpoint.error, self._written = None, self._place()
        self._mark = self._count()

    def _read(self) -> dict[str, Any]:
        """Return the state in the file, checked to belong to this training."""
        path = self.checkpoint.path
        arrays, facts = read(path)
        if "checkpoint" not in facts:
            raise CheckpointError(
                f"{path}: expected a checkpoint, from which training resumes. Found a saved model "
                f"or another program's weights. Name another file for the checkpoint, and use "
                f"tg.load(path, model) for weights.")
        try:
            found = facts["checkpoint"]
            different: list[str] = []
            for part, own in self._of_the_run.items():
                different += _differences(part, found[part], own)
            different += differences(facts["architecture"], self.run.model)
            state: dict[str, Any] = unpacked(found["state"], arrays)
            if not different:
                different = self._misfits(state)
        except DAMAGE as error:
            raise self._damaged(error) from error
        if different:
            lines = "\n  ".join(different)
            raise CheckpointError(
                f"{path}: this checkpoint belongs to another training:\n  {lines}\nName another "
                f"file, or use the settings it was written with. Nothing has been changed.")
        return state

    def _misfits(self, state: dict[str, Any]) -> list[str]:
        """Return what prevents taking over the state, a line each."""
        # Damaged parts raise an error here, before anything has been changed.
        check_form(state, self.run, self.steps, self._generators, len(self._callbacks))
        optimizer, epochs = self.run.optimizer, self.run.history.settings["epochs"]
        own = _kinds(self.run.model.state_dict(), [p.data for p in self._others])
        lines = _differences("arrays", _kinds(state["model"], state["parameters"]), own)
        if not lines and isinstance(optimizer, Optimizer):
            try:
                copy.copy(optimizer).load_state_dict(state["optimizer"])
            except TinygradError as error:
                lines.append(str(error))
        done = state["steps"]["epochs"]
        if done > epochs:
            lines.append(f"epochs: {done} are done in the file, {epochs} are requested here")
        return lines

    def resume(self) -> None:
        """Restore the run, its model, its optimizer and everything else from the file."""
        state = self._stored
        assert state is not None, "there is no file to resume from"
        self._stored = None
        self._resume_callbacks(state["callbacks"])  # first, as they may refuse their state
        for generator, stored in zip(self._generators, state["generators"], strict=True):
            generator.bit_generator.state = stored
        take_over(state, self.run, self.steps)
        self._written, self._mark = self._place(), self._count()


    def _resume_callbacks(self, states: list[Any]) -> None:
        """Give the callbacks their states; if one refuses, those before it get their own again."""
        before = [callback.state_dict() for callback in self._callbacks]
        try:
            for callback, stored in zip(self._callbacks, states, strict=True):
                callback.load_state_dict(stored)
        except DAMAGE as error:
            for callback, own in zip(self._callbacks, before, strict=True):
                callback.load_state_dict(own)
            if isinstance(error, TinygradError):  # made otherwise, or damaged
                raise type(error)(f"{self.checkpoint.path}: {error}") from error
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> DataError:
        return DataError(
            f"{self.checkpoint.path}: the checkpoint is damaged ({type(error).__name__}: {error}). "
            f"Delete it to start again.")


def _generators(model: Module, order: object) -> list[tuple[list[str], Any]]:
    """Return each generator once, after the names of its users and of its kind."""
    found: dict[int, tuple[list[str], Any]] = {}
    used = [] if order is None else [("order", order)]
    for name, generator in [*used, *model.named_generators()]:
        found.setdefault(id(generator), ([], generator))[0].append(name)
    return [([*users, type(g.bit_generator).__name__], g) for users, g in found.values()]


def _kinds(model: dict[str, Any], parameters: list[Array]) -> dict[str, str]:
    """Return dtype and shape of a model's arrays and of an optimizer's other parameters."""
    others = {f"parameter {i} of the optimizer": a for i, a in enumerate(parameters)}
    arrays = {**model, **others}
    return {name: f"{np.asarray(a).dtype} {np.shape(a)}" for name, a in arrays.items()}


def _differences(part: str, in_file: object, here: object) -> list[str]:
    """Return the differences of two descriptions of a part of a run, a line each."""
    if not (isinstance(in_file, dict) and isinstance(here, dict)):
        return [f"{part}: {in_file!r} in the file, {here!r} here"] if in_file != here else []
    return [
        f"{key}: {in_file.get(key, 'nothing')!s} in the file, {here.get(key, 'nothing')!s} here"
        for key in dict.fromkeys([*in_file, *here])
        if in_file.get(key, "nothing") != here.get(key, "nothing")]
