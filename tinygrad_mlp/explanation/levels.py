"""Derivations of three levels of detail: the closed form, the steps of the chain rule, the record.

All are found by reverse mode in index notation, and differ in what gets a line of its own. Each is
compared with the backward pass before it is shown; the next one stands in for what is not found.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.explanation.algebra.numbers import Meanings
from tinygrad_mlp.explanation.comparing import differing
from tinygrad_mlp.explanation.differentiation.forward import NOTHING_KNOWN
from tinygrad_mlp.explanation.differentiation.jacobian import jacobian
from tinygrad_mlp.explanation.differentiation.reverse import Reverse
from tinygrad_mlp.explanation.expressions.equation import COLUMNS, GRADIENT, Equation
from tinygrad_mlp.explanation.writing.blackboard import Blackboard
from tinygrad_mlp.explanation.writing.steps import Reason, StepBoard, StepReverse
from tinygrad_mlp.explanation.writing.tape import RecordedReverse
from tinygrad_mlp.graph_view.layer_view import Recorded
from tinygrad_mlp.graph_view.naming import Naming

MOST_OPERATIONS = 1000
"""Operations of graphs whose closed form is looked for, which takes seconds then."""


class Equations:
    """Equations to read; `Derivation.closed`, `.steps` and `.tape`.

    Attributes:
        equations: in the order in which each follows from those before it; the gradients are of
            kind "gradient".
        reasons: the reason for a line by the name on its left side, where there is one: its `text`
            and its `latex`.
        because: facts about the numbers that were used: "Σ over axis 1 of Y = 1".
        glossary: what the symbols are, with their shapes.
        note: why these are not the equations that were asked for; or empty.
        each: the gradients of a closed form one by one; `equations` may have all layers' as one.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> w = tg.Tensor([0.5, -1.0], requires_grad=True, name="w")
    >>> X = np.array([[1.0, 2.0], [0.0, 1.0], [3.0, 1.0]])
    >>> derivation = tg.explain(tg.mean(tg.tanh(X @ w)), w, names={"X": X})
    >>> print(derivation.closed)
    a = tanh(X w)
    ∂L/∂w = (1 / n) Xᵀ (1 − a²)
    """

    def __init__(self, equations: Iterable[Equation], reasons: Mapping[str, Reason] | None = None,
                 because: Sequence[str] = (), glossary: Sequence[str] = (),
                 note: str = "", each: Iterable[Equation] = ()) -> None:
        self.equations = tuple(equations)
        self.reasons = dict(reasons or {})
        self.because = tuple(because)
        self.glossary = tuple(glossary)
        self.note = note
        self.each = tuple(each)

    def __getitem__(self, name: str) -> Equation:
        """The equation of a name; also that of one layer, where all layers' stand as one."""
        for equation in (*self.equations, *self.each):
            if equation.name == name:
                return equation
        raise InvalidArgumentError(
            f"there is no equation for '{name}' here, but there are some for "
            f"{', '.join(dict.fromkeys(e.name for e in self.equations))}.")

    def of_kind(self, *kinds: str) -> list[Equation]:
        """The equations of some kinds, in order."""
        return [equation for equation in self.equations if equation.kind in kinds]

    @property
    def latex(self) -> str:
        """All equations in LaTeX with their reasons, in an ``aligned`` environment."""
        rows = []
        for e in self.equations:
            why = self.reasons.get(e.name)
            rows.append(" &= ".join(e.sides) + (f" && {why.latex}" if why and why.latex else ""))
        rows += [r"& \text{because } \sum \text{" + fact.lstrip("Σ").replace("_", r"\_") + "}"
                 for fact in self.because]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    @property
    def text(self) -> str:
        """All equations as plain text with their reasons, at most 80 columns wide."""
        lines = []
        for e in self.equations:
            lines.append(e.text)
            if e.name in self.reasons:
                lines += textwrap.wrap(self.reasons[e.name].text, COLUMNS - 4,
                                       initial_indent="    ", subsequent_indent="    ")
        return "\n".join([*lines, *(f"because {fact}" for fact in self.because)])

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex}\n$$"

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<{len(self.equations)} equations of {', '.join(self._gradients())}>"

    def _gradients(self) -> list[str]:
        return [e.name for e in self.of_kind(GRADIENT)]


class Question(NamedTuple):
    """What is to be derived.

    `given` are arrays and tensors by name. With a `seed` v among the arrays, the output is
    ``Σ v ⊙ f`` of an array f. `meanings` are those of numbers.
    """

    graph: Recorded
    given: Mapping[str, Any]
    targets: Sequence[Value]
    seed: Array | None = None
    meanings: Meanings = NOTHING_KNOWN

    @property
    def naming(self) -> Naming:
        """New names of all values."""
        return Naming(self.graph, self.given)

    def in_mode(self, mode: type[Reverse]) -> Any:
        """Reverse mode with as many quantities as a class has."""
        return mode(self.graph, self.naming, self.targets, self.meanings)


def record(asked: Question) -> Equations:
    """The operations that were recorded, and what their rules say."""
    return Equations(asked.in_mode(RecordedReverse).equations)


def chain_rule(asked: Question) -> Equations:
    """The steps of the chain rule; the record if none are found that are right."""
    try:
        with np.errstate(all="ignore"):
            board = StepBoard(asked.in_mode(StepReverse))
            reasons = board.reasons()
            wrong = differing(board.reverse, board.equations)
    except Exception as error:  # of an operation that a user defined, it may be any
        wrong = type(error).__name__
    if wrong:
        return Equations(record(asked).equations, note=f"This is the record ({wrong}).")
    return Equations(board.equations, reasons, board.because(), board.glossary())


def closed_form(asked: Question, steps: Equations) -> Equations:
    """The gradients in closed form; those of the steps if none is found that is right."""
    known = steps.of_kind(GRADIENT)
    if len(asked.graph.nodes) > MOST_OPERATIONS:
        why = f"The graph has {len(asked.graph.nodes)} operations: no closed form was looked for."
        return Equations(known, note=why)
    try:
        with np.errstate(all="ignore"):
            reverse = asked.in_mode(Reverse)
            if asked.seed is not None:
                v = reverse.constant(asked.seed).bases().pop()
                reverse.gradients = [jacobian(g, v, reverse.simplifier) for g in reverse.gradients]
            board = Blackboard(reverse)
            wrong = differing(reverse, [*board.equations, *board.each], asked.seed)
    except Exception as error:  # of an operation that a user defined, it may be any
        return Equations(known, note=f"No closed form was found ({type(error).__name__}).")
    if wrong:
        why = f"No closed form of {wrong} was found that is equal to what the steps give."
        return Equations(known, note=why)
    return Equations(board.equations, None, board.because(), board.glossary(), each=board.each)
