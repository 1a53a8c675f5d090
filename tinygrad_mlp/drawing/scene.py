"""The content of a picture of a graph as data, apart from how it looks."""

from __future__ import annotations

from typing import NamedTuple

PARAMETER, DATA, RESULT, OUTPUT, FOLD = "parameter", "data", "result", "output", "fold"
"""Kinds of boxes: a leaf that gradients flow to, an array that needs none, a result, the result
that is drawn, and many results in one box."""


class Vertex(NamedTuple):
    """A box: its name in DOT, its kind, its first line, and the lines below that."""

    key: str
    kind: str
    title: str
    lines: tuple[str, ...] = ()


class Arrow(NamedTuple):
    """An arrow from a value to an operation that takes it, by the keys of the two vertices.

    It shows how often the value is used and the mean size of its gradient, ``mean |∂L/∂v|``: None
    if gradients are not shown, or there is none. `label` is text beside the arrow.
    """

    tail: str
    head: str
    uses: int = 1
    gradient: float | None = None
    label: str = ""


class VertexGroup(NamedTuple):
    """Boxes in one frame, those of a layer: the frame's title, and the keys of its vertices."""

    title: str
    keys: tuple[str, ...]


class Scene(NamedTuple):
    """Boxes, oldest first, arrows and frames; and the number of operations, with those in folds."""

    vertices: list[Vertex]
    edges: list[Arrow]
    groups: list[VertexGroup]
    operations: int
