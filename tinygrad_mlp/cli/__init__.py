"""The command ``tinygrad-mlp``: train, predict and compare without writing a program.

`app` declares commands and options, `experiment` is what training commands have in common, and
each command has a module of its own. Nothing of this is loaded before the command runs.
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
        The exit code: 0 for success, 1 where training diverged or a result could not be written,
        2 for a user's mistake, 130 after Ctrl-C.

    >>> main(["--version"])
    tinygrad-mlp 0.1.0
    0
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    as_json = "--json" in words
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a ∂ where only ASCII can be printed
    try:
        from tinygrad_mlp.cli.app import app

        # What is wrong with the options is told by the library that reads them, in text.
        code = app(words, prog_name="tinygrad-mlp", standalone_mode=not as_json)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:  # before the command has begun
        return 130
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        from tinygrad_mlp.cli.running import report_error

        report_error(error.format_message(), error, 2, as_json)
        return 2
    return code if isinstance(code, int) else 0
