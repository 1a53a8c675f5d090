"""Images of samples and of weights: mistakes of a classifier, the first layer of a network."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError
from tinygrad_mlp.plotting.classes import as_array, classes_of, surest_mistakes
from tinygrad_mlp.plotting.figures import GREY, new_figure, save_figure
from tinygrad_mlp.support.checks import integer_at_least

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

NUMBER_HEIGHT = 0.35  # of the number above an image, as a share of the image's height
STRONG = 0.99  # share of the weights whose size the colours distinguish; the rest are darkest


def plot_mistakes(X: ArrayLike, Y: ArrayLike, Y_hat: ArrayLike, n: int = 20,
                  shape: tuple[int, int] | None = None,
                  path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw the images that a classifier got wrong, those with the largest outputs first.

    Above each image are the answer and the class of the image, with the outputs of the network for
    both: probabilities, if the last layer computes such.

    Args:
        X: images, shape ``(n, height · width)`` or ``(n, …, height, width)``.
        Y: targets, one-hot of shape ``(n, k)``, or class numbers of shape ``(n,)``.
        Y_hat: outputs of the network, shape ``(n, k)``.
        n: the most images that are drawn.
        shape: height and width of the images in pixels; square by default.
        path: also save the picture there, in the format of its ending.

    Raises:
        ShapeError: arrays of other shapes, or of different numbers of samples.
        InvalidArgumentError: class numbers that are negative or not integers, or an ending that
            matplotlib does not know.
        DataNotFoundError: the folder does not exist.
        WriteError: the file cannot be written, as on a full disk; an old one remains.

    >>> X, outputs = np.zeros((2, 9)), np.array([[0.9, 0.1], [0.3, 0.7]])
    >>> plot_mistakes(X, [0, 0], outputs).axes[0].get_title()
    '1: 0.70\\nis 0: 0.30'
    """
    n = integer_at_least(1, n, "plot_mistakes: n")
    outputs = as_array(Y_hat)
    if outputs.ndim != 2:
        raise ShapeError(
            f"plot_mistakes: Y_hat must be the outputs, of shape (n, k). Got {outputs.shape}.")
    true, answered, _ = classes_of(Y, outputs, "plot_mistakes")
    images = as_images(as_array(X), shape, "plot_mistakes: X")
    if len(images) != len(true):
        raise ShapeError(
            f"plot_mistakes: X and Y must have the same number of samples. Got {len(images)} and "
            f"{len(true)}.")
    wrong = surest_mistakes(true, outputs)
    shown = wrong[:n]
    if not len(shown):
        figure, (axes,) = new_figure(1)
        axes.axis("off")
        axes.text(0.5, 0.5, f"All {len(true)} answers are right.", ha="center", va="center")
        return save_figure(figure, path)
    figure, panels = new_figure(len(shown), columns=5, size=(1.2, 1.5))
    figure.set_figwidth(6.0)  # that of five, so that there is room for the title
    for axes, i in zip(panels, shown, strict=True):
        axes.imshow(images[i], cmap="gray_r")
        axes.axis("off")
        taken_for, is_really = (f"{k}: {outputs[i, k]:.2f}" for k in (answered[i], true[i]))
        axes.set_title(f"{taken_for}\nis {is_really}", fontsize=8.5)
    figure.suptitle(
        f"{len(wrong)} of {len(true)} wrong: the answer, below the right class; outputs of both",
        fontsize="medium")
    return save_figure(figure, path)


