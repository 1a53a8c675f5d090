"""Statements put before, after and in the place of other ones."""

from __future__ import annotations

import ast

from tinygrad_mlp.verify.wrong_line.recording.recorder import StatementChange

SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr)
"""Statements without a body."""


def followed_by(text: str) -> StatementChange:
    """Return the change that puts a statement after another one."""
    return lambda copy: [copy, _placed(text, copy)]


def replaced_by(text: str) -> StatementChange:
    """Return the change that puts a statement in the place of another one."""
    return lambda copy: [_placed(text, copy)]


def preceded_by(text: str) -> StatementChange:
    """Return the change that puts a statement before another one."""
    return lambda copy: [_placed(text, copy), copy]


def _placed(text: str, statement: ast.stmt) -> ast.stmt:
    made = ast.parse(text).body[0]
    for node in ast.walk(made):
        ast.copy_location(node, statement)
    return made
