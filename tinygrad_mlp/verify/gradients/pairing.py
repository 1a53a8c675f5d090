"""The comparison of automatic and numerical derivatives, entry by entry, and what decides it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.gradients.column import Column
from tinygrad_mlp.verify.gradients.numeric import BY_COMPLEX, BY_REFERENCES, Estimates
from tinygrad_mlp.verify.gradients.report import STATUSES, Pair
from tinygrad_mlp.verify.gradients.steps import Directions
from tinygrad_mlp.verify.gradients.sweep import Sweep

RESOLVED = 1e-4
"""A numeric derivative with a larger relative error than this could hide a mistake in a rule.
Where more than a hundredth of it is allowed, a hundred times that."""

MOST_SWEEPS = 32
"""How many unresolved entries of a pair are given a second chance by a sweep."""

RULE_NOISE = 10.0
"""How many times the rounding observed in its own computation a gradient may be off."""

ALONE = "Differences are too uncertain to show it; the complex step alone does."
"""The note of a mistake that a kink inside of f could make up."""

OK, KINK, UNRELIABLE, NOT_FINITE, WRONG = range(5)
"""Places in `STATUSES`."""


def relative_error(a: Any, n: Any, error: Any, rtol: float) -> Any:
    """``|a − n| / (max(|a|, |n|) + error / rtol)``; infinite for what is not finite.

    >>> float(relative_error(1.25, 1.0, 0.0, 1e-6)), float(relative_error(0.0, 0.0, 0.0, 1e-6))
    (0.2, 0.0)
    """
    size = np.maximum(np.abs(a), np.abs(n)) + error / max(rtol, 1e-300)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(size > 0, np.abs(a - n) / size, 0)
    return np.where(np.isfinite(a) & np.isfinite(n), relative, np.inf)


class Verdict(NamedTuple):
    """What became of an entry.

    Attributes:
        status: its place in `STATUSES`.
        numeric: the derivative of φ that is believed.
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


