"""Every single mistake one could make in a backward pass, as a change of the recorded one.

A mistake is local: a derivative left out, applied twice, or taken at the wrong point; a matrix not
transposed; a path forgotten. Each is derived here from the graph alone, for any graph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.gradients import gradients
from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.autograd.ops.sums import broadcasts
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.verify.derivations.replay import Change, RecordedLoss, Share

PRODUCTS = ("matmul", "linear")

LONGEST_SEGMENT = 8
"""Most operations that are taken for one activation; ``1 / (1 + exp(−z))`` has four."""


class Candidate(NamedTuple):
    """A change, and how to speak of it: a kind of mistake in the local derivative of `op`.

    The derivative belongs at `source` and is taken at `other`, or that value or matrix is used
    instead. Where both are the same, it is written in terms of the result (1 − a²) and taken at the
    argument (1 − z²).
    """

    kind: str
    op: str
    change: Change
    source: Node | Value
    other: Node | Value | None = None


class Segment(NamedTuple):
    """A function applied element by element: the nodes from `start` (excluded) to `end`."""

    start: Node | Value
    end: Node
    nodes: list[Node]
    op: str


def candidates(recording: RecordedLoss) -> Iterator[Candidate]:
    """Yield all changes of the backward pass, the likeliest mistakes first."""
    found = list(segments(recording))
    for segment in found:
        yield from segment_changes(recording, segment)
    near = Neighbours(recording)
    uses = Counter(id(parent) for node in recording.nodes for parent in node)
    activations = {id(segment.end) for segment in found if len(segment.nodes) == 1}
    for node in recording.nodes:
        if node.op.outputs > 1:
            continue
        for position, parent in enumerate(node):
            if parent is None:
                continue
            edge = Edge(recording, node, position, parent)
            yield from edge.other_matrices()
            yield from edge.other_points(near)
            if id(node) not in activations:
                yield from edge.lost_or_doubled_factor()
            if uses[id(parent)] > 1:  # the paths part here, so a forgotten one is such an edge
                yield edge.forgotten()


def segments(recording: RecordedLoss) -> Iterator[Segment]:
    """Yield all functions of one variable that are applied element by element, shortest first."""
    plain = set()
    for node in recording.nodes:
        positions = [i for i, parent in enumerate(node) if parent is not None]
        if positions and all(recording.is_diagonal(node, i) for i in positions):
            plain.add(node)
    for end in recording.nodes:
        if end in plain:
            yield from _segments_to(recording, end, plain)


def _segments_to(recording: RecordedLoss, end: Node, plain: set[Node]) -> Iterator[Segment]:
    nodes = [end]
    while len(nodes) <= LONGEST_SEGMENT:
        # The vertices that these nodes depend on: if there is one only, they are a function of it.
        parents = {id(p): p for node in nodes for p in node if p is not None}
        outside = [p for p in parents.values() if not any(p is node for node in nodes)]
        if len(outside) == 1:
            ordered = sorted(nodes, key=lambda node: node.order)
            op = _recognised_op(recording, outside[0], end, len(nodes))
            yield Segment(outside[0], end, ordered, op)
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
        return Candidate(kind, segment.op, Change(end, share, target=start), start, other)

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


class Edge(NamedTuple):
    """One argument of a node, and the mistakes in what it receives."""

    recording: RecordedLoss
    node: Node
    position: int
    parent: Node | Value

    def instead(self, kind: str, share: Share, other: Any = None) -> Candidate:
        """Return the change that replaces what the argument receives."""
        change = Change(self.node, share, position=self.position)
        return Candidate(kind, self.node.op.name, change, self.parent, other)

    def other_matrices(self) -> Iterator[Candidate]:
        """Yield, for a product, the use of another factor in the place of its transpose."""
        if self.node.op.name not in PRODUCTS:
            return
        for at, array in enumerate(self.node.arrays or ()):
            if at != self.position and np.ndim(array) == 2 and array.shape[0] == array.shape[1]:
                yield self.instead("transpose", self._with_array(at, array.T), self.node[at])

    def other_points(self, near: Neighbours) -> Iterator[Candidate]:
        """Yield the use of another argument before its activation instead of after it, or v.v."""
        for at, parent in enumerate(self.node):
            if at == self.position or parent is None:
                continue
            for other in near.of(parent):
                share = self._with_array(at, self.recording.value(other))
                yield self.instead("wrong-point", share, other)

    def forgotten(self) -> Candidate:
        """Return the path through the argument left out."""
        nothing = np.zeros_like(self.recording.value(self.parent))
        return self.instead("missing-term", lambda g: nothing)

    def lost_or_doubled_factor(self) -> Iterator[Candidate]:
        """Yield the local derivative left out, and applied twice."""
        shape, to = self.recording.value(self.node).shape, self.recording.value(self.parent).shape
        if broadcasts(shape, to):
            yield self.instead("missing-factor", lambda g: np.broadcast_to(g, to))
        if shape == to:
            yield self.instead("extra-factor", lambda g: self._share(self._share(g)))

    def _share(self, g: Array, arrays: Any = None) -> Array:
        return self.recording.share(self.node, self.position, g, arrays)

    def _with_array(self, at: int, array: Array) -> Share:
        """Return the right share, computed with another array as argument `at`."""
        arrays = list(self.node.arrays or ())
        arrays[at] = array
        return lambda g: self._share(g, arrays)


class Neighbours:
    """For each vertex, those it is connected with element by element: z and a of one layer."""

    def __init__(self, recording: RecordedLoss) -> None:
        self._links: dict[int, list[Node | Value]] = {}
        for node in recording.nodes:
            for position, parent in enumerate(node):
                if parent is not None and recording.is_diagonal(node, position):
                    self._links.setdefault(id(node), []).append(parent)
                    self._links.setdefault(id(parent), []).append(node)

    def of(self, vertex: Node | Value) -> Iterator[Node | Value]:
        """Yield the vertices within reach, nearest first."""
        seen, ring = {id(vertex)}, [vertex]
        for _ in range(LONGEST_SEGMENT):
            ring = [n for v in ring for n in self._links.get(id(v), ()) if id(n) not in seen]
            seen.update(map(id, ring))
            yield from ring
