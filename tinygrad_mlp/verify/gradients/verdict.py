"""The verdict on an entry whose automatic and numerical derivatives differ or are uncertain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.gradients.numeric import BY_COMPLEX, BY_REFERENCES
from tinygrad_mlp.verify.gradients.sweep import Sweep

RESOLVED = 1e-4
"""A numeric derivative with a larger relative error than this could hide a mistake in a rule.
Where more than a hundredth of it is allowed, a hundred times that."""

ALONE = "Differences are too uncertain to show it; the complex step alone does."
"""The note of a mistake that a kink inside f could make up."""

OK, KINK, UNRELIABLE, NOT_FINITE, WRONG = range(5)
"""Places in `STATUSES`."""


def relative_error(a: Any, n: Any, error: Any, rtol: float) -> Any:
    """Return ``|a − n| / (max(|a|, |n|) + error / rtol)``; infinite for what is not finite.

    >>> float(relative_error(1.25, 1.0, 0.0, 1e-6)), float(relative_error(0.0, 0.0, 0.0, 1e-6))
    (0.2, 0.0)
    """
    size = np.maximum(np.abs(a), np.abs(n)) + error / max(rtol, 1e-300)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(size > 0, np.abs(a - n) / size, 0)
    return np.where(np.isfinite(a) & np.isfinite(n), relative, np.inf)


class Verdict(NamedTuple):
    """The outcome for an entry.

    Attributes:
        status: its place in `STATUSES`.
        numeric: the derivative of φ that is trusted.
        error: a bound of its error.
        step: t it was taken from.
        method: in words.
        note: the reason.
        convergence: the order of the remainder.
        zero: whether both derivatives are 0, up to rounding.
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
    """An entry of a pair: one direction of the input against one mixture of the output's elements.

    Attributes:
        autograd: the derivative of φ by automatic differentiation.
        numeric: the numerical one.
        error: a bound of its error.
        bent: whether the two sides seem to have different slopes.
        step: t it was taken from.
        method: its name.
        rounding: the rounding error that the gradient rules may have made.
        weights: the weights of the output's elements in the mixture.
        place: the places of these elements among those of all outputs.
        here: the rounding errors of these elements at the point.
        finite: whether these elements are finite there.
        overflow: the operation that produced the first number that is not finite, in words.
        unit: the length of the direction, see `Directions.unit`.
        along_element: whether the direction is along one element.
        rtol: the relative error allowed.
    """

    autograd: float
    numeric: float
    error: float
    bent: bool
    step: float
    method: str
    rounding: float
    weights: Array
    place: slice
    here: Array
    finite: bool
    overflow: str
    unit: float
    along_element: bool
    rtol: float

    def agrees_with(self, numeric: float, error: float) -> bool:
        """Return whether the automatic derivative agrees with a numerical one."""
        return agree(self.autograd, numeric, error, self.rtol)


def agree(a: float, n: float, error: float, rtol: float) -> bool:
    """Return whether two derivatives agree, of which one is known to ± `error`."""
    return bool(relative_error(a, n, error, rtol) <= rtol)


def verdict_of(entry: Entry, sweep_of: Callable[[], Sweep]) -> Verdict:
    """Return the verdict on an entry.

    Args:
        entry: the entry.
        sweep_of: returns the sweep along its direction, which takes time.
    """
    a, n = entry.autograd, entry.numeric
    first = Verdict(OK, n, entry.error, entry.step, entry.method)
    if np.isnan(a) and entry.overflow:
        return first._replace(status=NOT_FINITE, note=f"The gradient is NaN: {entry.overflow}.")
    # Where they differ: is the automatic derivative off, by rounding in its rules? If it seems to
    # be far off, see first that this is no kink, which would look the same.
    first = first._replace(error=entry.error + entry.rounding)
    little = entry.rounding <= 1e-3 * np.maximum(np.abs(a), np.abs(n))
    if little and not entry.bent and not entry.agrees_with(n, entry.error):
        if entry.agrees_with(n, first.error):
            return first
    sweep = sweep_of()
    by_sweep = _swept(entry, sweep)
    return (
        _where_not_differentiable(entry, sweep, by_sweep)
        or _where_unresolved(entry, sweep, by_sweep)
        or _compared(entry, sweep, first, by_sweep)
    )


def _used(entry: Entry, values: Array) -> Array:
    """Return the values of the output's elements that have a weight in the mixture."""
    used: Array = values[..., entry.place][..., entry.weights != 0]
    return used


def _weights(entry: Entry) -> Array:
    return np.asarray(entry.weights[entry.weights != 0])


