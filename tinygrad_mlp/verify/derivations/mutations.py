"""Every single mistake one could make in a backward pass, as a change of the recorded one.

A mistake is local: a derivative left out, applied twice, or taken at the wrong point; a matrix not
transposed; a path forgotten. Each is made here out of the graph alone, for any graph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.autograd.op import OPS, Op
from tinygrad_mlp.verify.derivations.notation import PRODUCTS
from tinygrad_mlp.verify.derivations.replay import Change, Recording, Share

LONGEST_SEGMENT = 8
"""Operations in a row that are taken for one activation: ``1 / (1 + exp(−z))`` has four."""


class Candidate(NamedTuple):
    """A change, and how to speak of it.

    Attributes:
        kind: the kind of mistake.
        op: the operation whose local derivative is at fault.
        change: what is different in the backward pass.
        vertex: the vertex whose derivative, path or product it is about.
        source: the argument at which the derivative belongs.
        other: where the derivative is taken instead, or the value or matrix used instead. The
            source itself stands for a derivative written in terms of the result (1 − a²) and
            taken at the argument (1 − z²).
    """

    kind: str
    op: str
    change: Change
    vertex: Node
    source: Node | Value | None = None
    other: Node | Value | None = None


class Segment(NamedTuple):
    """A function applied element by element: the nodes from `start` (not among them) to `end`."""

    start: Node | Value
    end: Node
    nodes: list[Node]
    op: str


def candidates(recording: Recording) -> Iterator[Candidate]:
    """All changes of the backward pass, the likeliest mistakes first."""
    found = list(segments(recording))
    for segment in found:
        yield from segment_changes(recording, segment)
    near = Neighbours(recording)
    inside = {id(s.end) for s in found if len(s.nodes) == 1}
    for node in recording.nodes:
        yield from edge_changes(recording, node, near, diagonal=id(node) in inside)


# -- activations ------------------------------------------------------------------------------


def is_elementwise(recording: Recording, node: Node, position: int) -> bool:
    """Whether a node's derivative with respect to an argument is a diagonal matrix."""
    if node.op.outputs > 1 or node.op.rules[0 if node.op.variadic else position] is None:
        return False
    shape = recording.value(node).shape
    parent = node[position]
    if parent is None or recording.value(parent).shape != shape:
        return False
    # A diagonal matrix treats every element by itself: v ↦ v · diagonal.
    ones = np.ones(shape, recording.value(node).dtype)
    probe = np.asarray(np.random.default_rng(0).uniform(1, 2, shape), dtype=ones.dtype)
    with np.errstate(all="ignore"):
        diagonal = recording.share(node, position, ones)
        got = recording.share(node, position, probe)
    return bool(np.allclose(got, probe * diagonal, rtol=1e-4, atol=0, equal_nan=True))


def segments(recording: Recording) -> Iterator[Segment]:
    """All functions of one variable that are applied element by element, shortest first."""
    plain = {
        node
        for node in recording.nodes
        if any(p is not None for p in node)
        and all(is_elementwise(recording, node, i) for i, p in enumerate(node) if p is not None)
    }
    for end in recording.nodes:
        if end not in plain:
            continue
        nodes = [end]
        while len(nodes) <= LONGEST_SEGMENT:
            # What the nodes so far depend on: with one vertex left, they are a function of it.
            outside = {
                id(p): p for n in nodes for p in n if p is not None and not _among(p, nodes)
            }
            if len(outside) == 1:
                start = next(iter(outside.values()))
                ordered = sorted(nodes, key=lambda node: node.order)
                yield Segment(start, end, ordered, _recognised(recording, start, end, nodes))
            newest = max(
                (p for p in outside.values() if isinstance(p, Node)),
                key=lambda node: node.order,
                default=None,
            )
            if newest is None or newest not in plain:
                break
            nodes.append(newest)


def _among(vertex: Any, nodes: list[Node]) -> bool:
    return any(vertex is node for node in nodes)


def _unary_ops() -> Iterator[Op]:
    for op in OPS.values():
        more = op.defaults or op.nondifferentiable or op.variadic or op.record.samples
        if len(op.arrays) == 1 and not more:
            yield op


def _recognised(
    recording: Recording, start: Node | Value, end: Node, nodes: list[Node]
) -> str:
    """The operation that a row of nodes amounts to: ``1 / (1 + exp(−z))`` is the sigmoid."""
    if len(nodes) == 1:
        return str(end.op.name)
    z, a = recording.value(start), recording.value(end)
    with np.errstate(all="ignore"):
        for op in _unary_ops():
            if np.allclose(op.forward(z), a, rtol=1e-6, atol=0):
                return op.name
    return str(end.op.name)


