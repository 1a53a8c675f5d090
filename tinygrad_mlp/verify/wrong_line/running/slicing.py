"""Which sites the wrong gradients hang on, found by moving each a little."""

from __future__ import annotations

import ast
from types import FrameType
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.wrong_line.recording.recorder import Override
from tinygrad_mlp.verify.wrong_line.recording.sites import Site, feeding
from tinygrad_mlp.verify.wrong_line.running.experiment import RepairTrials

STEP = 0.03
"""How far a site is moved, relative to its size."""


class Slice:
    """The sites that move wrong gradients and no right one.

    Attributes:
        numbers: the numbers of these sites.
        roots: the roots in their statements and in the headers of the loops around these; first
            those that move all wrong gradients.
        of_all: the roots in statements that move all wrong gradients that any moves.
        others: the roots that move right ones as well. What is wrong there may not reach these.
    """

    def __init__(self, experiment: RepairTrials) -> None:
        sites, wrong = experiment.sites, experiment.wrong

        def values_of(site: Site) -> list[object]:
            return experiment.values[0].get(site.number, [])[:1]

        moved = {site.number: _moves(experiment, site) for site in sites}
        right = frozenset(experiment.right[0]) - wrong
        reached = {n: names & wrong for n, names in moved.items() if names & wrong}
        suspects = {n: names for n, names in reached.items() if not moved[n] & right}
        # A wrong value upstream may happen to leave a gradient right.
        suspects = suspects or reached
        self.numbers = frozenset(suspects)
        strength: dict[int, int] = {}
        for site in sites:
            if site.number in suspects:
                key = id(site.statement)
                strength[key] = max(strength.get(key, 0), len(suspects[site.number]))
        for site in sites:
            if site.root and isinstance(site.statement, (ast.For, ast.While, ast.If)):
                inside = [strength.get(id(node), 0) for node in ast.walk(site.statement)]
                strength[id(site.statement)] = max(inside)
        for site in sites:  # what indices are computed with cannot be moved by a few percent
            if site.root and any(np.asarray(v).dtype.kind in "iu" for v in values_of(site)):
                users = [strength.get(id(each.statement), 0) for each in sites
                         if each.source is site.source and feeding(each, [site])]
                strength.setdefault(id(site.statement), max(users, default=0))
        found = [s for s in sites if (s.root or s.after) and strength.get(id(s.statement))]
        self.roots = sorted(found, key=lambda s: (-strength[id(s.statement)], -s.number))
        most = max(strength.values(), default=0)
        self.of_all = [s for s in found if strength[id(s.statement)] == most]
        also = {id(site.statement) for site in sites if site.number in reached}
        also |= {id(site.statement) for site in sites if site.root and isinstance(
            site.statement, ast.For) and also & set(map(id, ast.walk(site.statement)))}
        known = {site.number for site in self.roots}
        self.others = [site for site in sites if site.root and id(site.statement) in also
                       and site.number not in known]


def _moves(experiment: RepairTrials, site: Site) -> frozenset[str]:
    """Return the gradients that move with a site."""
    values = experiment.values[0].get(site.number, [])
    if not any(_movable(value) for value in values):
        return frozenset()
    return experiment.moved_by({site.number: moving()})


def moving() -> Override:
    """Return the override that moves each element by a few percent, and turns masks round."""

    def move(occurrence: int, value: Any, frame: FrameType) -> Array | float:
        if not _movable(value):
            return value
        if np.asarray(value).dtype.kind == "b":
            return ~value
        steps = np.sin(np.arange(1.0, np.size(value) + 1) * 12.9898).reshape(np.shape(value))
        moved = value * (1 + STEP * (1 + steps) / 2) + (np.asarray(value) == 0) * 1e-3 * steps
        return moved.astype(value.dtype) if isinstance(value, np.ndarray) else float(moved)

    return move


def _movable(value: Any) -> bool:
    numeric = isinstance(value, (float, np.floating, np.ndarray))
    return numeric and np.asarray(value).dtype.kind in ("fb" if np.ndim(value) else "f")
