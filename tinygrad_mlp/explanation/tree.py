"""What templates are made of, and how each part is written in both languages.

A template like ``\\frac{⟪0⟫}{⟪1⟫}`` becomes a small tree (see `parser`). Filling in needs the tree
for two reasons: an argument is put between brackets only where it would be misread without, and
plain text (``x1 / x2``) follows from LaTeX, so that a record needs one template only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tinygrad_mlp.explanation.notation import (
    ATOM,
    BESIDE,
    BIG,
    CALL,
    FACTOR,
    FRACTIONS,
    HADAMARD,
    LIST,
    MATMUL,
    NO_SUM,
    POWER,
    QUOTIENT,
    SCALED,
    SEPARATORS,
    SHAPE_KEEPING,
    TERM,
    Language,
    Piece,
    Written,
    merged,
    raised,
    squeezed,
    summed,
    written,
)

Fill = Callable[[int, bool], Written]
"""Writes the argument of a number; the second argument says whether shapes are wanted in it."""


class Template:
    """A part of a parsed template."""

    def write(self, language: Language, fill: Fill, shapes: bool) -> Written:
        """Filled in, in a language."""
        raise NotImplementedError


class Slot(Template):
    """The place of an argument."""

    def __init__(self, number: int) -> None:
        self.number = number

    def write(self, language: Language, fill: Fill, shapes: bool) -> Written:
        return fill(self.number, shapes)


class Word(Template):
    """A letter, a number, a function's name."""

    def __init__(self, tex: str, text: str | None = None) -> None:
        self.tex = tex
        self.text = text

    def write(self, language: Language, fill: Fill, shapes: bool) -> Written:
        return written(self.tex if language.latex or self.text is None else self.text)


class Sum(Template):
    """Terms with the sign before each; the first one's may be empty."""

    def __init__(self, terms: Sequence[tuple[str, Template]]) -> None:
        self.terms = list(terms)

    def write(self, language: Language, fill: Fill, shapes: bool) -> Written:
        terms = [(sign, t.write(language, fill, shapes)) for sign, t in self.terms]
        return summed(language, terms)


class Product(Template):
    """Factors of one of the kinds of `BESIDE`, with the sign between them."""

    def __init__(self, kind: str, sign: str, factors: Sequence[Template]) -> None:
        self.kind = kind
        self.sign = sign
        self.factors = list(factors)

    def write(self, language: Language, fill: Fill, shapes: bool) -> Written:
        left, right = BESIDE[self.kind]
        parts = [f.write(language, fill, shapes) for f in self.factors]
        result = list(language.fit(parts[0], left).pieces)
        for part in parts[1:]:
            last = part is parts[-1] and self.kind is not HADAMARD
            fitted = language.fit(part, right | {BIG} if last else right)
            result += [Piece(self._joint(language, fitted.string), joint=FACTOR), *fitted.pieces]
        kind = self.kind
        if kind is not HADAMARD and parts[-1].kind == BIG:
            kind = BIG
        elif kind is SCALED and parts[-1].kind in (HADAMARD, MATMUL):
            kind = parts[-1].kind  # what stands beside a multiple of a product must be told apart
        return Written(tuple(result), kind)

    def _joint(self, language: Language, following: str) -> str:
        if self.kind is SCALED and following[:1].isdigit():
            return f" {language.sign(chr(92) + 'cdot')} "  # 2 · 3 and not 2 3
        if not self.sign or (self.kind is SCALED and not language.latex):
            return " "
        return f" {language.sign(self.sign)} "


class Big(Template):
    """A sum sign, or a function's name without brackets, before all that follows."""

    def __init__(self, head: Template, operand: Template) -> None:
        self.head = head
        self.operand = operand

    def write(self, language: Language, fill: Fill, shapes: bool) -> Written:
        head = self.head.write(language, fill, False)
        operand = language.fit(self.operand.write(language, fill, shapes), NO_SUM)
        return Written((Piece(head.string + " "), *operand.pieces), BIG)


class Series(Template):
    """Parts with separators or relation signs between them."""

    def __init__(self, parts: Sequence[Template], signs: Sequence[str]) -> None:
        self.parts = list(parts)
        self.signs = list(signs)

    def write(self, language: Language, fill: Fill, shapes: bool) -> Written:
        pieces = list(self.parts[0].write(language, fill, shapes).pieces)
        for sign, part in zip(self.signs, self.parts[1:], strict=True):
            shown = language.sign(sign)
            pieces.append(Piece(f"{shown} " if sign in SEPARATORS else f" {shown} ", joint=TERM))
            pieces += part.write(language, fill, shapes).pieces
        return Written(tuple(pieces), LIST)


