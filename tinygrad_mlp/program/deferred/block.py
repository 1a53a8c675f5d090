"""Blocks of steps in which the update of a weight is deferred, as they run.

The derivation is in `coefficients`, and docs/deferred_updates.md explains it step by step.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.optim import SGD
from tinygrad_mlp.program.codegen.expressions import BLAS_LETTER
from tinygrad_mlp.program.codegen.loop import LoopSource
from tinygrad_mlp.program.deferred.coefficients import coefficients
from tinygrad_mlp.program.deferred.pattern import (
    MeanLoss,
    Pattern,
    mean_loss_in,
    pattern_in,
    without,
)
from tinygrad_mlp.program.executable import Executable
from tinygrad_mlp.program.fast_path import UNSHARED
from tinygrad_mlp.program.instructions import Variable, generators_in
from tinygrad_mlp.program.passes.pipeline import optimize
from tinygrad_mlp.program.passes.simplify import remove_dead_code
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.support.blas_threads import blas_threads, threads_that_pay

ROWS = 96
"""Samples of a block, where batches are small: the longer, the more is added in each step; the
shorter, the less the large products gain from being large."""
LARGEST_BATCH = 16
"""Samples of a batch up to which deferring pays off: beyond, a step's products are large enough."""
SMALLEST_WEIGHT = 20_000
"""Elements of a weight from which deferring its update pays off."""
MOST_COEFFICIENTS = 4
"""Sequences of learning rates for which a block keeps its coefficients."""


class BlockResult(NamedTuple):
    """What a block of steps hands over."""

    total: float  # the sum of the losses of all samples
    last: float  # the loss of the last step
    outputs: Array | None  # what the step returns beside its loss, a sample in each row


