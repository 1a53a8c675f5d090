"""One mistake in every step of a loop: the same change at all nodes that one line has made."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.verify.derivations.edges import Candidate, Edge
from tinygrad_mlp.verify.derivations.replay import RecordedLoss


def in_every_step(recording: RecordedLoss, single: Sequence[Candidate]) -> Iterator[Candidate]:
    """Yield the single changes that belong together, and values of a neighbouring step."""
    groups: dict[Hashable, list[Candidate]] = {}
    for candidate in single:
        change = candidate.change
        key = (
            candidate.kind, candidate.op, recording.sites.get(change.node), change.position,
            _place(recording, candidate.source), _place(recording, candidate.other),
            candidate.other is candidate.source, candidate.epsilon)
        if key[2] is not None:
            groups.setdefault(key, []).append(candidate)
    for same in groups.values():
        nodes = {candidate.change.node for candidate in same}
        if 1 < len(nodes) == len(same):
            yield same[-1]._replace(changes=tuple(c for each in same for c in each.changes))
    yield from _of_the_next_step(recording)


def _place(recording: RecordedLoss, vertex: Node | Value | None) -> Hashable:
    """Return the line that made a vertex; for a leaf, the leaf itself."""
    if vertex is None:
        return None
    # (The value before the first step comes from another line than those after.)
    return recording.sites.get(vertex, "leaf") if isinstance(vertex, Node) else "leaf"


def _of_the_next_step(recording: RecordedLoss) -> Iterator[Candidate]:
    """Yield h of the same step in the place of h of the step before, in every step."""
    families: dict[Any, list[Node]] = {}
    for node in recording.nodes:
        if node in recording.sites:
            families.setdefault((recording.sites[node], node.op), []).append(node)
    loops = [family for family in families.values() if len(family) > 1]
    made_by = {id(node): family for family in loops for node in family}
    for users in loops:
        if users[0].op.outputs > 1:
            continue
        places = [i for i, parent in enumerate(users[-1]) if parent is not None]
        for position in places:
            for at in range(len(users[-1])):
                changes = [] if at == position else _shifted(
                    recording, users, position, at, made_by)
                if changes:
                    yield changes[-1]._replace(
                        changes=tuple(c for each in changes for c in each.changes))


def _shifted(recording: RecordedLoss, users: list[Node], position: int, at: int,
             made_by: dict[int, list[Node]]) -> list[Candidate]:
    """Return the use of the next value of a recursion for argument `at`, for each user."""
    family = made_by.get(id(users[-1][at]))
    if family is None:
        return []
    found = []
    for user in users:
        parent = user[position]
        place = next((i for i, node in enumerate(family) if node is user[at]), -1)
        if parent is None or place + 1 >= len(family):
            return []
        other = family[place + 1]
        if recording.value(other).shape != _shape(user, at):
            return []
        found.append(Edge(recording, user, position, parent).at(at, other))
    return found


def _shape(user: Node, at: int) -> tuple[int, ...]:
    return tuple(getattr((user.arrays or ())[at], "shape", ()))
