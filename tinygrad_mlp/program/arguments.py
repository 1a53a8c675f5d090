"""The arguments of a compiled function: which are data, and which decide what program is needed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Value, make_value
from tinygrad_mlp.autograd.pytree import leaves
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import TraceError
from tinygrad_mlp.program.recording import DATA, Recording


def program_key(args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[object, list[object]]:
    """Return the key of the program for such arguments, and the data among them.

    The key holds shapes and dtypes of arrays, and the values of everything that is not data.
    """
    key: list[Any] = []
    data: list[Any] = []
    if kwargs:
        key.append(tuple(kwargs))
    for a in (*args, *kwargs.values()):
        if isinstance(a, (list, tuple, dict)):
            key.append(_structure(a))
            for leaf in leaves(a):
                _add(leaf, key, data)
        else:
            _add(a, key, data)
    return tuple(key), data


def _structure(tree: object) -> Any:
    if isinstance(tree, dict):
        return ("dict", *((k, _structure(v)) for k, v in tree.items()))
    if isinstance(tree, (list, tuple)):
        return (type(tree), *map(_structure, tree))
    return None


def _add(a: object, key: list[object], data: list[object]) -> None:
    if type(a) is np.ndarray or isinstance(a, np.generic):
        key.append((a.shape, a.dtype))
        data.append(a)
    elif isinstance(a, Value):
        key.append((type(a), a.data.shape, a.data.dtype))
        if a.requires_grad:
            raise TraceError(
                "a compiled function was given a tensor that requires a gradient as an argument. "
                "Let the function use it from outside, as a parameter, or pass x.detach().")
        data.append(a.data)
    elif type(a) is float:
        key.append("number")
        data.append(a)
    else:
        try:
            hash(a)
        except TypeError:
            raise TraceError(
                f"a compiled function expects arrays, numbers and hashable static arguments. "
                f"Got {type(a).__name__}: pass the arrays in it instead.") from None
        key.append((type(a), a))


def traced_arguments(recording: Recording, function: Callable[..., object],
                     args: tuple[object, ...], flat: list[object]) -> list[object]:
    """Return what the function is given while it is recorded, for each of its `flat` arguments."""
    names = iter(argument_names(function, args))
    return [_traced(recording, a, next(names, None)) for a in flat]


def _traced(recording: Recording, a: object, name: str | None) -> Any:
    if isinstance(a, (np.ndarray, np.generic)) or type(a) is float:
        return recording.input(a, DATA, name)
    if isinstance(a, Value):
        traced: Any = recording.input(a.data, DATA, name)
        made = make_value(Tensor, traced, None, False)
        made.name = a.name
        return made
    return a


def argument_names(function: Callable[..., object], args: tuple[object, ...]) -> list[str]:
    """Return the names of the arguments, where each of them is a single array."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []
    return names if all(not isinstance(a, (list, tuple, dict)) for a in args) else []


def changing_argument(keys: list[Any], function: Callable[..., object]) -> str:
    """Return the argument in which the last two keys of programs differ, in words."""
    names = argument_names(function, ())
    for place, (one, other) in enumerate(zip(keys[-1], keys[-2], strict=False)):
        if one != other:
            name = names[place] if place < len(names) else f"argument {place}"
            return f"'{name}' (now {one[0]})" if isinstance(one, tuple) else f"'{name}'"
    return "the structure of its arguments"
