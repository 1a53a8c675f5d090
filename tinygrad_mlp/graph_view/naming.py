"""The names of all values of a graph.

Names that the user gave come first. Parts of layers are called as in `layer_view`: ``z2 = W1 x``,
``a2 = f(z2)``, ``z3 = W2 a2``, …. The target of a loss is y, the loss is L, and other results are
v1, v2, ….
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array, Node, Value, make_value
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.graph_view.layer_view import PRODUCTS, Recorded, arrays_of, named_parts
from tinygrad_mlp.graph_view.names import SAME_IN_EVERY_LAYER, Name, UniqueNames, of_places

UNCHANGING = (ops.identity, ops.astype, ops.reshape, ops.broadcast_to, ops.sum_to)


class Naming:
    """The names of the values of one graph.

    `given` are arrays and tensors of the graph by name. `result` is the name of the output if it
    has no other; None for a numbered name. Keys are nodes, and leaves and constants by identity.
    """

    def __init__(self, graph: Recorded, given: Mapping[str, object],
                 result: str | None = "L") -> None:
        self.graph = graph
        self.names = UniqueNames()
        self._of: dict[Any, Name] = {}
        self._name_by_user(given)
        self._by_user = set(self._of)
        for node, position, text in named_parts(graph.layers):
            key = node if position is None else key_of(node[position], arrays_of(node)[position])
            self._suggest(key, text)
        self._name_roles()
        self._name_leaves()
        if graph.output.node is not None and result is not None:
            self._suggest(key_of(graph.output), result)
        for node in graph.nodes:
            if node not in graph.inlined and not is_alias(node):
                for index in range(node.op.outputs):
                    self.of_node(node, index)

    def _suggest(self, key: object, text: str) -> None:
        if key not in self._of:
            self._of[key] = self.names.unique(text)

    def _name_by_user(self, given: Mapping[str, object]) -> None:
        keys = self._keys_by_identity()
        for text, value in given.items():
            key = keys.get(id(value))
            if key is None and isinstance(value, Value):
                key = keys.get(id(value.data)) if value.node is None else key_of(value)
            foreign = isinstance(value, Value) and value.node not in (None, *self.graph.nodes)
            if key is None or foreign:
                raise InvalidArgumentError(
                    f"{self.graph.who}: names must be of arrays and tensors that the output was "
                    f"computed from. Got something else for '{text}' (a copy is another array).")
            self._suggest(key, text)
        for _, _, parent, _ in self.graph.arguments():
            if isinstance(parent, Value) and parent.name and parent.name not in SAME_IN_EVERY_LAYER:
                self._suggest(key_of(parent), parent.name)
        for node in self.graph.nodes:
            if node.name and not is_alias(node):
                self._suggest(node, node.name)

    def _keys_by_identity(self) -> dict[int, Any]:
        """Return the keys of leaves, of arrays that were arguments, and of results."""
        keys: dict[int, Any] = {}
        for _, _, parent, array in self.graph.arguments():
            if not isinstance(parent, Node):
                keys.setdefault(id(array), key_of(parent, array))
        keys.update((key, key) for key in self.graph.leaves())
        for node in self.graph.nodes:
            if node.op.outputs == 1:
                keys.setdefault(id(node.out), node)
        return keys

    def _name_roles(self) -> None:
        """Name what an operation takes as a target or as the input of a product."""
        for node, position, parent, array in self.graph.arguments():
            if isinstance(parent, Node) or array is None or isinstance(array, (int, float)):
                continue
            if node.op.parameter(position) == "target":
                self._suggest(key_of(parent, array), "y")
            elif node.op in PRODUCTS and parent is None:
                self._suggest(id(array), "x")

    def _name_leaves(self) -> None:
        """Name the leaves that are left: ``query_weight``, or x, or x1, x2, … if there are several.

        The first is a parameter whose module has the name query (see `nn.parameter`).
        """
        leaves = self.graph.leaves().items()
        unnamed = {key: leaf for key, leaf in leaves if key not in self._of}
        places = {key: place for key, leaf in unnamed.items()
                  if (place := getattr(leaf, "place", None))}
        names = of_places(places.values())
        for key, leaf in unnamed.items():
            own = names[places[key]] if key in places else leaf.name
            if own or len(unnamed) == 1:
                self._suggest(key, own or "x")
            else:
                self._of[key] = self.names.numbered("x")

    def find(self, text: str) -> Value:
        """Return the tensor of a name in this graph, or with that name of its own."""
        leaves = self.graph.leaves()
        key = {name.text: key for key, name in self._of.items()}.get(text)
        if key in leaves:
            return leaves[key]
        node, index = key if isinstance(key, tuple) else (key, 0)
        if isinstance(node, Node):
            out = node.out if node.op.outputs == 1 else node.out[index]
            value = make_value(Value, out, node, True)
            value.index = index
            return value
        called = [leaf for leaf in leaves.values() if leaf.name == text]
        if len(called) == 1:
            return called[0]
        known = [self._of[key].text for key in leaves]
        known += [n.text for key, n in self._of.items() if not isinstance(key, int)]
        raise InvalidArgumentError(
            f"explain(): wrt must name a tensor of the graph: {', '.join(known)}. Got '{text}'.")

    def known(self, key: object) -> bool:
        """Return whether a key has a name already."""
        return key in self._of

    def by_user(self, key: object) -> bool:
        """Return whether the user gave the name of a key."""
        return key in self._by_user

    def of_key(self, key: object) -> Name | None:
        """Return the name of a key, if it has one already."""
        return self._of.get(key)

    def release(self, keys: Iterable[object]) -> None:
        """Let others have the names of some keys, which will get new ones."""
        for key in keys:
            if key in self._of:
                self.names.given.pop(self._of[key].text, None)

    def give_name(self, key: object, name: Name, by_user: bool = True) -> None:
        """Give a key another name, which counts as one that the user gave."""
        if not self.by_user(key):
            self.release([key])
        self._of[key] = name
        self.names.given.setdefault(name.text, 1)
        if by_user:
            self._by_user.add(key)

    def of_node(self, node: Node, index: int = 0) -> Name:
        """Return the name of a result of a node."""
        key = node if node.op.outputs == 1 else (node, index)
        if key not in self._of:
            self._of[key] = self.names.numbered("v")
        return self._of[key]

    def of_leaf(self, leaf: Value) -> Name:
        """Return the name of a leaf."""
        self._suggest(id(leaf), leaf.name or "x")  # only an output that is a leaf has none yet
        return self._of[id(leaf)]

    def of_argument(self, parent: Node | Value | None, array: Any) -> Name:
        """Return the name of an argument of a node."""
        if parent is None:
            return self.of_constant(array)
        if isinstance(parent, Node):
            return self.of_node(parent)
        if parent.node is None:
            return self.of_leaf(parent)
        return self.of_node(parent.node, parent.index)

    def of_constant(self, array: Array) -> Name:
        """Return the name of an array that needs no gradient."""
        if id(array) not in self._of:
            letter = {"b": "m", "i": "i", "u": "i"}.get(array.dtype.kind, "c")
            self._of[id(array)] = self.names.numbered(letter)
        return self._of[id(array)]

    def of_output(self) -> Name:
        """Return the name of the output."""
        return self.of_argument(self.graph.output, None)


def key_of(parent: Node | Value | None, array: Array | float | None = None) -> Any:
    """Return the key of the name of a value, or of an argument: its origin and its array."""
    if parent is None:
        return id(array)
    if isinstance(parent, Node):
        return parent
    if parent.node is None:
        return id(parent)
    return parent.node if parent.node.op.outputs == 1 else (parent.node, parent.index)


def in_graph(graph: Recorded, values: Mapping[str, object]) -> dict[str, object]:
    """Return the arrays and tensors among named values that are in a graph.

    The output is left out, what has a name of its own, names that something else in the graph has
    of its own, and names that begin with an underscore.
    """
    inside = {id(array) for _, _, parent, array in graph.arguments() if parent is None}
    inside |= {key for key, leaf in graph.leaves().items()
               if leaf.name is None or leaf.name in SAME_IN_EVERY_LAYER}
    nodes = {*graph.nodes} - {graph.output.node}
    taken = {leaf.name for leaf in graph.leaves().values()} | {node.name for node in graph.nodes}
    taken -= SAME_IN_EVERY_LAYER
    return {text: v for text, v in values.items()
            if text not in taken and not text.startswith("_")
            and isinstance(v, (np.ndarray, Value)) and (id(v) in inside or (
                isinstance(v, Value) and (v.node in nodes or id(v.data) in inside)))}


def is_alias(node: Node) -> bool:
    """Return whether a node changes nothing, as a reshape to the same shape, and needs no name."""
    if node.op not in UNCHANGING or node[0] is None:
        return False
    before = arrays_of(node)[0]
    same = before.shape == node.out.shape and before.dtype == node.out.dtype
    return same and (node.name is None or node.name == node[0].name)


def is_filled(array: Array) -> bool:
    """Return whether an array holds the same number everywhere."""
    array = np.asarray(array)
    return array.dtype.kind in "fiu" and array.size > 0 and bool((array == array.flat[0]).all())
