"""A fully connected network as in textbooks: units in columns, weights as lines."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

import numpy as np

from tinygrad_mlp.autograd.graph import Array

MOST_UNITS = 10  # rows of a column; of more units the first and the last are shown, dots between
LAST_UNITS = 3  # the number of last units that are shown in a column with dots
ROW, COLUMN, RADIUS, MARGIN = 30, 150, 9, 50  # distances in pixels
POSITIVE, NEGATIVE = "#E66101", "#8073AC"  # orange and violet, as in the pictures of weights


def neurons(weights: Sequence[Array], captions: Sequence[tuple[str, str]]) -> str:
    """Draw a network as SVG, without another program.

    A line is a weight. It is thicker for a larger size among the shown weights of the layer, orange
    for a positive weight, violet and dashed for a negative one. Text and circles take the colour of
    the text around the picture. ``weights[i]`` has the shape ``(units of layer i + 1, units of
    layer i)``; the captions are two lines below the column of each layer.
    """
    sizes = [weights[0].shape[1], *(w.shape[0] for w in weights)]
    rows = max(min(size, MOST_UNITS) for size in sizes)
    columns = [_heights(size, rows) for size in sizes]
    width = 2 * MARGIN + COLUMN * (len(sizes) - 1)
    height = ROW * rows + 50
    parts: list[str] = []
    for i, weight in enumerate(weights):
        parts += _lines(weight, columns[i], columns[i + 1], MARGIN + COLUMN * i)
    for i, (size, column) in enumerate(zip(sizes, columns, strict=True)):
        parts += _column(size, column, captions[i], MARGIN + COLUMN * i, ROW * rows + 20)
    label = " → ".join(f"{name} ({what})" for name, what in captions)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{html.escape(label)}" '
        f'font-family="sans-serif">{"".join(parts)}</svg>')


def _heights(size: int, rows: int) -> dict[int, float]:
    """Return the heights of the shown units by their numbers, centred among so many rows."""
    if size <= MOST_UNITS:
        return {unit: ROW * ((rows - size) / 2 + unit + 0.5) for unit in range(size)}
    first = MOST_UNITS - LAST_UNITS - 1
    shown = [*range(first), None, *range(size - LAST_UNITS, size)]
    return {unit: ROW * (row + 0.5) for row, unit in enumerate(shown) if unit is not None}


def _column(size: int, heights: dict[int, float], captions: tuple[str, str], x: int,
            below: int) -> Iterator[str]:
    """Draw the units of a layer, and two lines of text below them."""
    for y in heights.values():
        yield f'<circle cx="{x}" cy="{y:g}" r="{RADIUS}" fill="none" stroke="currentColor"/>'
    if size > MOST_UNITS:
        middle = heights[MOST_UNITS - LAST_UNITS - 2] + ROW
        for y in (middle - 6, middle, middle + 6):
            yield f'<circle cx="{x}" cy="{y:g}" r="1.5" fill="currentColor"/>'
    for y, font, caption in zip((below, below + 18), (13, 11), captions, strict=True):
        yield (
            f'<text x="{x}" y="{y}" font-size="{font}" text-anchor="middle" '
            f'fill="currentColor">{html.escape(caption)}</text>')


def _lines(weight: Array, left: dict[int, float], right: dict[int, float], x: int) -> Iterator[str]:
    """Draw the weights between the shown units of two layers; `x` is the place of the left one."""
    shown = np.nan_to_num(weight[np.ix_(list(right), list(left))].astype(np.float64))
    shares = np.abs(shown) / (np.abs(shown).max() or 1.0)
    for i, y1 in enumerate(left.values()):
        for j, y2 in enumerate(right.values()):
            share = shares[j, i]
            look = f'"{POSITIVE}"' if shown[j, i] >= 0 else f'"{NEGATIVE}" stroke-dasharray="4 2"'
            yield (
                f'<line x1="{x + RADIUS}" y1="{y1:g}" x2="{x + COLUMN - RADIUS}" y2="{y2:g}" '
                f'stroke={look} stroke-width="{0.3 + 2.2 * share:.2f}" '
                f'stroke-opacity="{0.25 + 0.75 * share:.2f}"/>')
