"""Curves of training: of one run, and of the mean square and the cross entropy side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp import nn
from tinygrad_mlp.autograd.functional import grad
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.ops import sigmoid
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.plotting.figures import (
    GREY,
    LOSS_STYLES,
    TRAINING,
    VALIDATION,
    Curves,
    all_known,
    cut_first_guesses,
    draw_curve,
    has_display,
    label_axes,
    log_losses,
    new_figure,
    require_records,
    save_figure,
)
from tinygrad_mlp.support.checks import one_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STUCK = 0.1  # ratio of the pulls of both losses on z below which the squared error hardly learns
QUANTITIES = ("loss", "accuracy")


def plot_history(history: Curves, path: str | os.PathLike[str] | None = None,
                 quantities: Sequence[str] = QUANTITIES) -> Figure:
    """Draw loss per sample and accuracy, in training and validation, against iterations.

    Args:
        history: a history with at least one record. Without accuracies only the loss is drawn.
        path: also save the picture there, in the format of its ending (.png, .pdf, .svg ...).
        quantities: "loss", "accuracy", or both.

    Raises:
        InvalidArgumentError: `history` is empty or without any of the quantities, or matplotlib
            does not know the ending.
        DataNotFoundError: the folder does not exist.
        WriteError: the file cannot be written, as on a full disk; an old one remains.

    >>> from tinygrad_mlp.training.history import History, Record
    >>> history = History()
    >>> history.append(Record(0, 0, 0.1, 2.5, 0.1, 2.6, 0.1))
    >>> history.append(Record(9, 0, 0.2, 1.5, 0.6, 1.7, 0.5))
    >>> [axes.get_ylabel() for axes in plot_history(history).axes]
    ['Loss per sample', 'Accuracy']
    """
    require_records(history, "plot_history")
    for quantity in quantities:
        one_of(quantity, QUANTITIES, "plot_history: quantities")
    drawn = [q for q in quantities if all_known(getattr(history, f"training_{q}"))]
    if not drawn:
        raise InvalidArgumentError(
            f"plot_history: quantities must have been recorded. Got {quantities!r} for {history}.")
    figure, panels = new_figure(len(drawn))
    for axes, quantity in zip(panels, drawn, strict=True):
        for part, style in (("training", TRAINING), ("validation", VALIDATION)):
            values = getattr(history, f"{part}_{quantity}")
            if all_known(values):
                draw_curve(axes, history.iteration, values, **style)
        y = "Loss per sample" if quantity == "loss" else "Accuracy"
        label_axes(axes, quantity.capitalize(), y)
        axes.legend()
        log_losses(axes) if quantity == "loss" else cut_first_guesses(axes)
    return save_figure(figure, path)


def show_training(history: Curves, loss_name: str, loss_factor: float = 1.0) -> Figure | None:
    """Show the two plots of the classic experiment: error and accuracy on the training data.

    Without a display they are saved to ``training_<loss_name>.png`` in the current folder, and the
    path is printed.

    Args:
        history: the history of the training.
        loss_name: the name of the loss in the titles.
        loss_factor: the factor by which the losses, which are per sample, are multiplied.

    Returns:
        The figure, or None if nothing has been recorded.

    >>> from tinygrad_mlp.training.history import History
    >>> show_training(History(), "mean_square") is None  # training was interrupted at once
    True
    """
    if not len(history):
        return None  # training was interrupted before the first evaluation
    curves = {"Error": [loss * loss_factor for loss in history.training_loss]}
    if all_known(history.training_accuracy):
        curves["Accuracy"] = history.training_accuracy
    # The weights are worth more than their picture: training must not end in an exception.
    try:
        display = has_display()
    except (ValueError, ImportError) as error:  # MPLBACKEND names nothing, or what is not there
        print(f"The curves of training could not be drawn: {error}")
        return None
    try:
        figure, panels = new_figure(len(curves), pyplot=display)
    except ImportError:  # such as MPLBACKEND=GTK4Agg on a machine without windows
        display = False
        figure, panels = new_figure(len(curves))
    for axes, (name, values) in zip(panels, curves.items(), strict=True):
        draw_curve(axes, history.iteration, values, **TRAINING)
        label_axes(axes, f"Training {name} vs Iterations ({loss_name})", name)
    if display:
        import matplotlib.pyplot as plt
        plt.show()
        return figure
    path = os.path.abspath(f"training_{loss_name}.png")
    try:
        save_figure(figure, path)
    except OSError as error_of_system:
        print(f"The curves of training could not be saved: {error_of_system}")
    else:
        print(f"There is no display: the curves of training are in {path}")
    return figure


def plot_comparison(histories: Mapping[str, Curves],
                    path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw how well two losses train, and why: accuracy, error, and the pull on the pre-activation.

    The third panel gives the reason. For an output ``a = g(z)`` with target 1 it shows how strongly
    each loss pulls on ``z``: ``|∂L/∂z|``, computed by the gradients of this package. Where z is far
    below 0 the answer is wrong, and yet the squared error hardly pulls.

    Args:
        histories: histories by the name of the loss, "mean_square", "cross_entropy", or both.
        path: also save the picture there, in the format of its ending.

    Raises:
        InvalidArgumentError: a history is empty, a name is unknown, or matplotlib does not know
            the ending.
        DataNotFoundError: the folder does not exist.
        WriteError: the file cannot be written, as on a full disk; an old one remains.

    >>> from tinygrad_mlp.training.history import History, Record
    >>> history = History()
    >>> history.append(Record(0, 0, 0.1, 2.5, 0.1, 2.6, 0.1))
    >>> history.append(Record(9, 0, 0.2, 1.5, 0.6, 1.7, 0.5))
    >>> figure = plot_comparison({"mean_square": history, "cross_entropy": history})
    >>> [axes.get_title() for axes in figure.axes[:2]]
    ['Accuracy', 'Training error']
    """
    for name, history in histories.items():
        require_records(history, "plot_comparison")
        if name not in LOSS_STYLES:
            known = " or ".join(LOSS_STYLES)
            raise InvalidArgumentError(
                f"plot_comparison: histories must be named {known}. Got {name!r}.")
    figure, (accuracies, errors, pull) = new_figure(3, columns=2, size=(4.2, 3.2))
    for name, history in histories.items():
        style, label = LOSS_STYLES[name], name.replace("_", " ")
        if all_known(history.validation_accuracy):
            draw_curve(accuracies, history.iteration, history.validation_accuracy, **style,
                       label=f"{label}, validation")
        if all_known(history.training_accuracy):
            draw_curve(accuracies, history.iteration, history.training_accuracy,
                       label=f"{label}, training", **{**style, "marker": "", "linestyle": ":"})
        first = history.training_loss[0] or 1.0
        relative = [loss / first for loss in history.training_loss]
        draw_curve(errors, history.iteration, relative, **style, label=label)
    label_axes(accuracies, "Accuracy", "Share of right answers")
    cut_first_guesses(accuracies)
    label_axes(errors, "Training error", "Relative to its first value")
    log_losses(errors)
    _draw_pull(pull)
    # In the empty place beside the third panel, where it hides no curve.
    from matplotlib.lines import Line2D
    handles: list[Any] = [*errors.lines]
    if any(str(line.get_label()).endswith("training") for line in accuracies.lines):
        handles.append(Line2D([], [], color="black", linestyle=":", label="dotted: training"))
    figure.legend(handles=handles, loc="center", bbox_to_anchor=(0.75, 0.25))
    return save_figure(figure, path)


