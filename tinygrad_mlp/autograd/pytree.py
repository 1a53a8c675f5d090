"""Nested arguments: lists, tuples and dicts of arrays, flattened and rebuilt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tinygrad_mlp.errors import InvalidArgumentError


def leaves(tree: object) -> list[Any]:
    """Return the arrays of a nesting, in order (dicts in the order of insertion).

    >>> leaves({"W": 1, "b": [2, (3,)]})
    [1, 2, 3]
    """
    if isinstance(tree, dict):
        return [leaf for branch in tree.values() for leaf in leaves(branch)]
    if isinstance(tree, (list, tuple)):
        return [leaf for branch in tree for leaf in leaves(branch)]
    return [tree]


def leaves_like(model: object, tree: object) -> list[Any]:
    """Return the arrays of `tree` in the order of those of `model`, of the same structure.

    Dicts are matched by key, so that the order of their insertion does not matter.
    """
    if isinstance(model, dict):
        if isinstance(tree, dict) and tree.keys() == model.keys():
            return [leaf for key in model for leaf in leaves_like(model[key], tree[key])]
    elif isinstance(model, (list, tuple)):
        if isinstance(tree, (list, tuple)) and len(tree) == len(model):
            pairs = zip(model, tree, strict=True)
            return [leaf for branch, other in pairs for leaf in leaves_like(branch, other)]
    else:
        return [tree]
    raise InvalidArgumentError(f"expected {_kind(model)}. Got {_kind(tree)}.")


def _kind(tree: object) -> str:
    if isinstance(tree, dict):
        return f"a dict with the keys {list(tree)}"
    if isinstance(tree, (list, tuple)):
        return f"a {type(tree).__name__} of {len(tree)}"
    return f"a single {type(tree).__name__}"


def rebuild(tree: object, replacements: Iterable[object]) -> Any:
    """Return a nesting of the same structure with other leaves.

    >>> rebuild({"W": 1, "b": [2, (3,)]}, "xyz")
    {'W': 'x', 'b': ['y', ('z',)]}
    """
    return _rebuild(tree, iter(replacements))


def _rebuild(tree: object, source: Iterator[object]) -> Any:
    if isinstance(tree, dict):
        return {key: _rebuild(branch, source) for key, branch in tree.items()}
    if isinstance(tree, (list, tuple)):
        branches = [_rebuild(branch, source) for branch in tree]
        # A named tuple takes its fields one by one.
        return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)
    return next(source)


def map_leaves(function: Callable[..., object], tree: object, *others: object) -> Any:
    """Apply `function` to the corresponding leaves of one or more nestings."""
    return rebuild(tree, map(function, leaves(tree), *(leaves(other) for other in others)))
