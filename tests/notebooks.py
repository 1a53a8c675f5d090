"""Runs the notebooks of docs/notebooks/ and keeps what they show, for code hosts to show it.

``python -m tests.notebooks`` does so; it needs Jupyter (``pip install jupyterlab``) and Graphviz.
"""

from __future__ import annotations

import builtins
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


def shown_in_a_cell(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """Let the package take this for a cell of a notebook; return what each place of it shows."""
    pytest.importorskip("IPython", reason="IPython is not installed")
    places: list[list[Any]] = []

    def display(content: Any, display_id: bool) -> Any:
        places.append([content])
        return SimpleNamespace(update=places[-1].append)

    shell = SimpleNamespace(kernel=object())
    monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)
    monkeypatch.setattr("IPython.display.display", display)
    return places


def main() -> None:
    import nbformat
    from nbclient import NotebookClient

    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(notebook, timeout=300).execute()
        notebook.metadata.pop("widgets", None)
        for cell in notebook.cells:
            cell.metadata = {}
        nbformat.write(notebook, path)
        print(path.name)


if __name__ == "__main__":
    main()
