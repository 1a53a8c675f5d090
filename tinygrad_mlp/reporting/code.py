"""Python code as markup of a page."""

from __future__ import annotations

import io
import keyword
import tokenize

from markupsafe import Markup, escape


def highlighted(source: str) -> Markup:
    """Mark the comments, keywords and numbers of Python code.

    >>> print(highlighted("return a < 1  # (3,)"))
    <b>return</b> a &lt; <i>1</i>  <s># (3,)</s>
    """
    lines = source.strip("\n").splitlines()
    out, at = [], (1, 0)
    for token in tokenize.generate_tokens(io.StringIO("\n".join(lines)).readline):
        tag = {tokenize.COMMENT: "s", tokenize.NUMBER: "i"}.get(token.type, "")
        if token.type == tokenize.NAME and keyword.iskeyword(token.string):
            tag = "b"
        if not tag:
            continue
        out.append(escape(_between(lines, at, token.start)))
        out.append(Markup("<{0}>{1}</{0}>").format(Markup(tag), token.string))
        at = token.end
    out.append(escape(_between(lines, at, (len(lines), len(lines[-1]) if lines else 0))))
    return Markup("").join(out)


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]] if lines else ""
    whole = lines[start[0] : end[0] - 1]
    return "\n".join([lines[start[0] - 1][start[1] :], *whole, lines[end[0] - 1][: end[1]]])
