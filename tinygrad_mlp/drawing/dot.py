"""The text of a picture in the DOT language: colours, shapes, legend, escaping.

Parameters are blue with a heavy border, data grey with a dashed one, results white. The output has
a double border, a fold a triple one. The colours differ for every kind of colour vision, and the
borders differ in a grey print.
"""

from __future__ import annotations

import html
import math
import re
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from tinygrad_mlp.drawing.scene import DATA, FOLD, OUTPUT, PARAMETER, RESULT, Arrow, Scene, Vertex
from tinygrad_mlp.drawing.summaries import format_number

DIRECTIONS = {"down": "TB", "right": "LR"}


class Look(NamedTuple):
    """The look of a kind of box: its colour, other attributes in DOT, and text in the legend."""

    colour: str
    attributes: str
    text: str


LOOKS = {
    PARAMETER: Look(
        "#CFE5F5", 'style="filled,rounded" color="#0072B2" penwidth=2', "parameter (heavy border)"),
    DATA: Look("#EBEBEB", 'style="filled,dashed" color="#555555"', "data (dashed)"),
    RESULT: Look("white", 'style="filled" color="#333333"', "result"),
    OUTPUT: Look(
        "#FCE8D2", 'style="filled" color="#333333" peripheries=2', "output (double border)"),
    FOLD: Look("#F6F3D7", 'style="filled,rounded" color="#333333" peripheries=3', "folded")}

WEAK, STRONG = (0xB5, 0xCD, 0xE3), (0x08, 0x30, 0x6B)  # of the smallest, the largest gradient
FEWEST_DECADES = 3  # powers of ten that the colours span at least: small differences look small

NO_GRADIENT = 'color="#767676" style=dashed'
NOT_FINITE = 'color="#D55E00" penwidth=4 label="not finite" fontcolor="#D55E00"'
TABLE = '<table border="0" cellspacing="4" cellpadding="1">'
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
GROUP_LINE, LETTER = 24, 5.5  # letters in a line of a frame's title, and their mean width in points
LINE_LENGTH = 60  # the greatest number of characters in a line of a box


def to_dot(scene: Scene, direction: str = "down") -> str:
    """Return a picture in the DOT language."""
    lines = [
        "digraph {",
        f"  graph [newrank=true rankdir={DIRECTIONS[direction]} nodesep=0.25 ranksep=0.35 "
        'fontname="Helvetica,Arial,sans-serif" fontsize=11 labelloc=b]',
        '  node [shape=box fontname="Helvetica,Arial,sans-serif" fontsize=11 margin="0.12,0.09"]',
        '  edge [fontname="Helvetica,Arial,sans-serif" fontsize=9 arrowsize=0.7 color="#333333"]']
    lines += [f"  {_vertex(vertex)}" for vertex in scene.vertices]
    for i, group in enumerate(scene.groups):
        lines += [
            f"  subgraph cluster_{i} {{",
            f"    label={_group_title(group.title, direction)}",
            '    labelloc=t labeljust=l style=rounded color="#8C8C8C" bgcolor="#FAFAFA"',
            f"    {'; '.join(group.keys)}",
            "  }"]
    beside = _placed_beside(scene)
    for head, tails in beside.items():
        lines.append(f"  {{rank=same; {'; '.join([head, *tails])}}}")
    scale = _ArrowScale([edge.gradient for edge in scene.edges if edge.gradient is not None])
    for edge in scene.edges:
        on_the_right = edge.tail in beside.get(edge.head, [])[1:]
        lines.append(f"  {_edge(edge, scale, on_the_right)}")
    lines += [f"  label={_legend(scene, scale)}", "}"]
    return "\n".join(lines) + "\n"


def _placed_beside(scene: Scene) -> dict[str, list[str]]:
    """Return for each result the inputs to place at its left and right, instead of above it.

    So the results form a straight line. There is room for two inputs that have no other use,
    parameters first. An input in another group stays above: Graphviz may not keep the sides.
    """
    group = {key: i for i, group in enumerate(scene.groups) for key in group.keys}
    kinds = {vertex.key: vertex.kind for vertex in scene.vertices}
    users: dict[str, list[str]] = {}
    for edge in scene.edges:
        users.setdefault(edge.tail, []).append(edge.head)
    beside: dict[str, list[str]] = {}
    for kind in (PARAMETER, DATA):
        for tail, heads in users.items():
            head = heads[0]
            alone = kinds[tail] == kind and len(heads) == 1 and kinds[head] != FOLD
            if alone and group.get(tail) == group.get(head):
                beside.setdefault(head, []).append(tail)
    return {head: tails[:2] for head, tails in beside.items()}


