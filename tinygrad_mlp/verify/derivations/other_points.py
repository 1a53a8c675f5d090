"""Further points, at which a derivation is looked at besides the one that its author chose."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.derivations.arguments import AtPoint
from tinygrad_mlp.verify.derivations.cases import GradientCase
from tinygrad_mlp.verify.derivations.points import Handed, Point
from tinygrad_mlp.verify.further_points import property_of

POINTS_CHECKED = 3
"""Further points at which a gradient that is right at the first is checked, too."""

MOST_POINTS = 6
"""Further points drawn to tell apart changes that agree at the first."""

FREE_POINTS = 2
"""Points drawn outside of the properties that the given point has."""


class OtherPoints:
    """Further points, drawn when first asked for; none where the gradients are no function.

    A derivation can be right at one point and wrong elsewhere (where all units of a ReLU are on,
    its derivative can be forgotten), and mistakes that look alike at one point differ at others.
    `failures` says what failed at points that the author did not choose. `ignored` is set where
    `derived` does not depend on its arguments.
    """

    def __init__(self, here: Point) -> None:
        self._here = here
        self._made: dict[int, Point | None] = {}
        self._free: list[Point] | None = None
        derived = here.handed.derived
        self._useful = isinstance(derived, AtPoint) and derived.takes_point
        self.failures: list[str] = []
        self.ignored = False

    def _points(self, most: int) -> Iterator[Point]:
        for number in range(1, most + 1):
            if not self._useful:
                return
            if number not in self._made:
                self._made[number] = self._drawn(number)
            made = self._made[number]
            if made is not None:
                yield made

    def _drawn(self, number: int) -> Point | None:
        """Return the further point with a number, farther away the higher the number."""
        # A network whose units are nearly all saturated or off tells little, and its
        # neighbourhood neither.
        reach = 0.5 * 2 ** (number - 1)
        try:
            made = self._here.moved(number, reach)
        except Exception as error:  # anything that a person's function may raise
            where = _function_of(error, self._here.handed)
            self.failures.append(
                f"At further point {number}, {where} fails with {type(error).__name__}"
                f"{f': {error}' if str(error) else ''}. It was not checked there.")
            return None
        if _are_numbers(self._here.given, made.given) and not all(
                made.is_right(name) for name in made.given):
            # A function that ignores its arguments is as good as a dict.
            self._useful, self.ignored = False, True
            return None
        return made

    def where_wrong(self, name: str) -> Point | None:
        """Return the first of some further points at which a gradient is wrong."""
        return next((p for p in self._points(POINTS_CHECKED) if _is_wrong(p, name)), None)

    def where_wrong_outside(self, name: str) -> Point | None:
        """Return a point without the properties of the given one at which a gradient is wrong."""
        if self._free is None:
            self._free = list(self._outside()) if self._useful else []
        return next((point for point in self._free if _is_wrong(point, name)), None)

    def _outside(self) -> Iterator[Point]:
        if not any(property_of(value) for value in self._here.parameters.values()):
            return
        for number in range(1, FREE_POINTS + 1):
            try:
                yield self._here.moved(number, 0.5 * number, freely=True)
            except Exception:  # the loss need not be defined there
                continue

    def cases(self, name: str) -> Iterator[GradientCase]:
        """Yield the comparison of one parameter at all further points."""
        for point in self._points(MOST_POINTS):
            if name in point.given:
                yield point.case(name)


def _is_wrong(point: Point, name: str) -> bool:
    with np.errstate(all="ignore"):
        finite = name in point.given and np.isfinite(point.given[name]).all()
        return bool(
            finite and np.isfinite(point.right[name]).all() and not point.is_right(name))


def _are_numbers(here: Mapping[str, Array], there: Mapping[str, Array]) -> bool:
    """Return whether gradients are the same at two points because they were computed elsewhere.

    Where all elements are equal (zeros, ones), a formula says so: that is checked as one.
    """
    return here.keys() == there.keys() and all(
        np.array_equal(here[name], there[name], equal_nan=True) for name in here
    ) and not all(np.all(array == array.flat[0]) for array in here.values() if array.size)


def _function_of(error: BaseException, handed: Handed) -> str:
    """Return which of the person's functions raised an error."""
    names = {frame.name for frame in traceback.extract_tb(error.__traceback__)}
    callers = (handed.loss, handed.derived)
    found = [c.role for c in callers if isinstance(c, AtPoint)
             and getattr(c.function, "__name__", "") in names]
    return found[0] if len(found) == 1 else "loss or derived"
