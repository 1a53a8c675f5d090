"""A function along a line: derivatives at many steps, and the kinks and jumps that they show."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd.gradients import ancestors
from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.verify.gradients.directions import WIDEST, Directions, Noise, random_direction
from tinygrad_mlp.verify.gradients.probe import Probe

ALLOWANCE = 2.0
"""Two derivatives agree if they differ by no more than this many times their rounding errors."""

KINK_STEPS = 2.0**-14, 2.0**-20
"""Steps at which the two sides of an operation are compared."""


class Sweep:
    """The function φ at many steps in direction `k`, and its behaviour at 0.

    Each level gives ``D = (φ(t) − φ(−t)) / 2t``, extrapolated from the level before, with a
    rounding error of about ``η / t``, where η is that of φ. Of these the one with the largest step
    is taken that still agrees, within rounding errors, with all at smaller steps: so truncation is
    no larger than rounding, and no guess of a length scale of f is needed. The same for the slopes
    of the two sides, and for the gap between them.

    For each element of the outputs, `value` is the derivative, taken from `step`, and `third` about
    the third derivative, or more. `sides` are the slopes on both sides, which differ at a `kink`;
    at a `jump` f changes by the same, however small the step. `settled` tells whether differences
    agree at several small steps, and `finite` whether f is finite there on both sides.

    Source: O. Lepski, Theory of Probability and its Applications 35 (1990), for the choice.
    """

    def __init__(self, directions: Directions, k: int, noise: Noise, doublings: int = 2) -> None:
        probe, base = directions.probe, directions.probe.base
        self.steps = 2.0 ** -np.arange(-WIDEST, max(directions.finest(k), 24) + 1, doublings)
        self.ratio = ratio = 2**doublings
        t = self.steps[:, None]
        self.up = np.array([directions.values(k, s) for s in self.steps]) - base
        self.down = base - np.array([directions.values(k, -s) for s in self.steps])
        left, right = self.down / t, self.up / t
        slopes = (left + right) / 2
        fine = np.isfinite(slopes)
        self.noise = self._noise(noise, base, slopes)
        size = np.fmax(np.abs(left), np.abs(right))
        spread = np.where(fine, (self.noise + 4 * probe.eps * size) / t, np.inf)
        self.value, self.error, level, agreeing = limit_of(slopes, spread, ratio**2)
        self.step = self.steps[level + 1]
        self.finite = np.isfinite(base) & fine[-3:].all(axis=0)
        self.sides, self.sides_error, self.kink = self._sides(left, right, spread)
        self.settled = (agreeing >= 2) & self._calm(noise.at(0))
        curved = np.nan_to_num(np.abs(slopes - self.value) / t**2, posinf=0)
        self.third = np.max(curved[self.steps < 2.0**-6], axis=0)
        self.jump = self._jumps(noise.at(0))

    def _sides(self, left: Array, right: Array, spread: Array) -> tuple[Array, Array, Array]:
        """Return the slopes of both sides, a bound of their errors, and where they differ."""
        low, low_error, _, _ = limit_of(left, 2 * spread, self.ratio)
        high, high_error, _, _ = limit_of(right, 2 * spread, self.ratio)
        gap, gap_error, _, constant = limit_of(right - left, 4 * spread, self.ratio)
        largest = np.fmax(np.abs(low), np.abs(high))
        differ = (constant >= 2) & (np.abs(gap) > gap_error + 1e-5 * largest)
        return np.array([low, high]), np.fmax(low_error, high_error), self.finite & differ

    def _calm(self, noise: Array) -> Array:
        """Return where f was seen closely enough, and changes by more than its rounding error."""
        near = self.steps < 1
        reach = np.max(np.abs(np.nan_to_num([self.up[near], self.down[near]])), axis=(0, 1))
        # What does not calm down at the smallest steps was not seen closely enough.
        calm = self.scatter <= np.maximum(1e-5 * reach, 4 * noise)
        # What never rises above rounding (cos of 10¹⁵) would seem flat: only its average is seen.
        drowned = (reach > 0) & (reach < 64 * noise)
        return np.asarray(self.finite & calm & ~drowned)

    def _jumps(self, noise: Array) -> Array:
        """Return where the change of f across the point does not shrink with the step."""
        change = (self.up + self.down)[-4:]
        last = change[-1]
        same = (np.sign(change) == np.sign(last)) & (np.abs(change) < 2 * np.abs(last))
        return np.asarray(self.finite & same.all(axis=0) & (np.abs(last) > 64 * noise))

    def _noise(self, noise: Noise, base: Array, slopes: Array) -> Array:
        """Return η of each level: as observed in advance, or more, if the sweep shows more."""
        eps = float(np.finfo(base.dtype).eps)
        levels = np.array([noise.at(t) for t in self.steps])
        # At the smallest steps, what differs from level to level is rounding.
        change = np.abs(np.diff(slopes[-6:], axis=0)) * self.steps[-5:, None]
        self.scatter = 2 * np.median(np.where(np.isfinite(change), change, 0), axis=0)
        # Where f does not move at all for a while, its values may be coarser than they look:
        # ln(1 + q) does not show the digits that 1 + q has lost. Allow for sums with such a 1.
        stalled = ((self.up == 0) & (self.down == 0)).any(axis=0)
        coarse = np.where(stalled, 2 * eps * np.maximum(1, np.abs(base)), 0)
        return np.asarray(np.maximum(levels, np.maximum(self.scatter, coarse)))

    def order(self, slope: float, weights: Array, output: slice) -> float | None:
        """Return the observed order of ``|φ(t) − φ(0) − t φ′(0)|``, if `slope` is φ′(0).

        φ is the weighted sum of the elements at `output`. The order is 2 or more if `slope` is its
        derivative, and 1 if it is not, as a part ∝ t remains. It is None where the rest is lost in
        rounding, as that of a linear function is.
        """
        up = self.up[:, output] @ weights - self.steps * slope
        down = self.down[:, output] @ weights - self.steps * slope
        remainder = np.abs(up) + np.abs(down)
        floor = 16 * (self.noise[:, output] @ np.abs(weights))
        floor += 16 * float(np.finfo(float).eps) * np.abs(self.steps * slope)
        seen = np.isfinite(remainder) & (remainder > floor)
        orders = np.log(remainder[:-1] / remainder[1:])[seen[:-1] & seen[1:]] / np.log(self.ratio)
        if len(orders) < 3:
            return None  # from large steps only, which may have crossed a kink far away
        last = int(np.flatnonzero(seen)[-1])
        if last + 1 < len(self.steps) and remainder[last] > 4 * self.ratio**2 * floor[last + 1]:
            return None  # it did not sink below rounding but end: so it came from far away, too
        return float(np.median(orders[-3:]))


def limit_of(values: Array, spread: Array, factor: int) -> tuple[Array, Array, Array, Array]:
    """Return the limit of estimates, a bound of its error, its row, and how many rows agree.

    Each row of estimates, for descending steps, is freed of an error that shrinks by `factor` from
    row to row; of the results, the first is taken that agrees with all that follow. Where `spread`,
    the rounding error, is infinite, an estimate does not count.
    """
    values = (factor * values[1:] - values[:-1]) / (factor - 1)
    spread = (factor * spread[1:] + spread[:-1]) / (factor - 1)
    shape = values.shape[1:]
    low, high = np.full(shape, -np.inf), np.full(shape, np.inf)
    chosen, agreeing = np.full(shape, len(values) - 1), np.zeros(shape, int)
    going = np.ones(shape, bool)
    for k in range(len(values) - 1, -1, -1):
        counts = np.isfinite(spread[k])
        # All pairs of intervals overlap if and only if all have a point in common.
        low = np.where(counts, np.fmax(low, values[k] - ALLOWANCE * spread[k]), low)
        high = np.where(counts, np.fmin(high, values[k] + ALLOWANCE * spread[k]), high)
        going &= low <= high
        chosen = np.where(going & counts, k, chosen)
        agreeing += going & counts
    # A kink may hide between this step and one 16 times smaller, in the rounding of the latter.
    error = 18 * ALLOWANCE * np.take_along_axis(spread, chosen[None], axis=0)[0]
    value = np.take_along_axis(values, chosen[None], axis=0)[0]
    return value, np.where(np.isfinite(value), error, np.inf), chosen, agreeing - 1


def operation_at_kink(probe: Probe, rng: np.random.Generator) -> str:
    """Return the name of the first operation in the graph that is at a kink or jump, or "".

    A kink of f itself shows in its numbers. But ``|x|²`` has none at 0, while its automatic
    derivative there depends on the convention of an operation (the slope 0 for |x|).
    """
    outputs = probe.record(probe.point).outputs
    roots = [v.node for v in outputs if isinstance(v, Value) and v.node is not None]
    return next((node.op.name for node in ancestors(roots) if _is_at_kink(node, rng)), "")


def _is_at_kink(node: Node, rng: np.random.Generator) -> bool:
    """Return whether an operation has different slopes, or values, on two sides of a point."""
    arrays = node.arrays or ()
    moving = [i for i, parent in enumerate(node) if parent is not None]
    directions = {i: random_direction(np.asarray(arrays[i]), rng) for i in moving}

    def value(t: float) -> Array:
        moved: list[Any] = list(arrays)
        for i, v in directions.items():
            moved[i] = np.asarray(moved[i] + t * v, dtype=arrays[i].dtype)
        outs = node.op.as_tuple(node.op.forward(*moved, **node.static))
        return np.concatenate([np.ravel(out) for out in outs])

    here = value(0.0)
    gaps, jumps, size = [], [], np.abs(here)
    for t in KINK_STEPS:
        up, down = value(t) - here, here - value(-t)
        size = np.fmax(size, np.fmax(np.abs(up), np.abs(down)))
        gaps.append(np.abs(up - down) / t)
        jumps.append(np.abs(up + down))
    eps = float(np.finfo(here.dtype).eps)
    floor = 64 * eps * np.max(size, initial=0, where=np.isfinite(size))
    # Where all is smooth, both shrink with t, by a factor of 64.
    kink = (gaps[1] > 0.5 * gaps[0]) & (gaps[1] > floor / KINK_STEPS[1])
    jump = (jumps[1] > 0.5 * jumps[0]) & (jumps[1] > floor)
    return bool((kink | jump).any())
