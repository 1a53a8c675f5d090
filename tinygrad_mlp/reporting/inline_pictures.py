"""Pictures within a page: SVG in the colours of the page, and small PNGs."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from markupsafe import Markup

from tinygrad_mlp.autograd.graph import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#010203"  # a placeholder for the colour of the page's text while a figure is drawn
GRID = "#040506"  # a placeholder for the colour of the lines behind the curves

# The page's colours, by those of a figure as matplotlib writes them.
PAGE_COLOURS = {INK: "currentColor", GRID: "var(--grid)", "#0072b2": "var(--blue)",
                "#d55e00": "var(--vermilion)"}

SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, sharp, and found by a search
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK,
    "xtick.color": INK, "ytick.color": INK, "grid.color": GRID,
    "axes.facecolor": "none", "figure.facecolor": "none",
    "legend.facecolor": "none", "legend.edgecolor": "none"}

SMALLEST_SHARE = 0.6  # of its width that a picture shrinks to on small screens, before it scrolls

LEFT_OUT = ("metadata", "style", "title", "script")
"""Elements that a page cannot use: a style of a picture would hold for the whole page."""


def inline_figure(draw: Callable[[], Figure], name: str, label: str,
                  size: tuple[float, float] | None = None) -> Markup:
    """Draw a figure with matplotlib as SVG within a page. Equal figures give equal SVG.

    The name and the label are those of `inline_svg`; the size is in inches, None keeps that of the
    figure.
    """
    from matplotlib import rc_context
    with rc_context({**SETTINGS, "svg.hashsalt": name}):
        figure = draw()
        if size is not None:
            figure.set_size_inches(*size)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None}, dpi=150)
    return inline_svg(file.getvalue(), name, label, PAGE_COLOURS)


def inline_svg(svg: str, name: str, label: str, colours: dict[str, str] | None = None) -> Markup:
    """Make an SVG document an element of a page, with replacements for some of its colours.

    Its identifiers get `name`, which no other picture in the page has, as a prefix. It is as wide
    as the whole page, in points (matplotlib, Graphviz) or in pixels, or as the page if that is
    narrower. The label is for people who cannot see the picture.
    """
    root = ElementTree.fromstring(svg)
    width = root.get("width", "")
    pixels = float(width.removesuffix("pt")) * (4 / 3 if width.endswith("pt") else 1)
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', svg))
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in LEFT_OUT:
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {
            _local(key): _adapt_value(key, value, name, colours or {})
            for key, value in element.attrib.items()
            if key != "id" or value in used}
        for place in ("text", "tail"):
            if not (getattr(element, place) or "x").strip():
                setattr(element, place, None)  # indentation
    style = f"width: {pixels:.0f}px; min-width: {SMALLEST_SHARE * pixels:.0f}px"
    root.attrib = {
        "viewBox": root.attrib["viewBox"], "style": style, "role": "img", "aria-label": label}
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _local(name: str) -> str:
    """Return a name without its namespace, which SVG in a page does not need."""
    return name.rpartition("}")[2]


def _adapt_value(key: str, value: str, name: str, colours: dict[str, str]) -> str:
    if key == "id":
        return f"{name}-{value}"
    if _local(key) == "href" and value.startswith("#"):
        return f"#{name}-{value[1:]}"
    if _local(key) == "d":
        return re.sub(r"(\.\d\d)\d+", r"\1", " ".join(value.split()))
    value = value.replace("url(#", f"url(#{name}-")
    if _local(key) == "style":
        value = re.sub(r"font-family:[^;]*;? *", "", value)
        value = re.sub(r"font: ([\d.]+px) [^;]*", r"font-size: \1", value)
        for old, new in colours.items():
            value = value.replace(old, new)
    elif value.lower() in colours:
        value = colours[value.lower()]
    return value


def png(image: Array) -> str:
    """Return the address of an image, shape ``(height, width)``, as PNG: dark for high numbers.

    >>> png(np.eye(2))[:22]
    'data:image/png;base64,'
    """
    from matplotlib import image as matplotlib_image
    file = io.BytesIO()
    shown = np.nan_to_num(np.asarray(image, np.float64))
    matplotlib_image.imsave(file, shown, cmap="gray_r", format="png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
