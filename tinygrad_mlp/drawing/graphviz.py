"""Graphviz's program `dot`, which lays out a picture. Only SVG, PNG and PDF need it."""

from __future__ import annotations

import shutil
import subprocess

from tinygrad_mlp.errors import MissingToolError

MISSING = (
    "A picture is laid out by Graphviz, whose program 'dot' was not found. Install it (apt install "
    "graphviz, brew install graphviz, winget install graphviz, or conda install graphviz) and see "
    "that 'dot' is in the PATH. Without it, the picture's text is in .dot, which any Graphviz "
    "viewer shows.")

TIMEOUT = 120  # seconds after which a layout is given up; 200 boxes take less than one


def find_dot() -> str | None:
    """Return the path of Graphviz's program `dot`; None if it is not installed."""
    return shutil.which("dot")


def render(dot: str, format: str) -> bytes:
    """Render a text in the DOT language as SVG, PNG or PDF."""
    program = find_dot()
    if program is None:
        raise MissingToolError(MISSING)
    try:
        done = subprocess.run(
            [program, f"-T{format}"], input=dot.encode(), capture_output=True, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingToolError(f"Graphviz could not lay out the picture: {error}.") from error
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip()
        raise MissingToolError(f"Graphviz could not lay out the picture. Its message: {message}")
    return done.stdout
