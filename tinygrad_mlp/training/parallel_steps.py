"""The steps of a training by several ranks: each computes with its part of every batch.

All ranks take the same steps in the same order, and nothing but `Exchange` and `Ranks` lets one
wait for another. A rank that is to stop (Ctrl-C, a callback, a loss that is NaN) says so in the
exchange of the next step: no rank makes that update, and all of them end together.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.describe import first_non_finite
from tinygrad_mlp.autograd.graph import Array, make_value
from tinygrad_mlp.autograd.mode import require_finite
from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.nn import BatchNorm1d, BatchNorm2d
from tinygrad_mlp.nn.architecture import architecture
from tinygrad_mlp.optim import Optimizer
from tinygrad_mlp.parallel.exchange import Exchange
from tinygrad_mlp.parallel.ranks import Ranks
from tinygrad_mlp.support.safetensors_file import fingerprint
from tinygrad_mlp.training.checked_data import as_number, plain
from tinygrad_mlp.training.evaluation import hits
from tinygrad_mlp.training.run import Run
from tinygrad_mlp.training.run_state import check_optimizer, state_of, take_over
from tinygrad_mlp.training.steps import StepRunner

ROWS = 8
"""Rows of the data at each end that must be the same on all ranks."""


@op(register=False, nondifferentiable=True)
def share_right(output: Array, target: Array, weight: Array | None) -> Array | float:
    """Return the share of rows, by weight, whose largest entry is that of the target."""
    return np.average(hits(target, output), weights=weight)


class ParallelSteps(StepRunner):
    """The steps of a training by several ranks.

    Losses, accuracies and gradients are those of whole batches, and the same bits on every rank.
    So are the model and the optimizer. What the callbacks of rank 0 change, `follow` takes over on
    the others.
    """

    alone, frames = False, 4

    def __init__(self, ranks: Ranks, run: Run, *args: Any, **kwargs: Any) -> None:
        super().__init__(run, *args, **kwargs)
        self.block = 1
        self.ranks = ranks
        self._interrupted: str | None = None
        self.exchange = Exchange(ranks, self.parameters, lambda: self._own_reason is not None)
        self._enough_of = self._enough  # by the size of the whole batch
        if self.batch_size < ranks.size:
            warnings.warn(
                f"fit: {ranks.size} ranks cannot share a batch of {self.batch_size}, and some of "
                f"them only wait. Choose a larger batch_size.", UserWarning, stacklevel=4)

    # -- a step --------------------------------------------------------------------------------

    def _on_batch(self, rows: Any) -> Any:
        """Take a step on this rank's part; return how many samples of the batch are right."""
        n = self.order.length(rows)
        first, last = self.ranks.part(n)
        own = self._own(n)
        self._enough = {own: self._enough_of.get(n, False)}
        self._whole = own if n == self.batch_size else 0
        total = self.data.weight_of(rows)
        self.exchange.begin(self.data.weight_of(self.order.between(rows, first, last)) / total)
        # A rank without a sample computes with one all the same, and weights it with 0.
        right = super()._on_batch(self.order.between(rows, first, first + own))
        if not self._judged or right is None:
            return right
        right = float(right) * total
        return right if self.data.weight is not None else float(round(right))

    @staticmethod
    def _joined(outputs: list[object]) -> Any:
        return sum(outputs)

    def _exchanged(self, value: Any, output: Any, targets: Any) -> tuple[Any, Any]:
        """Return loss and accuracy of the whole batch; its gradients are in the parameters."""
        y, weight = targets if len(targets) > 1 else (*targets, None)
        right = share_right(plain(output), y, weight) if self._judged else 0.0
        return self.exchange(plain(value), right)

    def _step(self, x: Any, *targets: object) -> Any:
        value, output = self._forward(x, *targets)
        value.backward()
        loss, right = self._exchanged(value, output, targets)
        require_finite(loss)
        if not self.split:
            self.run.optimizer.step()
            if not self.watched:
                self.run.optimizer.zero_grad()
        loss = make_value(Tensor, loss, None, False)
        return (loss, right) if self._judged else loss

    def _eagerly(self, x: Array, *targets: Array) -> Any:
        run = self.run
        value, output = self._forward(x, *targets)
        own = as_number(value)
        if math.isfinite(own):
            value.backward()
        total, right = self._exchanged(value, output, targets)
        loss = as_number(total)
        if math.isfinite(loss):
            run.loss = loss
            if not self.split:
                run.optimizer.step()
            run.iteration += 1
            return right if self._judged else ()
        where = f"the loss of iteration {run.iteration + 1} is "
        after = "The weights are those before that iteration"
        found = None if math.isfinite(own) else (
            f"{where}{own} on rank {self.ranks.rank}: {first_non_finite(value)}. {after}")
        self._end(found, f"{where}{loss}, summed over the ranks. {after}")
        return None

    def _end(self, found: str | None, otherwise: str) -> None:
        """End on all ranks: for the first reason of one to stop, or for what one has found."""
        stops, reasons = zip(*self.ranks.all((self._own_reason, found)), strict=True)
        stop = next(filter(None, stops), None)
        self.diverged = stop is None
        self.run.stop(stop or next(filter(None, reasons), otherwise))

    def _change_gradients(self, change: Callable[[], None]) -> None:
        if self.ranks.rank == 0:
            change()
        gradients = self.ranks.share([p.grad for p in self.exchange.parameters])
        for parameter, gradient in zip(self.exchange.parameters, gradients, strict=True):
            parameter.grad = gradient

    # -- together ------------------------------------------------------------------------------

    def alike(self, data: dict[str, Any], callbacks: Any) -> dict[str, Any]:
        """Return by name what must be the same on all ranks, or raise an error for the model."""
        run = self.run
        _check_trainable(run)
        layers = {f"layer '{path}'": text for path, text in architecture(run.model).items()}
        shapes = {name: f"{array.dtype} {array.shape}" for name, array in data.items()}
        ends = {f"the first and last rows of {name}": _fingerprint_of_ends(array)
                for name, array in data.items()}
        arrays = {name: fingerprint(array) for name, array in run.model.state_dict().items()}
        return {**run.history.settings, "callbacks": [c.name for c in callbacks],
                **shapes, **ends, **layers, **arrays}

    def epochs(self) -> Iterator[None]:
        """Begin each epoch that is left, until all ranks stop."""
        for _ in super().epochs():
            yield
            self._agree()

    def steps(self) -> Iterator[None]:
        """Take the steps that are left of the present epoch, until all ranks stop."""
        yield from super().steps()
        self._agree()

    def interrupt(self, reason: str) -> None:
        """Stop all runs when the ranks speak next; until then, all of them see the same `run`."""
        self._interrupted = reason

    @property
    def _own_reason(self) -> str | None:
        """Why this rank is to stop, whatever the others know."""
        return self.run.stopped or self._interrupted

    def _agree(self) -> None:
        """Stop if any rank is to stop."""
        self.run.stopped = next(filter(None, self.ranks.all(self._own_reason)), None)

    def begin(self) -> None:
        """Begin on all ranks with the state of rank 0, which may have read a checkpoint."""
        first, generator = self.ranks.rank == 0, self.order.rng
        bits = None if generator is None else generator.bit_generator
        own = (bits and bits.state, state_of(self.run, self)) if first else None
        drawn, state = self.ranks.share(own)
        if not first:
            if bits is not None:
                bits.state = drawn
            take_over(state, self.run, self)

    def follow(self) -> None:
        """Take over settings of the optimizer and weights that callbacks on rank 0 have changed."""
        run, first = self.run, self.ranks.rank == 0
        known = isinstance(run.optimizer, Optimizer)
        settings = run.optimizer.settings() if known else None
        state = self.ranks.share((settings, run.model.state_dict()) if first else None)
        if first:
            return
        if settings != state[0]:
            run.optimizer.load_state_dict({**run.optimizer.state_dict(), **state[0]})
        if any(not np.array_equal(p.data, state[1][name], equal_nan=True)
               for name, p in run.model.named_state()):
            run.model.load_state_dict(state[1])

    # -- storing -------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the place in the data, and how the next steps will be taken, by any ranks."""
        state = super().state_dict()
        confirmed = dict(state["programs"])
        sizes = sorted(set(self.data.sizes(self.batch_size)) - {0})
        programs = [(size, confirmed[self._own(size)]) for size in sizes
                    if self._own(size) in confirmed]
        return state | {"programs": programs, "blocks": False}

    def load_state_dict(self, stored: dict[str, Any]) -> None:
        """Go on from there, as `StepRunner.load_state_dict` does."""
        sizes = {self._own(size): confirmed for size, confirmed in stored["programs"]}
        self.exchange.begin(1.0)
        self.exchange.silent = True
        super().load_state_dict(stored | {"programs": list(sizes.items()), "blocks": False})
        self.exchange.silent = False
        if self.batch_size in dict(stored["programs"]) and self._program is not None:
            self._runner = self._program.executable  # of the largest size

    def _own(self, size: int) -> int:
        """Return with how many samples of a batch of this size this rank computes."""
        first, last = self.ranks.part(size)
        return max(last - first, 1)


def _fingerprint_of_ends(array: Array) -> str:
    """Return a checksum of some rows, by which data that were drawn without a seed differ."""
    n = len(array)
    return fingerprint(np.concatenate([array[0:ROWS], array[max(0, n - ROWS):n]]))


def _check_trainable(run: Run) -> None:
    """Raise an error for layers that compute something else on a part of a batch."""
    for name, module in run.model.named_modules():
        if isinstance(module, (BatchNorm1d, BatchNorm2d)):
            raise InvalidArgumentError(
                f"fit: ranks cannot train '{name}', a {type(module).__name__}: each rank sees a "
                f"part of the batch only, whose mean and variance differ from the batch's. Use "
                f"LayerNorm, or train in one process.")
    for name, _ in run.model.named_generators():
        raise InvalidArgumentError(
            f"fit: ranks cannot train a model with random numbers ('{name}', as of Dropout): each "
            f"rank would draw its own, and the result would depend on the number of ranks. Leave "
            f"them out (weight_decay regularises, too), or train in one process.")
    check_optimizer(run.optimizer, "ranks need")
