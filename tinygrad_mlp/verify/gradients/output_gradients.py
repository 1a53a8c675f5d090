"""One output of a function and its automatic gradients with respect to all inputs."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from tinygrad_mlp.autograd.describe import finite, first_non_finite
from tinygrad_mlp.autograd.gradients import ancestors
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.verify.gradients.probe import Probe, ProbeTape, data_of

MOST_ROWS = 256
"""Outputs with more elements than this are checked in random mixtures instead of one by one."""

MIXTURES = 2


class OutputGradients:
    """One output and the gradients that automatic differentiation gives for it.

    The output's elements are taken one by one or, where these are too many (for `fast`: where
    there are several), in random mixtures: each row of `cotangents` holds the weights of one
    mixture. `own_tape` is recorded in the precision of the inputs as they were given.
    """

    def __init__(self, probe: Probe, number: int, tape: ProbeTape, own_tape: ProbeTape,
                 rng: np.random.Generator, fast: bool) -> None:
        self.probe, self.number = probe, number
        self.output = output = probe.outputs[number]
        size = math.prod(output.shape)
        self.mixed = size > (1 if fast else MOST_ROWS)
        if self.mixed:
            self.cotangents = rng.standard_normal((MIXTURES, *output.shape))
        else:
            self.cotangents = np.eye(size).reshape(size, *output.shape)
        self.weights = self.cotangents.reshape(len(self.cotangents), size)
        self.finite = np.isfinite(probe.base[output.place])
        self.gradients = [tape.pull(number, u) for u in self.cotangents]
        self.own_gradients = [own_tape.pull(number, u) for u in self.cotangents]
        dtypes = [np.asarray(data_of(own_tape.outputs[number])).dtype]
        dtypes += [x.data.dtype for x in own_tape.inputs]
        self.own_dtype = max(dtypes, key=lambda dtype: float(np.finfo(dtype).eps))
        self._recorded = tape.outputs[number]
        self._rule_noise: dict[tuple[int, float], list[Array] | None] = {}

    def mix(self, values: Array) -> Array:
        """Return the mixtures of values of all outputs' elements, given along the last axis."""
        own = values[..., self.output.place]
        return np.asarray(own @ self.weights.T) if self.mixed else own

    def mix_errors(self, errors: Array) -> Array:
        """Return bounds of the mixtures' errors from bounds of the errors of the elements."""
        own = errors[..., self.output.place]
        return np.asarray(own @ np.abs(self.weights.T)) if self.mixed else own

    def rule_noise(self, row: int, eps: float, rng: np.random.Generator) -> list[Array] | None:
        """Return by how much rounding may change a mixture's gradients; see `Probe.rule_noise`."""
        if (row, eps) not in self._rule_noise:
            found = self.probe.rule_noise(self.number, self.cotangents[row], eps, rng)
            self._rule_noise[row, eps] = found
        return self._rule_noise[row, eps]

    @cached_property
    def overflow(self) -> str:
        """The origin of the first number in the computation that is not finite, or ""."""
        root = self._recorded
        if not isinstance(root, Value) or root.node is None:
            return ""
        outs = [out for node in ancestors([root.node]) for out in node.op.as_tuple(node.out)]
        return "" if all(map(finite, outs)) else first_non_finite(root)

    def leaves_own_range(self, row: int) -> bool:
        """Return whether numbers overflow or underflow in the precision of the inputs."""
        try:
            with np.errstate(over="raise", under="raise", invalid="raise", divide="raise"):
                self.probe.record(self.probe.original).pull(self.number, self.cotangents[row])
        except ArithmeticError:
            return True
        return False
