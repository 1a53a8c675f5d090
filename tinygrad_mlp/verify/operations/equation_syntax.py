"""The syntax of equations in plain text: from ``x̄ = g (1 − y²)`` to a tree of calls.

An equation is a list of relations, with a comma and two spaces between them. Products are written
side by side (`@` is the matrix product); ``f x`` and ``f(x, …)`` are calls; ``[x > 0]`` is 1 where
the condition holds and 0 elsewhere; ``a[i, j]``, without a space, is an element.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

BAR = "\u0304"
RELATIONS = {
    "=": "equal", "≠": "not_equal", "<": "less", "≤": "less_equal", ">": "greater",
    "≥": "greater_equal",
}  # fmt: skip
SUMS = {"+": "add", "−": "subtract"}
PRODUCTS = {"·": "multiply", "/": "divide", "@": "matmul", "×": "cross"}
ROOTS = {"√": "sqrt", "∛": "cbrt"}
BRACKETS = {"|": ("|", "abs"), "⌊": ("⌋", "floor"), "⌈": ("⌉", "ceil"), "[": ("]", "holds")}
AFTER = {
    "²": "square", "³": "cube", "ᵀ": "transposed", "⁻¹": "inverse", "⁻ᵀ": "inverse_transposed",
    "⁺": "pinv",
}  # fmt: skip
OVER_MANY = ("Σ", "Σⱼ", "Π")
"""The functions of a whole product: ``Σ a b`` is ``Σ(a b)``, while ``ln a b`` is ``(ln a) b``."""

TOKEN = re.compile(
    rf"""(?P<number>\d+(\.\d+)?|½) | (?P<text>'[^']*') | (?P<over>Σⱼ|[ΣΠ])
    | (?P<name>[A-Za-z][A-Za-z0-9_₀-₉\u0302{BAR}]*|[α-ορ-ωΓΦ]{BAR}?)
    | (?P<after>⁻[¹ᵀ]|[²³ᵀ⁺]) | (?P<sign>[-+−·/@×^()\[\]|⌊⌋⌈⌉,=≠<≤>≥√∛∞π])""",
    re.VERBOSE,
)


class NotAnEquation(Exception):
    """Raised for text that is not in the syntax: words."""


class Token(NamedTuple):
    """A piece of an equation, and whether a space is before it."""

    kind: str
    string: str
    apart: bool


class Tree(NamedTuple):
    """An expression: a function with its arguments, or a leaf with its text.

    Attributes:
        head: the name of the function; of a leaf "number", "text", "name" or "bar" (for ``x̄``, with
            the text "x"). "element" is the function of an array and its indices.
        parts: the arguments.
        text: what a leaf consists of.
    """

    head: str
    parts: tuple[Tree, ...] = ()
    text: str = ""

    def walk(self) -> Iterator[Tree]:
        """Iterate over this tree and the trees in it."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def indices(self) -> list[str]:
        """Return the names that stand alone as an index of an element: i and j of ``a[i, j + 1]``.

        In the order in which they occur, each once.
        """
        elements = [tree for tree in self.walk() if tree.head == "element"]
        alone = [part.text for tree in elements for part in tree.parts[1:] if part.head == "name"]
        return list(dict.fromkeys(alone))


def decomposed(text: str) -> str:
    """Return an equation with the bars over letters as characters of their own."""
    # Letters only: "≠", too, would be taken apart.
    return "".join(unicodedata.normalize("NFD", c) if c.isalpha() else c for c in text)


def tokens(text: str) -> list[Token]:
    """Return the pieces of a relation.

    Raises:
        NotAnEquation: there is a sign that equations do not have.
    """
    text, found, position = text.strip(), [], 0
    while position < len(text):
        start = position
        while text[position] == " ":
            position += 1
        match = TOKEN.match(text, position)
        if match is None:
            raise NotAnEquation(text[position:])
        found.append(Token(match.lastgroup or "", match[0], position > start))
        position = match.end()
    return found


