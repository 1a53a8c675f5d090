"""Edits that add a factor or a term from what is in scope, for what was forgotten."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.verify.wrong_line.syntax import Edits, parsed, replaced


def scaled(root: ast.expr, variables: Mapping[str, Any], numbers: Sequence[float]) -> Edits:
    """Yield an expression with a number as a further factor, of all of it or of one term."""
    counts = [text for text, value in variables.items() if np.ndim(value) == 0]
    counts += [f"np.sqrt({text})" for text in counts
               if isinstance(variables[text], (int, np.integer))]
    for text, value in variables.items():
        if text.isidentifier() and 0 < np.ndim(value) <= 2:
            counts += [f"{text}.shape[{axis}]" for axis in range(np.ndim(value))]
    texts = dict.fromkeys([*(f"{c:g}" for c in numbers), *counts])
    for node in [root, *terms_of(root)]:
        now = ast.unparse(node)
        for text in texts:
            cost = 1.1 if text.isidentifier() or text[0].isdigit() else 1.4
            less = 0.1 if text[0].isdigit() else 0.0  # ½ · x and not x / 2
            yield cost + less, replaced(root, node, parsed(f"({now}) / {text}"))
            yield cost, replaced(root, node, parsed(f"{text} * ({now})"))


def multiplied(root: ast.expr, value: Any, variables: Mapping[str, Any]) -> Edits:
    """Yield an expression with an array, its mask or a slope in terms of it as a further factor."""
    for node in [root, *terms_of(root)]:
        now = ast.unparse(node)
        for text, other in variables.items():
            if not _fits(other, value):
                continue
            for cost, factor in ((1.4, text), (1.5, f"({text} > 0)"), (1.6, f"(1 - {text} ** 2)"),
                                 (1.6, f"{text} * (1 - {text})"), (1.6, f"(1 - {text})"),
                                 (1.7, f"(1 - np.tanh({text}) ** 2)")):
                yield cost, replaced(root, node, parsed(f"({now}) * {factor}"))
            yield 1.5, replaced(root, node, parsed(f"({now}) / {text}"))


def extended(root: ast.expr, value: Any, variables: Mapping[str, Any]) -> Edits:
    """Yield an expression with a variable as a further term, by itself or times a number."""
    now = ast.unparse(root)
    numbers = [text for text, other in variables.items()
               if np.ndim(other) == 0 and text.isidentifier()]
    for text, other in variables.items():
        if not _fits(other, value):
            continue
        for cost, term in [(1.4, text), *((1.6, f"{c} * {text}") for c in numbers),
                           *((1.6, f"{text} / {c}") for c in numbers)]:
            yield cost, parsed(f"({now}) + {term}")
            yield cost + 0.05, parsed(f"({now}) - {term}")


def joined(root: ast.expr, value: Any, variables: Mapping[str, Any]) -> Edits:
    """Yield an expression with a matrix product of two variables as a further term."""
    now, shape = ast.unparse(root), np.shape(value)
    arrays = {text: np.shape(other) for text, other in variables.items()
              if np.ndim(other) in (1, 2) and np.asarray(other).dtype.kind == "f"}
    for a, rows in arrays.items():
        for b, columns in arrays.items():
            if len(rows) == 2 and (rows[1], *columns[1:]) == shape and rows[0] == columns[0]:
                yield 1.6, parsed(f"({now}) + {a}.T @ {b}")
            if len(rows) == len(columns) == 2 and rows[1] == columns[1] and (
                    rows[0], columns[0]) == shape:
                yield 1.6, parsed(f"({now}) + {a} @ {b}.T")


def terms_of(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the terms of a sum."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        for part in (node.left, node.right):
            yield part
            yield from terms_of(part)


def _fits(other: Any, value: Any) -> bool:
    """Return whether an array has the shape of another, or may be broadcast to it."""
    if np.asarray(other).dtype.kind != "f" or (np.ndim(other) == 0 and np.ndim(value) > 0):
        return False
    try:
        return bool(np.broadcast_shapes(np.shape(other), np.shape(value)) == np.shape(value))
    except ValueError:
        return False
