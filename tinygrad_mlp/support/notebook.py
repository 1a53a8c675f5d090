"""Notebooks: whether there is one, when its cells run, and a place in the output of a cell."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any


def _shell() -> Any:
    # IPython makes this a built-in name; a program should not load IPython for a question.
    return getattr(builtins, "get_ipython", lambda: None)()


def in_notebook() -> bool:
    """Return whether this runs in a cell of a notebook, which shows pages and pictures."""
    return getattr(_shell(), "kernel", None) is not None


def tell_of_cells(told: Callable[[bool], None]) -> Callable[[], None]:
    """Call a function with True before each cell that runs from now on, with False after it.

    Returns a function that ends this.
    """
    events: Any = getattr(_shell(), "events", None)
    calls = {} if events is None else {
        "pre_run_cell": lambda info: told(True), "post_run_cell": lambda result: told(False)}
    for name, call in calls.items():
        events.register(name, call)

    def end() -> None:
        for name, call in calls.items():
            events.unregister(name, call)

    return end


class ShownPlace:
    """A place in the output of a cell, whose content is exchanged."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, content: object) -> None:
        """Show an object in the way in which notebooks show it, in place of the one before."""
        from IPython.display import display  # type: ignore[import-not-found, unused-ignore]
        if self._handle is None:
            self._handle = display(content, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(content)
