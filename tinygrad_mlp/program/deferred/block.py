"""Blocks of steps in which the update of a weight is deferred, as they run.

The derivation is in `coefficients`, and docs/deferred_updates.md explains it step by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.optim import SGD
from tinygrad_mlp.program.codegen.expressions import BLAS_LETTER
from tinygrad_mlp.program.codegen.loop import LoopSource
from tinygrad_mlp.program.deferred.block_memory import ParameterArrays, StepRows
from tinygrad_mlp.program.deferred.coefficients import Coefficients, coefficients
from tinygrad_mlp.program.deferred.pattern import (
    Deferrable,
    MeanLoss,
    Pattern,
    mean_loss_in,
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


class Block:
    """A runner of steps in blocks, which gives the results of single steps.

    Args:
        executable: the compiled step.
        optimizer: the optimizer whose update the step does.
        pattern: the weight whose update is deferred, and how it is used.
        steps: steps of a block.
        threads: BLAS threads for the large products; None for those of the steps.

    Attributes:
        program: the program of one step without the weight.
        batch: samples of a step.
        used: whether there has been a block.
        source: the source code of the steps of a block.
    """

    def __init__(
        self,
        executable: Executable,
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
        simplified = executable.simplified
        self._loss = mean_loss_in(executable.recorded, simplified)
        self.program = optimize(_for_block(without(simplified, pattern), self._loss))
        self._data = [v for v in simplified.inputs if v.label.kind == "data"]
        self._deferred_puts = {u.target: u.put for u in simplified.updates if u.target is not None}
        used = self.program.uses()
        inputs = [v for v in self.program.inputs[1:] if v in used]
        self._rate = next((v for v in inputs if v.label.get == optimizer.current_lr), None)
        self._rows = [v for v in inputs if v.label.kind == "data"]
        self._fixed = [v for v in inputs if v not in self._rows and v is not self._rate]
        rows = self._rows if self._rate is None else [*self._rows, self._rate]
        loop = LoopSource(self.program, rows, self._fixed, self._loss is not None)
        self.source = loop.text
        self._function = loop.compiled()
        self._updates = [u for u in self.program.updates if isinstance(u.value, Variable)]
        self._constants = [u for u in self.program.updates if not isinstance(u.value, Variable)]
        self._written = {u.target for u in self._updates}
        self._generators = generators_in(self.program.instructions)
        self._step_rows = StepRows(self.steps, self.batch, pattern.z, self._loss)
        self._kernels: dict[tuple[float, ...], tuple[Coefficients, Array]] = {}
        self._arrays = ParameterArrays()

    def release(self) -> None:
        """Write to no array that has been handed out until now: someone may hold it."""
        self._arrays.release()

    def run(self, *data: Array) -> float:
        """Do the steps of a block.

        Args:
            data: the arguments of the step, each with the samples of all the block's steps.

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
        arrays = self._step_rows if steps == self.steps else StepRows(
            steps, self.batch, self.pattern.z, self._loss
        )  # fmt: skip
        self._prepare(X, found, kernel, arrays)
        losses: list[float] = []
        rows = [*arrays.parts, *(_by_step(given[v], self.batch) for v in self._rows)]
        if self._rate is not None:
            rows.append(lrs)
        values = self._function(zip(*rows, strict=True), losses, *map(self._read, self._fixed))
        try:
            last = self._last_loss(arrays, given, losses)
        except FloatingPointError:
            for generator, state in zip(self._generators, states, strict=True):
                generator.bit_generator.state = state
            raise
        self._finish(X, found, arrays.D, steps)
        for update, value in zip(self._updates, values, strict=True):
            self._arrays.hand_out(update.put, update.target, value)
        for update in self._constants:
            for _ in range(steps):
                update.put(update.value)
        self.used = True
        return last

    # -- the parts of a block ----------------------------------------------------------------

    def _read(self, variable: Variable) -> Any:
        """Return what the steps read of a parameter or state, and may write into."""
        if variable in self._written and variable.dtype is not None:
            return self._arrays.copy_of(variable)
        return variable.label.get()

    def _coefficients(self, lrs: tuple[float, ...]) -> tuple[Coefficients, Array]:
        """Return the numbers c, e and k, and k for each pair of samples."""
        known = self._kernels.get(lrs)
        if known is None:
            if len(self._kernels) >= 4:
                self._kernels.clear()
            found = coefficients(self.optimizer, lrs)
            k = found.k[: len(lrs)].astype(self._dtype)
            known = self._kernels[lrs] = found, k.repeat(self.batch, 0).repeat(self.batch, 1)
        return known

    def _prepare(self, X: Array, found: Coefficients, kernel: Array, arrays: StepRows) -> None:
        """Put ``c X W_0ᵀ + e X V_0ᵀ`` into D, and ``k X Xᵀ`` into M."""
        D, M = arrays.D, arrays.M
        weight, bias = self.pattern.weight, self.pattern.bias
        self._affine(X, weight.parameter, bias and bias.parameter, found.c[:-1], D)
        if weight.velocity is not None:
            D += self._affine(
                X, weight.velocity, bias and bias.velocity, found.e[:-1], np.empty_like(D)
            )
        X.dot(X.T, out=M)
        if bias is not None:
            M += 1
        M *= kernel
        if self.batch == 1:
            # The row of a step stands among those before it, so that one product does it all.
            M.flat[:: len(M) + 1] = 1

    def _affine(
        self, X: Array, weight: Variable, bias: Variable | None, factors: Array, out: Array
    ) -> Array:
        """Compute ``f (X Wᵀ + b)`` into `out`, with a factor f for each step."""
        W = weight.label.get()
        if self.threads is None:
            X.dot(W.T, out=out)
        else:
            # By the library that adds Dᵀ X, too: the threads of two would hinder each other.
            with blas_threads(self.threads):
                self._gemm(1, W.T, X.T, beta=0, c=out.T, trans_a=1, overwrite_c=1)
        if bias is not None:
            out += bias.label.get()
        if (factors != 1.0).any():
            out *= factors.astype(self._dtype).repeat(self.batch)[:, None]
        return out

    def _last_loss(
        self, arrays: StepRows, given: dict[Variable, Array], losses: Sequence[float]
    ) -> float:
        """Return the loss of the last step, and make sure that all of them are finite."""
        if self._loss is None:
            total, last = sum(losses), float(losses[-1])
        else:
            forward, target, n = self._loss.op.forward, given[self._loss.target], self.batch
            assert arrays.predictions is not None
            total = float(forward(arrays.predictions, target, reduction="sum"))
            last = float(forward(arrays.predictions[-n:], target[-n:], reduction="mean"))
        if not np.isfinite(total):
            raise FloatingPointError(total)
        return last

    def _finish(self, X: Array, found: Coefficients, D: Array, steps: int) -> None:
        """Bring the deferred parameters and their velocities up to date."""
        row, velocity_row = found.weight[steps], found.velocity[steps]
        for deferred in self.pattern.deferred():
            W = self._arrays.own(deferred.parameter)
            V = None if deferred.velocity is None else self._arrays.own(deferred.velocity)
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
                # BLAS stores matrices column by column, so it is Wᵀ + α Xᵀ D.
                self._gemm(alpha, X.T, D.T, beta=1, c=to.T, trans_b=1, overwrite_c=1)


