"""The dictionary of what the graph of the loss holds: all that a line of a derivation can be.

For each vertex v it holds the value, the cotangent ∂L/∂v, the share that v receives from each of
its users, and sums of some of these shares: in the order of the backward pass, and all but one. For
each use of v by an elementwise operation it holds the slope. Each is known at several points, and
is called what the person calls it in the loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.verify.wrong_line.graph.loss_graph import LossGraph, Vertex, value_of

LONGEST_NAME = 48
"""Most characters of an expression that is used as a name."""

ORDER = ("cotangent", "value", "constant", "share", "slope", "multiple", "partial")
"""The kinds of quantities, the most telling first."""


class Quantity(NamedTuple):
    """One quantity: its arrays by point, and the words for it (None if nothing names it).

    `family` is equal for what is the same in other steps of a loop, and `step` counts these.
    `depth` counts the operations between it and the loss.
    """

    kind: str
    words: str | None
    arrays: tuple[Array, ...]
    family: Any
    step: int
    depth: int


class Family(NamedTuple):
    """Quantities that are the same thing in all steps of a loop, or one by itself."""

    kind: str
    words: str | None
    members: tuple[Quantity, ...]


def quantities(graphs: Sequence[LossGraph]) -> list[Quantity]:
    """Return the dictionary of a loss that was recorded at several points."""
    listed = [list(_at_point(graph)) for graph in graphs]
    first = listed[0]
    same = [other for other in listed
            if [q[:2] for q in other] == [q[:2] for q in first]]  # other branches, other graphs
    found = []
    for index, (kind, words, _, family, step, depth) in enumerate(first):
        arrays = tuple(other[index].arrays[0] for other in same)
        found.append(Quantity(kind, words, arrays, family, step, depth))
    return sorted(found, key=lambda q: (ORDER.index(q.kind), q.words is None, len(q.words or "")))


def multiples(found: Sequence[Quantity], counts: Mapping[str, float]) -> list[Quantity]:
    """Return n·∂L/∂v for the counts of a derivation, which may divide by n only later."""
    return [Quantity("multiple", q.words and f"{text}·{q.words}",
                     tuple(count * array for array in q.arrays), (q.family, text), q.step, q.depth)
            for q in found if q.kind == "cotangent" and q.arrays[0].ndim
            for text, count in counts.items()]


def families(found: Sequence[Quantity]) -> list[Family]:
    """Return quantities grouped by family, each in the order of the loss."""
    groups: dict[Any, list[Quantity]] = {}
    for quantity in found:
        groups.setdefault((quantity.kind, quantity.family), []).append(quantity)
    made = []
    for (kind, _), members in groups.items():
        members.sort(key=lambda q: q.step)
        made.append(Family(kind, members[0].words, tuple(members)))
    return made


def of_other_loops(known: Sequence[Family], lengths: Set[int]) -> Iterator[Family]:
    """Yield the same quantities for a derivation that has other loops than the loss.

    Where the loss has a loop over samples or heads, all its steps in one array; where the loss has
    an axis of one of some lengths, its rows, one for each pass of a loop of the derivation.
    """
    for kind, words, members in known:
        if kind not in ("cotangent", "value", "multiple"):
            continue
        shapes = {array.shape for each in members for array in each.arrays}
        if len(members) > 1 and len(shapes) == 1:
            for axis in range(len(shapes.pop()) + 1):
                points = zip(*(each.arrays for each in members), strict=True)
                arrays = tuple(np.stack(steps, axis) for steps in points)
                yield Family(kind, words, (members[0]._replace(arrays=arrays),))
        elif len(members) == 1:
            for axis, length in enumerate(members[0].arrays[0].shape):
                if length in lengths:
                    yield Family(kind, words, tuple(members[0]._replace(arrays=tuple(
                        array.take(k, axis) for array in members[0].arrays), step=k)
                        for k in range(length)))


def is_telling(array: Array) -> bool:
    """Return whether an array holds more than zeros or ones only, which explain nothing."""
    return array.size > 0 and array.dtype.kind == "f" and not (
        (array == 0).all() or (array == 1).all())


def _at_point(graph: LossGraph) -> Iterator[Quantity]:
    users: dict[int, list[tuple[Node, int]]] = {}
    for node in graph.nodes:
        for position, parent in enumerate(node):
            if parent is not None:
                users.setdefault(id(parent), []).append((node, position))
    last = len(graph.nodes)
    depth = {id(node): last - i for i, node in enumerate(graph.nodes)}
    for vertex in graph.vertices():
        if isinstance(vertex, Node) and vertex.op.name == "negative":
            continue  # matches are up to the sign: nobody speaks of ∂L/∂(-z)
        name = short(graph.text(vertex))
        family, step = graph.family(vertex) or (id(vertex), 0)
        key = family if graph.family(vertex) else ("unnamed", depth.get(id(vertex), last + 1))

        def made(kind: str, words: str | None, array: Array, *more: object,
                 v: Node | Value = vertex, k: Any = key, s: int = step) -> Quantity:
            return Quantity(kind, words, (np.asarray(array),), (k, *more), s,
                            depth.get(id(v), last + 1))

        if id(vertex) in graph.cotangents:
            words = name and gradient_of(name)
            yield made("cotangent", words, graph.cotangents[id(vertex)])
        yield made("value", name, value_of(vertex))
        yield from _shares(graph, vertex, users.get(id(vertex), []), name, made)
    for text, array in graph.constants.items():
        yield Quantity("constant", short(text), (array,), ("constant", text), 0, last + 1)


def _shares(graph: LossGraph, vertex: Vertex, users: list[tuple[Node, int]], name: str | None,
            made: Any) -> Iterator[Quantity]:
    """Yield what a vertex receives, use by use and in sums, and the slopes of its users."""
    received: list[Array] = []
    for node, position in reversed(users):  # the backward pass visits the newest user first
        share = graph.shares.get((id(node), position))
        if share is None:
            continue
        user = short(graph.text(node)) if node.op.outputs == 1 else None
        number = len(received)
        if len(users) > 1:
            words = f"what {name} receives from {user}" if name and user else None
            yield made("share", words, share, "share", number)
        if node.op.elementwise and node.op.outputs == 1:
            slope = _slope(node, position)
            if slope is not None and is_telling(slope):
                words = f"the derivative of {user} with respect to {name}"
                yield made("slope", words if name and user else None, slope, "slope", number)
        received.append(share)
    if len(received) > 2:
        for kept in range(2, len(received)):
            words = f"what {name} has received from its last {kept} uses" if name else None
            yield made("partial", words, sum(received[:kept]), "first", kept)
        for left in range(len(received)):
            rest = [share for i, share in enumerate(received) if i != left]
            words = f"what {name} receives from all of its uses but one" if name else None
            yield made("partial", words, sum(rest), "without", left)


def _slope(node: Node, position: int) -> Array | None:
    assert node.arrays is not None
    with np.errstate(all="ignore"):
        slope = node.op.vjp(position, np.ones_like(node.out), node.out, node.arrays, node.static)
    found = np.asarray(slope)
    return found if found.shape == np.shape(node.out) else None


def gradient_of(name: str) -> str:
    """Return ∂L/∂name, with brackets where the name is an expression with operators."""
    plain = all(c.isalnum() or c in "_.[]" for c in name)
    return f"∂L/∂{name}" if plain else f"∂L/∂({name})"


def short(text: str | None) -> str | None:
    """Return a text that can serve as a name, or None."""
    return text if text is not None and len(text) <= LONGEST_NAME else None
