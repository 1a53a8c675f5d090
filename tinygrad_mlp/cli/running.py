"""How every command runs: its result printed for people or for machines, its mistakes in a line."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import typer

from tinygrad_mlp.cli.outputs import FAILURE, INTERRUPT, MISTAKE, fail
from tinygrad_mlp.errors import TinygradError
from tinygrad_mlp.support.version import __version__


class Outcome(NamedTuple):
    """What a command comes to.

    Attributes:
        code: the exit code.
        document: the same for machines, which ``--json`` prints. Its keys are documented in
            docs/command_line.md: new ones may be added, none changes its meaning.
        text: the result for people; empty where the command has printed it as it came.
    """

    code: int
    document: Mapping[str, Any]
    text: str = ""


def guarded(command: Callable[..., Outcome]) -> Callable[..., None]:
    """A command that prints its outcome, and reports a user's mistake in one line.

    Each command has the option ``as_json``, which is for here.
    """

    @functools.wraps(command)
    def run(*args: object, **options: object) -> None:
        as_json = bool(options["as_json"])
        try:
            with _people_aside(as_json):
                outcome = command(*args, **options)
            code = outcome.code
            if as_json:
                whole = {"command": command.__name__, "version": __version__, "exit_code": code}
                print(as_text({**whole, **outcome.document}))
            elif outcome.text:
                print(outcome.text)
            sys.stdout.flush()
        except BrokenPipeError:
            # Who read the output, such as `head`, has seen enough. Python would complain again
            # when it flushes the output at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = FAILURE
        except KeyboardInterrupt as error:
            code = INTERRUPT
            report_error("interrupted by Ctrl-C.", error, code, as_json)
        except (TinygradError, OSError) as error:  # OSError: a file not readable, a full disk
            code = MISTAKE
            report_error(str(error), error, code, as_json)
        raise typer.Exit(code)

    return run


def report_error(message: str, error: BaseException, code: int, as_json: bool) -> None:
    """Print an error on standard error, for machines as a document of one line."""
    if not as_json:
        fail(message)
        return
    told = {"type": type(error).__name__, "message": message, "exit_code": code}
    print(json.dumps({"error": told}), file=sys.stderr)


@contextlib.contextmanager
def _people_aside(as_json: bool) -> Iterator[None]:
    """Where standard output is for a document, what is printed for people goes beside it."""
    if not as_json:
        yield
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield


def as_text(document: Mapping[str, Any]) -> str:
    """A document as JSON, which has no NaN and no infinity: they become null.

    >>> print(as_text({"loss": float("nan"), "layers": (2, 1)}))
    {
      "loss": null,
      "layers": [
        2,
        1
      ]
    }
    """
    return json.dumps(_plain(document), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    """With what JSON knows alone: dicts, lists, strings, finite numbers, booleans and null."""
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
