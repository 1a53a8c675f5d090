"""Layers: which operations and parameters of a graph belong together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.backward import origin
from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.autograd.ops.products.convolution import avg_pool2d_op, conv2d_op, max_pool2d_op
from tinygrad_mlp.graph_view.layer_view import PRODUCTS
from tinygrad_mlp.graph_view.recorded import Recorded
from tinygrad_mlp.nn import Module

POOLING = (max_pool2d_op, avg_pool2d_op)


class Layer:
    """A layer in a graph.

    Attributes:
        title: what it is called.
        module: the module it is the work of, if that is known.
        nodes: its operations, oldest first.
        leaves: its parameters.
    """

    def __init__(self, title: str, module: Module | None = None) -> None:
        self.title = title
        self.module = module
        self.nodes: list[Node] = []
        self.leaves: list[Value] = []


def layers(graph: Recorded, model: Module | None = None) -> list[Layer]:
    """The layers of a graph, first layer first.

    A layer begins with an operation that takes a weight: a matrix or a kernel that gradients flow
    to; or, where a model is given, any parameter of one of its modules. What adds a bias, works
    element by element or pools, and has nothing else to work on, belongs to it, too. A parameter
    that is used several times makes no layer: it belongs to all of them.

    Args:
        graph: the graph.
        model: the module that holds the parameters; layers are then called as its modules are.
    """
    owners = {} if model is None else _owners(model)
    uses: dict[int, int] = {}
    for node in graph.nodes:
        for leaf in _leaves(node):
            uses[id(leaf)] = uses.get(id(leaf), 0) + 1
    found: list[Layer] = []
    of: dict[Node, Layer] = {}
    for node in graph.nodes:
        own = [leaf for leaf in _leaves(node) if uses[id(leaf)] == 1]
        before = _one_before(graph, node)
        last = of.get(before) if before is not None else None
        module = next((owners[id(leaf)][1] for leaf in own if id(leaf) in owners), None)
        layer = None
        if module is not None:
            layer = next((known for known in found if known.module is module), None)
            if layer is None:
                layer = Layer(owners[id(own[0])][0], module)
        elif last is not None and (_adds_bias(node, own) or (not own and _only_changes(node))):
            layer = last
        elif model is None and node.op in PRODUCTS and any(leaf.data.ndim >= 2 for leaf in own):
            layer = Layer(_title(len(found) + 2, node, own))
        if layer is not None:
            if not layer.nodes:
                found.append(layer)
            layer.nodes.append(node)
            layer.leaves += own
            of[node] = layer
    for layer in found:
        if layer.module is not None and all(leaf.data.ndim < 2 for leaf in layer.leaves):
            _take_what_leads_to(layer, graph, of)
    return found


def _leaves(node: Node) -> Iterator[Value]:
    for parent in node:
        if isinstance(parent, Value) and parent.node is None:
            yield parent


def _owners(model: Module) -> dict[int, tuple[str, Module]]:
    """For each parameter, the innermost module that has it, and what that is called."""
    owners: dict[int, tuple[str, Module]] = {}
    for path, module in model.named_modules():
        head = repr(module).splitlines()[0].partition("  # ")[0].rstrip().removesuffix("(")
        for parameter in module.parameters():
            owners[id(parameter)] = f"{path} {head}".strip(), module
    return owners


def _one_before(graph: Recorded, node: Node) -> Node | None:
    """The one result that a node works on, if nothing else uses it."""
    makers = [made_by for made_by in map(origin, node) if made_by is not None]
    one = makers[0] if len(makers) == 1 else None
    return one if one is not None and graph.only_user(one) is node else None


def _adds_bias(node: Node, own: list[Value]) -> bool:
    return node.op is ops.add and len(own) == 1 and own[0].data.ndim < 2


def _only_changes(node: Node) -> bool:
    return (node.op.record.elementwise and node.op.arity == 1) or node.op in POOLING


def _title(number: int, node: Node, own: list[Value]) -> str:
    """The input is layer 1, so the first weights lead to layer 2."""
    weight = next(leaf for leaf in own if leaf.data.ndim >= 2)
    if node.op is conv2d_op:
        kernels, _, height, width = weight.shape  # type: ignore[attr-defined]
        return f"layer {number}: {kernels} kernels of {height}×{width}"
    first = node[0] is weight  # W @ x with columns; x Wᵀ has the same shape of W
    transposed = node.op is ops.matmul and not first
    n_out, n_in = weight.data.shape[::-1] if transposed else weight.data.shape
    return f"layer {number}: {n_in} → {n_out}"


def _take_what_leads_to(layer: Layer, graph: Recorded, of: dict[Any, Layer]) -> None:
    """Add what is computed for this layer only: a normalisation begins before its parameters."""
    for node in reversed(graph.nodes):
        users = graph.users[node]
        if node not in of and users and all(of.get(user) is layer for user in users):
            of[node] = layer
            layer.nodes.insert(0, node)
