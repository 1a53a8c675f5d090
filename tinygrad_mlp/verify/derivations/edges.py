"""The mistakes one could make at one argument of one operation, as changes of its backward pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.autograd.ops.sums import broadcasts
from tinygrad_mlp.verify.derivations.replay import Change, RecordedLoss, Share

PRODUCTS = ("matmul", "linear", "multiply")

SUMS = ("add", "subtract")

MOST_OTHERS = 12
"""Most values that are tried in the place of another one of the same shape."""

LONGEST_SEGMENT = 8
"""Most operations that are taken for one activation; ``1 / (1 + exp(−z))`` has four."""

EPSILONS = tuple(10.0**-k for k in range(2, 13))
"""Small numbers that people add under a logarithm or in a denominator."""

SINGULAR = {"log": 0, "log2": 0, "log10": 0, "sqrt": 0, "reciprocal": 0, "divide": 1,
            "binary_cross_entropy": 0, "categorical_cross_entropy": 0}
"""Operations that are singular where an argument is 0, and the place of that argument."""


class Candidate(NamedTuple):
    """Changes at one place, and how to speak of them: a kind of mistake in the derivative of `op`.

    The derivative belongs at `source` and is taken at `other`, or that value or matrix is used
    instead. Where both are the same, it is written in terms of the result (1 − a²) and taken at the
    argument (1 − z²). `epsilon` is added to the argument. There are several `changes` where the
    mistake is made in every step of a loop.
    """

    kind: str
    op: str
    changes: tuple[Change, ...]
    source: Node | Value
    other: Node | Value | None = None
    epsilon: float = 0.0

    @property
    def change(self) -> Change:
        """The change, the last one of several."""
        return self.changes[-1]


class Edge(NamedTuple):
    """One argument of a node, and the mistakes in what it receives."""

    recording: RecordedLoss
    node: Node
    position: int
    parent: Node | Value

    def instead(self, kind: str, share: Share, other: Any = None,
                epsilon: float = 0.0) -> Candidate:
        """Return the change that replaces what the argument receives."""
        change = Change(self.node, share, position=self.position)
        return Candidate(kind, self.node.op.name, (change,), self.parent, other, epsilon)

    def other_matrices(self) -> Iterator[Candidate]:
        """Yield, for a product, the use of another factor in the place of its transpose."""
        if self.node.op.name not in PRODUCTS[:2]:
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

    def other_values(self, near: Neighbours) -> Iterator[Candidate]:
        """Yield, for a product, the use of another named value of the same shape."""
        if self.node.op.name not in PRODUCTS:
            return
        for at, parent in enumerate(self.node):
            if at == self.position or parent is None:
                continue
            known = {id(parent), *(id(other) for other in near.of(parent))}
            shape = self.recording.value(parent).shape
            found = [v for v in self.recording.names if id(v) not in known
                     and self.recording.value(v).shape == shape] if shape else []
            for other in found[:MOST_OTHERS]:
                share = self._with_array(at, self.recording.value(other))
                yield self.instead("wrong-point", share, other)

    def at(self, position: int, other: Node | Value) -> Candidate:
        """Return the use of the value of another vertex for the argument at `position`."""
        share = self._with_array(position, self.recording.value(other))
        return self.instead("wrong-point", share, other)

    def forgotten(self) -> Candidate:
        """Return the path through the argument left out."""
        nothing = np.zeros_like(self.recording.value(self.parent))
        return self.instead("missing-term", lambda g: nothing)

    def scaled(self) -> Candidate:
        """Return the same change, for a search of the factor that the path is taken with."""
        return self.forgotten()._replace(kind="scaled-term")

    def lost_or_doubled_factor(self) -> Iterator[Candidate]:
        """Yield the local derivative left out, and applied twice."""
        shape, to = self.recording.value(self.node).shape, self.recording.value(self.parent).shape
        if broadcasts(shape, to):
            yield self.instead("missing-factor", lambda g: np.broadcast_to(g, to))
        if shape == to:
            yield self.instead("extra-factor", lambda g: self._share(self._share(g)))

    def with_epsilon(self) -> Iterator[Candidate]:
        """Yield an ε added where the operation is singular."""
        name = self.node.op.name
        if SINGULAR.get(name) != self.position:
            return
        arrays = self.node.arrays or ()
        for epsilon in EPSILONS:
            if name == "binary_cross_entropy":
                share = _cross_entropy_with(epsilon, self._share, *map(np.asarray, arrays[:2]))
            else:
                share = self._with_array(self.position, np.asarray(arrays[self.position] + epsilon))
            yield self.instead("epsilon", share, epsilon=epsilon)
            if name != "divide":
                inside = np.clip(arrays[self.position], epsilon, 1 - epsilon)
                share = self._with_array(self.position, inside)
                yield self.instead("clip", share, epsilon=epsilon)

    def _share(self, g: Array, arrays: object = None) -> Array:
        return self.recording.share(self.node, self.position, g, arrays)

    def _with_array(self, at: int, array: Array) -> Share:
        """Return the right share, computed with another array as argument `at`."""
        arrays = list(self.node.arrays or ())
        arrays[at] = array
        return lambda g: self._share(g, arrays)


def _cross_entropy_with(epsilon: float, right: Share, p: Array, y: Array) -> Share:
    """Return the share of p where each logarithm of −y log p − (1 − y) log(1 − p) has an ε."""
    with np.errstate(all="ignore"):
        slope = (1 - y) / (1 - p) - y / p
        other = (1 - y) / (1 - p + epsilon) - y / (p + epsilon)
        ratio = np.where(slope == 0, 1.0, other / slope)
    return lambda g: np.asarray(right(g) * ratio)


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