class Pairing:
    """The entries of one pair: directions of the input in rows, mixtures of the output in columns.

    All are derivatives of φ (see `numeric`); only `pair` speaks in the units of the input.

    Args:
        column: the output.
        directions: of the input.
        estimates: the numerical derivatives.
        swept: gives the sweep along a direction.
        here: the rounding errors of all outputs at the point.
        rtol: the relative error allowed.
        rng: for artificial rounding.
    """

    def __init__(
        self,
        column: Column,
        directions: Directions,
        estimates: Estimates,
        swept: Callable[[int], Sweep],
        here: Array,
        rtol: float,
        rng: np.random.Generator,
    ) -> None:
        self.column, self.directions, self.swept = column, directions, swept
        self.here, self.rtol, self.rng = here[column.output.place], rtol, rng
        self.resolved = max(RESOLVED, 100 * rtol)
        self.step, self.method = estimates.step, estimates.method
        along = [directions.along(row[directions.leaf]) for row in column.gradients]
        self.autograd = np.array(along).reshape(len(along), len(directions)).T
        place, mixtures, fine = column.output.place, column.mixtures, column.finite
        self.numeric, self.error, self.bent = (
            a[:, place] for a in (estimates.value, estimates.error, estimates.bent)
        )
        if mixtures is not None:
            self.numeric = self.numeric @ mixtures.T
            self.error = self.error @ np.abs(mixtures.T)
            self.bent = self.bent @ np.abs(mixtures.T) > 0
            fine = np.full(len(mixtures), fine.all())
        self.errors = relative_error(self.autograd, self.numeric, self.error, rtol)
        self.status = np.where(fine, OK, NOT_FINITE) + np.zeros(self.errors.shape, int)
        self.zero = (self.autograd == 0) & (np.abs(self.numeric) <= self.error)
        self.verdicts: dict[tuple[int, int], Verdict] = {}

    def decide(self) -> None:
        """Look closer at all entries that are contested, and some that are too uncertain."""
        open_to_doubt = self.status == OK
        contested = open_to_doubt & ((self.errors > self.rtol) | self.bent)
        weak = open_to_doubt & ~contested & self.unresolved()
        queue = _largest(self.errors, contested)
        queue += _largest(np.abs(self.autograd), weak)[:MOST_SWEEPS]
        for at in queue:
            verdict = self.verdicts[at] = self._verdict(*at)
            self.numeric[at], self.error[at] = verdict.numeric, verdict.error
            self.errors[at] = relative_error(
                self.autograd[at], self.numeric[at], self.error[at], self.rtol
            )
            self.status[at] = verdict.status
            self.zero[at] = verdict.zero
            if verdict.status == WRONG:
                break  # the rest would be decided likewise, at some cost

    def unresolved(self) -> Array:
        """Which entries are too uncertain to show a mistake."""
        size = np.maximum(np.abs(self.autograd), np.abs(self.numeric))
        return np.asarray(~self.zero & ~(self.error <= self.resolved * size))

    # -- one entry ---------------------------------------------------------------------------

    def _verdict(self, k: int, row: int) -> Verdict:
        """What becomes of an entry whose two numbers differ, or are too uncertain."""
        a, n, error = self.autograd[k, row], self.numeric[k, row], self.error[k, row]
        if np.isnan(a) and self.column.overflow:
            return Verdict(
                NOT_FINITE, n, error, self.step, self.method,
                f"The gradient is NaN: {self.column.overflow}.",
            )  # fmt: skip
        # Where they differ: is it the automatic derivative that is off, by rounding in its rules?
        # If it seems to be far off, see first that this is no kink, which would look the same.
        rounding = self._rounding(k, row) if np.isfinite(a) else 0.0
        little = rounding <= 1e-3 * np.maximum(np.abs(a), np.abs(n))
        if self.errors[k, row] > self.rtol and little and not self.bent[k, row]:
            if self._agree(a, n, error + rounding):
                return Verdict(OK, n, error + rounding, self.step, self.method)
        sweep = self.swept(k)
        place, weights = self.column.output.place, self.column.weights(row)
        used = weights != 0
        value = sweep.value[place][used] @ weights[used]
        swept_error = sweep.error[place][used] @ np.abs(weights[used])
        noise = self.here[used] @ np.abs(weights[used])
        step = float(np.min(sweep.step[place][used]))
        order = sweep.order(a, weights, place) if np.isfinite(a) else None
        zero = bool(
            np.abs(a) <= rounding <= 1e3 * noise and np.abs(value) <= swept_error + rounding
        )
        by_sweep = Verdict(OK, value, swept_error + rounding, step, "sweep", "", order, zero)
        # Where another output leaves its domain, too, NaN is 0 times its infinite derivative.
        if not (sweep.finite if np.isnan(a) else sweep.finite[place][used]).all():
            return by_sweep._replace(status=NOT_FINITE, note="f is not finite close to the point.")
        if not (np.isfinite(a) or self.column.finite.all()):
            return by_sweep._replace(
                status=NOT_FINITE, note="Another element of the output is not finite."
            )
        if sweep.kink[place][used].any():
            return self._at_kink(k, row, sweep, by_sweep)
        if sweep.jump[place][used].any():
            return by_sweep._replace(status=KINK, note="f jumps here: its change does not shrink.")
        resolved = swept_error <= self.resolved * np.abs(value)
        if zero or (np.isinf(a) and not resolved):
            return by_sweep._replace(status=OK if zero else UNRELIABLE)
        if not sweep.settled[place][used].all():
            return by_sweep._replace(
                status=UNRELIABLE, note="What f does at small steps is lost in its rounding error."
            )
        agree = self._agree(a, value, swept_error + rounding)
        if self.method in (BY_COMPLEX, BY_REFERENCES):
            by_complex = by_sweep._replace(
                numeric=n, error=error + rounding, step=self.step, method=self.method
            )
            if self._agree(n, value, swept_error + error):
                if self._agree(a, n, error + rounding):
                    return by_complex
                if not agree:
                    return by_complex._replace(status=WRONG)
                # Far below the rounding of f anything may come from where its parts lose digits.
                visible = np.abs(a - n) > 1e-6 * noise
                if self.method == BY_COMPLEX and visible:
                    return by_complex._replace(status=WRONG, note=ALONE)
            if not agree:
                return by_sweep._replace(
                    status=UNRELIABLE, note="Complex step and differences contradict each other."
                )
        return by_sweep._replace(status=OK if agree else WRONG)

    def _at_kink(self, k: int, row: int, sweep: Sweep, verdict: Verdict) -> Verdict:
        """At a kink the gradient may be anything between the slopes of the two sides."""
        place, weights = self.column.output.place, self.column.weights(row)
        used = weights != 0
        weights, size = weights[used], np.abs(weights[used])
        low, high = np.sort(sweep.sides[:, place][:, used], axis=0)
        middle, half = (low + high) / 2 @ weights, (high - low) / 2 @ size
        slack = sweep.sides_error[place][used] @ size
        slack += self.rtol * (np.abs(middle) + half)
        unit = self.directions.unit(k)
        sides = f"{(middle - half) / unit:.4g} and {(middle + half) / unit:.4g}"
        # Along a direction that moves several elements, their kinks may hide in each other.
        inside = np.abs(self.autograd[k, row] - middle) <= half + slack
        if inside or self.directions.vectors is not None:
            return verdict._replace(status=KINK, note=f"Its two sides have the slopes {sides}.")
        return verdict._replace(
            status=WRONG, note=f"At a kink, but not between the slopes of its sides, {sides}."
        )

    def _agree(self, a: float, n: float, error: float) -> bool:
        return bool(relative_error(a, n, error, self.rtol) <= self.rtol)

    def _rounding(self, k: int, row: int) -> float:
        """What rounding in the rules may do to an entry's automatic derivative."""
        size = self.directions.size
        noise = self.rule_noise(row, self.column.probe.eps) / size
        if self.directions.vectors is None:
            return float(noise.flat[k] * size.flat[k])
        return float(np.linalg.norm(noise * self.directions.vectors[k]))

    def rule_noise(self, row: int, eps: float) -> Array:
        """The same for all elements of the input, times their size."""
        found = self.column.rule_noise(row, eps, self.rng)
        if found is not None:
            return RULE_NOISE * found[self.directions.leaf] * self.directions.size
        # It could not be observed: take that of f for it.
        rounding = 16 * (self.here @ np.abs(self.column.weights(row)))
        return np.full(self.directions.point.shape, rounding * eps / self.column.probe.eps)

    # -- results -----------------------------------------------------------------------------

    def pair(self, order: float | None) -> Pair:
        """The pair with its worst entry, in the units of the input.

        Args:
            order: of the remainder in a random direction, where no sweep of the entry tells it.
        """
        column = self.column
        if self.errors.size == 0:
            return self.described(Verdict(OK, 0.0, 0.0, 0.0, "none"), 0.0, 0.0, 0, 0, 0)
        worst = int(self.status.max())
        unresolved = self.unresolved() & np.isin(self.status, (OK, UNRELIABLE))
        note = ""
        ranking = np.where(self.status == worst, self.errors, -1)
        if worst == OK:
            counts = ~self.zero
            if counts.any() and unresolved[counts].all():
                worst = UNRELIABLE
                note = "The rounding error of f hides how it changes, at any step."
                ranking = np.where(counts, np.abs(self.autograd), -1)
        k, row = (int(i) for i in np.unravel_index(np.argmax(ranking), ranking.shape))
        if worst == NOT_FINITE and not column.finite.all():
            note = "f is not finite at the point."
        found = self.verdicts.get((k, row)) or Verdict(
            worst, self.numeric[k, row], self.error[k, row], self.step, self.method, "", order
        )
        found = found._replace(status=worst, note=found.note or note)
        return self.described(
            found, float(self.autograd[k, row]), float(self.errors[k, row]), k, row,
            int(unresolved.sum()),
        )  # fmt: skip

    def described(
        self, found: Verdict, a: float, relative: float, k: int, row: int, unresolved: int
    ) -> Pair:
        """A pair with the numbers of the entry in direction `k` of mixture `row`."""
        column, directions = self.column, self.directions
        output, filled = column.output, self.errors.size > 0
        by_element = directions.vectors is None and filled
        one_by_one = column.mixtures is None and filled
        unit = directions.unit(k) if filled else 1.0
        return Pair(
            output=output.name,
            input=directions.probe.inputs[directions.leaf],
            status=STATUSES[found.status],
            autograd=a / unit,
            numeric=float(found.numeric) / unit,
            relative_error=relative,
            uncertainty=float(found.error) / unit,
            output_index=index_of(row, output.shape) if one_by_one else None,
            input_index=index_of(k, directions.point.shape) if by_element else None,
            step=found.step * unit,
            method=found.method,
            convergence=found.convergence,
            order=1,
            entries=self.errors.size,
            unresolved=unresolved,
            note=found.note,
            cotangent=column.cotangents[row] if filled else np.zeros(output.shape),
            direction=directions.vector(k) if filled else np.zeros(directions.point.shape),
        )

    def by_element(self) -> Array:
        """The relative errors, the worst over the output: by elements, or by directions."""
        worst: Array = np.max(self.errors, axis=1, initial=0)
        if self.directions.vectors is not None:
            return worst
        return worst.reshape(self.directions.point.shape)


def _largest(values: Array, chosen: Array) -> list[tuple[int, int]]:
    """The places of the chosen values, largest first."""
    places = np.argwhere(chosen)
    order = np.argsort(-values[chosen], kind="stable")
    return [(int(k), int(row)) for k, row in places[order]]


def index_of(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index of the element with number `flat` of an array of `shape`."""
    return tuple(int(i) for i in np.unravel_index(flat, shape)) if shape else ()