def pull_on_pre_activation(z: Array) -> dict[str, Array]:
    """Return ``|∂L/∂z|`` of the output ``a = g(z)`` with target 1, for both losses.

    The package differentiates both through the sigmoid: no result is written down here.

    >>> pulls = pull_on_pre_activation(np.array([-4.0, 0.0]))
    >>> a = 1 / (1 + np.exp(4.0))
    >>> bool(np.isclose(pulls["cross_entropy"][0], 1 - a))
    True
    >>> bool(np.isclose(pulls["mean_square"][0], (1 - a) * a * (1 - a)))
    True
    """
    target = np.ones_like(z)
    losses = {"mean_square": nn.squared_error, "cross_entropy": nn.binary_cross_entropy}
    # A vector is one sample, whose loss is a sum: the gradient of each z is of its term only.
    return {
        name: np.abs(grad(lambda z, loss=loss: loss(sigmoid(z), target))(z))
        for name, loss in losses.items()}


def _draw_pull(axes: Axes) -> None:
    z = np.linspace(-8.0, 4.0, 601)
    pulls = pull_on_pre_activation(z)
    for name, values in pulls.items():
        axes.plot(z, values, color=LOSS_STYLES[name]["color"], label=name.replace("_", " "))
    # Below z = 0 the output is nearer to 0 than to its target 1.
    stuck = (z < 0) & (pulls["mean_square"] < STUCK * pulls["cross_entropy"])
    axes.axvspan(z[stuck].min(), z[stuck].max(), color=GREY, alpha=0.18, linewidth=0)
    axes.annotate("wrong answer, yet\nthe mean square\nhardly learns", xy=(z[stuck].mean(), 0.02),
                  xytext=(z[stuck].mean(), 0.45), ha="center", va="center", fontsize="small",
                  arrowprops={"arrowstyle": "->", "color": GREY})
    label_axes(axes, "Why: the pull on an output that should be 1", "|∂L/∂z|", "Pre-activation z")
