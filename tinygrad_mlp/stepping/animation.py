"""Steps as an animation: an SVG picture that moves by itself, also inside an image of a page."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from tinygrad_mlp.stepping.heat_map import heat_map
from tinygrad_mlp.stepping.layout import HEIGHT, Layout, Link, Placed, layout
from tinygrad_mlp.stepping.step import BACKWARD, Content, Step
from tinygrad_mlp.stepping.text import SHOWN_IN_FULL, numbers, title, value
from tinygrad_mlp.support.html import escape

SECONDS = 2.0
"""How long each step is shown."""

PANEL, LETTERS, LINE = 470, 56, 20
"""In pixels, the width of the text beside the graph, and the height of a line; its letters."""

LOWEST = 270  # the least height of the picture, in pixels

MOST_LINES = 4
"""Lines of a formula, of its numbers or of the program that are shown."""

STYLE = """
svg { --page: #fcfbf8; --ink: #1d2026; --soft: #5d636e; --orange: #b84a00; --violet: #6a5aa8;
  --lit: #ffe3c9; --back: #e4dff7; font: 13px system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { svg { --page: #15181d; --ink: #e4e2dc; --soft: #a3a8b1;
  --orange: #ff9a4d; --violet: #b3a6f0; --lit: #4a2c12; --back: #2f2952; } }
text { fill: var(--ink); white-space: pre; } rect { fill: var(--page); stroke: var(--ink); }
path { fill: none; stroke: var(--soft); }
.b text { text-anchor: middle; } .parameter rect { stroke: #0072b2; stroke-width: 2; }
.data rect { stroke: var(--soft); stroke-dasharray: 4 2; } .page, .m { stroke: none; }
.c { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: var(--soft); }
.t { font-size: 16px; font-weight: 600; } .k { fill: var(--soft); }
.s { opacity: 0; animation: show %(all)gs step-end infinite; --on: var(--orange); }
.s .b rect { fill: var(--lit); stroke: var(--on); stroke-width: 3; }
.s path { stroke: var(--on); stroke-width: 3; }
.backward { --on: var(--violet); --lit: var(--back); } .backward path { stroke-dasharray: 5 3; }
image { image-rendering: pixelated; } .m { fill: var(--on); }
@keyframes show { 0%% { opacity: 1 } %(part).4g%% { opacity: 0 } 100%% { opacity: 0 } }
@media (prefers-reduced-motion: reduce) { .s { animation: none; } .s:last-child { opacity: 1; } }
"""


def animation(content: Content) -> str:
    """Return the steps as an animated SVG picture."""
    graph = layout(content.boxes)
    count = len(content.steps)
    width, height = graph.width + PANEL, max(graph.height, LOWEST)
    style = STYLE.strip() % {"all": SECONDS * count, "part": 100 / count}
    last = content.steps[-1]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{graph.left:.0f} 0 {width:.0f} '
        f'{height:.0f}" width="{width:.0f}" role="img">',
        f"<title>A forward and a backward pass in {count} steps, up to {escape(last.name)}</title>",
        f"<style>{style}</style>",
        f'<rect class="page" x="{graph.left:.0f}" width="{width:.0f}" height="{height:.0f}"/>',
        *map(_arrow, graph.arrows), *map(_box, graph.boxes)]
    for number, step in enumerate(content.steps):
        parts += _step(step, number, count, graph)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _arrow(arrow: Link) -> str:
    return f'<path d="{arrow.path}"/>'


def _box(box: Placed) -> str:
    return (f'<g class="b {box.kind}"><rect x="{box.x:.0f}" y="{box.y:.0f}" '
            f'width="{box.width:.0f}" height="{HEIGHT}" rx="{8 * (box.kind != "result")}"/>'
            f'<text x="{box.middle:.0f}" y="{box.y + 17:.0f}">{escape(box.name)}</text></g>')


def _step(step: Step, number: int, count: int, graph: Layout) -> Iterator[str]:
    yield f'<g class="s {step.kind}" style="animation-delay: {SECONDS * number:g}s">'
    for arrow in graph.arrows:
        if step.vertex == (arrow.tail if step.kind == BACKWARD else arrow.head):
            yield _arrow(arrow)
    yield _box(graph.boxes[step.vertex])
    x = graph.left + graph.width + 10
    what = f"{number + 1} of {count} · {step.kind}"
    yield f'<text class="k" x="{x:.0f}" y="26">{what}</text>'
    y = 30.0
    for kind, text in _texts(step):
        y += LINE + 6 * (kind == "t")
        yield f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}">{escape(text)}</text>'
    if step.value.size > SHOWN_IN_FULL:
        yield _heat_map(step, x, y + 12)
    done = (PANEL - 30) * (number + 1) / count
    yield f'<rect class="m" x="{x:.0f}" y="6" width="{done:.0f}" height="4"/></g>'


def _texts(step: Step) -> Iterator[tuple[str, str]]:
    """Yield the lines beside the graph, each with its kind."""
    found = [("t", title(step), LETTERS - 8), ("v", value(step), LETTERS),
             ("v", numbers(step), LETTERS)]
    if step.departure is not None:
        found.append(("t", f"Here the derivation departs: {step.departure.text}", LETTERS - 8))
    for kind, text, letters in found:
        yield from ((kind, line) for line in textwrap.wrap(text, letters)[:MOST_LINES])
    for line in step.code[-MOST_LINES:]:
        yield "c", line.split("  #")[0][:LETTERS]


def _heat_map(step: Step, x: float, y: float) -> str:
    found = heat_map(step.value, step.entry)
    scale = min(300 / found.columns, 60 / found.rows, 14)
    return (f'<image x="{x:.0f}" y="{y:.0f}" width="{scale * found.columns:.0f}" '
            f'height="{scale * found.rows:.0f}" href="{found.address}"/>')
