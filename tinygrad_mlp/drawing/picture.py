"""The function `draw`, and the picture that it returns."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.drawing.dot import DIRECTIONS, to_dot
from tinygrad_mlp.drawing.graphviz import MISSING, find_dot, render
from tinygrad_mlp.drawing.scene import DATA, PARAMETER, Scene
from tinygrad_mlp.drawing.scene_builder import SceneBuilder
from tinygrad_mlp.errors import InvalidArgumentError, NotDifferentiableError, ShapeError
from tinygrad_mlp.graph_view.layer_view import Recorded
from tinygrad_mlp.nn import Module
from tinygrad_mlp.support.checks import one_of
from tinygrad_mlp.support.files import write_file
from tinygrad_mlp.support.html import escaped, inlined, listing

TEXT_ENDINGS, PICTURE_ENDINGS = (".dot", ".gv"), (".svg", ".png", ".pdf")


class Drawing:
    """A picture of a graph, returned by `draw`. Notebooks show it.

    Attributes:
        scene: its content as data: boxes, arrows and groups.
        dot: the picture in Graphviz's DOT language.

    Args:
        scene: the content.
        direction: where the arrows point, "down" or "right".

    >>> import tinygrad_mlp as tg
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> drawing = tg.draw(tg.sum(tg.exp(x)))
    >>> drawing.dot.splitlines()[0][:7]
    'digraph'
    """

    def __init__(self, scene: Scene, direction: str = "down") -> None:
        self.scene = scene
        self.dot = to_dot(scene, direction)

    @cached_property
    def svg(self) -> str:
        """The picture as SVG, laid out by Graphviz.

        Raises:
            MissingToolError: Graphviz is not installed; the message says how to get it.
        """
        return render(self.dot, "svg").decode()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to a file.

        Args:
            path: the file. It must end in .dot or .gv for DOT text, or in .svg, .png or .pdf.
                The last three need Graphviz.

        Raises:
            InvalidArgumentError: the path has another ending.
            MissingToolError: Graphviz is needed and not installed.
            DataNotFoundError: the folder does not exist.
            WriteError: the file cannot be written, as on a full disk; an old one remains.
        """
        ending = os.path.splitext(path)[1].lower()
        one_of(ending, (*TEXT_ENDINGS, *PICTURE_ENDINGS), "Drawing.save: the ending of path")
        content = self.dot.encode() if ending in TEXT_ENDINGS else render(self.dot, ending[1:])
        write_file(path, content)

    def _repr_svg_(self) -> str | None:
        return self.svg if find_dot() else None

    def _repr_html_(self) -> str:
        if find_dot():  # a notebook that is opened again shows SVG only inside of an image
            return inlined(self.svg, f"the graph of {self.scene.operations} operations")
        return f"<p>{escaped(MISSING)}</p>" + listing(self.dot, "DOT")

    def __str__(self) -> str:
        return self.dot

    def __repr__(self) -> str:
        kinds = [vertex.kind for vertex in self.scene.vertices]
        return (
            f"<Drawing of {self.scene.operations} operations: {len(kinds)} boxes, of them "
            f"{kinds.count(PARAMETER)} parameters and {kinds.count(DATA)} data>")


def draw(output: Value, *, model: Module | None = None, values: bool = False,
         gradients: bool = False, fold: bool | str = "auto",
         names: Mapping[str, object] | None = None, direction: str = "down",
         arrows: str | None = None) -> Drawing:
    """Draw the graph behind a result: operations, names and shapes, layers as groups.

    Every operation is a box with the name of its result (the same as in `explain`), the call and
    the shape. Arrows lead from a value to the operations that take it. Parameters (leaves that
    gradients flow to), data and results look different, also in a black and white print. In a long
    graph, repeated blocks are folded: the first and the last are shown, and a box between them says
    how many more there are. A long graph without repetitions is cut into stretches of operations,
    where the fewest results are handed on.

    Args:
        output: a tensor whose graph has not been released.
        model: the module that computed it; layers then have the names of its modules.
        values: whether to show mean and range of every array.
        gradients: whether to show mean and range of ``∂L/∂v`` for every value v. L is the output,
            which must be a single number. An arrow is darker and thicker for a larger mean of
            ``|∂L/∂v|``, which shows where gradients vanish or explode.
        fold: whether to fold; "auto" folds graphs of more than 24 operations. "module" also makes
            one box of the operations of each module of `model`, "line" of those that one line of
            the program called, which is known of graphs that were recorded under `tg.debug()`.
        names: names of arrays and tensors that have none of their own (the input, the target).
        direction: where the arrows point, "down" or "right".
        arrows: what stands beside each arrow from v to y: its "value"; the "gradient" that this
            use contributes to ``∂L/∂v``; the local "derivative" ``∂y/∂v``, of elementwise
            operations and where y is one number; or None. Of arrays, the least and the greatest.

    Raises:
        NotDifferentiableError: nothing was recorded, because nothing requires a gradient.
        GraphReleasedError: `backward()` has released the graph.
        ShapeError: gradients are asked for, and the output is not a single number.
        InvalidArgumentError: another argument has a value that is not allowed.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> W = tg.Tensor(np.ones((2, 3)), requires_grad=True, name="W")
    >>> drawing = tg.draw(tg.sum(tg.tanh(W @ np.ones(3))))
    >>> [vertex.title for vertex in drawing.scene.vertices]
    ['W', 'x', 'z2', 'a2', 'L']
    >>> drawing.dot.splitlines()[0]
    'digraph {'
    """
    if not isinstance(output, Value) or not output.requires_grad:
        nothing = "Nothing this one was computed from requires a gradient: nothing was recorded."
        found = nothing if isinstance(output, Value) else f"Got {type(output).__name__}."
        raise NotDifferentiableError(
            f"draw() expects a tensor that was computed from one with requires_grad=True, outside "
            f"of no_grad(). {found}")
    if model is not None and not isinstance(model, Module):
        raise InvalidArgumentError(
            f"draw(): model must be a Module (see tg.nn). Got {type(model).__name__}.")
    if arrows is not None:
        one_of(arrows, ("value", "gradient", "derivative"), "draw(): arrows")
    if (gradients or arrows == "gradient") and output.data.size != 1:
        raise ShapeError(
            f"draw(): gradients are those of a single number. Got an output of shape "
            f"{output.data.shape}: reduce it, e.g. with .sum(), or leave gradients out.")
    one_of(fold, (True, False, "auto", "module", "line"), "draw(): fold")
    one_of(direction, tuple(DIRECTIONS), "draw(): direction")
    graph = Recorded(output, "draw()")
    if fold == "module" and model is None:
        raise InvalidArgumentError("draw(): fold='module' needs the module: give it as model=.")
    if fold == "line" and not any(hasattr(node, "note") for node in graph.nodes):
        raise InvalidArgumentError(
            "draw(): fold='line' needs the lines that called the operations. Compute the output "
            "under tg.debug(), which notes them.")
    builder = SceneBuilder(graph, names or {}, model=model, values=values, gradients=gradients,
                           fold=fold, arrows=arrows)
    return Drawing(builder.scene(), direction)
