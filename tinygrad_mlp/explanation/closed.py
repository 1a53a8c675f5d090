"""The closed form of a derivation: few lines, checked against the steps before they are shown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.explanation.blackboard import Blackboard
from tinygrad_mlp.explanation.equation import CLOSED, DEFINITION, GRADIENT, Equation
from tinygrad_mlp.explanation.expression import Expression, evaluate
from tinygrad_mlp.explanation.jacobian import jacobian
from tinygrad_mlp.explanation.reverse import Reverse, random_point
from tinygrad_mlp.explanation.steps import StepBoard, StepReverse
from tinygrad_mlp.explanation.writing import one_line
from tinygrad_mlp.graph_view.layer_view import Recorded
from tinygrad_mlp.graph_view.naming import Naming

COLUMNS = 80
MOST_OPERATIONS = 1000  # in graphs whose closed form is looked for, which takes seconds then
POINTS = 2  # other numbers that a closed form is tried on, beside the recorded ones
UNITS = 2**14  # how many units of rounding two forms of a gradient may differ by


class ClosedForm:
    """The gradients in closed form; `Derivation.closed`.

    Attributes:
        equations: what the gradients are written with, of kind "definition", and the gradients.
        because: facts about the numbers that were used: "Σ over axis 1 of Y = 1".
        glossary: what the symbols are, with their shapes.
        note: why there is no closed form and the gradients of the steps stand here; or empty.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> w = tg.Tensor([0.5, -1.0], requires_grad=True, name="w")
    >>> X, y = np.array([[1.0, 2.0], [0.0, 1.0], [3.0, 1.0]]), np.array([1.0, 0.0, 2.0])
    >>> closed = tg.explain(tg.mean((X @ w - y)**2), w, names={"X": X, "y": y}).closed
    >>> print(closed)
    ∂L/∂w = (2 / n) Xᵀ (X w − y)
    """

    def __init__(self, equations: Iterable[Equation], because: Sequence[str] = (),
                 glossary: Sequence[str] = (), note: str = "") -> None:
        self.equations = tuple(equations)
        self.because = tuple(because)
        self.glossary = tuple(glossary)
        self.note = note

    def __getitem__(self, name: str) -> Equation:
        """The equation of a name."""
        for equation in self.equations:
            if equation.name == name:
                return equation
        raise InvalidArgumentError(
            f"this closed form has no equation for '{name}'. It has equations for "
            f"{', '.join(e.name for e in self.equations)}.")

    @property
    def latex(self) -> str:
        """All equations in LaTeX, in an ``aligned`` environment."""
        rows = [f"{e.left.latex()} &= {e.right.latex()}" for e in self.equations]
        rows += [rf"& \text{{because {fact}}}" for fact in self.because]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    @property
    def text(self) -> str:
        """All equations as plain text, at most 80 columns wide."""
        lines = [one_line(e.left, e.right, COLUMNS) for e in self.equations]
        return "\n".join([*lines, *(f"because {fact}" for fact in self.because)])

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex}\n$$"

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<ClosedForm: {len(self.equations)} equations>"


class ChainRule(ClosedForm):
    """The chain rule, one line for each quantity; `Derivation.steps`.

    Attributes:
        equations: the forward equations, the derivatives δ, and the gradients.
        reasons: the reason for each line by the name on its left side, where there is one.
        note: why the equations of the record stand here; or empty.

    >>> import tinygrad_mlp as tg
    >>> w = tg.Tensor([0.5, -1.0], requires_grad=True, name="w")
    >>> print(tg.explain(tg.sum(tg.tanh(3 * w)), w).steps)
    a = tanh(3 w)
    δ = 1 − a²
        y = tanh x gives x̄ = g (1 − y²)
    ∂L/∂w = 3 δ
        chain rule
    """

    def __init__(self, equations: Iterable[Equation], reasons: Mapping[str, str] | None = None,
                 note: str = "") -> None:
        super().__init__(equations, note=note)
        self.reasons = dict(reasons or {})

    @property
    def text(self) -> str:
        """All equations as plain text with their reasons, at most 80 columns wide."""
        lines = []
        for e in self.equations:
            lines.append(one_line(e.left, e.right, COLUMNS))
            if self.reasons.get(e.name):
                lines += textwrap.wrap(self.reasons[e.name], COLUMNS, initial_indent="    ",
                                       subsequent_indent="    ")
        return "\n".join(lines)

    @property
    def latex(self) -> str:
        """All equations in LaTeX with their reasons, in an ``aligned`` environment."""
        rows = []
        for e in self.equations:
            why = self.reasons.get(e.name, "")
            reason = rf" && \text{{{why}}}" if why and why.isascii() else ""
            rows.append(f"{e.left.latex()} &= {e.right.latex()}{reason}")
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def chain_rule(graph: Recorded, given: Mapping[str, Any], targets: Sequence[Value],
               record: Sequence[Equation]) -> ChainRule:
    """The steps of the chain rule; the gradients of the record if they are not equal to these."""
    try:
        with np.errstate(all="ignore"):
            reverse = StepReverse(graph, Naming(graph, arrays_in(given)), targets,
                                  numbers_in(given))
            board = StepBoard(reverse)
            found = [Equation(GRADIENT if line.name.text.startswith("∂") else DEFINITION, line)
                     for line in board.lines]
            wrong = _differing(reverse, found, record, None)
    except Exception as error:  # of an operation that a user defined, it may be any
        wrong = type(error).__name__
    if wrong:
        why = f"The steps are those of the record ({wrong})."
        return ChainRule([e for e in record if e.kind != CLOSED], note=why)
    return ChainRule(found, board.reasons())


def closed_form(graph: Recorded, given: Mapping[str, Any], targets: Sequence[Value],
                steps: Sequence[Equation], seed: Array | None = None) -> ClosedForm:
    """The closed form of the gradients that `steps` derive; those themselves if none is found.

    With a `seed` v among the arrays, what is derived is ``Σ v ⊙ f`` of an array f, and the closed
    form is that of the Jacobians of f.
    """
    found_before = [e for e in steps if e.kind == GRADIENT]
    if len(graph.nodes) > MOST_OPERATIONS:
        why = f"The graph has {len(graph.nodes)} operations: no closed form was looked for."
        return ClosedForm(found_before, note=why)
    try:
        with np.errstate(all="ignore"):
            reverse = Reverse(graph, Naming(graph, arrays_in(given)), targets, numbers_in(given))
            if seed is not None:
                v = reverse.constant(seed).bases().pop()
                reverse.gradients = [jacobian(g, v, reverse.simplifier) for g in reverse.gradients]
            board = Blackboard(reverse)
            found = [Equation(GRADIENT if line.name.text.startswith("∂") else DEFINITION, line)
                     for line in board.lines]
            wrong = _differing(reverse, found, steps, seed)
    except Exception as error:  # of an operation that a user defined, it may be any
        why = f"No closed form was found ({type(error).__name__})."
        return ClosedForm(found_before, note=why)
    if wrong:
        why = f"No closed form of {wrong} was found that is equal to what the steps give."
        return ClosedForm(found_before, note=why)
    return ClosedForm(found, board.because(), board.glossary())


def arrays_in(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays and tensors among named values."""
    return {text: v for text, v in given.items() if not isinstance(v, (int, float))}


