"""The confusion matrix of a classifier, and the classes of targets and answers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError
from tinygrad_mlp.plotting.figures import VERMILION, label_image, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

MOST_WRITTEN = 20  # the most classes of a confusion matrix in which the numbers are written


def plot_confusion(Y: ArrayLike, Y_hat: ArrayLike, classes: Sequence[object] | None = None,
                   path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw how often samples of one class were taken for another.

    Row i, column j holds the number of samples of class i whose answer was j. The colour is the
    share of the row. Correct answers have none, since beside them all mistakes would look alike.

    Args:
        Y: targets, one-hot of shape ``(n, k)``, or class numbers of shape ``(n,)``.
        Y_hat: outputs of shape ``(n, k)``, or class numbers of shape ``(n,)``.
        classes: names of the classes; their numbers by default.
        path: also save the picture there, in the format of its ending.

    Raises:
        ShapeError: arrays of other shapes, or of different numbers of samples.
        InvalidArgumentError: class numbers that are negative or not integers, too few names, or an
            ending that matplotlib does not know.
        DataNotFoundError: the folder does not exist.
        WriteError: the file cannot be written, as on a full disk; an old one remains.

    >>> figure = plot_confusion([0, 1, 1, 2], [0, 1, 2, 2])
    >>> figure.axes[0].get_title()
    'Confusion: 3 of 4 right (75.0 %)'
    """
    true, answered, k = classes_of(Y, Y_hat, "plot_confusion")
    names = [str(name) for name in (range(k) if classes is None else classes)]
    if len(names) < k:
        raise InvalidArgumentError(
            f"plot_confusion: classes must name all {k} classes. Got {len(names)} names.")
    k = len(names)
    counts = np.zeros((k, k), np.int64)
    np.add.at(counts, (true, answered), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    wrong = np.where(np.eye(k, dtype=bool), np.nan, shares)
    most = float(np.nanmax(wrong, initial=0.0)) or 1.0
    from matplotlib.colors import LinearSegmentedColormap, to_rgb
    side = 3.2 + 0.28 * min(k, 20)
    figure, (axes,) = new_figure(1, size=(side + 1.2, side))
    # The page shines through, which may be dark: nothing has its colour, and its ink is readable.
    ends = [(*to_rgb(VERMILION), opacity) for opacity in (0.0, 0.7)]
    fading = LinearSegmentedColormap.from_list("share", ends)
    colours = fading.with_extremes(bad="#80808033")
    image = axes.imshow(wrong, cmap=colours, vmin=0, vmax=most, interpolation="none")
    figure.colorbar(image, ax=axes, label="Share of the class taken for another", shrink=0.8)
    n, right = len(true), int(np.trace(counts))
    title = f"Confusion: {right} of {n} right ({100 * right / n:.1f} %)"
    label_image(axes, title, "True class", "Answer")
    if k <= MOST_WRITTEN:
        axes.set_xticks(range(k), names, rotation=90 if max(map(len, names)) > 3 else 0)
        axes.set_yticks(range(k), names)
        for (i, j), count in np.ndenumerate(counts):
            if count:
                axes.text(j, i, f"{count}", ha="center", va="center", fontsize="small",
                          fontweight="bold" if i == j else "normal")
    return save_figure(figure, path)


def surest_mistakes(true: Array, outputs: Array) -> Array:
    """Return the samples whose largest output is of another class, the largest output first.

    >>> surest_mistakes(np.array([0, 0, 1]), np.array([[0.4, 0.6], [0.1, 0.9], [0.2, 0.8]]))
    array([1, 0])
    """
    answered = outputs.argmax(axis=1)
    wrong = np.flatnonzero(true != answered)
    return wrong[np.argsort(-outputs[wrong, answered[wrong]], kind="stable")]


def as_array(value: object) -> Array:
    """Return a tensor, an array or a list as an array."""
    return np.asarray(value.data if isinstance(value, Value) else value)


def classes_of(Y: ArrayLike, Y_hat: ArrayLike, who: str) -> tuple[Array, Array, int]:
    """Return the class numbers of targets and of answers, and the number of classes."""
    numbers, widths = [], []
    for name, given in (("Y", Y), ("Y_hat", Y_hat)):
        array = as_array(given)
        if array.ndim == 2 and array.size:
            numbers.append(array.argmax(axis=1))
            widths.append(array.shape[1])
            continue
        if array.ndim != 1 or not array.size:
            raise ShapeError(
                f"{who}: {name} must be of shape (n, k), a column for each class, or of shape "
                f"(n,), class numbers. Got {array.shape}.")
        whole = array.astype(np.int64) if array.dtype.kind in "fiub" else None
        if whole is None or (whole != array).any() or (whole < 0).any():
            raise InvalidArgumentError(
                f"{who}: {name} must hold class numbers 0, 1, 2, …. Got {array[:5]!r}.")
        numbers.append(whole)
        widths.append(int(whole.max()) + 1)
    true, answered = numbers
    if len(true) != len(answered):
        raise ShapeError(
            f"{who}: Y and Y_hat must have the same number of samples. Got {len(true)} and "
            f"{len(answered)}.")
    return true, answered, max(widths)
