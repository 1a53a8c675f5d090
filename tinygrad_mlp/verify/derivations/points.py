"""A person's gradients and the right ones at a point, and how far rounding lets them be apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError
from tinygrad_mlp.verify.derivations.diagnosis import MOST_POINTS, Case
from tinygrad_mlp.verify.derivations.replay import Recording
from tinygrad_mlp.verify.derivations.report import Row

SAFETY = 64.0
"""How many times the rounding error seen in trials a right derivation may be off."""

TRIALS = 4

POINTS_CHECKED = 3
"""Further points at which a gradient that is right at the first is checked, too."""


class Point:
    """The person's gradients and the right ones at one point."""

    def __init__(
        self,
        loss: Callable[..., Any],
        derived: Any,
        point: Mapping[str, Array],
        rng: np.random.Generator,
        rtol: float | None,
        number: int = 0,
    ) -> None:
        self.number = number
        self.point = point
        self.exact = Recording(loss, point, exact=True)
        self.plain = Recording(loss, point)
        self.right, _ = self.exact.replay()
        self.given = _given(derived, point)
        self._rng, self._rtol = rng, rtol
        self._allowed: dict[str, Array] | None = None

    def case(self, name: str) -> Case:
        """The comparison of one parameter, for the diagnosis."""
        return Case(self.plain, self.right[name], self.given[name])

    def row(self, name: str) -> Row:
        """The comparison of one parameter, for the report."""
        person, right = self.given[name], self.right[name]
        if self._rtol is not None:
            allowed = np.full(right.shape, self._rtol * np.abs(right).max(initial=0))
            return _row(name, person, right, allowed, self.number)
        if self._allowed is None:
            precision = _precision(self.point, self.given)
            self._allowed = _noise(self.exact, self.plain, self.right, precision, self._rng)
        return _row(name, person, right, self._allowed[name], self.number)


class OtherPoints:
    """Further points, drawn when first asked for; none where `derived` is not a function.

    A derivation can be right at one point and wrong elsewhere (where all units of a ReLU are on,
    its derivative can be forgotten), and mistakes that look alike at one point differ at others.
    """

    def __init__(
        self,
        loss: Callable[..., Any],
        derived: Any,
        here: Point,
        rng: np.random.Generator,
        rtol: float | None,
    ) -> None:
        self._loss, self._derived, self._here = loss, derived, here
        self._rng, self._rtol = rng, rtol
        self._made: list[Point] = []
        self._useful = callable(derived)

    def _point(self, i: int) -> Point | None:
        while self._useful and len(self._made) <= i:
            # Farther and farther: a network whose units are nearly all saturated or off tells
            # little, and its neighbourhood neither.
            reach = 0.5 * 2 ** len(self._made)
            shifted = {}
            for name, value in self._here.point.items():
                size = float(np.sqrt(np.mean(value**2))) if value.size else 1.0
                step = reach * (size or 1.0) * self._rng.standard_normal(value.shape)
                shifted[name] = np.asarray(value + step, dtype=value.dtype)
            with np.errstate(all="ignore"):
                number = len(self._made) + 1
                made = Point(self._loss, self._derived, shifted, self._rng, self._rtol, number)
            if _same_numbers(made.given, self._here.given):
                self._useful = False  # a function that ignores its arguments is as good as a dict
            else:
                self._made.append(made)
        return self._made[i] if i < len(self._made) else None

    def where_wrong(self, name: str) -> Point | None:
        """The first of some further points at which a gradient is wrong."""
        for i in range(POINTS_CHECKED):
            made = self._point(i)
            if made is None:
                return None
            with np.errstate(all="ignore"):
                finite = name in made.given and np.isfinite(made.given[name]).all()
                if finite and np.isfinite(made.right[name]).all() and not made.row(name).ok:
                    return made
        return None

    def case_of(self, name: str) -> Callable[[int], Case | None]:
        """For one parameter, the function that gives the case at the i-th further point."""

        def further(i: int) -> Case | None:
            made = self._point(i) if i < MOST_POINTS else None
            return None if made is None or name not in made.given else made.case(name)

        return further


def _same_numbers(some: Mapping[str, Array], others: Mapping[str, Array]) -> bool:
    return some.keys() == others.keys() and all(
        np.array_equal(some[name], others[name], equal_nan=True) for name in some
    )


def _given(derived: Any, point: Mapping[str, Array]) -> dict[str, Array]:
    """The person's arrays by name, from copies of the parameters."""
    found = derived(**{k: v.copy() for k, v in point.items()}) if callable(derived) else derived
    if not isinstance(found, Mapping) or not found:
        raise InvalidArgumentError(
            f"check_derivation: derived must give a dict of gradients by parameter name "
            f"({', '.join(point)}); got {found!r}."
        )
    arrays = {}
    for name, value in found.items():
        array = np.asarray(value.data if isinstance(value, Value) else value)
        if array.dtype.kind not in "fiu":
            raise DTypeError(
                f"check_derivation: derived[{name!r}] must be an array of numbers; got dtype "
                f"{array.dtype}."
            )
        arrays[str(name)] = array if array.dtype.kind == "f" else array.astype(float)
    return arrays


def _precision(point: Mapping[str, Array], given: Mapping[str, Array]) -> float:
    """The coarsest machine precision of the numbers involved."""
    return max(float(np.finfo(a.dtype).eps) for a in (*point.values(), *given.values()))


def _noise(
    exact: Recording,
    plain: Recording,
    right: Mapping[str, Array],
    eps: float,
    rng: np.random.Generator,
) -> dict[str, Array]:
    """For each element of each gradient, the difference that rounding can make.

    Both with and without fused cross entropies: a person may have derived either form.
    """
    noise = {name: np.zeros(r.shape) for name, r in right.items()}
    with np.errstate(all="ignore"):
        for recording in (exact, plain):
            base, _ = recording.replay()
            for _ in range(TRIALS):
                shaken, _ = recording.perturbed(rng, eps).replay()
                for name, total in noise.items():
                    difference = np.abs(shaken[name] - base[name]).astype(float)
                    np.maximum(total, difference, out=total, where=np.isfinite(difference))
            for name, total in noise.items():
                # How far the two forms are apart is rounding, too.
                difference = np.abs(base[name] - right[name]).astype(float)
                np.maximum(total, difference, out=total, where=np.isfinite(difference))
    result = {}
    for name, total in noise.items():
        mean = float(np.sqrt(np.mean(total**2))) if total.size else 0.0
        largest = float(np.abs(right[name]).max(initial=0))
        result[name] = SAFETY * (total + mean) + 8 * eps * largest
    return result


def _row(name: str, person: Array, right: Array, allowed: Array, point: int) -> Row:
    largest = float(np.abs(right).max(initial=0)) or 1.0
    tolerance = float(allowed.max(initial=0)) / largest
    if person.shape != right.shape:
        return Row(name, False, np.inf, tolerance, None, np.nan, np.nan, point)
    with np.errstate(invalid="ignore"):
        difference = np.abs(person - right).astype(float)
    difference = np.where(np.isnan(difference), np.inf, difference)
    if difference.size == 0:
        return Row(name, True, 0.0, tolerance, None, np.nan, np.nan, point)
    excess = difference - allowed
    worst = np.unravel_index(int(np.argmax(excess)), difference.shape)
    return Row(
        name,
        bool((excess <= 0).all()),
        float(difference.max()) / largest,
        tolerance,
        tuple(int(i) for i in worst),
        float(person[worst]),
        float(right[worst]),
        point,
    )
