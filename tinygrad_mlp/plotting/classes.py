"""What a classifier gets right and wrong: the confusion matrix, and the samples themselves."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError
from tinygrad_mlp.plotting.figures import label_image, new_figure, save_figure
from tinygrad_mlp.support.checks import integer_at_least

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STRONG = 0.99
"""Share of the weights that the colours tell apart; the rest are darkest."""

MOST_WRITTEN = 20
"""Up to this many classes the numbers are written into the confusion matrix."""


def plot_confusion(
    Y: Any,
    Y_hat: Any,
    classes: Sequence[Any] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw how often samples of one class were taken for another.

    Row i, column j: the number of samples of class i whose answer was j. The colour is the share
    of the row and of mistakes only, since beside the right answers all mistakes would look alike.

    Args:
        Y: targets, one-hot of shape ``(n, k)``, or class numbers of shape ``(n,)``.
        Y_hat: outputs of shape ``(n, k)``, or class numbers of shape ``(n,)``.
        classes: names of the classes; their numbers by default.
        path: also save the picture there, in the format of its ending.

    Raises:
        ShapeError: arrays of other shapes, or of different numbers of samples.
        InvalidArgumentError: class numbers that are negative or no integers, too few names, or
            matplotlib does not know the ending.
        DataNotFoundError: the folder does not exist.

    >>> figure = plot_confusion([0, 1, 1, 2], [0, 1, 2, 2])
    >>> figure.axes[0].get_title()
    'Confusion: 3 of 4 right (75.0 %)'
    """
    true, answered, k = classes_of(Y, Y_hat, "plot_confusion")
    names = [str(i) for i in range(k)] if classes is None else [str(name) for name in classes]
    if len(names) < k:
        raise InvalidArgumentError(
            f"plot_confusion: classes must name all {k} classes; got {len(names)} names."
        )
    k = len(names)
    counts = np.zeros((k, k), np.int64)
    np.add.at(counts, (true, answered), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    wrong = np.where(np.eye(k, dtype=bool), np.nan, shares)
    most = float(np.nanmax(wrong, initial=0.0)) or 1.0
    from matplotlib import colormaps

    side = 3.2 + 0.28 * min(k, 20)
    figure, (axes,) = new_figure(1, size=(side + 1.2, side))
    colours = colormaps["Oranges"].with_extremes(bad="#E8E8E8")
    image = axes.imshow(wrong, cmap=colours, vmin=0, vmax=most, interpolation="none")
    figure.colorbar(image, ax=axes, label="Share of the class taken for another", shrink=0.8)
    right = int(np.trace(counts))
    share = 100 * right / len(true)
    title = f"Confusion: {right} of {len(true)} right ({share:.1f} %)"
    label_image(axes, title, "True class", "Answer")
    if k <= MOST_WRITTEN:
        ticks = range(k)
        axes.set_xticks(ticks, names)
        if max(map(len, names)) > 3:
            axes.tick_params(axis="x", labelrotation=90)
        axes.set_yticks(ticks, names)
        for (i, j), count in np.ndenumerate(counts):
            if count:
                dark = i != j and shares[i, j] > 0.6 * most
                axes.text(j, i, f"{count}", ha="center", va="center", fontsize="small",
                          color="white" if dark else "black",
                          fontweight="bold" if i == j else "normal")  # fmt: skip
    return save_figure(figure, path)


def plot_mistakes(
    X: Any,
    Y: Any,
    Y_hat: Any,
    n: int = 20,
    shape: tuple[int, int] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw the images a classifier got wrong, those it was surest of first.

    Above each image stands what it was taken for and what it is, with the outputs of the network
    for both: the probabilities, where the last layer gives such.

    Args:
        X: images, shape ``(n, height · width)`` or ``(n, …, height, width)``.
        Y: targets, one-hot of shape ``(n, k)``, or class numbers of shape ``(n,)``.
        Y_hat: outputs of the network, shape ``(n, k)``.
        n: how many images at most.
        shape: height and width of the images in pixels; square by default.
        path: also save the picture there, in the format of its ending.

    Raises:
        ShapeError: arrays of other shapes, or of different numbers of samples.
        InvalidArgumentError: class numbers that are no such, or matplotlib does not know the
            ending.
        DataNotFoundError: the folder does not exist.

    >>> X, outputs = np.zeros((2, 9)), np.array([[0.9, 0.1], [0.3, 0.7]])
    >>> plot_mistakes(X, [0, 0], outputs).axes[0].get_title()
    '1: 0.70\\nis 0: 0.30'
    """
    n = integer_at_least(1, n, "plot_mistakes: n")
    outputs = np.asarray(plain_array(Y_hat))
    if outputs.ndim != 2:
        raise ShapeError(
            f"plot_mistakes: Y_hat must be the outputs, of shape (n, k); got {outputs.shape}."
        )
    true, answered, _ = classes_of(Y, outputs, "plot_mistakes")
    images = as_images(np.asarray(plain_array(X)), shape, "plot_mistakes: X")
    if len(images) != len(true):
        raise ShapeError(
            f"plot_mistakes: X and Y must have as many samples as each other; got {len(images)} "
            f"and {len(true)}."
        )
    wrong = surest_mistakes(true, outputs)
    shown = wrong[:n]
    if not len(shown):
        figure, (axes,) = new_figure(1)
        axes.axis("off")
        axes.text(0.5, 0.5, f"All {len(true)} answers are right.", ha="center", va="center")
        return save_figure(figure, path)
    figure, panels = new_figure(len(shown), columns=10 if len(shown) > 12 else 6, size=(1.1, 1.5))
    for axes, i in zip(panels, shown, strict=True):
        axes.imshow(images[i], cmap="gray_r")
        axes.axis("off")
        axes.set_title(
            f"{answered[i]}: {outputs[i, answered[i]]:.2f}\nis {true[i]}: "
            f"{outputs[i, true[i]]:.2f}", fontsize=8.5,
        )  # fmt: skip
    figure.suptitle(
        f"{len(wrong)} of {len(true)} wrong; answer and output, below what it is and output",
        fontsize="medium",
    )
    return save_figure(figure, path)


def surest_mistakes(true: Array, outputs: Array) -> Array:
    """The samples whose largest output is not that of their class, the largest of these first.

    Args:
        true: class numbers, shape ``(n,)``.
        outputs: shape ``(n, k)``.

    >>> surest_mistakes(np.array([0, 0, 1]), np.array([[0.4, 0.6], [0.1, 0.9], [0.2, 0.8]]))
    array([1, 0])
    """
    answered = outputs.argmax(axis=1)
    wrong = np.flatnonzero(true != answered)
    in_order: Array = wrong[np.argsort(-outputs[wrong, answered[wrong]], kind="stable")]
    return in_order


def plot_weights(
    weights: Any,
    n: int = 64,
    shape: tuple[int, int] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw the weights of a first layer as images: what each unit looks for in its input.

    One image a unit, in the order of the units. White is 0, orange positive, violet negative; a
    unit's output grows where the input is bright on orange. The strongest hundredth of the weights
    has the darkest colours.

    Args:
        weights: an array of shape ``(units, height · width)`` or ``(units, …, height, width)``; a
            module, whose first such parameter is taken; or a `NeuralNetwork`.
        n: how many units at most.
        shape: height and width of the images in pixels; square by default.
        path: also save the picture there, in the format of its ending.

    Raises:
        ShapeError: the weights are no images of that shape.
        InvalidArgumentError: there are no weights, or matplotlib does not know the ending.
        DataNotFoundError: the folder does not exist.

    >>> plot_weights(np.eye(4)).axes[0].get_title()
    'Weights of 4 units, 2 × 2 pixels each'
    """
    n = integer_at_least(1, n, "plot_weights: n")
    array = np.asarray(_first_weights(weights), np.float64)
    if not array.size:
        raise InvalidArgumentError(
            f"plot_weights: weights must have at least one element; got shape {array.shape}."
        )
    images = as_images(array, shape, "plot_weights: weights")[:n]
    rows, columns = images.shape[1:]
    across = math.ceil(math.sqrt(len(images) * 1.5))
    down = math.ceil(len(images) / across)
    # One picture with gaps, and not a panel for each image: a hundred panels take half a minute.
    mosaic = np.full((down * (rows + 1) - 1, across * (columns + 1) - 1), np.nan)
    for i, image in enumerate(images):
        top, left = i // across * (rows + 1), i % across * (columns + 1)
        mosaic[top : top + rows, left : left + columns] = image
    sizes = np.abs(images[np.isfinite(images)])
    largest = float(sizes.max(initial=0.0))
    # A few weights of pixels that hardly ever differ would leave all others white.
    strong = float(np.quantile(sizes, STRONG, method="higher")) if sizes.size else 0.0
    limit = strong or largest or 1.0
    from matplotlib import colormaps

    figure, (axes,) = new_figure(1, size=(7.0, 5.5 * down / across + 0.6))
    colours = colormaps["PuOr_r"].with_extremes(bad="#606060")
    drawn = axes.imshow(mosaic, cmap=colours, vmin=-limit, vmax=limit, interpolation="none")
    extend = "both" if largest > limit else "neither"
    figure.colorbar(drawn, ax=axes, label="Weight", shrink=0.8, extend=extend)
    units = "unit" if len(images) == 1 else "units"
    of = f" of {len(array)}" if len(array) > len(images) else ""
    axes.set_title(
        f"Weights of {len(images)}{of} {units}, {rows} × {columns} pixels each", fontsize="medium"
    )
    middles = [i * (columns + 1) + (columns - 1) / 2 for i in range(across)]
    axes.set_xticks(middles, [str(i) for i in range(across)])
    middles = [i * (rows + 1) + (rows - 1) / 2 for i in range(down)]
    axes.set_yticks(middles, [str(i * across) for i in range(down)])
    axes.tick_params(length=0)
    axes.set(xlabel="added to the number on the left", ylabel="Unit")
    return save_figure(figure, path)


def as_images(array: Array, shape: tuple[int, int] | None, name: str) -> Array:
    """Samples as images, shape ``(n, height, width)``.

    Raises:
        ShapeError: they are no images of that shape, or of no square shape if none is given.

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
            f"{name} must have rows of {expected}; got shape {array.shape}. Give "
            f"shape=(height, width) for images that are not square; they must have one channel."
        )
    return array.reshape(len(array), *shape)


def _first_weights(weights: Any) -> Any:
    matrices = getattr(weights, "weights", None)  # a NeuralNetwork
    if matrices is not None:
        return matrices[0]
    if hasattr(weights, "named_parameters"):
        for _, parameter in weights.named_parameters():
            if parameter.data.ndim >= 2:
                return parameter.data
        raise InvalidArgumentError(
            f"plot_weights: {type(weights).__name__} has no parameter with two axes or more."
        )
    return plain_array(weights)


def plain_array(value: Any) -> Any:
    """What a tensor holds; anything else as it is."""
    return value.data if isinstance(value, Value) else value


def classes_of(Y: Any, Y_hat: Any, who: str) -> tuple[Array, Array, int]:
    """Class numbers of targets and of answers, and the number of classes.

    Raises:
        ShapeError: they are neither columns for the classes nor class numbers, or not as many.
        InvalidArgumentError: class numbers that are negative or no integers.
    """
    numbers, widths = [], []
    for name, given in (("Y", Y), ("Y_hat", Y_hat)):
        array = np.asarray(plain_array(given))
        if array.ndim == 2 and array.size:
            numbers.append(array.argmax(axis=1))
            widths.append(array.shape[1])
            continue
        if array.ndim != 1 or not array.size:
            raise ShapeError(
                f"{who}: {name} must be of shape (n, k), a column for each class, or of shape "
                f"(n,), class numbers; got {array.shape}."
            )
        whole = array.astype(np.int64) if array.dtype.kind in "fiub" else None
        if whole is None or (whole != array).any() or (whole < 0).any():
            raise InvalidArgumentError(
                f"{who}: {name} must hold class numbers 0, 1, 2, …; got {array[:5]!r}."
            )
        numbers.append(whole)
        widths.append(int(whole.max()) + 1)
    true, answered = numbers
    if len(true) != len(answered):
        raise ShapeError(
            f"{who}: Y and Y_hat must have as many samples as each other; got {len(true)} and "
            f"{len(answered)}."
        )
    return true, answered, max(widths)
