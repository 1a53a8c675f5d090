"""The formulas of a derivation, by the quantity that they define."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.errors import TinygradError
from tinygrad_mlp.explanation.derivation import tape_of


class Formula(NamedTuple):
    """The right side of an equation, in plain text, and the equation in LaTeX."""

    text: str
    latex: str


def formulas(loss: Value, names: Mapping[str, object]) -> dict[str, Formula]:
    """Return the equations of each value, each cotangent and each gradient by its name.

    This is all that the steps know of derivations: one equation for each node. The names are those
    of the same graph, each given once, and must be asked for with the same `names`. A graph that
    cannot be derived has no formulas.
    """
    try:
        equations = tape_of(loss, names).equations
    except TinygradError:
        return {}
    return {e.name: Formula(str(e).partition(" = ")[2], e.latex) for e in equations}
