"""HTML for notebooks: tables and listings, with the page's own colours, be it light or dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def escape(text: str) -> str:
    """Return `html.escape` of a text; the module is loaded when a notebook first asks."""
    import html

    return html.escape(text)


LIT = "background: rgba(255, 170, 0, 0.35); color: inherit"
"""The style of what is marked: a colour through which the page's own is seen."""


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], below: str = "") -> str:
    """Return a table with a line of text below it.

    >>> table(["n"], [[1]], "that is <all>")
    '<table><thead><tr><th>n</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>\
<p>that is &lt;all&gt;</p>'
    """
    head = "".join(f"<th>{escaped(heading)}</th>" for heading in headings)
    lines = ["".join(f"<td>{escaped(cell)}</td>" for cell in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    text = f"<p>{escaped(below)}</p>" if below else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{text}"


def listing(text: str, folded_under: str = "") -> str:
    """Return preformatted text; under a heading that unfolds it, if one is given.

    >>> listing("a < b")
    '<pre>a &lt; b</pre>'
    """
    shown = f"<pre>{escape(text)}</pre>"
    if not folded_under:
        return shown
    return f"<details><summary>{escape(folded_under)}</summary>{shown}</details>"


def lit(text: str, begin: int, end: int) -> str:
    """Return preformatted text of which a part is marked.

    >>> lit("a < b", 0, 1).replace(LIT, "…")
    '<pre><mark style="…">a</mark> &lt; b</pre>'
    """
    before, marked, after = (escape(part) for part in (text[:begin], text[begin:end], text[end:]))
    return f'<pre>{before}<mark style="{LIT}">{marked}</mark>{after}</pre>'


def inlined(svg: str, alt: str) -> str:
    """Return an SVG picture as an image that holds it, with words for who cannot see it."""
    import base64

    address = base64.b64encode(svg.encode()).decode()
    return (f'<img src="data:image/svg+xml;base64,{address}" alt="{escape(alt)}" '
            f'style="max-width: 100%">')


def escaped(value: object) -> str:
    """Return a value as HTML text: floats with six digits, None as the empty string.

    >>> escaped(0.125), escaped(None), escaped("a\\nb")
    ('0.125', '', 'a<br>b')
    """
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return escape(text).replace("\n", "<br>")
