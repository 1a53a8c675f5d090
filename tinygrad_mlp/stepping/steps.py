"""`steps`: one forward and one backward pass, step by step, with the numbers at hand."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.errors import InvalidArgumentError, NotDifferentiableError, ShapeError
from tinygrad_mlp.graph_view.layer_view import Recorded
from tinygrad_mlp.stepping.animation import animation
from tinygrad_mlp.stepping.chain_rule import Entry
from tinygrad_mlp.stepping.page import framed, page
from tinygrad_mlp.stepping.step import FORWARD, Content, Step
from tinygrad_mlp.stepping.step_builder import StepBuilder
from tinygrad_mlp.stepping.text import text
from tinygrad_mlp.support.files import write_file
from tinygrad_mlp.verify import DerivationReport

ENDINGS = (".html", ".htm", ".svg")


def check_ending(path: str | os.PathLike[str], name: str) -> str:
    """Return the ending of a path; refuse one that is neither a page nor a picture."""
    ending = os.path.splitext(path)[1].lower()
    if ending not in ENDINGS:
        raise InvalidArgumentError(f"{name} must end in .html or .svg. Got {os.fspath(path)}.")
    return ending


class Steps(Sequence[Step]):
    """The steps of one pass; what `steps` returns. Notebooks show them as a page to step through.

    Attributes:
        content: the steps, the whole pass as NumPy code (`program`, or in `missing` the reason why
            there is none), and the `boxes` of the drawing.

    >>> import tinygrad_mlp as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> found = tg.steps(tg.sum(tg.tanh(w)))
    >>> [step.name for step in found]
    ['v1', 'L', 'L̄', 'v̄1', '∂L/∂w']
    """

    def __init__(self, content: Content) -> None:
        self.content = content

    def __len__(self) -> int:
        return len(self.content.steps)

    def __getitem__(self, index: Any) -> Any:
        """Return a step by its number, or by the name of what it computes; a slice as a tuple."""
        if not isinstance(index, str):
            return self.content.steps[index]
        for step in self.content.steps:
            if step.name == index:
                return step
        raise InvalidArgumentError(
            f"no step computes '{index}'. The steps compute "
            f"{', '.join(step.name for step in self.content.steps)}.")

    def __iter__(self) -> Iterator[Step]:
        return iter(self.content.steps)

    @property
    def departure(self) -> Step | None:
        """The step at which a derivation by hand departs from the right gradient, or None."""
        return next((step for step in self.content.steps if step.departure is not None), None)

    @property
    def html(self) -> str:
        """All steps as one page, which needs nothing but a browser."""
        return page(self.content)

    @property
    def svg(self) -> str:
        """All steps as an animation, which moves inside an image of a page."""
        return animation(self.content)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the steps to a file.

        Args:
            path: the file. It must end in .html for a page to step through with the arrow keys, or
                in .svg for an animation.

        Raises:
            InvalidArgumentError: the path has another ending.
            DataNotFoundError: the folder does not exist.
            WriteError: the file cannot be written, as on a full disk; an old one remains.
        """
        ending = check_ending(path, "Steps.save: path")
        write_file(path, self.svg if ending == ".svg" else self.html)

    def _repr_html_(self) -> str:
        return framed(self.content, self.svg)

    def _repr_svg_(self) -> str:
        return self.svg

    def __str__(self) -> str:
        return text(self.content)

    def __repr__(self) -> str:
        forward = sum(step.kind == FORWARD for step in self)
        return f"<Steps: {forward} forward, {len(self) - forward} backward>"


def steps(loss: Value, report: DerivationReport | None = None, *,
          follow: tuple[Value | str, Entry] | None = None,
          names: Mapping[str, object] | None = None) -> Steps:
    """Show one forward and one backward pass step by step, with the numbers of this graph.

    A forward step computes a value. A backward step computes a gradient by the chain rule: over all
    uses of a value, incoming gradient × local derivative are added up,

        x̄_j = Σ_i ȳ_i ∂y_i/∂x_j.

    With each step come the formula derived from this graph and the line of NumPy that does it. One
    entry is followed from the loss to the parameters: the one that the gradient of the entry before
    it reaches most.

    Args:
        loss: a number that was computed from tensors with requires_grad=True. The graph must not
            have been released by `backward()`.
        report: what `check_derivation` found in a derivation of this loss. The step at which the
            derivation departs is marked, with the person's value beside the right one.
        follow: a parameter, or its name, and the entry to follow from it to the loss.
        names: names of arrays and tensors that have none of their own.

    Returns:
        the steps. They display themselves in a notebook; `save` writes a page (.html) or an
        animation (.svg).

    Raises:
        NotDifferentiableError: nothing was recorded, because nothing requires a gradient.
        GraphReleasedError: `backward()` has released the graph.
        ShapeError: the loss is not a single number.
        InvalidArgumentError: another argument has a value that is not allowed.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> w = tg.Tensor([0.5, -1.0], requires_grad=True, name="w")
    >>> found = steps(tg.sum(tg.tanh(w) * np.array([3.0, 4.0])))
    >>> step = found["∂L/∂w"]
    >>> step.value.round(4), step.entry
    (array([2.3593, 1.6799]), (0,))
    >>> term = step.uses[0].terms[0]
    >>> round(term.incoming, 4), round(term.local, 4), round(term.product, 4)
    (3.0, 0.7864, 2.3593)
    >>> print(step.formula.text, "|", step.code[-1].split("#")[0].strip())
    v̄1 ⊙ (1 − v1²) | grad_w = c1 * t2
    """
    if not isinstance(loss, Value) or not loss.requires_grad or loss.node is None:
        raise NotDifferentiableError(
            "steps() expects a tensor that was computed from one with requires_grad=True, outside "
            "of no_grad(). Nothing this one was computed from requires a gradient.")
    if loss.data.size != 1:
        raise ShapeError(
            f"steps() expects a loss of one element. Got shape {loss.data.shape}: reduce it, e.g. "
            f"with .sum().")
    if report is not None and not isinstance(report, DerivationReport):
        raise InvalidArgumentError(
            f"steps(): report must be what check_derivation returns. Got {type(report).__name__}.")
    graph = Recorded(loss, "steps()")
    return Steps(StepBuilder(graph, names or {}, follow, report).content())
