"""What edits are made of: the words that they may use, and pieces of syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.program.kernel import expression
from tinygrad_mlp.support.source_rewriting import copied

Edits = Iterator[tuple[float, ast.expr]]
"""Expressions that may take the place of another, each with the cost of the edit."""


class Vocabulary(NamedTuple):
    """What an edited expression may use: the variables in scope, and functions of one argument.

    `variables` holds expressions (``a1``, ``h[t - 1]``) with their values where they are wanted,
    and `unused` those of them that the derivation computes and does not use. `terms` holds products
    and quotients that occur elsewhere in the derivation. `masks` says whether masks, as
    ``x > 0``, are offered.
    """

    variables: Mapping[str, Any]
    functions: tuple[str, ...]
    unused: frozenset[str] = frozenset()
    terms: Mapping[str, Any] = {}
    masks: bool = True


def replaced(root: ast.expr, node: ast.expr, made: ast.expr) -> ast.expr:
    """Return an expression with another node in the place of one of its nodes.

    All that is not above this is shared with the given expression.
    """
    changed: Any = made
    for parent, name, index in _path(root, node):
        part = changed
        if index is not None:
            part = list(getattr(parent, name))
            part[index] = changed
        changed = type(parent)(**{**vars(parent), name: part})
    found: ast.expr = changed
    return found


@lru_cache(4096)
def _path(root: ast.AST, node: ast.AST) -> tuple[tuple[ast.AST, str, int | None], ...]:
    """Return what is above a node, from its parent to the root, each with the place in it."""
    todo: list[tuple[Any, tuple[Any, ...]]] = [(root, ())]
    while todo:
        each, path = todo.pop()
        if each is node:
            return path
        for name, field in ast.iter_fields(each):
            if isinstance(field, ast.AST):
                todo.append((field, ((each, name, None), *path)))
            elif isinstance(field, list):
                todo += [(part, ((each, name, i), *path)) for i, part in enumerate(field)
                         if isinstance(part, ast.AST)]
    raise ValueError("the node is not in the tree")


def replaced_at(root: ast.expr, nodes: Sequence[ast.AST], made: ast.expr) -> ast.expr:
    """Return an expression with another node in the place of some of its nodes."""
    places = set(map(id, nodes))
    found: ast.expr = copied(root, lambda old, new: made if id(old) in places else new)
    return found


def transposed(node: ast.expr) -> ast.expr:
    """Return the expression ``node.T``; of ``x.T``, x."""
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return node.value
    return ast.Attribute(node, "T", ast.Load())


def number(c: float) -> ast.expr:
    """Return a number as an expression."""
    if c < 0:
        return ast.UnaryOp(ast.USub(), number(-c))
    return ast.Constant(int(c) if c == int(c) else c)


parsed = expression
"""Returns the expression of a text. It is shared, as trees are not changed."""


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


def is_count(value: object) -> bool:
    """Return whether a value is an integer."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def kind_of(value: Any) -> str:
    """Return the kind of numbers that a value has; empty for None."""
    return str(np.asarray(value).dtype.kind) if value is not None else ""


def changed_letter(name: str, other: str) -> tuple[str, str] | None:
    """Return the letters in which two names differ, where they differ in one place; else None."""
    pairs = [pair for pair in zip(name, other, strict=False) if pair[0] != pair[1]]
    return pairs[0] if len(name) == len(other) and len(pairs) == 1 else None
