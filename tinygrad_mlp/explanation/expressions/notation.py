"""How mathematics is put together from written parts, in LaTeX and in plain text.

Every part has a kind (a sum, a product, …), which decides whether it needs brackets as a part of
something else, and is a row of pieces, under which shapes may stand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tinygrad_mlp.explanation.algebra.monomial import Shape
from tinygrad_mlp.graph_view.names import LETTERS

# What kind of expression a piece of writing is, for deciding on brackets.
ATOM, CALL, POWER, SCALED, MATMUL, HADAMARD, QUOTIENT, LOGICAL, BIG, NEGATIVE, SUM, LIST = (
    "atom", "call", "power", "scaled", "matmul", "hadamard", "quotient", "logical", "big",
    "negative", "sum", "list")

TIGHT = frozenset({ATOM, CALL, POWER})
COMPOSITE = frozenset({SCALED, MATMUL, HADAMARD, QUOTIENT, LOGICAL, BIG, NEGATIVE, SUM})
TERMS = TIGHT | COMPOSITE - {NEGATIVE}
NO_SUM = TERMS - {SUM}

# What may stand without brackets to the left and to the right of the sign of a product. A matrix
# product beside an elementwise one is bracketed: readers do not agree on which binds tighter.
BESIDE = {
    HADAMARD: (TIGHT | {HADAMARD, SCALED}, TIGHT | {HADAMARD}),
    MATMUL: (TIGHT | {MATMUL, SCALED}, TIGHT | {MATMUL}),
    SCALED: (TIGHT | {SCALED}, TIGHT | {SCALED, HADAMARD, MATMUL}),
    QUOTIENT: (TIGHT | {HADAMARD, MATMUL, SCALED}, TIGHT),
    LOGICAL: (TIGHT, TIGHT)}

TERM, FACTOR = 2, 1

SIGNS = {
    "-": "−", r"\odot": "⊙", r"\cdot": "·", "*": "∗", r"\wedge": "∧", r"\vee": "∨", r"\neq": "≠",
    r"\leq": "≤", r"\geq": "≥", r"\sum": "Σ", r"\top": "ᵀ", r"\infty": "∞", r"\pi": "π",
    r"\Vert": "‖", r"\left\Vert": "‖", r"\right\Vert": "‖", r"\left|": "|", r"\right|": "|",
    r"\left(": "(", r"\right)": ")", r"\left[": "[", r"\right]": "]", r"\times": "×",
    r"\left\lfloor": "⌊", r"\right\rfloor": "⌋", r"\dots": "…", r"\,": " ", r"\Gamma": "Γ"}
SIGNS |= {rf"\{name}": letter for letter, name in LETTERS.items()}

SUPERSCRIPTS = str.maketrans("0123456789-−+", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻⁺")
FRACTIONS = {("1", "2"): "½", ("1", "3"): "⅓", ("1", "4"): "¼", ("2", "3"): "⅔", ("3", "4"): "¾"}
SEPARATORS = (",", ";")
FUNCTION_NAME = re.compile(r"\\?(tanh|sin|cos|ln)(?=\(|\\left)")


class Piece(NamedTuple):
    """A part of a written line, and the shape that is annotated under it.

    A line may be broken before a joint: TERM for a sign between terms, FACTOR for one between
    factors, 0 for anything else.
    """

    text: str
    shape: Shape | None = None
    joint: int = 0


class Written(NamedTuple):
    """An expression as written: its pieces, its kind, and its shape where it is a factor."""

    pieces: tuple[Piece, ...]
    kind: str = ATOM
    shape: Shape | None = None

    @property
    def string(self) -> str:
        """All pieces in a row."""
        return "".join(piece.text for piece in self.pieces)

    def joined(self, shape: Shape) -> Written:
        """All in one piece, with a shape under it (none for a single number)."""
        return Written((Piece(self.string, shape or None),), self.kind, shape)


def written(text: str, kind: str = ATOM) -> Written:
    """A single piece without annotation."""
    return Written((Piece(text),), kind)


class Notation(NamedTuple):
    """LaTeX, or plain text with Unicode's signs; for lines with `shapes` under the factors, too."""

    latex: bool
    shapes: bool = False

    def sign(self, tex: str) -> str:
        """An operator or a word of LaTeX."""
        return tex if self.latex else SIGNS.get(tex, tex.removeprefix("\\"))

    def below(self, shape: Shape) -> str:
        """A shape as it stands under a factor: 3×4."""
        return (r" \times " if self.latex else "×").join(map(str, shape))

    def bracketed(self, inner: Written, left: str = "(", right: str = ")") -> Written:
        """Between brackets, as one factor."""
        if self.latex and re.search(r"\\(frac|sum|underset)", inner.string):
            left, right = rf"\left{left}", rf"\right{right}"
        whole = Written((Piece(self.sign(left)), *inner.pieces, Piece(self.sign(right))))
        return whole if inner.shape is None else whole.joined(inner.shape)

    def fit(self, inner: Written, accepted: frozenset[str]) -> Written:
        """As it is where its kind is accepted, bracketed otherwise."""
        return inner if inner.kind in accepted else self.bracketed(inner)

    def joined(self, kind: str, signs: Sequence[str], parts: Sequence[Written]) -> Written:
        """Parts with signs between them, which make one of a kind of them."""
        if kind == LIST:
            return self.series(parts, signs)
        if kind == SUM:
            terms = zip(["", *signs], parts, strict=True)
            return self.sum([(sign, part) for sign, part in terms if part.pieces])
        return self.product(kind, signs[0], parts) if signs else parts[0]

    def sum(self, terms: Sequence[tuple[str, Written]]) -> Written:
        """Terms with the sign before each; the first one's may be empty."""
        pieces: list[Piece] = []
        for i, (sign, term) in enumerate(terms):
            if i and sign != "-" and term.kind == NEGATIVE and term.pieces[0].text in ("-", "−"):
                # a + (−b): written a − b
                sign, term = "-", term._replace(pieces=term.pieces[1:], kind=HADAMARD)
            if sign:
                shown = self.sign(sign)
                pieces.append(Piece(f" {shown} ", joint=TERM) if i else Piece(shown))
            accepted = NO_SUM if sign == "-" else TERMS if i else TERMS | {NEGATIVE, LIST}
            pieces += self.fit(term, accepted).pieces
        negative = len(terms) == 1 and terms[0][0] == "-"
        return Written(tuple(pieces), NEGATIVE if negative else SUM)

    def product(self, kind: str, sign: str, factors: Sequence[Written]) -> Written:
        """Factors with the sign between them, of one of the kinds of `BESIDE`."""
        left, right = BESIDE[kind]
        first, *others = factors
        pieces = list(self.fit(first, left).pieces)
        for i, factor in enumerate(others, start=1):
            last = i == len(others) and kind is not HADAMARD
            fitted = self.fit(factor, right | {BIG} if last else right)
            pieces += [Piece(self._joint(kind, sign, fitted.string), joint=FACTOR), *fitted.pieces]
        last_kind = factors[-1].kind
        if last_kind == BIG and kind is not HADAMARD or (
                kind is SCALED and last_kind in (HADAMARD, MATMUL)):
            kind = last_kind  # what stands beside a multiple of a product must be told apart
        return Written(tuple(pieces), kind)

    def _joint(self, kind: str, sign: str, following: str) -> str:
        if kind is SCALED and following[:1].isdigit():
            return f" {self.sign(chr(92) + 'cdot')} "  # 2 · 3 and not 2 3
        if not sign or (kind is SCALED and not self.latex):
            return " "
        return f" {self.sign(sign)} "

    def before(self, head: Written, operand: Written) -> Written:
        """A sum sign, or a function's name without brackets, before all that follows."""
        return Written((Piece(head.string + " "), *self.fit(operand, NO_SUM).pieces), BIG)

    def series(self, parts: Sequence[Written], signs: Sequence[str]) -> Written:
        """Parts with separators or relation signs between them."""
        pieces = list(parts[0].pieces)
        for sign, part in zip(signs, parts[1:], strict=True):
            shown = self.sign(sign)
            pieces.append(Piece(f"{shown} " if sign in SEPARATORS else f" {shown} ", joint=TERM))
            pieces += part.pieces
        return Written(tuple(pieces), LIST)

    def between(self, left: str, inner: Written | None, right: str) -> Written:
        """Something between visible delimiters."""
        if inner is None:
            return written(self.sign(left) + self.sign(right))
        if left.startswith("\\left") and not left.endswith(("(", "[")):
            space = " " if self.latex else ""  # after \Vert, before a letter
            ends = Piece(self.sign(left) + space), Piece(self.sign(right))
            return Written((ends[0], *inner.pieces, ends[1]))
        below = [piece.shape for piece in inner.pieces if piece.shape]
        # Of (1 − y), y alone has a shape: the whole has the same.
        alone = below[0] if len(below) == 1 else None
        return self.bracketed(inner._replace(shape=alone), left[-1], right[-1])

    def call(self, head: Written, arguments: Written) -> Written:
        """A function's name and its arguments between brackets, or an array and its index."""
        head = self.fit(head, frozenset({ATOM, POWER}))
        return Written((*head.pieces, *arguments.pieces), CALL)

    def subscript(self, base: Written, script: Written) -> Written:
        """A base with an index."""
        base = self.fit(base, frozenset({ATOM, CALL}))
        below = script.string
        if self.latex and "_" in base.string and base.string[-1] != "]":
            # One index is not put below another.
            base = Written((Piece("{"), *base.pieces, Piece("}")), base.kind)
        if not self.latex:
            below = below.replace(" ", "")
        braced = self.latex or any(sign in below for sign in "+−⌊=")
        return Written((*base.pieces, Piece(f"_{{{below}}}" if braced else f"_{below}")))

    def power(self, base: Written, script: Written) -> Written:
        """A base with an exponent, or another mark above it."""
        base = self.fit(base, frozenset({ATOM, CALL}))
        if self.latex:
            shown = f"^{{{script.string}}}"
        elif script.string.startswith("ᵀ"):
            shown = script.string.replace(" ", "")
        elif base.string.startswith("Σ_"):  # the last number of a sum
            shown = f"^{{{script.string}}}"
        elif re.fullmatch(r"[-−]?[\dᵀ]+", script.string):
            shown = script.string.translate(SUPERSCRIPTS)
        else:
            shown = f"^{self.fit(script, frozenset({ATOM, CALL})).string}"
        transposed = script.string == self.sign(r"\top")
        named = FUNCTION_NAME.match(base.string)
        if named and base.kind == CALL and not transposed:  # as it is usually written: tanh²(z)
            text = base.string
            whole = written(text[: named.end()] + shown + text[named.end() :], CALL)
        else:
            whole = Written((*base.pieces, Piece(shown)), POWER)
        if base.shape is None:
            return whole
        turned = (*base.shape[:-2], *base.shape[:-3:-1])
        return whole.joined(turned if transposed else base.shape)

    def fraction(self, above: Written, below: Written) -> Written:
        """One above the other; in plain text side by side."""
        if self.latex:
            return written(rf"\frac{{{above.string}}}{{{below.string}}}")
        known = FRACTIONS.get((above.string, below.string))
        if known:
            return written(known)
        if (above.string + below.string).isdigit():
            return written(f"{above.string}/{below.string}", QUOTIENT)
        left, right = BESIDE[QUOTIENT]
        above, below = self.fit(above, left), self.fit(below, right)
        return Written((*above.pieces, Piece(" / ", joint=FACTOR), *below.pieces), QUOTIENT)

    def root(self, body: Written) -> Written:
        """A square root."""
        if self.latex:
            return written(rf"\sqrt{{{body.string}}}")
        return written(f"√{self.fit(body, frozenset({ATOM})).string}", CALL)