def plot_weights(weights: object, n: int = 64, shape: tuple[int, int] | None = None,
                 path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw the weights of a first layer as images: the input to which each unit responds.

    There is one image a unit, with its number above it. White is 0, orange positive, violet
    negative: the output of a unit grows where the input is bright on orange. The largest hundredth
    of the weights has the darkest colours.

    Args:
        weights: an array of shape ``(units, height · width)`` or ``(units, …, height, width)``; a
            module, of which the first such parameter is drawn; or a `NeuralNetwork`.
        n: the most units that are drawn.
        shape: height and width of the images in pixels; square by default.
        path: also save the picture there, in the format of its ending.

    Raises:
        ShapeError: the weights are not images of that shape.
        InvalidArgumentError: there are no weights, or matplotlib does not know the ending.
        DataNotFoundError: the folder does not exist.
        WriteError: the file cannot be written, as on a full disk; an old one remains.

    >>> plot_weights(np.eye(4)).axes[0].get_title()
    'Weights of 4 units, 2 × 2 pixels each'
    """
    n = integer_at_least(1, n, "plot_weights: n")
    array = as_array(_first_weights(weights)).astype(np.float64)
    if not array.size:
        raise InvalidArgumentError(
            f"plot_weights: weights must have at least one element. Got shape {array.shape}.")
    images = as_images(array, shape, "plot_weights: weights")[:n]
    rows, columns = images.shape[1:]
    across = math.ceil(math.sqrt(len(images) * 1.5))
    down = math.ceil(len(images) / across)
    # One picture with gaps instead of a panel for each image: a hundred panels take half a minute.
    gap = max(1.0, rows * NUMBER_HEIGHT)  # above each image, for its number
    high, wide = rows + math.ceil(gap), columns + max(1, columns // 10)
    mosaic = np.full((down * high, across * wide), np.nan)
    corners = [(i // across * high + high - rows, i % across * wide) for i in range(len(images))]
    for (top, left), image in zip(corners, images, strict=True):
        mosaic[top : top + rows, left : left + columns] = image
    sizes = np.abs(images[np.isfinite(images)])
    largest = float(sizes.max(initial=0.0))
    # A few very large weights, of pixels that hardly vary, would leave all others white.
    strong = float(np.quantile(sizes, STRONG, method="higher")) if sizes.size else 0.0
    limit = strong or largest or 1.0
    from matplotlib import colormaps
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle
    figure, (axes,) = new_figure(1, size=(7.0, 5.5 * down * high / (across * wide) + 0.6))
    colours = colormaps["PuOr_r"].with_extremes(bad="none")
    drawn = axes.imshow(mosaic, cmap=colours, vmin=-limit, vmax=limit, interpolation="none")
    extend = "both" if largest > limit else "neither"
    figure.colorbar(drawn, ax=axes, label="Weight", shrink=0.8, extend=extend)
    units = "unit" if len(images) == 1 else "units"
    of = f" of {len(array)}" if len(array) > len(images) else ""
    title = f"Weights of {len(images)}{of} {units}, {rows} × {columns} pixels each"
    axes.set_title(title, fontsize="medium")
    frames = [Rectangle((left - 0.5, top - 0.5), columns, rows) for top, left in corners]
    axes.add_collection(PatchCollection(frames, facecolor="none", edgecolor=GREY, linewidth=0.5))
    for i, (top, left) in enumerate(corners):
        axes.text(left - 0.5, top - 0.5 - 0.1 * gap, f"{i}", va="bottom")
    axes.set_ylim(down * high, -0.5)
    axes.axis("off")
    return save_figure(figure, path)


def as_images(array: Array, shape: tuple[int, int] | None, name: str) -> Array:
    """Return samples as images, shape ``(n, height, width)``; square ones without a shape.

    >>> as_images(np.zeros((5, 64)), None, "X").shape
    (5, 8, 8)
    >>> as_images(np.zeros((5, 1, 4, 6)), None, "X").shape
    (5, 4, 6)
    """
    if shape is None and array.ndim >= 3:
        shape = array.shape[-2], array.shape[-1]
    elif shape is None and array.ndim == 2:
        side = math.isqrt(array.shape[1])
        shape = side, side
    if shape is None or array.ndim < 2 or math.prod(array.shape[1:]) != shape[0] * shape[1]:
        expected = "pixels" if shape is None else f"{shape[0]} × {shape[1]} pixels"
        raise ShapeError(
            f"{name} must have rows of {expected}. Got shape {array.shape}. Give "
            f"shape=(height, width) for images that are not square; they must have one channel.")
    return array.reshape(len(array), *shape)


def _first_weights(weights: object) -> Any:
    matrices = getattr(weights, "weights", None)  # a NeuralNetwork
    if matrices is not None:
        return matrices[0]
    if hasattr(weights, "named_parameters"):
        for _, parameter in weights.named_parameters():
            if parameter.data.ndim >= 2:
                return parameter.data
        raise InvalidArgumentError(
            f"plot_weights: {type(weights).__name__} has no parameter with two axes or more.")
    return weights
