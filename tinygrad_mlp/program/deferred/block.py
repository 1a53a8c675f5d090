"""Blocks of steps in which the update of a weight is deferred (see `deferred`), as they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.optim import SGD
from tinygrad_mlp.program.codegen.expressions import BLAS_LETTER
from tinygrad_mlp.program.codegen.loop import LoopSource
from tinygrad_mlp.program.deferred.block_memory import MeanLoss, Memory, loss_over_samples
from tinygrad_mlp.program.deferred.pattern import (
    Coefficients,
    Deferrable,
    Pattern,
    coefficients,
    pattern_in,
    without,
)
from tinygrad_mlp.program.executable import Executable
from tinygrad_mlp.program.instructions import Variable, generators_in
from tinygrad_mlp.program.passes.pipeline import optimize
from tinygrad_mlp.program.passes.simplify import remove_dead_code
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.support.blas_threads import blas_threads, threads_that_pay

ROWS = 128
"""Samples of a block, where batches are small: the longer, the more is added in each step; the
shorter, the less the large products gain from being large."""
LARGEST_BATCH = 16
"""Samples of a batch up to which deferring pays off: beyond, a step's products are large enough."""
SMALLEST_WEIGHT = 20_000
"""Elements of a weight from which deferring its update pays off."""


def steps_that_pay(weight: tuple[int, ...], batch: int) -> int:
    """How many steps a block should have for a weight of this shape; 1 for no blocks at all."""
    if weight[0] * weight[1] < SMALLEST_WEIGHT or batch > LARGEST_BATCH:
        return 1
    return ROWS // batch


