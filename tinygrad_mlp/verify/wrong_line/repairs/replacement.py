"""Values replaced: what a line should be, told by the quantity that makes the gradients right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import FrameType
from typing import NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.wrong_line.graph.quantities import Family
from tinygrad_mlp.verify.wrong_line.recording.recorder import Override
from tinygrad_mlp.verify.wrong_line.recording.sites import Site
from tinygrad_mlp.verify.wrong_line.repairs.repair import digest
from tinygrad_mlp.verify.wrong_line.running.experiment import POINTS, RepairTrials

Rows = tuple[tuple[Array, ...], ...]
"""Arrays for each point, and there for each evaluation of a site."""

SHIFTS = (0, 1, -1)
"""Steps by which a loop of the derivation may be ahead of that of the loss."""


class Wanted(NamedTuple):
    """A site that makes gradients right where it holds a quantity of the graph.

    `arrays` are the wanted values: for each point, one for each time that the site is evaluated.
    """

    site: Site
    family: Family
    sign: int
    arrays: Rows
    fixed: frozenset[str]

    @property
    def words(self) -> str | None:
        """The quantity in the person's names."""
        words = self.family.words
        return f"minus {words}" if words and self.sign < 0 else words

    def overrides(self, i: int) -> dict[int, Override]:
        """Return the override that puts the wanted values in, at point `i`."""
        return {self.site.number: giving(self.arrays[i])}


def giving(arrays: Sequence[Array]) -> Override:
    """Return the override that gives an array for each evaluation."""

    def override(occurrence: int, value: Array, frame: FrameType) -> Array:
        if occurrence >= len(arrays):
            return value
        return arrays[occurrence].copy()

    return override


def replacements(experiment: RepairTrials, site: Site, families: Sequence[Family],
                 negative: bool) -> Iterator[Wanted]:
    """Yield the quantities which a site has to hold for wrong gradients to become right.

    `negative` says that the derivation works with minus the cotangents somewhere.
    """
    values = [experiment.values[i].get(site.number, []) for i in range(POINTS)]
    times = len(values[0])
    if not times or any(len(each) != times for each in values):
        return
    if not all(isinstance(v, np.ndarray) and v.dtype.kind == "f" for each in values for v in each):
        return
    if site.root and times == 1 and not any(v.any() for each in values for v in each):
        return  # zeros to begin with: what is missing is added later
    seen = {digest(values[0])}
    for family in families:
        if len(family.members[0].arrays) < POINTS:
            continue
        for sign, arrays in _arrangements(family, values, times, (1, -1) if negative else (1,)):
            key = digest(arrays[0])
            if key in seen:
                continue
            seen.add(key)
            wanted = Wanted(site, family, sign, arrays, frozenset())
            stage = "trying what each line should be"
            trial = experiment.trial(0, wanted.overrides(0), stage)
            if trial is None or not trial.accepted:
                continue
            if experiment.holds(trial, wanted.overrides, stage, range(1, POINTS)):
                yield wanted._replace(fixed=trial.fixed)


def _arrangements(family: Family, values: Sequence[Sequence[Array]], times: int,
                  signs: Sequence[int]) -> Iterator[tuple[int, Rows]]:
    """Yield the ways in which a family may fill the evaluations of a site.

    Forwards or backwards through the steps, and up to one step ahead or behind; a step that there
    is not is zero.
    """
    members = family.members
    orders = [list(range(times))]
    if times > 1 and len(members) > 1:
        backwards = [len(members) - 1 - k for k in range(times)]
        orders = [[k + shift for k in order] for shift in SHIFTS
                  for order in (list(range(times)), backwards)]
    elif len(members) > 1:
        orders = [[k] for k in range(len(members))]
    elif times > 1:
        orders = [[0] * times]
    for order in orders:
        made = []
        for i in range(POINTS):
            row = []
            for occurrence, k in enumerate(order):
                like = values[i][occurrence]
                array = members[k].arrays[i] if 0 <= k < len(members) else np.zeros_like(like)
                fitted = _fitted(array, like)
                if fitted is None:
                    break
                row.append(fitted)
            made.append(tuple(row))
        if all(len(row) == times for row in made):
            for sign in signs:
                yield sign, tuple(tuple(sign * array for array in row) for row in made)


def _fitted(array: Array, like: Array) -> Array | None:
    """Return an array in the shape of another, where only the order of axes differs."""
    if array.dtype.kind != "f":
        return None
    if array.shape == like.shape:
        return array
    if array.ndim == 2 and array.T.shape == like.shape:
        return array.T
    if array.size == like.size and [n for n in array.shape if n > 1] == [
            n for n in like.shape if n > 1]:
        return array.reshape(like.shape)
    return None
