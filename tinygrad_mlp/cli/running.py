"""The frame of every command: it prints the result as text or JSON, and an error in one line."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import typer

from tinygrad_mlp.cli import process
from tinygrad_mlp.cli.outputs import FAILURE, INTERRUPT, MISTAKE, report_error
from tinygrad_mlp.errors import TinygradError
from tinygrad_mlp.support.version import __version__


class Outcome(NamedTuple):
    """The result of a command.

    docs/command_line.md describes the keys of `document`, which ``--json`` prints: new ones may be
    added, none changes its meaning. It is None where another process prints it.
    """

    code: int
    document: Mapping[str, Any] | None
    text: str = ""  # empty if the command has printed it already


def guarded(command: Callable[..., Outcome]) -> Callable[..., None]:
    """Make a command print its outcome, and a user's mistake in one line.

    The command's option ``as_json`` is used here only.
    """

    @functools.wraps(command)
    def run(*args: object, **options: object) -> None:
        as_json = bool(options["as_json"])
        try:
            # With --json, standard output holds nothing but the JSON text.
            with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
                outcome = command(*args, **options)
            code = process.interrupt_code() if outcome.code == INTERRUPT else outcome.code
            if as_json and outcome.document is not None:
                whole = {"command": command.__name__, "version": __version__, "exit_code": code}
                print(json_text({**whole, **outcome.document}))
            elif outcome.text:
                print(outcome.text)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader of the output, such as `head`, has stopped reading
            code = FAILURE
        # OSError: an unreadable file. MemoryError: what no check has foreseen.
        except (TinygradError, OSError, MemoryError) as error:
            code = MISTAKE
            report_error(str(error) or "out of memory.", error, code, as_json)
        except BaseException as error:
            # An interrupted import may raise another exception instead.
            if not (isinstance(error, KeyboardInterrupt) or process.State.signal):
                raise
            code = process.interrupt_code()
            report_error(process.interrupt_reason(), error, code, as_json)
        raise typer.Exit(code)

    return run


def json_text(document: Mapping[str, object]) -> str:
    """Return a document as JSON text. NaN and infinity, which JSON lacks, become null."""
    return json.dumps(_plain(document), indent=2, allow_nan=False)


def _plain(value: object) -> Any:
    """Return a value made of the types of JSON alone."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # an array or a number of NumPy
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