class Block:
    """A runner of steps in blocks, which gives the results of single steps.

    `program` is that of one step without the weight, and `source` the code of the steps of a block.
    `batch` is the number of samples of a step, and `steps` that of the steps of a block. `threads`
    is the number of BLAS threads for the large products; None for that of the steps. `used` says
    whether there has been a block.
    """

    def __init__(self, executable: Executable, optimizer: Any, pattern: Pattern, steps: int,
                 threads: int | None) -> None:
        from scipy.linalg import blas

        self.pattern = pattern
        self.optimizer = optimizer
        self.steps = steps
        self.threads = threads
        self.used = False
        self.batch = pattern.x.shape[0]
        assert pattern.z.dtype is not None
        self._dtype = pattern.z.dtype
        letter = BLAS_LETTER[self._dtype.name]
        self._gemm, self._syrk = getattr(blas, f"{letter}gemm"), getattr(blas, f"{letter}syrk")
        simplified = executable.simplified
        self._loss = mean_loss_in(executable.recorded, simplified)
        self._judged = len(simplified.results) > 1
        self.program, self._collected = _for_block(without(simplified, pattern), self._loss)
        self._data = [v for v in simplified.inputs if v.label.kind == "data"]
        self._deferred_puts = {u.target: u.put for u in simplified.updates if u.target is not None}
        used = self.program.uses()
        inputs = [v for v in self.program.inputs[1:] if v in used]
        self._rate = next((v for v in inputs if v.label.get == optimizer.current_lr), None)
        self._rows = [v for v in inputs if v.label.kind == "data"]
        self._fixed = [v for v in inputs if v not in self._rows and v is not self._rate]
        rows = self._rows if self._rate is None else [*self._rows, self._rate]
        loop = LoopSource(self.program, rows, self._fixed, len(self._collected))
        self.source = loop.text
        self._function = loop.compiled()
        self._updates = [u for u in self.program.updates if isinstance(u.value, Variable)]
        self._constants = [u for u in self.program.updates if not isinstance(u.value, Variable)]
        self._written = {u.target for u in self._updates}
        self._generators = generators_in(self.program.instructions)
        self._step_rows = _StepRows(self.steps, self.batch, pattern.z, self._collected)
        self._coefficients: dict[tuple[float, ...], tuple[Array, Array, Array]] = {}
        self._ours: dict[Variable, Array] = {}  # of the deferred parameters and velocities

    def run(self, *data: Array) -> BlockResult:
        """Do the steps of a block on the samples of all of them.

        The outputs are overwritten by the next block.

        Raises:
            FloatingPointError: the loss of a step was not finite. Nothing has been changed.
        """
        states = [generator.bit_generator.state for generator in self._generators]
        given = dict(zip(self._data, data, strict=True))
        X = given[self.pattern.data].reshape(-1, self.pattern.x.shape[1])
        steps = len(X) // self.batch
        lrs = tuple(self.optimizer.coming_lrs(steps))
        in_weight, in_velocity, kernel = self._coefficients_for(lrs)
        arrays = self._step_rows
        if steps != self.steps:
            arrays = _StepRows(steps, self.batch, self.pattern.z, self._collected)
        self._prepare(X, in_weight, kernel, arrays)
        rows = list(arrays.parts)
        for v in self._rows:
            rows.append(given[v].reshape(-1, self.batch, *given[v].shape[1:]))
        if self._rate is not None:
            rows.append(lrs)
        losses: list[float] = []
        values = self._function(zip(*rows, strict=True), losses, *map(self._read, self._fixed))
        try:
            total, last = self._losses(arrays, given, losses)
        except FloatingPointError:
            for generator, state in zip(self._generators, states, strict=True):
                generator.bit_generator.state = state
            raise
        self._finish(X, arrays.D, in_weight[-1], in_velocity[-1])
        for update, value in zip(self._updates, values, strict=True):
            update.put(value)
        for update in self._constants:
            if update.put == self.optimizer._count:
                update.put(steps * update.value)  # a tenth of a microsecond a step
                continue
            for _ in range(steps):
                update.put(update.value)
        self.used = True
        return BlockResult(total, last, self._outputs(arrays))

    # -- the parts of a block ----------------------------------------------------------------

    def _read(self, variable: Variable) -> Any:
        """Return what the steps read of a parameter or state, and may write into.

        That is a copy: everything stays as it is until the losses are known to be finite.
        """
        value = variable.label.get()
        copied = variable in self._written and variable.dtype is not None
        return np.array(value, order="C") if copied else value

    def _own(self, variable: Variable) -> Array:
        """Return the array of a deferred parameter, copied if it is not ours to write into."""
        array = variable.label.get()
        if array is not self._ours.get(variable) or sys.getrefcount(array) > UNSHARED:
            self._ours[variable] = np.array(array, order="C")
        return self._ours[variable]

    def _coefficients_for(self, lrs: tuple[float, ...]) -> tuple[Array, Array, Array]:
        """Return the coefficients in W and in V, and k for each pair of samples."""
        if lrs not in self._coefficients:
            if len(self._coefficients) >= MOST_COEFFICIENTS:
                self._coefficients.clear()
            in_weight, in_velocity = coefficients(self.optimizer, lrs)
            k = in_weight[:-1, 2:].astype(self._dtype)
            kernel = k.repeat(self.batch, 0).repeat(self.batch, 1)
            self._coefficients[lrs] = in_weight, in_velocity, kernel
        return self._coefficients[lrs]

    def _prepare(self, X: Array, in_weight: Array, kernel: Array, arrays: _StepRows) -> None:
        """Put ``c X W_0ᵀ + e X V_0ᵀ`` into D, and ``k X Xᵀ`` into the lower triangle of M."""
        D, M = arrays.D, arrays.M
        weight, bias = self.pattern.weight, self.pattern.bias
        c, e = in_weight[:-1, 0], in_weight[:-1, 1]
        D[...] = self._affine(X, weight.parameter, bias and bias.parameter, c, arrays.columns)
        if weight.velocity is not None:
            D += self._affine(X, weight.velocity, bias and bias.velocity, e, arrays.columns)
        self._syrk(1, X.T, beta=0, c=M.T, trans=1, overwrite_c=1)
        if bias is not None:
            M += 1
        M *= kernel
        if self.batch == 1:
            # The row of a step stands among those before it, so that one product does it all.
            M.flat[:: len(M) + 1] = 1

    def _affine(self, X: Array, weight: Variable, bias: Variable | None, factors: Array,
                columns: Array) -> Array:
        """Return ``f (X Wᵀ + b)``, with a factor f for each step, in the memory of `columns`."""
        W = weight.label.get()
        # By the library that adds Dᵀ X, too: the threads of two would hinder each other. Column by
        # column, as BLAS takes longer to prepare its first factor: that is then the smaller one.
        with blas_threads(self.threads):
            self._gemm(1, X.T, W.T, beta=0, c=columns.T, trans_a=1, overwrite_c=1)
        out = columns.T
        if bias is not None:
            out += bias.label.get()
        if (factors != 1.0).any():
            out *= factors.astype(self._dtype).repeat(self.batch)[:, None]
        return out

    def _losses(self, arrays: _StepRows, given: dict[Variable, Array],
                losses: Sequence[float]) -> tuple[float, float]:
        """Return the sum of the samples' losses, and the last step's loss; all must be finite."""
        n = self.batch
        if self._loss is None:
            total, last = sum(losses) * n, float(losses[-1])
        else:
            forward, target = self._loss.op.forward, given[self._loss.target]
            predictions = arrays.collected[0]
            total = float(forward(predictions, target, reduction="sum"))
            last = float(forward(predictions[-n:], target[-n:], reduction="mean"))
        if not np.isfinite(total):
            raise FloatingPointError(total)
        return total, last

    def _outputs(self, arrays: _StepRows) -> Array | None:
        """Return what the steps return beside their losses; None where that is nothing."""
        return arrays.collected[-1] if self._judged else None

    def _finish(self, X: Array, D: Array, in_weight: Array, in_velocity: Array) -> None:
        """Bring the deferred parameters and their velocities up to date."""
        for deferred in self.pattern.deferred():
            of_bias, velocity = deferred is self.pattern.bias, deferred.velocity
            W = self._own(deferred.parameter)
            V = None if velocity is None else self._own(velocity)
            W_0 = W.copy() if V is not None and in_velocity[0] else W
            self._combine(W, in_weight[0], V, in_weight[1])
            self._add(W, of_bias, in_weight[2:], X, D)
            if velocity is not None and V is not None:
                self._combine(V, in_velocity[1], W_0, in_velocity[0])
                self._add(V, of_bias, in_velocity[2:], X, D)
                self._deferred_puts[velocity](V)
            self._deferred_puts[deferred.parameter](W)

    def _combine(self, to: Array, factor: float, other: Array | None, of_other: float) -> None:
        """Multiply an array by a factor and add a multiple of another one, in place."""
        if factor != 1.0:
            to *= self._dtype.type(factor)
        if other is not None and of_other:
            to += self._dtype.type(of_other) * other

    def _add(self, to: Array, of_bias: bool, factors: Array, X: Array, D: Array) -> None:
        """Add ``Σ factors_i D_iᵀ X_i`` to a parameter or a velocity, in place."""
        weights = factors.astype(self._dtype)
        alpha = weights[0]
        if (weights != alpha).any():
            alpha = self._dtype.type(1)
            D = weights.repeat(self.batch)[:, None] * D
        if of_bias:
            to += alpha * D.sum(axis=0)
        else:
            with blas_threads(self.threads):
                # BLAS stores matrices column by column, so it is Wᵀ + α Xᵀ D.
                self._gemm(alpha, X.T, D.T, beta=1, c=to.T, trans_b=1, overwrite_c=1)


