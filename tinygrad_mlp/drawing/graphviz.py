"""Graphviz's program `dot`, which lays a picture out. It is asked for only where SVG is wanted."""

from __future__ import annotations

import shutil
import subprocess

from tinygrad_mlp.errors import MissingToolError

FORMATS = ("svg", "png", "pdf")

MISSING = (
    "A picture is laid out by Graphviz, whose program 'dot' was not found. Install it (apt install "
    "graphviz, brew install graphviz, winget install graphviz, or conda install graphviz) and see "
    "that 'dot' is in the PATH. Without it, the picture's text is in .dot, which any Graphviz "
    "viewer shows."
)

SECONDS = 120
"""After which a layout is given up. 200 boxes take less than one."""


def find_dot() -> str | None:
    """The path of Graphviz's program `dot`; None where it is not installed."""
    return shutil.which("dot")


def rendered(dot: str, format: str) -> bytes:
    """A text in the DOT language as a picture.

    Args:
        dot: the text.
        format: one of `FORMATS`.

    Raises:
        MissingToolError: Graphviz is not installed, or fails.
    """
    program = find_dot()
    if program is None:
        raise MissingToolError(MISSING)
    try:
        done = subprocess.run(
            [program, f"-T{format}"], input=dot.encode(), capture_output=True, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingToolError(f"Graphviz could not lay out the picture: {error}.") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise MissingToolError(f"Graphviz could not lay out the picture. It says: {said}")
    return done.stdout
