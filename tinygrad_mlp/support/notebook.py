"""Notebooks: whether there is one, and a place in the output of a cell that is shown anew."""

from __future__ import annotations

import builtins
from typing import Any


def in_notebook() -> bool:
    """Return whether this runs in a cell of a notebook, which shows pages and pictures."""
    # IPython makes this a built-in name; a program should not load IPython for a question.
    shell = getattr(builtins, "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


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
