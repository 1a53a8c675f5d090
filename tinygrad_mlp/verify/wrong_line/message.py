"""The words about a wrong line: the line, what agrees, what it should be, the repair."""

from __future__ import annotations

import textwrap

from tinygrad_mlp.support.html import escape, listing, lit
from tinygrad_mlp.verify.wrong_line.culprit import Culprit

WIDTH = 80

JOIN = "\N{NO-BREAK SPACE}"
"""Stands for the spaces of an expression while lines are broken."""


def message(culprit: Culprit) -> str:
    """Return the message about a wrong line, in lines of 80 characters."""
    parts = [_line(culprit)]
    said = _sentences(culprit)
    if said:
        lines = textwrap.wrap(" ".join(said), WIDTH, break_long_words=False)
        parts.append("\n".join(lines).replace(JOIN, " "))
    if culprit.repair is not None:
        parts.append(f"This change makes {_which(culprit)} right:")
        parts.append(textwrap.indent(culprit.repair, "    "))
    return "\n".join(parts)


def message_html(culprit: Culprit) -> str:
    """Return the message about a wrong line as HTML, with the expression lit."""
    source, begin, end = _expression(culprit)
    said = " ".join(_sentences(culprit)).replace(JOIN, " ")
    parts = [f"<p>In {culprit.cell}line {culprit.line}:</p>", lit(source, begin, end),
             f"<p>{escape(said)}</p>"]
    if culprit.repair is not None:
        parts += [f"<p>This change makes {escape(_which(culprit))} right:</p>",
                  listing(culprit.repair)]
    return "".join(parts)


def _expression(culprit: Culprit) -> tuple[str, int, int]:
    """Return the line without its indentation, and where the expression begins and ends in it."""
    source = culprit.source.lstrip()
    begin = culprit.column - (len(culprit.source) - len(source))
    return source, begin, begin + max(1, min(len(culprit.text), len(source) - begin))


def _line(culprit: Culprit) -> str:
    """Return the line of the program, its number, and a mark under the expression."""
    source, begin, end = _expression(culprit)
    number = f"{culprit.cell}line {culprit.line}"
    if len(source) + len(number) + 6 <= WIDTH:
        first = f"    {source}".ljust(WIDTH - len(number)) + number
    else:
        first = f"{number}:\n    {source}"
    return f"{first}\n    {' ' * begin}{'^' * (end - begin)}"


def _sentences(culprit: Culprit) -> list[str]:
    said = []
    if culprit.agreeing:
        agreeing = " and ".join(each.replace(" ", JOIN) for each in culprit.agreeing)
        said.append(f"Up to here everything agrees: {agreeing}.")
    if culprit.expected is not None:
        where = "In every step this line" if culprit.in_loop else "This line"
        gives = culprit.expected
        if "∂" not in gives and not gives.startswith(("what ", "the ", "minus ")):
            gives = f"what {gives} is in the loss"
        said.append(f"{where} should give {gives.replace(' ', JOIN)}, and does not.")
    if culprit.misplaced:
        said.append("This line stands at the wrong place.")
    elif culprit.repair is None:
        said.append(f"{_which(culprit).capitalize()} would be right with another value here.")
    if culprit.others:
        more = "s" if len(culprit.others) > 1 else ""
        said.append(f"The gradient{more} of {_listed(culprit.others)} {'are' if more else 'is'} "
                    f"wrong for another reason.")
    return said


def _which(culprit: Culprit) -> str:
    """Return which gradients a line decides."""
    if not culprit.others:
        return "all gradients"
    more = "s" if len(culprit.gradients) > 1 else ""
    return f"the gradient{more} of {_listed(culprit.gradients)}"


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
