"""Pictures: curves of training, the comparison of the document's two losses, arrays.

The figures are made without pyplot, which would keep each of them alive, and do not depend on its
settings; only `show_training` opens it, where there is a display.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp import nn
from tinygrad_mlp.autograd.functional import grad
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.ops import sigmoid
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tinygrad_mlp.history import History

# Okabe and Ito's blue and vermilion differ for every kind of colour vision, and the markers and
# dashes also in a grey print.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#767676"
TRAINING: dict[str, Any] = {"color": BLUE, "marker": "o", "label": "training"}
VALIDATION: dict[str, Any] = {
    "color": VERMILION, "marker": "s", "linestyle": "--", "label": "validation",
}  # fmt: skip
LOSS_STYLES: dict[str, dict[str, Any]] = {
    "mean_square": {"color": VERMILION, "marker": "s"},
    "cross_entropy": {"color": BLUE, "marker": "o"},
}
MARKER_SIZE = 3.5

# Backends that draw files only; the names of the others vary with what is installed.
FILE_BACKENDS = ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")

# The squared error counts as stuck where it moves z less than a tenth as much as the cross
# entropy does.
STUCK = 0.1


def plot_history(history: History, path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw loss per sample and accuracy, in training and validation, against iterations.

    Args:
        history: with at least one record. Without accuracies there is only the loss.
        path: also save the picture there, in the format of its ending (.png, .pdf, .svg ...).

    Raises:
        InvalidArgumentError: `history` is empty, or matplotlib does not know the ending.
        DataNotFoundError: the folder does not exist.

    >>> from tinygrad_mlp.history import History, Record
    >>> history = History()
    >>> history.append(Record(0, 0, 0.1, 2.5, 0.1, 2.6, 0.1))
    >>> history.append(Record(9, 0, 0.2, 1.5, 0.6, 1.7, 0.5))
    >>> [axes.get_ylabel() for axes in plot_history(history).axes]
    ['Loss per sample', 'Accuracy']
    """
    _require_records(history, "plot_history")
    figure, panels = _panels(2 if _known(history.training_accuracy) else 1)
    for axes, quantity in zip(panels, ("loss", "accuracy"), strict=False):
        for part, style in (("training", TRAINING), ("validation", VALIDATION)):
            values = getattr(history, f"{part}_{quantity}")
            if _known(values):
                _curve(axes, history.iteration, values, **style)
        _label(axes, quantity.capitalize(), {"loss": "Loss per sample"}.get(quantity, "Accuracy"))
        axes.legend()
    if panels[0].get_ylim()[0] < 0 <= min(history.training_loss):
        panels[0].set_ylim(bottom=0)
    return _saved(figure, path)


def show_training(history: History, loss_name: str, loss_factor: float = 1.0) -> Figure | None:
    """Show the document's two plots: error and accuracy on the training data.

    On a machine without a display they are saved to ``training_<loss_name>.png`` in the current
    folder, and its path is printed.

    Args:
        history: of the training.
        loss_name: for the titles.
        loss_factor: by which the losses, which are per sample, are multiplied.

    Returns:
        The figure, or None where nothing has been recorded.
    """
    if not len(history):
        return None  # training was interrupted before the first evaluation
    curves = {"Error": [loss * loss_factor for loss in history.training_loss]}
    if _known(history.training_accuracy):
        curves["Accuracy"] = history.training_accuracy
    display = _has_display()
    figure, panels = _panels(len(curves), pyplot=display)
    for axes, (name, values) in zip(panels, curves.items(), strict=True):
        _curve(axes, history.iteration, values, **TRAINING)
        _label(axes, f"Training {name} vs Iterations ({loss_name})", name)
    if display:
        import matplotlib.pyplot as plt

        plt.show()
        return figure
    path = os.path.abspath(f"training_{loss_name}.png")
    try:
        _saved(figure, path)
    except OSError as error_of_system:
        # The weights are worth more than their picture: training must not end in an exception.
        print(f"The curves of training could not be saved: {error_of_system}")
    else:
        print(f"There is no display: the curves of training are in {path}")
    return figure