def slope(recording: Recording, segment: Segment, point: Array | None = None) -> Array:
    """The derivative of a segment, element by element, at its argument or at another point."""
    values: dict[Any, Any] = {}
    if point is not None:
        values = recording.evaluate(segment.nodes, {segment.start: point})
    cotangents: dict[Any, Any] = {segment.end: np.ones_like(recording.value(segment.end))}
    for node in reversed(segment.nodes):
        g = cotangents[node]
        arrays = recording._inputs(node, values)
        y = values.get(node, recording.outs[node])
        for position, parent in enumerate(node):
            if parent is not None:
                share = recording.share(node, position, g, arrays=arrays, y=y)
                known = cotangents.get(parent)
                cotangents[parent] = share if known is None else known + share
    return np.asarray(cotangents[segment.start])


def segment_changes(recording: Recording, segment: Segment) -> Iterator[Candidate]:
    """The activation's derivative left out, applied twice, or taken at the wrong point."""
    start, end = segment.start, segment.end

    def instead(kind: str, factor: Array | None, other: Any = None) -> Candidate:
        share: Share = (lambda g: g) if factor is None else (lambda g: g * factor)
        change = Change(redirects={end: (start, share)})
        return Candidate(kind, segment.op, change, end, start, other)

    with np.errstate(all="ignore"):
        right = slope(recording, segment)
        yield instead("missing-factor", None)
        yield instead("extra-factor", right * right)
        # The derivative as a function of its argument, evaluated at the activation …
        yield instead("wrong-point", slope(recording, segment, recording.value(end)), end)
        # … and, where it is written in terms of the activation (1 − a²), at the argument.
        op = OPS.get(segment.op)
        if op is not None and len(op.arrays) == 1 and op.rules[0] is not None and not op.defaults:
            z = recording.value(start)
            yield instead("wrong-point", np.asarray(op.rules[0](np.ones_like(z), z, z)), start)


# -- single arguments ---------------------------------------------------------------------------


def edge_changes(
    recording: Recording, node: Node, near: Neighbours, *, diagonal: bool
) -> Iterator[Candidate]:
    """Changes of what one argument of a node receives."""
    if node.op.outputs > 1:
        return
    uses = Counter(id(p) for n in recording.nodes for p in n)
    for position, parent in enumerate(node):
        if parent is None:
            continue
        shape = recording.value(parent).shape
        key = (node, position)

        def instead(
            kind: str, share: Share, other: Any = None, *, key: Any = key, parent: Any = parent
        ) -> Candidate:
            return Candidate(kind, node.op.name, Change(shares={key: share}), node, parent, other)

        yield from _other_matrices(recording, node, position, instead)
        yield from _other_points(recording, node, position, near, instead)
        if not diagonal:
            if _broadcasts(recording.value(node).shape, shape):
                yield instead("missing-factor", _repeated_to(shape))
            if recording.value(node).shape == shape:
                yield instead("extra-factor", _twice(recording, node, position))
        if uses[id(parent)] > 1:  # the paths part here: what is forgotten is one of these edges
            yield instead("missing-term", _zeros_like(recording.value(parent)))


def _repeated_to(shape: tuple[int, ...]) -> Share:
    return lambda g: np.broadcast_to(g, shape)


def _zeros_like(array: Array) -> Share:
    return lambda g: np.zeros_like(array)


def _twice(recording: Recording, node: Node, position: int) -> Share:
    return lambda g: recording.share(node, position, recording.share(node, position, g))


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def _with_array(
    recording: Recording, node: Node, position: int, at: int, array: Array
) -> Share:
    arrays = list(recording.arrays[node])
    arrays[at] = array
    return lambda g: recording.share(node, position, g, arrays=arrays)


def _other_matrices(
    recording: Recording, node: Node, position: int, instead: Any
) -> Iterator[Candidate]:
    """In a product, another factor's matrix in the place of its transpose."""
    if node.op.name not in PRODUCTS:
        return
    for at, array in enumerate(recording.arrays[node]):
        if at != position and np.ndim(array) == 2 and array.shape[0] == array.shape[1]:
            yield instead(
                "transpose", _with_array(recording, node, position, at, array.T), node[at]
            )


def _other_points(
    recording: Recording, node: Node, position: int, near: Neighbours, instead: Any
) -> Iterator[Candidate]:
    """A factor taken before its activation instead of after it, or the reverse."""
    for at, parent in enumerate(node):
        if at == position or parent is None:
            continue
        for other in near.of(parent):
            share = _with_array(recording, node, position, at, recording.value(other))
            yield instead("wrong-point", share, other)


class Neighbours:
    """For each vertex, those it is connected with element by element: z and a of one layer."""

    def __init__(self, recording: Recording) -> None:
        self._links: dict[int, list[Node | Value]] = {}
        for node in recording.nodes:
            for position, parent in enumerate(node):
                if parent is not None and is_elementwise(recording, node, position):
                    self._links.setdefault(id(node), []).append(parent)
                    self._links.setdefault(id(parent), []).append(node)

    def of(self, vertex: Node | Value) -> Iterator[Node | Value]:
        """The vertices within reach, nearest first."""
        seen, ring = {id(vertex)}, [vertex]
        for _ in range(LONGEST_SEGMENT):
            ring = [n for v in ring for n in self._links.get(id(v), ()) if id(n) not in seen]
            seen.update(map(id, ring))
            yield from ring
