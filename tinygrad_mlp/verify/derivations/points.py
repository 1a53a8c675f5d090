"""A person's gradients and the right ones at a point, and how far apart rounding lets them be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify.derivations.answers import Answer, read_answer
from tinygrad_mlp.verify.derivations.arguments import WHO, AtPoint
from tinygrad_mlp.verify.derivations.cases import GradientCase
from tinygrad_mlp.verify.derivations.mutations import Mutations
from tinygrad_mlp.verify.derivations.replay import RecordedLoss
from tinygrad_mlp.verify.derivations.report import Row
from tinygrad_mlp.verify.further_points import moved
from tinygrad_mlp.verify.reading.returned import in_shape
from tinygrad_mlp.verify.rounding_noise import TRIALS

SAFETY = 64.0
"""The error allowed in a right derivation, in multiples of the rounding seen in trials."""

LARGEST_JITTER = 1e-6
"""More than this, relative to the largest element, is no rounding of a person's formula."""

NEARBY, NEIGHBOURS, ALIKE = 1e-4, 16, 0.7
"""The distance and number of neighbours of a point, and how far the mean of their differences must
reach for these to count as alike: of 16 independent errors, it reaches a quarter of their size."""

ORDINARY_JITTER = 1024
"""Rounding of a person's formula, in units of the last place, that is not worth a word."""


class Handed(NamedTuple):
    """What is to be checked: the loss, and the gradients, by a function or in numbers.

    The right gradients are those of `gradient`, if it is given, and those of the graph otherwise.
    `resolution` times the rounding of a parameter is that of a gradient read from its update.
    The person's gradients are `scale` times those of the loss.
    """

    loss: AtPoint
    derived: AtPoint | Any
    gradient: AtPoint | None
    rng: np.random.Generator
    rtol: float | None
    resolution: float = 0.0
    scale: float = 1.0

    def answer(self, parameters: Mapping[str, Array]) -> Answer:
        """Return the person's gradients at a point, from copies of the parameters."""
        if not isinstance(self.derived, AtPoint):
            answer = read_answer(self.derived, list(parameters))
        else:
            found = self.derived({name: value.copy() for name, value in parameters.items()})
            names = [name for name in self.derived.order if name in parameters]
            answer = read_answer(found, names, self.derived.said)
        fitted = {name: in_shape(gradient if self.scale == 1 else gradient / self.scale,
                                 parameters[name])
                  for name, gradient in answer.gradients.items()}
        others = {name: gradient.shape for name, gradient in answer.gradients.items()
                  if fitted[name].shape != gradient.shape}
        return answer._replace(gradients=fitted, reshaped=others)


