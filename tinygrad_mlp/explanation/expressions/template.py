"""Formulas of operations, from the LaTeX templates in their records.

A template like ``\\frac{⟪0⟫}{⟪1⟫}`` is read once for LaTeX and once for plain text, with what is
written for each argument in its place. An argument gets brackets only where it would be misread
without. Signs bind as usual: relations loosest, then ``+`` and ``−``, elementwise products,
quotients, and juxtaposition tightest. A sum sign applies to all factors that follow it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tinygrad_mlp.errors import OpDefinitionError
from tinygrad_mlp.explanation.expressions.notation import (
    HADAMARD,
    LIST,
    LOGICAL,
    MATMUL,
    QUOTIENT,
    SCALED,
    SEPARATORS,
    SUM,
    Notation,
    Written,
    written,
)

TOKEN = re.compile(
    r"⟪\d+⟫|\\(?:left|right)(?![A-Za-z])(?:\\[A-Za-z]+|.)|\\[A-Za-z]+|\\.|[A-Za-z]+|\d+(?:\.\d+)?|\s+|."
)
OPENING = {"(": ")", "[": "]", "{": "}", r"\lfloor": r"\rfloor"}
TEXT_COMMANDS = (r"\mathrm", r"\text", r"\operatorname", r"\mathbf", r"\mathit")
RELATIONS = ("=", r"\neq", "<", ">", r"\leq", r"\geq", r"\to")
SPLIT = (
    (LIST, SEPARATORS), (LIST, RELATIONS), (SUM, ("+", "-")), (LOGICAL, (r"\wedge", r"\vee")),
    (HADAMARD, (r"\odot", r"\cdot", "*", r"\times")), (QUOTIENT, ("/",)), (SCALED, (r"\,",)))
"""What signs make of what they stand between, loosest first."""
OPERATORS = {sign for _, signs in SPLIT for sign in signs}
FUNCTIONS = (r"\ln", r"\sin", r"\cos", r"\tanh", r"\exp", r"\max", r"\min")
SHAPE_KEEPING = (r"\ln", r"\mathrm{softmax}")
"""Functions whose result has the shape of their argument."""

SIGN, WORD, SLOT, GROUP, OTHER = "sign", "word", "slot", "group", "other"


class Item(NamedTuple):
    """A part of a template, as written: an operator, a word, an argument, a group in delimiters.

    `tex` is the operator, the word, or the left delimiter. With a script, a word stays a word.
    """

    role: str
    tex: str
    written: Written


def fill(template: str, argument: Callable[[int], Written], notation: Notation) -> Written:
    """A template, with what `argument` writes for a number in its place."""
    return _Reader(template, argument, notation).whole()


class _Reader:
    def __init__(self, template: str, argument: Callable[[int], Written],
                 notation: Notation) -> None:
        self.template = template
        self.argument = argument
        self.notation = notation
        self.tokens: list[str] = TOKEN.findall(template)
        self.at = 0

    def whole(self) -> Written:
        made = self.until(None)
        if made is None or self.at < len(self.tokens):
            raise self.wrong()
        return made

    def wrong(self) -> OpDefinitionError:
        return OpDefinitionError(
            f"the LaTeX {self.template!r} of an operation cannot be read: its brackets do not "
            f"match. In a template, braces of LaTeX are doubled, and single ones stand around the "
            f"names of parameters.")

    def next(self) -> str:
        if self.at == len(self.tokens):
            raise self.wrong()
        self.at += 1
        return self.tokens[self.at - 1]

    def until(self, closing: str | None) -> Written | None:
        """What stands before a closing delimiter, which is passed over."""
        items: list[Item] = []
        while self.at < len(self.tokens) or closing is not None:
            token = self.next()
            if token == closing:
                break
            if token in ")]}" or token.startswith("\\right"):
                raise self.wrong()
            if token in ("^", "_"):
                if not items or items[-1].role == SIGN:
                    raise self.wrong()
                items[-1] = self.scripted(items[-1], token, self.operand())
            elif not token.isspace():
                items.append(self.item(token))
        return self.structured(items) if items else None

    def operand(self) -> Item:
        """The next item, which a command applies to."""
        token = self.next()
        while token.isspace():
            token = self.next()
        if token.isdigit() and len(token) > 1:
            self.tokens.insert(self.at, token[1:])  # x^23 is x²3
            token = token[0]
        return self.item(token)

    def item(self, token: str) -> Item:
        if token.startswith("⟪"):
            return Item(SLOT, "", self.argument(int(token[1:-1])))
        if token == "{":
            return Item(OTHER, "", self.until("}") or written(""))
        if token in OPENING or (token.startswith("\\left") and len(token) > 5):
            left = token.removeprefix("\\left")
            right = OPENING.get(left, left)
            if left != token:
                right = rf"\right{right}"
            return Item(GROUP, token, self.notation.between(token, self.until(right), right))
        if token == r"\frac":
            above, below = self.operand().written, self.operand().written
            return Item(OTHER, "", self.notation.fraction(above, below))
        if token == r"\sqrt":
            return Item(OTHER, "", self.notation.root(self.operand().written))
        if token in TEXT_COMMANDS:
            text = self.raw()
            tex = f"{token}{{{text}}}"
            return Item(WORD, tex, written(tex if self.notation.latex else text.replace("\\", "")))
        return Item(SIGN if token in OPERATORS else WORD, token,
                    written(self.notation.sign(token)))

    def raw(self) -> str:
        """The text between braces, unread."""
        if self.next() != "{":
            raise self.wrong()
        start = self.at
        while self.next() != "}":
            pass
        return "".join(self.tokens[start : self.at - 1])

    def scripted(self, base: Item, mark: str, script: Item) -> Item:
        """A base with something below or above it."""
        if mark == "_":
            return base._replace(written=self.notation.subscript(base.written, script.written))
        made = self.notation.power(base.written, script.written)
        if base.role == WORD and script.written.shape is not None:
            made = made.joined(script.written.shape)  # e^x has the shape of x
        return base._replace(written=made)

    def structured(self, items: list[Item]) -> Written:
        """Items in a row, split at the loosest sign first."""
        if not items:
            return Written(())
        for kind, signs in SPLIT:
            if kind == LOGICAL:
                items = self.with_operand(items)
            parts, between = split(items, signs)
            if between:
                return self.notation.joined(kind, between, list(map(self.structured, parts)))
        factors: list[Item] = []
        for item in items:
            if factors and takes(factors[-1], item):
                factors[-1] = self.call(factors[-1], item)
            else:
                factors.append(item)
        return self.notation.joined(MATMUL, [""] * (len(factors) - 1), [f.written for f in factors])

    def with_operand(self, items: list[Item]) -> list[Item]:
        """With a sum sign, or a function without brackets, and all that follows it as one item."""
        for place, item in enumerate(items):
            if is_prefix(item, items[place + 1 :]):
                operand = self.structured(items[place + 1 :])
                big = Item(OTHER, "", self.notation.before(item.written, operand))
                return [*items[:place], big]
        return items

    def call(self, head: Item, group: Item) -> Item:
        made = self.notation.call(head.written, group.written)
        if head.tex in SHAPE_KEEPING and group.written.shape is not None:
            made = made.joined(group.written.shape)
        return Item(OTHER, "", made)


def is_prefix(item: Item, rest: Sequence[Item]) -> bool:
    """Whether it applies to all that follows: a sum sign, or ``ln`` without brackets."""
    if item.role != WORD or not rest:
        return False
    return item.tex == r"\sum" or (item.tex in FUNCTIONS and rest[0].role != GROUP)


def takes(head: Item, group: Item) -> bool:
    """Whether a group after `head` is its argument, or its index, and no other factor."""
    if group.role != GROUP:
        return False
    if group.tex == "[":
        return head.role in (SLOT, WORD)
    named = head.role == WORD and not head.tex.isdigit() and head.tex != "e"
    return named and group.tex in ("(", r"\left(")


def split(items: list[Item], signs: Sequence[str]) -> tuple[list[list[Item]], list[str]]:
    """The items between some signs, and those signs."""
    parts: list[list[Item]] = [[]]
    between: list[str] = []
    for item in items:
        if item.role == SIGN and item.tex in signs:
            between.append(item.tex)
            parts.append([])
        else:
            parts[-1].append(item)
    return parts, between
