"""Numerical derivatives, each with a bound of its error.

Steps are relative: an input x moves to ``x + t·v`` with v as long as x, so that φ(t) = f(x + t·v)
has a derivative of the size of f wherever f is neither flat nor steep, whatever the units of x.
All derivatives here are those of φ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array, changed_mode
from tinygrad_mlp.errors import TinygradError
from tinygrad_mlp.verify.probe import NotAnalytic, Probe, analytic

COMPLEX_STEP = 2.0**-100
"""Its square vanishes beside 1 in any precision, and it is far from underflow."""

WIDEST = 2.0**-2
"""The largest step of a sweep."""

ALLOWANCE = 2.0
"""Two derivatives agree if they differ by no more than this many times their rounding errors."""


def typical_size(a: Array) -> Array:
    """For each element the length of its steps: its own size, or that of its neighbours if larger.

    A power of two, so that steps of ``2**-k`` times it are added without rounding. 1 where all
    elements are 0.

    >>> typical_size(np.array([3.0, 1e-9])), typical_size(np.zeros(2))
    (array([2., 2.]), array([1., 1.]))
    """
    largest = np.max(np.abs(a), initial=0)
    if not 0 < largest < np.inf:
        return np.ones(a.shape)
    root_mean_square = largest * np.sqrt(np.mean(np.square(a / largest)))
    size: Array = np.exp2(np.floor(np.log2(np.maximum(np.abs(a), root_mean_square))))
    return size


class Directions:
    """The directions in which one input is moved.

    Args:
        probe: the function.
        leaf: the number of the input.
        vectors: the directions; None for one along each element.
    """

    def __init__(self, probe: Probe, leaf: int, vectors: Sequence[Array] | None = None) -> None:
        self.probe, self.leaf, self.vectors = probe, leaf, vectors
        self.point = probe.point[leaf]
        self.size = typical_size(self.point)

    def __len__(self) -> int:
        return self.point.size if self.vectors is None else len(self.vectors)

    def moved(self, k: int, t: Any) -> list[Array]:
        """The inputs with this one moved by `t` along direction `k`."""
        arrays = list(self.probe.point)
        if isinstance(t, complex):
            arrays = [a.astype(np.result_type(a, np.complex64)) for a in arrays]
        here = arrays[self.leaf]
        if self.vectors is None:
            here = here.copy()
            here.reshape(-1)[k] += t * self.size.flat[k]
        else:
            here = here + t * self.vectors[k]
        arrays[self.leaf] = here
        return arrays

    def values(self, k: int, t: Any) -> Array:
        """φ(t) along direction `k`."""
        return self.probe.values(self.moved(k, t))

    def along(self, gradient: Array) -> Array:
        """The derivatives of φ that a gradient implies, one for each direction."""
        if self.vectors is None:
            return (gradient * self.size).ravel()
        return np.array([np.vdot(gradient, v) for v in self.vectors])

    def unit(self, k: int) -> float:
        """What a derivative of φ is divided by, and a step multiplied with, in the input's units.

        1 for a direction that is not along an element.
        """
        return float(self.size.flat[k]) if self.vectors is None else 1.0

    def vector(self, k: int) -> Array:
        """Direction `k`, of length 1 if it is along an element."""
        if self.vectors is not None:
            return self.vectors[k]
        v = np.zeros(self.point.shape)
        v.flat[k] = 1
        return v

    def finest(self, k: int) -> int:
        """The exponent of the smallest step that is of use: far below the input's own size."""
        own = np.abs(self.point.flat[k]) if self.vectors is None else 1.0
        below = float(np.log2(self.size.flat[k] / own)) if 0 < own < np.inf else 8.0
        bits = -np.log2(self.probe.eps)
        return int(min(0.6 * bits + max(below, 0), bits))


def random_direction(a: Array, rng: np.random.Generator) -> Array:
    """A random vector of the size of `a`, element by element, of few binary digits.

    Few digits, so that steps along it are added with hardly any rounding. Not ±1, so that terms
    of a function do not happen to cancel.
    """
    return np.round(rng.standard_normal(a.shape) * 64) / 64 * typical_size(a)


class Noise:
    """The rounding error of the outputs, as a function of how far the input has moved.

    Where f is small and its surroundings are not (at the minimum of a squared error), the values
    that a difference is made of are less exact than that at the point.
    """

    def __init__(self, directions: Directions, here: Array, rng: np.random.Generator) -> None:
        self.steps = (2 * usual_step(directions.probe.eps), WIDEST)
        self.levels = []
        for t in self.steps:
            here = np.maximum(here, directions.probe.noise(directions.moved(0, t), rng))
            self.levels.append(here)

    def at(self, t: float) -> Array:
        """For steps up to `t`."""
        return self.levels[int(t > self.steps[0])]


