"""How long a search may take: seconds for people, evaluations for tests."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

PROGRESS_AFTER = 1.0
"""Seconds after which a search says that it is going on."""

PATIENCE = 1.0
"""Seconds after the end of the time for which an evaluation may go on."""


class BudgetSpentError(Exception):
    """Raised within a search when its budget is spent; the answer found so far counts."""


class Budget:
    """Counts evaluations of a derivation, and stops when there were enough or the time is over.

    Args:
        seconds: the time from now on.
        evaluations: the most evaluations; no limit if None.
        progress: where to show that the search goes on, or None. Shown on terminals only.
    """

    def __init__(self, seconds: float = 5.0, evaluations: int | None = None,
                 progress: TextIO | None = None) -> None:
        self.seconds, self.evaluations = seconds, evaluations
        self.used, self.spent = 0, False
        self._start = time.monotonic()
        self._progress = progress if progress is not None and progress.isatty() else None
        self._shown = PROGRESS_AFTER

    def use(self, stage: str) -> None:
        """Count one evaluation, which belongs to a stage of the search.

        Raises:
            BudgetSpentError: there is none left.
        """
        elapsed = time.monotonic() - self._start
        if elapsed > self.seconds or self.used == self.evaluations:
            self.spent = True
            raise BudgetSpentError
        self.used += 1
        if self._progress is not None and elapsed > self._shown:
            self._shown = elapsed + 0.2
            self._progress.write(f"\rLooking for the wrong line: {stage} "
                                 f"({elapsed:.0f} of {self.seconds:.0f} s) ")
            self._progress.flush()

    def share(self) -> float:
        """Return which part of the budget is used up."""
        time_used = (time.monotonic() - self._start) / self.seconds
        return max(time_used, self.used / self.evaluations if self.evaluations else 0.0)

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return max(0.0, self.seconds - (time.monotonic() - self._start))

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """End a block in which an evaluation never ends, as some changes make of a loop."""
        searching, done = threading.get_ident(), threading.Event()

        def end() -> None:
            wait = self.left + PATIENCE
            while not done.wait(wait):
                self.spent, wait = True, PATIENCE
                # The thread gets the error before one of its next instructions.
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(searching), ctypes.py_object(BudgetSpentError))

        watch = threading.Thread(target=end, daemon=True)
        watch.start()
        try:
            yield
        finally:
            while watch.is_alive():
                with suppress(BudgetSpentError):  # which comes too late
                    done.set()
                    watch.join()

    def close(self) -> None:
        """Remove what was shown."""
        if self._progress is not None and self._shown > PROGRESS_AFTER:
            self._progress.write("\r" + " " * 72 + "\r")


def to_people(seconds: float) -> Budget:
    """Return a budget in seconds that shows its progress on the terminal."""
    return Budget(seconds, progress=sys.stderr)
