"""What a step of a pass shows, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.stepping.chain_rule import ChainTerm, Entry
from tinygrad_mlp.stepping.formulas import Formula

FORWARD, BACKWARD = "forward", "backward"

@dataclass(frozen=True)
class Use:
    """One use of a value, from which a part of its gradient comes.

    Attributes:
        incoming: the name of the incoming gradient, that of the result of the operation.
        call: the operation with its arguments.
        total: what the use contributes to the chosen entry.
        terms: the products whose sum this is, the largest first; None where they are not known.
    """

    incoming: str
    call: str
    total: float
    terms: tuple[ChainTerm, ...] | None


@dataclass(frozen=True)
class Departure:
    """The place where a derivation by hand departs from the right gradient.

    Attributes:
        text: the line as it was written; empty where it is not known.
        line: its number, or None.
        value: what it computes, in the shape of the right gradient; or None.
        said: what the check says of it.
    """

    text: str
    line: int | None
    value: Array | None
    said: str


@dataclass(frozen=True)
class Step:
    """One step of a pass: a value is computed, or its gradient.

    Attributes:
        kind: "forward" or "backward".
        name: the name of what is computed: "z2", "δ2", "∂L/∂W1".
        of: the name of the value: "z2", "W1".
        call: the operation that computes the value, with its arguments; empty for a leaf.
        value: the value, or the gradient.
        formula: its equation, derived from the graph; None where there is none.
        entry: the entry that is followed through all steps.
        numbers: the forward computation of this entry, where the operation works by elements.
        uses: in a backward step, what the gradient of the entry is the sum of.
        entries: the same for every entry of a small array.
        code: the lines of NumPy that compute it.
        lines: the numbers of these lines in the program, from 0.
        vertex: the number of the box in the drawing.
        departure: where a derivation by hand departs from the right gradient; else None.
    """

    kind: str
    name: str
    of: str
    call: str
    value: Array
    formula: Formula | None
    entry: Entry
    numbers: str
    uses: tuple[Use, ...]
    entries: Mapping[Entry, tuple[Use, ...]]
    code: tuple[str, ...]
    lines: tuple[int, ...]
    vertex: int
    departure: Departure | None = None


class Box(NamedTuple):
    """A box of the drawing: a name, "parameter", "data" or "result", the boxes that lead to it."""

    name: str
    kind: str
    before: tuple[int, ...]


class Content(NamedTuple):
    """All steps; the whole pass as NumPy code, or the reason why there is none; and the drawing."""

    steps: tuple[Step, ...]
    program: tuple[str, ...]
    missing: str
    boxes: tuple[Box, ...]
