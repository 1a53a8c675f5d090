"""The command ``tinygrad-mlp``: train, predict and compare without writing a program.

`app` declares commands and options, `experiment` is what training commands have in common, and
each command has a module of its own. Nothing of this is loaded before the command runs.
"""

from __future__ import annotations

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
    from tinygrad_mlp.cli.app import app

    try:
        app(arguments, prog_name="tinygrad-mlp")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
