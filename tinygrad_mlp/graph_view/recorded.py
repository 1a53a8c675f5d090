"""What was recorded: the nodes behind an output, and the layers of a network among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.backward import ancestors, origin
from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.errors import GraphReleasedError

ELEMENTWISE_MODULES = frozenset(
    one.__module__
    for one in (ops.abs, ops.add, ops.equal, ops.erf, ops.exp, ops.relu, ops.tanh)
)


def is_elementwise(op: Op) -> bool:
    """Whether it is one of the package's operations that work element by element."""
    return op.__module__ in ELEMENTWISE_MODULES


class Layer(NamedTuple):
    """A layer's affine map ``z = W a + b`` in the graph.

    Attributes:
        number: of the layer that z belongs to; the input is layer 1.
        product: the node of ``W a``, or of the whole in one operation.
        weight: position of W among its arguments.
        input: position of a.
        z: the node of the result: that of adding b where this is an operation of its own.
        bias: the node and position of b; None without one.
    """

    number: int
    product: Node
    weight: int
    input: int
    z: Node
    bias: tuple[Node, int] | None


class Recorded:
    """The graph behind an output.

    Args:
        output: the output.
        who: the function that messages speak of.

    Attributes:
        output: the output.
        nodes: what was computed on the way to it, oldest first.
        users: for each node, the nodes that take its result, once for each time.
        layers: the layers, if the graph has one after the other; first layer first.

    Raises:
        GraphReleasedError: a backward pass has used the graph up.
    """

    def __init__(self, output: Value, who: str = "explain()") -> None:
        self.output = output
        self.who = who
        self.nodes = ancestors([] if output.node is None else [output.node])
        self.users: dict[Node, list[Node]] = {node: [] for node in self.nodes}
        for node in self.nodes:
            if node.arrays is None:
                raise GraphReleasedError(
                    f"{who}: the graph through '{node.op.name}' was released by backward(). "
                    f"Call {who} before it, or compute the output again, or pass "
                    f"retain_graph=True to backward()."
                )
            for parent in node:
                made_by = origin(parent)
                if made_by is not None:
                    self.users[made_by].append(node)
        self.layers = self._find_layers()

    def arguments(self) -> Iterator[tuple[Node, int, Any, Any]]:
        """Every argument of every node: the node, the position, where it is from, its array."""
        for node in self.nodes:
            for position, (parent, array) in enumerate(zip(node, arrays_of(node), strict=True)):
                yield node, position, parent, array

    def only_user(self, node: Node) -> Node | None:
        """The one node that takes a result; None where there are several uses, or none."""
        users = self.users[node]
        return users[0] if len(users) == 1 else None

    def activation(self, layer: Layer) -> Node | None:
        """The node that applies a function to a layer's z, element by element."""
        user = self.only_user(layer.z)
        simple = user is not None and is_elementwise(user.op) and user.op.arity == 1
        return user if simple else None

    def _find_layers(self) -> list[Layer]:
        level: dict[Node, int] = {}
        found: list[Layer] = []
        for node in self.nodes:
            above = [level[m] for m in map(origin, node) if m is not None]
            level[node] = max(above, default=1)
            places = affine(node)
            if places is not None:
                weight, taken = places
                below = origin(node[taken])
                level[node] = 1 + (1 if below is None else level[below])
                z, bias = self._with_bias(node)
                found.append(Layer(level[node], node, weight, taken, z, bias))
        numbers = {layer.number for layer in found}
        weights = {id(layer.product[layer.weight]) for layer in found}
        # Side by side, or with weights in common, they are no sequence that could be numbered.
        return found if len(numbers) == len(weights) == len(found) else []

    def _with_bias(self, product: Node) -> tuple[Node, tuple[Node, int] | None]:
        if product.op is ops.linear:
            given = arrays_of(product)[2] is not None
            return product, (product, 2) if given else None
        user = self.only_user(product)
        if user is not None and user.op is ops.add and user.out.shape == product.out.shape:
            other = 1 if user[0] is product else 0
            if origin(user[other]) is None and product.name is None:
                return user, (user, other)
        return product, None


def arrays_of(node: Node) -> tuple[Any, ...]:
    """The arguments as the operation saw them."""
    assert node.arrays is not None, "Recorded has checked that"
    return node.arrays


def affine(node: Node) -> tuple[int, int] | None:
    """The positions of W and a in a product ``W a``; W is a leaf that wants a gradient."""
    if node.op is ops.linear:
        return (1, 0) if _is_weight(node, 1) else None
    if node.op is not ops.matmul:
        return None
    if _is_weight(node, 0):
        return 0, 1
    return (1, 0) if _is_weight(node, 1) else None


def _is_weight(node: Node, position: int) -> bool:
    parent = node[position]
    leaf = isinstance(parent, Value) and parent.node is None
    return leaf and np.ndim(arrays_of(node)[position]) == 2
