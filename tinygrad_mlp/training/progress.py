"""What training shows while it runs: a bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any


class Progress:
    """Shows the progress of a number of iterations; a context manager.

    On a terminal there is a bar with the time left and the latest line of figures. Where the
    output goes to a file or a pipe, only the lines are printed.

    Args:
        iterations: how many there will be.
        enabled: whether to show anything.
    """

    # Redrawing costs far more than a step of a small network.
    REDRAWS_PER_SECOND = 5

    # Columns: 15 for a count, 13 for the time, 29 for loss and accuracy.
    ROOM_FOR_THE_TIME, ROOM_FOR_A_BAR = 57, 67

    def __init__(self, iterations: int, enabled: bool) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._enabled = enabled
        self._iterations = iterations
        self._next_update = 0.0
        self.accuracy: float | None = None
        """The latest accuracy, to be shown beside the loss; None where there is none."""

    def __enter__(self) -> Progress:
        if self._enabled and sys.stdout.isatty():
            from rich import get_console
            from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            # Where there is no room for all, the figures say most.
            width = get_console().width
            columns: list[Any] = [BarColumn()] if width >= self.ROOM_FOR_A_BAR else []
            columns += [MofNCompleteColumn()]
            if width >= self.ROOM_FOR_THE_TIME:
                columns += [TimeRemainingColumn(), "left "]
            self._bar = Bar(
                *columns, "{task.description}", refresh_per_second=self.REDRAWS_PER_SECOND
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=self._iterations)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, iteration: int, loss: float) -> None:
        """Say that `iteration` (from 0) has been done, with this loss of its batch."""
        now = time.monotonic()
        # Telling the bar costs as much as a small step, and between two drawings it is no use.
        if self._bar is None or (now < self._next_update and iteration + 1 < self._iterations):
            return
        self._next_update = now + 1 / self.REDRAWS_PER_SECOND
        shown = f"loss {loss:.4g}"
        if self.accuracy is not None:
            shown += f", accuracy {self.accuracy:.4g}"
        self.show(iteration + 1, shown)

    def show(self, done: int, text: str) -> None:
        """Say how many have been done, and what is to stand beside the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=text)

    @property
    def wanted(self) -> bool:
        """Whether calling `advance` shows anything."""
        return self._bar is not None

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
