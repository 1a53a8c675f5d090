"""Runs the Python blocks of the documentation as tests.

Each Markdown file is one program: its blocks run from top to bottom in one namespace of their own,
so that a reader who types them in order gets what the text says. A block that begins with ``>>>``
is a doctest, and its output is compared.
"""

from __future__ import annotations

from importlib.util import find_spec
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


ROOT = Path(__file__).parent.parent

NEEDS = {
    "docs/export.md": ("onnx", "onnxruntime"),
    "tests/exporting": ("onnx", "onnxruntime"),
    "tinygrad_mlp/exporting/export.py": ("onnx",),
}
"""Packages without which the tests in a folder, or the examples in a file, cannot be run."""

documents = Sybil(
    parsers=[PythonCodeBlockParser()],
    # pathlib's ** stands for exactly one folder here, so both depths are named.
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    setup=remember_operations,
    teardown=forget_operations,
)
documents.path = ROOT  # and not this folder, which Sybil would look in


class Documents:
    """The pytest plugin: registered by tests/conftest.py, since it concerns files elsewhere."""

    pytest_collect_file = staticmethod(documents.pytest())

    @staticmethod
    def pytest_ignore_collect(collection_path: Path) -> bool | None:
        """Leave out what needs a package that is not installed."""
        for name, packages in NEEDS.items():
            if collection_path.is_relative_to(ROOT / name) and not all(map(find_spec, packages)):
                return True
        return None