class Point:
    """The person's gradients and the right ones at one point; `number` is 0 for the given one."""

    def __init__(self, handed: Handed, parameters: Mapping[str, Array], number: int = 0) -> None:
        self.handed, self.parameters, self.number = handed, parameters, number
        self.exact = None
        if handed.gradient is None:
            self.exact = RecordedLoss(handed.loss, parameters, exact=True)
            self.right, _ = self.exact.replay()
        else:
            self.right = self._by_function(handed.gradient, parameters)
        self.answer = handed.answer(parameters)
        self.given = self.answer.gradients
        # The coarsest precision of the numbers involved counts.
        numbers = (*parameters.values(), *self.given.values(), *self.right.values())
        self.eps = max(float(np.finfo(a.dtype).eps) for a in numbers)

    @cached_property
    def plain(self) -> RecordedLoss | None:
        """The graph with cross entropies not fused, which people see and derive; None without one.

        Recorded when it is asked for: where gradients are right, nobody does.
        """
        if self.exact is None:
            return None
        with np.errstate(all="ignore"):  # at a further point, log(p) may be that of 0
            return RecordedLoss(self.handed.loss, self.parameters)

    @cached_property
    def _mutations(self) -> Mutations:
        assert self.plain is not None
        return Mutations(self.plain)

    def _by_function(self, gradient: AtPoint, parameters: Mapping[str, Array]) -> dict[str, Array]:
        """Return the gradients by the function that was given for them."""
        found = gradient({name: value.copy() for name, value in parameters.items()})
        right = read_answer(found, [n for n in gradient.order if n in parameters]).gradients
        for name, value in parameters.items():
            if name not in right or right[name].shape != value.shape:
                got = right[name].shape if name in right else "none"
                raise InvalidArgumentError(
                    f"{WHO}: gradient must give a gradient of the shape {value.shape} for {name}. "
                    f"Got {got}.")
        return right

    def moved(self, number: int, reach: float, *, freely: bool = False) -> Point:
        """Draw a further point, `reach` times its size away; see `further_points`."""
        rng = self.handed.rng
        shifted = {
            name: moved(value, reach, rng, freely=freely)
            for name, value in self.parameters.items()}
        with np.errstate(all="ignore"):
            return Point(self.handed, shifted, number)

    def case(self, name: str) -> GradientCase:
        """Return the comparison of one parameter, for the diagnosis."""
        return GradientCase(name, self._mutations, self.right[name], self.given[name])

    def row(self, name: str) -> Row:
        """Return the comparison of one parameter, for the report."""
        person, right = self.given[name], self.right[name]
        allowed = self.allowed(name)
        size = largest(right) or 1.0
        tolerance = float(allowed.max(initial=0)) / size
        if person.shape != right.shape or person.size == 0:
            ok = person.shape == right.shape
            error = 0.0 if ok else np.inf
            return Row(name, ok, error, tolerance, None, np.nan, np.nan, self.number)
        difference = self.difference(name)
        excess = difference - allowed
        worst = tuple(int(i) for i in np.unravel_index(np.argmax(excess), excess.shape))
        ok, error = bool((excess <= 0).all()), float(difference.max()) / size
        mine, true = float(person[worst]), float(right[worst])
        return Row(name, ok, error, tolerance, worst, mine, true, self.number)

    def difference(self, name: str) -> Array:
        """Return the distance of each element from the right one; 0 where that is not finite."""
        person, right = self.given[name], self.right[name]
        with np.errstate(invalid="ignore"):
            difference = np.abs(person - right).astype(float)
        difference = np.where(np.isnan(difference), np.inf, difference)
        return np.where(np.isfinite(right), difference, 0.0)

    def allowed(self, name: str) -> Array:
        """Return the difference that is allowed for each element of a gradient."""
        right = self.right[name]
        if self.handed.rtol is not None:
            return np.full(right.shape, self.handed.rtol * largest(right))
        return self._rounding_allowed[name][0]

    def rounds_so_far(self, name: str) -> bool:
        """Return whether the rounding of the person's own formula explains a difference."""
        if self.handed.rtol is not None or self.given[name].shape != self.right[name].shape:
            return False
        difference = self.difference(name)
        if (difference <= self._rounding_allowed[name][1]).all():
            return True
        small = difference.max(initial=0) <= LARGEST_JITTER * largest(self.right[name])
        return bool(small) and not self._differs_alike_nearby(name)

    def _differs_alike_nearby(self, name: str) -> bool:
        """Return whether a difference is much the same at neighbouring points.

        That of a mistake is. That of rounding is not, although a rounding error of the parameters
        may leave it as it is: for a saturated σ, which is 1 or the number below 1, σ (1 − σ).
        """
        derived = self.handed.derived
        if not (isinstance(derived, AtPoint) and derived.takes_point):
            return True
        try:
            near = [self.moved(self.number, NEARBY) for _ in range(NEIGHBOURS)]
        except Exception:  # the neighbourhood of this point is not what its author thinks of
            return True
        seen = np.array([point.given[name] - point.right[name] for point in near], dtype=float)
        mean, size = np.linalg.norm(seen.mean(axis=0)), np.sqrt(np.mean(seen**2) * seen[0].size)
        return bool(mean > ALIKE * size)

    def is_right(self, name: str) -> bool:
        """Return whether the gradient of one parameter is right here."""
        person, right = self.given[name], self.right[name]
        if self.handed.rtol is None and person.shape == right.shape:
            # A difference that is always allowed needs no trials, which take most of the time.
            if (np.abs(person - right) <= self._least_allowed(right)).all():
                return True
        return self.row(name).ok or self.rounds_so_far(name)

    def _least_allowed(self, right: Array) -> float:
        """Return the difference that is allowed for the rounding of the result itself."""
        return 8 * self.eps * largest(right)

    @cached_property
    def _rounding_allowed(self) -> dict[str, tuple[Array, Array]]:
        """The difference that rounding can make, for each element of each gradient.

        Without what the person's formula rounds beyond the ordinary, and with it.
        """
        graph, own = self._rounding_of_graph(), self._rounding_of_formulas()
        allowed = {}
        for name, right in self.right.items():
            ordinary = np.minimum(own[name], ORDINARY_JITTER / SAFETY * self.eps * largest(right))
            allowed[name] = (self._allowed_for(name, np.maximum(graph[name], ordinary)),
                             self._allowed_for(name, np.maximum(graph[name], own[name])))
        return allowed

    def _allowed_for(self, name: str, noise: Array) -> Array:
        mean = float(np.sqrt(np.mean(noise**2))) if noise.size else 0.0
        least = self._least_allowed(self.right[name])
        update = 4 * self.eps * self.handed.resolution * largest(self.parameters[name])
        return np.asarray(SAFETY * (noise + mean) + least + update)

    def _rounding_of_graph(self) -> dict[str, Array]:
        """Return the rounding errors of the right gradients, as trials show them.

        Both with and without fused cross entropies: a person may have derived either form.
        """
        noise = {name: np.zeros(right.shape) for name, right in self.right.items()}
        with np.errstate(all="ignore"):
            for recording in (self.exact, self.plain):
                if recording is not None:
                    base, _ = recording.replay()
                    include(noise, base, self.right)  # the distance of the forms is rounding, too
                    for _ in range(TRIALS):
                        trial = recording.gradients_with_noise(self.handed.rng, self.eps)
                        include(noise, trial, base)
        return noise

    def _rounding_of_formulas(self) -> dict[str, Array]:
        """Return by how much gradients jump where parameters change by rounding errors.

        A formula may round more than the graph does: E[x²] − E[x]² for a variance.
        """
        noise = {name: np.zeros(right.shape) for name, right in self.right.items()}
        most = {name: LARGEST_JITTER * largest(right) for name, right in self.right.items()}
        with np.errstate(all="ignore"):
            for person, right in self._at_rounded_parameters():
                include(noise, person, self.given, most)
                include(noise, right, self.right, most)
        return noise

    def _at_rounded_parameters(self) -> Iterator[tuple[Mapping[str, Array], Mapping[str, Array]]]:
        """Yield the person's and the right gradients for parameters off by rounding errors.

        Those that are functions of the parameters; the graph's have their own trials.
        """
        derived, gradient, rng = self.handed.derived, self.handed.gradient, self.handed.rng
        for _ in range(TRIALS):
            rounded = {n: _rounded(value, rng, self.eps) for n, value in self.parameters.items()}
            person = right = {}
            try:
                if isinstance(derived, AtPoint) and derived.takes_point:
                    person = self.handed.answer(rounded).gradients
                if gradient is not None:
                    right = self._by_function(gradient, rounded)
            except Exception:  # an assertion that takes a rounding error for a mistake
                return
            yield person, right


def include(noise: dict[str, Array], some: Mapping[str, Array], others: Mapping[str, Array],
            most: Mapping[str, float] | None = None) -> None:
    """Raise the noise to the differences of some gradients from others, those up to `most`."""
    for name, seen in noise.items():
        if name in some and some[name].shape == seen.shape == others[name].shape:
            difference = np.abs(some[name] - others[name]).astype(float)
            fine = np.isfinite(difference)
            if most is not None:
                fine &= difference <= most[name]
            np.maximum(seen, difference, out=seen, where=fine)


def _rounded(a: Array, rng: np.random.Generator, eps: float) -> Array:
    return np.asarray(a * (1 + eps * rng.standard_normal(a.shape)), dtype=a.dtype)


def largest(a: Array) -> float:
    """Return the largest finite absolute value of an array; 0 if there is none."""
    return float(np.abs(a).max(initial=0, where=np.isfinite(a)))
