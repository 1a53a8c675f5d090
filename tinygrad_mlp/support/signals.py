"""The signals that ask a process to end, and how it ends while the package is still loading."""

from __future__ import annotations

import itertools
import os
import signal
import sys

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP")
               if hasattr(signal, name))
"""Ctrl-C, the request of another program to end, and the end of the terminal."""


def interruption(number: int = signal.SIGINT) -> str:
    """Return what has ended a process, by the number of the signal.

    >>> interruption(), interruption(signal.SIGTERM)
    ('interrupted by Ctrl-C', 'interrupted by SIGTERM')
    """
    name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    return f"interrupted by {name}"


def is_interruption(reason: str | None) -> bool:
    """Return whether the reason why a run has stopped is a signal, so that it may go on."""
    return reason is not None and reason.startswith(INTERRUPTIONS)


INTERRUPTIONS = tuple(map(interruption, ENDING))


def end_quietly_while_loading() -> None:
    """Let Ctrl-C end this process without a traceback, if it is the command of this package.

    The package itself calls this before it loads anything; the command takes over from there.
    """
    if _is_the_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _is_the_command() -> bool:
    """Return whether this process was started as ``tinygrad-mlp`` or ``python -m tinygrad_mlp``."""
    program = sys.argv[0] if getattr(sys, "argv", None) else ""
    if program == "-m":  # as long as Python looks for the module, the words are only there
        pairs = itertools.pairwise(sys.orig_argv)
        return any(word.startswith("-") and word.endswith("m") and module == "tinygrad_mlp"
                   for word, module in pairs)
    return os.path.basename(program).removesuffix(".exe") == "tinygrad-mlp"
