"""The pieces are what their tables say: right ones agree with central differences, wrong ones not.

Nothing here uses the package's checks; the pieces are what these are held on.
"""

from __future__ import annotations

import ast
import builtins
from functools import cache

import numpy as np
import pytest

from tests.real.real_code import CONVENTIONS, STYLES, as_it_stands, files, planted, put_right

CLOSE, FAR = 1e-6, 2e-5
KEYS = {"style", "glue", "verdict", "stores", "says", "wrong", "change", "also", "convention",
        "size", "mistakes"}
EACH = pytest.mark.parametrize("path", files(), ids=lambda p: p.stem)


def distance(given, exact):
    """Return the largest difference relative to the largest element; infinite for other shapes."""
    if given.size != exact.size:
        return np.inf
    scale = np.abs(exact).max() + 1e-12
    return np.abs(given.reshape(exact.shape) - exact).max() / scale


@cache
def both_gradients(path):
    """Return a file's piece, its gradients, and central differences."""
    piece = as_it_stands(path)
    return piece, *piece.gradients()


def wrong_names(given, exact):
    """Return the parameters with wrong gradients; none may be neither right nor wrong."""
    distances = {name: distance(given[name], exact[name]) for name in exact}
    assert not [n for n, d in distances.items() if CLOSE < d < FAR], distances
    return {name for name, d in distances.items() if d >= FAR}


@EACH
def test_a_piece_is_right_or_wrong_as_its_table_says(path):
    piece, given, exact = both_gradients(path)
    wrong = wrong_names(given, exact)

    if piece.table["verdict"] == "right":
        assert not wrong and not piece.lines
        return
    assert wrong == set(piece.table["wrong"]) != set()
    assert piece.lines and not wrong_names(*put_right(path).gradients())


@EACH
def test_each_planted_mistake_changes_gradients_and_not_the_value(path):
    right, given, _ = both_gradients(path)
    for piece in planted(path):
        assert piece.value() == right.value() and piece.lines and piece.words, piece.name
        assert wrong_names(piece.given(), given), piece.name


@EACH
def test_a_convention_is_the_one_that_the_table_names(path):
    piece, given, exact = both_gradients(path)
    kind, size = piece.table.get("convention"), piece.table.get("size")
    assert (kind is not None) == (piece.table["verdict"] == "convention")
    expected = {
        "scale": lambda exact, x: size * exact,
        "decay": lambda exact, x: exact + size * x,
        "clipping": lambda exact, x: np.clip(exact, -size, size),
    }.get(kind)
    if expected is None:  # a right piece, a wrong one, or what the text put right has shown
        assert kind in (None, "constant in the log", "clip active", "truncated")
        return
    _, arrays, _ = piece.module.plain()
    for name in piece.table["wrong"]:
        assert distance(given[name], expected(exact[name], arrays[name])) < CLOSE


@EACH
def test_the_glue_is_at_most_two_lines_that_name_what_the_piece_defines(path):
    piece = as_it_stands(path)
    table = piece.table
    assert set(table) <= KEYS and {"style", "glue", "verdict", "stores"} <= set(table)
    assert table["style"] in STYLES and table["verdict"] in ("right", "wrong", "convention")
    assert len(table["glue"].splitlines()) <= 2
    tree = ast.parse(table["glue"])
    calls = [node.func.attr for node in ast.walk(tree)
             if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("tg.verify.")]
    assert len(calls) == 1
    check = {"step": "check_step", "layer functions": "check_layer", "layer object": "check_layer"}
    assert calls[0] == check.get(table["style"], "check_derivation")
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    read = {n.id for n in names if isinstance(n.ctx, ast.Load)}
    bound = {n.id for n in names if isinstance(n.ctx, ast.Store)}
    bound |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    bound |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    assert read - bound - {"tg", "np"} <= set(vars(piece.module)) | set(dir(builtins))


def test_every_style_and_convention_occurs():
    tables = [as_it_stands(path).table for path in files()]
    assert {t["style"] for t in tables} == set(STYLES)
    assert {t["convention"] for t in tables if "convention" in t} == set(CONVENTIONS)


def test_a_text_to_be_changed_must_occur_once(tmp_path):
    path = tmp_path / "piece.py"
    table = 'TABLE = {"mistakes": [("x = 1", "x = 2", "two"), ("y = 1", "y = 2", "none")]}'
    for body in ("x = 1\nx = 1\n", "x = 1\n"):
        path.write_text(f"{body}\ndef plain():\n    pass\n\n\n{table}\n")
        with pytest.raises(ValueError, match="must occur once"):
            planted(path)
