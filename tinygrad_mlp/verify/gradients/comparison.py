"""All pairs of outputs and inputs of a function at a point, one input after the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.gradients.column import Column
from tinygrad_mlp.verify.gradients.numeric import by_complex_steps, differences
from tinygrad_mlp.verify.gradients.pairing import Pairing
from tinygrad_mlp.verify.gradients.precision import in_own_precision
from tinygrad_mlp.verify.gradients.probe import Probe
from tinygrad_mlp.verify.gradients.report import Pair
from tinygrad_mlp.verify.gradients.sizes import random_direction
from tinygrad_mlp.verify.gradients.steps import Directions, Noise
from tinygrad_mlp.verify.gradients.sweep import Sweep

MOST_ROWS = 256
"""Outputs with more elements than this are checked in random mixtures instead of one by one."""

MIXTURES = 2
DIRECTIONS = 3


class Comparison:
    """Numerical derivatives of a function, and the pairs that they are compared in.

    Args:
        probe: the function.
        rng: for directions, mixtures and artificial rounding.
        rtol: the relative error allowed.
        fast: whether to take random directions instead of the elements.
        order: the order of the derivative, for the report.
    """

    def __init__(
        self, probe: Probe, rng: np.random.Generator, rtol: float, fast: bool, order: int
    ) -> None:
        self.probe, self.rng, self.rtol, self.fast, self.order = probe, rng, rtol, fast, order
        self.here = probe.noise(probe.point, rng)
        run, own = probe.record(probe.point), probe.record(probe.original)
        self.columns = []
        for number, output in enumerate(probe.outputs):
            if output.size <= (1 if fast else MOST_ROWS):
                cotangents = None
            else:
                cotangents = rng.standard_normal((MIXTURES, *output.shape))
            self.columns.append(Column(probe, number, cotangents, run, own))

    def all_pairs(self) -> list[tuple[Pair, Array]]:
        """Every pair, and the relative errors by the input's elements."""
        return [found for leaf in range(len(self.probe.inputs)) for found in self.of_input(leaf)]

    def of_input(self, leaf: int) -> Iterator[tuple[Pair, Array]]:
        """The pairs of an input with all outputs, and the relative errors by its elements."""
        probe = self.probe
        a = probe.point[leaf]
        vectors = [random_direction(a, self.rng) for _ in range(DIRECTIONS)] if self.fast else None
        directions = Directions(probe, leaf, vectors)
        trial = Directions(probe, leaf, [random_direction(a, self.rng)])
        noise = Noise(trial, self.here, self.rng)
        trial_sweep = Sweep(trial, 0, noise, doublings=4)
        sweeps: dict[int, Sweep] = {}

        def swept(k: int) -> Sweep:
            if k not in sweeps:
                sweeps[k] = Sweep(directions, k, noise)
            return sweeps[k]

        estimates = by_complex_steps(directions, trial, trial_sweep, self.rng)
        if estimates is None:
            estimates = differences(directions, noise)
        for column in self.columns:
            pairing = Pairing(column, directions, estimates, swept, self.here, self.rtol, self.rng)
            pairing.decide()
            pair = in_own_precision(pairing)
            if pair is None:
                pair = pairing.pair(column.order_along(trial, trial_sweep))
            yield pair._replace(order=self.order), pairing.by_element()
