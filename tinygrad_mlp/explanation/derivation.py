"""`explain`: the derivation of a gradient, to be read, printed and evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.errors import InvalidArgumentError, NotDifferentiableError, ShapeError
from tinygrad_mlp.explanation.derive import Deriving
from tinygrad_mlp.explanation.expression import Expression, Shape, Symbol
from tinygrad_mlp.explanation.layered import ClosedForms
from tinygrad_mlp.explanation.writing import latex, text, two_lines
from tinygrad_mlp.graph_view.layer_view import Recorded
from tinygrad_mlp.graph_view.naming import Naming

FORWARD, ADJOINT, GRADIENT, CLOSED, DEFINITION = (
    "forward", "adjoint", "gradient", "closed form", "definition")

COLUMNS = 100  # how wide the plain text of a derivation is at most


class Equation:
    """One line of a derivation: ``left = right``.

    Attributes:
        kind: "forward", "adjoint", "gradient", "closed form", or "definition" for a symbol that
            only abbreviates.
        left: the symbol that it defines.
        right: what the symbol stands for.

    What is printed is what is evaluated: both read `right`.

    >>> import tinygrad_mlp as tg
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> last = tg.explain(tg.sum(tg.exp(x)), x).equations[-1]
    >>> last.kind, str(last.left)
    ('gradient', '<Symbol ∂L/∂x of shape (2,)>')
    """

    __slots__ = ("kind", "left", "right")

    def __init__(self, kind: str, left: Symbol) -> None:
        assert left.definition is not None
        self.kind = kind
        self.left = left
        self.right: Expression = left.definition

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
        """Left and right side in LaTeX, with the shape under every factor."""
        return latex(self.left, True), latex(self.right, True)

    @property
    def latex(self) -> str:
        """In LaTeX, with the shape under every factor."""
        return " = ".join(self.sides)

    @property
    def text(self) -> str:
        """As plain text of two lines: below every factor its shape."""
        return two_lines(self.left, self.right, COLUMNS)

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


HEADINGS = {FORWARD: "Forward", ADJOINT: "Backward", CLOSED: "As products, with vectors as columns",
            DEFINITION: "where"}


class Derivation:
    """A derivation, written out; what `explain` returns.

    Attributes:
        equations: all equations in order.

    >>> import tinygrad_mlp as tg
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> derivation = tg.explain(tg.sum(tg.exp(x)), x)
    >>> [equation.kind for equation in derivation.equations]
    ['forward', 'forward', 'adjoint', 'adjoint', 'gradient']
    """

    def __init__(self, equations: Iterable[Equation]) -> None:
        self.equations = tuple(equations)

    def __getitem__(self, name: str) -> Equation:
        """The equation of a name; of several, the last one, which is the simplest."""
        for equation in reversed(self.equations):
            if equation.name == name:
                return equation
        raise InvalidArgumentError(
            f"this derivation has no equation for '{name}'. It has equations for "
            f"{', '.join(dict.fromkeys(e.name for e in self.equations))}.")

    def of_kind(self, *kinds: str) -> list[Equation]:
        """The equations of some kinds, in order."""
        return [equation for equation in self.equations if equation.kind in kinds]

    def sections(self) -> list[tuple[str, list[Equation]]]:
        """The equations with headings: auxiliary ones stay with those that use them."""
        closed = [i for i, e in enumerate(self.equations) if e.kind == CLOSED]
        end = closed[0] if closed else len(self.equations)
        after = closed[-1] + 1 if closed else end
        first = len(self.of_kind(FORWARD))
        parts = {HEADINGS[FORWARD]: self.equations[:first],
                 HEADINGS[ADJOINT]: self.equations[first:end],
                 HEADINGS[CLOSED]: self.equations[end:after],
                 HEADINGS[DEFINITION]: self.equations[after:]}
        return [(heading, list(part)) for heading, part in parts.items() if part]

    @property
    def latex(self) -> str:
        """All equations in LaTeX, in an ``aligned`` environment."""
        rows: list[str] = []
        for heading, equations in self.sections():
            rows.append(rf"& \text{{{heading}}}")
            for before, equation in zip([None, *equations], equations, strict=False):
                again = before is not None and before.name == equation.name
                left, right = equation.sides
                rows.append(f"{'' if again else left} &= {right}")
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    @property
    def text(self) -> str:
        """All equations as plain text, at most 100 columns wide."""
        lines: list[str] = []
        for heading, equations in self.sections():
            lines += [heading, ""]
            for before, equation in zip([None, *equations], equations, strict=False):
                again = before is not None and before.name == equation.name
                block = two_lines(equation.left, equation.right, COLUMNS - 4, hide_left=again)
                lines += ["    " + line for line in block.splitlines()] + [""]
        return "\n".join(lines).rstrip() + "\n"

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex}\n$$"

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        names = [e.name for e in self.of_kind(GRADIENT)]
        return f"<Derivation of {', '.join(names)}: {len(self.equations)} equations>"


def explain(output: Value, wrt: Any = None, *,
            names: Mapping[str, Any] | None = None) -> Derivation:
    """Write out how the gradient of a number is derived.

    From the recorded graph: the forward equations; then, with ``v̄ = ∂L/∂v``, one adjoint equation
    for each result, in the order of the backward pass, as the operations' own gradient rules give
    it; and for a layered network that was given one sample, the gradients as products.

    Args:
        output: the number, a tensor of one element, whose graph has not been released.
        wrt: what to differentiate with respect to: a tensor, a tensor's name, or several of
            these; None for all leaves that require gradients.
        names: arrays and tensors by name, for what has no name of its own (the input, the target).

    Raises:
        GraphReleasedError: `backward()` was called before.
        NotDifferentiableError: the output does not depend on something of `wrt`.
        ShapeError: the output is not a single number.
        InvalidArgumentError: an unknown name, or something else than a tensor.

    Source: the chain rule, in the order and with the names of the tutorial, sections 5 and 6.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> loss = tg.sum(tg.tanh(w) * np.array([3.0, 4.0]))
    >>> derivation = explain(loss, w)
    >>> for equation in derivation.equations:
    ...     print(equation)
    v1 = tanh(w)
    v2 = v1 ⊙ c1
    L = Σ v2
    L̄ = 1
    v̄2 = 1
    v̄1 = c1
    ∂L/∂w = v̄1 ⊙ (1 − v1²)
    >>> derivation["∂L/∂w"].evaluate().round(4)
    array([1.2599, 0.2826])

    The rules are those of reverse-mode differentiation, as in Griewank and Walther, "Evaluating
    Derivatives", 2008.
    """
    if not isinstance(output, Value) or not output.requires_grad or output.node is None:
        raise NotDifferentiableError(
            "explain() expects a tensor that was computed from one with requires_grad=True, "
            "outside of no_grad(). Nothing this output was computed from requires a gradient.")
    if output.data.size != 1:
        raise ShapeError(
            f"explain() expects an output of one element. Got shape {output.data.shape}: reduce "
            f"it, e.g. with .sum().")
    graph = Recorded(output)
    naming = Naming(graph, names or {})
    deriving = Deriving(graph, naming, _targets(graph, naming, wrt))
    closed = ClosedForms(deriving)
    gradients = set(deriving.gradients)
    equations = [Equation(FORWARD, symbol) for symbol in deriving.forward]
    for symbol in deriving.backward:
        kind = DEFINITION if symbol in deriving.auxiliary else (
            GRADIENT if symbol in gradients else ADJOINT)
        equations.append(Equation(kind, symbol))
    for forms in closed.products:
        equations += [Equation(CLOSED, symbol) for symbol in forms]
    equations += [Equation(DEFINITION, symbol) for symbol in closed.slopes]
    return Derivation(equations)


def _targets(graph: Recorded, naming: Naming, wrt: Any) -> list[Value]:
    """What is asked for, as tensors of the graph that the output depends on."""
    leaves: dict[int, Value] = {}
    for _, _, parent, _ in graph.arguments():
        if isinstance(parent, Value) and parent.node is None:
            leaves.setdefault(id(parent), parent)
    if wrt is None:
        return list(leaves.values())
    several = not isinstance(wrt, (str, Value))
    if several and not isinstance(wrt, Iterable):
        raise _no_tensor(wrt)
    targets: list[Value] = []
    for item in wrt if several else [wrt]:
        if isinstance(item, str):
            item = naming.find(item)
        if not isinstance(item, Value):
            raise _no_tensor(item)
        inside = id(item) in leaves if item.node is None else item.node in graph.users
        if not inside:
            called = f"'{item.name}'" if item.name else f"of shape {item.data.shape}"
            raise NotDifferentiableError(
                f"explain(): the output does not depend on the tensor {called}, or that does not "
                f"require a gradient, so there is nothing to derive with respect to it.")
        targets.append(item)
    return targets


def _no_tensor(item: Any) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"explain() expects wrt to be a tensor, a tensor's name, or several of these. "
        f"Got {type(item).__name__}.")
