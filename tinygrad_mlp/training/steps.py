"""The steps of a training: one after the other or in blocks, eagerly or by a program."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd.describe import first_non_finite
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.mode import changed_mode, require_finite
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import NotDifferentiableError, TraceError
from tinygrad_mlp.program import CompiledFunction
from tinygrad_mlp.program.captured_state import StateChanged
from tinygrad_mlp.program.deferred.block import Block, plan
from tinygrad_mlp.program.executable import Executable
from tinygrad_mlp.support.blas_threads import WORTH_WARMING, blas_threads, threads_that_pay, warm_up
from tinygrad_mlp.training.batch_examples import Data
from tinygrad_mlp.training.checked_data import as_number, plain
from tinygrad_mlp.training.evaluation import LossFunction
from tinygrad_mlp.training.examples import Examples
from tinygrad_mlp.training.run import FitSettings, Run

if TYPE_CHECKING:
    from tinygrad_mlp.training.callback_list import CallbackList

WORTH_A_PROGRAM = 100
"""Steps on batches of one size from which recording and improving a program pays off."""

PATIENCE = 1_000
"""Steps by programs that recordings may cost in advance before programs are given up."""
RECHECK = 7_000
"""Steps by programs after which the first step of an epoch is recorded again, and compared."""


def threads_of_steps(settings: FitSettings, n_parameters: int, n: int) -> int | None:
    """Return the BLAS threads for a step, None for all; prepare BLAS for a long training."""
    # Each parameter costs about one multiplication for each sample.
    if settings.epochs * n * n_parameters >= WORTH_WARMING:
        warm_up()
    if settings.threads is not None:
        return settings.threads
    return threads_that_pay(settings.batch_size * n_parameters)


class StepRunner:
    """The steps of a training run.

    Each step computes the loss of a batch and its gradient, and lets the optimizer update the
    parameters. After a step, or a block of steps, the run, the model and the optimizer are up to
    date. If a loss is not finite, the run is stopped, and `diverged` is set.

    `rng` draws the order of the samples, and the large products of a block use so many BLAS
    `threads`. Where every step is `watched` by a callback, there are no blocks, and the gradients
    are left in the parameters. Where gradients are accumulated, or `on_gradients` is to be called
    before the updates, a step is split: a program computes the gradients, and the update follows.
    """

    alone = True  # whether this process decides by itself when to stop
    frames = 3  # from a warning of `steps` to the call of `fit`

    def __init__(self, run: Run, loss: LossFunction, data: Data, settings: FitSettings,
                 rng: Any, *, threads: int, watched: bool,
                 on_gradients: Callable[[], None] | None = None) -> None:
        self.run, self.loss, self.data = run, loss, data
        self.order = data.order(rng, settings.shuffle == "chunks")
        self.batch_size: int = settings.batch_size
        self._whole = self.batch_size  # the samples with which this process computes at a time
        self.record_every = settings.record_every
        self.compiled = settings.compiled
        self.accumulate, self.on_gradients = settings.accumulate, on_gradients
        self.split = self.accumulate > 1 or on_gradients is not None
        alike = data.weight is None and not data.any_size
        together = alike and not watched and not self.split
        self.block = settings.block if together else 1
        self.threads, self.watched = threads, watched
        self.diverged = False
        self._judged = run.means.classes is not None  # whether the outputs count for an accuracy
        self._differentiating = changed_mode(differentiating="fit")
        self._last_epoch = settings.epochs
        self._enough = {
            size: self.compiled is True or steps * settings.epochs >= WORTH_A_PROGRAM
            for size, steps in data.sizes(self.batch_size).items()}
        self._program: CompiledFunction[..., Any] | None = None
        if self.compiled and any(self._enough.values()):
            read = {"the model": run.model, "the loss": loss, "the optimizer": run.optimizer}
            self._program = CompiledFunction(
                self._step, read, lenient=True, strict=self.compiled is True)
        self._runner: Executable | None = None
        self._planned_for: Executable | None = None
        self._blocks: Block | None = None
        self._eager_reason: str | None = None
        self._notice: str | None = None  # to be given to the user after the present step
        self._ways = "eager"  # how the steps have been taken so far
        self._balance = PATIENCE  # of the steps by programs, less what recordings cost
        self._unchecked = 0  # steps by programs since the last recording
        self._side_effects = 0  # steps in a row that changed what they read themselves

    @property
    def unit(self) -> int:
        """The length of a batch, as the order of the data counts."""
        return self.order.unit(self.batch_size)

    @property
    def per_epoch(self) -> int | None:
        """The number of updates in an epoch; None where it is not known."""
        n = self.order.n
        return None if n == math.inf else math.ceil(n / (self.unit * self.accumulate))

    @property
    def updates(self) -> int | None:
        """The number of updates in all epochs, as far as it is known."""
        updates = self.per_epoch
        return None if updates is None else self._last_epoch * updates

    @property
    def parameters(self) -> list[Any]:
        """The parameters that are trained: the optimizer's, or the model's if it tells none."""
        return list(
            getattr(self.run.optimizer, "parameters", None) or self.run.model.parameters())

    def interrupt(self, reason: str) -> None:
        """End the run after the present step, unless it is ending; called at any moment."""
        if not self.run.stopped:
            self.run.stop(reason)

    def epochs(self) -> Iterator[None]:
        """Begin each epoch that is left, until the run is stopped."""
        run = self.run
        for run.epoch in range(self.order.epochs, self._last_epoch):
            run.optimizer.epoch = run.epoch
            yield
            if run.stopped:
                return

    def steps(self) -> Iterator[None]:
        """Take the steps that are left of the present epoch, until the run is stopped.

        It yields whenever everything is up to date: after each step, or after each block of steps.
        """
        run, order = self.run, self.order
        size = self.unit * self.accumulate
        order.begin()
        if order.samples == 0:
            self._look_again()
        while order.samples < order.n:
            start = order.samples
            taken = self._by_block(start)
            if not taken:
                rows = order.rows(start, start + size)
                if rows is None:
                    return
                step = self._in_parts if self.split else self._on_batch
                output = step(rows)
                if output is not None:
                    run.means.add(run.loss, self.data.weight_of(rows), rows, output)
                    taken = 1
            if self._notice is not None:
                hint = "Pass compiled=False to train without from the start."
                warnings.warn(f"fit: {self._notice}\n{hint}", UserWarning, stacklevel=self.frames)
                self._notice = None
            if not taken:
                if self.diverged:
                    warnings.warn(f"fit: {run.stopped}.", RuntimeWarning, stacklevel=self.frames)
                return
            order.samples = int(min(start + taken * size, order.n))
            yield
            if run.stopped and self.alone:
                return

    def alike(self, data: dict[str, Any], callbacks: CallbackList) -> dict[str, Any]:
        """Return what must be the same in all processes that train together, by name."""
        return {}

    def begin(self) -> None:
        """Begin, after the callbacks have been told and a checkpoint has been read."""

    def follow(self) -> None:
        """Take over what a callback has changed, where that was in another process."""

    def _on_batch(self, rows: Any) -> Any:
        """Take a step; return the model's output, () if not judged, None if not finite."""
        x, *targets = self.data.batch(rows)
        output = self._by_program(x, *targets)
        return self._eagerly(x, *targets) if output is None else output

    def _in_parts(self, rows: slice | Array) -> Any:
        """Compute the gradients, call `on_gradients`, and update; return as `_on_batch`."""
        run, iteration = self.run, self.run.iteration
        alone = self.order.length(rows) <= self.unit
        output = self._on_batch(rows) if alone else self._accumulated(rows)
        if output is None:
            return None
        run.iteration = iteration
        if self.on_gradients is not None:
            self._change_gradients(self.on_gradients)
        run.optimizer.step()
        run.iteration = iteration + 1
        if not self.watched:
            run.optimizer.zero_grad()
        return output

    def _change_gradients(self, change: Callable[[], None]) -> None:
        """Let callbacks change the gradients."""
        change()

    def _accumulated(self, rows: Any) -> Any:
        """Compute the mean gradients of several batches; return as `_on_batch`."""
        run, n, iteration = self.run, self.data.weight_of(rows), self.run.iteration
        parameters = self.parameters
        sums: list[Any] = [None] * len(parameters)
        outputs, loss = [], 0.0
        for part in self.order.parts(rows, self.unit):
            run.iteration = iteration
            output = self._on_batch(part)
            if output is None:
                return None
            outputs.append(output)
            samples = self.data.weight_of(part)
            loss += run.loss * samples / n
            for i, p in enumerate(parameters):
                if p.grad is not None:
                    share = p.grad * (samples / n)
                    sums[i] = share if sums[i] is None else sums[i] + share
        for p, total in zip(parameters, sums, strict=True):
            p.grad = total
        run.loss = loss
        return self._joined(outputs) if self._judged else ()

    @staticmethod
    def _joined(outputs: list[Any]) -> Any:
        """Return the outputs of several batches as one."""
        return np.concatenate(outputs)

    def finish(self) -> None:
        """Begin no further epoch: the training ended in an earlier call."""
        self._last_epoch = self.order.epochs

    def refresh(self, arrays: bool = True) -> None:
        """Go on from whatever other code has changed.

        If it is to look at all elements of large `arrays` that the loss reads, that may take long.
        """
        if self._program is not None:
            dropped = self._program.drop_outdated(arrays)
            if dropped and self._runner is not None and not self._program.keeps(self._runner):
                self._runner = None

    def _look_again(self) -> None:
        """Compare, before an epoch, what a program holds with what the step would do now."""
        self.refresh()
        if self._program is not None and self._unchecked >= RECHECK:
            self._program.doubt()
            self._unchecked = 0

    @property
    def execution(self) -> str:
        """The ways in which the steps have been taken, in words."""
        return self._ways if self._eager_reason is None else f"eager: {self._eager_reason}"

    def _forward(self, x: Array | Tensor, *targets: object) -> tuple[Any, Any]:
        """Return the loss as a Tensor, and the model's output."""
        self.run.optimizer.zero_grad()
        with self._differentiating:
            output = self.run.model(x)
            value = self.loss(output, *targets)
        if not isinstance(value, Value):
            raise NotDifferentiableError(
                f"fit: the loss must be a Tensor, computed from the model's parameters by "
                f"operations that record. Got {type(value).__name__}, which has no history.")
        return value, output

    def _eagerly(self, x: Array, *targets: Array) -> Any:
        """Take a step with every operation recorded; return the model's output, () if not judged.

        Return None if the loss is not finite.
        """
        run = self.run
        value, output = self._forward(x, *targets)
        run.loss = as_number(value)
        if math.isfinite(run.loss):
            value.backward()
            if not self.split:
                run.optimizer.step()
            run.iteration += 1
            return plain(output) if self._judged else ()
        reason = (
            f"the loss of iteration {run.iteration + 1} is {run.loss}: {first_non_finite(value)}. "
            f"The weights are those before that iteration")
        run.stop(reason)
        self.diverged = True
        return None

    def _step(self, x: Array | Tensor, *targets: object) -> Any:
        """Take a step, as it is recorded for a program; return its loss, and the output judged."""
        value, output = self._forward(x, *targets)
        require_finite(value)
        value.backward()
        if not self.split:
            self.run.optimizer.step()
            if not self.watched:
                self.run.optimizer.zero_grad()
        return (value, plain(output)) if self._judged else value

    def _by_program(self, x: Array, *targets: Array) -> Any:
        """Take a step by a program; return the model's output, () if not judged.

        Return None if the step is to be taken eagerly.
        """
        if self._program is None or not self._enough.get(len(x), self.compiled is True):
            return None
        recordings = self._program.recordings
        try:
            result = self._called(self._program, x, *targets)
        except FloatingPointError:
            return None  # taken eagerly, the step can say where its first NaN came from
        except StateChanged as change:
            self._side_effect(change)
            return None
        except Exception as error:
            self._fall_back(error)
            return None
        loss, output = result if self._judged else (result, ())
        self.run.loss = float(loss.data)
        self.run.iteration += 1
        if self._program.programs:  # none while debugging
            if len(x) == self._whole:
                self._runner = self._program.executable
            self._balance += 1
            self._unchecked += 1
            if self._program.recordings > recordings or self._program.difference is not None:
                self._weigh_up(self._program.recordings - recordings)
        return output

    def _fall_back(self, error: Exception) -> None:
        """Go on eagerly after an error of the program; if a program is required, raise an error."""
        assert self._program is not None
        if self.compiled is True:
            if self._program.difference is not None:
                self._refuse_program(self._difference())
            raise error
        self._give_up(str(error).partition("\n")[0])
        if isinstance(error, TraceError):
            self._notice = (f"the step cannot be recorded, and training goes on without a "
                            f"program, more slowly: {error}")

    def _side_effect(self, change: StateChanged) -> None:
        """Go on eagerly if steps change what they read, each of them; the first may set it up."""
        self._side_effects += 1
        if self._side_effects > 1:
            self._refuse_program(
                f"the step changes what it reads itself ({change}), which a program would not do")

    def _weigh_up(self, recordings: int) -> None:
        """Go on eagerly where steps differ, or where recordings cost more than programs save."""
        assert self._program is not None
        if self._ways == "eager":
            self._ways = "a program"
        self._side_effects = self._unchecked = 0
        self._balance -= WORTH_A_PROGRAM * recordings
        if self._program.difference is not None:
            self._refuse_program(self._difference())
        elif self._balance < 0 and self.compiled is not True:
            self._refuse_program("what the model or the loss reads is changed so often that "
                                 "recording the step takes longer than programs save")

    def _difference(self) -> str:
        """Say that a recorded step did something else than the one before."""
        assert self._program is not None
        return (f"the step does not do the same at every call: {self._program.difference} differs "
                f"from that of the step before, which a program would repeat for ever")

    def _refuse_program(self, reason: str) -> None:
        """Train eagerly from here on, with a notice; if a program is required, raise TraceError."""
        if self.compiled is True:
            raise TraceError(
                f"fit: {reason}. The weights are those before iteration {self.run.iteration + 1}. "
                f"Pass compiled='auto' to train without a program.") from None
        self._give_up(reason)
        self._notice = f"training goes on without a program, more slowly: {reason}."

    def _called(self, program: CompiledFunction[..., object], *batch: Array) -> Any:
        """Call the program, or the step that it is recorded from."""
        if self._runner is not None and self._runner.confirmed:
            return program(*batch)
        # While recording, NumPy's BLAS does what the program leaves to SciPy's: the threads of both
        # would be in each other's way for a tenth of a second.
        with blas_threads(1):
            return program(*batch)

    def _give_up(self, reason: str) -> None:
        """Train eagerly from here on; an error that is not the program's occurs again there."""
        self._program = self._runner = self._blocks = None
        self._eager_reason = reason

    def _by_block(self, start: int) -> int:
        """Take several steps at once where that pays off, and return their number."""
        if self.block == 1:
            return 0
        assert isinstance(self.data, Examples)
        left = (len(self.data) - start) // self.batch_size
        if self.record_every:  # a record lies between two blocks
            left = min(left, self.record_every - self.run.iteration % self.record_every)
        blocks = self._planned() if left > 1 else None
        if blocks is None:
            return 0
        steps = min(left, blocks.steps)
        n = steps * self.batch_size
        rows = self.order.rows(start, start + n)
        try:
            done = blocks.run(self.data.X[rows], self.data.Y[rows])
        except FloatingPointError:
            return 0  # step by step, the one whose loss is not finite will be found
        self.run.loss = done.last
        self.run.means.add(done.total / n, n, rows, done.outputs)
        self.run.iteration += steps
        self._balance += steps
        self._unchecked += steps
        weight = blocks.pattern.weight.parameter
        self._ways = (f"a program, in blocks of {blocks.steps} steps (the update of "
                      f"{weight.name or 'the first weight'} deferred)")
        return steps

    def _planned(self) -> Block | None:
        """Return the blocks for the present program, or None where there are none."""
        runner = self._runner
        if self.block == 1 or runner is None or not runner.confirmed:
            return None
        if runner is self._planned_for and self._blocks is None:
            return None
        assert self._program is not None
        if not self._program.current(runner):  # the next step makes another program
            return None
        if runner is not self._planned_for:
            self._planned_for = runner
            self._blocks = plan(runner, self.run.optimizer, self.block, self.threads)
        return self._blocks

    def state_dict(self) -> dict[str, Any]:
        """Return the place in the data, and how the next steps will be taken."""
        programs = [] if self._program is None else [
            (key[0][0][0], runner.confirmed)
            for key, runners in self._program.programs.items()
            for runner in runners if self._program.assumed(runner)]
        blocks = self._blocks is not None and self._blocks.used
        own = {"programs": programs, "blocks": blocks, "eager_reason": self._eager_reason,
               "ways": self._ways, "balance": self._balance, "unchecked": self._unchecked,
               "side_effects": self._side_effects}
        return self.order.state_dict() | own

    def load_state_dict(self, stored: dict[str, Any]) -> None:
        """Go on from there; the model, its optimizer and the generators must be up to date.

        A program agrees with the steps it was recorded from up to rounding only. So a run that used
        a program before must use it again from the first step.
        """
        self.order.load_state_dict(stored)
        self._ways, self._balance = stored["ways"], stored["balance"]
        self._unchecked, self._side_effects = stored["unchecked"], stored["side_effects"]
        if stored["eager_reason"] is not None:
            self._give_up(stored["eager_reason"])
        for size, confirmed in stored["programs"]:
            assert self._program is not None
            self._program.prepare(*self.data.example(size), confirmed=confirmed)
            if size == self.batch_size:
                self._runner = self._program.executable
        blocks = self._planned() if stored["blocks"] else None
        if blocks is not None:
            blocks.used = True