class Block:
    """Runs steps in blocks, with the numbers of single steps.

    Attributes:
        pattern: the weight whose update is deferred, and how it is used.
        program: the program of one step without it.
        steps: steps of a block.
        batch: samples of a step.
        threads: BLAS threads for the large products; None for those of the steps.
        used: whether there has been a block.
        source: the source code of the steps of a block.
    """

    def __init__(
        self,
        runner: Executable,
        optimizer: Any,
        pattern: Pattern,
        steps: int,
        threads: int | None = None,
    ) -> None:
        from scipy.linalg import blas

        self.pattern = pattern
        self.optimizer = optimizer
        self.steps = steps
        self.threads = threads
        self.used = False
        self.batch = pattern.x.shape[0]
        assert pattern.z.dtype is not None
        self._dtype = pattern.z.dtype
        self._gemm = getattr(blas, f"{BLAS_LETTER[self._dtype.name]}gemm")
        self._loss = loss_over_samples(runner)
        self.program = optimize(_for_block(without(runner.simplified, pattern), self._loss))
        self._data = [v for v in runner.simplified.inputs if v.label.kind == "data"]
        used = self.program.uses()
        inputs = [v for v in self.program.inputs[1:] if v in used]
        self._rate = next((v for v in inputs if v.label.get == optimizer.current_lr), None)
        self._rows = [v for v in inputs if v.label.kind == "data"]
        self._fixed = [v for v in inputs if v not in self._rows and v is not self._rate]
        rows = self._rows if self._rate is None else [*self._rows, self._rate]
        source = LoopSource(self.program, rows, self._fixed, self._loss is not None)
        self.source = source.text
        self._function = source.compiled()
        self._puts = [u.put for u in self.program.updates if isinstance(u.value, Variable)]
        self._targets = [u.target for u in self.program.updates if isinstance(u.value, Variable)]
        self._constants = [(u.put, u.value) for u in self.program.updates
                           if not isinstance(u.value, Variable)]  # fmt: skip
        self._generators = generators_in(self.program.instructions)
        self._deferred_puts = {
            u.target: u.put for u in runner.simplified.updates if u.target is not None
        }
        self._memory = Memory(self.steps, self.batch, pattern.z, self._loss)
        self._kernels: dict[tuple[float, ...], tuple[Coefficients, Array]] = {}
        self.release()

    def release(self) -> None:
        """Write to no array that has been handed out until now: someone may hold it."""
        self._ours: dict[Variable, Array] = {}
        self._spare: dict[Variable, Array] = {}

    def run(self, *data: Array) -> float:
        """Do the steps of a block.

        Args:
            data: the arguments of the step, each with the samples of all of the block's steps.

        Returns:
            the loss of the last step.

        Raises:
            FloatingPointError: the loss of a step was not finite. Nothing has been changed.
        """
        states = [generator.bit_generator.state for generator in self._generators]
        given = dict(zip(self._data, data, strict=True))
        X = given[self.pattern.data].reshape(-1, self.pattern.x.shape[1])
        steps = len(X) // self.batch
        lrs = tuple(self.optimizer.coming_lrs(steps))
        found, kernel = self._coefficients(lrs)
        memory = self._memory if steps == self.steps else Memory(
            steps, self.batch, self.pattern.z, self._loss
        )  # fmt: skip
        self._prepare(X, found, kernel, memory)
        losses: list[float] = []
        rows = memory.rows()
        rows += [_by_step(given[v], self.batch) for v in self._rows]
        if self._rate is not None:
            rows.append(lrs)
        values = self._function(zip(*rows, strict=True), losses, *map(self._working, self._fixed))
        try:
            last = self._losses(memory, given, losses)
        except FloatingPointError:
            for generator, state in zip(self._generators, states, strict=True):
                generator.bit_generator.state = state
            raise
        self._finish(X, found, memory.D, steps)
        for put, target, value in zip(self._puts, self._targets, values, strict=True):
            self._hand_out(put, target, value)
        for put, value in self._constants:
            for _ in range(steps):
                put(value)
        self.used = True
        return last

    # -- the parts of a block ----------------------------------------------------------------

    def _coefficients(self, lrs: tuple[float, ...]) -> tuple[Coefficients, Array]:
        """The numbers c, e and k, and k for each pair of samples."""
        known = self._kernels.get(lrs)
        if known is None:
            if len(self._kernels) >= 4:
                self._kernels.clear()
            found = coefficients(self.optimizer, lrs)
            k = found.k[: len(lrs)].astype(self._dtype)
            known = self._kernels[lrs] = found, k.repeat(self.batch, 0).repeat(self.batch, 1)
        return known

    def _prepare(self, X: Array, found: Coefficients, kernel: Array, memory: Memory) -> None:
        """Put ``c X W_0ᵀ + e X V_0ᵀ`` into D, and ``k X Xᵀ`` into M."""
        D, M = memory.D, memory.M
        steps = len(found.c) - 1
        for part, factors in (("parameter", found.c[:steps]), ("velocity", found.e[:steps])):
            weight, bias = (
                None if d is None or getattr(d, part) is None else getattr(d, part).label.get()
                for d in (self.pattern.weight, self.pattern.bias)
            )
            if weight is None:
                continue
            first = part == "parameter"
            product = self._product(X, weight, D if first else np.empty_like(D))
            if bias is not None:
                product += bias
            if not first or (factors != 1.0).any():
                product *= factors.astype(self._dtype).repeat(self.batch)[:, None]
            if not first:
                D += product
        X.dot(X.T, out=M)
        if self.pattern.bias is not None:
            M += 1
        M *= kernel
        if self.batch == 1:
            # The row of a step stands among those before it, so that one product does it all.
            M.flat[:: steps + 1] = 1

    def _product(self, X: Array, weight: Array, out: Array) -> Array:
        """``X Wᵀ``, into `out`."""
        if self.threads is None:
            return X.dot(weight.T, out=out)
        # By the library that adds Dᵀ X, too: the threads of two would be in each other's way.
        with blas_threads(self.threads):
            self._gemm(1, weight.T, X.T, beta=0, c=out.T, trans_a=1, overwrite_c=1)
        return out

    def _losses(
        self, memory: Memory, given: dict[Variable, Array], losses: Sequence[float]
    ) -> float:
        """The loss of the last step, with all of them proved to be finite."""
        if self._loss is None:
            total, last = sum(losses), float(losses[-1])
        else:
            op, target = self._loss.op, given[self._loss.target]
            assert memory.predictions is not None
            total = float(op.forward(memory.predictions, target, reduction="sum"))
            n = self.batch
            last = float(op.forward(memory.predictions[-n:], target[-n:], reduction="mean"))
        if not np.isfinite(total):
            raise FloatingPointError(total)
        return last

    def _finish(self, X: Array, found: Coefficients, D: Array, steps: int) -> None:
        """Bring the deferred parameters and their velocities up to date."""
        row, velocity_row = found.weight[steps], found.velocity[steps]
        for deferred in self.pattern.deferred():
            W = self._own(deferred.parameter)
            V = None if deferred.velocity is None else self._own(deferred.velocity)
            W_0 = W.copy() if V is not None and velocity_row[0] else W
            _scale(W, row[0])
            if V is not None:
                W += self._dtype.type(row[1]) * V
            self._add(W, deferred, row[2 : 2 + steps], X, D)
            if deferred.velocity is not None and V is not None:
                _scale(V, velocity_row[1])
                if velocity_row[0]:
                    V += self._dtype.type(velocity_row[0]) * W_0
                self._add(V, deferred, velocity_row[2 : 2 + steps], X, D)
                self._deferred_puts[deferred.velocity](V)
            self._deferred_puts[deferred.parameter](W)

    def _add(
        self, to: Array, deferred: Deferrable, factors: Array, X: Array, D: Array
    ) -> None:
        """Add ``Σ factors_i D_iᵀ X_i`` to a parameter or a velocity, in place."""
        weights = factors.astype(self._dtype)
        alpha = weights[0]
        if (weights != alpha).any():
            alpha = self._dtype.type(1)
            D = weights.repeat(self.batch)[:, None] * D
        if deferred is self.pattern.bias:
            to += alpha * D.sum(axis=0)
        else:
            with blas_threads(self.threads):
                # Column by column, as BLAS has it: Wᵀ + α Xᵀ D.
                self._gemm(alpha, X.T, D.T, beta=1, c=to.T, trans_b=1, overwrite_c=1)

    # -- memory ------------------------------------------------------------------------------

    def _own(self, variable: Variable) -> Array:
        """The array of a deferred parameter, ours to write to."""
        array = variable.label.get()
        if array is not self._ours.get(variable):
            self._ours[variable] = np.array(array, order="C")
        return self._ours[variable]

    def _working(self, variable: Variable) -> Any:
        """What the steps read of a parameter or state, and may write to."""
        value = variable.label.get()
        if variable not in self._targets or variable.dtype is None:
            return value
        # A copy, since a block must leave everything alone until its losses are known.
        spare = self._spare.pop(variable, None)
        if spare is None:
            return np.array(value, order="C")
        np.copyto(spare, value)
        return spare

    def _hand_out(self, put: Any, target: Variable | None, value: Any) -> None:
        if target is not None and isinstance(value, np.ndarray):
            ours = self._ours.get(target)
            if ours is not None and target.label.get() is ours:
                self._spare[target] = ours
            self._ours[target] = value
        put(value)