def _swept(entry: Entry, sweep: Sweep) -> Verdict:
    """Return the derivative that the sweep gives, as a verdict that finds nothing wrong."""
    a, weights = entry.autograd, _weights(entry)
    value, error = float(_used(entry, sweep.value) @ weights), _swept_error(entry, sweep)
    order = sweep.order(a, entry.weights, entry.place) if np.isfinite(a) else None
    small = np.abs(a) <= entry.rounding <= 1e3 * _noise(entry)
    zero = bool(small and np.abs(value) <= error + entry.rounding)
    step = float(np.min(_used(entry, sweep.step)))
    return Verdict(OK, value, error + entry.rounding, step, "sweep", "", order, zero)


def _swept_error(entry: Entry, sweep: Sweep) -> float:
    return float(_used(entry, sweep.error) @ np.abs(_weights(entry)))


def _noise(entry: Entry) -> float:
    return float(entry.here[entry.weights != 0] @ np.abs(_weights(entry)))


def _where_not_differentiable(entry: Entry, sweep: Sweep, by_sweep: Verdict) -> Verdict | None:
    """Return the verdict where f is not finite, has a kink, or jumps; None elsewhere."""
    # Where another output leaves its domain, too, NaN is 0 times its infinite derivative.
    finite = sweep.finite if np.isnan(entry.autograd) else _used(entry, sweep.finite)
    if not finite.all():
        return by_sweep._replace(status=NOT_FINITE, note="f is not finite close to the point.")
    if not (np.isfinite(entry.autograd) or entry.finite):
        note = "Another element of the output is not finite."
        return by_sweep._replace(status=NOT_FINITE, note=note)
    if _used(entry, sweep.kink).any():
        return _at_kink(entry, sweep, by_sweep)
    if _used(entry, sweep.jump).any():
        return by_sweep._replace(status=KINK, note="f jumps here: its change does not shrink.")
    return None


def _at_kink(entry: Entry, sweep: Sweep, by_sweep: Verdict) -> Verdict:
    """Return the verdict at a kink, where any slope between those of the two sides is right."""
    weights = _weights(entry)
    size = np.abs(weights)
    low, high = np.sort(_used(entry, sweep.sides), axis=0)
    middle, half = (low + high) / 2 @ weights, (high - low) / 2 @ size
    slack = _used(entry, sweep.sides_error) @ size + entry.rtol * (np.abs(middle) + half)
    sides = f"{(middle - half) / entry.unit:.4g} and {(middle + half) / entry.unit:.4g}"
    # Along a direction that moves several elements, their kinks may hide in each other.
    if np.abs(entry.autograd - middle) <= half + slack or not entry.along_element:
        return by_sweep._replace(status=KINK, note=f"Its two sides have the slopes {sides}.")
    note = f"At a kink, but not between the slopes of its sides, {sides}."
    return by_sweep._replace(status=WRONG, note=note)


def _where_unresolved(entry: Entry, sweep: Sweep, by_sweep: Verdict) -> Verdict | None:
    """Return the verdict where the numbers cannot show a mistake; None elsewhere."""
    if by_sweep.zero:
        return by_sweep
    allowed = max(RESOLVED, 100 * entry.rtol) * np.abs(by_sweep.numeric)
    if np.isinf(entry.autograd) and not _swept_error(entry, sweep) <= allowed:
        return by_sweep._replace(status=UNRELIABLE)
    if not _used(entry, sweep.settled).all():
        note = "What f does at small steps is lost in its rounding error."
        return by_sweep._replace(status=UNRELIABLE, note=note)
    return None


def _compared(entry: Entry, sweep: Sweep, first: Verdict, by_sweep: Verdict) -> Verdict:
    """Return the verdict from the sweep and, where there is one, the complex step.

    Args:
        entry: the entry.
        sweep: the sweep along its direction.
        first: the derivative that was computed first, as a verdict.
        by_sweep: that of the sweep, as a verdict.
    """
    right = entry.agrees_with(by_sweep.numeric, by_sweep.error)
    if entry.method not in (BY_COMPLEX, BY_REFERENCES):
        return by_sweep._replace(status=OK if right else WRONG)
    first = first._replace(convergence=by_sweep.convergence)
    error = _swept_error(entry, sweep) + entry.error
    if agree(entry.numeric, by_sweep.numeric, error, entry.rtol):
        if entry.agrees_with(first.numeric, first.error):
            return first
        if not right:
            return first._replace(status=WRONG)
        # Far below the rounding of f, any number may come from where its parts lose digits.
        visible = np.abs(entry.autograd - entry.numeric) > 1e-6 * _noise(entry)
        if entry.method == BY_COMPLEX and visible:
            return first._replace(status=WRONG, note=ALONE)
    if right:
        return by_sweep
    note = "Complex step and differences contradict each other."
    return by_sweep._replace(status=UNRELIABLE, note=note)
