"""From a recorded graph to the boxes, arrows and frames of its picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.gradients import origin
from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.drawing.fold import count_operations, find_folds
from tinygrad_mlp.drawing.grouping import find_groups, places
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
from tinygrad_mlp.drawing.summaries import (
    Key,
    arrow_label,
    format_number,
    mean_size,
    record_cotangents,
    summary,
)
from tinygrad_mlp.graph_view.layer_view import Recorded, arrays_of
from tinygrad_mlp.graph_view.naming import Naming
from tinygrad_mlp.nn import Module

FOLD_ABOVE = 24  # graphs of more operations than this are folded by default
LONGEST_ARGUMENT, MOST_ARGUMENTS = 24, 4  # characters of an argument, arguments of a call: shown


class GraphInput(NamedTuple):
    """A leaf, or an array without gradient (`leaf` is None); and the boxes that take it."""

    leaf: Value | None
    array: Any
    users: set[str]


class SceneBuilder:
    """Builds the scene of a graph. The arguments are those of `draw`."""

    def __init__(self, graph: Recorded, names: Mapping[str, object], *, model: Module | None,
                 values: bool, gradients: bool, fold: bool | str, arrows: str | None) -> None:
        self.graph = graph
        # A prediction is not a loss.
        self.naming = Naming(graph, names, "L" if graph.output.data.size == 1 else None)
        self.groups = find_groups(graph, model)
        self.values = values
        self.arrows = arrows
        cotangents = gradients or arrows == "gradient"
        self.cotangents = record_cotangents(graph.output) if cotangents else {}
        self.gradients = self.cotangents if gradients else {}
        nodes = graph.nodes
        wanted = len(nodes) > FOLD_ABOVE if fold == "auto" else fold
        by = places(graph, self.groups, str(fold)) if fold in ("module", "line") else None
        parts = find_folds(graph, by) if wanted else []
        self.folds = {f"f{i}": part for i, part in enumerate(parts)}
        # The key of the box that shows a node, a leaf or an array.
        self.box: dict[Key, str] = {node: f"v{i}" for i, node in enumerate(nodes)}
        for key, part in self.folds.items():
            self.box.update(dict.fromkeys(nodes[part.start : part.stop], key))
        self.inputs = self._find_inputs()
        for i, (source, found) in enumerate(self.inputs.items()):
            only = next(iter(found.users)) if len(found.users) == 1 else ""
            self.box[source] = only if only in self.folds else f"x{i}"

    def scene(self) -> Scene:
        """Return the scene."""
        inputs = [key for key in self.inputs if self.box[key] not in self.folds]
        results = [node for node in self.graph.nodes if self.box[node] not in self.folds]
        vertices = [*map(self._input_box, inputs), *map(self._result_box, results),
                    *map(self._fold_box, self.folds)]
        return Scene(vertices, self._edges(), list(self._groups()), len(self.graph.nodes))

    def _find_inputs(self) -> dict[Key, GraphInput]:
        inputs: dict[Key, GraphInput] = {}
        for node, _, parent, array in self.graph.arguments():
            if origin(parent) is None and not _is_in_call(parent, array):
                found = inputs.setdefault(_source(parent, array), GraphInput(parent, array, set()))
                found.users.add(self.box[node])
        output = self.graph.output
        if output.node is None:  # a leaf is a picture, too
            inputs[id(output)] = GraphInput(output, output.data, set())
        return inputs

    def _edges(self) -> list[Arrow]:
        edges: dict[tuple[str, str], Arrow] = {}
        for node, position, parent, array in self.graph.arguments():
            if _is_in_call(parent, array):
                continue
            ends = self.box[_source(parent, array)], self.box[node]
            if ends in edges:
                edges[ends] = edges[ends]._replace(uses=edges[ends].uses + 1)
            elif ends[0] != ends[1]:
                label = "" if self.arrows is None else arrow_label(
                    self.arrows, node, position, self.cotangents.get(node))
                edges[ends] = Arrow(*ends, 1, self._gradient_size(parent, array), label)
        return list(edges.values())

    def _groups(self) -> Iterator[VertexGroup]:
        for group in self.groups:
            sources: list[Key] = [*group.nodes, *map(id, group.leaves)]
            keys = [self.box[source] for source in sources]
            shown = tuple(dict.fromkeys(key for key in keys if key not in self.folds))
            if len(shown) > 1:
                yield VertexGroup(group.title, shown)

    def _input_box(self, source: Key) -> Vertex:
        leaf, array, _ = self.inputs[source]
        name = self.naming.of_argument(leaf, array)
        lines = (_shape(array), *self._summaries(array, source))
        return Vertex(self.box[source], DATA if leaf is None else PARAMETER, name.text, lines)

    def _result_box(self, node: Node) -> Vertex:
        outs = node.op.as_tuple(node.out)
        name = ", ".join(self.naming.of_node(node, i).text for i in range(node.op.outputs))
        lines = (self._call(node), ", ".join(map(_shape, outs)), *self._summaries(node.out, node))
        kind = OUTPUT if node is self.graph.output.node else RESULT
        return Vertex(self.box[node], kind, name, lines)

    def _summaries(self, array: object, key: Key) -> Iterator[str]:
        if self.values:
            yield summary("value", array)
        if key in self.gradients:
            yield summary("gradient", self.gradients[key])

    def _fold_box(self, key: str) -> Vertex:
        part = self.folds[key]
        nodes = self.graph.nodes[part.start : part.stop]
        title = part.place or f"{len(nodes)} operations in a line"
        if part.times > 1:
            title = f"{part.times} × the same again"
        if part.times == 0:
            first, last = (self.naming.of_node(node, 0).text for node in (nodes[0], nodes[-1]))
            title = f"{len(nodes)} operations: {first} to {last}"
        lines = [count_operations(nodes[: part.block])]
        inside = [found for source, found in self.inputs.items() if self.box[source] == key]
        for kind in (PARAMETER, DATA):
            arrays = [i.array for i in inside if (i.leaf is None) == (kind == DATA)]
            if arrays:
                size = sum(map(np.size, arrays))
                what = kind if kind == DATA or len(arrays) == 1 else f"{kind}s"
                lines.append(f"with {len(arrays)} {what}, {size:,} number{'s' * (size != 1)}")
        sizes = [mean_size(self.gradients[node]) for node in nodes if node in self.gradients]
        if sizes:
            low, high = format_number(min(sizes)), format_number(max(sizes))
            lines.append(f"mean |gradient|: from {low} to {high}")
        return Vertex(key, FOLD, title, tuple(lines))

    def _call(self, node: Node) -> str:
        """Return the call of an operation: ``linear(x, W1, b1)``, ``sum(v2, axis=0)``."""
        arguments = [
            self._argument(parent, array)
            for parent, array in zip(node, arrays_of(node), strict=True)
            if array is not None]
        if len(arguments) > MOST_ARGUMENTS:
            more = len(arguments) - MOST_ARGUMENTS + 1
            arguments = [*arguments[: MOST_ARGUMENTS - 1], f"and {more} more"]
        for name, value in node.static.items():
            default = node.op.defaults.get(name)
            if value is not None and (type(value) is not type(default) or value != default):
                arguments.append(f"{name}={_shorten(repr(value))}")
        return f"{node.op.name}({', '.join(arguments)})"

    def _argument(self, parent: Node | Value | None, array: Array | float) -> str:
        if _is_in_call(parent, array):
            return format_number(array)
        return _shorten(self.naming.of_argument(parent, array).text)

    def _gradient_size(self, parent: Any, array: Array) -> float | None:
        """Return the mean size of the gradient of an argument; None without a gradient."""
        g = self.gradients.get(_source(parent, array))
        if isinstance(g, tuple):  # of all results of the operation
            g = g[parent.index]
        return None if g is None else mean_size(g)


def _source(parent: Node | Value | None, array: Array) -> Key:
    """Return where an argument comes from: a node, or the identity of a leaf or of an array."""
    node = origin(parent)
    if node is not None:
        return node
    return id(array if parent is None else parent)


def _is_in_call(parent: Node | Value | None, array: Array | float | None) -> bool:
    """Return whether an argument is part of the call and has no box: a plain number, or None."""
    return parent is None and (array is None or np.ndim(array) == 0)


def _shape(array: Any) -> str:
    """Return the shape, with the dtype if that is not float64."""
    array = np.asarray(array)
    return f"{array.shape}" + ("" if array.dtype == np.float64 else f" {array.dtype}")


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_ARGUMENT else f"{text[: LONGEST_ARGUMENT - 1]}…"
