"""The steps of a training: one after the other or in blocks, eagerly or by a program."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

from tinygrad_mlp.autograd.describe import first_non_finite
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.mode import require_finite
from tinygrad_mlp.errors import NotDifferentiableError, TraceError
from tinygrad_mlp.program import CompiledFunction
from tinygrad_mlp.program.deferred.block import Block, plan
from tinygrad_mlp.program.executable import Executable
from tinygrad_mlp.support.blas_threads import WORTH_WARMING, blas_threads, threads_that_pay, warm_up
from tinygrad_mlp.training.evaluation import Examples, LossFunction, as_number
from tinygrad_mlp.training.run import FitSettings, Run, SampleOrder

WORTH_A_PROGRAM = 100
"""Steps on batches of one size from which recording and improving a program pays off."""

CALLER = 4
"""Calls from a warning here up to the line that called `fit`."""


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
    are left in the parameters.
    """

    def __init__(self, run: Run, loss: LossFunction, data: Examples, settings: FitSettings,
                 rng: Any, *, threads: int, watched: bool) -> None:
        self.run, self.loss, self.data = run, loss, data
        self.order = SampleOrder(len(data), rng)
        self.batch_size, self.record_every = settings.batch_size, settings.record_every
        self.compiled = settings.compiled
        self.block = 1 if watched else settings.block
        self.threads, self.watched = threads, watched
        self.diverged = False
        self._last_epoch = settings.epochs
        self._program = CompiledFunction(self._step) if self.compiled else None
        self._runner: Executable | None = None
        self._planned_for: Executable | None = None
        self._blocks: Block | None = None
        self._eager_reason: str | None = None
        whole, rest = divmod(len(data), self.batch_size)
        self._enough = {
            size: self.compiled is True or steps * settings.epochs >= WORTH_A_PROGRAM
            for size, steps in ((self.batch_size, whole), (rest, 1))}

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
        run, order, n, size = self.run, self.order, len(self.data), self.batch_size
        order.begin()
        while order.samples < n:
            start = order.samples
            taken = self._by_block(start)
            if not taken:
                x, y = self._samples(start, start + size)
                taken = self._by_program(x, y) or self._eagerly(x, y)
            if not taken:
                return
            order.samples = min(start + taken * size, n)
            yield
            if run.stopped:
                return

    def finish(self) -> None:
        """Begin no further epoch: the training ended in an earlier call."""
        self._last_epoch = self.order.epochs

    def release(self) -> None:
        """Write to new arrays from here on, since a callback may hold those of the parameters."""
        if self._program is not None:
            self._program.release()
            if self._runner is not None and not self._runner.assumed():
                self._runner = None
        if self._blocks is not None:
            self._blocks.release()

    @property
    def execution(self) -> str:
        """The ways in which the steps have been taken, in words."""
        if self._blocks is not None and self._blocks.used:
            weight = self._blocks.pattern.weight.parameter
            return (f"a program, in blocks of {self._blocks.steps} steps (the update of "
                    f"{weight.name or 'the first weight'} deferred)")
        if self._program is not None and self._program.programs:
            return "a program"
        return "eager" if self._eager_reason is None else f"eager: {self._eager_reason}"

    def _samples(self, start: int, stop: int) -> tuple[Array, Array]:
        rows = self.order.rows(start, stop)
        return self.data.X[rows], self.data.Y[rows]

    def _loss_of(self, x: Any, y: Any) -> Any:
        self.run.optimizer.zero_grad()
        value = self.loss(self.run.model(x), y)
        if not isinstance(value, Value):
            raise NotDifferentiableError(
                f"fit: the loss must be a Tensor, computed from the model's parameters by "
                f"operations that record. Got {type(value).__name__}, which has no history.")
        return value

    def _eagerly(self, x: Array, y: Array) -> int:
        """Take a step with every operation recorded; return 1, or 0 if its loss is not finite."""
        run = self.run
        value = self._loss_of(x, y)
        run.loss = as_number(value)
        if math.isfinite(run.loss):
            value.backward()
            run.optimizer.step()
            run.iteration += 1
            return 1
        reason = (
            f"the loss of iteration {run.iteration + 1} is {run.loss}: {first_non_finite(value)}. "
            f"The weights are those before that iteration")
        warnings.warn(f"fit: {reason}.", RuntimeWarning, stacklevel=CALLER)
        run.stop(reason)
        self.diverged = True
        return 0

    def _step(self, x: Any, y: Any) -> Any:
        """Take a step, as it is recorded for a program, and return its loss."""
        value = self._loss_of(x, y)
        require_finite(value)
        value.backward()
        self.run.optimizer.step()
        if not self.watched:
            self.run.optimizer.zero_grad()
        return value

    def _by_program(self, x: Array, y: Array) -> int:
        """Take a step by a program; return 1, or 0 if the step is to be taken eagerly."""
        if self._program is None or not self._enough.get(len(x), False):
            return 0
        try:
            loss = float(self._called(self._program, x, y).data)
        except FloatingPointError:
            return 0  # taken eagerly, the step can say where its first NaN came from
        except Exception as error:
            if self.compiled is True:
                raise
            self._give_up(str(error).partition("\n")[0])
            if isinstance(error, TraceError):
                message = (
                    f"fit: the step cannot be recorded, and training goes on without a program, "
                    f"more slowly: {error}\nPass compiled=False to train without from the start.")
                warnings.warn(message, UserWarning, stacklevel=CALLER)
            return 0
        if len(x) == self.batch_size and self._program.programs:  # none while debugging
            self._runner = self._program.executable
        self.run.loss = loss
        self.run.iteration += 1
        return 1

    def _called(self, program: CompiledFunction, x: Array, y: Array) -> Any:
        """Call the program, or the step that it is recorded from."""
        if self._runner is not None and self._runner.confirmed:
            return program(x, y)
        # While recording, NumPy's BLAS does what the program leaves to SciPy's: the threads of both
        # would be in each other's way for a tenth of a second.
        with blas_threads(1):
            return program(x, y)

    def _give_up(self, reason: str) -> None:
        """Train eagerly from here on; an error that is not the program's occurs again there."""
        self._program = self._runner = self._blocks = None
        self._eager_reason = reason

    def _by_block(self, start: int) -> int:
        """Take several steps at once where that pays off, and return their number."""
        left = (len(self.data) - start) // self.batch_size
        if self.record_every:  # a record lies between two blocks
            left = min(left, self.record_every - self.run.iteration % self.record_every)
        blocks = self._planned() if left > 1 else None
        if blocks is None:
            return 0
        steps = min(left, blocks.steps)
        x, y = self._samples(start, start + steps * self.batch_size)
        try:
            self.run.loss = blocks.run(x, y)
        except FloatingPointError:
            return 0  # step by step, the one whose loss is not finite will be found
        self.run.iteration += steps
        return steps

    def _planned(self) -> Block | None:
        """Return the blocks for the present program, or None where there are none."""
        runner = self._runner
        if self.block == 1 or runner is None or not runner.confirmed:
            return None
        if runner is self._planned_for and self._blocks is None:
            return None
        if not runner.holds():  # a setting has changed: the next step makes another program
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
            for runner in runners if runner.assumed()]
        blocks = self._blocks is not None and self._blocks.used
        own = {"programs": programs, "blocks": blocks, "eager_reason": self._eager_reason}
        return self.order.state_dict() | own

    def load_state_dict(self, stored: dict[str, Any]) -> None:
        """Go on from there; the model, its optimizer and the generators must be up to date.

        A program agrees with the steps it was recorded from up to rounding only. So a run that used
        a program before must use it again from the first step.
        """
        self.order.load_state_dict(stored)
        if stored["eager_reason"] is not None:
            self._give_up(stored["eager_reason"])
        for size, confirmed in stored["programs"]:
            assert self._program is not None
            self._program.prepare(self.data.X[:size], self.data.Y[:size], confirmed=confirmed)
            if size == self.batch_size:
                self._runner = self._program.executable
        blocks = self._planned() if stored["blocks"] else None
        if blocks is not None:
            blocks.used = True
