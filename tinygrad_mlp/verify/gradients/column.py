"""One output of a function, and its gradients."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tinygrad_mlp.autograd.backward import ancestors, finite, first_non_finite
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.verify.gradients.probe import Probe, Recording
from tinygrad_mlp.verify.gradients.rounding import data_of, several
from tinygrad_mlp.verify.gradients.steps import Directions
from tinygrad_mlp.verify.gradients.sweep import Sweep


class Column:
    """One output: what is asked of it, and the gradients that automatic differentiation gives.

    Args:
        probe: the function.
        number: of the output.
        cotangents: mixtures of its elements; None to take them one by one.
        run: the function recorded in the precision of the check.
        own: the same in the precision of the inputs as they were given.
    """

    def __init__(
        self, probe: Probe, number: int, cotangents: Array | None, run: Recording, own: Recording
    ) -> None:
        self.probe, self.number = probe, number
        self.output = probe.outputs[number]
        self.mixtures = None
        if cotangents is None:
            cotangents = np.eye(self.output.size).reshape(self.output.size, *self.output.shape)
        else:
            self.mixtures = cotangents.reshape(len(cotangents), -1)
        self.cotangents = cotangents
        self.finite = np.isfinite(probe.base[self.output.place])
        self.gradients = [run.pull(number, u) for u in cotangents]
        self.own_gradients = [own.pull(number, u) for u in cotangents]
        result = np.asarray(data_of(own.outputs[number]))
        dtypes = [result.dtype, *(x.data.dtype for x in own.inputs)]
        self.own_dtype = max(dtypes, key=lambda dtype: float(np.finfo(dtype).eps))
        self._own = own
        self._run = run.outputs[number]
        self._noise: dict[tuple[int, float], list[Array] | None] = {}

    def weights(self, row: int) -> Array:
        """Of the output's elements in a mixture."""
        weights: Array = self.cotangents[row].ravel()
        return weights

    def rule_noise(self, row: int, eps: float, rng: np.random.Generator) -> list[Array] | None:
        """By how much rounding may change the gradients of a mixture; see `Probe.rule_noise`."""
        if (row, eps) not in self._noise:
            found = self.probe.rule_noise(self.number, self.cotangents[row], eps, rng)
            self._noise[row, eps] = found
        return self._noise[row, eps]

    @cached_property
    def overflow(self) -> str:
        """What made the first number in the computation that is not finite; nothing if all are."""
        root = self._run
        if not isinstance(root, Value) or root.node is None:
            return ""
        outs = [out for node in ancestors([root.node]) for out in several(node.out)]
        return "" if all(map(finite, outs)) else first_non_finite(root)

    def own_range_left(self, row: int) -> bool:
        """Whether numbers overflow or underflow where the precision is that of the inputs."""
        try:
            with np.errstate(over="raise", under="raise", invalid="raise", divide="raise"):
                self.probe.record(self.probe.original).pull(self.number, self.cotangents[row])
        except ArithmeticError:
            return True
        return False

    def order_along(self, trial: Directions, sweep: Sweep) -> float | None:
        """The order of the remainder in a random direction, for a mixture of the elements."""
        if not self.gradients or not self.finite.all():
            return None
        rows = range(len(self.gradients)) if self.mixtures is None else range(1)
        slopes = np.array([trial.along(self.gradients[row][trial.leaf])[0] for row in rows])
        factors = np.cos(np.arange(len(slopes)))  # as irregular as random ones
        weights = factors @ np.array([self.weights(row) for row in rows])
        slope = factors @ slopes
        return sweep.order(slope, weights, self.output.place) if np.isfinite(slope) else None
