"""From a recorded graph to the boxes, arrows and frames of its picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.backward import origin
from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.drawing.fold import Fold, count_operations, find_folds
from tinygrad_mlp.drawing.grouping import find_groups
from tinygrad_mlp.drawing.scene import (
    DATA,
    FOLD,
    OUTPUT,
    PARAMETER,
    RESULT,
    Arrow,
    Scene,
    Vertex,
    VertexGroup,
)
from tinygrad_mlp.drawing.summaries import format_number, mean_size, record_cotangents, summary
from tinygrad_mlp.graph_view.layer_view import arrays_of
from tinygrad_mlp.graph_view.naming import Naming
from tinygrad_mlp.graph_view.recorded import Recorded
from tinygrad_mlp.nn import Module

FOLD_ABOVE = 24
"""Graphs of more operations than this are folded by default."""

LONGEST_ARGUMENT, MOST_ARGUMENTS = 24, 4
"""Characters of an argument, and arguments of a call, that are shown."""


class GraphInput(NamedTuple):
    """A leaf, or an array that needs no gradient.

    Attributes:
        leaf: the leaf; None for an array.
        array: its numbers.
        key: the key of its box.
        users: the keys of the boxes that take it.
    """

    leaf: Value | None
    array: Any
    key: str
    users: set[str]


class SceneBuilder:
    """Builds the scene of a graph.

    Args:
        graph: the graph.
        names: arrays and tensors by name.
        model: see `find_groups`.
        values: whether boxes show a summary of their arrays.
        gradients: whether boxes and arrows show a summary of the gradients.
        fold: whether to fold; "auto" for graphs of more than `FOLD_ABOVE` operations.
    """

    def __init__(
        self,
        graph: Recorded,
        names: Mapping[str, Any],
        *,
        model: Module | None,
        values: bool,
        gradients: bool,
        fold: bool | str,
    ) -> None:
        self.graph = graph
        # A prediction is not a loss.
        self.naming = Naming(graph, names, "L" if graph.output.data.size == 1 else None)
        self.model = model
        self.values = values
        self.gradients = record_cotangents(graph.output) if gradients else None
        nodes = graph.nodes
        wanted = len(nodes) > FOLD_ABOVE if fold == "auto" else fold
        self.folds = {f"f{i}": part for i, part in enumerate(find_folds(graph) if wanted else [])}
        self.box: dict[Node | str, str] = {node: f"v{i}" for i, node in enumerate(nodes)}
        for key, part in self.folds.items():
            self.box.update(dict.fromkeys(nodes[part.start : part.stop], key))
        self.inputs = self._find_inputs()

    def scene(self) -> Scene:
        """Return the scene."""
        nodes = self.graph.nodes
        inside: dict[str, list[GraphInput]] = {key: [] for key in self.folds}
        vertices: list[Vertex] = []
        for found in self.inputs.values():
            only = next(iter(found.users)) if len(found.users) == 1 else ""
            if only in inside:
                inside[only].append(found)
                self.box[found.key] = only
            else:
                vertices.append(self._input_box(found))
        for i, node in enumerate(nodes):
            if self.box[node] == f"v{i}":
                vertices.append(self._result_box(node, f"v{i}"))
        for key, part in self.folds.items():
            vertices.append(self._fold_box(key, part, inside[key]))
        return Scene(vertices, self._edges(), list(self._groups()), len(nodes))

    def _find_inputs(self) -> dict[int, GraphInput]:
        """Return leaves and arrays, by the identity of the leaf or of the array."""
        inputs: dict[int, GraphInput] = {}
        for node, _, parent, array in self.graph.arguments():
            if origin(parent) is None and not _is_in_call(parent, array):
                key = id(array if parent is None else parent)
                found = inputs.setdefault(key, GraphInput(parent, array, f"x{len(inputs)}", set()))
                found.users.add(self.box[node])
        output = self.graph.output
        if output.node is None:  # a leaf is a picture, too
            inputs[id(output)] = GraphInput(output, output.data, "x0", set())
        return inputs

    def _edges(self) -> list[Arrow]:
        edges: dict[tuple[str, str], Arrow] = {}
        for node, _, parent, array in self.graph.arguments():
            if _is_in_call(parent, array):
                continue
            made_by = origin(parent)
            if made_by is None:
                key = self.inputs[id(array if parent is None else parent)].key
                ends = self.box.get(key, key), self.box[node]
            else:
                ends = self.box[made_by], self.box[node]
            if ends in edges:
                edges[ends] = edges[ends]._replace(uses=edges[ends].uses + 1)
            elif ends[0] != ends[1]:
                edges[ends] = Arrow(*ends, gradient=self._gradient_size(parent))
        return list(edges.values())

    def _groups(self) -> Iterator[VertexGroup]:
        for group in find_groups(self.graph, self.model):
            keys = [self.box[node] for node in group.nodes]
            for leaf in group.leaves:
                key = self.inputs[id(leaf)].key
                keys.append(self.box.get(key, key))
            shown = tuple(dict.fromkeys(key for key in keys if key not in self.folds))
            if len(shown) > 1:
                yield VertexGroup(group.title, shown)

    # -- boxes ---------------------------------------------------------------------------------

    def _input_box(self, found: GraphInput) -> Vertex:
        leaf = found.leaf
        name = self.naming.of_constant(found.array) if leaf is None else self.naming.of_leaf(leaf)
        kind = DATA if leaf is None else PARAMETER
        lines = (_shape(found.array), *self._summaries(found.array, id(leaf)))
        return Vertex(found.key, kind, name.text, lines)

    def _result_box(self, node: Node, key: str) -> Vertex:
        outs = node.out if node.op.outputs > 1 else (node.out,)
        name = ", ".join(self.naming.of_node(node, i).text for i in range(node.op.outputs))
        shape = ", ".join(map(_shape, outs))
        kind = OUTPUT if node is self.graph.output.node else RESULT
        return Vertex(key, kind, name, (self._call(node), shape, *self._summaries(node.out, node)))

    def _summaries(self, array: Any, key: Node | int) -> Iterator[str]:
        if self.values:
            yield summary("value", array)
        if self.gradients is not None and key in self.gradients:
            yield summary("gradient", self.gradients[key])

    def _fold_box(self, key: str, part: Fold, inside: list[GraphInput]) -> Vertex:
        nodes = self.graph.nodes[part.start : part.stop]
        title = (
            f"{part.times} × the same again" if part.times > 1
            else f"{len(nodes)} operations in a line"
        )  # fmt: skip
        lines = [count_operations(nodes[: part.block])]
        for kind in (PARAMETER, DATA):
            arrays = [i.array for i in inside if (i.leaf is None) == (kind == DATA)]
            if arrays:
                size = sum(map(np.size, arrays))
                what = kind if kind == DATA or len(arrays) == 1 else f"{kind}s"
                lines.append(f"with {len(arrays)} {what}, {size:,} number{'s' * (size != 1)}")
        sizes = [mean_size(g) for g in map((self.gradients or {}).get, nodes) if g is not None]
        if sizes:
            low, high = format_number(min(sizes)), format_number(max(sizes))
            lines.append(f"mean |gradient|: from {low} to {high}")
        return Vertex(key, FOLD, title, tuple(lines))

    def _call(self, node: Node) -> str:
        """Return the call of an operation: ``linear(x, W1, b1)``, ``sum(v2, axis=0)``."""
        arguments = [
            self._argument(parent, array)
            for parent, array in zip(node, arrays_of(node), strict=True)
            if array is not None
        ]
        if len(arguments) > MOST_ARGUMENTS:
            more = len(arguments) - MOST_ARGUMENTS + 1
            arguments = [*arguments[: MOST_ARGUMENTS - 1], f"and {more} more"]
        for name, value in node.static.items():
            default = node.op.defaults.get(name)
            if value is not None and (type(value) is not type(default) or value != default):
                arguments.append(f"{name}={_shorten(repr(value))}")
        return f"{node.op.name}({', '.join(arguments)})"

    def _argument(self, parent: Any, array: Any) -> str:
        if _is_in_call(parent, array):
            return format_number(array)
        return _shorten(self.naming.of_argument(parent, array).text)

    def _gradient_size(self, parent: Any) -> float | None:
        """Return the mean size of the gradient of an argument."""
        if self.gradients is None or parent is None:
            return None
        made_by = origin(parent)
        g = self.gradients.get(id(parent) if made_by is None else made_by)
        if g is not None and made_by is not None and made_by.op.outputs > 1:
            g = g[parent.index]
        return None if g is None else mean_size(g)


def _is_in_call(parent: Any, array: Any) -> bool:
    """Return whether an argument is part of the call and has no box: a plain number, or None."""
    return parent is None and (array is None or np.ndim(array) == 0)


def _shape(array: Any) -> str:
    """Return the shape, with the dtype if that is not float64."""
    array = np.asarray(array)
    return f"{array.shape}" + ("" if array.dtype == np.float64 else f" {array.dtype}")


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_ARGUMENT else f"{text[: LONGEST_ARGUMENT - 1]}…"
