"""A person's gradients and the right ones at a point, and how far apart rounding lets them be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError
from tinygrad_mlp.verify.derivations.diagnosis import GradientCase
from tinygrad_mlp.verify.derivations.replay import RecordedLoss
from tinygrad_mlp.verify.derivations.report import Row
from tinygrad_mlp.verify.rounding_noise import TRIALS

SAFETY = 64.0
"""The error allowed in a right derivation, in multiples of the rounding seen in trials."""

POINTS_CHECKED = 3
"""Further points at which a gradient that is right at the first is checked, too."""

MOST_POINTS = 6
"""Further points drawn to tell apart changes that agree at the first."""


class Point:
    """The person's gradients and the right ones at one point; `number` is 0 for the given one."""

    def __init__(self, loss: Callable[..., Any], derived: Any, parameters: Mapping[str, Array],
                 rng: np.random.Generator, rtol: float | None, number: int = 0) -> None:
        self.loss, self.derived, self.parameters = loss, derived, parameters
        self.rng, self.rtol, self.number = rng, rtol, number
        self.exact = RecordedLoss(loss, parameters, exact=True)
        self.plain = RecordedLoss(loss, parameters)
        self.right, _ = self.exact.replay()
        self.given = _given(derived, parameters)
        # The coarsest precision of the numbers involved counts.
        numbers = (*parameters.values(), *self.given.values())
        self.eps = max(float(np.finfo(a.dtype).eps) for a in numbers)

    def moved(self, number: int) -> Point:
        """Draw the further point with this number, farther away the higher the number."""
        # A network whose units are nearly all saturated or off tells little, and its
        # neighbourhood neither.
        reach = 0.5 * 2 ** (number - 1)
        shifted = {}
        for name, value in self.parameters.items():
            size = float(np.sqrt(np.mean(value**2))) if value.size else 1.0
            step = reach * (size or 1.0) * self.rng.standard_normal(value.shape)
            shifted[name] = np.asarray(value + step, dtype=value.dtype)
        with np.errstate(all="ignore"):
            return Point(self.loss, self.derived, shifted, self.rng, self.rtol, number)

    def case(self, name: str) -> GradientCase:
        """Return the comparison of one parameter, for the diagnosis."""
        return GradientCase(self.plain, self.right[name], self.given[name])

    def row(self, name: str) -> Row:
        """Return the comparison of one parameter, for the report."""
        person, right = self.given[name], self.right[name]
        if self.rtol is not None:
            allowed = np.full(right.shape, self.rtol * np.abs(right).max(initial=0))
        else:
            allowed = self._rounding_allowed[name]
        largest = float(np.abs(right).max(initial=0)) or 1.0
        tolerance = float(allowed.max(initial=0)) / largest
        if person.shape != right.shape or person.size == 0:
            ok = person.shape == right.shape
            error = 0.0 if ok else np.inf
            return Row(name, ok, error, tolerance, None, np.nan, np.nan, self.number)
        with np.errstate(invalid="ignore"):
            difference = np.abs(person - right).astype(float)
        difference = np.where(np.isnan(difference), np.inf, difference)
        excess = difference - allowed
        worst = tuple(int(i) for i in np.unravel_index(np.argmax(excess), excess.shape))
        ok, error = bool((excess <= 0).all()), float(difference.max()) / largest
        mine, true = float(person[worst]), float(right[worst])
        return Row(name, ok, error, tolerance, worst, mine, true, self.number)

    def is_right(self, name: str) -> bool:
        """Return whether the gradient of one parameter is right here."""
        person, right = self.given[name], self.right[name]
        if self.rtol is None and person.shape == right.shape:
            # A difference that is always allowed needs no trials, which take most of the time.
            if (np.abs(person - right) <= self._least_allowed(right)).all():
                return True
        return self.row(name).ok

    def _least_allowed(self, right: Array) -> float:
        """Return the difference that is allowed for the rounding of the result itself."""
        return 8 * self.eps * float(np.abs(right).max(initial=0))

    @cached_property
    def _rounding_allowed(self) -> dict[str, Array]:
        """The difference that rounding can make, for each element of each gradient.

        Both with and without fused cross entropies: a person may have derived either form.
        """
        noise = {name: np.zeros(right.shape) for name, right in self.right.items()}

        def include(some: Mapping[str, Array], others: Mapping[str, Array]) -> None:
            for name, largest in noise.items():
                difference = np.abs(some[name] - others[name]).astype(float)
                np.maximum(largest, difference, out=largest, where=np.isfinite(difference))

        with np.errstate(all="ignore"):
            for recording in (self.exact, self.plain):
                base, _ = recording.replay()
                include(base, self.right)  # the distance of the two forms is rounding, too
                for _ in range(TRIALS):
                    include(recording.gradients_with_noise(self.rng, self.eps), base)
        allowed = {}
        for name, n in noise.items():
            mean = float(np.sqrt(np.mean(n**2))) if n.size else 0.0
            allowed[name] = SAFETY * (n + mean) + self._least_allowed(self.right[name])
        return allowed


class OtherPoints:
    """Further points, drawn when first asked for; none where `derived` is not a function.

    A derivation can be right at one point and wrong elsewhere (where all units of a ReLU are on,
    its derivative can be forgotten), and mistakes that look alike at one point differ at others.
    """

    def __init__(self, here: Point) -> None:
        self._here = here
        self._made: list[Point] = []
        self._useful = callable(here.derived)

    def _points(self, most: int) -> Iterator[Point]:
        for i in range(most):
            if i == len(self._made) and self._useful:
                made = self._here.moved(i + 1)
                # A function that ignores its arguments is as good as a dict.
                self._useful = not _same_numbers(made.given, self._here.given)
                self._made += [made] * self._useful
            if i >= len(self._made):
                return
            yield self._made[i]

    def where_wrong(self, name: str) -> Point | None:
        """Return the first of some further points at which a gradient is wrong."""
        for point in self._points(POINTS_CHECKED):
            with np.errstate(all="ignore"):
                finite = name in point.given and np.isfinite(point.given[name]).all()
                if finite and np.isfinite(point.right[name]).all() and not point.is_right(name):
                    return point
        return None

    def cases(self, name: str) -> Iterator[GradientCase]:
        """Yield the comparison of one parameter at all further points."""
        for point in self._points(MOST_POINTS):
            if name not in point.given:
                return
            yield point.case(name)


def _same_numbers(some: Mapping[str, Array], others: Mapping[str, Array]) -> bool:
    return some.keys() == others.keys() and all(
        np.array_equal(some[name], others[name], equal_nan=True) for name in some)


def _given(derived: Any, parameters: Mapping[str, Array]) -> dict[str, Array]:
    """Return the person's arrays by name, from copies of the parameters."""
    copies = {name: value.copy() for name, value in parameters.items()}
    found = derived(**copies) if callable(derived) else derived
    if not isinstance(found, Mapping) or not found:
        raise InvalidArgumentError(
            f"check_derivation: derived must give a dict of gradients by parameter name "
            f"({', '.join(parameters)}). Got {found!r}.")
    arrays = {}
    for name, value in found.items():
        array = np.asarray(value.data if isinstance(value, Value) else value)
        if array.dtype.kind not in "fiu":
            what = f"check_derivation: derived[{name!r}]"
            raise DTypeError(f"{what} must be an array of numbers. Got dtype {array.dtype}.")
        arrays[str(name)] = array if array.dtype.kind == "f" else array.astype(float)
    return arrays
