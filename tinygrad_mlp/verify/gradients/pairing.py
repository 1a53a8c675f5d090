"""One output against one input: automatic and numerical derivatives, compared entry by entry."""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.gradients.directions import Directions, index_of
from tinygrad_mlp.verify.gradients.numeric import NumericDerivatives
from tinygrad_mlp.verify.gradients.output_gradients import OutputGradients
from tinygrad_mlp.verify.gradients.report import NOT_FINITE, OK, STATUSES, UNRELIABLE, WRONG, Pair
from tinygrad_mlp.verify.gradients.verdict import RESOLVED, Entry, Verdict, judge, relative_error

MOST_SWEEPS = 32
"""Number of unresolved entries of a pair that are given a second chance by a sweep."""

RULE_NOISE = 10.0
"""The error allowed in a gradient, in multiples of the rounding observed in its computation."""


class Pairing:
    """The entries of one pair: directions of the input in rows, mixtures of the output in columns.

    All are derivatives of φ (see `directions`); only a `Pair` has the units of the input.
    """

    def __init__(self, column: OutputGradients, numbers: NumericDerivatives, rtol: float,
                 rng: np.random.Generator) -> None:
        self.column, self.numbers, self.directions = column, numbers, numbers.directions
        self.here, self.rtol, self.rng = numbers.here[column.output.place], rtol, rng
        estimates, leaf = numbers.estimates, self.directions.leaf
        along = [self.directions.along(row[leaf]) for row in column.gradients]
        self.autograd = np.array(along).reshape(len(along), len(self.directions)).T
        self.numeric = column.mix(estimates.value)
        self.error = column.mix_errors(estimates.error)
        self.bent = column.mix_errors(estimates.bent) > 0
        fine = column.finite.all() if column.mixed else column.finite
        self.errors = relative_error(self.autograd, self.numeric, self.error, rtol)
        self.status = np.where(fine, OK, NOT_FINITE) + np.zeros(self.errors.shape, int)
        self.zero = (self.autograd == 0) & (np.abs(self.numeric) <= self.error)
        self.verdicts: dict[tuple[int, int], Verdict] = {}
        self._decide()

    def _decide(self) -> None:
        """Look closer at all entries that are contested, and some that are too uncertain."""
        undecided = self.status == OK
        contested = undecided & ((self.errors > self.rtol) | self.bent)
        weak = undecided & ~contested & self._unresolved()
        queue = _largest(self.errors, contested)
        queue += _largest(np.abs(self.autograd), weak)[:MOST_SWEEPS]
        for at in queue:
            a = self.autograd[at]
            rounding = self._rounding(*at) if np.isfinite(a) else 0.0
            found = self.verdicts[at] = judge(Entry(
                self.column, self.numbers, *at, a, self.numeric[at], self.error[at], self.bent[at],
                rounding, self.rtol))
            self.numeric[at], self.error[at] = found.numeric, found.error
            self.errors[at] = relative_error(a, found.numeric, found.error, self.rtol)
            self.status[at], self.zero[at] = found.status, found.zero
            if found.status == WRONG:
                break  # the rest would be decided likewise, at some cost

    def _unresolved(self) -> Array:
        """Return which entries are too uncertain to show a mistake."""
        size = np.maximum(np.abs(self.autograd), np.abs(self.numeric))
        allowed = max(RESOLVED, 100 * self.rtol) * size
        return np.asarray(~self.zero & ~(self.error <= allowed))

    def _rounding(self, k: int, row: int) -> float:
        """Return by how much rounding in the rules may change an entry's automatic derivative."""
        noise = self._rule_noise(row, self.column.probe.eps)
        if self.directions.vectors is None:
            return float(noise.flat[k] * self.directions.size.flat[k])
        return float(np.linalg.norm(noise * self.directions.vectors[k]))

    def _rule_noise(self, row: int, eps: float) -> Array:
        """Return the same for the gradient with respect to each element of the input."""
        found = self.column.rule_noise(row, eps, self.rng)
        if found is not None:
            return RULE_NOISE * found[self.directions.leaf]
        # It could not be observed: assume that of f.
        rounding = 16 * (self.here @ np.abs(self.column.weights[row]))
        return np.asarray(rounding * eps / self.column.probe.eps / self.directions.size)

    def pair(self) -> Pair:
        """Return the pair with its worst entry, in the units of the input."""
        if self.errors.size == 0:
            return self._empty_pair()
        in_own_precision = self._wrong_in_own_precision()
        if in_own_precision is not None:
            return in_own_precision
        worst, note = int(self.status.max()), ""
        unresolved = self._unresolved() & np.isin(self.status, (OK, UNRELIABLE))
        ranking = np.where(self.status == worst, self.errors, -1)
        counts = ~self.zero
        if worst == OK and counts.any() and unresolved[counts].all():
            worst, note = UNRELIABLE, "The rounding error of f hides how it changes, at any step."
            ranking = np.where(counts, np.abs(self.autograd), -1)
        k, row = (int(i) for i in np.unravel_index(np.argmax(ranking), ranking.shape))
        if worst == NOT_FINITE and not self.column.finite.all():
            note = "f is not finite at the point."
        estimates = self.numbers.estimates
        found = self.verdicts.get((k, row)) or Verdict(
            worst, self.numeric[k, row], self.error[k, row], estimates.step, estimates.method,
            convergence=self._convergence())
        found = found._replace(status=worst, note=found.note or note)
        a, error = float(self.autograd[k, row]), float(self.errors[k, row])
        return self._described(found, a, error, k, row, int(unresolved.sum()))

    def _convergence(self) -> float | None:
        """Return the order of the remainder in a random direction, for a mixture of all rows."""
        column, trial = self.column, self.numbers.trial
        if not column.gradients or not column.finite.all():
            return None
        gradients = column.gradients[:1] if column.mixed else column.gradients
        slopes = np.array([trial.along(row[trial.leaf])[0] for row in gradients])
        factors = np.cos(np.arange(len(slopes)))  # as irregular as random ones
        slope = factors @ slopes
        if not np.isfinite(slope):
            return None
        weights = factors @ column.weights[: len(slopes)]
        return self.numbers.trial_sweep.order(slope, weights, column.output.place)

    def _wrong_in_own_precision(self) -> Pair | None:
        """Return a pair that tells where the gradient is wrong in the input's own precision.

        The rules were checked in double precision; in their own, gradients may be off by rounding.
        """
        column, elements = self.column, Directions(self.column.probe, self.directions.leaf)
        limits, size = np.finfo(column.own_dtype), elements.size
        eps, precision = float(limits.eps), column.probe.eps
        if eps <= precision or (self.status == WRONG).any():
            return None
        for row in range(len(column.gradients)):
            a = column.own_gradients[row][elements.leaf].astype(size.dtype) * size
            n = column.gradients[row][elements.leaf] * size
            allowed = 3 * np.sqrt(eps) * np.maximum(np.abs(a), np.abs(n)) + limits.tiny / eps * size
            allowed += 32 * eps / precision * (self.here @ np.abs(column.weights[row]))
            lost = ~np.isfinite(a) & np.isfinite(n)
            off = np.where(np.isfinite(a) & np.isfinite(n), np.abs(a - n), 0)
            if (off > allowed).any():
                allowed += self._rule_noise(row, eps) * size
            if not (lost.any() or (off > allowed).any()):
                continue
            with np.errstate(divide="ignore", invalid="ignore"):
                k = int(np.argmax(np.where(lost, np.inf, np.nan_to_num(off / allowed))))
            status = WRONG
            note = f"autograd is the gradient in {column.own_dtype}, numeric in double precision."
            if column.leaves_own_range(row):
                status = NOT_FINITE
                note = f"The computation leaves the range of {column.own_dtype}."
            found = Verdict(status, n.flat[k], allowed.flat[k], 0.0, "double precision", note)
            error = float(relative_error(a.flat[k], n.flat[k], 0.0, self.rtol))
            return self._described(found, float(a.flat[k]), error, k, row, directions=elements)
        return None

    def _empty_pair(self) -> Pair:
        """Return the pair where the output or the input has no elements."""
        output, directions = self.column.output, self.directions
        return Pair(output=output.name, input=directions.probe.inputs[directions.leaf], status="ok",
                    autograd=0.0, numeric=0.0, relative_error=0.0, uncertainty=0.0,
                    output_index=None, input_index=None, step=0.0, method="none", convergence=None,
                    order=1, entries=0, unresolved=0, note="", cotangent=np.zeros(output.shape),
                    direction=np.zeros(directions.point.shape))

    def _described(self, found: Verdict, a: float, relative: float, k: int, row: int,
                   unresolved: int = 0, directions: Directions | None = None) -> Pair:
        """Return a pair with the numbers of the entry in direction `k` of mixture `row`."""
        column, directions = self.column, directions or self.directions
        unit, by_element = directions.unit(k), directions.vectors is None
        return Pair(
            output=column.output.name, input=directions.probe.inputs[directions.leaf],
            status=STATUSES[found.status], autograd=a / unit, numeric=float(found.numeric) / unit,
            relative_error=relative, uncertainty=float(found.error) / unit,
            output_index=None if column.mixed else index_of(row, column.output.shape),
            input_index=index_of(k, directions.point.shape) if by_element else None,
            step=found.step * unit, method=found.method, convergence=found.convergence, order=1,
            entries=self.errors.size, unresolved=unresolved, note=found.note,
            cotangent=column.cotangents[row], direction=directions.vector(k))

    def by_element(self) -> Array:
        """Return the relative errors, the worst over the output: by elements, or by directions."""
        worst: Array = np.max(self.errors, axis=1, initial=0)
        if self.directions.vectors is not None:
            return worst
        return worst.reshape(self.directions.point.shape)


def _largest(values: Array, chosen: Array) -> list[tuple[int, int]]:
    """Return the places of the chosen values, largest first."""
    places = np.argwhere(chosen)
    order = np.argsort(-values[chosen], kind="stable")
    return [(int(k), int(row)) for k, row in places[order]]
