"""Child processes of tests, each with a time limit."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

PIPE, STDOUT = subprocess.PIPE, subprocess.STDOUT
SECONDS = 120
"""The time limit of a child, unless a test sets another; far more than any needs."""


def run(command: Sequence[Any], **options: Any) -> subprocess.CompletedProcess[Any]:
    """Run a command to its end and return what it wrote, as text.

    Args:
        command: the program and its arguments.
        options: those of `subprocess.run`, in place of the ones chosen here.
    """
    chosen = {"text": True, "timeout": SECONDS, **options}
    if not {"stdout", "stderr"} & options.keys():
        chosen.setdefault("capture_output", True)
    return subprocess.run(list(map(str, command)), **chosen)


def python(*arguments: Any, **options: Any) -> subprocess.CompletedProcess[Any]:
    """Run the Python of the tests with these arguments, as `run` does."""
    return run([sys.executable, *arguments], **options)


@contextlib.contextmanager
def started(command: Sequence[Any], seconds: float = SECONDS,
            **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start a command that goes on beside the test, and end it with the block or the time limit.

    Args:
        command: the program and its arguments.
        seconds: the time limit.
        options: those of `subprocess.Popen`.
    """
    child = subprocess.Popen(list(map(str, command)), **options)
    limit = threading.Timer(seconds, child.kill)
    limit.start()
    try:
        yield child
    finally:
        limit.cancel()
        child.kill()
        child.wait()