class _StepRows:
    """The arrays that the steps of a block read and write, each step its own rows.

    D holds the derivatives at the pre-activations; before a step, its pre-activation except for the
    changes of the weight within the block, which `columns` is the memory for the computation of. M
    is ``k X Xᵀ``. `parts` lists the part of every step, for each array that a step uses.
    """

    def __init__(self, steps: int, batch: int, z: Variable,
                 collected: Sequence[Variable]) -> None:
        rows = steps * batch
        self.D: Array = np.empty((rows, z.shape[1]), z.dtype)
        self.columns: Array = np.empty((z.shape[1], rows), z.dtype)
        self.M: Array = np.zeros((rows, rows), z.dtype)
        starts = range(0, rows, batch)
        own = 1 if batch == 1 else 0
        self.parts: list[Any] = [
            [self.M[i : i + batch, : i + own] for i in starts],
            [self.D[: i + own] for i in starts],
            [self.D[i : i + batch] for i in starts]]
        self.collected: list[Array] = [
            np.empty((rows, *v.shape[1:]), v.dtype) for v in collected]
        self.parts += [[made[i : i + batch] for i in starts] for made in self.collected]


def _for_block(program: Program, loss: MeanLoss | None) -> tuple[Program, list[Variable]]:
    """Return the program of a step of a block, and those of its results that are collected.

    These are the prediction that the loss is computed from, or else the loss itself is the first
    result, and what the step returns beside its loss. The last result is D.
    """
    first, *outputs, delta = program.results
    collected = list(dict.fromkeys(outputs if loss is None else [loss.prediction, *outputs]))
    results = (*([first] if loss is None else []), *collected, delta)
    kept = remove_dead_code(replace(program, results=results, required=()))[0]
    made = optimize(kept)
    return made, list(made.results[1:-1] if loss is None else made.results[:-1])


def plan(executable: Executable, optimizer: object, steps: int | None = None,
         threads: int = 1) -> Block | None:
    """Return blocks for a step that returns its loss, where they are possible and pay off.

    It may return one array beside it, with a sample in each row.
    `steps` is the number of steps of a block, None for as many as pay off. `threads` is the number
    of BLAS threads for the large products, where they are worth sharing.
    """
    if type(optimizer) is not SGD:
        return None
    pattern = pattern_in(executable.simplified)
    if pattern is None:
        return None
    weight, batch = pattern.weight.parameter.shape, pattern.x.shape[0]
    _, *outputs = executable.simplified.results
    if not all(isinstance(o, Variable) and o.shape[:1] == (batch,) for o in outputs):
        return None
    if steps is None:
        small = weight[0] * weight[1] < SMALLEST_WEIGHT or batch > LARGEST_BATCH
        steps = 1 if small else ROWS // batch
    if steps == 1:
        return None
    shared = threads_that_pay(steps * batch * weight[0] * weight[1]) is None and threads > 1
    return Block(executable, optimizer, pattern, steps, threads if shared else None)
