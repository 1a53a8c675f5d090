"""The arguments of a layer: which arrays in them are differentiated, and under which names."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError

SEQUENCES = (list, tuple)


class Place(NamedTuple):
    """An array of floating-point numbers within something, and the keys that lead to it."""

    path: tuple[Any, ...]
    array: Array

    @property
    def label(self) -> str:
        """The place as people write it: ``layers[0].W``."""
        text = str(self.path[0])
        for key in self.path[1:]:
            text += f".{key}" if isinstance(key, str) else f"[{key}]"
        return text


def places(value: Any, path: tuple[Any, ...] = (), seen: set[int] | None = None) -> Iterator[Place]:
    """Yield the arrays of floating-point numbers within objects, dicts, lists and tuples."""
    seen = set() if seen is None else seen
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and value.size:
            yield Place(path, value)
        return
    if id(value) in seen or isinstance(value, type) or callable(getattr(value, "random", None)):
        return
    seen.add(id(value))
    if isinstance(value, SEQUENCES):
        inside: Any = enumerate(value)
    elif isinstance(value, Mapping):
        inside = value.items()
    elif hasattr(value, "__dict__") and not inspect.ismodule(value) and (
            not inspect.isroutine(value)):
        inside = vars(value).items()
    else:
        return
    for key, each in list(inside):
        yield from places(each, (*path, key), seen)


def with_values(value: Any, replaced: Mapping[int, Any], who: str) -> Any:
    """Return a copy of an object in which arrays, given by their `id`, are others everywhere.

    The copy shares nothing with the object. Where several names stand for one array, they stand
    for its replacement.
    """
    try:
        return copy.deepcopy(value, dict(replaced))
    except Exception as error:  # a lock, an open file, a generator
        raise InvalidArgumentError(
            f"{who}: {type(value).__name__} must be such that copy.deepcopy can copy it, so that "
            f"the check changes nothing. Got {type(error).__name__}: {error}.") from error


def distinct(found: Sequence[Place]) -> dict[str, list[Place]]:
    """Return the places of each array by its name: the last key, where that tells it apart."""
    by_array: dict[int, list[Place]] = {}
    for place in found:
        by_array.setdefault(id(place.array), []).append(place)

    def short(group: list[Place]) -> str:
        words = [key for key in group[0].path if isinstance(key, str)]
        words = [w for w in words if w not in ("value", "data")] or words
        return words[-1] if words and isinstance(group[0].path[-1], str) else group[0].label

    groups = [sorted(group, key=lambda place: len(place.path)) for group in by_array.values()]
    groups = [sorted(g, key=lambda p: not isinstance(p.path[-1], str)) for g in groups]
    taken = [short(group) for group in groups]
    return {name if taken.count(name) == 1 else group[0].label: group
            for name, group in zip(taken, groups, strict=True)}


def parameter_names(function: Callable[..., Any], number: int) -> list[str]:
    """Return the names of the first positional parameters of a function."""
    try:
        listed = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        listed = []
    names = [p.name for p in listed if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [*names, *(f"argument{i}" for i in range(len(names), number))][:number]


def required(function: Callable[..., Any]) -> list[str]:
    """Return the names of the positional parameters without a default; of the first, if none."""
    listed = [p for p in inspect.signature(function).parameters.values()
              if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p.name for p in listed if p.default is p.empty]
    return needed or [p.name for p in listed[:1]]


class Inputs:
    """The positional arguments of a forward function.

    Attributes:
        names: of the arguments.
        leaves: the arrays in them by name. The array `x` is called x, one in a dict as its key.
        slots: the names of the leaves of each argument that has any.
    """

    def __init__(self, function: Callable[..., Any], values: Sequence[Any]) -> None:
        self.values = tuple(values)
        self.names = parameter_names(function, len(values))
        found = [place for name, value in zip(self.names, values, strict=True)
                 if isinstance(value, (np.ndarray, *SEQUENCES, Mapping))
                 for place in places(value, (name,))]
        self._groups = distinct(found)
        self.leaves = {name: group[0].array for name, group in self._groups.items()}
        self.slots: dict[str, list[str]] = {}
        for name, group in self._groups.items():
            self.slots.setdefault(str(group[0].path[0]), []).append(name)

    def at(self, point: Mapping[str, Any], who: str) -> tuple[Any, ...]:
        """Return the arguments with the arrays of a point in them."""
        replaced = {id(array): point[name] for name, array in self.leaves.items() if name in point}
        return tuple(with_values(value, replaced, who) for value in self.values)
