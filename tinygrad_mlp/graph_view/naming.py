"""Which name everything in a graph gets: the user's, or one like in the document.

In a network of layers, ``z2 = W1 x``, ``a2 = f(z2)``, ``z3 = W2 a2`` and so on; otherwise results
are v1, v2, …. Targets of losses are y, the loss is L.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Node, Value, make_value
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.graph_view.layer_view import PRODUCTS, named_parts
from tinygrad_mlp.graph_view.names import SAME_IN_EVERY_LAYER, Name, Names
from tinygrad_mlp.graph_view.recorded import Recorded, arrays_of


class Naming:
    """The names in a derivation.

    Args:
        graph: the graph.
        given: arrays and tensors by name, for what has none of its own.
        result: what the output is called if it has no other name.

    Raises:
        InvalidArgumentError: an entry of `given` is not in the graph.
    """

    def __init__(
        self, graph: Recorded, given: Mapping[str, Any], result: str | None = "L"
    ) -> None:
        self.graph = graph
        self.names = Names()
        self._of: dict[Any, Name] = {}
        self._keep_own(given)
        self._name_layers()
        self._name_roles()
        if graph.output.node is not None and result is not None:
            self._suggest(key_of_value(graph.output), result)
        inlined = {layer.product for layer in graph.layers if layer.z is not layer.product}
        for node in graph.nodes:
            if node not in inlined and not is_alias(node):
                for index in range(node.op.outputs):
                    self.of_node(node, index)

    # -- keys: nodes themselves, leaves and constants by their identity ------------------------

    def _suggest(self, key: Any, text: str) -> None:
        if key not in self._of:
            self._of[key] = self.names.unique(text)

    def _keep_own(self, given: Mapping[str, Any]) -> None:
        keys: dict[int, Any] = {}
        for _, _, parent, array in self.graph.arguments():
            leaf = isinstance(parent, Value)
            if not isinstance(parent, Node):
                keys.setdefault(id(array), key_of(parent, array))
            if leaf and parent.node is None:
                keys[id(parent)] = id(parent)
        for node in self.graph.nodes:
            if node.op.outputs == 1:
                keys.setdefault(id(node.out), node)
        for text, what in given.items():
            key = keys.get(id(what))
            if key is None and isinstance(what, Value):
                key = keys.get(id(what.data)) if what.node is None else key_of_value(what)
            foreign = isinstance(what, Value) and what.node not in (None, *self.graph.nodes)
            if key is None or foreign:
                raise InvalidArgumentError(
                    f"{self.graph.who}: names must be of arrays and tensors that the output was "
                    f"computed from. The one given for '{text}' is none of them (a copy is another "
                    f"array)."
                )
            self._suggest(key, text)
        for _, _, parent, _ in self.graph.arguments():
            if isinstance(parent, Value) and parent.name and parent.name not in SAME_IN_EVERY_LAYER:
                self._suggest(key_of(parent, None), parent.name)
        for node in self.graph.nodes:
            if node.name and not is_alias(node):
                self._suggest(node, node.name)

    def _name_layers(self) -> None:
        for node, position, text in named_parts(self.graph.layers):
            self._suggest(node if position is None else key_at(node, position), text)

    def _name_roles(self) -> None:
        for node, position, parent, array in self.graph.arguments():
            if isinstance(parent, Node) or array is None or isinstance(array, (int, float)):
                continue
            role = node.op.arrays[0 if node.op.variadic else position]
            key = key_of(parent, array)
            if role == "target":
                self._suggest(key, "y")
            elif node.op in PRODUCTS and parent is None:
                self._suggest(key, "x")
        unnamed = {
            id(parent): parent
            for _, _, parent, _ in self.graph.arguments()
            if isinstance(parent, Value) and key_of(parent, None) not in self._of
        }
        for key, leaf in unnamed.items():
            if leaf.name:
                self._suggest(key, leaf.name)
            elif len(unnamed) == 1:
                self._suggest(key, "x")
            else:
                self._of[key] = self.names.numbered("x")

    # -- what they are asked for ------------------------------------------------------------

    def find(self, text: str) -> Value:
        """The tensor of a name in this derivation, or of that name of its own.

        Raises:
            InvalidArgumentError: there is none.
        """
        leaves = {
            id(parent): parent
            for _, _, parent, _ in self.graph.arguments()
            if isinstance(parent, Value) and parent.node is None
        }
        for key, name in self._of.items():
            if name.text == text:
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
            f"explain(): there is no tensor of the name '{text}' to derive with respect to. "
            f"There are {', '.join(known)}."
        )

    def known(self, key: Any) -> bool:
        """Whether something has a name already."""
        return key in self._of

    def of_node(self, node: Node, index: int = 0) -> Name:
        """The name of a result."""
        key = node if node.op.outputs == 1 else (node, index)
        if key not in self._of:
            self._of[key] = self.names.numbered("v")
        return self._of[key]

    def of_leaf(self, leaf: Value) -> Name:
        """The name of a leaf."""
        self._suggest(id(leaf), leaf.name or "x")  # has no effect but on an output that is a leaf
        return self._of[id(leaf)]

    def of_argument(self, parent: Any, array: Any) -> Name:
        """Return the name of an argument of a node."""
        if parent is None:
            return self.of_constant(array)
        if isinstance(parent, Node):
            return self.of_node(parent)
        return self.of_leaf(parent) if parent.node is None else self.of_node(
            parent.node, parent.index
        )

    def of_constant(self, array: Any) -> Name:
        """The name of an array that needs no gradient."""
        if id(array) not in self._of:
            letter = {"b": "m", "i": "i", "u": "i"}.get(array.dtype.kind, "c")
            self._of[id(array)] = self.names.numbered(letter)
        return self._of[id(array)]

    def of_output(self) -> Name:
        """The name of the output."""
        node = self.graph.output.node
        return self.of_leaf(self.graph.output) if node is None else self.of_node(node)


def key_of(parent: Any, array: Any) -> Any:
    """Under what an argument's name is kept."""
    if parent is None:
        return id(array)
    if isinstance(parent, Node):
        return parent
    return id(parent) if parent.node is None else (parent.node, parent.index)


def key_of_value(value: Value) -> Any:
    """Under what the name of a value is kept."""
    node = value.node
    return key_of(node if node is not None and node.op.outputs == 1 else value, None)


def key_at(node: Node, position: int) -> Any:
    """Under what the name of a node's argument is kept."""
    return key_of(node[position], arrays_of(node)[position])


UNCHANGING = (ops.identity, ops.astype, ops.reshape, ops.broadcast_to, ops.sum_to)


def is_alias(node: Node) -> bool:
    """Whether it changes nothing (a reshape to the same shape), so that it needs no equation."""
    if node.op not in UNCHANGING or node[0] is None:
        return False
    before = arrays_of(node)[0]
    same = before.shape == node.out.shape and before.dtype == node.out.dtype
    return same and (node.name is None or node.name == node[0].name)


def is_filled(array: Any) -> bool:
    """Whether it holds one number only, so that it can be written as that number."""
    array = np.asarray(array)
    return array.dtype.kind in "fiu" and array.size > 0 and bool((array == array.flat[0]).all())
