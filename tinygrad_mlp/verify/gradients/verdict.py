"""The verdict on an entry whose automatic and numerical derivatives differ or are uncertain."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.gradients.numeric import BY_COMPLEX, BY_REFERENCES, NumericDerivatives
from tinygrad_mlp.verify.gradients.output_gradients import OutputGradients
from tinygrad_mlp.verify.gradients.report import KINK, NOT_FINITE, OK, UNRELIABLE, WRONG
from tinygrad_mlp.verify.gradients.sweep import Sweep

RESOLVED = 1e-4
"""A numeric derivative with a larger relative error than this could hide a mistake in a rule.
Where more than a hundredth of it is allowed, a hundred times that."""

ALONE = "Differences are too uncertain to show it; the complex step alone does."
"""The note of a mistake that a kink inside f could make up."""


def relative_error(a: Any, n: Array | float, error: Array | float, rtol: float) -> Any:
    """Return ``|a − n| / (max(|a|, |n|) + error / rtol)``; infinite for what is not finite.

    >>> float(relative_error(1.25, 1.0, 0.0, 1e-6)), float(relative_error(0.0, 0.0, 0.0, 1e-6))
    (0.2, 0.0)
    """
    size = np.maximum(np.abs(a), np.abs(n)) + error / max(rtol, 1e-300)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(size > 0, np.abs(a - n) / size, 0)
    return np.where(np.isfinite(a) & np.isfinite(n), relative, np.inf)


class Verdict(NamedTuple):
    """The outcome for an entry: its place in `STATUSES`, and the derivative of φ that is trusted.

    Both derivatives may be `zero` up to rounding. `convergence` is the order of the remainder.
    """

    status: int
    numeric: float
    error: float
    step: float
    method: str
    note: str = ""
    convergence: float | None = None
    zero: bool = False


class Entry(NamedTuple):
    """An entry of a pair: one direction `k` of the input against one mixture of the output.

    `autograd` and `numeric` are its derivatives, `error` bounds that of the numeric one, `rounding`
    that of the gradient rules. In a `bent` entry the two sides seem to have different slopes.
    """

    column: OutputGradients
    numbers: NumericDerivatives
    k: int
    row: int
    autograd: float
    numeric: float
    error: float
    bent: bool
    rounding: float
    rtol: float

    def agrees_with(self, numeric: float, error: float) -> bool:
        """Return whether the automatic derivative agrees with a numerical one."""
        return bool(relative_error(self.autograd, numeric, error, self.rtol) <= self.rtol)

    @property
    def weights(self) -> Array:
        """The weights in the mixture that are not 0."""
        weights = self.column.weights[self.row]
        return np.asarray(weights[weights != 0])

    def used(self, values: Array) -> Array:
        """Return the values of the output's elements that have a weight in the mixture."""
        own: Array = values[..., self.column.output.place]
        return own[..., self.column.weights[self.row] != 0]

    def mix_errors(self, errors: Array) -> float:
        """Return a bound of the mixture's error from those of the elements."""
        return float(self.used(errors) @ np.abs(self.weights))


def judge(entry: Entry) -> Verdict:
    """Return the verdict on an entry."""
    a, n, estimates = entry.autograd, entry.numeric, entry.numbers.estimates
    first = Verdict(OK, n, entry.error, estimates.step, estimates.method)
    if np.isnan(a) and entry.column.overflow:
        note = f"The gradient is NaN: {entry.column.overflow}."
        return first._replace(status=NOT_FINITE, note=note)
    # Where they differ: is the automatic derivative off, by rounding in its rules? If it seems to
    # be far off, see first that this is no kink, which would look the same.
    first = first._replace(error=entry.error + entry.rounding)
    little = entry.rounding <= 1e-3 * np.maximum(np.abs(a), np.abs(n))
    if little and not entry.bent and not entry.agrees_with(n, entry.error):
        if entry.agrees_with(n, first.error):
            return first
    sweep = entry.numbers.sweep(entry.k)
    by_sweep = _swept(entry, sweep)
    return (
        _where_not_differentiable(entry, sweep, by_sweep)
        or _where_unresolved(entry, sweep, by_sweep)
        or _compared(entry, sweep, first, by_sweep))


