"""The formulas of a derivation, by the quantity that they define."""

from __future__ import annotations

import re
from typing import NamedTuple

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.errors import TinygradError
from tinygrad_mlp.explanation import explain


class Formula(NamedTuple):
    """The right side of an equation, in plain text and in LaTeX; and what it abbreviates."""

    text: str
    latex: str
    where: tuple[str, ...] = ()


def formulas(loss: Value) -> dict[str, Formula]:
    """Return the equations of each value, each cotangent and each gradient by its name.

    This is all that the steps know of `explain`: one equation for each node. The names are those
    of the same graph, each given once. A graph that cannot be derived has no formulas.
    """
    try:
        equations = explain(loss).equations
    except TinygradError:
        return {}
    definitions = {e.name: e for e in equations if e.kind == "definition"}
    found: dict[str, Formula] = {}
    for equation in equations:
        left, _, right = str(equation).partition(" = ")
        used = [str(definitions[word]) for word in dict.fromkeys(re.findall(r"\w+", right))
                if word in definitions]
        found.setdefault(left, Formula(right, equation.latex, tuple(used)))
    return found
