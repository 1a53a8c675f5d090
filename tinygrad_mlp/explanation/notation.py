"""How mathematics is put together from written parts, in LaTeX and in plain text.

Every part has a kind (a sum, a product, …), which decides whether it needs brackets as a part of
something else, and is a row of pieces, under which shapes may stand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tinygrad_mlp.graph_view.names import LETTERS

# What kind of expression a piece of writing is, for deciding on brackets.
ATOM, CALL, POWER, SCALED, MATMUL, HADAMARD, QUOTIENT, LOGICAL, BIG, NEGATIVE, SUM, LIST = (
    "atom", "call", "power", "scaled", "matmul", "hadamard", "quotient", "logical", "big",
    "negative", "sum", "list")

TIGHT = frozenset({ATOM, CALL, POWER})
ANYTHING = TIGHT | {SCALED, MATMUL, HADAMARD, QUOTIENT, LOGICAL, BIG, NEGATIVE, SUM, LIST}
NO_SUM = ANYTHING - {SUM, NEGATIVE, LIST}

# What may stand without brackets to the left and to the right of the sign of a product. A matrix
# product beside an elementwise one is bracketed: readers do not agree on which binds tighter.
BESIDE = {
    HADAMARD: (TIGHT | {HADAMARD, SCALED}, TIGHT | {HADAMARD}),
    MATMUL: (TIGHT | {MATMUL, SCALED}, TIGHT | {MATMUL}),
    SCALED: (TIGHT | {SCALED}, TIGHT | {SCALED, HADAMARD, MATMUL}),
    QUOTIENT: (TIGHT | {HADAMARD, MATMUL, SCALED}, TIGHT),
    LOGICAL: (TIGHT, TIGHT)}

TERM, FACTOR = 2, 1


class Piece(NamedTuple):
    """A part of a written line, and the shape that is annotated under it.

    A line may be broken before a joint: TERM for a sign between terms, FACTOR for one between
    factors, 0 for anything else.
    """

    text: str
    shape: tuple[int, ...] | None = None
    joint: int = 0


class Written(NamedTuple):
    """An expression as written: its pieces, its kind, and its shape where it is a factor."""

    pieces: tuple[Piece, ...]
    kind: str
    shape: tuple[int, ...] | None = None

    @property
    def string(self) -> str:
        """All pieces in a row."""
        return "".join(piece.text for piece in self.pieces)


def written(text: str, kind: str = ATOM) -> Written:
    """A single piece without annotation."""
    return Written((Piece(text),), kind)


class Language:
    """How LaTeX, or plain text with Unicode's signs, writes what templates are made of."""

    def __init__(self, latex: bool) -> None:
        self.latex = latex

    def sign(self, tex: str) -> str:
        """An operator or a word of LaTeX in this language."""
        return tex if self.latex else SIGNS.get(tex, tex.removeprefix("\\"))

    def bracketed(self, inner: Written, left: str = "(", right: str = ")") -> Written:
        """Between brackets, as one factor."""
        if self.latex and re.search(r"\\(frac|sum|underset)", inner.string):
            left, right = rf"\left{left}", rf"\right{right}"
        pieces = (Piece(self.sign(left)), *inner.pieces, Piece(self.sign(right)))
        whole = Written(pieces, ATOM)
        return whole if inner.shape is None else merged(whole, inner.shape)

    def fit(self, inner: Written, accepted: frozenset[str]) -> Written:
        """As it is where its kind is accepted, bracketed otherwise."""
        return inner if inner.kind in accepted else self.bracketed(inner)


def merged(w: Written, shape: tuple[int, ...]) -> Written:
    """All in one piece, with a shape under it (none for a single number)."""
    return Written((Piece(w.string, shape or None),), w.kind, shape)


LATEX, PLAIN = Language(True), Language(False)

SIGNS = {
    "-": "−", r"\odot": "⊙", r"\cdot": "·", "*": "∗", r"\wedge": "∧", r"\vee": "∨", r"\neq": "≠",
    r"\leq": "≤", r"\geq": "≥", r"\sum": "Σ", r"\top": "ᵀ", r"\infty": "∞", r"\pi": "π",
    r"\Vert": "‖", r"\left\Vert": "‖", r"\right\Vert": "‖", r"\left|": "|", r"\right|": "|",
    r"\left(": "(", r"\right)": ")", r"\left[": "[", r"\right]": "]", r"\times": "×",
    r"\dots": "…", r"\,": " ", r"\Gamma": "Γ"}
SIGNS |= {rf"\{name}": letter for letter, name in LETTERS.items()}

SUPERSCRIPTS = str.maketrans("0123456789-−+", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻⁺")
FRACTIONS = {("1", "2"): "½", ("1", "3"): "⅓", ("1", "4"): "¼", ("2", "3"): "⅔", ("3", "4"): "¾"}
SHAPE_KEEPING = (r"\ln", r"\mathrm{softmax}")
"""Functions in templates whose result has the shape of their argument."""

SEPARATORS = (",", ";")
FUNCTION_NAME = re.compile(r"\\?(tanh|sin|cos|ln)(?=\(|\\left)")


def summed(language: Language, terms: Sequence[tuple[str, Written]]) -> Written:
    """A sum of written terms, each with its sign."""
    pieces: list[Piece] = []
    for i, (sign, term) in enumerate(terms):
        if i and sign != "-" and term.kind == NEGATIVE and term.pieces[0].text in ("-", "−"):
            # a + (−b): written a − b
            sign, term = "-", term._replace(pieces=term.pieces[1:], kind=HADAMARD)
        if sign:
            shown = language.sign(sign)
            pieces.append(Piece(f" {shown} ", joint=TERM) if i else Piece(shown))
        accepted = NO_SUM if sign == "-" else ANYTHING - {LIST, NEGATIVE} if i else ANYTHING
        pieces += language.fit(term, accepted).pieces
    negative = len(terms) == 1 and terms[0][0] == "-"
    return Written(tuple(pieces), NEGATIVE if negative else SUM)


def raised(language: Language, base: Written, script: Written) -> Written:
    """A base with an exponent, or another mark above it."""
    if language.latex:
        shown = f"^{{{script.string}}}"
    elif script.string.startswith("ᵀ"):
        shown = squeezed(script.string)
    elif re.fullmatch(r"[-−]?[\dᵀ]+", script.string):
        shown = script.string.translate(SUPERSCRIPTS)
    else:
        shown = f"^{language.fit(script, frozenset({ATOM, CALL})).string}"
    named = FUNCTION_NAME.match(base.string)
    if named and base.kind == CALL and shown != "ᵀ" and r"\top" not in shown:
        # As it is usually written: tanh²(z).
        text = base.string
        return written(text[: named.end()] + shown + text[named.end() :], CALL)
    return Written((*base.pieces, Piece(shown)), POWER)


def squeezed(text: str) -> str:
    """Without spaces, for a subscript in plain text."""
    return text.replace(" ", "")
