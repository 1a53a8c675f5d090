"""The display of a running training: a bar on a terminal and in notebooks, lines anywhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from tinygrad_mlp.support.html import escaped
from tinygrad_mlp.support.notebook import ShownPlace, in_notebook
from tinygrad_mlp.training.history import Record


class Progress:
    """A context manager that shows the progress of a number of iterations.

    On a terminal and in a notebook there is a bar with the time left and the figures that the lines
    have: the mean loss of the steps since the last line, and the latest accuracy. Where the output
    goes to a file or a pipe, only the lines are printed. `enabled` says whether to show anything; a
    function sets the line that is printed of a `Record`; none is where it returns "".
    """

    # Redrawing costs far more than a step of a small network.
    REDRAWS_PER_SECOND = 5

    # Columns: 15 for a count, 13 for the time, 40 for loss and validation accuracy (29 on a narrow
    # terminal, which shows them beside a short bar), 10 for a bar.
    ROOM_FOR_THE_TIME, ROOM_FOR_A_BAR, NARROWEST, FIGURES = 68, 78, 36, 30

    def __init__(self, iterations: int | None, enabled: bool | Callable[[Record], str]) -> None:
        self.wanted = False  # whether calling `advance` shows anything
        self._bar: Any = None
        self._task: Any = None
        self._place: ShownPlace | None = None  # in a notebook
        self._started = 0.0
        self._wide = True
        self._enabled = bool(enabled)
        self._as_line = enabled if callable(enabled) else monitor_line
        self.iterations = iterations  # None while their number is not known
        self._next_update = 0.0
        self.accuracy: float | None = None  # the latest, which the bar shows beside the loss
        self.validated = False  # whether it is that of the validation data

    def __enter__(self) -> Progress:
        self._started = time.monotonic()
        if self._enabled and in_notebook():
            self._place = ShownPlace()
            self.wanted = True
        elif self._enabled and sys.stdout is not None and sys.stdout.isatty():
            from rich import get_console
            from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            # On a narrow terminal the figures come first, beside what bar there is room for.
            width = get_console().width
            self._wide = width >= self.ROOM_FOR_THE_TIME
            columns: list[Any] = [BarColumn()] if width >= self.ROOM_FOR_A_BAR else []
            if self._wide:
                columns += [MofNCompleteColumn(), TimeRemainingColumn(), "left "]
            elif width >= self.NARROWEST:
                columns += [BarColumn(width - self.FIGURES)]
            columns += ["{task.description}"]
            self._bar = Bar(*columns, refresh_per_second=self.REDRAWS_PER_SECOND)
            self._bar.start()
            self._task = self._bar.add_task("", total=self.iterations)
            self.wanted = True
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, iteration: int, loss: float) -> None:
        """Show that `iteration` (from 0) is done, with the loss of its batch."""
        now = time.monotonic()
        # Updating the bar costs as much as a small step, and is useless between two drawings.
        if now < self._next_update and iteration + 1 != self.iterations:
            return
        self._next_update = now + 1 / self.REDRAWS_PER_SECOND
        shown = f"loss {loss:.4g}"
        if self.accuracy is not None:
            whose = "validation " if self.validated and self._wide else ""
            shown += f", {whose}accuracy {self.accuracy:.4g}"
        self.show(iteration + 1, shown)

    def show(self, done: int, text: str) -> None:
        """Show that so many iterations are done, and a text beside the bar."""
        if self._bar is not None:
            self._bar.update(
                self._task, completed=done, total=self.iterations, description=text)
        elif self._place is not None:
            total = self.iterations or 0
            left = (time.monotonic() - self._started) * (total / max(done, 1) - 1)
            self._place.show(NotebookBar(done, total, left, text))

    def record(self, record: Record) -> None:
        """Print the line of a record, and keep its accuracy for the bar."""
        text = self._as_line(record) if self._enabled else ""
        if text:
            self.line(text)
        self.validated = record.validation_loss is not None
        self.accuracy = record.validation_accuracy if self.validated else record.training_accuracy

    def line(self, text: str) -> None:
        """Print a line, above the bar where there is one."""
        if not self._enabled:
            return
        if self._bar is not None:
            from rich.text import Text

            # Not through rich's markup, and unwrapped: a figure must stay whole and searchable.
            self._bar.console.print(Text.from_ansi(text), soft_wrap=True)
        else:
            print(text, flush=True)


class NotebookBar(NamedTuple):
    """A bar as a notebook shows it: so many steps are done of all, with seconds left and text.

    The total is 0 while it is not known.
    """

    done: int
    total: int
    left: float
    text: str

    def __str__(self) -> str:
        if not self.total:
            return f"{self.done:,} steps, {self.text}"
        minutes, seconds = divmod(round(self.left), 60)
        return f"{self.done:,}/{self.total:,}, {minutes}:{seconds:02} left, {self.text}"

    def _repr_html_(self) -> str:
        place = f'value="{self.done}" max="{self.total}" ' if self.total else ""
        bar = f'<progress {place}style="width: 12em"></progress>'
        return f"{bar} {escaped(str(self))}"


def monitor_line(record: Record, loss_factor: float = 1.0) -> str:
    """Return the line that is printed of a record; losses are multiplied by `loss_factor`."""
    parts = []
    for name, value in record.figures().items():
        factor = loss_factor if name.endswith("loss") else 1.0
        parts.append(f"{name}: {value * factor:.6g}")
    return f"Iteration {record.iteration} - " + " | ".join(parts)
