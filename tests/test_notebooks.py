"""The ready-made notebooks run, and what is kept of their output is what they show."""

from __future__ import annotations

import ast
import json
import linecache
import re

import numpy as np
import pytest

from tests.notebooks import NOTEBOOKS, shown_in_a_cell

NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e-?\d+)?")
WIDGET = "application/vnd.jupyter.widget-view+json"


def cells_of(path):
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
            if cell["cell_type"] == "code"]


def run(source, name, namespace):
    """Run a cell, and return what its last line is, as a notebook would show it."""
    linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), namespace)
    return last and eval(compile(ast.Expression(last.value), name, "eval"), namespace)


def kinds(value):
    """The kinds of content that a notebook is given for a value."""
    names = {"image/png": "_repr_png_", "image/svg+xml": "_repr_svg_", "text/html": "_repr_html_",
             "text/latex": "_repr_latex_"}
    if hasattr(value, "_repr_mimebundle_"):
        shown = value._repr_mimebundle_()
        return set(shown[0] if isinstance(shown, tuple) else shown) | {"text/plain"}
    found = {kind for kind, name in names.items() if getattr(value, name, lambda: None)()}
    return found | {"text/plain"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_is_kept_of_it(path, monkeypatch, capsys, unhurried):
    pytest.importorskip("anywidget", reason="anywidget is not installed")
    places = shown_in_a_cell(monkeypatch)
    namespace = {}
    for number, cell in enumerate(cells_of(path)):
        value = run("".join(cell["source"]), f"<{path.stem}, cell {number}>", namespace)
        printed = "".join("".join(output.get("text", "")) for output in cell["outputs"])
        out = capsys.readouterr().out
        assert NUMBER.sub("#", out) == NUMBER.sub("#", printed)
        found, kept = (list(map(float, NUMBER.findall(text))) for text in (out, printed))
        np.testing.assert_allclose(found, kept, rtol=0.05, atol=1e-9)
        for output in cell["outputs"]:
            assert output["output_type"] != "error"
            if output["output_type"] == "execute_result":
                without_graphviz = {"image/svg+xml"} if "<Drawing" in str(output) else set()
                assert set(output["data"]) - without_graphviz <= kinds(value)
        if hasattr(value, "close"):
            value.close()
    assert all(len(pictures) > 1 for pictures in places)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_kept_has_no_traces_of_the_machine(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/home/|/root/|/tmp/|0x[0-9a-f]{8,}|iopub", text)
    assert len(text) < 500_000
