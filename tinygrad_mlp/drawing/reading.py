"""Reading a recorded graph: what becomes a box, what an arrow, and what stands in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.backward import origin
from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.drawing.flow import cotangents, mean_size, number, summary
from tinygrad_mlp.drawing.fold import Fold, counted, folds
from tinygrad_mlp.drawing.layers import layers
from tinygrad_mlp.drawing.scene import (
    DATA,
    FOLD,
    OUTPUT,
    PARAMETER,
    RESULT,
    Edge,
    Group,
    Scene,
    Vertex,
)
from tinygrad_mlp.graph_view.naming import Naming
from tinygrad_mlp.graph_view.recorded import Recorded, arrays_of
from tinygrad_mlp.nn import Module

FOLD_ABOVE = 24
"""More operations than these are folded where nothing else is asked for."""

LONGEST_ARGUMENT, MOST_ARGUMENTS = 24, 4
"""Characters of an argument, and arguments of a call, that are shown."""


class Input:
    """A leaf, or an array that needs no gradient.

    Attributes:
        leaf: the leaf; None for an array.
        array: what it holds.
        key: of its box.
        users: the boxes that use it.
    """

    def __init__(self, leaf: Value | None, array: Any, key: str) -> None:
        self.leaf = leaf
        self.array = array
        self.key = key
        self.users: set[str] = set()


class Reading:
    """A graph, read for a picture.

    Args:
        graph: the graph.
        names: arrays and tensors by name.
        model: see `layers`.
        values: whether boxes tell what the arrays hold.
        gradients: whether boxes and arrows tell what the gradients are.
    """

    def __init__(
        self,
        graph: Recorded,
        names: Mapping[str, Any],
        *,
        model: Module | None,
        values: bool,
        gradients: bool,
    ) -> None:
        self.graph = graph
        # A prediction is not a loss.
        self.naming = Naming(graph, names, "L" if graph.output.data.size == 1 else None)
        self.layers = layers(graph, model)
        self.values = values
        self.gradients = cotangents(graph.output) if gradients else None

    def scene(self, fold: bool | str) -> Scene:
        """What is in the picture; see `draw` for `fold`."""
        nodes = self.graph.nodes
        wanted = len(nodes) > FOLD_ABOVE if fold == "auto" else fold
        parts = {f"f{i}": part for i, part in enumerate(folds(self.graph) if wanted else [])}
        box: dict[Node | str, str] = {node: f"v{i}" for i, node in enumerate(nodes)}
        for key, part in parts.items():
            box.update(dict.fromkeys(nodes[part.start : part.stop], key))
        inputs = self._inputs(box)
        inside: dict[str, list[Input]] = {key: [] for key in parts}
        vertices: list[Vertex] = []
        for found in inputs.values():
            only = next(iter(found.users)) if len(found.users) == 1 else None
            if only is not None and only in inside:
                inside[only].append(found)
                box[found.key] = only
            else:
                vertices.append(self._input(found))
        last = self.graph.output.node
        for i, node in enumerate(nodes):
            if box[node] == f"v{i}":
                vertices.append(self._result(node, f"v{i}", OUTPUT if node is last else RESULT))
        for key, part in parts.items():
            vertices.append(self._fold(key, part, inside[key]))
        return Scene(
            vertices, self._edges(box, inputs), list(self._groups(box, inputs)), len(nodes)
        )

    # -- what there is -------------------------------------------------------------------------

    def _inputs(self, box: Mapping[Node | str, str]) -> dict[int, Input]:
        """Leaves and arrays, by the identity of the leaf or of the array."""
        inputs: dict[int, Input] = {}
        for node, _, parent, array in self.graph.arguments():
            if origin(parent) is None and not _is_written_out(parent, array):
                leaf = parent if isinstance(parent, Value) else None
                key = id(array if leaf is None else leaf)
                found = inputs.setdefault(key, Input(leaf, array, f"x{len(inputs)}"))
                found.users.add(box[node])
        if self.graph.output.node is None:  # a leaf is a picture, too
            output = self.graph.output
            inputs[id(output)] = Input(output, output.data, "x0")
        return inputs

    def _edges(self, box: Mapping[Node | str, str], inputs: Mapping[int, Input]) -> list[Edge]:
        edges: dict[tuple[str, str], Edge] = {}
        for node, _, parent, array in self.graph.arguments():
            if _is_written_out(parent, array):
                continue
            made_by = origin(parent)
            if made_by is None:
                found = inputs[id(array if parent is None else parent)]
                tail = box.get(found.key, found.key)
            else:
                tail = box[made_by]
            ends = tail, box[node]
            if ends in edges:
                edges[ends] = edges[ends]._replace(uses=edges[ends].uses + 1)
            elif tail != box[node]:
                edges[ends] = Edge(*ends, gradient=self._size(parent))
        return list(edges.values())

    def _groups(
        self, box: Mapping[Node | str, str], inputs: Mapping[int, Input]
    ) -> Iterator[Group]:
        for layer in self.layers:
            keys = [box[node] for node in layer.nodes]
            for leaf in layer.leaves:
                key = inputs[id(leaf)].key
                keys.append(box.get(key, key))
            shown = tuple(dict.fromkeys(key for key in keys if not key.startswith("f")))
            if len(shown) > 1:
                yield Group(layer.title, shown)

    # -- what stands in the boxes ----------------------------------------------------------------

    def _input(self, found: Input) -> Vertex:
        leaf = found.leaf
        name = self.naming.of_constant(found.array) if leaf is None else self.naming.of_leaf(leaf)
        array = np.asarray(found.array)
        kind = DATA if leaf is None else PARAMETER
        g = None if self.gradients is None else self.gradients.get(id(leaf))
        return Vertex(found.key, kind, name.text, (_shape(array), *self._numbers(array, g)))

    def _result(self, node: Node, key: str, kind: str) -> Vertex:
        outs = node.out if node.op.outputs > 1 else (node.out,)
        name = ", ".join(self.naming.of_node(node, i).text for i in range(node.op.outputs))
        shape = ", ".join(_shape(out) for out in outs)
        g = None if self.gradients is None else self.gradients.get(node)
        return Vertex(key, kind, name, (self._call(node), shape, *self._numbers(node.out, g)))

    def _numbers(self, array: Any, g: Any) -> Iterator[str]:
        if self.values:
            yield summary("value", array)
        if g is not None:
            yield summary("gradient", g)

    def _fold(self, key: str, part: Fold, inside: list[Input]) -> Vertex:
        nodes = self.graph.nodes[part.start : part.stop]
        if part.times > 1:
            title = f"{part.times} × the same again"
            lines = [counted(nodes[: part.block])]
        else:
            title = f"{len(nodes)} operations in a line"
            lines = [counted(nodes)]
        for kind in (PARAMETER, DATA):
            arrays = [i.array for i in inside if (i.leaf is None) == (kind == DATA)]
            if arrays:
                size = sum(np.size(array) for array in arrays)
                what = kind if kind == DATA or len(arrays) == 1 else f"{kind}s"
                lines.append(f"with {len(arrays)} {what}, {size:,} number{'s' * (size != 1)}")
        if self.gradients is not None:
            sizes = [mean_size(self.gradients[n]) for n in nodes if n in self.gradients]
            if sizes:
                low, high = number(min(sizes)), number(max(sizes))
                lines.append(f"mean |gradient|: from {low} to {high}")
        return Vertex(key, FOLD, title, tuple(lines))

    def _call(self, node: Node) -> str:
        """The operation as it was called: ``linear(x, W1, b1)``, ``sum(v2, axis=0)``."""
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
                arguments.append(f"{name}={_shortened(repr(value))}")
        return f"{node.op.name}({', '.join(arguments)})"

    def _argument(self, parent: Any, array: Any) -> str:
        if _is_written_out(parent, array):
            return number(array)
        if parent is None:
            name = self.naming.of_constant(array)
        elif isinstance(parent, Node):
            name = self.naming.of_node(parent)
        elif parent.node is None:
            name = self.naming.of_leaf(parent)
        else:
            name = self.naming.of_node(parent.node, parent.index)
        return _shortened(name.text)

    def _size(self, parent: Any) -> float | None:
        """The mean size of the gradient of an argument."""
        if self.gradients is None or parent is None:
            return None
        made_by = origin(parent)
        g = self.gradients.get(id(parent) if made_by is None else made_by)
        if g is not None and made_by is not None and made_by.op.outputs > 1:
            g = g[parent.index]
        return None if g is None else mean_size(g)


def _is_written_out(parent: Any, array: Any) -> bool:
    """Whether an argument is written into the call and has no box: a plain number, or nothing."""
    return parent is None and (array is None or np.ndim(array) == 0)


def _shape(array: Any) -> str:
    """The shape; the dtype, too, where it is not the usual one."""
    array = np.asarray(array)
    return f"{array.shape}" + ("" if array.dtype == np.float64 else f" {array.dtype}")


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_ARGUMENT else f"{text[: LONGEST_ARGUMENT - 1]}…"
