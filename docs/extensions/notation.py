"""The plain notation of docstrings and of the page of operations, as formulas.

``help()`` shows ``x̄2 = −g y / x2``, and so does the table of operations where it is read as
Markdown. The site shows the same in the letters of mathematics: see `parts`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)

FUNCTIONS = set(
    "arcsin arccos arctan cos cosh det exp lim ln log max min sin sinh tan tanh".split()
)
"""Names that LaTeX has a command for; other names are set upright."""

PROSE = set(
    "a along and as at below by each either else elsewhere every for from if in inside is likewise "
    "none not of on or over some the times to when where wins with".split()
)
"""Words that are read as words even when no other stands beside them."""

ARTICLE = re.compile(r"\ba(?= (?:border|number)\b)")
"""Where an `a` is the word and not the argument of that name."""

PRODUCTS = {"ij", "vt", "xt", "zt"}
"""Letters beside each other that are no name."""

SYMBOLS = {
    "−": "-", "·": r" \cdot ", "×": r" \times ", "⊙": r" \odot ", "∘": r" \circ ", "⋆": r" \star ",
    "≤": r" \leq ", "≥": r" \geq ", "≠": r" \neq ", "≈": r" \approx ", "∈": r" \in ",
    "∞": r"\infty ", "∂": r"\partial ", "∇": r"\nabla ", "±": r"\pm ", "↦": r" \mapsto ",
    "…": r"\dots ", "⋯": r"\cdots ", "Σ": r"\sum ", "Π": r"\prod ", "∫": r"\int ",
    "⌈": r"\lceil ", "⌉": r"\rceil ", "⌊": r"\lfloor ", "⌋": r"\rfloor ",
    "⟨": r"\langle ", "⟩": r"\rangle ", "‖": r"\Vert ",
    "½": r"\tfrac{1}{2}", "¼": r"\tfrac{1}{4}", "{": r"\{", "}": r"\}", "%": r"\%", "→": r"\to ",
    "@": r"\,", "'": "'", "′": "'", "μ": r"\mu ", "µ": r"\mu ",
}

SAME = set("0123456789+-=<>/()[]|,.:;! ")
MARKS = {"\u0304": "bar", "\u0302": "hat", "\u0303": "tilde", "\u0307": "dot"}
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ᵢⱼₙₘₐₓₖₜₗ", "0123456789+-()ijnmaxktl", strict=True))
SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ᵀⁿᵐˣᵖᵏ", "0123456789+-()Tnmxpk", strict=True))

WORD = re.compile(r"[a-z]+='[a-z]+'|[a-z]-th|[A-Za-z]{2,}(?:[-.'][A-Za-z]+)*")
NAME = re.compile(r"[A-Za-z]{2,}(?:[-.][A-Za-z]+)*(?:_[A-Za-z]{2,})*")
LONG = 40
"""Characters from which on a formula may be broken into lines, after its signs."""


def separated(text: str) -> str:
    """The text with accents as characters of their own: ȳ as y and a bar.

    >>> len(separated("ȳ ≠ ŷ"))
    7
    """
    return "".join(unicodedata.normalize("NFD", c) if c.isalpha() else c for c in text)


class Reader:
    """Reads a formula in plain notation from left to right, and returns LaTeX."""

    def __init__(self, text: str) -> None:
        self.text = separated(text)
        self.place = 0

    def next_is(self, pattern: re.Pattern[str]) -> str:
        """What the pattern matches here, or nothing."""
        found = pattern.match(self.text, self.place)
        return found.group() if found else ""

    def group(self) -> str:
        """What stands in the brackets that open here, without them."""
        pairs = {"(": ")", "{": "}", "⌊": "⌋"}
        opening = self.text[self.place]
        depth, start = 0, self.place
        for place in range(start, len(self.text)):
            depth += (self.text[place] == opening) - (self.text[place] == pairs[opening])
            if not depth:
                self.place = place + 1
                inner = Reader(self.text[start + 1 : place]).everything()
                return rf"\lfloor {inner}\rfloor " if opening == "⌊" else inner
        raise ValueError(f"{opening} is not closed")

    def argument(self, scripts: bool = True) -> str:
        """What a root or an exponent takes: brackets, or one symbol with its sign and indices."""
        if self.place >= len(self.text):
            raise ValueError("something is missing at the end")
        if self.text[self.place] in "({⌊":
            return self.group()
        sign = ""
        if self.text[self.place] == "−":
            sign, self.place = "-", self.place + 1
        digits = self.next_is(re.compile(r"\d+"))
        self.place += len(digits)
        base = digits or self.symbol()
        own = self.scripts(unicode_only=True) if scripts else ""
        return sign + base + own

    def run(self, table: dict[str, str]) -> str:
        """The characters of a table that stand here, translated."""
        start = self.place
        while self.place < len(self.text) and self.text[self.place] in table:
            self.place += 1
        return "".join(table[c] for c in self.text[start : self.place])

    def scripts(self, unicode_only: bool = False) -> str:
        """Indices and exponents, which follow what they belong to."""
        found = ""
        while self.place < len(self.text):
            if index := self.run(SUBSCRIPTS):
                found += f"_{{{index}}}"
            elif exponent := self.run(SUPERSCRIPTS):
                exponent = exponent.replace("T", r"\top ")
                found += f"^{{{exponent}}}"
            elif self.text[self.place] in "_^" and not unicode_only:
                kind = self.text[self.place]
                self.place += 1
                found += f"{kind}{{{self.argument(scripts=kind == '^')}}}"
            else:
                break
        return found

    def symbol(self) -> str:
        """A name, or a letter with its accent and number."""
        if name := self.next_is(NAME):
            self.place += len(name)
            if name in FUNCTIONS:
                return rf"\{name} "
            if re.fullmatch(r"d[a-zA-Z]", name):  # a differential
                return rf"\,d{name[1]}"
            return name if name in PRODUCTS else rf"\mathrm{{{name}}}"
        letter = self.text[self.place]
        self.place += 1
        latex = letter
        if self.place < len(self.text) and self.text[self.place] in MARKS:
            latex = rf"\{MARKS[self.text[self.place]]}{{{letter}}}"
            self.place += 1
        number = self.next_is(re.compile(r"\d+"))
        self.place += len(number)
        return latex + (f"_{{{number}}}" if number else "")

    def everything(self) -> str:
        """The whole text.

        Raises:
            ValueError: a character without a meaning here.
        """
        latex = ""
        while self.place < len(self.text):
            character = self.text[self.place]
            if character in "√∛":
                self.place += 1
                root = r"\sqrt" if character == "√" else r"\sqrt[3]"
                latex += f"{root}{{{self.argument()}}}"
            elif scripts := self.scripts():
                latex += scripts
            elif character in SYMBOLS:
                latex += SYMBOLS[character]
                self.place += 1
            elif self.text.startswith("  ", self.place):  # before a remark
                latex += r"\quad "
                self.place += 2
            elif character in SAME:
                # A condition stands apart from its factor, an index close to its array.
                apart = latex.endswith(" ") and character == "["
                latex += r"\," * apart + character
                self.place += 1
            elif character.isalpha():
                latex += self.symbol()
            else:
                raise ValueError(f"no meaning is known for {character!r}")
        return latex


def to_latex(text: str) -> str:
    r"""A formula in plain notation as LaTeX.

    >>> to_latex("x̄1 = g x2 x1^(x2 − 1)")
    '\\bar{x}_{1} = g x_{2} x_{1}^{x_{2} - 1}'
    >>> to_latex("z = x Wᵀ + b,  y = 2/√π e^−x²")
    'z = x W^{\\top } + b,\\quad y = 2/\\sqrt{π} e^{-x^{2}}'
    >>> to_latex("∂L/∂W_l = δ_{l+1} a_lᵀ")
    '\\partial L/\\partial W_{l} = δ_{l+1} a_{l}^{\\top }'
    """
    return Reader(text).everything()


def words_of(text: str) -> Iterator[tuple[int, int]]:
    """Where there are words that are read as words.

    >>> text = "y = x where x > 0 else slope · x"
    >>> [text[start:stop] for start, stop in words_of(text)]
    ['where', 'else']
    >>> text = "ā = zeros with g added at index"
    >>> [text[start:stop] for start, stop in words_of(text)]
    ['zeros with', 'added at index']
    """
    found = [match.span() for match in [*WORD.finditer(text), *ARTICLE.finditer(text)]]
    run: list[tuple[int, int]] = []
    for start, stop in [*sorted(found), (len(text) + 2, len(text) + 2)]:
        name = is_name(text, start, stop)
        if run and (name or text[run[-1][1] : start].strip() or start > len(text)):
            whole = text[run[0][0] : run[-1][1]]
            if len(run) > 1 or whole in PROSE or "=" in whole:
                yield run[0][0], run[-1][1]
            run = []
        if not name:
            run.append((start, stop))


def is_name(text: str, start: int, stop: int) -> bool:
    """Whether what could be a word belongs to the formula that it stands in."""
    word = text[start:stop]
    return (
        word in FUNCTIONS
        or word in PRODUCTS
        or text[stop : stop + 1] in tuple("([_⌋")
        or text[stop : stop + 3] in (" · ", " = ")
        or text[start - 1 : start] in tuple("_^√")
        or bool(re.fullmatch("d[a-zA]", word))
    )


def parts(text: str) -> list[tuple[str, str]]:
    r"""A line in plain notation as formulas, words between them, and ends of lines.

    >>> parts("y = max(x, 0),  x̄ = g where x > 0")  # doctest: +NORMALIZE_WHITESPACE
    [('formula', 'y = \\max (x, 0)'), ('end', ','),
     ('formula', '\\bar{x} = g'), ('words', ' where '), ('formula', 'x > 0')]
    """
    found: list[tuple[str, str]] = []
    for number, line in enumerate(re.split(r",  +", text)):
        found += [("end", ",")] * bool(number)
        place = 0
        for start, stop in [*words_of(line), (len(line), len(line))]:
            found += [("formula", to_latex(piece)) for piece in pieces(line[place:start].strip())]
            before, after = line[:start].endswith(" "), line[stop:].startswith(" ")
            words = " " * before + line[start:stop] + " " * after
            found += [("words", words)] * (stop > start)
            place = stop
    return found


def pieces(formula: str) -> Iterator[str]:
    """The formula; a long one in pieces that end with a sign outside of all brackets.

    >>> list(pieces("x = " + "a" * 30 + " + (b + c)"))
    ['x =', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa +', '(b + c)']
    """
    depth = start = 0
    for place, character in enumerate(formula):
        depth += (character in "([{") - (character in ")]}")
        sign = formula[place - 1 : place + 2] in (" = ", " + ", " − ")
        if len(formula) > LONG and sign and not depth:
            yield formula[start : place + 1]
            start = place + 2
    if formula[start:]:
        yield formula[start:]


def inline(text: str) -> list[list[nodes.Node]]:
    """The lines of a text in plain notation, as nodes."""
    lines: list[list[nodes.Node]] = [[]]
    for kind, part in parts(text):
        if kind == "formula":
            if lines[-1] and isinstance(lines[-1][-1], nodes.math):
                lines[-1].append(nodes.Text(" "))
            lines[-1].append(nodes.math(part, part))
        elif kind == "words":
            lines[-1].append(nodes.Text(part))
        else:
            lines.append([])
    return lines


def is_formula(text: str) -> bool:
    """Whether a literal of a docstring is mathematics, and not code.

    >>> [is_formula(text) for text in ("z = x Wᵀ + b", "z = W x + b", "rng=None", "f(*args) → y")]
    [True, True, False, False]
    """
    if re.search(r"->|\*|'\w|==|\"", text):
        return False
    return not text.isascii() or bool(re.match(r"[A-Za-z]\d? = ", text))


class ReadNotation(SphinxTransform):
    """Formulas for the literals of docstrings that are mathematics, and in columns of equations."""

    default_priority = 600

    def apply(self, **kwargs: Any) -> None:
        for description in self.document.findall(addnodes.desc_content):
            for literal in list(description.findall(nodes.literal)):
                text = literal.astext()
                if is_formula(text):
                    self.replace(literal, text)
        for table in self.document.findall(nodes.table):
            heads = [entry.astext() for head in table.findall(nodes.thead)
                     for entry in head.findall(nodes.entry)]
            if "equation" in heads:
                for body in table.findall(nodes.tbody):
                    for row in body.findall(nodes.row):
                        cell = list(row.findall(nodes.entry))[heads.index("equation")]
                        for paragraph in list(cell.findall(nodes.paragraph)):
                            self.replace(paragraph, paragraph.astext(), lines=True)

    def replace(self, node: nodes.Element, text: str, lines: bool = False) -> None:
        """Put the formulas of a text in the place of a node, or warn."""
        try:
            found = inline(text)
        except ValueError as error:
            LOGGER.warning("%s, in %s", error, text, location=node)
            return
        if lines:
            block = nodes.line_block()
            block += [nodes.line("", "", *line) for line in found]
            node.replace_self(block)
        else:
            flat = [part for line in found for part in [*line, nodes.Text(", ")]]
            node.replace_self(nodes.inline("", "", *flat[:-1]))


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_transform(ReadNotation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
