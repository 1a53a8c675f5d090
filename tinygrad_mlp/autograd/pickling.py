"""Copies: pickling of tensors with a history, however long it is, and ``copy.copy``.

Pickle descends from a tensor to its node, to the node's parents, and so on: a history of a thousand
operations is too deep for it. So a tensor is pickled with the list of all its nodes, oldest first.
When a node's turn comes, its parents are there already, and nothing is nested.
"""

from __future__ import annotations

import copyreg
import weakref
from typing import Any, NamedTuple

from tinygrad_mlp.autograd.gradients import ancestors
from tinygrad_mlp.autograd.graph import Array, Node, Value, make_value
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.autograd.tensor import Tensor


class _Output(NamedTuple):
    """A parent that is one of several outputs of a node."""

    data: Any
    node: Node
    number: int


def _tensor_parts(tensor: Value) -> Any:
    if tensor.node is None:
        return object.__reduce_ex__(tensor, 2)
    held = tensor.data, tensor.node, tensor.index, tensor._requires_grad
    return _restored_tensor, (ancestors([tensor.node]), *held, tensor.grad, tensor.own_name)


def _restored_tensor(nodes: list[Node], data: Array, node: Node, index: int, requires_grad: bool,
                     grad: Array | None, own_name: str | None) -> Value:
    tensor = make_value(Tensor, data, node, requires_grad, index)
    tensor.grad, tensor.own_name = grad, own_name
    return tensor


def _node_parts(node: Node) -> Any:
    parents = [
        _Output(p.data, p.node, p.index) if isinstance(p, Value) and p.node is not None else p
        for p in node]
    kept = [value for reference in node.retained or () if (value := reference()) is not None]
    parts = parents, node.op, node.arrays, node.static, node.out, node.name
    return _restored_node, parts, kept or None, None, None, _retain


def _restored_node(parents: list[Node | Value | _Output | None], op: Op, arrays: Any,
                   static: dict[str, object], out: object, name: str | None) -> Node:
    node = Node(
        [make_value(Tensor, p.data, p.node, True, p.number) if isinstance(p, _Output) else p
         for p in parents], op, arrays, static, out)
    node.name = name
    return node


def _retain(node: Node, values: list[Value]) -> None:
    node.retained = [weakref.ref(value) for value in values]


def copied(tensor: Tensor, memo: dict[int, object] | None = None) -> Tensor:
    """Return what the module ``copy`` makes of a tensor.

    A copied leaf is a leaf. What was computed stays a function of the same leaves, since a copied
    graph would send its gradients to copies that nobody looks at.
    """
    if (tensor.node is not None and tensor._requires_grad) or isinstance(tensor.data, Value):
        return tensor.copy()
    made: Any = make_value(type(tensor), tensor.data.copy(), None, tensor._requires_grad)
    made.own_name = tensor.name
    made.grad = None if tensor.grad is None else tensor.grad.copy()
    return made


Tensor.__copy__ = Tensor.__deepcopy__ = copied  # type: ignore[attr-defined]
copyreg.pickle(Tensor, _tensor_parts)
copyreg.pickle(Node, _node_parts)
