"""Groups of a picture: the operations and parameters of one layer, or of one module of a model.

And the places of operations: their modules, or the lines of the program that called them.
"""

from __future__ import annotations

import linecache
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tinygrad_mlp.autograd.call_site import CallSite
from tinygrad_mlp.autograd.gradients import origin
from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.autograd.ops.products.convolution import avg_pool2d_op, conv2d_op, max_pool2d_op
from tinygrad_mlp.graph_view.layer_view import Layer, Recorded, arrays_of, find_layers
from tinygrad_mlp.nn import Module

POOLING = (max_pool2d_op, avg_pool2d_op)


@dataclass(eq=False)
class NodeGroup:
    """The operations, oldest first, and the parameters that are drawn in one frame."""

    title: str
    nodes: list[Node] = field(default_factory=list)
    leaves: list[Value] = field(default_factory=list)


def find_groups(graph: Recorded, model: Module | None = None) -> list[NodeGroup]:
    """Find the layers of a graph or, if a model is given, the modules that hold its parameters.

    An operation that works element by element or pools, and takes nothing but a result of a group,
    belongs to that group, whose title names it. A parameter that is used several times belongs to
    no group. The groups come first layer first.
    """
    uses = Counter(id(leaf) for node in graph.nodes for leaf in _leaves(node))
    once = {key for key, n in uses.items() if n == 1}
    group_of = _layer_groups(graph, once) if model is None else _module_groups(graph, once, model)
    for node in graph.nodes:
        before = origin(node[0])
        changes_only = node.op in POOLING or (node.op.record.elementwise and node.op.arity == 1)
        if changes_only and node not in group_of and before in group_of:
            if graph.only_user(before) is node:
                group = group_of[node] = group_of[before]
                group.title += f", {node.op.name}"
    if model is not None:
        _add_normalisations(graph, group_of)
    for node in graph.nodes:
        if node in group_of:
            group_of[node].nodes.append(node)
    return list(dict.fromkeys(group_of[node] for node in graph.nodes if node in group_of))


def places(graph: Recorded, groups: list[NodeGroup], fold: str) -> dict[Node, str]:
    """Return the titles of the groups (`fold` is "module") or lines ("line") of operations.

    An operation that takes no parameter may belong to no module. Lines are noted under `debug`.
    """
    if fold == "module":
        return {node: group.title for group in groups for node in group.nodes}
    sites = {node: node.note.site for node in graph.nodes if hasattr(node, "note")}
    return {node: _line(site) for node, site in sites.items() if site is not None}


def _line(site: CallSite) -> str:
    file = site.code.co_filename
    source = linecache.getline(file, site.line).strip()
    where = f"{os.path.basename(file)}, line {site.line}"
    return f"{where}: {source}" if source else where


def _leaves(node: Node) -> Iterator[Value]:
    for parent in node:
        if isinstance(parent, Value) and parent.node is None:
            yield parent


def _layer_groups(graph: Recorded, once: set[int]) -> dict[Node, NodeGroup]:
    """Return the groups of the nodes of z, for each layer whose weight is used once."""
    group_of: dict[Node, NodeGroup] = {}
    for layer in find_layers(graph.nodes):
        weight = layer.product[layer.weight]
        if id(weight) not in once:
            continue
        group = group_of[layer.product] = group_of[layer.z] = NodeGroup(_title(layer), [], [weight])
        if layer.bias is not None:
            node, position = layer.bias
            if id(node[position]) in once:
                group.leaves.append(node[position])
    return group_of


def _title(layer: Layer) -> str:
    if layer.product.op is conv2d_op:
        kernels, _, height, width = arrays_of(layer.product)[layer.weight].shape
        return f"layer {layer.number}: {kernels} kernels of {height}×{width}"
    n_in, n_out = layer.sizes
    return f"layer {layer.number}: {n_in} → {n_out}"


def _module_groups(graph: Recorded, once: set[int], model: Module) -> dict[Node, NodeGroup]:
    """Return the groups of the nodes that take parameters, by the innermost module of these."""
    owners: dict[int, NodeGroup] = {}
    for path, module in model.named_modules():
        name = repr(module).splitlines()[0].partition("  # ")[0].rstrip().removesuffix("(")
        group = NodeGroup(f"{path} {name}".strip())
        owners.update((id(parameter), group) for parameter in module.parameters())
    group_of: dict[Node, NodeGroup] = {}
    for node in graph.nodes:
        own = [leaf for leaf in _leaves(node) if id(leaf) in once and id(leaf) in owners]
        if own:
            group = group_of[node] = owners[id(own[0])]
            group.leaves += own
    return group_of


def _add_normalisations(graph: Recorded, group_of: dict[Node, NodeGroup]) -> None:
    """Add to groups without a weight matrix the nodes that only they use.

    A normalisation takes its parameters at its end. Its other operations come before.
    """
    for node in reversed(graph.nodes):
        groups = {group_of.get(user) for user in graph.users[node]}
        if node in group_of or len(groups) != 1:
            continue
        group = groups.pop()
        if group is not None and all(leaf.data.ndim < 2 for leaf in group.leaves):
            group_of[node] = group
