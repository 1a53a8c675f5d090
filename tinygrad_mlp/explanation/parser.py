"""Parsing LaTeX templates: only the LaTeX that formulas of operations are made of.

Signs bind as usual: relations loosest, then ``+`` and ``−``, elementwise products, quotients, and
juxtaposition tightest. A sum sign applies to all factors that follow it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from tinygrad_mlp.errors import OpDefinitionError
from tinygrad_mlp.explanation.notation import (
    HADAMARD,
    LOGICAL,
    MATMUL,
    PLAIN,
    QUOTIENT,
    SCALED,
    SEPARATORS,
)
from tinygrad_mlp.explanation.tree import (
    Big,
    Call,
    Fraction,
    Group,
    Product,
    Root,
    Script,
    Series,
    Slot,
    Sum,
    Template,
    Word,
)

TOKEN = re.compile(
    r"⟪\d+⟫|\\(?:left|right)(?![A-Za-z])(?:\\[A-Za-z]+|.)|\\[A-Za-z]+|\\.|[A-Za-z]+|\d+(?:\.\d+)?|\s+|."
)
OPENING = {"(": ")", "[": "]", "{": "}"}
TEXT_COMMANDS = (r"\mathrm", r"\text", r"\operatorname", r"\mathbf", r"\mathit")
RELATIONS = ("=", r"\neq", "<", ">", r"\leq", r"\geq", r"\to")
TIMES = (r"\odot", r"\cdot", "*", r"\times")
AND_OR = (r"\wedge", r"\vee")
FUNCTIONS = (r"\ln", r"\sin", r"\cos", r"\tanh", r"\exp", r"\max", r"\min")


class Sign(NamedTuple):
    """An operator between operands, while parsing."""

    tex: str


Item = Template | Sign


@cache
def parsed(template: str) -> Template:
    """The tree of a template."""
    return _Parser(template).whole()


class _Parser:
    def __init__(self, template: str) -> None:
        self.template = template
        self.tokens: list[str] = TOKEN.findall(template)
        self.at = 0

    def whole(self) -> Template:
        tree = self.until(None)
        if tree is None or self.at < len(self.tokens):
            raise self.wrong()
        return tree

    def wrong(self) -> OpDefinitionError:
        return OpDefinitionError(
            f"the LaTeX {self.template!r} of an operation cannot be read: its brackets do not "
            f"match. In a template, braces of LaTeX are doubled, and single ones stand around the "
            f"names of parameters.")

    def until(self, closing: str | None) -> Template | None:
        """What stands before a closing delimiter, which is passed over."""
        items: list[Item] = []
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            if token == closing:
                return _structured(items)
            if token in ")]}" or token.startswith("\\right"):
                raise self.wrong()
            if token.isspace():
                continue
            if token in ("^", "_"):
                if not items or isinstance(items[-1], Sign):
                    raise self.wrong()
                items[-1] = Script(items[-1], token, self.argument())
            else:
                items.append(self.item(token))
        if closing is not None:
            raise self.wrong()
        return _structured(items)

    def argument(self) -> Template:
        """The next item, which a command applies to."""
        while self.at < len(self.tokens) and self.tokens[self.at].isspace():
            self.at += 1
        if self.at == len(self.tokens):
            raise self.wrong()
        token = self.tokens[self.at]
        self.at += 1
        if token.isdigit() and len(token) > 1:
            self.tokens.insert(self.at, token[1:])  # x^23 is x²3
            token = token[0]
        item = self.item(token)
        if isinstance(item, Sign):
            return Word(item.tex, PLAIN.sign(item.tex))
        return item

    def item(self, token: str) -> Item:
        if token.startswith("⟪"):
            return Slot(int(token[1:-1]))
        if token == "{":
            return self.until("}") or Word("")
        if token in OPENING:
            return Group(token, OPENING[token], self.until(OPENING[token]))
        if token.startswith("\\left") and len(token) > 5:
            delimiter = token[5:]
            right = rf"\right{OPENING.get(delimiter, delimiter)}"
            return Group(token, right, self.until(right))
        if token == r"\frac":
            return Fraction(self.argument(), self.argument())
        if token == r"\sqrt":
            return Root(self.argument())
        if token in TEXT_COMMANDS:
            text = self.raw()
            return Word(f"{token}{{{text}}}", text.replace("\\", ""))
        if token in ("+", "-", "/", r"\,", *RELATIONS, *SEPARATORS, *TIMES, *AND_OR):
            return Sign(token)
        return Word(token, PLAIN.sign(token))

    def raw(self) -> str:
        """The text between braces, unread."""
        if self.at == len(self.tokens) or self.tokens[self.at] != "{":
            raise self.wrong()
        start = self.at + 1
        while self.at < len(self.tokens) and self.tokens[self.at] != "}":
            self.at += 1
        inner = self.tokens[start : self.at]
        self.at += 1
        if self.at > len(self.tokens):
            raise self.wrong()
        return "".join(inner)


def _structured(items: list[Item]) -> Template | None:
    """The tree of items in a row, split at the loosest sign first."""
    if not items:
        return None
    for signs in (SEPARATORS, RELATIONS):
        parts, between = _split(items, signs)
        if between:
            return Series([_structured(p) or Word("") for p in parts], between)
    parts, between = _split(items, ("+", "-"))
    if between:
        signed = list(zip(["", *between], parts, strict=True))
        terms = [(sign, _structured(p)) for sign, p in signed if p]
        return Sum([(sign, term) for sign, term in terms if term is not None])
    return _product(items)


def _product(items: list[Item]) -> Template:
    for place, item in enumerate(items):
        if _is_prefix(item, items[place + 1 :]):
            operand = _product(items[place + 1 :])
            big = Big(_template(item), operand)
            return _product([*items[:place], big]) if place else big
    for kind, signs in ((LOGICAL, AND_OR), (HADAMARD, TIMES), (QUOTIENT, ("/",)),
                        (SCALED, (r"\,",))):
        parts, between = _split(items, signs)
        if between:
            return Product(kind, between[0], [_product(p) for p in parts])
    factors: list[Template] = []
    for item in items:
        template = _template(item)
        last = factors[-1] if factors else None
        if isinstance(template, Group) and last is not None and _takes(last, template):
            factors[-1] = Call(last, template)
        else:
            factors.append(template)
    return factors[0] if len(factors) == 1 else Product(MATMUL, "", factors)


def _is_prefix(item: Item, rest: list[Item]) -> bool:
    """Whether it applies to all that follows: a sum sign, or ``ln`` without brackets."""
    base = item.base if isinstance(item, Script) else item
    if not isinstance(base, Word) or not rest:
        return False
    return base.tex == r"\sum" or (base.tex in FUNCTIONS and not isinstance(rest[0], Group))


def _takes(head: Template, group: Group) -> bool:
    """Whether a group after `head` is its argument, or its index, and no other factor."""
    base = head.base if isinstance(head, Script) else head
    if group.left == "[":
        return isinstance(base, (Slot, Word))
    named = isinstance(base, Word) and not base.tex.isdigit() and base.tex not in ("e",)
    return named and group.left in ("(", r"\left(")


def _template(item: Item) -> Template:
    return Word(item.tex, PLAIN.sign(item.tex)) if isinstance(item, Sign) else item


def _split(items: list[Item], signs: tuple[str, ...]) -> tuple[list[list[Item]], list[str]]:
    parts: list[list[Item]] = [[]]
    between: list[str] = []
    for item in items:
        if isinstance(item, Sign) and item.tex in signs:
            between.append(item.tex)
            parts.append([])
        else:
            parts[-1].append(item)
    return parts, between
