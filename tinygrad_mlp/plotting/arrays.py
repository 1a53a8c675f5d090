"""Arrays as pictures: differences of gradients, and the errors that `check_grad` finds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.plotting.figures import label_image, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def heat_map(values: Array, title: str, path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw an array as a picture: 0 white, positive orange, negative violet, NaN or ∞ black.

    Args:
        values: a number, a vector (drawn as a column), or a matrix; more axes after the first
            are laid out in one row.
        title: the title of the picture.
        path: also save the picture there, in the format of its ending.

    Raises:
        InvalidArgumentError: `values` is empty, or matplotlib does not know the ending.
        DataNotFoundError: the folder does not exist.
        WriteError: the file cannot be written, as on a full disk; an old one remains.

    >>> heat_map(np.array([[0.0, 1.0], [-2.0, 0.0]]), "difference").axes[0].get_title()
    'difference'
    """
    values = np.asarray(values, np.float64)
    if values.size == 0:
        raise InvalidArgumentError(
            f"heat_map: values must have at least one element. Got shape {values.shape}.")
    from matplotlib import colormaps
    figure, (axes,) = new_figure(1)
    finite = np.abs(values[np.isfinite(values)])
    # Symmetric about 0, so that the colour tells the sign.
    limit = finite.max(initial=0.0) or 1.0
    colours = colormaps["PuOr_r"].with_extremes(bad="black")
    image = axes.imshow(_matrix(values), cmap=colours, vmin=-limit, vmax=limit, aspect="auto")
    figure.colorbar(image, ax=axes)
    label_image(axes, title)
    return save_figure(figure, path)


def plot_gradient_errors(errors: Sequence[Array], titles: Sequence[str], rtol: float,
                         path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw the relative errors of gradients: right ones white to blue, wrong ones orange to brown.

    The colour is the logarithm of error / rtol: the hue changes at the error allowed, and darker is
    more wrong, also in a grey print. NaN and ∞ are black.

    Args:
        errors: for each picture an array; axes after the first are laid out in one row.
        titles: of the pictures.
        rtol: the relative error allowed.
        path: also save the figure there, in the format of its ending.

    Raises:
        InvalidArgumentError: there is nothing to draw, or matplotlib does not know the ending.
        DataNotFoundError: the folder does not exist.
        WriteError: the file cannot be written, as on a full disk; an old one remains.

    >>> figure = plot_gradient_errors([np.array([[0.0, 1e-14], [5e-4, 0.0]])], ["out / W"], 1e-6)
    >>> figure.axes[0].get_title()
    'out / W'
    """
    pairs = zip(errors, titles, strict=True)
    drawn = [(np.asarray(a, np.float64), title) for a, title in pairs if a.size]
    if not drawn:
        raise InvalidArgumentError(
            "plot_gradient_errors: there must be at least one array with an element. Got none.")
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap
    right, wrong = colormaps["Blues"], colormaps["Oranges"]
    halves = [right(np.linspace(0.0, 0.45, 128)), wrong(np.linspace(0.55, 1.0, 128))]
    colours = ListedColormap(np.concatenate(halves)).with_extremes(bad="black")
    figure, panels = new_figure(len(drawn))
    for axes, (array, title) in zip(panels, drawn, strict=True):
        # An error of 0 is drawn as the smallest that has a colour.
        excess = np.log10(np.maximum(array, 1e-300) / max(rtol, 1e-300))
        shown = np.where(np.isfinite(array), excess, np.nan)
        axes.imshow(_matrix(shown), cmap=colours, vmin=-6, vmax=6, aspect="auto")
        label_image(axes, title)
    figure.colorbar(panels[0].images[0], ax=panels, label="log₁₀ (relative error / allowed)")
    return save_figure(figure, path)


def _matrix(array: Array) -> Array:
    """Return an array as a matrix: a row for each entry of the first axis."""
    return array.reshape(len(array) if array.ndim else 1, -1)
