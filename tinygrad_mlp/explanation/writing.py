"""Writing expressions and equations: in LaTeX, and as plain text of two lines.

Under every factor stands its shape. A factor is what is multiplied, added or divided at the outer
level of an expression: a symbol, a transposed symbol, a function of something, a bracketed sum.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.explanation.expression import (
    WRITERS,
    Application,
    Expression,
    Number,
    Shape,
    Symbol,
)
from tinygrad_mlp.explanation.making import in_shape
from tinygrad_mlp.explanation.notation import (
    ATOM,
    BIG,
    CALL,
    FACTOR,
    HADAMARD,
    LATEX,
    LOGICAL,
    MATMUL,
    NEGATIVE,
    PLAIN,
    POWER,
    QUOTIENT,
    SCALED,
    SUM,
    TERM,
    Language,
    Piece,
    Written,
    merged,
    summed,
    written,
)
from tinygrad_mlp.explanation.parser import parsed
from tinygrad_mlp.graph_view.names import Name
from tinygrad_mlp.graph_view.templates import template_of

COLUMNS = 80
"""How wide plain text is at most."""

COMPOSITE = frozenset({SCALED, MATMUL, HADAMARD, QUOTIENT, LOGICAL, BIG, NEGATIVE, SUM})
SUMS = {ops.add: "+", ops.subtract: "-"}

KNOWN_NUMBERS = {
    math.pi: (r"\pi", "π"),
    math.sqrt(2): (r"\sqrt{2}", "√2"),
    math.sqrt(math.pi): (r"\sqrt{\pi}", "√π"),
    math.sqrt(2 * math.pi): (r"\sqrt{2 \pi}", "√(2π)"),
    2 / math.sqrt(math.pi): (r"\frac{2}{\sqrt{\pi}}", "(2/√π)"),
    0.5: (r"\frac{1}{2}", "½")}
"""Numbers that rules are written with, and that six digits would not be recognised by."""


def write(e: Expression, language: Language, shapes: bool) -> Written:
    """An expression in a language, with shapes under its factors if asked for."""
    if isinstance(e, Symbol):
        return merged(_symbol(e.name, language), e.shape)
    if isinstance(e, Number):
        return _number(e, language)
    assert isinstance(e, Application)
    if e.op in SUMS:
        whole = _sum(e, language, shapes)
    else:

        def fill(number: int, inside: bool) -> Written:
            argument = e.args[number]
            assert argument is not None
            return write(argument, language, inside)

        tree = parsed(template_of(e.op, e.args, e.static))
        # Shapes inside of a factor that has none of its own, too: ‖y − a‖² is a number.
        whole = tree.write(language, fill, shapes)
        if e.op.outputs > 1:
            whole = Written((*whole.pieces, Piece(f"[{e.index}]")), CALL)
    if e.op is in_shape and whole.kind in (SUM, HADAMARD, BIG):
        # Its terms have the shape it had before.
        return Written(merged(whole, e.shape).pieces, whole.kind, e.shape)
    if whole.kind in COMPOSITE or (e.shape == () and shapes):
        return whole._replace(shape=e.shape)
    return merged(whole, e.shape)


def _sum(e: Application, language: Language, shapes: bool) -> Written:
    """A sum of any number of terms, without recursion: a value may be used very often."""
    terms: list[tuple[str, Expression]] = []
    rest: Expression = e
    while isinstance(rest, Application) and rest.op in SUMS:
        left, right = rest.parts()
        terms.append((SUMS[rest.op], right))
        rest = left
    terms.append(("", rest))
    return summed(language, [(sign, write(t, language, shapes)) for sign, t in terms[::-1]])


def _symbol(of: Name, language: Language) -> Written:
    if not language.latex:
        return written(of.text, ATOM)
    return written(of.latex, POWER if of.script.startswith("^") else ATOM)


def _number(e: Number, language: Language) -> Written:
    number = e.number
    known = KNOWN_NUMBERS.get(abs(number)) if isinstance(number, float) else None
    if known is not None:
        text = known[0 if language.latex else 1]
    elif float(number).is_integer() and abs(number) < 1e6:
        text = f"{abs(int(number))}"
    else:
        text = f"{abs(float(number)):.6g}"
        if language.latex:
            digits, _, exponent = text.partition("e")
            text = digits + (rf" \cdot 10^{{{int(exponent)}}}" if exponent else "")
            text = text.replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
    if e.shape and language.latex and text in ("0", "1"):
        text = rf"\mathbf{{{text}}}"
    whole = written(text, ATOM)
    if r"\cdot" in text:
        whole = language.bracketed(whole)
    if number < 0:
        return Written((Piece(language.sign("-")), *whole.pieces), NEGATIVE, e.shape)
    return merged(whole, e.shape)


# -- LaTeX ----------------------------------------------------------------------------------------


def latex(e: Expression, shapes: bool = False) -> str:
    """An expression in LaTeX; with the shape under every factor if asked for."""
    return "".join(_annotated(piece, shapes) for piece in write(e, LATEX, shapes).pieces)


def _annotated(piece: Piece, shapes: bool) -> str:
    if not shapes or not piece.shape:
        return piece.text
    return rf"\underset{{{shape_text(piece.shape, LATEX)}}}{{{piece.text}}}"


def shape_text(shape: Shape, language: Language) -> str:
    """A shape as it stands under a factor: 3×4."""
    return (r" \times " if language.latex else "×").join(map(str, shape))


# -- plain text -----------------------------------------------------------------------------------


def text(e: Expression) -> str:
    """An expression as plain text, in one line and without shapes."""
    return write(e, PLAIN, False).string


WRITERS.update(latex=latex, text=text)


def width(text: str) -> int:
    """How many columns a text takes."""
    return sum(not unicodedata.combining(c) for c in text)


def centred(text: str, columns: int) -> str:
    """A text in the middle of so many columns."""
    missing = columns - width(text)
    return " " * (missing // 2) + text + " " * (missing - missing // 2)


def two_lines(left: Expression, right: Expression, columns: int) -> str:
    """``left = right`` with the shapes of the factors under them, wrapped to so many columns."""
    start = list(write(left, PLAIN, True).pieces)
    indent = sum(map(piece_width, start))
    lines: list[list[Piece]] = [[*start, Piece(" = ")]]
    indent += 3
    used = indent
    for part in _unbroken(write(right, PLAIN, True).pieces, columns - indent - 1):
        needed = sum(map(piece_width, part))
        if used + needed > columns and used > indent:
            lines.append([Piece(" " * indent)])
            used = indent
        lines[-1] += part
        used += needed
    return "\n".join(_rows(line) for line in lines)


def one_line(left: Expression, right: Expression, columns: int) -> str:
    """``left = right`` without shapes, wrapped to so many columns."""
    start = text(left) + " = "
    indent = min(width(start), columns // 2)
    lines, used = [start], width(start)
    for part in _unbroken(write(right, PLAIN, False).pieces, columns - indent - 1):
        shown = "".join(piece.text for piece in part)
        if used + width(shown) > columns and used > indent:
            lines.append(" " * indent)
            used = indent
        lines[-1] += shown
        used += width(shown)
    return "\n".join(line.rstrip() for line in lines)


def piece_width(piece: Piece) -> int:
    """How many columns a piece takes, with its shape under it."""
    below = shape_text(piece.shape, PLAIN) if piece.shape else ""
    return max(width(piece.text), width(below))


def _rows(line: Sequence[Piece]) -> str:
    above = below = ""
    for piece in line:
        columns = piece_width(piece)
        above += centred(piece.text, columns)
        below += centred(shape_text(piece.shape, PLAIN) if piece.shape else "", columns)
    return "\n".join(row.rstrip() for row in (above, below) if row.strip())


def _unbroken(pieces: Sequence[Piece], columns: int) -> Iterator[Sequence[Piece]]:
    """Pieces between which a line may be broken: terms, or factors, or parts of long factors."""
    for term in _split(pieces, TERM):
        if sum(map(piece_width, term)) <= columns:
            yield term
            continue
        for factor in _split(term, FACTOR):
            if sum(map(piece_width, factor)) <= columns:
                yield factor
            else:
                yield from ([part] for piece in factor for part in _cut(piece, columns))


def _split(pieces: Sequence[Piece], joint: int) -> Iterator[Sequence[Piece]]:
    """Before every joint of a kind."""
    start = 0
    for place, piece in enumerate(pieces):
        if piece.joint == joint and place > start:
            yield pieces[start:place]
            start = place
    yield pieces[start:]


def _cut(piece: Piece, columns: int) -> list[Piece]:
    """A piece that is longer than a line, cut at its spaces."""
    if width(piece.text) <= columns:
        return [piece]
    parts = [""]
    for word in piece.text.split(" "):
        longer = f"{parts[-1]} {word}" if parts[-1] else word
        if width(longer) > columns and parts[-1]:
            parts.append(word)
        else:
            parts[-1] = longer
    shape = [None] * (len(parts) - 1) + [piece.shape]
    return [
        Piece(part if i == 0 else f" {part}", below)
        for i, (part, below) in enumerate(zip(parts, shape, strict=True))]


