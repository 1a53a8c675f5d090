"""The recorded graph of a loss at one point, its backward pass, and the person's names in it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.backward import propagate, unbroadcast
from tinygrad_mlp.autograd.gradients import ancestors
from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.autograd.in_place import Argument
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.autograd.op import Static
from tinygrad_mlp.autograd.tape import source_of_copy, without_copies
from tinygrad_mlp.program.instructions import is_random
from tinygrad_mlp.verify.wrong_line.recording.recorder import FunctionRecorder
from tinygrad_mlp.verify.wrong_line.recording.sites import Site, variable_of

Call = Callable[[Any, Mapping[str, Any]], Any]
"""Calls the loss in the way that it takes its parameters."""

Vertex = Node | Value
"""The result of an operation, or a leaf."""


class LossGraph:
    """The graph of a loss at one point.

    Attributes:
        nodes: the operations, oldest first.
        leaves: the parameters by name.
        cotangents: ∂L/∂v of every vertex v.
        shares: what the argument at a position of a node receives, by node and position.
        texts: the expressions of the loss that a vertex is the value of, each with the number of
            the times that it was evaluated before.
        lines: the lines that the loss ran, each a file, a function and a number.
        constants: arrays of the loss that no gradient flows to, by their text.
    """

    def __init__(self, loss: FunctionRecorder, parameters: Mapping[str, Array], call: Call) -> None:
        self._source = loss.source
        self.leaves = {
            name: Argument(array, requires_grad=True, name=name)
            for name, array in parameters.items()}
        with changed_mode(recording=True, exact_losses=False, differentiating="check_derivation"), (
                loss.recording()) as values:
            self.out = call(loss.function, self.leaves)
        same = merged(without_copies(ancestors([self.out.node])))
        self.nodes = ancestors([self.out.node])
        self.cotangents: dict[int, Any] = {}
        self.shares: dict[tuple[int, int], Array] = {}
        self._walk_back()
        self.texts: dict[int, list[tuple[Site, int]]] = {}
        self.constants: dict[str, Array] = {}
        self._name(loss.sites, values, same)

    def _walk_back(self) -> None:
        totals = {id(leaf): np.zeros_like(leaf.data) for leaf in self.leaves.values()}

        def collect(leaf: Value, g: Array, owned: bool) -> None:
            if id(leaf) in totals:
                totals[id(leaf)] = totals[id(leaf)] + g

        def vjp_of(node: Node, g: Array) -> Any:
            self.cotangents[id(node)] = g

            def vjp(position: int, g: Array, y: Array, arrays: Sequence[object],
                    static: Static) -> Any:
                share = node.op.vjp(position, g, y, arrays, static)
                like = np.asarray(arrays[position])
                share = np.asarray(unbroadcast(share, like, node.op, position))
                self.shares[id(node), position] = share
                return share

            return vjp

        with changed_mode(walk=lambda _: vjp_of):
            propagate([(self.out, np.ones_like(self.out.data))], collect, retain=False)
        self.cotangents.update(totals)

    def _name(self, sites: list[Site], values: Mapping[int, list[object]],
              same: Mapping[int, Node]) -> None:
        self._times = {number: len(kept) for number, kept in values.items()}
        self.lines = {place_of(site) for site in sites if self._times.get(site.number)}
        for site in sites:
            for occurrence, value in enumerate(values.get(site.number, ())):
                if not isinstance(value, Value):
                    if isinstance(value, np.ndarray) and not site.after:
                        self.constants.setdefault(site.text, value)
                    continue
                vertex: Any = value if value.node is None else value.node
                leaf = source_of_copy(vertex)
                vertex = same.get(id(vertex), vertex) if leaf is None else leaf
                self.texts.setdefault(id(vertex), []).append((site, occurrence))

    def vertices(self) -> list[Vertex]:
        """Return the leaves, then the nodes with one output, oldest first."""
        return [*self.leaves.values(), *(node for node in self.nodes if node.op.outputs == 1)]

    def gradients(self) -> dict[str, Array]:
        """Return the gradients of the parameters."""
        return {name: np.asarray(self.cotangents[id(leaf)]) for name, leaf in self.leaves.items()}

    def text(self, vertex: Vertex) -> str | None:
        """Return what the person calls a vertex: a variable, or else the shortest expression."""
        if isinstance(vertex, Value):
            return vertex.name
        if vertex.name:
            return vertex.name
        texts = []
        for site, _ in self.texts.get(id(vertex), ()):
            text = variable_of(site) or site.text
            # What a helper calls its argument is not what the loss calls it.
            elsewhere = self._source is not None and site.source.tree is not self._source.tree
            texts.append((elsewhere, not text.isidentifier(), len(text), text))
        return min(texts)[-1] if texts else None

    def family(self, vertex: Vertex) -> tuple[int, int] | None:
        """Return the number of the expression that a node is the value of, and which time it was.

        Nodes of the same expression are one family: one for each step of a loop. Of several
        expressions, that counts which was evaluated the fewest times: not the body of a helper;
        and that which computes it, not a name, as the state of a loop is loaded in several places.
        """
        found = [(self._times[site.number], isinstance(site.node, ast.Name), site.number, step)
                 for site, step in self.texts.get(id(vertex), ())]
        return min(found)[2:] if found else None


def place_of(site: Site) -> tuple[str, str, int]:
    """Return the file, the function and the line of the statement that a site belongs to."""
    name = getattr(site.source.tree, "name", "")
    return site.source.filename, name, site.statement.lineno


def merged(nodes: Sequence[Node]) -> dict[int, Node]:
    """Make users of equal nodes share one of them. Return that one by the identity of each.

    A part of a loss that is written twice is one variable of a derivation.
    """
    known: dict[Any, Node] = {}
    same: dict[int, Node] = {}
    for node in nodes:
        node[:] = [same.get(id(parent), parent) for parent in node]
        if node.op.outputs == 1 and not is_random(node.static):
            assert node.arrays is not None
            constants = (compared(a) if parent is None else id(parent)
                         for a, parent in zip(node.arrays, node, strict=True))
            # An array that no rule reads is not kept: such constants show in the result.
            key = node.op.name, compared(node.static), *constants, compared(node.out)
            same[id(node)] = known.setdefault(key, node)
    return same


def compared(value: object) -> object:
    """Return what tells a constant from another one, for use as a key."""
    if isinstance(value, Mapping):
        return tuple((key, compared(each)) for key, each in value.items())
    if isinstance(value, (tuple, list)):
        return type(value), *map(compared, value)
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    return repr(value)


def value_of(vertex: Vertex) -> Array:
    """Return the array at a vertex."""
    return np.asarray(vertex.out if isinstance(vertex, Node) else vertex.data)
