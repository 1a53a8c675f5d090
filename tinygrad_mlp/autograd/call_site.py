"""The place in the user's program where an operation was called."""

from __future__ import annotations

import os
import sys
from itertools import islice
from types import CodeType
from typing import NamedTuple

import numpy as np

PACKAGES = tuple(
    os.path.dirname(file) + os.sep for file in (os.path.dirname(__file__), np.__file__))
"""The packages whose calls are made for someone else: this one, and NumPy."""


class CallSite(NamedTuple):
    """A place in a program: a piece of code and how far it had got.

    The code is kept and not the frame, which would keep all its variables alive. The line and its
    text are looked up only when they are shown. `instruction` is the offset of the instruction that
    the code had reached, `inside` says in whose gradient rule the call was made, if in one.
    """

    code: CodeType
    instruction: int
    inside: str = ""

    @property
    def line(self) -> int:
        """The number of the line in the file."""
        return next(islice(self.code.co_positions(), self.instruction // 2, None))[0] or 0

    def __str__(self) -> str:
        """``file:line, in function``, the source line, and a mark under the expression."""
        import linecache

        positions = self.code.co_positions()
        line, last_line, start, end = next(islice(positions, self.instruction // 2, None))
        where = f"{self.code.co_filename}:{line}"
        if self.code.co_name != "<module>":
            where += f", in {self.code.co_name}"
        if self.inside:
            where += f" (inside {self.inside})"
        text = linecache.getline(self.code.co_filename, line or 0).rstrip()
        if not text:
            return where  # typed at a prompt, or the file is gone
        source = text.lstrip()
        shown = f"{where}\n    {source}"
        if line == last_line and start is not None and end is not None:
            # Offsets count bytes of UTF-8.
            before, marked = (len(text.encode()[:at].decode()) for at in (start, end))
            if marked - before < len(source):
                shown += "\n    " + " " * (before - len(text) + len(source))
                shown += "^" * (marked - before)
        return shown


def user_site() -> CallSite:
    """Return the innermost call on the stack that neither NumPy nor this package makes.

    Where there is none, the outermost.
    """
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(PACKAGES) and frame.f_back is not None:
        frame = frame.f_back
    return CallSite(frame.f_code, frame.f_lasti)
