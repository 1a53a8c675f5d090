"""Several training runs in one picture, and learning rates."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.optim.schedule import Schedule, as_schedule
from tinygrad_mlp.plotting.figures import (
    Curves,
    all_known,
    cut_first_guesses,
    draw_curve,
    label_axes,
    log_losses,
    new_figure,
    require_records,
    save_figure,
    styles,
)
from tinygrad_mlp.support.checks import integer_at_least, one_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AGAINST = {"iteration": "Iterations", "epoch": "Epoch", "seconds": "Time in s"}
QUANTITIES = {"loss": "Loss per sample", "accuracy": "Share of right answers"}


def plot_runs(runs: Mapping[str, Curves], against: str = "iteration",
              path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw losses and accuracies of several runs: validation with lines, training dotted.

    Args:
        runs: histories by the names of the runs.
        against: "iteration", "epoch" or "seconds", the horizontal axis.
        path: also save the picture there, in the format of its ending.

    Raises:
        InvalidArgumentError: there is no run, a history is empty, or matplotlib does not know the
            ending.
        DataNotFoundError: the folder does not exist.
        WriteError: the file cannot be written, as on a full disk; an old one remains.

    >>> from tinygrad_mlp.training.history import History, Record
    >>> runs = {"SGD": History(), "Adam": History()}
    >>> for history in runs.values():
    ...     history.append(Record(0, 0, 0.1, 2.5, 0.1, 2.6, 0.1))
    >>> [axes.get_ylabel() for axes in plot_runs(runs, "seconds").axes]
    ['Loss per sample', 'Share of right answers']
    """
    one_of(against, tuple(AGAINST), "plot_runs: against")
    if not runs:
        raise InvalidArgumentError("plot_runs: runs must hold at least one history. Got none.")
    for history in runs.values():
        require_records(history, "plot_runs")
    accuracies = any(all_known(history.training_accuracy) for history in runs.values())
    figure, panels = new_figure(1 + accuracies, size=(5.2, 3.7))
    for axes, (quantity, label) in zip(panels, QUANTITIES.items(), strict=False):
        for (name, history), style in zip(runs.items(), styles(len(runs)), strict=True):
            x = getattr(history, against)
            validation = getattr(history, f"validation_{quantity}")
            training = getattr(history, f"training_{quantity}")
            if all_known(validation):
                draw_curve(axes, x, validation, **style, label=name)
            if all_known(training):
                # Beside the validation, the training is dotted; alone, it is the curve of the run.
                shadow = {"linestyle": ":", "marker": "", "linewidth": 1.0}
                shown = {**style, **shadow} if all_known(validation) else {**style, "label": name}
                draw_curve(axes, x, training, **shown)
        if against == "seconds":
            axes.xaxis.set_major_formatter("{x:g}")
        label_axes(axes, quantity.capitalize(), label, AGAINST[against])
        log_losses(axes) if quantity == "loss" else cut_first_guesses(axes)
    from matplotlib.lines import Line2D
    handles, _ = panels[0].get_legend_handles_labels()
    if all(all_known(history.validation_loss) for history in runs.values()):
        handles.append(Line2D([], [], color="black", linestyle=":", label="dotted: training"))
    figure.legend(handles=handles, loc="outside lower center", ncols=5, fontsize="small")
    return save_figure(figure, path)


def plot_learning_rate(rates: object, n: int, path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw a learning rate, or several, over epochs or steps.

    Args:
        rates: a schedule, a function of the epoch, a number, or an optimizer; or a mapping from
            names to these. All must count the same, epochs or steps.
        n: the number of epochs or steps to draw.
        path: also save the picture there, in the format of its ending.

    Raises:
        InvalidArgumentError: one is not a learning rate, some count epochs and others steps, `n` is
            not a positive integer, or matplotlib does not know the ending.
        DataNotFoundError: the folder does not exist.
        WriteError: the file cannot be written, as on a full disk; an old one remains.

    >>> import tinygrad_mlp as tg
    >>> figure = plot_learning_rate(tg.optim.schedule.inverse_time(), 20)
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
    ('Epoch', 'Learning rate')
    """
    n = integer_at_least(1, n, "plot_learning_rate: n")
    named = rates if isinstance(rates, Mapping) else {"": rates}
    schedules: dict[str, Schedule] = {
        str(name): as_schedule(getattr(rate, "lr", rate), "plot_learning_rate: rates")
        for name, rate in named.items()}
    units = {schedule.unit for schedule in schedules.values()}
    if len(units) != 1:
        raise InvalidArgumentError(
            f"plot_learning_rate: rates must all count epochs, or all count steps. Got "
            f"{', '.join(f'{name}: {s.unit}' for name, s in schedules.items()) or 'none'}. "
            f"Draw them separately.")
    (unit,) = units
    figure, (axes,) = new_figure(1, size=(5.2, 3.7))
    for (name, schedule), style in zip(schedules.items(), styles(len(schedules)), strict=True):
        # A value holds for a whole epoch; markers are drawn where there are few enough to see.
        marked = {} if n <= 40 else {"marker": ""}
        label = name or textwrap.fill(str(schedule), 60)
        steps: dict[str, Any] = {**style, **marked, "drawstyle": "steps-post", "label": label}
        draw_curve(axes, range(n), [schedule(k) for k in range(n)], **steps)
    label_axes(axes, "Learning rate", "Learning rate", unit.capitalize())
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    return save_figure(figure, path)
