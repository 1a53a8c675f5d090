"""Curves that are drawn while training goes on."""

from __future__ import annotations

import os
import time

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.plotting import check_picture_format, plot_history
from tinygrad_mlp.support.checks import not_negative
from tinygrad_mlp.support.notebook import ShownPlace, in_notebook
from tinygrad_mlp.training.run import Run


class LivePlot:
    """A callback that draws the curves of loss and accuracy while training goes on.

    In a notebook, the picture stands below the cell and is drawn anew after evaluations. Anywhere,
    it can be saved to a file, which many viewers show anew when it changes.

    Args:
        path: the file of the picture; None for a notebook's output.
        seconds: the time that passes at least between two drawings. The last evaluation is always
            drawn.

    Raises:
        InvalidArgumentError: `seconds` is negative, or matplotlib does not know the ending of
            `path`; when training starts, without a path and outside of a notebook.
        DataNotFoundError: when drawing, the folder does not exist.
        WriteError: when drawing, the file cannot be written, as on a full disk.

    >>> import pathlib, tempfile, numpy as np, tinygrad_mlp as tg
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "curves.png"
    >>> model = tg.nn.Linear(1, 1, rng=np.random.default_rng(0))
    >>> sgd = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> history = tg.fit(model, tg.nn.squared_error, sgd, X, 2 * X, epochs=3,
    ...                  callbacks=[LivePlot(path)], rng=np.random.default_rng(0))
    >>> path.exists()
    True
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, seconds: float = 1.0) -> None:
        if path is not None:
            check_picture_format(path)
        self.path = path
        self.seconds = not_negative(seconds, "LivePlot: seconds")
        self._place = ShownPlace()
        self._next = 0.0

    def on_start(self, run: Run) -> None:
        """Begin a new picture."""
        if self.path is None and not in_notebook():
            raise InvalidArgumentError(
                "LivePlot: outside of a notebook, the curves need a file. Got no path. Write "
                "LivePlot('curves.png').")
        self._place, self._next = ShownPlace(), 0.0

    def on_record(self, run: Run) -> None:
        """Draw the curves, unless they have been drawn a moment ago."""
        if time.monotonic() >= self._next:
            self._draw(run)

    def on_end(self, run: Run) -> None:
        """Draw all of the curves."""
        if len(run.history):
            self._draw(run)

    def _draw(self, run: Run) -> None:
        figure = plot_history(run.history, self.path)
        if self.path is None:
            self._place.show(figure)
        self._next = time.monotonic() + self.seconds
