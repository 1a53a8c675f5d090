"""The command as a process: output streams that may be closed or full, and signals that end it.

Only `main` without arguments, the program itself, takes the streams and the signals over. A Python
program that calls `main` keeps its own.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from tinygrad_mlp.support.signals import ENDING, interruption

FAILURE = 1
"""The exit code where standard output could not be written."""


Tell = Callable[[str, BaseException, int], None]
"""A function that prints a message for the user, which belongs to an error and an exit code."""


class State:
    """What this process has been asked and told so far."""

    files_wanted = False
    """Whether files are to be written, also if nobody reads the output any longer."""
    on_signal = "end"
    """What a signal does: "end" the process at once, "raise" KeyboardInterrupt where that is
    awaited, or be "noted" while the results of a training have not been written."""
    signal = 0
    """The number of the last signal that asked the process to end."""


class CommandOutput(io.FileIO):
    """A stream that takes everything: what cannot be written is lost, and `error` says why.

    So a full disk behind ``>`` does not end a training whose files can still be written. Where
    there are no files to write, a reader who has gone ends the command.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write data, or lose them."""
        while self.error is None:
            try:
                written = super().write(data)
                if written is not None:
                    return written
                select.select([], [self], [])  # the stream does not wait by itself
            except OSError as error:
                self.error = error
                if isinstance(error, BrokenPipeError) and not State.files_wanted:
                    raise
        return len(data)


def take_over(tell: Tell) -> Callable[[int], int]:
    """Take over streams and signals, and return what makes an exit code final."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file to be opened would be taken for the stream
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    # Pictures are drawn into files only, whatever draws windows elsewhere.
    os.environ["MPLBACKEND"] = "agg"
    sys.stdout, out = _guarded(sys.stdout, 1, "replace")  # such as ∂, if only ASCII can be printed
    sys.stderr, _ = _guarded(sys.stderr, 2, "backslashreplace")
    _take_over_signals(tell)

    def final(code: int) -> int:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        if out.error is None:
            return code
        if not isinstance(out.error, BrokenPipeError):
            reason = f"standard output cannot be written: {out.error.strerror}."
            tell(reason, out.error, code or FAILURE)
        return code or FAILURE

    return final


def _take_over_signals(tell: Tell) -> None:
    """Let signals do what `State` says."""

    def end(number: int, frame: FrameType | None) -> None:
        State.signal = number
        if State.on_signal == "raise":
            raise KeyboardInterrupt
        if State.on_signal == "noted":
            return
        # At once, since an exception in the middle of an import may come out as another one.
        with contextlib.suppress(RuntimeError, OSError):  # in the middle of printing
            if sys.stderr.isatty():
                sys.stderr.write("\x1b[?25h")  # a progress bar has hidden the cursor
            tell(f"{interruption(number)}.", KeyboardInterrupt(), 128 + number)
            sys.stdout.flush()
        os._exit(128 + number)

    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as after nohup
            signal.signal(number, end)


def _guarded(stream: object, number: int, errors: str) -> tuple[object, CommandOutput]:
    """Return a stream of text, and the `CommandOutput` beneath it, in place of one of Python's.

    That is None where the stream was closed. One that the program has put there itself stays.
    """
    raw = CommandOutput(number, "w", closefd=False)
    if stream not in (None, sys.__stdout__, sys.__stderr__):
        return stream, raw
    encoding = "utf-8" if stream is None else stream.encoding
    direct = stream is not None and stream.write_through
    text = io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, write_through=direct,
                            line_buffering=direct or number == 2 or raw.isatty())
    return text, raw


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let signals raise KeyboardInterrupt in the block, and do again what they did before it."""
    before, State.on_signal = State.on_signal, "raise"
    try:
        yield
    finally:
        State.on_signal = before


def interrupt_code() -> int:
    """Return the exit code after an interruption, 130 for Ctrl-C, as the shell counts signals."""
    return 128 + (State.signal or signal.SIGINT)


def interrupt_reason() -> str:
    """Return what has interrupted the command, as a sentence."""
    return f"{interruption(State.signal or signal.SIGINT)}."