def usual_step(eps: float) -> float:
    """The step of the first attempt: where error of truncation and of rounding are both small.

    ``eps^(1/4.4)``, a power of two.
    """
    return float(2.0 ** np.round(np.log2(eps) / 4.4))


class Estimates(NamedTuple):
    """Derivatives along directions (first axis) of all elements of the outputs (second axis).

    Attributes:
        value: the derivatives.
        error: bounds of their errors.
        bent: where the two sides seem to have different slopes.
        step: t.
        method: how they were made, in words.
    """

    value: Array
    error: Array
    bent: Array
    step: float
    method: str


def complex_steps(directions: Directions, here: Array, use_reference: bool) -> Estimates | None:
    """``Im f(x + iε v) / ε``, without subtraction, exact to rounding; None where f cannot.

    Source: Squire and Trapp, SIAM Review 40 (1998).
    """
    found = []
    try:
        with changed_mode(hook=analytic(use_reference)):
            for k in range(len(directions)):
                out = directions.values(k, 1j * COMPLEX_STEP)
                if not np.iscomplexobj(out):
                    return None
                found.append(out.imag / COMPLEX_STEP)
    except (NotAnalytic, TinygradError, TypeError, ValueError, np.exceptions.ComplexWarning):
        return None
    value = np.array(found).reshape(len(directions), -1)
    if not np.isfinite(value[:, np.isfinite(directions.probe.base)]).all():
        return None
    error = 16 * directions.probe.eps * np.abs(value) + 16 * here
    return Estimates(value, error, np.zeros(value.shape, bool), COMPLEX_STEP, "complex step")


def differences(directions: Directions, noise: Noise) -> Estimates:
    """Central differences with one extrapolation, at the step that usually serves best.

    ``D(t) = (φ(t) − φ(−t)) / 2t = φ′ + c t² + …``, so ``(4 D(t) − D(2t)) / 3 = φ′ + O(t⁴)``. As error
    counts that of D(t), and rounding. Two sides with slopes R and L show in
    ``(φ(t) + φ(−t) − 2 φ(0)) / t``, which is R − L for any t, but halves with t where f is smooth.
    """
    probe = directions.probe
    t = usual_step(probe.eps)
    n, rounding = len(directions), noise.at(2 * t) / t
    value, error, bent = (np.zeros((n, probe.base.size), d) for d in (float, float, bool))
    for k in range(n):
        up, down, up2, down2 = (directions.values(k, s * t) for s in (1, -1, 2, -2))
        near, far = (up - down) / (2 * t), (up2 - down2) / (4 * t)
        value[k] = (4 * near - far) / 3
        error[k] = np.abs(near - far) / 3 + 2 * (rounding + probe.eps * np.abs(near) / t)
        jump = np.abs((up - probe.base) - (probe.base - down)) / t
        wide = np.abs((up2 - probe.base) - (probe.base - down2)) / (2 * t)
        bent[k] = (jump > 0.7 * wide) & (jump > 8 * rounding + 1e-5 * np.abs(near))
    return Estimates(value, error, bent, t, "differences")