class Group(Template):
    """Something between visible delimiters."""

    def __init__(self, left: str, right: str, body: Template | None) -> None:
        self.left = left
        self.right = right
        self.body = body

    def write(self, language: Language, fill: Fill, shapes: bool) -> Written:
        if self.body is None:
            return written(language.sign(self.left) + language.sign(self.right))
        inner = self.body.write(language, fill, shapes)._replace(shape=None)
        if self.left.startswith("\\left") and not self.left.endswith(("(", "[")):
            space = " " if language.latex else ""  # after \\Vert, before a letter
            ends = Piece(language.sign(self.left) + space), Piece(language.sign(self.right))
            return Written((ends[0], *inner.pieces, ends[1]), ATOM)
        below = [piece.shape for piece in inner.pieces if piece.shape]
        # Of (1 − y), y alone has a shape: the whole has the same.
        alone = below[0] if len(below) == 1 else None
        return language.bracketed(inner._replace(shape=alone), self.left[-1], self.right[-1])


class Call(Template):
    """A function's name and its arguments between brackets, or an array and its index."""

    def __init__(self, head: Template, group: Group) -> None:
        self.head = head
        self.group = group

    def write(self, language: Language, fill: Fill, shapes: bool) -> Written:
        head = language.fit(self.head.write(language, fill, False), frozenset({ATOM, POWER}))
        group = self.group.write(language, fill, shapes)
        whole = Written((*head.pieces, *group.pieces), CALL)
        keeps = isinstance(self.head, Word) and self.head.tex in SHAPE_KEEPING
        return merged(whole, group.shape) if keeps and group.shape is not None else whole


class Script(Template):
    """A base with something below or above it."""

    def __init__(self, base: Template, mark: str, script: Template) -> None:
        self.base = base
        self.mark = mark
        self.script = script

    def write(self, language: Language, fill: Fill, shapes: bool) -> Written:
        base = language.fit(self.base.write(language, fill, shapes), frozenset({ATOM, CALL}))
        script = self.script.write(language, fill, False)
        if self.mark == "_":
            if language.latex and "_" in base.string and base.string[-1] != "]":
                # One index is not put below another.
                base = Written((Piece("{"), *base.pieces, Piece("}")), base.kind)
            below = script.string if language.latex else squeezed(script.string)
            braced = language.latex or any(sign in below for sign in "+−")
            shown = f"_{{{below}}}" if braced else f"_{below}"
            return Written((*base.pieces, Piece(shown)), ATOM)
        whole = raised(language, base, script)
        shape = script.shape if isinstance(self.base, Word) else base.shape
        if shape is None:
            return whole
        if isinstance(self.script, Word) and self.script.tex == r"\top":
            shape = (*shape[:-2], *shape[:-3:-1])
        return merged(whole, shape)


class Fraction(Template):
    """One above the other; in plain text side by side."""

    def __init__(self, above: Template, below: Template) -> None:
        self.above = above
        self.below = below

    def write(self, language: Language, fill: Fill, shapes: bool) -> Written:
        if language.latex:
            above, below = (t.write(language, fill, False) for t in (self.above, self.below))
            return written(rf"\frac{{{above.string}}}{{{below.string}}}")
        above, below = (t.write(language, fill, shapes) for t in (self.above, self.below))
        known = FRACTIONS.get((above.string, below.string))
        if known:
            return written(known)
        if (above.string + below.string).isdigit():
            return written(f"{above.string}/{below.string}", QUOTIENT)
        left, right = BESIDE[QUOTIENT]
        above, below = language.fit(above, left), language.fit(below, right)
        return Written((*above.pieces, Piece(" / ", joint=FACTOR), *below.pieces), QUOTIENT)


class Root(Template):
    """A square root."""

    def __init__(self, body: Template) -> None:
        self.body = body

    def write(self, language: Language, fill: Fill, shapes: bool) -> Written:
        body = self.body.write(language, fill, False)
        if language.latex:
            return written(rf"\sqrt{{{body.string}}}")
        return written(f"√{language.fit(body, frozenset({ATOM})).string}", CALL)