def plot_comparison(
    histories: Mapping[str, History], path: str | os.PathLike[str] | None = None
) -> Figure:
    """Draw how two losses fare, and why: accuracy, error, and the pull on the pre-activation.

    The third panel is the document's argument. For an output ``a = g(z)`` whose target is 1, it
    shows how strongly each loss pulls at ``z``, ``|∂L/∂z|``, as the gradients of this package
    give it. Where z is far below 0 the answer is wrong, and yet the squared error hardly moves.

    Args:
        histories: by the name of the loss, "mean_square" and "cross_entropy"; one will do.
        path: also save the picture there, in the format of its ending.

    Raises:
        InvalidArgumentError: a history is empty, a name is unknown, or matplotlib does not know
            the ending.
        DataNotFoundError: the folder does not exist.
    """
    for name, history in histories.items():
        _require_records(history, "plot_comparison")
        if name not in LOSS_STYLES:
            raise InvalidArgumentError(
                f"plot_comparison: histories must be named by {', '.join(LOSS_STYLES)}; got "
                f"{name!r}."
            )
    figure, (accuracies, errors, pull) = _panels(3)
    for name, history in histories.items():
        style, label = LOSS_STYLES[name], name.replace("_", " ")
        if _known(history.validation_accuracy):
            _curve(accuracies, history.iteration, history.validation_accuracy, **style,
                   label=f"{label}, validation")  # fmt: skip
        if _known(history.training_accuracy):
            _curve(accuracies, history.iteration, history.training_accuracy,
                   label=f"{label}, training", **{**style, "marker": "", "linestyle": ":"})
        first = history.training_loss[0] or 1.0
        _curve(errors, history.iteration, [loss / first for loss in history.training_loss], **style,
               label=label)  # fmt: skip
    _label(accuracies, "Accuracy", "Share of right answers")
    # What the untrained networks guess would squeeze the rest against the upper edge.
    trained = [y for line in accuracies.lines for y in np.asarray(line.get_ydata())[1:]]
    if trained:
        accuracies.set_ylim(max(0.0, min(trained) - 0.05), 1.01)
    _label(errors, "Training error", "Relative to its first value")
    errors.set_yscale("log")
    accuracies.legend()
    errors.legend()
    _draw_pull(pull)
    return _saved(figure, path)


