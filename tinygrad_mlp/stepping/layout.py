"""The places of the boxes and arrows of a graph: results in rows, what goes in beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tinygrad_mlp.stepping.step import Box

HEIGHT, GAP, ROW, LETTER, MARGIN = 26, 18, 52, 7.4, 12
"""In pixels: of a box, between boxes, between rows, of a letter, around the picture."""

LONGEST = 14
"""Letters of a name that are shown."""


class Placed(NamedTuple):
    """A box at its place: the left, upper corner and the width."""

    x: float
    y: float
    width: float
    name: str
    kind: str

    @property
    def middle(self) -> float:
        """The horizontal position of the middle."""
        return self.x + self.width / 2


class Link(NamedTuple):
    """An arrow between two boxes, by their numbers, as the path of an SVG picture."""

    tail: int
    head: int
    path: str


class Layout(NamedTuple):
    """A picture: boxes by their numbers, arrows, its left edge, width and height."""

    boxes: list[Placed]
    arrows: list[Link]
    left: float
    width: float
    height: float


def layout(boxes: Sequence[Box]) -> Layout:
    """Place the boxes of a graph; those that lead to a box come before it.

    A result stands a row below the last that leads to it. Where it stands alone in its row, the
    first two of what has no other place, such as a parameter, stand beside it; else in a row above.
    """
    rows = _rows(boxes)
    places = _places(rows, boxes)
    placed = [places[i] for i in range(len(boxes))]
    arrows = [Link(tail, head, _path(placed, tail, head))
              for head, box in enumerate(boxes) for tail in box.before]
    edges = [float(word) for a in arrows if " C " in a.path for word in a.path.split()[4:5]]
    left = min([*edges, *(box.x for box in placed)]) - MARGIN
    right = max([*edges, *(box.x + box.width for box in placed)]) + MARGIN
    return Layout(placed, arrows, left, right - left, len(rows) * ROW + MARGIN)


def _rows(boxes: Sequence[Box]) -> list[list[int]]:
    """Return the numbers of the boxes in rows from the top."""
    depth: dict[int, int] = {}
    for i, box in enumerate(boxes):
        if box.kind == "result":
            depth[i] = 1 + max((depth[b] for b in box.before if b in depth), default=-1)
    levels: list[list[int]] = [[] for _ in range(max(depth.values()) + 1)]
    for i, number in depth.items():
        levels[number].append(i)
    first_user: dict[int, int] = {}
    for i in depth:
        for source in boxes[i].before:
            if source not in depth:
                first_user.setdefault(source, i)
    rows: list[list[int]] = []
    for level in levels:
        sources = [s for i in level for s, user in first_user.items() if user == i]
        beside = sorted(sources, key=lambda s: boxes[s].kind == "data")[:2] * (len(level) == 1)
        above = [s for s in sources if s not in beside]
        rows += [above] * bool(above)
        rows.append([*beside[:1], *level, *beside[1:]])
    return rows


def _places(rows: Sequence[Sequence[int]], boxes: Sequence[Box]) -> dict[int, Placed]:
    """Return the boxes at their places, with results in the middle at 0."""
    places: dict[int, Placed] = {}
    for number, row in enumerate(rows):
        names = [_short(boxes[i].name) for i in row]
        widths = [max(34.0, LETTER * len(name) + 16) for name in names]
        results = [k for k, i in enumerate(row) if boxes[i].kind == "result"]
        x = -(sum(widths) + GAP * (len(row) - 1)) / 2
        if len(results) == 1:
            before = results[0]
            x = -widths[before] / 2 - sum(widths[:before]) - GAP * before
        for i, name, width in zip(row, names, widths, strict=True):
            places[i] = Placed(x, number * ROW + MARGIN, width, name, boxes[i].kind)
            x += width + GAP
    return places


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _path(boxes: Sequence[Placed], tail: int, head: int) -> str:
    """Return an arrow: along the row, down to the next, or around the boxes between."""
    a, b = boxes[tail], boxes[head]
    if a.y == b.y:
        y = a.y + HEIGHT / 2
        left = a.x < b.x
        return f"M {a.x + a.width * left:.0f} {y:.0f} H {b.x + b.width * (not left):.0f}"
    bottom, top = a.y + HEIGHT, b.y
    if b.y - a.y <= ROW:
        return f"M {a.middle:.0f} {bottom:.0f} L {b.middle:.0f} {top:.0f}"
    between = [box for box in boxes if a.y < box.y < b.y]
    if a.middle < b.middle:
        x = min((box.x for box in between), default=a.middle) - GAP
    else:
        x = max((box.x + box.width for box in between), default=a.middle) + GAP
    return (f"M {a.middle:.0f} {bottom:.0f} C {x:.0f} {bottom + ROW / 2:.0f} "
            f"{x:.0f} {top - ROW / 2:.0f} {b.middle:.0f} {top:.0f}")
