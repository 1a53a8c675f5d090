"""LaTeX as MathML, which browsers display without help."""

from __future__ import annotations

import html
from itertools import pairwise
from xml.etree import ElementTree

from markupsafe import Markup

from tinygrad_mlp.errors import InvalidArgumentError

BOLD = {str(digit): chr(0x1D7CE + digit) for digit in range(10)}
"""Bold digits as characters of their own: browsers have no other bold mathematics."""

GAP = "0.35em"  # the space between factors with shapes below them, or names of several letters

ROWS = {"math", "mrow", "mtd"}
FACTORS = {"mi", "mn", "mover", "mrow", "msub", "msubsup", "msup", "munder"}


def mathml(latex: str) -> Markup:
    """Convert a formula from LaTeX to MathML.

    The output of latex2mathml is adapted to today's browsers: names of several letters become one
    element, bold digits become characters of their own, a transposition follows its matrix
    closely, and there is a gap between factors that have shapes below them or names of several
    letters. A formula that cannot be read raises InvalidArgumentError.

    >>> print(mathml("a^{2}"))
    <math displaystyle="true"><mrow><msup><mi>a</mi><mrow><mn>2</mn></mrow></msup></mrow></math>
    """
    from latex2mathml.converter import convert_to_element
    try:
        root = convert_to_element(latex)
    except Exception as error:  # of many kinds, some of them its own
        raise InvalidArgumentError(
            f"mathml() expects a formula in LaTeX. Got {latex!r}, which cannot be read: {error!r}."
        ) from error
    for element in root.iter():
        # Signs are written by their numbers, such as &#x02211;, which as text would stay so.
        element.text = html.unescape(element.text) if element.text else None
        _adapt_to_browsers(element)
    for element in root.iter():
        _add_gaps(element)
    root.attrib = {"displaystyle": "true"}  # fractions and sums in their full size
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def join_upright(row: ElementTree.Element) -> None:
    r"""Join the letters of a name such as ``\mathrm{diag}``, which the converter separates."""
    upright = [child.get("mathvariant") == "normal" for child in row]
    if len(upright) > 1 and all(upright):
        name = ElementTree.Element("mi")
        name.text = "".join(child.text or "" for child in row)
        row[:] = [name]


def _adapt_to_browsers(element: ElementTree.Element) -> None:
    join_upright(element)
    if element.get("mathvariant") == "bold":
        del element.attrib["mathvariant"]
        element.text = "".join(BOLD.get(c, c) for c in element.text or "")
    if element.tag == "mo" and element.text == "⊤":
        element.tag = "mi"  # an operator would have space around it


def _add_gaps(row: ElementTree.Element) -> None:
    """Set factors apart that would touch: A weight, and not Aweight."""
    if row.tag not in ROWS:
        return
    for place, (left, right) in reversed(list(enumerate(pairwise(row), 1))):
        factors = {left.tag, right.tag} <= FACTORS and _first(right).tag != "mo"
        if factors and (_is_word(left) or _is_word(right)) or left.tag == right.tag == "munder":
            row.insert(place, ElementTree.Element("mspace", width=GAP))


def _is_word(element: ElementTree.Element) -> bool:
    """Return whether an element is, or begins with, a name of several letters."""
    first = _first(element)
    return first.tag == "mi" and len(first.text or "") > 1


def _first(element: ElementTree.Element) -> ElementTree.Element:
    """Return the first of the signs that an element is made of."""
    return _first(element[0]) if len(element) else element