def numbers_in(given: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among named values."""
    return {text: v for text, v in given.items() if isinstance(v, (int, float))}


def _differing(reverse: Reverse, found: Sequence[Equation], steps: Sequence[Equation],
               seed: Array | None) -> str:
    """The name of a gradient that differs from that of the steps, at some point; or nothing."""
    ours = {e.name: e.right for e in found if e.kind == GRADIENT}
    known = {e.name: e.right for e in steps}
    theirs = {name: known[name if seed is None else name.replace("∂f/", "∂L/", 1)]
              for name in ours}
    for number in range(POINTS + 1):
        point: dict[str, Array] = {}
        if number:
            values = random_point([b for b in reverse.t.bases if b.value is not seed], number)
            point = {b.name.text: v for b, v in values.known.items() if b.name is not None}
            point |= {name: values.of(p) for name, p in reverse.related.items()}
        scale = max((np.max(np.abs(v[np.isfinite(v)]), initial=0.0)
                     for v in _values(known, point)), default=0.0)
        pairs = zip(_values(ours, point), _values(theirs, point), strict=True)
        for name, (a, b) in zip(ours, pairs, strict=True):
            if seed is not None:
                a = np.tensordot(seed, a, seed.ndim)
            if number and not np.isfinite(b).all():
                continue  # outside of the domain
            if a.shape != b.shape or not agree(a, b, scale):
                return name
    return ""


def _values(expressions: Mapping[str, Expression], point: Mapping[str, Array]) -> list[Array]:
    return [np.asarray(v) for v in evaluate(expressions.values(), point)]


def agree(a: Array, b: Array, scale: float) -> bool:
    """Whether two forms of a gradient have the same values, but for rounding.

    `scale` is the size of the largest derivative on the way, whose digits may have cancelled.
    """
    kinds = [x.dtype for x in (a, b) if x.dtype.kind == "f"]
    unit = max((float(np.finfo(kind).eps) for kind in kinds), default=2.0**-52)
    size = np.max(np.abs(b[np.isfinite(b)]), initial=0.0)
    return bool(np.allclose(a, b, rtol=UNITS * unit, equal_nan=True,
                            atol=unit * max(UNITS * size, scale)))