def heat_map(values: Array, title: str, path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw an array as a picture: 0 white, positive orange, negative violet, NaN or ∞ black.

    Args:
        values: a number, a vector (drawn as a column), or a matrix; more axes after the first
            are laid out in one row.
        title: what it shows.
        path: also save the picture there, in the format of its ending.

    Raises:
        InvalidArgumentError: `values` is empty, or matplotlib does not know the ending.
        DataNotFoundError: the folder does not exist.

    >>> heat_map(np.array([[0.0, 1.0], [-2.0, 0.0]]), "difference").axes[0].get_title()
    'difference'
    """
    values = np.asarray(values, np.float64)
    if values.size == 0:
        raise InvalidArgumentError(
            f"heat_map: values must have at least one element; got shape {values.shape}."
        )
    matrix = values.reshape(len(values) if values.ndim else 1, -1)
    from matplotlib import colormaps

    figure, (axes,) = _panels(1)
    finite = np.abs(matrix[np.isfinite(matrix)])
    # Symmetric about 0, so that the colour tells the sign.
    limit = finite.max(initial=0.0) or 1.0
    colours = colormaps["PuOr_r"].with_extremes(bad="black")
    image = axes.imshow(matrix, cmap=colours, vmin=-limit, vmax=limit, aspect="auto")
    figure.colorbar(image, ax=axes)
    _label(axes, title, "Row", "Column")
    axes.grid(visible=False)
    axes.locator_params(integer=True)
    return _saved(figure, path)


def plot_gradient_errors(
    errors: Sequence[Array],
    titles: Sequence[str],
    rtol: float,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw the relative errors of gradients: right ones blue, wrong ones orange, NaN and ∞ black.

    The colour is the logarithm of error / rtol, so that it changes hue at what is allowed.

    Args:
        errors: for each picture an array; axes after the first are laid out in one row.
        titles: of the pictures.
        rtol: the relative error allowed.
        path: also save the figure there, in the format of its ending.

    Raises:
        InvalidArgumentError: there is nothing to draw, or matplotlib does not know the ending.
        DataNotFoundError: the folder does not exist.

    >>> figure = plot_gradient_errors([np.array([[0.0, 1e-14], [5e-4, 0.0]])], ["out / W"], 1e-6)
    >>> figure.axes[0].get_title()
    'out / W'
    """
    drawn = [(a, title) for a, title in zip(errors, titles, strict=True) if a.size]
    if not drawn:
        raise InvalidArgumentError(
            "plot_gradient_errors: there must be at least one array with an element; got none."
        )
    from matplotlib import colormaps

    colours = colormaps["PuOr_r"].with_extremes(bad="black")
    figure, panels = _panels(len(drawn))
    for axes, (array, title) in zip(panels, drawn, strict=True):
        matrix = np.asarray(array, np.float64).reshape(len(array) if array.ndim else 1, -1)
        # What is below the colours' range is drawn as its end: 0 is not missing.
        excess = np.log10(np.maximum(matrix, 1e-300) / max(rtol, 1e-300))
        shown = np.where(np.isfinite(matrix), excess, np.nan)
        axes.imshow(shown, cmap=colours, vmin=-6, vmax=6, aspect="auto")
        _label(axes, title, "Row", "Column")
        axes.grid(visible=False)
        axes.locator_params(integer=True)
    figure.colorbar(panels[0].images[0], ax=panels, label="log₁₀ (relative error / allowed)")
    return _saved(figure, path)


def pull_on_pre_activation(z: Array) -> dict[str, Array]:
    """``|∂L/∂z|`` of the output ``a = g(z)`` with target 1, for each of the document's losses.

    Both are differentiated through the sigmoid by this package: nobody wrote the result down.

    >>> pulls = pull_on_pre_activation(np.array([-4.0, 0.0]))
    >>> a = 1 / (1 + np.exp(4.0))
    >>> bool(np.isclose(pulls["cross_entropy"][0], 1 - a))
    True
    >>> bool(np.isclose(pulls["mean_square"][0], (1 - a) * a * (1 - a)))
    True
    """
    target = np.ones_like(z)
    losses = {"mean_square": nn.squared_error, "cross_entropy": nn.binary_cross_entropy}
    return {
        # A vector is one sample and its loss a sum, so that each z feels its own term only.
        name: np.abs(grad(lambda z, loss=loss: loss(sigmoid(z), target))(z))
        for name, loss in losses.items()
    }


def _draw_pull(axes: Axes) -> None:
    z = np.linspace(-8.0, 4.0, 601)
    pulls = pull_on_pre_activation(z)
    for name, values in pulls.items():
        axes.plot(z, values, color=LOSS_STYLES[name]["color"], label=name.replace("_", " "))
    # Below z = 0 the output is nearer to 0 than to its target 1.
    stuck = (z < 0) & (pulls["mean_square"] < STUCK * pulls["cross_entropy"])
    axes.axvspan(z[stuck].min(), z[stuck].max(), color=GREY, alpha=0.18, linewidth=0)
    axes.annotate(
        "wrong answer, yet\nthe mean square\nhardly learns",
        xy=(z[stuck].mean(), 0.02), xytext=(z[stuck].mean(), 0.45), ha="center", va="center",
        fontsize="small", arrowprops={"arrowstyle": "->", "color": GREY},
    )  # fmt: skip
    _label(axes, "Why: the pull on an output that should be 1", "|∂L/∂z|", "Pre-activation z")
    axes.legend()


def _panels(n: int, pyplot: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure with `n` panels side by side; with `pyplot`, one that its ``show`` will show."""
    if pyplot:
        import matplotlib.pyplot as plt

        new: Callable[..., Figure] = plt.figure
    else:
        from matplotlib.figure import Figure as new  # noqa: N813
    figure = new(figsize=(4.4 * n, 3.5), layout="constrained")
    return figure, list(figure.subplots(1, n, squeeze=False)[0])


def _curve(axes: Axes, iterations: list[int], values: list[Any], **style: Any) -> None:
    axes.plot(iterations, values, markersize=MARKER_SIZE, linewidth=1.5, **style)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="x", nbins=6, integer=True)


def _label(axes: Axes, title: str, y: str, x: str = "Iterations") -> None:
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.title.set_fontsize("medium")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _known(values: list[Any]) -> bool:
    return all(value is not None for value in values)


def _require_records(history: History, who: str) -> None:
    if not len(history):
        raise InvalidArgumentError(
            f"{who}: history must have at least one record; got none. Training records with "
            "monitor=True, or with plot=True."
        )


def _saved(figure: Figure, path: str | os.PathLike[str] | None) -> Figure:
    if path is not None:
        check_picture_format(path)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=150)
    return figure


def check_picture_format(path: str | os.PathLike[str]) -> None:
    """Refuse a path whose ending is no format of matplotlib's.

    Raises:
        InvalidArgumentError: it is none; the message lists them.

    >>> check_picture_format("curves.png")
    """
    from matplotlib.backend_bases import FigureCanvasBase

    known = sorted(FigureCanvasBase.get_supported_filetypes())
    if os.path.splitext(path)[1].lstrip(".").lower() not in known:
        raise InvalidArgumentError(
            f"a picture must end in one of {', '.join('.' + name for name in known)}; got "
            f"{os.fspath(path)}."
        )


def _has_display() -> bool:
    """Whether matplotlib shows figures here: in a window, or in a notebook."""
    import matplotlib.pyplot as plt

    backend = plt.get_backend().lower()
    if "inline" in backend:
        # A notebook hands this setting on to the programs started from it, which have no display.
        shell = sys.modules.get("IPython")
        return shell is not None and shell.get_ipython() is not None
    return backend not in FILE_BACKENDS
