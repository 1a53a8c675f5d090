"""The answers of a classifier everywhere in the plane, and the boundaries between them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError
from tinygrad_mlp.plotting.classes import as_array, classes_of
from tinygrad_mlp.plotting.figures import MARKERS, PALETTE, label_axes, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

Answer = Callable[[Array], Any]

FINENESS = 160  # number of points along each side at which the classifier is evaluated
MARGIN = 0.08  # border around the samples, as a share of their extent


def plot_decision_boundary(answers: Answer | Mapping[str, Answer], X: ArrayLike, Y: ArrayLike,
                           path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw the answers of a classifier of points in the plane, and the samples on top.

    With one output p, the probability of class 1, the colour shows p, and the black line is where
    p is ½. With k outputs, the colour shows the class of the largest, paler where its lead over the
    next one is smaller, and the lines are where the answer changes.

    Args:
        answers: a function from points, shape ``(m, 2)``, to outputs, shape ``(m, 1)`` or
            ``(m, k)``, such as ``functools.partial(tg.predict, model)``; or several by name,
            with a panel for each.
        X: the samples, shape ``(n, 2)``; the axes are called x₁ and x₂.
        Y: their classes: 0 or 1, shape ``(n, 1)``; one-hot, shape ``(n, k)``; or class numbers,
            shape ``(n,)``.
        path: also save the picture there, in the format of its ending.

    Raises:
        ShapeError: the samples, the classes or the answers have another shape.
        InvalidArgumentError: there is no function, there are more than seven classes, a class
            number is negative or not an integer, or matplotlib does not know the ending.
        DataNotFoundError: the folder does not exist.
        WriteError: the file cannot be written, as on a full disk; an old one remains.

    >>> corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> def either(points):  # of the two coordinates is large
    ...     return (points.max(axis=1, keepdims=True) > 0.5) * 1.0
    >>> figure = plot_decision_boundary(either, corners, [0, 1, 1, 0])
    >>> figure.axes[0].get_title()
    '3 of 4 samples are right'
    """
    named = answers if isinstance(answers, Mapping) else {"": answers}
    if not named:
        raise InvalidArgumentError(
            "plot_decision_boundary: answers must have at least one function. Got none.")
    X = as_array(X)
    if X.ndim != 2 or X.shape[1] != 2 or not len(X):
        raise ShapeError(
            f"plot_decision_boundary: X must be points of the plane, shape (n, 2). Got {X.shape}.")
    Y = as_array(Y)
    Y = Y[:, 0] if Y.ndim == 2 and Y.shape[1] == 1 else Y
    low, high = X.min(axis=0), X.max(axis=0)
    low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
    u, v = (np.linspace(low[i], high[i], FINENESS) for i in range(2))
    points = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2).astype(X.dtype, copy=False)
    figure, panels = new_figure(len(named), columns=3, size=(4.4, 4.0))
    figure.set_layout_engine("compressed")  # for panels with equal scales
    shades, size = None, float(np.clip(2000 / len(X), 22, 110))
    for axes, (name, answer) in zip(panels, named.items(), strict=True):
        outputs = outputs_of(answer, X)
        found = outputs[:, 0] > 0.5 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
        true, found, k = classes_of(Y, found, "plot_decision_boundary")
        k = max(k, 2)
        if k > len(PALETTE):
            raise InvalidArgumentError(
                f"plot_decision_boundary: there must be at most {len(PALETTE)} classes. Got {k}.")
        everywhere = outputs_of(answer, points).reshape(FINENESS, FINENESS, -1)
        if everywhere.shape[2] == 1:
            shades = _draw_probability(axes, u, v, everywhere[..., 0])
        else:
            _draw_regions(axes, u, v, everywhere)
        for i in range(k):
            x1, x2 = X[true == i].T
            axes.scatter(x1, x2, s=size, marker=MARKERS[i], color=PALETTE[i], edgecolors="white",
                         linewidths=0.6, label=f"class {i}")
        right = f"{np.count_nonzero(true == found)} of {len(X)} samples are right"
        label_axes(axes, f"{name}: {right}" if name else right, "x₂", "x₁")
        axes.grid(visible=False)
        axes.set_aspect("equal", adjustable="box")
    if shades is not None:
        figure.colorbar(shades, ax=panels, label="Probability of class 1", ticks=[0, 0.5, 1],
                        shrink=0.8)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize="small")
    return save_figure(figure, path)


def outputs_of(answer: Answer, points: Array) -> Array:
    """Return the answers of a function to points, shape ``(m, k)``, or raise a ShapeError."""
    outputs = as_array(answer(points))
    if outputs.ndim != 2 or len(outputs) != len(points) or not outputs.shape[1]:
        raise ShapeError(
            f"plot_decision_boundary: answers must be of shape ({len(points)}, k) for points of "
            f"shape {points.shape}. Got {outputs.shape}.")
    return outputs


def _draw_probability(axes: Axes, u: Array, v: Array, p: Array) -> Any:
    from matplotlib.colors import LinearSegmentedColormap
    # The colours of the two classes' markers, with white between them.
    colours = LinearSegmentedColormap.from_list("two classes", [PALETTE[0], "white", PALETTE[1]])
    within = np.clip(p, 0.0, 1.0)
    shades = axes.contourf(u, v, within, levels=np.linspace(0, 1, 21), cmap=colours, alpha=0.75)
    if p.min() < 0.5 < p.max():
        axes.contour(u, v, p, levels=[0.5], colors="black", linewidths=1.5)
    return shades


def _draw_regions(axes: Axes, u: Array, v: Array, outputs: Array) -> None:
    from matplotlib.colors import to_rgb
    best = outputs.argmax(axis=2)
    second, first = np.moveaxis(np.sort(outputs, axis=2)[..., -2:], 2, 0)
    lead = (first - second) / max(float((first - second).max()), np.finfo(float).tiny)
    colours = np.array([to_rgb(colour) for colour in PALETTE[: outputs.shape[2]]])
    strength = (0.1 + 0.4 * lead)[..., None]
    picture = 1 - strength * (1 - colours[best])
    axes.imshow(picture, origin="lower", extent=(u[0], u[-1], v[0], v[-1]), aspect="auto",
                interpolation="bilinear")
    for i in range(outputs.shape[2]):
        others = np.delete(outputs, i, axis=2).max(axis=2)
        if (best == i).any() and (best != i).any():
            axes.contour(u, v, outputs[..., i] - others, levels=[0.0], colors="black",
                         linewidths=1.0)
