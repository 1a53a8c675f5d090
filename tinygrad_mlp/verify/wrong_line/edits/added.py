"""Edits that add a factor or a term from what is in scope, for what was forgotten."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.support.source_rewriting import copied
from tinygrad_mlp.verify.wrong_line.expressions.evaluation import evaluated
from tinygrad_mlp.verify.wrong_line.expressions.syntax import (
    Edits,
    Vocabulary,
    changed_letter,
    kind_of,
    parsed,
    replaced,
)


def scaled(root: ast.expr, variables: Mapping[str, Array | float],
           numbers: Sequence[float]) -> Edits:
    """Yield an expression with a number as a further factor, of all of it or of one term."""
    counts = [text for text, value in variables.items() if np.ndim(value) == 0]
    counts += [f"np.sqrt({text})" for text in counts
               if isinstance(variables[text], (int, np.integer))]
    for text, value in variables.items():
        if text.isidentifier() and 0 < np.ndim(value) <= 2:
            counts += [f"{text}.shape[{axis}]" for axis in range(np.ndim(value))]
    texts = dict.fromkeys([*(f"{c:g}" for c in numbers), *counts])
    for node in [root, *terms_of(root)]:
        for text in texts:
            cost = 1.21 if text[0].isdigit() else 1.1 if text.isidentifier() else 1.4
            less = 0.1 if text[0].isdigit() else 0.0  # ½ · x and not x / 2
            yield cost + less, replaced(root, node, ast.BinOp(node, ast.Div(), parsed(text)))
            yield cost, replaced(root, node, ast.BinOp(parsed(text), ast.Mult(), node))


def multiplied(root: ast.expr, value: Array, words: Vocabulary, scope: dict[str, object]) -> Edits:
    """Yield an expression with an array, its mask or a slope in terms of it as a further factor.

    Of all of it, of one of its terms, or of an operand of a matrix product or a sum, which may have
    a further term, too.
    """
    operands = [*operands_of(root)]
    for node in [root, *terms_of(root), *operands]:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):  # a σ′ that is begun
            rest = ast.BinOp(ast.Constant(1), ast.Sub(), node.right)
            yield 1.3, replaced(root, node, ast.BinOp(node, ast.Mult(), rest))
        found = [value] if node is root else evaluated(node, [scope], [{}])
        for text, other in words.variables.items():
            for factor, cost in _factors(text, other, found[0] if found else None, words):
                yield 1.4 + cost, replaced(root, node, ast.BinOp(node, ast.Mult(), parsed(factor)))
            if found and _fits(other, found[0]):
                yield 1.5, replaced(root, node, ast.BinOp(node, ast.Div(), parsed(text)))
                if node in operands and text.isidentifier():
                    yield 1.45, replaced(root, node, ast.BinOp(node, ast.Add(), parsed(text)))


def _factors(text: str, other: Array | float, value: Any,
             words: Vocabulary) -> Iterator[tuple[str, float]]:
    """Yield the factors that may be made of a variable, with their costs."""
    unused = text in words.unused
    if unused or _fits(other, value):
        yield text, 0.0
    if np.ndim(other) == 1 and (unused or _fits(np.asarray(other)[:, None], value)):
        yield f"{text}[:, None]", 0.1
    if _fits(other, value):
        if words.masks:
            yield f"({text} > 0)", 0.1
        yield from ((f"(1 - {text} ** 2)", 0.2), (f"{text} * (1 - {text})", 0.2),
                    (f"(1 - {text})", 0.2), (f"(1 - np.tanh({text}) ** 2)", 0.3))
        yield from ((f"{name}({text})", 0.2) for name in words.functions)


def extended(root: ast.expr, value: Array, words: Vocabulary) -> Edits:
    """Yield an expression with one more term, added or subtracted.

    That is 1, a variable, a multiple of it, a product of two, or what occurs elsewhere in the
    derivation.
    """
    variables = words.variables
    yield from _extended_parts(root, variables)
    yield from _similar_terms(root, variables)
    others = [text for text, other in words.terms.items() if _fits(other, value)]
    for op in (ast.Add(), ast.Sub()):
        yield from ((1.4, ast.BinOp(root, op, parsed(text))) for text in [*others, "1"])
    numbers = [text for text, other in variables.items()
               if np.ndim(other) == 0 and text.isidentifier()]
    for text, other in variables.items():
        if not (_fits(other, value) or (text in words.unused and np.ndim(other) == 0)):
            continue
        for cost, term in [(1.4, text), *((1.6, f"{c} * {text}") for c in numbers),
                           *((1.6, f"{text} / {c}") for c in numbers)]:
            yield cost, ast.BinOp(root, ast.Add(), parsed(term))
            yield cost + 0.05, ast.BinOp(root, ast.Sub(), parsed(term))
    same = [text for text, other in variables.items() if np.ndim(other) and kind_of(other) == "f"
            and np.shape(other) == np.shape(value) and text.isidentifier()]
    for a, b in combinations(same, 2):
        for op in (ast.Add(), ast.Sub()):
            yield 1.7, ast.BinOp(root, op, parsed(f"{a} * {b}"))


def _extended_parts(root: ast.expr, variables: Mapping[str, Array | float]) -> Edits:
    """Yield a comparison, or a product, of which one side has a further term.

    ``d * (c - h)`` for ``d * c``, where the factor is a variable.
    """
    if isinstance(root, ast.Compare):
        for text, other in variables.items():
            if np.ndim(other) == 0 and text.isidentifier():
                more = ast.BinOp(root.left, ast.Add(), parsed(text))
                yield 1.4, replaced(root, root.left, more)
    products = [part for part in ast.walk(root) if isinstance(part, ast.BinOp)
                and isinstance(part.op, ast.Mult)]
    for factor in [each for part in products for each in (part.left, part.right)]:
        own = np.shape(variables.get(ast.unparse(factor), 0))
        for text in [t for t, other in variables.items() if own and np.shape(other) == own]:
            for op in (ast.Sub(), ast.Add()):
                yield 1.4, replaced(root, factor, ast.BinOp(factor, op, parsed(text)))


def _similar_terms(root: ast.expr, variables: Mapping[str, Array | float]) -> Edits:
    """Yield a sum with one more term, that of another letter: ``Wz.T @ dz + Wr.T @ dr``."""
    for term in [root, *terms_of(root)]:
        used = {node.id for node in ast.walk(term) if isinstance(node, ast.Name)}
        twins = {(name, other): changed_letter(name, other) for name in used for other in variables}
        for letters in sorted({pair for pair in twins.values() if pair is not None}):
            names = {name: other for (name, other), pair in twins.items() if pair == letters}
            made = copied(term, lambda _, node: ast.Name(names[node.id], ast.Load()) if isinstance(  # noqa: B023
                node, ast.Name) and node.id in names else node)  # noqa: B023
            yield 1.4, ast.BinOp(root, ast.Add(), made)


def joined(root: ast.expr, value: Array, variables: Mapping[str, Array | float]) -> Edits:
    """Yield an expression with a matrix product of two variables as a further term."""
    shape = np.shape(value)
    arrays = {text: np.shape(other) for text, other in variables.items()
              if np.ndim(other) in (1, 2) and np.asarray(other).dtype.kind == "f"}
    for a, rows in arrays.items():
        for b, columns in arrays.items():
            if (*rows, *columns) == shape and len(rows) == len(columns) == 1:
                yield 1.6, ast.BinOp(root, ast.Add(), parsed(f"np.outer({a}, {b})"))
            if len(rows) == 2 and (rows[1], *columns[1:]) == shape and rows[0] == columns[0]:
                yield 1.6, ast.BinOp(root, ast.Add(), parsed(f"{a}.T @ {b}"))
            if len(rows) == len(columns) == 2 and rows[1] == columns[1] and (
                    rows[0], columns[0]) == shape:
                yield 1.6, ast.BinOp(root, ast.Add(), parsed(f"{a} @ {b}.T"))


def terms_of(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the terms of the sums in an expression."""
    for part in ast.walk(node):
        if isinstance(part, ast.BinOp) and isinstance(part.op, (ast.Add, ast.Sub)):
            yield from (part.left, part.right)


def operands_of(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the operands of matrix products, and the arguments of calls, that an expression has."""
    for part in ast.walk(node):
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.MatMult):
            yield from (part.left, part.right)
        elif isinstance(part, ast.Attribute) and part.attr == "T":
            yield part.value
        elif isinstance(part, (ast.Call, ast.List)):
            inside = part.args if isinstance(part, ast.Call) else part.elts
            yield from (each for each in inside if isinstance(
                each, (ast.Name, ast.BinOp, ast.Call)))


def _fits(other: Any, value: Array) -> bool:
    """Return whether an array has the shape of another, or may be broadcast to it."""
    numbers = isinstance(value, (np.ndarray, np.generic, float, int))  # and no list of arrays
    if not numbers or kind_of(other) not in "fb" or (np.ndim(other) == 0 and np.ndim(value) > 0):
        return False
    try:
        return bool(np.broadcast_shapes(np.shape(other), np.shape(value)) == np.shape(value))
    except ValueError:
        return False
