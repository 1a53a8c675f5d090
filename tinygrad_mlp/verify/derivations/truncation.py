"""Truncated back-propagation through time: paths of a gradient that go back some steps only."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import accumulate
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Node
from tinygrad_mlp.verify.derivations.cases import Further, GradientCase
from tinygrad_mlp.verify.derivations.edges import SUMS
from tinygrad_mlp.verify.derivations.multiples import is_multiple
from tinygrad_mlp.verify.derivations.replay import RecordedLoss

MOST_STEPS, MOST_LOOPS = 64, 6
"""Longer loops, and more operations that repeat, are not looked at."""


def truncated(first: GradientCase, further: Further, rtol: float) -> int | None:
    """Return after how many steps a gradient stops to go back in time; None where it does not."""
    for number, steps in enumerate(recursions(first.recording)):
        if number == MOST_LOOPS:
            break
        shares = by_visits(first.recording, steps, first.name)
        for last, total in enumerate(accumulate(shares[:-1])):
            if is_multiple(first.person, total, 1.0, rtol) and all(
                    _agrees(case, number, last, rtol) for case in further()):
                return last - next(i for i, share in enumerate(shares) if np.any(share))
    return None


def _agrees(case: GradientCase, number: int, last: int, rtol: float) -> bool:
    """Return whether a gradient at a further point is truncated in the same way."""
    steps = list(recursions(case.recording))[number]
    total = sum(by_visits(case.recording, steps, case.name)[:last + 1])
    return not np.isfinite(total).all() or is_multiple(
        case.person, np.asarray(total), 1.0, rtol) is not False


def recursions(recording: RecordedLoss) -> Iterator[list[Node]]:
    """Yield the nodes that one operation of a loop has made, each computed from the one before.

    A sum to which each step adds a term is no recursion through time.
    """
    families: dict[Hashable, list[Node]] = {}
    for node in recording.nodes:
        if node in recording.sites and node.op.outputs == 1 and (
                node.op.name not in (*SUMS, "store")):
            families.setdefault((recording.sites[node], node.op), []).append(node)
    for steps in families.values():
        if 2 < len(steps) <= MOST_STEPS and _longest_chain(recording, steps) == len(steps):
            yield steps


def _longest_chain(recording: RecordedLoss, steps: list[Node]) -> int:
    """Return how many of some nodes depend on each other, at most."""
    counted = set(map(id, steps))
    length: dict[int, int] = {}
    for node in recording.nodes:
        before = max((length.get(id(parent), 0) for parent in node if parent is not None),
                     default=0)
        length[id(node)] = before + (id(node) in counted)
    return max(length.values())


def by_visits(recording: RecordedLoss, steps: list[Node], name: str) -> list[Array]:
    """Return a gradient as a list: its share along the paths through 0, 1, 2, … of some nodes.

    The backward pass is linear, so a cotangent can be kept in parts, by the nodes passed so far.
    """
    counted, leaf = set(map(id, steps)), recording.leaves[name]
    parts: dict[int, dict[int, Any]] = {id(recording.out.node): {0: np.ones_like(
        recording.out.data)}}
    for node in reversed(recording.nodes):
        cotangents = parts.pop(id(node), {})
        if node in recording.shifts:
            continue
        for position, parent in enumerate(node):
            if parent is None:
                continue
            at = parts.setdefault(id(parent), {})
            for visits, g in cotangents.items():
                now = visits + (id(node) in counted)
                at[now] = at.get(now, 0) + recording.share(node, position, g)
    found = parts.get(id(leaf), {})
    nothing = np.zeros_like(leaf.data)
    return [np.asarray(found.get(visits, nothing)) for visits in range(max(found, default=0) + 1)]
