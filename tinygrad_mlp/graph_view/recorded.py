"""The graph behind an output: its nodes, their users and arguments, and its layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tinygrad_mlp.autograd.gradients import ancestors
from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.errors import GraphReleasedError
from tinygrad_mlp.graph_view.layer_view import arrays_of, find_layers, in_sequence, users_of


class Recorded:
    """The graph behind an output, for the function `who` that messages speak of.

    Attributes:
        nodes: the nodes that lead to the output, oldest first.
        users: for each node, the nodes that take its result, once for each use.
        layers: the layers if they follow one another, first layer first; otherwise none.
        inlined: the products of layers to which a bias is added, written together with that.

    Raises:
        GraphReleasedError: a backward pass has released the graph.
    """

    def __init__(self, output: Value, who: str = "explain()") -> None:
        self.output = output
        self.who = who
        self.nodes = ancestors([] if output.node is None else [output.node])
        for node in self.nodes:
            if node.arrays is None:
                raise GraphReleasedError(
                    f"{who}: the graph through '{node.op.name}' was released by backward(). "
                    f"Call {who} before it, or compute the output again, or pass "
                    f"retain_graph=True to backward()."
                )
        self.users = users_of(self.nodes)
        layers = find_layers(self.nodes)
        self.layers = layers if in_sequence(layers) else []
        self.inlined = {layer.product for layer in self.layers if layer.z is not layer.product}

    def arguments(self) -> Iterator[tuple[Node, int, Any, Any]]:
        """Yield every argument of every node: the node, the position, the origin, the array."""
        for node in self.nodes:
            for position, (parent, array) in enumerate(zip(node, arrays_of(node), strict=True)):
                yield node, position, parent, array

    def leaves(self) -> dict[int, Value]:
        """Return the leaves among the arguments, by their identity."""
        parents = (parent for node in self.nodes for parent in node)
        return {id(p): p for p in parents if isinstance(p, Value) and p.node is None}

    def only_user(self, node: Node) -> Node | None:
        """Return the one node that takes a result; None if there are several uses, or none."""
        users = self.users[node]
        return users[0] if len(users) == 1 else None
