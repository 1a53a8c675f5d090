"""How `fit` takes its steps: one after the other or in blocks, eagerly or by a program."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

from tinygrad_mlp.autograd.backward import first_non_finite
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.mode import require_finite
from tinygrad_mlp.data import batches
from tinygrad_mlp.errors import NotDifferentiableError, TraceError
from tinygrad_mlp.program import CompiledFunction
from tinygrad_mlp.program.deferred.block import Block, plan
from tinygrad_mlp.program.executable import Executable
from tinygrad_mlp.support.blas_threads import blas_threads
from tinygrad_mlp.training.callbacks import Run
from tinygrad_mlp.training.evaluation import Loss, as_number

WORTH_A_PROGRAM = 100
"""Steps on batches of one size from which recording and improving a program pays off."""


class StepRunner:
    """The steps of a training run.

    Each computes the loss of a batch and its gradient, and lets the optimizer update the
    parameters. After a step, or a block of steps, everything is up to date.

    Args:
        run: the run; its iteration and loss are kept up to date, and it is stopped where a loss is
            not finite.
        loss: the function ``(prediction, target)``.
        X, Y: all samples.
        batch_size: of a step.
        epochs: how many there will be, which decides whether a program is worth its recording.
        compiled: True for programs wherever there can be, False for none, "auto" for where they
            pay off; then what cannot be recorded is trained eagerly.
        block: steps between two updates of the first weight; None for as many as pay off.
        threads: BLAS threads for the large products of a block.
        watched: whether someone looks at every step: no blocks then, and gradients are left in
            the parameters.

    Attributes:
        epochs: how many are done.
        samples: how many of the present epoch are done.
        diverged: whether the loss of a step was not finite.
    """

    def __init__(
        self,
        run: Run,
        loss: Loss,
        X: Array,
        Y: Array,
        *,
        batch_size: int,
        epochs: int,
        compiled: bool | str,
        block: int | None = None,
        threads: int = 1,
        watched: bool = False,
    ) -> None:
        self.run, self.loss, self.X, self.Y = run, loss, X, Y
        self.batch_size = batch_size
        self.compiled = compiled
        self.block = 1 if watched else block
        self.threads = threads
        self.watched = watched
        self._program = CompiledFunction(self._step) if compiled else None
        self._runner: Executable | None = None
        self._planned_for: Executable | None = None
        self._blocks: Block | None = None
        whole, rest = divmod(len(X), batch_size)
        self._enough = {
            size: compiled is True or steps * epochs >= WORTH_A_PROGRAM
            for size, steps in ((batch_size, whole), (rest, 1))
        }
        self._eager_reason: str | None = None
        self.epochs = 0
        self.samples = 0
        self.diverged = False
        self._drawn_from: Any = None  # the state of the generator before it drew the order

    def epoch(self, rng: Any, until: int | None) -> Iterator[None]:
        """What is left of a pass through the samples; yields whenever everything is up to date.

        Args:
            rng: what draws the order, or None for the order as it is.
            until: no block goes beyond the next iteration that this divides.
        """
        n, size = len(self.X), self.batch_size
        order = self._order(rng)
        while self.samples < n:
            start = self.samples
            left = (n - start) // size
            if until:
                left = min(left, until - self.run.iteration % until)
            done = self._block(order, start, left) if left > 1 else 0
            if not done:
                if not self._one(*self._samples(order, start, start + size)):
                    return
                done = 1
            self.samples = min(start + done * size, n)
            yield

    def next_epoch(self) -> None:
        """The epoch is over, with all that belongs to it."""
        self.epochs += 1
        self.samples, self._drawn_from = 0, None

    def _order(self, rng: Any) -> Any:
        """The order of the present epoch, drawn, or drawn again where half of it is done."""
        n = len(self.X)
        if rng is None or self._drawn_from is None:
            self._drawn_from = None if rng is None else rng.bit_generator.state
            (order,) = batches(n, n, rng)
            return order
        now = rng.bit_generator.state
        rng.bit_generator.state = self._drawn_from
        (order,) = batches(n, n, rng)
        rng.bit_generator.state = now
        return order

    def release(self) -> None:
        """Someone may have got hold of the parameters' arrays: write to other ones from here."""
        if self._program is not None:
            self._program.release()
            if self._runner is not None and not self._runner.assumed():
                self._runner = None
        if self._blocks is not None:
            self._blocks.release()

    # -- resuming ----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Where training stands, and how the next steps will be taken."""
        programs = [] if self._program is None else [
            (key[0][0][0], runner.transcript is None)
            for key, runners in self._program.programs.items()
            for runner in runners if runner.assumed()
        ]  # fmt: skip
        return {
            "epochs": self.epochs,
            "samples": self.samples,
            "drawn_from": self._drawn_from,
            "programs": programs,
            "blocks": self._blocks is not None and self._blocks.used,
            "eager_reason": self._eager_reason,
        }

    def load_state_dict(self, stored: dict[str, Any]) -> None:
        """Go on from there; the model, its optimizer and the generators must be up to date.

        A program does the same as the steps it was recorded from up to rounding, so that it must
        be there from the first step if it was there before.
        """
        self.epochs, self.samples = stored["epochs"], stored["samples"]
        self._drawn_from = stored["drawn_from"]
        if stored["eager_reason"] is not None:
            self._give_up(stored["eager_reason"])
        for size, confirmed in stored["programs"]:
            assert self._program is not None
            self._program.prepare(self.X[:size], self.Y[:size], confirmed=confirmed)
            if size == self.batch_size:
                self._runner = self._program.runner
        if stored["blocks"]:
            blocks = self._planned()
            if blocks is not None:
                blocks.used = True

    @property
    def execution(self) -> str:
        """How the steps have been taken, in words."""
        if self._blocks is not None and self._blocks.used:
            weight = self._blocks.pattern.weight.parameter
            return (
                f"a program, in blocks of {self._blocks.steps} steps (the update of "
                f"{weight.name or 'the first weight'} deferred)"
            )
        if self._program is not None and self._program.programs:
            return "a program"
        return "eager" if self._eager_reason is None else f"eager: {self._eager_reason}"

    # -- one step ----------------------------------------------------------------------------

    def _samples(self, order: Any, start: int, stop: int) -> tuple[Array, Array]:
        rows = order[start:stop] if not isinstance(order, slice) else slice(start, stop)
        return self.X[rows], self.Y[rows]

    def _step(self, x: Any, y: Any) -> Any:
        """What a program does at each step."""
        value = self._loss_of(x, y)
        require_finite(value)
        value.backward()
        self.run.optimizer.step()
        if not self.watched:
            self.run.optimizer.zero_grad()
        return value

    def _loss_of(self, x: Any, y: Any) -> Any:
        self.run.optimizer.zero_grad()
        value = self.loss(self.run.model(x), y)
        if not isinstance(value, Value):
            raise NotDifferentiableError(
                f"fit: the loss must be a Tensor, computed from the model's parameters by "
                f"operations that record; got {type(value).__name__}, which has no history."
            )
        return value

    def _one(self, x: Array, y: Array) -> bool:
        """One update of the parameters; whether it was made."""
        if self._program is not None and self._enough.get(len(x), False):
            try:
                loss = float(self._by_program(x, y).data)
            except FloatingPointError:
                pass  # taken eagerly, the step can say where its first NaN came from
            except Exception as error:
                if self.compiled is True:
                    raise
                self._give_up(str(error).partition("\n")[0])
                if isinstance(error, TraceError):
                    warnings.warn(
                        f"fit: training goes on without a program, more slowly: {error}\n"
                        f"Pass compiled=False to do without from the start.",
                        UserWarning,
                        stacklevel=4,
                    )
            else:
                if len(x) == self.batch_size and self._program.programs:  # none while debugging
                    self._runner = self._program.runner
                self.run.loss = loss
                self.run.iteration += 1
                return True
        return self._eagerly(x, y)

    def _by_program(self, x: Array, y: Array) -> Any:
        """What the program gives, or the function that it is recorded from."""
        assert self._program is not None
        if self._runner is not None and self._runner.transcript is None:
            return self._program(x, y)
        # There NumPy's BLAS does what the program leaves to SciPy's: the threads of both would be
        # in each other's way for a tenth of a second.
        with blas_threads(1):
            return self._program(x, y)

    def _give_up(self, reason: str) -> None:
        """Train eagerly from here on; an error that is not the program's comes again there."""
        self._program = self._runner = self._blocks = None
        self._eager_reason = reason

    def _eagerly(self, x: Array, y: Array) -> bool:
        run = self.run
        value = self._loss_of(x, y)
        run.loss = as_number(value)
        if not math.isfinite(run.loss):
            reason = (
                f"the loss of iteration {run.iteration + 1} is {run.loss}: "
                f"{first_non_finite(value)}. The weights are those before that iteration"
            )
            warnings.warn(f"fit: {reason}.", RuntimeWarning, stacklevel=5)
            run.stop(reason)
            self.diverged = True
            return False
        value.backward()
        run.optimizer.step()
        run.iteration += 1
        return True

    # -- blocks ------------------------------------------------------------------------------

    def _block(self, order: Any, start: int, left: int) -> int:
        """Do a block of at most `left` steps, if blocks are of use; how many were done."""
        blocks = self._planned()
        if blocks is None:
            return 0
        steps = min(left, blocks.steps)
        x, y = self._samples(order, start, start + steps * self.batch_size)
        try:
            self.run.loss = blocks.run(x, y)
        except FloatingPointError:
            return 0  # step by step, the one whose loss is not finite will be found
        self.run.iteration += steps
        return steps

    def _planned(self) -> Block | None:
        """The blocks for the program as it is now; None where there are none."""
        runner = self._runner
        if self.block == 1 or runner is None or runner.transcript is not None:
            return None
        if runner is self._planned_for and self._blocks is None:
            return None
        if not runner.holds():  # a setting has changed: the next step makes another program
            return None
        if runner is not self._planned_for:
            self._planned_for = runner
            self._blocks = plan(runner, self.run.optimizer, self.block, self.threads)
        return self._blocks
