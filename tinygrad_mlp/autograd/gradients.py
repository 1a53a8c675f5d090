"""Gradients with respect to chosen values, and the part of a graph that leads to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tinygrad_mlp.autograd.backward import key_of, propagate
from tinygrad_mlp.autograd.graph import Node, Value


def gradients(outputs: Sequence[tuple[Value, object]], targets: Sequence[Value], *,
              create_graph: bool = False, release: bool = False,
              retain: bool = False) -> list[Any]:
    """Return the derivatives with respect to `targets`; None where the outputs depend on none.

    `outputs` are pairs of a value and its cotangent. The targets may be leaves or not, and the pass
    does not go beyond them. See `propagate` for `create_graph`, `release` and `retain`.
    """
    found: dict[Node | int, Any] = {key_of(t): None for t in targets if t._requires_grad}

    def collect(leaf: Value, g: object, owned: bool) -> None:
        if id(leaf) in found:
            known = found[id(leaf)]
            found[id(leaf)] = g if known is None else known + g

    starts = [(value, g) for value, g in outputs if value._requires_grad]
    useful = leading_to(found, [value.node for value, _ in starts if value.node is not None])
    cls = outputs[0][0].result_class if create_graph else None
    propagate(
        starts, collect, create_graph=cls, release=release, retain=retain,
        wanted={*useful, *found}, stop=found)
    return [found.get(key_of(t)) for t in targets]


def origin(parent: Node | Value | None) -> Node | None:
    """Return the node behind a parent; None for a leaf, and where no gradient is needed."""
    return parent.node if isinstance(parent, Value) else parent


def ancestors(nodes: Iterable[Node], first: int = 0) -> list[Node]:
    """Return `nodes` and all nodes that gradients flow to from there, oldest first.

    Nodes whose order is below `first` are left out.
    """
    seen = {node for node in nodes if node.order >= first}
    stack = list(seen)
    while stack:
        for parent in stack.pop():
            node = origin(parent)
            if node is not None and node not in seen and node.order >= first:
                seen.add(node)
                stack.append(node)
    return sorted(seen, key=lambda node: node.order)


def leading_to(targets: dict[Node | int, object], nodes: Iterable[Node]) -> set[Node]:
    """Return the nodes among the ancestors of `nodes` through which gradients reach `targets`."""
    useful: set[Node] = set()
    for node in ancestors(nodes):
        parents = [parent for parent in node if parent is not None]
        if node in targets or any(id(p) in targets or origin(p) in useful for p in parents):
            useful.add(node)
    return useful
