"""What is in a picture of a graph, before anything is said about how it looks."""

from __future__ import annotations

from typing import NamedTuple

PARAMETER, DATA, RESULT, OUTPUT, FOLD = "parameter", "data", "result", "output", "fold"
KINDS = (PARAMETER, DATA, RESULT, OUTPUT, FOLD)


class Vertex(NamedTuple):
    """A box.

    Attributes:
        key: its name in DOT.
        kind: one of `KINDS`: a leaf that gradients flow to, an array that needs none, a result,
            the result the picture is of, or many results in one box.
        title: its first line.
        lines: the lines below that.
    """

    key: str
    kind: str
    title: str
    lines: tuple[str, ...] = ()


class Edge(NamedTuple):
    """An arrow from what is used to what it is used for.

    Attributes:
        tail: key of the vertex it leaves.
        head: key of the vertex it leads to.
        uses: how many uses it stands for.
        gradient: mean size of the gradient of what is used, ``mean |∂L/∂v|``; None where it is
            not asked for, or where there is none.
    """

    tail: str
    head: str
    uses: int = 1
    gradient: float | None = None


class Group(NamedTuple):
    """Boxes that belong to one layer.

    Attributes:
        title: what the layer is called.
        keys: the keys of its vertices.
    """

    title: str
    keys: tuple[str, ...]


class Scene(NamedTuple):
    """A picture's content.

    Attributes:
        vertices: the boxes, oldest first.
        edges: the arrows.
        groups: the layers.
        operations: how many operations the graph has, those in folds included.
    """

    vertices: list[Vertex]
    edges: list[Edge]
    groups: list[Group]
    operations: int