def _swept(entry: Entry, sweep: Sweep) -> Verdict:
    """Return the derivative that the sweep gives, as a verdict that finds nothing wrong."""
    a, column = entry.autograd, entry.column
    value, error = float(entry.used(sweep.value) @ entry.weights), entry.mix_errors(sweep.error)
    order = None
    if np.isfinite(a):
        order = sweep.order(a, column.weights[entry.row], column.output.place)
    small = np.abs(a) <= entry.rounding <= 1e3 * entry.mix_errors(entry.numbers.here)
    zero = bool(small and np.abs(value) <= error + entry.rounding)
    step = float(np.min(entry.used(sweep.step)))
    return Verdict(OK, value, error + entry.rounding, step, "sweep", "", order, zero)


def _where_not_differentiable(entry: Entry, sweep: Sweep, by_sweep: Verdict) -> Verdict | None:
    """Return the verdict where f is not finite, has a kink, or jumps; None elsewhere."""
    # Where another output leaves its domain, too, NaN is 0 times its infinite derivative.
    finite = sweep.finite if np.isnan(entry.autograd) else entry.used(sweep.finite)
    if not finite.all():
        return by_sweep._replace(status=NOT_FINITE, note="f is not finite close to the point.")
    if not (np.isfinite(entry.autograd) or entry.column.finite.all()):
        note = "Another element of the output is not finite."
        return by_sweep._replace(status=NOT_FINITE, note=note)
    if entry.used(sweep.kink).any():
        return _at_kink(entry, sweep, by_sweep)
    if entry.used(sweep.jump).any():
        return by_sweep._replace(status=KINK, note="f jumps here: its change does not shrink.")
    return None


def _at_kink(entry: Entry, sweep: Sweep, by_sweep: Verdict) -> Verdict:
    """Return the verdict at a kink, where any slope between those of the two sides is right."""
    directions, weights = entry.numbers.directions, entry.weights
    low, high = np.sort(entry.used(sweep.sides), axis=0)
    middle, half = (low + high) / 2 @ weights, (high - low) / 2 @ np.abs(weights)
    slack = entry.mix_errors(sweep.sides_error) + entry.rtol * (np.abs(middle) + half)
    unit = directions.unit(entry.k)
    sides = f"{(middle - half) / unit:.4g} and {(middle + half) / unit:.4g}"
    # Along a direction that moves several elements, their kinks may hide in each other.
    if np.abs(entry.autograd - middle) <= half + slack or directions.vectors is not None:
        return by_sweep._replace(status=KINK, note=f"Its two sides have the slopes {sides}.")
    note = f"At a kink, but not between the slopes of its sides, {sides}."
    return by_sweep._replace(status=WRONG, note=note)


def _where_unresolved(entry: Entry, sweep: Sweep, by_sweep: Verdict) -> Verdict | None:
    """Return the verdict where the numbers cannot show a mistake; None elsewhere."""
    if by_sweep.zero:
        return by_sweep
    allowed = max(RESOLVED, 100 * entry.rtol) * np.abs(by_sweep.numeric)
    if np.isinf(entry.autograd) and not entry.mix_errors(sweep.error) <= allowed:
        return by_sweep._replace(status=UNRELIABLE)
    if not entry.used(sweep.settled).all():
        note = "What f does at small steps is lost in its rounding error."
        return by_sweep._replace(status=UNRELIABLE, note=note)
    return None


def _compared(entry: Entry, sweep: Sweep, first: Verdict, by_sweep: Verdict) -> Verdict:
    """Return the verdict from the sweep and, where there is one, the complex step in `first`."""
    right = entry.agrees_with(by_sweep.numeric, by_sweep.error)
    if first.method not in (BY_COMPLEX, BY_REFERENCES):
        return by_sweep._replace(status=OK if right else WRONG)
    first = first._replace(convergence=by_sweep.convergence)
    error = entry.mix_errors(sweep.error) + entry.error
    if relative_error(entry.numeric, by_sweep.numeric, error, entry.rtol) <= entry.rtol:
        if entry.agrees_with(first.numeric, first.error):
            return first
        if not right:
            return first._replace(status=WRONG)
        # Far below the rounding of f, any number may come from where its parts lose digits.
        noise = entry.mix_errors(entry.numbers.here)
        visible = np.abs(entry.autograd - entry.numeric) > 1e-6 * noise
        if first.method == BY_COMPLEX and visible:
            return first._replace(status=WRONG, note=ALONE)
    if right:
        return by_sweep
    note = "Complex step and differences contradict each other."
    return by_sweep._replace(status=UNRELIABLE, note=note)
