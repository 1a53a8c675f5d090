"""The command ``tinygrad-mlp``: train, predict, compare and check without writing a program.

`app` declares the commands and `options` their options; each command has a module of its own, and
`experiment` is the common part of those that train. None is loaded before the command runs.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the words after the command's name; None for those the program was given.

    Returns:
        The exit code: 0 for success, 1 if training diverged, a check failed or a file could not
        be written, 2 for a user's mistake, 130 after Ctrl-C, 128 + n after another signal n.

    >>> main(["--version"])
    tinygrad-mlp 0.1.0
    0
    """
    if arguments is not None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # such as ∂, if only ASCII can be printed
        return _run(list(arguments))
    from tinygrad_mlp.cli import process
    from tinygrad_mlp.cli.outputs import report_error

    words = sys.argv[1:]
    final = process.take_over(
        lambda message, error, code: report_error(message, error, code, "--json" in words))
    return final(_run(words))


def _run(words: list[str]) -> int:
    as_json = "--json" in words
    try:
        from tinygrad_mlp.cli.app import app

        # typer itself prints what is wrong with the options, but as text only.
        code = app(words, prog_name="tinygrad-mlp", standalone_mode=not as_json)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:  # before the command has begun
        return 130
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        from tinygrad_mlp.cli.outputs import report_error

        report_error(error.format_message(), error, 2, as_json)
        return 2
    return code if isinstance(code, int) else 0