def _by_step(array: Array, batch: int) -> Array:
    return array.reshape(-1, batch, *array.shape[1:])


def _scale(array: Array, factor: float) -> None:
    if factor != 1.0:
        array *= array.dtype.type(factor)


def _for_block(program: Program, loss: MeanLoss | None) -> Program:
    """Return the program with the prediction, or the loss if that is collected, as first result."""
    first = program.results[0] if loss is None else loss.prediction
    results = (first, program.results[-1])
    return remove_dead_code(replace(program, results=results, required=()))[0]


def steps_that_pay(weight: tuple[int, ...], batch: int) -> int:
    """Return how many steps a block should have for a weight of this shape; 1 for no blocks."""
    if weight[0] * weight[1] < SMALLEST_WEIGHT or batch > LARGEST_BATCH:
        return 1
    return ROWS // batch


def plan(
    executable: Executable, optimizer: Any, steps: int | None = None, threads: int = 1
) -> Block | None:
    """Return blocks for a step that returns its loss, where they are possible and pay off.

    Args:
        executable: the compiled step.
        optimizer: the optimizer whose update it does.
        steps: of a block; None for as many as pay off.
        threads: BLAS threads for the large products, where they are worth sharing.
    """
    if type(optimizer) is not SGD or len(executable.simplified.results) != 1:
        return None
    pattern = pattern_in(executable.simplified)
    if pattern is None:
        return None
    weight, batch = pattern.weight.parameter.shape, pattern.x.shape[0]
    if steps is None:
        steps = steps_that_pay(weight, batch)
    if steps == 1:
        return None
    shared = threads_that_pay(steps * batch * weight[0] * weight[1]) is None and threads > 1
    return Block(executable, optimizer, pattern, steps, threads if shared else None)
