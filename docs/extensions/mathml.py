"""Formulas as MathML, which browsers show by themselves: no script and no network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

from tinygrad_mlp.support.mathematics import join_upright

LOGGER = logging.getLogger(__name__)

NAMESPACE = ' xmlns="http://www.w3.org/1998/Math/MathML"'
"""Not needed in HTML."""

SPACE = "0.17em"
"""What TeX puts around the name of a function: three of 18 parts of a quad."""

OPENING, CLOSING, BARS = "([{⟨⌊⌈", ")]}⟩⌋⌉!", "|‖"
SIGNS = "−+±"


def mathml(latex: str, display: str = "inline") -> str:
    r"""LaTeX as a MathML element.

    Raises:
        ValueError: a command that is not known, or braces that do not match.

    >>> mathml(r"\hat y")
    '<math display="inline"><mrow><mover accent="true"><mi>y</mi><mo>^</mo></mover></mrow></math>'
    >>> mathml(r"g(-z)").count('<mo form="prefix">−</mo>')  # a sign, and no difference
    1
    >>> mathml(r"y \ln z").count("mspace"), mathml(r"\ln(z)").count("mspace")
    (2, 0)
    >>> mathml(r"x := \infty").count("<mo>:=</mo>")
    1
    >>> mathml(r"\nosuch y")
    Traceback (most recent call last):
    ValueError: not known in a formula: \nosuch
    """
    plain = latex.replace(r"\{", "").replace(r"\}", "")
    if plain.count("{") != plain.count("}"):
        raise ValueError("braces do not match")
    try:
        text = convert(latex, display=display)
        root = ElementTree.fromstring(text.replace(NAMESPACE, ""))
    except Exception as error:  # the converter's exceptions have no class in common
        raise ValueError(f"{type(error).__name__}: {error}") from error
    for element in root.iter():
        if "\\" in (element.text or ""):
            raise ValueError(f"not known in a formula: {element.text}")
    for row in list(root.iter()):
        join_upright(row)
        tell_operators(row)
        set_signs_and_bars(row)
        space_functions(row)
    return ElementTree.tostring(root, encoding="unicode")


def tell_operators(row: ElementTree.Element) -> None:
    """Names and ∂, ∇, ∞ are identifiers; brackets and primes are operators, and so is ``:=``."""
    children = list(row)
    for child, following in zip(children, [*children[1:], None], strict=False):
        text = child.text or ""
        if child.tag == "mo" and (text in ("∂", "∇", "∞") or len(text) > 1 and text.isalpha()):
            child.tag = "mi"
            child.attrib = {"mathvariant": "normal"} if len(text) == 1 else {}
        elif text == ":" and following is not None and following.text == "=":
            following.text = ":="
            row.remove(child)
        elif child.tag == "mi" and text and text in OPENING + CLOSING + BARS + SIGNS + "′″":
            child.tag = "mo"
            child.set("stretchy", "false")


def set_signs_and_bars(row: ElementTree.Element) -> None:
    """A minus after an opening bracket or another operator is a sign, and stands close to what it
    belongs to. Bars open and close in turn."""
    if row.tag not in ("mrow", "math", "mtd", "msqrt"):
        return
    before = "("
    open_bars: list[str] = []
    for child in row:
        text = (child.text or "") if child.tag == "mo" else ""
        if text and text in BARS and "form" not in child.attrib:
            closes = bool(open_bars) and open_bars[-1] == text
            child.set("form", "postfix" if closes else "prefix")
            text = ")" if closes else "("
            if closes:
                open_bars.pop()
            else:
                open_bars.append(child.text or "")
        elif text and text in SIGNS and before and before not in CLOSING:
            child.set("form", "prefix")
        before = text


def is_function(element: ElementTree.Element) -> bool:
    """Whether it is a name of several letters, or one with an exponent or an index."""
    if element.tag in ("msup", "msub", "msubsup", "munder"):
        element = element[0]
    if element.tag == "mrow" and len(element) == 1:
        element = element[0]
    return element.tag == "mi" and len(element.text or "") > 1


def space_functions(row: ElementTree.Element) -> None:
    """Put a little space between the name of a function and what stands beside it."""
    if row.tag in ("mrow", "math", "mtd", "msqrt"):
        row[:] = list(spaced(list(row)))


def spaced(children: list[ElementTree.Element]) -> Iterator[ElementTree.Element]:
    """The children of a row, with spaces between names and factors."""
    for position, child in enumerate(children):
        if position:
            left, right = children[position - 1], child
            after_name = is_function(left) and (
                right.tag not in ("mo", "mspace") or (right.text or "") in "|‖⌊⌈⟨"
            )
            before_name = is_function(right) and (
                left.tag not in ("mo", "mspace") or (left.text or "") in CLOSING
            )
            if left.tag != "mspace" and (after_name or before_name):
                yield ElementTree.Element("mspace", width=SPACE)
        yield child


def show(translator: Any, node: nodes.Element, display: str) -> None:
    """Write the formula of a node, or warn."""
    try:
        translator.body.append(mathml(node.astext(), display))
    except ValueError as error:
        LOGGER.warning("%s, in %s", error, node.astext(), location=node)


def visit_inline(translator: Any, node: nodes.math) -> None:
    """A formula in a line."""
    show(translator, node, "inline")
    raise nodes.SkipNode


def visit_block(translator: Any, node: nodes.math_block) -> None:
    """A formula on a line of its own, which scrolls where the page is narrower."""
    translator.body.append('<div class="formula" tabindex="0">')
    show(translator, node, "block")
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
