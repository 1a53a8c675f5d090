"""`draw`: the graph behind a result as a picture."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.drawing.dot import DIRECTIONS, written
from tinygrad_mlp.drawing.graphviz import FORMATS, MISSING, find_dot, rendered
from tinygrad_mlp.drawing.reading import Reading
from tinygrad_mlp.drawing.scene import DATA, PARAMETER, Scene
from tinygrad_mlp.errors import InvalidArgumentError, NotDifferentiableError, ShapeError
from tinygrad_mlp.graph_view.recorded import Recorded
from tinygrad_mlp.nn import Module
from tinygrad_mlp.support.checks import one_of
from tinygrad_mlp.support.files import atomic_path
from tinygrad_mlp.support.html import escaped, listing

TEXT_ENDINGS = (".dot", ".gv")


class Drawing:
    """A picture of a graph; what `draw` returns. A notebook shows it.

    Attributes:
        scene: what is in it, as data: boxes, arrows and groups.
        dot: the picture in Graphviz's DOT language.

    Args:
        scene: as below.
        direction: "down" or "right", in which the arrows point.

    >>> import tinygrad_mlp as tg
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> drawing = tg.draw(tg.sum(tg.exp(x)))
    >>> drawing.dot.splitlines()[0][:7]
    'digraph'
    """

    def __init__(self, scene: Scene, direction: str = "down") -> None:
        self.scene = scene
        self.dot = written(scene, direction)

    @property
    def svg(self) -> str:
        """The picture as SVG, laid out by Graphviz.

        Raises:
            MissingToolError: Graphviz is not installed; the message says how to get it.
        """
        return rendered(self.dot, "svg").decode()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture into a file.

        Args:
            path: ends in .dot or .gv for DOT text, or in .svg, .png or .pdf, for which Graphviz
                must be installed.

        Raises:
            InvalidArgumentError: another ending.
            MissingToolError: Graphviz is needed and not installed.
            DataNotFoundError: the folder does not exist.
        """
        ending = os.path.splitext(path)[1].lower()
        if ending in TEXT_ENDINGS:
            content = self.dot.encode()
        elif ending.removeprefix(".") in FORMATS:
            content = rendered(self.dot, ending.removeprefix("."))
        else:
            known = (*TEXT_ENDINGS, *(f".{name}" for name in FORMATS))
            raise InvalidArgumentError(
                f"Drawing.save: the path must end in one of {', '.join(known)}; got "
                f"{os.fspath(path)}."
            )
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            file.write(content)

    def _repr_svg_(self) -> str | None:
        return self.svg if find_dot() else None

    def _repr_html_(self) -> str | None:
        if find_dot():
            return None  # there is the picture itself
        return f"<p>{escaped(MISSING)}</p>" + listing(self.dot, "DOT")

    def __str__(self) -> str:
        return self.dot

    def __repr__(self) -> str:
        kinds = [vertex.kind for vertex in self.scene.vertices]
        return (
            f"<Drawing of {self.scene.operations} operations: {len(kinds)} boxes, of them "
            f"{kinds.count(PARAMETER)} parameters and {kinds.count(DATA)} data>"
        )


def draw(
    output: Value,
    *,
    model: Module | None = None,
    values: bool = False,
    gradients: bool = False,
    fold: bool | str = "auto",
    names: Mapping[str, Any] | None = None,
    direction: str = "down",
) -> Drawing:
    """Draw the graph behind a result: operations, names and shapes, layers as groups.

    Every operation is a box with the name of its result, as `explain` calls it, the call, and the
    shape. Arrows lead from what is used to what it is used for. Parameters (leaves that gradients
    flow to), data and results look different, also in a black and white print. In a long graph
    what repeats is folded: the first and the last time are shown, and a box between them says how
    many times more.

    Args:
        output: a tensor whose graph has not been released.
        model: the module it was computed by; layers are then called as its modules are.
        values: also mean and range of every array.
        gradients: also mean and range of ``∂L/∂v`` for every value v, where L is the output,
            which must be a single number; the arrows are the darker and thicker, the larger the
            mean of ``|∂L/∂v|``, so that one sees where gradients vanish or explode.
        fold: whether to fold; "auto" for graphs of more than 24 operations.
        names: arrays and tensors by name, for what has no name of its own (the input, the target).
        direction: "down" or "right", where data flows to.

    Raises:
        NotDifferentiableError: nothing was recorded, as nothing requires a gradient.
        GraphReleasedError: `backward()` was called before.
        ShapeError: gradients are asked for, and the output is not a single number.
        InvalidArgumentError: another argument is of a value that cannot work.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> W = tg.Tensor(np.ones((2, 3)), requires_grad=True, name="W")
    >>> drawing = tg.draw(tg.sum(tg.tanh(W @ np.ones(3))))
    >>> [vertex.title for vertex in drawing.scene.vertices]
    ['W', 'x', 'z2', 'a2', 'L']
    >>> drawing.dot.splitlines()[0]
    'digraph {'
    """
    if not isinstance(output, Value) or not output.requires_grad:
        raise NotDifferentiableError(
            "draw() expects a tensor that was computed from one with requires_grad=True, outside "
            "of no_grad(). "
            + (
                "Nothing this one was computed from requires a gradient, so nothing was recorded."
                if isinstance(output, Value)
                else f"Got {type(output).__name__}."
            )
        )
    if model is not None and not isinstance(model, Module):
        raise InvalidArgumentError(
            f"draw(): model must be a Module (see tg.nn); got {type(model).__name__}."
        )
    if gradients and output.data.size != 1:
        raise ShapeError(
            f"draw(): gradients are those of a single number. Got an output of shape "
            f"{output.data.shape}: reduce it, e.g. with .sum(), or leave gradients out."
        )
    one_of(fold, (True, False, "auto"), "draw(): fold")
    one_of(direction, tuple(DIRECTIONS), "draw(): direction")
    graph = Recorded(output, "draw()")
    reading = Reading(graph, names or {}, model=model, values=values, gradients=gradients)
    return Drawing(reading.scene(fold), direction)