def _vertex(vertex: Vertex) -> str:
    rows = [f"<b>{_text(vertex.title)}</b>"]
    rows += [f'<font point-size="9">{_text(line)}</font>' for line in vertex.lines]
    look = LOOKS[vertex.kind]
    label = "<br/>".join(rows)
    return f'{vertex.key} [label=<{label}> fillcolor="{look.colour}" {look.attributes}]'


def _edge(edge: Arrow, scale: _ArrowScale, on_the_right: bool) -> str:
    attributes = [] if edge.gradient is None else [scale.style(edge.gradient)]
    texts = [edge.label] if edge.label else []
    if edge.uses > 1:
        texts.append(f"×{edge.uses}")
    if texts:
        attributes.append(f'label=" {" ".join(texts)} "')
    ends = edge.tail, edge.head
    if on_the_right:
        # Of two vertices on one level, Graphviz puts the one named first on the left.
        ends = edge.head, edge.tail
        attributes.append("dir=back")
    return " -> ".join(ends) + (f" [{' '.join(attributes)}]" if attributes else "")


class _ArrowScale:
    """The look of arrows by the logarithm of the gradient's size."""

    def __init__(self, sizes: Sequence[float]) -> None:
        self.sizes = sizes
        logs = [math.log10(size) for size in sizes if 0 < size < math.inf]
        self.top = max(logs, default=0.0)
        self.decades = max(self.top - min(logs, default=0.0), FEWEST_DECADES)

    def style(self, size: float) -> str:
        """Return the attributes of an arrow."""
        if not math.isfinite(size):
            return NOT_FINITE
        if size == 0:
            return NO_GRADIENT
        strength = 1 - (self.top - math.log10(size)) / self.decades
        parts = (round(w + strength * (s - w)) for w, s in zip(WEAK, STRONG, strict=True))
        colour = "".join(f"{part:02X}" for part in parts)
        return f'color="#{colour}" penwidth={0.8 + 2.2 * strength:.2f}'

    def swatch(self, strength: float) -> str:
        """Return the cells of the legend for a strength between 0 and 1: its colour, its size."""
        size: float = 10 ** (self.top - (1 - strength) * self.decades)
        colour = self.style(size).split('"')[1]
        return f'<td width="26" bgcolor="{colour}"></td><td align="left">{format_number(size)}</td>'


def _legend(scene: Scene, scale: _ArrowScale) -> str:
    """Return the legend of the kinds of boxes and arrows that occur."""
    kinds = {vertex.kind for vertex in scene.vertices}
    cells = "".join(
        f'<td border="1" width="16" bgcolor="{look.colour}"></td><td align="left">{look.text}</td>'
        for kind, look in LOOKS.items() if kind in kinds)
    rows = [cells]
    if scale.sizes:
        words = "mean |∂L/∂v| of what an arrow carries; dashed where it is 0:"
        swatches = "".join(map(scale.swatch, (1.0, 2 / 3, 1 / 3, 0.0)))
        rows.append(f"<td>{_text(words)}</td>{swatches}")
    body = "".join(f"<tr><td>{TABLE}<tr>{row}</tr></table></td></tr>" for row in rows)
    return f'<<font point-size="9"><table border="0" cellspacing="0">{body}</table></font>>'


def _group_title(title: str, direction: str) -> str:
    """Return the label of a frame, in the left half of it: the arrows enter in the middle."""
    lines = textwrap.wrap(title, GROUP_LINE)
    room = 0 if direction == "right" else round(LETTER * max(map(len, lines)))
    text = "<br/>".join(map(_text, lines))
    return (f'<<table border="0" cellspacing="0" cellpadding="0"><tr><td align="left" '
            f'balign="left">{text}</td><td width="{room}"></td></tr></table>>')


def _text(text: str) -> str:
    """Return any text as content of a label of Graphviz's HTML kind, in lines of limited length."""
    visible = NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
    line = " ".join(visible.split())
    return "<br/>".join(map(html.escape, textwrap.wrap(line, LINE_LENGTH) or [" "]))