class Parser:
    """A parser of one relation by recursive descent, from the loosest binding to the tightest.

    Args:
        text: the relation.
        functions: the names that are functions without parentheses, too.
        arrays: the names that are none, although parentheses follow: ``x (1 − x)``.
    """

    def __init__(self, text: str, functions: Collection[str], arrays: Collection[str]) -> None:
        self.rest = tokens(text)[::-1]
        self.functions, self.arrays = functions, arrays
        self.closing = [""]  # the bracket that ends the expression being read

    def relation(self) -> Tree:
        """Read the whole text.

        Raises:
            NotAnEquation: it is not in the syntax.
        """
        tree = self.comparison(self.side)
        if self.rest:
            raise NotAnEquation(self.rest[-1].string)
        return tree

    # -- reading tokens ----------------------------------------------------------------------

    def next_is(self, *strings: str) -> bool:
        """Return whether the next token is one of these."""
        return bool(self.rest) and self.rest[-1].string in strings

    def take(self, *strings: str) -> str:
        """Take the next token, which must be one of these where some are given."""
        if not self.rest or strings and self.rest[-1].string not in strings:
            raise NotAnEquation(self.rest[-1].string if self.rest else "the end")
        return self.rest.pop().string

    # -- from the loosest binding to the tightest --------------------------------------------

    def side(self) -> Tree:
        """Read one side of a relation."""
        return self.choice(self.sum)

    def choice(self, operand: Callable[[], Tree]) -> Tree:
        """Read ``a where condition else b``, or the operand a alone."""
        tree = operand()
        if not self.next_is("where"):
            return tree
        self.take()
        condition = self.disjunction()
        self.take("else")
        return Tree("where", (condition, tree, self.choice(operand)))

    def disjunction(self) -> Tree:
        """Read conditions joined by ``or``."""
        tree = self.conjunction()
        while self.next_is("or"):
            self.take()
            tree = Tree("logical_or", (tree, self.conjunction()))
        return tree

    def conjunction(self) -> Tree:
        """Read conditions joined by ``and``."""
        tree = self.comparison()
        while self.next_is("and"):
            self.take()
            tree = Tree("logical_and", (tree, self.comparison()))
        return tree

    def comparison(self, side: Callable[[], Tree] | None = None) -> Tree:
        """Read ``a ≤ b < c``: each of the relations holds."""
        side = side or self.sum
        if self.next_is("not"):
            self.take()
            return Tree("logical_not", (self.comparison(),))
        tree, left = None, side()
        while self.next_is(*RELATIONS):
            sign = self.take()
            right = side()
            holds = Tree(RELATIONS[sign], (left, right))
            tree, left = holds if tree is None else Tree("logical_and", (tree, holds)), right
        return left if tree is None else tree

    def sum(self) -> Tree:
        """Read terms that are added and subtracted."""
        tree = self.product()
        while self.next_is(*SUMS):
            tree = Tree(SUMS[self.take()], (tree, self.product()))
        return tree

    def product(self) -> Tree:
        """Read factors from left to right: ``a / b c`` is ``(a / b) c``."""
        if self.next_is("−"):
            self.take()
            return Tree("negative", (self.product(),))
        tree = self.power()
        while self.next_is(*PRODUCTS) or self.factor_follows():
            sign = self.take() if self.next_is(*PRODUCTS) else "·"
            tree = Tree(PRODUCTS[sign], (tree, self.power()))
        return tree

    def factor_follows(self) -> bool:
        """Return whether another factor begins here, without a sign between."""
        if not self.rest or self.next_is("where", "else", "and", "or", "not", self.closing[-1]):
            return False
        token = self.rest[-1]
        return token.kind != "sign" or token.string in {*BRACKETS, *ROOTS, "(", "∞", "π"}

    def power(self) -> Tree:
        """Read a base with its exponent."""
        tree = self.followed(self.atom())
        if not self.next_is("^"):
            return tree
        self.take()
        if self.next_is("−"):
            self.take()
            return Tree("power", (tree, Tree("negative", (self.power(),))))
        return Tree("power", (tree, self.power()))

    def followed(self, tree: Tree) -> Tree:
        """Read what follows an expression: squares, transposes, the places of elements."""
        while self.rest:
            token = self.rest[-1]
            if token.kind == "after":
                tree = Tree(AFTER[self.take()], (tree,))
            elif token.string == "[" and not token.apart:
                tree = Tree("element", (tree, *self.list_in("[", "]")))
            else:
                break
        return tree

    def list_in(self, opening: str, end: str) -> list[Tree]:
        """Read expressions between brackets, separated by commas."""
        self.take(opening)
        self.closing.append(end)
        found = [self.choice(self.disjunction)]
        while self.next_is(","):
            self.take()
            found.append(self.choice(self.disjunction))
        self.take(end)
        self.closing.pop()
        return found

    def atom(self) -> Tree:
        """Read a number, a name, a call, or an expression in brackets."""
        if self.next_is("("):
            inside = self.list_in("(", ")")
            return inside[0] if len(inside) == 1 else Tree("tuple", tuple(inside))
        if self.next_is(*BRACKETS):
            sign = self.rest[-1].string
            end, function = BRACKETS[sign]
            return Tree(function, tuple(self.list_in(sign, end)))
        if self.next_is(*ROOTS):
            return Tree(ROOTS[self.take()], (self.followed(self.atom()),))
        if not self.rest:
            raise NotAnEquation("the end")
        kind, string, _ = self.rest.pop()
        if kind == "over":
            return Tree(string, (self.factors(),))
        if kind == "name":
            return self.name(string)
        if kind in ("number", "text") or string in ("π", "∞"):
            return Tree("name" if kind == "sign" else kind, text=string)
        raise NotAnEquation(string)

    def factors(self) -> Tree:
        """Read the product that a sum is taken of: ``Σ a b / c`` is ``(Σ a b) / c``."""
        tree = self.power()
        while self.factor_follows():
            tree = Tree("multiply", (tree, self.power()))
        return tree

    def name(self, string: str) -> Tree:
        """Read what begins with a name: an argument, a cotangent, or a call."""
        if BAR in string:
            plain = unicodedata.normalize("NFC", string.replace(BAR, ""))
            return Tree("bar", text=plain)
        string = unicodedata.normalize("NFC", string)
        if string not in self.arrays:
            if self.next_is("(") and not self.rest[-1].apart:
                return Tree(string, tuple(self.list_in("(", ")")))
            if string in self.functions:
                return Tree(string, (self.power(),))
        return Tree("name", text=string)
