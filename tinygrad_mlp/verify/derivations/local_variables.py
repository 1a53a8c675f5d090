"""Names of a function's local variables, for messages that call z2 what its author calls it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tinygrad_mlp.autograd.stores.differentiable import calling_dot, dot
from tinygrad_mlp.support.source_rewriting import copied, rebound, source_of

LEAVE, LOCALS, DOT = "<leave>", "<locals>", "<dot>"
"""Names that no program can have, for what the rewritten function calls."""


def call_with_local_variables(function: Callable[..., object],
                              arguments: Mapping[str, object],
                              args: Sequence[object] = ()) -> tuple[Any, dict[str, Any]]:
    """Return ``function(*args, **arguments)`` and the function's local variables when it returned.

    Every ``return e`` of the function becomes ``return leave(e, locals())``. The names only serve
    messages: where there is no source to rewrite, the variables are left out.
    """
    source = source_of(function)
    variables: dict[str, Any] = {}
    if source is None:
        return function(*args, **arguments), variables

    def leave(value: object, found: dict[str, object]) -> Any:
        variables.update((name, v) for name, v in found.items() if not name.startswith("<"))
        return value

    def leaving(value: ast.expr | None) -> ast.Call:
        seen = ast.Call(ast.Name(LOCALS, ast.Load()), [], [])
        return ast.Call(ast.Name(LEAVE, ast.Load()), [value or ast.Constant(None), seen], [])

    inner = {id(node) for each in ast.walk(source.tree)
             if isinstance(each, (ast.FunctionDef, ast.Lambda)) and each is not source.tree
             for node in ast.walk(each)}

    with_dot = calling_dot(ast.Name(DOT, ast.Load()))  # as in all functions that are recorded

    def change(original: ast.AST, copy: Any) -> Any:
        copy = with_dot(original, copy)
        if isinstance(original, ast.Return) and id(original) not in inner:
            return ast.copy_location(ast.Return(leaving(copy.value)), copy)
        if original is source.tree and isinstance(copy, ast.Lambda):
            return ast.copy_location(ast.Lambda(copy.args, leaving(copy.body)), copy)
        return copy

    tree = copied(source.tree, change)
    watched = rebound(function, source, tree, {LEAVE: leave, LOCALS: locals, DOT: dot})
    return watched(*args, **arguments), variables
