"""An equation of a derivation: a symbol and what it stands for, to be printed and evaluated."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.explanation.algebra.monomial import Shape
from tinygrad_mlp.explanation.expressions.expression import Expression, Symbol
from tinygrad_mlp.explanation.expressions.notation import FACTOR, TERM, Notation, Piece

FORWARD, ADJOINT, GRADIENT = "forward", "adjoint", "gradient"

COLUMNS = 80
"""How wide plain text is at most."""


class Equation:
    """One line of a derivation: ``left = right``.

    Attributes:
        kind: "forward" for a quantity on the way to the output; "adjoint" for the derivative of the
            output with respect to one; "gradient" for what was asked for.
        left: the symbol that it defines.
        right: what the symbol stands for.
        shapes: whether `latex` and `text` have the shape under every factor.

    What is printed is what is evaluated: both read `right`.

    >>> import tinygrad_mlp as tg
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> last = tg.explain(tg.sum(tg.exp(x)), x).equations[-1]
    >>> last.kind, str(last.left)
    ('gradient', '<Symbol ∂L/∂x of shape (2,)>')
    """

    __slots__ = ("kind", "left", "right", "shapes")

    def __init__(self, kind: str, left: Symbol) -> None:
        assert left.definition is not None
        self.kind = kind
        self.left = left
        self.right: Expression = left.definition
        self.shapes = False

    @property
    def name(self) -> str:
        """The left side as plain text: "z2", "δ3", "∂L/∂W2"."""
        return self.left.name.text

    @property
    def shape(self) -> Shape:
        """The shape of both sides."""
        return self.left.shape

    @property
    def sides(self) -> tuple[str, str]:
        """Left and right side in LaTeX."""
        return self.left.latex(self.shapes), self.right.latex(self.shapes)

    @property
    def latex(self) -> str:
        """In LaTeX."""
        return " = ".join(self.sides)

    @property
    def text(self) -> str:
        """As plain text, at most 80 columns wide."""
        return wrapped(self.left, self.right, self.shapes, COLUMNS)

    def evaluate(self, values: Mapping[str, Any] | None = None) -> Array:
        """The value of the right side.

        Args:
            values: arrays by name, to take in place of the recorded ones.

        Raises:
            ShapeError: one of them has another shape than what it replaces.
        """
        return self.right.evaluate(values)

    def __str__(self) -> str:
        return f"{self.left.text()} = {self.right.text()}"

    def __repr__(self) -> str:
        return f"<Equation ({self.kind}) {self}>"


# -- lines of plain text --------------------------------------------------------------------------


def wrapped(left: Expression, right: Expression, shapes: bool, columns: int) -> str:
    """``left = right`` in lines of so many columns, with the shapes under the factors or not."""
    plain = Notation(latex=False, shapes=shapes)
    start, whole = (
        [p if shapes else p._replace(shape=None) for p in e.written(plain).pieces]
        for e in (left, right))
    lines = [[*start, Piece(" = ")]]
    used = total_width(lines[0])
    indent = min(used, columns // 2)
    for part in _unbroken(whole, columns - indent - 1):
        needed = total_width(part)
        if used + needed > columns and used > indent:
            lines.append([Piece(" " * indent)])
            used = indent
        lines[-1] += part
        used += needed
    return "\n".join(map(_rows, lines))


def width(text: str) -> int:
    """How many columns a text takes."""
    return sum(not unicodedata.combining(c) for c in text)


def total_width(pieces: Iterable[Piece]) -> int:
    """How many columns pieces take, with the shapes under them."""
    return sum(max(width(piece.text), width(_below(piece))) for piece in pieces)


def _below(piece: Piece) -> str:
    return Notation(latex=False).below(piece.shape or ())


def _rows(line: Sequence[Piece]) -> str:
    above = below = ""
    for piece in line:
        columns = total_width([piece])
        above += centred(piece.text, columns)
        below += centred(_below(piece), columns)
    return "\n".join(row.rstrip() for row in (above, below) if row.strip())


def centred(text: str, columns: int) -> str:
    """A text in the middle of so many columns."""
    missing = columns - width(text)
    return " " * (missing // 2) + text + " " * (missing - missing // 2)


def _unbroken(pieces: Sequence[Piece], columns: int,
              joints: Sequence[int] = (TERM, FACTOR)) -> Iterator[Sequence[Piece]]:
    """Pieces between which a line may be broken: terms, or factors, or parts of long factors."""
    if total_width(pieces) <= columns:
        yield pieces
    elif not joints:
        yield from ([part] for piece in pieces for part in _cut(piece, columns))
    else:
        starts = [0, *(i for i, p in enumerate(pieces) if i and p.joint == joints[0]), len(pieces)]
        for start, end in pairwise(starts):
            yield from _unbroken(pieces[start:end], columns, joints[1:])


def _cut(piece: Piece, columns: int) -> Iterator[Piece]:
    """A piece, cut at its spaces where it is longer than a line."""
    part, *words = [piece.text] if width(piece.text) <= columns else piece.text.split(" ")
    for word in words:
        if part and width(f"{part} {word}") > columns:
            yield Piece(part)
            part = ""
        part += f" {word}"
    yield Piece(part, piece.shape)
