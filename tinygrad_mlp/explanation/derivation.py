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
from tinygrad_mlp.explanation.calling import weighted
from tinygrad_mlp.explanation.comparing import backward
from tinygrad_mlp.explanation.expressions.equation import FORWARD, Equation
from tinygrad_mlp.explanation.levels import (
    Equations,
    Question,
    chain_rule,
    closed_form,
    record,
)
from tinygrad_mlp.explanation.repetition.loop_lines import EveryStep
from tinygrad_mlp.explanation.retracing import Again, meanings
from tinygrad_mlp.graph_view.layer_view import Recorded
from tinygrad_mlp.graph_view.naming import Naming


class Derivation(Equations):
    """A derivation at three levels of detail; what `explain` returns.

    It has all that its steps have: equations, text, LaTeX.

    Attributes:
        closed: the gradients in closed form.
        steps: the chain rule, one line for each quantity, with the reason for each derivative.
        tape: the record, one line for each recorded operation and for what its rule says.

    >>> import tinygrad_mlp as tg
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> derivation = tg.explain(tg.sum(tg.tanh(3 * x)), x)
    >>> print(derivation.closed)
    ∂L/∂x = 3 (1 − tanh²(3 x))
    >>> print(derivation.steps)
    a = tanh(3 x)
    L = Σ a
    δ = 1 − a²
        tanh′(3 x) = 1 − a²
    ∂L/∂x = 3 δ
        chain rule
    """

    def __init__(self, closed: Equations, steps: Equations, tape: Callable[[], Equations]) -> None:
        super().__init__(steps.equations, steps.reasons, steps.because, steps.glossary, steps.note)
        self.closed = closed
        self.steps = steps
        self._tape = tape

    @functools.cached_property
    def tape(self) -> Equations:
        """The record: a line for each recorded operation, and for what its rule says.

        Raises:
            GraphReleasedError: it is asked for the first time after `backward()`.
        """
        return self._tape()

    def sections(self) -> list[tuple[str, list[Equation]]]:
        """The equations of the steps with headings."""
        forward = self.of_kind(FORWARD)
        backward = [e for e in self.equations if e.kind != FORWARD]
        return [(heading, part) for heading, part in (("Forward", forward), ("Backward", backward))
                if part]

    def _repr_latex_(self) -> str:
        return f"{self.closed._repr_latex_()}\n\n{super()._repr_latex_()}"

    def __str__(self) -> str:
        closed = self.closed.note or self.closed.text
        parts = {"Closed form": closed, "Steps": self.text}
        return "\n\n".join(f"{heading}\n\n{textwrap.indent(part, '    ')}"
                           for heading, part in parts.items())

    def __repr__(self) -> str:
        return f"<Derivation of {', '.join(self._gradients())}: {len(self.equations)} equations>"


def explain(output: Any, wrt: Any = None, *, names: Mapping[str, Any] | None = None,
            shapes: bool = False) -> Derivation:
    """Write out how the gradient of a number is derived.

    At three levels: `closed` has the gradients in closed form, ``∂L/∂w = (1 / n) Xᵀ (X w − y)``;
    `steps` the chain rule, with the derivative ``δ = ∂L/∂z`` of each quantity z; `tape` each
    recorded operation, and what its gradient rule says. All are read from the recorded graph.

    Args:
        output: the number, a tensor of one element, whose graph has not been released; or a
            function that computes it. The names are then those of its variables; it is called
            again with arrays of other sizes, to learn which number is n, unless it changes what
            it reads, such as a generator. Of a function that computes an array f, the closed form
            has the Jacobians, and the steps derive ``L = Σ v ⊙ f`` for any v. (So the Hessian is
            that of ``tg.grad(loss)``.)
        wrt: what to differentiate with respect to: a tensor, a tensor's name, or several of
            these; None for all leaves that require gradients. For a function, its arguments by
            name: the tensors among them that require gradients are what is differentiated with
            respect to; without such, the first argument.
        names: arrays and tensors by name, for what has no name of its own (the input, the target);
            and numbers by name, which are written by their names: n, λ.
        shapes: whether the shape stands under every factor, but in lines of several layers or
            steps, which may have several.

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
    a = tanh(w)
    L = aᵀ c1
    ∂L/∂w = c1 ⊙ (1 − a²)
    >>> derivation["∂L/∂w"].evaluate().round(4)
    array([1.2599, 0.2826])

    The rules are those of reverse-mode differentiation, as in Griewank and Walther, "Evaluating
    Derivatives", 2008.
    """
    found: dict[str, Any] = {}
    again = seed = None
    if callable(output) and not isinstance(output, Value):
        again = Again(output, wrt)
        output, wrt, found = again.first[:3]
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
    numbers = {text: v for text, v in names.items() if isinstance(v, (int, float))}
    given = {text: v for text, v in names.items() if text not in numbers}
    naming = Naming(graph, given)
    targets = _targets(graph, naming, wrt)
    backward(output, targets)  # raises what a backward pass would raise
    asked = Question(graph, given, targets, seed, meanings(graph, numbers, again))

    def tape() -> Equations:
        if any(node.arrays is None for node in graph.nodes):
            raise GraphReleasedError(
                "explain(): the tape was asked for after backward() released the graph. Ask for "
                ".tape before it, or pass retain_graph=True to backward().")
        return _annotated(record(asked), shapes)

    steps = _annotated(chain_rule(asked), shapes)
    return Derivation(_annotated(closed_form(asked, steps), shapes), steps, tape)


def tape_of(output: Value, names: Mapping[str, Any]) -> Equations:
    """The record of a graph alone, with respect to all its leaves."""
    graph = Recorded(output)
    return record(Question(graph, names, list(graph.leaves().values())))


def _annotated(found: Equations, shapes: bool) -> Equations:
    """With shapes under the factors, where they are the same at all steps that a line is of."""
    for equation in (*found.equations, *found.each):
        right = equation.right
        equation.shapes = shapes and (not isinstance(right, EveryStep) or right.alike)
    return found


def _targets(graph: Recorded, naming: Naming, wrt: Any) -> list[Value]:
    """What is asked for, as tensors of the graph that the output depends on."""
    leaves = graph.leaves()
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
