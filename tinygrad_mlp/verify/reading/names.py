"""Which name is that of the gradient of which parameter."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from tinygrad_mlp.support.source_rewriting import is_installed, plain_function, source_of

PREFIXES = ("d", "g", "grad", "gradient", "gradients", "delta", "nabla", "dL", "dLd", "dL_d", "dJ",
            "dJd", "dJ_d", "∂", "∇", "∂L/∂", "dL/d", "bar_", "adj_")
SUFFIXES = ("grad", "grads", "gradient", "gradients", "d", "deriv", "derivative", "bar", "adj", "_")

SAME = {"weights": "w", "weight": "w", "biases": "b", "bias": "b", "inputs": "x", "input": "x",
        "values": "x"}
"""Words for which people use a letter in the name of the gradient, and the reverse."""


def canonical(name: str) -> str:
    """Return a name without case and underscores, with letters for weights, biases and inputs."""
    plain = name.lower().replace("_", "")
    return SAME.get(plain, plain)


def gradient_of(key: str, names: Iterable[str]) -> str | None:
    """Return the parameter whose gradient a name stands for, or None.

    >>> gradient_of("dW1", ["W1", "b1"]), gradient_of("weights_gradient", ["W", "b"])
    ('W1', 'W')
    """
    names = list(names)
    stems = [key[len(p):].lstrip("_") for p in PREFIXES if key.startswith(p)]
    stems += [key[:-len(s)].rstrip("_.") for s in SUFFIXES if key.endswith(s)]
    stems = [stem for stem in stems if stem]
    exact = [name for name in names if name in stems]
    if exact:
        return max(exact, key=len)
    alike = {canonical(stem) for stem in stems}
    fitting = [name for name in names if canonical(name) in alike]
    return fitting[0] if len(fitting) == 1 else None


def named(key: str, names: Iterable[str]) -> str | None:
    """Return the parameter for which a key of a dict of gradients stands: its own name will do."""
    names = list(names)
    if key in names:
        return key
    found = gradient_of(key, names)
    same = [name for name in names if canonical(name) == canonical(key)]
    return found or (same[0] if len(same) == 1 else None)


def returned_names(function: Callable[..., object], at: int | None = None,
                   seen: tuple[object, ...] = ()) -> list[str]:
    """Return what the tuple in the last ``return`` of a function is made of, as texts.

    Or what the tuple is made of that stands in it at a place: ``return loss, (dW, db)``. Of a
    function that returns what another one does, the other's; `seen` has those passed so far.
    """
    found = _returned(function)
    if isinstance(found, ast.Call):
        other = _meant(function, found.func)
        known = inspect.isfunction(other) and other not in seen and not is_installed(other)
        return returned_names(other, at, (*seen, other)) if known else []
    if at is not None:
        found = found.elts[at] if isinstance(found, ast.Tuple) and at < len(found.elts) else None
    if not isinstance(found, (ast.Tuple, ast.List)):
        return []
    return [ast.unparse(each).removeprefix("self.") for each in found.elts]


def _returned(function: Callable[..., object]) -> ast.expr | None:
    """Return the expression of the last ``return`` of a function, or of a lambda."""
    source = source_of(function)
    if source is None:
        return None
    if isinstance(source.tree, ast.Lambda):
        return source.tree.body
    returns = [node for node in ast.walk(source.tree) if isinstance(node, ast.Return)]
    last = max(returns, key=lambda node: node.lineno, default=None)
    return None if last is None else last.value


def _meant(function: Callable[..., object], expression: ast.expr) -> Any:
    """Return what ``f``, ``model.loss`` or ``Model(W).loss`` stands for in a function, or None.

    Of an object that is made there, its class.
    """
    if isinstance(expression, ast.Attribute):
        return inspect.getattr_static(_meant(function, expression.value), expression.attr, None)
    if isinstance(expression, ast.Call):
        made = _meant(function, expression.func)
        return made if isinstance(made, type) else None
    plain = plain_function(function)
    if plain is None or not isinstance(expression, ast.Name):
        return None
    cells = dict(zip(plain.__code__.co_freevars, plain.__closure__ or (), strict=True))
    if expression.id not in cells:
        return plain.__globals__.get(expression.id)
    try:
        return cells[expression.id].cell_contents
    except ValueError:  # it is not defined yet
        return None
