"""The common parts of all pictures: colours, panels, labels, and saving.

The figures are made without pyplot, which would keep each of them alive, and do not depend on its
settings. Only `show_training` uses pyplot, and only where there is a display.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.support.files import write_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's blue and vermilion differ for every kind of colour vision, and the markers and
# dashes differ in a grey print as well.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#767676"
TRAINING: dict[str, Any] = {"color": BLUE, "marker": "o", "label": "training"}
VALIDATION: dict[str, Any] = {
    "color": VERMILION, "marker": "s", "linestyle": "--", "label": "validation"}
LOSS_STYLES: dict[str, dict[str, Any]] = {
    "mean_square": {"color": VERMILION, "marker": "s"},
    "cross_entropy": {"color": BLUE, "marker": "o"}}
MARKER_SIZE = 3.5
FEWEST_TO_CUT = 5  # records from which on a panel of accuracies leaves out the first

PALETTE = (BLUE, VERMILION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The colours of Okabe and Ito without the yellow, which is invisible on white."""

MARKERS, DASHES = "osD^vP*", ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))

# Backends that draw files only; the names of the others vary with what is installed.
FILE_BACKENDS = ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")


class Curves(Protocol):
    """The columns of a training run by name (`tg.History`), such as ``iteration``."""

    def __len__(self) -> int: ...

    def __getattr__(self, name: str, /) -> list[Any]: ...


def new_figure(n: int, *, columns: int = 4, size: tuple[float, float] = (4.4, 3.5),
               pyplot: bool = False) -> tuple[Figure, list[Axes]]:
    """Return a figure with `n` panels in rows of at most `columns`, and the panels.

    The size is that of a panel in inches. The figure shows itself in a notebook; with `pyplot`,
    ``pyplot.show`` shows it.
    """
    if pyplot:
        import matplotlib.pyplot as plt
        new: Callable[..., Figure] = plt.figure
    else:
        from tinygrad_mlp.plotting.shown_figure import ShownFigure
        new = ShownFigure
    wide = min(n, columns)
    high = -(-n // wide)
    figure = new(figsize=(size[0] * wide, size[1] * high), layout="constrained")
    cells = list(figure.subplots(high, wide, squeeze=False).flat)
    for cell in cells[n:]:
        cell.remove()
    return figure, cells[:n]


def styles(n: int) -> list[dict[str, Any]]:
    """Return styles for `n` curves that differ in colour, marker and dashes."""
    in_turn = zip(range(n), cycle(PALETTE), cycle(MARKERS), cycle(DASHES), strict=False)
    return [{"color": c, "marker": m, "linestyle": dashes} for _, c, m, dashes in in_turn]


def draw_curve(axes: Axes, x: Sequence[float], values: Sequence[float], **style: Any) -> None:
    """Draw a curve against numbers that are mostly large integers, such as iterations."""
    axes.plot(x, values, **{"markersize": MARKER_SIZE, "linewidth": 1.5, **style})
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="x", nbins=6, integer=True)


def label_axes(axes: Axes, title: str, y: str, x: str = "Iterations") -> None:
    """Give a panel its title and the names of its axes, in the style of all pictures."""
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.title.set_fontsize("medium")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def label_image(axes: Axes, title: str, y: str = "Row", x: str = "Column") -> None:
    """Label a panel that shows an array: integers along its edges, and no grid."""
    label_axes(axes, title, y, x)
    axes.grid(visible=False)
    axes.locator_params(nbins=6, integer=True, min_n_ticks=1)


def log_losses(axes: Axes) -> None:
    """Give a panel a logarithmic axis with plain numbers, if all that it shows is above 0.

    A loss falls by powers of ten: on a linear axis, all but the first steps look flat.
    """
    values = [y for curve in _heights(axes) for y in curve if math.isfinite(y)]
    if not values or min(values) <= 0:
        return
    from matplotlib.ticker import LogLocator, NullLocator
    axes.set_yscale("log")
    decades = math.log10(max(values) / min(values))
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")


def cut_first_guesses(axes: Axes) -> None:
    """Let the axis begin below the second record: guesses of an untrained network squeeze curves.

    With few records everything is shown.
    """
    curves = _heights(axes)
    if min(map(len, curves), default=0) >= FEWEST_TO_CUT:
        axes.set_ylim(max(0.0, min(min(curve[1:]) for curve in curves) - 0.05), 1.01)


def _heights(axes: Axes) -> list[list[float]]:
    return [np.asarray(line.get_ydata(), float).tolist() for line in axes.lines]


def all_known(values: Sequence[object]) -> bool:
    """Return whether a column of a history has been recorded."""
    return all(value is not None for value in values)


def require_records(history: Curves, who: str) -> None:
    """Raise InvalidArgumentError for a history without records."""
    if not len(history):
        raise InvalidArgumentError(
            f"{who}: history must have at least one record. Got none. Training records with "
            "monitor=True, or with plot=True.")


def save_figure(figure: Figure, path: str | os.PathLike[str] | None) -> Figure:
    """Save the figure if a path is given, and return the figure."""
    if path is not None:
        check_picture_format(path)
        content = io.BytesIO()
        figure.savefig(content, format=_ending(path), dpi=150)
        write_file(path, content.getvalue())
    return figure


def check_picture_format(path: str | os.PathLike[str]) -> None:
    """Check that the ending of a path is a format of matplotlib's.

    Raises:
        InvalidArgumentError: it is not; the message lists the formats.

    >>> check_picture_format("curves.png")
    """
    from matplotlib.backend_bases import FigureCanvasBase
    known = sorted(FigureCanvasBase.get_supported_filetypes())
    if _ending(path) not in known:
        raise InvalidArgumentError(
            f"a picture must end in one of {', '.join('.' + name for name in known)}. Got "
            f"{os.fspath(path)}.")


def _ending(path: str | os.PathLike[str]) -> str:
    return os.path.splitext(os.fsdecode(path))[1].lstrip(".").lower()


def has_display() -> bool:
    """Return whether matplotlib shows figures here: in a window, or in a notebook."""
    import matplotlib.pyplot as plt
    backend = plt.get_backend().lower()
    if "inline" in backend:
        # Programs started from a notebook inherit this setting, but have no display.
        try:
            from IPython import get_ipython  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            return False
        return get_ipython() is not None
    return backend not in FILE_BACKENDS
