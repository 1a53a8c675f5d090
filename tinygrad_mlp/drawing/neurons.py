"""A fully connected network as textbooks draw it: units in columns, weights as lines."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from tinygrad_mlp.autograd.graph import Array

MOST_UNITS = 10
"""Rows of a column; of more units the first and the last are shown, with dots between them."""

LAST_UNITS = 3
"""How many of the last units are shown of those that are too many."""

ROW, COLUMN, RADIUS, MARGIN = 30, 150, 9, 50
"""Distances in pixels."""

POSITIVE, NEGATIVE = "#E66101", "#8073AC"
"""Orange and violet, as in the pictures of weights."""


def neurons(weights: Sequence[Array], captions: Sequence[tuple[str, str]]) -> str:
    """A network as SVG, without any program's help.

    A line is a weight: the thicker, the larger it is among those of its layer that are shown;
    orange if it is positive, violet and dashed if negative. Text and circles have the colour of
    the text around the picture.

    Args:
        weights: ``weights[i]``, shape ``(units of layer i + 1, units of layer i)``.
        captions: two lines below each layer's column, one more than there are weights.

    >>> picture = neurons([np.ones((2, 3))], [("x", "3 inputs"), ("a2", "2 tanh")])
    >>> picture.count("<circle"), picture.count("<line")
    (5, 6)
    """
    sizes = [weights[0].shape[1], *(w.shape[0] for w in weights)]
    rows = max(min(size, MOST_UNITS) for size in sizes)
    columns = [_places(size, rows) for size in sizes]
    width = 2 * MARGIN + COLUMN * (len(sizes) - 1)
    height = ROW * rows + 50
    parts = []
    for i, weight in enumerate(weights):
        parts += _lines(weight, columns[i], columns[i + 1], i)
    for i, (size, column) in enumerate(zip(sizes, columns, strict=True)):
        x = MARGIN + COLUMN * i
        parts += [
            f'<circle cx="{x}" cy="{y:g}" r="{RADIUS}" fill="none" stroke="currentColor"/>'
            for y in column.values()
        ]
        if size > MOST_UNITS:
            middle = column[MOST_UNITS - LAST_UNITS - 2] + ROW
            parts += [
                f'<circle cx="{x}" cy="{middle + step:g}" r="1.5" fill="currentColor"/>'
                for step in (-6, 0, 6)
            ]
        for line, caption in enumerate(captions[i]):
            y, font = ROW * rows + 20 + 18 * line, 13 if line == 0 else 11
            parts.append(
                f'<text x="{x}" y="{y}" font-size="{font}" text-anchor="middle" '
                f'fill="currentColor">{html.escape(caption)}</text>'
            )
    label = " → ".join(f"{name} ({what})" for name, what in captions)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{html.escape(label)}" '
        f'font-family="sans-serif">{"".join(parts)}</svg>'
    )


def _places(size: int, rows: int) -> dict[int, float]:
    """The heights of the units that are shown, by their numbers, in the middle of so many rows."""
    if size <= MOST_UNITS:
        return {unit: ROW * ((rows - size) / 2 + unit + 0.5) for unit in range(size)}
    first = MOST_UNITS - LAST_UNITS - 1
    shown = [*range(first), None, *range(size - LAST_UNITS, size)]
    return {unit: ROW * (row + 0.5) for row, unit in enumerate(shown) if unit is not None}


def _lines(weight: Array, left: dict[int, float], right: dict[int, float], i: int) -> list[str]:
    """The weights between the units that are shown of two layers."""
    shown = np.nan_to_num(weight[np.ix_(list(right), list(left))].astype(np.float64))
    shares = np.abs(shown) / (np.abs(shown).max() or 1.0)
    lines = []
    for (to, of), share in np.ndenumerate(shares):
        ends = list(left.values())[of], list(right.values())[to]
        look = f'stroke="{POSITIVE}"' if shown[to, of] >= 0 else (
            f'stroke="{NEGATIVE}" stroke-dasharray="4 2"'
        )
        lines.append(
            f'<line x1="{MARGIN + COLUMN * i + RADIUS}" y1="{ends[0]:g}" '
            f'x2="{MARGIN + COLUMN * (i + 1) - RADIUS}" y2="{ends[1]:g}" {look} '
            f'stroke-width="{0.3 + 2.2 * share:.2f}" stroke-opacity="{0.25 + 0.75 * share:.2f}"/>'
        )
    return lines
