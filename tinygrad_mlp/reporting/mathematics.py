"""LaTeX as MathML, which browsers show by themselves."""

from __future__ import annotations

import html
from xml.etree import ElementTree

from markupsafe import Markup

from tinygrad_mlp.errors import InvalidArgumentError

BOLD = {str(digit): chr(0x1D7CE + digit) for digit in range(10)}
"""Browsers know bold mathematics by its characters only."""

GAP = "0.35em"
"""Between two factors, so that the shapes under them do not run into each other."""


def mathml(latex: str) -> Markup:
    """A formula in LaTeX as MathML.

    The conversion is latex2mathml's. What it writes for other readers than today's browsers is
    brought to what these show: names of several letters in one piece, bold digits by their
    characters, a transposition close to its matrix, and a gap between factors with shapes.

    Args:
        latex: a formula as `explain` writes them, without dollar signs.

    Raises:
        InvalidArgumentError: it cannot be read.

    >>> print(mathml("a^{2}"))
    <math displaystyle="true"><mrow><msup><mi>a</mi><mrow><mn>2</mn></mrow></msup></mrow></math>
    """
    from latex2mathml.converter import convert_to_element

    try:
        root = convert_to_element(latex)
    except Exception as error:  # of many kinds, some of them its own
        raise InvalidArgumentError(f"mathml: {latex!r} is no formula: {error!r}.") from error
    for element in root.iter():
        # It writes signs by their numbers, such as &#x02211;. As text they are but text.
        element.text = html.unescape(element.text) if element.text else None
        _bring_up_to_date(element)
    root.attrib = {"displaystyle": "true"}  # fractions and sums in their full size
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def join_upright(row: ElementTree.Element) -> None:
    r"""``\mathrm{diag}`` is one name, upright because it is of several letters; the converter
    writes it letter by letter."""
    upright = [child.get("mathvariant") == "normal" for child in row]
    if len(upright) > 1 and all(upright):
        name = ElementTree.Element("mi")
        name.text = "".join(child.text or "" for child in row)
        row[:] = [name]


def _bring_up_to_date(element: ElementTree.Element) -> None:
    join_upright(element)
    if element.get("mathvariant") == "bold":
        del element.attrib["mathvariant"]
        element.text = "".join(BOLD.get(c, c) for c in element.text or "")
    if element.tag == "mo" and element.text == "⊤":
        element.tag = "mi"  # no operator between two things, which would get space around it
    children = list(element)
    for place, (left, right) in reversed(
        list(enumerate(zip(children, children[1:], strict=False), 1))
    ):
        if left.tag == right.tag == "munder":
            element.insert(place, ElementTree.Element("mspace", width=GAP))
