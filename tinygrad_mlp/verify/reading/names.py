"""Which name is that of the gradient of which parameter."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

from tinygrad_mlp.support.source_rewriting import source_of

PREFIXES = ("d", "g", "grad", "gradient", "gradients", "delta", "nabla", "dL", "dLd", "dJ", "dJd",
            "∂", "∇", "∂L/∂", "dL/d")
SUFFIXES = ("grad", "grads", "gradient", "gradients", "d", "deriv", "derivative")

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


def returned_names(function: Callable[..., Any], at: int | None = None) -> list[str]:
    """Return what the tuple in the last ``return`` of a function is made of, as texts.

    Or what the tuple is made of that stands in it at a place: ``return loss, (dW, db)``.
    """
    source = source_of(function)
    if source is None:
        return []
    returns = [node for node in ast.walk(source.tree) if isinstance(node, ast.Return)]
    last = max(returns, key=lambda node: node.lineno, default=None)
    found: Any = None if last is None else last.value
    if at is not None:
        found = found.elts[at] if isinstance(found, ast.Tuple) and at < len(found.elts) else None
    if not isinstance(found, (ast.Tuple, ast.List)):
        return []
    return [ast.unparse(each).removeprefix("self.") for each in found.elts]
