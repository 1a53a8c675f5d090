"""The place in the user's program where an operation was called."""

from __future__ import annotations

import os
import sys
from itertools import islice
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

PACKAGES = tuple(
    os.path.dirname(file) + os.sep for file in (os.path.dirname(__file__), np.__file__))
"""The packages whose calls are made for someone else: this one, and NumPy."""

ALL_PACKAGES = (os.path.dirname(os.path.dirname(__file__)) + os.sep, PACKAGES[1])
"""The same with the layers and losses above this package, for readers who wrote none of them."""


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

    @property
    def expression(self) -> str | None:
        """The source text of the call, in one line; None where there is no source."""
        import linecache

        positions = self.code.co_positions()
        line, last, start, end = next(islice(positions, self.instruction // 2, None))
        if line is None or last is None:
            return None
        numbers = range(line, last + 1)
        lines = [linecache.getline(self.code.co_filename, n).encode() for n in numbers]
        lines[-1] = lines[-1][:end]
        lines[0] = lines[0][start:]
        return " ".join(b"".join(lines).decode().split()) or None

    def _marked(self) -> tuple[str, int, int | None]:
        """Return the source line, and where the call begins and ends in it, if it ends there."""
        import linecache

        positions = self.code.co_positions()
        line, last_line, start, end = next(islice(positions, self.instruction // 2, None))
        text = linecache.getline(self.code.co_filename, line or 0).rstrip()
        if not text or line != last_line or start is None or end is None:
            return text, 0, None
        # Offsets count bytes of UTF-8.
        before, marked = (len(text.encode()[:at].decode()) for at in (start, end))
        return text, before, marked

    def __str__(self) -> str:
        """``file:line, in function``, the source line, and a mark under the expression."""
        where = f"{self.code.co_filename}:{self.line}"
        if self.code.co_name != "<module>":
            where += f", in {self.code.co_name}"
        if self.inside:
            where += f" (inside {self.inside})"
        text, start, end = self._marked()
        if not text:
            return where  # typed at a prompt, or the file is gone
        source = text.lstrip()
        shown = f"{where}\n    {source}"
        if end is not None and end - start < len(source):
            shown += "\n    " + " " * (start - len(text) + len(source)) + "^" * (end - start)
        return shown


def user_site(packages: tuple[str, ...] = PACKAGES) -> CallSite:
    """Return the innermost call on the stack that is made in none of the packages.

    Nor in Python's standard library, which calls for someone else, too. Where there is none, the
    outermost.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and (
            frame.f_code.co_filename.startswith(packages)
            or frame.f_globals.get("__name__", "").partition(".")[0] in sys.stdlib_module_names):
        frame = frame.f_back
    return CallSite(frame.f_code, frame.f_lasti)


def function_called() -> Any:
    """Return the function of NumPy that a user called, and that has called back; None if none has.

    NumPy's functions call each other: the outermost of those that are being executed is meant.
    """
    frame, found = sys._getframe(1), None
    while frame.f_back is not None:
        frame = frame.f_back
        module = frame.f_globals.get("__name__", "")
        if module.startswith("numpy."):
            name = frame.f_code.co_name
            found = getattr(np, name, None) or getattr(np.linalg, name, None)
        elif not module.startswith("tinygrad_mlp."):
            break
    return found
