"""Which quantity of the graph an expression of the derivation is equal to, if any."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.wrong_line.graph.quantities import Quantity, is_telling
from tinygrad_mlp.verify.wrong_line.recording.sites import Site

RTOL = 1e-6
"""Arrays are equal up to this, relative to the largest element."""


MOST_STEPS = 64
"""Steps of a loop that are compared one by one."""


class Match(NamedTuple):
    """A quantity that an expression equals, times `sign`."""

    quantity: Quantity
    sign: int

    @property
    def words(self) -> str | None:
        """The quantity in the person's names."""
        words = self.quantity.words
        return f"minus {words}" if words and self.sign < 0 else words


Matches = dict[int, Match]
"""The quantities that roots are equal to, by the numbers of the roots."""


class Dictionary:
    """Finds quantities by their numbers, up to a transpose, axes of length 1, and the sign."""

    def __init__(self, found: Sequence[Quantity]) -> None:
        self.quantities = found
        self._by_size: dict[int, list[tuple[float, int]]] = {}
        for number, quantity in enumerate(found):
            if any(map(is_telling, quantity.arrays)):
                entry = norm(quantity.arrays[0]), number
                self._by_size.setdefault(quantity.arrays[0].size, []).append(entry)
        for entries in self._by_size.values():
            entries.sort()

    def knows(self, values: Sequence[Array | float]) -> bool:
        """Return whether one of several values at the first point is that of a quantity."""
        return any(self.match([np.asarray(value, dtype=float)]) is not None for value in values)

    def match(self, arrays: Sequence[Array]) -> Match | None:
        """Return the best quantity for arrays at the first points, or None."""
        return _likeliest(self.matches(arrays))

    def matches(self, arrays: Sequence[Any]) -> Iterator[Match]:
        """Yield all quantities that arrays are equal to at the first points."""
        first = arrays[0]
        if not isinstance(first, np.ndarray) or not any(map(is_telling, arrays)):
            return
        size, entries = norm(first), self._by_size.get(first.size, [])
        low, high = (bisect(entries, (size * (1 + side * 2 * RTOL), -side)) for side in (-1, 1))
        for number in sorted(number for _, number in entries[low:high]):
            quantity = self.quantities[number]
            for form in forms(first, quantity.arrays[0]):
                for sign in (1, -1):
                    if all(equal(form(a), sign * q) for a, q in
                           zip(arrays, quantity.arrays, strict=False)):
                        yield Match(quantity, sign)
                        break

    def match_site(self, values: Sequence[Mapping[int, list[object]]], site: Site) -> Match | None:
        """Return the quantity that a site equals each time it is evaluated, or None.

        In a loop, these are the quantities of one family. The first or the last step may differ: a
        gradient enters there, or is passed on to where the loss has nothing. Of what is stored into
        step by step, the last state counts.
        """
        at_points = [kept.get(site.number, []) for kept in values]
        if site.after:
            at_points = [each[-1:] for each in at_points]
        times = len(at_points[0])
        if not times or any(len(each) != times for each in at_points):
            return None
        if times > MOST_STEPS:  # a loop over elements, for which the loss has no words
            return None
        found = [list(self.matches([each[k] for each in at_points])) for k in range(times)]
        if times > 2 and not found[0]:
            del found[0]
        elif times > 2 and not found[-1]:
            del found[-1]
        common = set.intersection(*(set(map(_kin, matches)) for matches in found))
        return _likeliest(match for match in found[-1] if _kin(match) in common)


def _likeliest(matches: Iterable[Match]) -> Match | None:
    """Return the first match with the right sign, or else the first one."""
    return max(matches, key=lambda match: match.sign, default=None)


def _kin(match: Match) -> tuple[object, ...]:
    return match.quantity.kind, match.quantity.family, match.sign


def norm(array: Array) -> float:
    """Return the root of the sum of squares, which no transpose or sign changes."""
    flat = np.asarray(array, dtype=float).ravel()
    return float(np.sqrt(flat @ flat))


def equal(some: Array, other: Array) -> bool:
    """Return whether two arrays are equal up to rounding."""
    some, other = np.asarray(some), np.asarray(other)
    if some.shape != other.shape:
        return False
    size = np.abs(other).max(initial=0)
    return bool(np.abs(some - other).max(initial=0) <= RTOL * size)


def forms(array: Array, like: Array) -> Iterator[Callable[[Array], Array]]:
    """Yield the ways in which an array may be written that differ in the order of axes only."""
    if array.shape == like.shape:
        yield lambda a: a
    if array.ndim == 2 and array.T.shape == like.shape:
        yield lambda a: a.T
    elif array.shape != like.shape and array.size == like.size:
        squeezed = [n for n in array.shape if n > 1], [n for n in like.shape if n > 1]
        if squeezed[0] == squeezed[1]:  # a column for a vector
            yield lambda a: a.reshape(like.shape)
