"""A recorded graph and its layers: their operations, their numbers, the names of their parts.

Every reading of a graph asks this module: the derivation, the check of a derivation, the listing
of a program and the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.gradients import ancestors, origin
from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.autograd.ops.products.convolution import conv2d_op
from tinygrad_mlp.errors import GraphReleasedError

WITH_BIAS = (ops.linear, conv2d_op)  # products that take their input, the weight and the bias
PRODUCTS = (ops.matmul, *WITH_BIAS)  # operations that a layer begins with
# Functions that end a layer which no other layer follows.
ACTIVATIONS = (
    ops.tanh, ops.sigmoid, ops.relu, ops.leaky_relu, ops.softplus, ops.gelu, ops.erf, ops.softmax)


class Layer(NamedTuple):
    """A layer ``z = W a + b``, ``a = f(z)`` in a graph.

    `number` is that of the layer that z belongs to; the input is layer 1. `product` is the node of
    ``W a``, or of ``W a + b`` in one operation; `weight` and `input` are the positions of W and of
    the layer's input among its arguments. `bias` is the node and the position of b. `activation` is
    the node of f where the network ends with this layer; elsewhere, a is the input of the next one.
    """

    number: int
    product: Node
    weight: int
    input: int
    bias: tuple[Node, int] | None
    z: Node
    activation: Node | None

    @property
    def sizes(self) -> tuple[int, int]:
        """The numbers of inputs and outputs of the matrix W."""
        n_out, n_in = np.shape(arrays_of(self.product)[self.weight])
        if self.product.op is ops.matmul and self.weight == 1:
            n_out, n_in = n_in, n_out  # a W, with samples in rows
        return n_in, n_out


def arrays_of(node: Node) -> tuple[Any, ...]:
    """Return the arguments of a node as the operation saw them."""
    assert node.arrays is not None, "the graph was released"
    return node.arrays


def users_of(nodes: Sequence[Node]) -> dict[Node, list[Node]]:
    """Return for each node the nodes that take its result, once for each use."""
    users: dict[Node, list[Node]] = {node: [] for node in nodes}
    for node in nodes:
        for parent in node:
            made_by = origin(parent)
            if made_by in users:
                users[made_by].append(node)
    return users


def find_layers(nodes: Sequence[Node]) -> list[Layer]:
    """Find the layers among nodes that are sorted from the oldest to the newest.

    A layer begins with a product that takes a weight: a matrix or a kernel that is a leaf to which
    gradients flow. Its number is its depth: one more than that of the layers below it.
    """
    users = users_of(nodes)
    depth: dict[Node, int] = {}
    found: list[Layer] = []
    for node in nodes:
        depth[node] = max((depth.get(m, 1) for m in map(origin, node) if m is not None), default=1)
        places = _weight_and_input(node)
        if places is None:
            continue
        weight, taken = places
        below = origin(node[taken])
        depth[node] = 1 + (1 if below is None else depth.get(below, 1))
        z, bias = _with_bias(node, users)
        found.append(Layer(depth[node], node, weight, taken, bias, z, _activation(users[z])))
    return found


def in_sequence(layers: Sequence[Layer]) -> bool:
    """Return whether layers follow one another: each number and each weight occurs once."""
    numbers = {layer.number for layer in layers}
    weights = {id(layer.product[layer.weight]) for layer in layers}
    return len(numbers) == len(weights) == len(layers)


def named_parts(layers: Sequence[Layer]) -> Iterator[tuple[Node, int | None, str]]:
    """Name the parts of layers in sequence: ``z2 = W1 x + b1``, ``z3 = W2 a2 + b2``, ….

    Yield a node, the position of an argument (None for the node's result), and the name. A part may
    come twice; its first name counts. Layers that do not follow one another get no names, whose
    numbers would tell of an order that is none.
    """
    if not in_sequence(layers):
        return
    for layer in layers:
        below = layer.number - 1
        yield layer.product, layer.weight, f"W{below}"
        if layer.bias is not None:
            yield *layer.bias, f"b{below}"
        yield layer.z, None, f"z{layer.number}"
        taken = origin(layer.product[layer.input])
        if taken is None:
            yield layer.product, layer.input, "x"
        elif taken.op.outputs == 1:
            yield taken, None, f"a{below}"
    if layers and layers[-1].activation is not None:
        yield layers[-1].activation, None, f"a{layers[-1].number}"


def _weight_and_input(node: Node) -> tuple[int, int] | None:
    """Return the positions of the weight and of the input in a product; None without a weight."""
    if node.op in WITH_BIAS:
        return (1, 0) if _is_parameter(node, 1) else None
    if node.op is not ops.matmul:
        return None
    for weight in (0, 1):
        if _is_parameter(node, weight) and np.ndim(arrays_of(node)[weight]) == 2:
            return weight, 1 - weight
    return None


def _is_parameter(node: Node, position: int) -> bool:
    parent = node[position]
    return isinstance(parent, Value) and parent.node is None


def _with_bias(product: Node,
               users: dict[Node, list[Node]]) -> tuple[Node, tuple[Node, int] | None]:
    """Return the node of z, with the node and the position of the bias.

    A product that the user has named is a quantity of its own, and so is z without the bias.
    """
    if product.op in WITH_BIAS:
        return product, None if arrays_of(product)[2] is None else (product, 2)
    if len(users[product]) == 1 and product.name is None:
        user = users[product][0]
        if user.op is ops.add and user.out.shape == product.out.shape:
            other = 1 if user[0] is product else 0
            if _is_parameter(user, other):
                return user, (user, other)
    return product, None


def _activation(users: list[Node]) -> Node | None:
    """Return the activation among the users of z. A loss may take z, too."""
    others = [user for user in users if "target" not in user.op.arrays]
    return others[0] if len(others) == 1 and others[0].op in ACTIVATIONS else None


class Recorded:
    """The graph behind an output, for the function `who` that messages speak of.

    `nodes` come oldest first, with the nodes that take their results in `users`. `layers` are
    those that follow one another, first layer first; otherwise none. `inlined` are the products
    of layers to which a bias is added, written together with that.
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
                    f"retain_graph=True to backward().")
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