def _by_step(array: Array, batch: int) -> Array:
    return array.reshape(-1, batch, *array.shape[1:])


def _scale(array: Array, factor: float) -> None:
    if factor != 1.0:
        array *= array.dtype.type(factor)


def _for_block(program: Program, loss: MeanLoss | None) -> Program:
    """The program with what a block collects as its first result: the prediction, or the loss."""
    first = program.results[0] if loss is None else loss.prediction
    results = (first, program.results[-1])
    return remove_dead_code(replace(program, results=results, required=()))[0]


def plan(
    runner: Executable, optimizer: Any, steps: int | None = None, threads: int = 1
) -> Block | None:
    """Blocks for a step that returns its loss, where there can be and they pay off.

    Args:
        runner: the step, compiled.
        optimizer: whose update it does.
        steps: of a block; None for as many as pay off.
        threads: BLAS threads for the large products, where they are worth sharing.
    """
    if type(optimizer) is not SGD or len(runner.simplified.results) != 1:
        return None
    pattern = pattern_in(runner.simplified)
    if pattern is None:
        return None
    weight, batch = pattern.weight.parameter.shape, pattern.x.shape[0]
    if steps is None:
        steps = steps_that_pay(weight, batch)
    if steps == 1:
        return None
    shared = threads_that_pay(steps * batch * weight[0] * weight[1]) is None and threads > 1
    return Block(runner, optimizer, pattern, steps, threads if shared else None)
