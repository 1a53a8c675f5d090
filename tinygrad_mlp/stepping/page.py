"""Steps as a page: all of them one below the other, or one at a time where scripts run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.drawing.summaries import format_number, summary
from tinygrad_mlp.stepping.chain_rule import Entry
from tinygrad_mlp.stepping.heat_map import heat_map
from tinygrad_mlp.stepping.layout import layout
from tinygrad_mlp.stepping.step import Content
from tinygrad_mlp.stepping.text import numbers, place, products
from tinygrad_mlp.support.html import escape, inlined
from tinygrad_mlp.support.mathematics import mathml

SMALL = 60
"""Elements of an array up to which it is a table of numbers; a larger one is a heat map."""

HEIGHT = 640  # of the page within a notebook, in pixels


def page(content: Content) -> str:
    """Return the steps as a page that needs nothing but a browser."""
    return _rendered(content, part=False)


def fragment(content: Content) -> str:
    """Return the steps as an element within a page, which has the style and the script."""
    return _rendered(content, part=True)


def style() -> str:
    """Return the style of the steps."""
    return _file("page.css")


def framed(content: Content, picture: str) -> str:
    """Return the page in a frame, whose style and keys do not touch the notebook around it.

    It covers a picture, which is seen where notebooks are shown without frames: on code hosts, and
    where the notebook is not trusted.
    """
    frame = (f'<iframe srcdoc="{escape(page(content))}" sandbox="allow-scripts" style="position: '
             f'absolute; top: 0; left: 0; width: 100%; height: 100%; border: 0" title="steps">'
             f'</iframe>')
    return (f'<div style="position: relative; height: {HEIGHT}px">'
            f'{inlined(picture, "the steps of one pass")}{frame}</div>')


def _rendered(content: Content, part: bool) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup
    environment = Environment(loader=PackageLoader("tinygrad_mlp.stepping", "."), autoescape=True,
                              undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    script = _file("steps.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    loss = next(step for step in reversed(content.steps) if step.kind == "forward")
    rendered = environment.get_template("page.html").render(
        part=part, title=f"{loss.name} = {format_number(loss.value.item())}, step by step",
        steps=content.steps, program=content.program, missing=content.missing,
        layout=layout(content.boxes),
        departing={step.vertex for step in content.steps if step.departure},
        css=Markup(style()), script=Markup(script), hash=Markup(f"sha256-{digest}"), small=SMALL,
        rows=_rows, number=format_number, place=place, products=products, numbers=numbers,
        summary=summary, heat_map=heat_map, mathml=mathml)
    return rendered.strip() + "\n"


def _file(name: str) -> str:
    return files("tinygrad_mlp.stepping").joinpath(name).read_text(encoding="utf-8")


def _rows(array: Array) -> Iterator[list[tuple[Entry, Any]]]:
    """Yield the rows of a small array, each number with its entry."""
    array = np.asarray(array)
    entries = list(np.ndindex(array.shape))
    width = array.shape[-1] if array.ndim else 1
    for start in range(0, len(entries), width):
        yield [(entry, array[entry]) for entry in entries[start : start + width]]
