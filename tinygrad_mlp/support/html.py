"""HTML for notebooks: tables and listings. Without colours, so that it suits dark pages, too."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]], below: str = "") -> str:
    """A table, with a line of text below it.

    >>> table(["n"], [[1]], "that is <all>")
    '<table><thead><tr><th>n</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>\
<p>that is &lt;all&gt;</p>'
    """
    head = "".join(f"<th>{escaped(heading)}</th>" for heading in headings)
    body = "".join(
        "<tr>" + "".join(f"<td>{escaped(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    text = f"<p>{escaped(below)}</p>" if below else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{text}"


def listing(text: str, folded_under: str = "") -> str:
    """Text as it stands, in type of one width; under a heading that unfolds it, if one is given.

    >>> listing("a < b")
    '<pre>a &lt; b</pre>'
    """
    shown = f"<pre>{html.escape(text)}</pre>"
    if not folded_under:
        return shown
    return f"<details><summary>{html.escape(folded_under)}</summary>{shown}</details>"


def escaped(value: Any) -> str:
    """A value as the text of a page: numbers in six digits, None as nothing.

    >>> escaped(0.125), escaped(None), escaped("a\\nb")
    ('0.125', '', 'a<br>b')
    """
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return html.escape(text).replace("\n", "<br>")
