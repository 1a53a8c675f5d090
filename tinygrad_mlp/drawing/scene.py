"""The content of a picture of a graph as data, apart from how it looks."""

from __future__ import annotations

from typing import NamedTuple

PARAMETER, DATA, RESULT, OUTPUT, FOLD = "parameter", "data", "result", "output", "fold"
KINDS = (PARAMETER, DATA, RESULT, OUTPUT, FOLD)


class Vertex(NamedTuple):
    """A box.

    Attributes:
        key: its name in DOT.
        kind: one of `KINDS`: a leaf that gradients flow to, an array that needs none, a result,
            the result that is drawn, or many results in one box.
        title: its first line.
        lines: the lines below the title.
    """

    key: str
    kind: str
    title: str
    lines: tuple[str, ...] = ()


class Arrow(NamedTuple):
    """An arrow from a value to an operation that takes it.

    Attributes:
        tail: the key of the vertex where it begins.
        head: the key of the vertex where it ends.
        uses: the number of uses that it shows.
        gradient: the mean size of the value's gradient, ``mean |∂L/∂v|``; None if gradients are
            not shown, or there is none.
    """

    tail: str
    head: str
    uses: int = 1
    gradient: float | None = None


class VertexGroup(NamedTuple):
    """Boxes in one frame: those of a layer.

    Attributes:
        title: the title of the frame.
        keys: the keys of its vertices.
    """

    title: str
    keys: tuple[str, ...]


class Scene(NamedTuple):
    """The content of a picture.

    Attributes:
        vertices: the boxes, oldest first.
        edges: the arrows.
        groups: the frames.
        operations: the number of operations of the graph, with those in folds.
    """

    vertices: list[Vertex]
    edges: list[Arrow]
    groups: list[VertexGroup]
    operations: int
