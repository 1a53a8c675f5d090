"""Every single mistake one could make in a backward pass, as a change of the recorded one.

A mistake is local: a derivative left out, applied twice, or taken at the wrong point; a matrix not
transposed; a path forgotten. Each is derived here from the graph alone, for any graph. In a loop it
is made in every step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.backward import unbroadcast
from tinygrad_mlp.autograd.gradients import gradients
from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.verify.derivations.edges import LONGEST_SEGMENT, SUMS, Candidate, Edge, Neighbours
from tinygrad_mlp.verify.derivations.replay import Change, RecordedLoss, Share
from tinygrad_mlp.verify.derivations.steps import in_every_step

LONG_LOOP = 24
"""In loops of more steps, a mistake in one of the inner steps alone is not tried."""

MOST_KEPT = 64 * 2**20
"""Bytes of gradients that are kept for the other parameters."""


class Segment(NamedTuple):
    """A function applied element by element: the nodes from `start` (excluded) to `end`."""

    start: Node | Value
    end: Node
    nodes: list[Node]
    op: str


class Mutations:
    """The mistakes in the backward pass of one recorded loss, and the gradients with each.

    A pass with a mistake has the gradients of all parameters, so it is run once for all of them.
    And a backward pass is linear in its cotangents: one mistake changes what some vertices receive,
    and this difference alone is carried on from there.
    """

    def __init__(self, recording: RecordedLoss) -> None:
        self.recording = recording
        self._size = sum(leaf.data.nbytes for leaf in recording.leaves.values())
        self._known: dict[tuple[Change, ...], dict[str, Array] | None] = {}

    @cached_property
    def candidates(self) -> list[Candidate]:
        """All changes of the backward pass, the likeliest mistakes first."""
        single = list(_at_one_place(self.recording))
        inner = _inner_steps(self.recording)
        return [*(each for each in single if each.change.node not in inner),
                *in_every_step(self.recording, single)]

    def gradients(self, candidate: Candidate) -> dict[str, Array] | None:
        """Return the gradients with a mistake; None where it does not fit: no one made it."""
        if candidate.changes in self._known:
            return self._known[candidate.changes]
        try:
            found = self._gradients(candidate.changes)
        except (ValueError, TypeError):
            found = None
        if self._size * len(self._known) < MOST_KEPT:
            self._known[candidate.changes] = found
        return found

    @cached_property
    def _base(self) -> tuple[dict[str, Array], dict[Node, object]]:
        out = self.recording.out
        return self.recording.replay(starts=[(out, np.ones_like(out.data))])

    def _gradients(self, changes: tuple[Change, ...]) -> dict[str, Array]:
        base, cotangents = self._base
        if len(changes) > 1 or not all(np.isfinite(g).all() for g in base.values()):
            return self.recording.replay(*changes)[0]
        (change,) = changes
        if change.node not in cotangents:
            return base
        starts = list(_differences(self.recording, change, cotangents[change.node]))
        added, _ = self.recording.replay(starts=starts)
        return {name: _sum(g, added[name]) for name, g in base.items()}


def _differences(recording: RecordedLoss, change: Change,
                 g: Any) -> Iterator[tuple[Node | Value, Array]]:
    """Yield the vertices that receive something else with a change, and how much more."""
    node = change.node
    if change.target is not None:
        yield change.target, change.share(g)
    for position, parent in enumerate(node):
        if parent is not None and (change.target is not None or position == change.position):
            right = recording.share(node, position, g)
            given: Any = 0.0
            if change.target is None:
                given = unbroadcast(change.share(g), right, node.op, position)
            yield parent, np.asarray(given - right)


def _sum(some: Array, more: Array) -> Array:
    """Return a sum in which what cancels up to rounding is zero."""
    found = some + more
    rounding = 8 * np.finfo(found.dtype).eps * (np.abs(some) + np.abs(more))
    return np.where(np.abs(found) <= rounding, 0, found)


def _at_one_place(recording: RecordedLoss) -> Iterator[Candidate]:
    """Yield the changes of what one operation, or one activation, passes back."""
    found = list(segments(recording))
    for segment in found:
        yield from segment_changes(recording, segment)
    near = Neighbours(recording)
    uses = Counter(id(parent) for node in recording.nodes for parent in node)
    activations = {id(segment.end) for segment in found if len(segment.nodes) == 1}
    edges = list(_edges(recording))
    for edge in edges:
        yield from edge.other_matrices()
        yield from edge.other_points(near)
        if id(edge.node) not in activations:
            yield from edge.lost_or_doubled_factor()
    # Terms that are added, nearest the loss first, have simpler names than paths that part.
    terms = [edge for edge in reversed(edges) if _parts(edge, uses)]
    terms.sort(key=lambda edge: edge.node.op.name not in SUMS)
    for edge in terms:
        yield edge.forgotten()
    for edge in terms:
        yield edge.scaled()
    for edge in edges:
        yield from edge.with_epsilon()
    for edge in edges:
        yield from edge.other_values(near)


def _inner_steps(recording: RecordedLoss) -> set[Node]:
    """Return the nodes of long loops, but for those of the first and the last step.

    Whoever writes such a loop makes a mistake in every step, or at an end of it.
    """
    families: dict[Hashable, list[Node]] = {}
    for node in recording.nodes:
        if node in recording.sites:
            families.setdefault((recording.sites[node], node.op), []).append(node)
    return {node for family in families.values() if len(family) > LONG_LOOP
            for node in family[1:-1]}


def _edges(recording: RecordedLoss) -> Iterator[Edge]:
    for node in recording.nodes:
        if node.op.outputs == 1 and node not in recording.shifts:
            for position, parent in enumerate(node):
                if parent is not None:
                    yield Edge(recording, node, position, parent)


def _parts(edge: Edge, uses: Counter[int]) -> bool:
    """Return whether paths part or terms meet here, so that one can be forgotten."""
    if sum(parent is edge.parent for parent in edge.node) > 1:
        return False  # a square, w * w
    return uses[id(edge.parent)] > 1 or edge.node.op.name in SUMS


def segments(recording: RecordedLoss) -> Iterator[Segment]:
    """Yield all functions of one variable that are applied element by element, shortest first."""
    plain = set()
    for node in recording.nodes:
        positions = [i for i, parent in enumerate(node) if parent is not None]
        if positions and all(recording.is_diagonal(node, i) for i in positions):
            plain.add(node)
    recognised: dict[Hashable, str] = {}
    for end in recording.nodes:
        if end in plain:
            yield from _segments_to(recording, end, plain, recognised)


def _segments_to(recording: RecordedLoss, end: Node, plain: set[Node],
                 recognised: dict[Hashable, str]) -> Iterator[Segment]:
    nodes = [end]
    while len(nodes) <= LONGEST_SEGMENT:
        # The vertices that these nodes depend on: if there is one only, they are a function of it.
        parents = {id(p): p for node in nodes for p in node if p is not None}
        outside = [p for p in parents.values() if not any(p is node for node in nodes)]
        if len(outside) == 1:
            ordered = sorted(nodes, key=lambda node: node.order)
            line = tuple((node.op, recording.sites.get(node)) for node in ordered)
            if line not in recognised:  # in a loop, the first step tells
                recognised[line] = _recognised_op(recording, outside[0], end, len(nodes))
            yield Segment(outside[0], end, ordered, recognised[line])
        computed = [p for p in outside if isinstance(p, Node)]
        newest = max(computed, key=lambda node: node.order, default=None)
        if newest is None or newest not in plain:
            break
        nodes.append(newest)


def _recognised_op(recording: RecordedLoss, start: Node | Value, end: Node, length: int) -> str:
    """Return the operation that several nodes amount to: ``1 / (1 + exp(−z))`` is the sigmoid."""
    z, a = recording.value(start), recording.value(end)
    with np.errstate(all="ignore"):
        for op in OPS.values() if length > 1 else ():
            more = op.defaults or op.nondifferentiable or op.variadic or op.record.samples
            of_one_array = len(op.arrays) == 1 and not more
            if of_one_array and np.allclose(op.forward(z), a, rtol=1e-6, atol=0):
                return op.name
    return str(end.op.name)


def slope(recording: RecordedLoss, segment: Segment, point: Array | None = None) -> Array:
    """Return the derivative of a segment, element by element, at its argument or at `point`."""
    at = recording.value(segment.start) if point is None else point
    start = Tensor(at, requires_grad=True)
    values: dict[Any, Any] = {segment.start: start}
    with changed_mode(recording=True):
        for node in segment.nodes:
            pairs = zip(node, node.arrays or (), strict=True)
            args = [values.get(parent, array) for parent, array in pairs]
            values[node] = node.op(*args, **node.static)
    end = values[segment.end]
    (found,) = gradients([(end, np.ones_like(end.data))], [start])
    return np.asarray(found)


def segment_changes(recording: RecordedLoss, segment: Segment) -> Iterator[Candidate]:
    """Yield the mistakes with an activation's derivative: left out, twice, at the wrong point."""
    start, end = segment.start, segment.end

    def instead(kind: str, share: Share, other: Any = None) -> Candidate:
        return Candidate(kind, segment.op, (Change(end, share, target=start),), start, other)

    def times(factor: Array) -> Share:
        return lambda g: g * factor

    with np.errstate(all="ignore"):
        right = slope(recording, segment)
        yield instead("missing-factor", lambda g: g)
        yield instead("extra-factor", times(right * right))
        # The derivative as a function of its argument, evaluated at the activation …
        yield instead("wrong-point", times(slope(recording, segment, recording.value(end))), end)
        # … and, where it is written in terms of the activation (1 − a²), at the argument.
        op = OPS.get(segment.op)
        if op is not None and len(op.arrays) == 1 and op.rules[0] is not None and not op.defaults:
            z = recording.value(start)
            in_terms_of_z = np.asarray(op.rules[0](np.ones_like(z), z, z))
            yield instead("wrong-point", times(in_terms_of_z), start)
