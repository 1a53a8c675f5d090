"""`explain`: the derivation of a gradient, to be read, printed and evaluated."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.errors import (
    GraphReleasedError,
    InvalidArgumentError,
    NotDifferentiableError,
    ShapeError,
)
from tinygrad_mlp.explanation.calling import called, weighted
from tinygrad_mlp.explanation.closed import (
    ChainRule,
    ClosedForm,
    arrays_in,
    chain_rule,
    closed_form,
)
from tinygrad_mlp.explanation.derive import Deriving
from tinygrad_mlp.explanation.equation import (
    ADJOINT,
    CLOSED,
    COLUMNS,
    DEFINITION,
    FORWARD,
    GRADIENT,
    Equation,
)
from tinygrad_mlp.explanation.layered import ClosedForms
from tinygrad_mlp.explanation.writing import two_lines
from tinygrad_mlp.graph_view.layer_view import Recorded
from tinygrad_mlp.graph_view.naming import Naming

HEADINGS = {FORWARD: "Forward", ADJOINT: "Backward", CLOSED: "As products, with vectors as columns",
            DEFINITION: "where"}


class Derivation:
    """A derivation, written out; what `explain` returns.

    Attributes:
        equations: all equations of the record, in order.
        closed: the gradients in closed form.
        steps: the chain rule with a line for each quantity and the reason for it.

    >>> import tinygrad_mlp as tg
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> derivation = tg.explain(tg.sum(tg.exp(x)), x)
    >>> [equation.kind for equation in derivation.equations]
    ['forward', 'forward', 'adjoint', 'adjoint', 'gradient']
    """

    def __init__(self, equations: Iterable[Equation], closed: ClosedForm | None = None,
                 steps: Callable[[], ChainRule] | None = None) -> None:
        self.equations = tuple(equations)
        self.closed = closed or ClosedForm(self.of_kind(GRADIENT))
        self._steps = steps

    @functools.cached_property
    def steps(self) -> ChainRule:
        """The chain rule, one line for each quantity, each with its reason.

        Raises:
            GraphReleasedError: it is asked for the first time after `backward()`.
        """
        return ChainRule(self.of_kind(GRADIENT)) if self._steps is None else self._steps()

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
        return f"$$\n{self.closed.latex}\n$$\n\n$$\n{self.latex}\n$$"

    def __str__(self) -> str:
        closed = textwrap.indent(self.closed.note or self.closed.text, "    ")
        return f"Closed form\n\n{closed}\n\n{self.text}"

    def __repr__(self) -> str:
        names = [e.name for e in self.of_kind(GRADIENT)]
        return f"<Derivation of {', '.join(names)}: {len(self.equations)} equations>"


def explain(output: Any, wrt: Any = None, *,
            names: Mapping[str, Any] | None = None) -> Derivation:
    """Write out how the gradient of a number is derived.

    From the recorded graph: the forward equations; then, with ``v̄ = ∂L/∂v``, one adjoint equation
    for each result, in the order of the backward pass, as the operations' own gradient rules give
    it; and for a layered network that was given one sample, the gradients as products.

    Args:
        output: the number, a tensor of one element, whose graph has not been released; or a
            function that computes it. The names are then those of its variables. Of a function
            that computes an array f, the closed form has the Jacobians, and the steps derive
            ``L = Σ v ⊙ f`` for any v. (So the Hessian is that of ``tg.grad(loss)``.)
        wrt: what to differentiate with respect to: a tensor, a tensor's name, or several of
            these; None for all leaves that require gradients. For a function, its arguments by
            name: the tensors among them that require gradients are what is differentiated with
            respect to; without such, the first argument.
        names: arrays and tensors by name, for what has no name of its own (the input, the target);
            and numbers by name, which the closed form writes by their names: n, λ.

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
    found: dict[str, Any] = {}
    seed = None
    if callable(output) and not isinstance(output, Value):
        output, wrt, found = called(output, wrt)
        if isinstance(output, Value) and output.data.size != 1:
            output, seed = weighted(output)
            found["v"] = seed
    if not isinstance(output, Value) or not output.requires_grad or output.node is None:
        raise NotDifferentiableError(
            "explain() expects a tensor that was computed from one with requires_grad=True, "
            "outside of no_grad(). Nothing this output was computed from requires a gradient.")
    if output.data.size != 1:
        raise ShapeError(
            f"explain() expects an output of one element. Got shape {output.data.shape}: reduce "
            f"it, e.g. with .sum().")
    graph = Recorded(output)
    arrays = {id(array) for _, _, _, array in graph.arguments()}
    used = {n: v for n, v in found.items() if isinstance(v, (int, float)) or id(v) in arrays}
    names = {**used, **(names or {})}
    naming = Naming(graph, arrays_in(names))
    targets = _targets(graph, naming, wrt)
    deriving = Deriving(graph, naming, targets)
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
    def steps() -> ChainRule:
        if any(node.arrays is None for node in graph.nodes):
            raise GraphReleasedError(
                "explain(): the steps were asked for after backward() released the graph. Ask for "
                ".steps before it, or pass retain_graph=True to backward().")
        return chain_rule(graph, names, targets, equations)

    return Derivation(equations, closed_form(graph, names, targets, equations, seed), steps)


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
