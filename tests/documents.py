"""Runs the Python blocks of the documentation as tests.

Each Markdown file is one program: its blocks run from top to bottom in one namespace of their own,
so that a reader who types them in order gets what the text says. A block that begins with ``>>>``
is a doctest, and its output is compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

OPERATIONS = "operations before this document"


def remember_operations(namespace: dict[str, Any]) -> None:
    """Note the registered operations, before a document's first block."""
    import tinygrad_mlp as tg

    namespace[OPERATIONS] = dict(tg.OPS)


def forget_operations(namespace: dict[str, Any]) -> None:
    """Take a document's own operations out of the table again, which other tests go through."""
    import tinygrad_mlp as tg

    tg.OPS.clear()
    tg.OPS.update(namespace[OPERATIONS])


documents = Sybil(
    parsers=[PythonCodeBlockParser()],
    # pathlib's ** stands for exactly one folder here, so both depths are named.
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    setup=remember_operations,
    teardown=forget_operations,
)
documents.path = Path(__file__).parent.parent  # and not this folder, which Sybil would look in


class Documents:
    """The pytest plugin: registered by tests/conftest.py, since it concerns files elsewhere."""

    pytest_collect_file = staticmethod(documents.pytest())
