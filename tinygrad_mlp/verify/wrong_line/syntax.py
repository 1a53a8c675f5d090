"""What edits are made of: the words that they may use, and pieces of syntax trees."""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Edits = Iterator[tuple[float, ast.expr]]
"""Expressions that may take the place of another, each with the cost of the edit."""


class Vocabulary(NamedTuple):
    """What an edited expression may use: the variables in scope, and functions of one argument.

    `variables` holds expressions (``a1``, ``h[t - 1]``) with their values where they are wanted,
    and `unused` those of them that the derivation computes and does not use.
    """

    variables: Mapping[str, Any]
    functions: tuple[str, ...]
    unused: frozenset[str] = frozenset()


def replaced(root: ast.expr, node: ast.expr, made: ast.expr) -> ast.expr:
    """Return an expression with another node in the place of one of its nodes."""
    return replaced_at(root, [node], made)


def replaced_at(root: ast.expr, nodes: Sequence[ast.AST], made: ast.expr) -> ast.expr:
    """Return an expression with another node in the place of some of its nodes.

    All that is not above these is shared with the given expression.
    """
    found: ast.expr = _replaced(root, set(map(id, nodes)), made)
    return found


def _replaced(node: Any, places: set[int], made: ast.expr) -> Any:
    if id(node) in places:
        return made
    changed: dict[str, Any] = {}
    for name, old in vars(node).items():
        if isinstance(old, ast.AST):
            new: Any = _replaced(old, places, made)
        elif isinstance(old, list):
            new = [_replaced(each, places, made) if isinstance(each, ast.AST) else each
                   for each in old]
            new = old if all(map(operator.is_, old, new)) else new
        else:
            continue
        if new is not old:
            changed[name] = new
    return type(node)(**{**vars(node), **changed}) if changed else node


def transposed(node: ast.expr) -> ast.expr:
    """Return the expression ``node.T``; of ``x.T``, x."""
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return node.value
    return ast.Attribute(node, "T", ast.Load())


def number(c: Any) -> ast.expr:
    """Return a number as an expression."""
    if c < 0:
        return ast.UnaryOp(ast.USub(), number(-c))
    return ast.Constant(int(c) if c == int(c) else c)


def parsed(text: str) -> ast.expr:
    """Return the expression of a text."""
    return ast.parse(text, mode="eval").body


def called(node: ast.Call) -> str:
    """Return the last part of the name of what is called."""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def renamed(function: ast.expr, name: str) -> ast.expr:
    """Return another function of the same module or object."""
    if isinstance(function, ast.Attribute):
        return ast.Attribute(function.value, name, ast.Load())
    return ast.Name(name, ast.Load())


def argument_of(node: ast.Call) -> ast.expr | None:
    """Return the array that a reduction is of."""
    if isinstance(node.func, ast.Attribute):
        value = node.func.value
        if not (isinstance(value, ast.Name) and value.id in ("np", "numpy")):
            return value
    return node.args[0] if node.args else None


def is_count(value: Any) -> bool:
    """Return whether a value is an integer."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def kind_of(value: Any) -> str:
    """Return the kind of numbers that a value has; empty for None."""
    return str(np.asarray(value).dtype.kind) if value is not None else ""
