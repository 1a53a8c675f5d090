"""An equation of a derivation: a symbol and what it stands for, to be printed and evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.explanation.expression import Expression, Shape, Symbol
from tinygrad_mlp.explanation.writing import COLUMNS, latex, one_line, text, two_lines

FORWARD, ADJOINT, GRADIENT = "forward", "adjoint", "gradient"


class Equation:
    """One line of a derivation: ``left = right``.

    Attributes:
        kind: "forward" for a quantity on the way to the output; "adjoint" for the derivative of the
            output with respect to one; "gradient" for what was asked for.
        left: the symbol that it defines.
        right: what the symbol stands for.
        shapes: whether `latex` and `text` have the shape under every factor.

    What is printed is what is evaluated: both read `right`.

    >>> import tinygrad_mlp as tg
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> last = tg.explain(tg.sum(tg.exp(x)), x).equations[-1]
    >>> last.kind, str(last.left)
    ('gradient', '<Symbol ∂L/∂x of shape (2,)>')
    """

    __slots__ = ("kind", "left", "right", "shapes")

    def __init__(self, kind: str, left: Symbol) -> None:
        assert left.definition is not None
        self.kind = kind
        self.left = left
        self.right: Expression = left.definition
        self.shapes = False

    @property
    def name(self) -> str:
        """The left side as plain text: "z2", "δ3", "∂L/∂W2"."""
        return self.left.name.text

    @property
    def shape(self) -> Shape:
        """The shape of both sides."""
        return self.left.shape

    @property
    def sides(self) -> tuple[str, str]:
        """Left and right side in LaTeX."""
        return latex(self.left, self.shapes), latex(self.right, self.shapes)

    @property
    def latex(self) -> str:
        """In LaTeX."""
        return " = ".join(self.sides)

    @property
    def text(self) -> str:
        """As plain text, at most 80 columns wide."""
        return (two_lines if self.shapes else one_line)(self.left, self.right, COLUMNS)

    def evaluate(self, values: Mapping[str, Any] | None = None) -> Array:
        """The value of the right side.

        Args:
            values: arrays by name, to take in place of the recorded ones.

        Raises:
            ShapeError: one of them has another shape than what it replaces.
        """
        return self.right.evaluate(values)

    def __str__(self) -> str:
        return f"{text(self.left)} = {text(self.right)}"

    def __repr__(self) -> str:
        return f"<Equation ({self.kind}) {self}>"
