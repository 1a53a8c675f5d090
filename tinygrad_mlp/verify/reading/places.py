"""Arrays within objects, dicts and lists: where they are, what they are called."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping, Sequence
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


def places(value: object, path: tuple[int | str, ...] = (),
           seen: set[int] | None = None) -> Iterator[Place]:
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


def with_values(value: object, replaced: Mapping[int, object], who: str) -> Any:
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