class Sweep:
    """φ at many steps in one direction, from which its behaviour at 0 is read.

    Each level k gives ``D = (φ(t) − φ(−t)) / 2t`` with a rounding error of about ``η / t``, where η
    is that of φ. Of these the one with the largest step is taken that still agrees, within rounding
    errors, with all at smaller steps: so truncation is no larger than rounding, and no guess of a
    length scale of f is needed. The same for the slopes of the two sides.

    Source: O. Lepski, Theory of Probability and its Applications 35 (1990), for the choice.

    Attributes:
        steps: t of each level, descending.
        value: the derivative of each output element.
        error: a bound of its error.
        step: the step it was taken from.
        sides: the slopes on the left and on the right.
        kink: whether these differ.
        settled: whether the differences agree with each other at several small steps.
        jump: where they do not: whether they grow like ``1 / t``, as at a jump.
        finite: whether f is finite on both sides, close to the point.
    """

    def __init__(self, directions: Directions, k: int, noise: Noise) -> None:
        probe, base = directions.probe, directions.probe.base
        self.steps = 2.0 ** -np.arange(2, max(directions.finest(k), 8) + 1, 2)
        t = self.steps[:, None]
        self.up = np.array([directions.values(k, s) for s in self.steps]) - base
        self.down = base - np.array([directions.values(k, -s) for s in self.steps])
        slopes = (self.up + self.down) / (2 * t)
        fine = np.isfinite(slopes)
        self.noise = self._noise(noise, base, slopes)
        spread = np.where(fine, (self.noise + 4 * probe.eps * np.abs(slopes)) / t, np.inf)
        self.value, self.error, level, agreeing = settled(slopes, spread)
        self.step = self.steps[level]
        left, left_error, _, _ = settled(self.down / t, 2 * spread)
        right, right_error, _, _ = settled(self.up / t, 2 * spread)
        self.sides = np.array([left, right])
        gap, gap_error, _, _ = settled((self.up - self.down) / t, 4 * spread)
        largest = np.max(np.abs(self.sides), axis=0)
        self.kink = np.abs(gap) > gap_error + 1e-5 * largest
        self.sides_error = np.fmax(left_error, right_error)
        self.finite = np.isfinite(base) & fine[-3:].all(axis=0)
        self.settled = self.finite & (agreeing >= 2)
        with np.errstate(invalid="ignore", divide="ignore"):
            growth = np.abs(slopes[-1] / slopes[-3])
        self.jump = self.finite & (growth > 15)

    def _noise(self, noise: Noise, base: Array, slopes: Array) -> Array:
        """η of each level: as observed in advance, or more, if the sweep itself shows more."""
        eps = float(np.finfo(base.dtype).eps)
        levels = np.array([noise.at(t) for t in self.steps])
        # At the smallest steps, what differs from level to level is rounding.
        change = np.abs(np.diff(slopes[-6:], axis=0)) * self.steps[-5:, None]
        scatter = 2 * np.median(np.where(np.isfinite(change), change, 0), axis=0)
        # Where f does not move at all for a while, its values may be coarser than they look:
        # ln(1 + q) does not show the digits that 1 + q has lost. Allow for sums with such a 1.
        stalled = ((self.up == 0) & (self.down == 0)).any(axis=0)
        coarse = np.where(stalled, 2 * eps * np.maximum(1, np.abs(base)), 0)
        return np.maximum(levels, np.maximum(scatter, coarse))

    def order(self, slope: Array, weights: Array, output: slice) -> float | None:
        """The observed order of ``|φ(t) − φ(0) − t φ′(0)|``, if `slope` is φ′(0).

        2 (or more) if it is; 1 if it is something else: then a part ∝ t remains. None where the
        remainder drowns in rounding, as that of a linear function does.

        Args:
            slope: the weighted sum of the derivatives of the output's elements.
            weights: of these elements.
            output: where they stand among all.
        """
        up = self.up[:, output] @ weights - self.steps * slope
        down = self.down[:, output] @ weights - self.steps * slope
        remainder = np.abs(up) + np.abs(down)
        floor = 16 * (self.noise[:, output] @ np.abs(weights))
        floor += 16 * float(np.finfo(float).eps) * np.abs(self.steps * slope)
        seen = np.isfinite(remainder) & (remainder > floor)
        pairs = [
            np.log2(remainder[k] / remainder[k + 1]) / 2
            for k in range(len(self.steps) - 1)
            if seen[k] and seen[k + 1]
        ]
        return float(np.median(pairs[-3:])) if pairs else None


def settled(values: Array, spread: Array) -> tuple[Array, Array, Array, Array]:
    """Of estimates at descending steps, the first that agrees with all that follow.

    Args:
        values: the estimates, one row for each step.
        spread: their rounding errors; infinite for one that does not count.

    Returns:
        The estimate, a bound of its error, its row, and how many rows it agrees with.
    """
    low = np.full(values.shape[1:], -np.inf)
    high = np.full(values.shape[1:], np.inf)
    chosen = np.full(values.shape[1:], len(values) - 1)
    agreeing = np.zeros(values.shape[1:], int)
    going = np.ones(values.shape[1:], bool)
    for k in range(len(values) - 1, -1, -1):
        counts = np.isfinite(spread[k])
        # All pairs of intervals overlap if and only if all have a point in common.
        low = np.where(counts, np.fmax(low, values[k] - ALLOWANCE * spread[k]), low)
        high = np.where(counts, np.fmin(high, values[k] + ALLOWANCE * spread[k]), high)
        going &= low <= high
        chosen = np.where(going & counts, k, chosen)
        agreeing += going & counts
    pick = chosen[None]
    error = 6 * ALLOWANCE * np.take_along_axis(spread, pick, axis=0)[0]
    value = np.take_along_axis(values, pick, axis=0)[0]
    return value, np.where(np.isfinite(value), error, np.inf), chosen, agreeing - 1
