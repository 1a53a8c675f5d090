"""The parts that a module keeps in lists, tuples, dicts, dataclasses: found by a name, or refused.

Containers are read each time that parts are asked for, so that what is appended later is found.
"""

from __future__ import annotations

from collections import UserDict, UserList, deque
from collections.abc import Callable, Iterable, Iterator
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np

from tinygrad_mlp.errors import InvalidArgumentError

SEQUENCES: tuple[Any, ...] = (list, tuple, deque, UserList, type({}.values()))
MAPPINGS = (dict, UserDict, MappingProxyType)
NAMELESS = (set, frozenset)

NO_PARTS = frozenset({int, float, str, bool, complex, bytes, type(None), np.float64, np.ndarray})
"""Types of what is frequent in containers and holds no parts. Arrays of objects are no such thing:
they are read."""

PLAIN = NO_PARTS - {np.ndarray}
"""Those of them that never hold any."""

IsPart = Callable[[Any], bool]


def held(name: str, value: object, is_part: IsPart,
         around: tuple[int, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Iterate over what an attribute holds: names and objects that are no containers themselves.

    `around` are the identities of the containers that `value` lies in: one that lies in itself is
    not entered again.

    Raises:
        InvalidArgumentError: a part lies where it has no name.
    """
    entries = _entries(name, value, is_part)
    if entries is None:
        yield name, value
    elif id(value) not in around:
        around = (*around, id(value))
        for key, item in entries:
            if is_part(item):  # the usual case, without the call
                yield f"{name}.{key}", item
            elif type(item) not in NO_PARTS or is_array_of_objects(item):
                yield from held(f"{name}.{key}", item, is_part, around)


def is_array_of_objects(value: object) -> bool:
    """Return whether a value is an array that can hold anything."""
    return type(value) is np.ndarray and value.dtype.kind == "O"


def refuse_nameless(name: str, value: Any, is_part: IsPart) -> None:
    """Raise an error for a set, or an array of objects, with a part in it."""
    if isinstance(value, NAMELESS):
        kind, items = "a set", list(value)
    elif is_array_of_objects(value):
        kind, items = "an array of objects", value.ravel().tolist()
    else:
        return
    if _holds_part(items, is_part):
        raise InvalidArgumentError(
            f"a module keeps its parameters and modules in attributes, lists, tuples and dicts, "
            f"where they have names. Got some in '{name}', {kind}: use a list or a dict.")


def _entries(name: str, value: object, is_part: IsPart) -> Iterable[tuple[object, object]] | None:
    """Return the keys and the objects in a container; None for what is no container."""
    if is_part(value):
        return None
    if isinstance(value, SEQUENCES):
        return () if PLAIN.issuperset(map(type, value)) else enumerate(value)
    if isinstance(value, MAPPINGS):
        return _named(name, value, is_part)
    if isinstance(value, NAMELESS) or is_array_of_objects(value):
        refuse_nameless(name, value, is_part)
        return ()
    fields = getattr(type(value), "__dataclass_fields__", None)
    if fields is not None and not is_part(value):
        return [(key, getattr(value, key)) for key in fields if hasattr(value, key)]
    return vars(value).items() if isinstance(value, SimpleNamespace) else None


def _named(name: str, value: Any, is_part: IsPart) -> Iterator[tuple[str, object]]:
    """Iterate over the entries of a dict by names, and refuse a part whose key is none."""
    taken: set[str] = set()
    for key, item in value.items():
        shown = str(key)
        usable = type(key) in (str, int) and shown not in ("", *taken) and "." not in shown
        if not usable and _holds_part([item], is_part):
            raise InvalidArgumentError(
                f"a module names what is in a dict by its keys: strings that are not empty and "
                f"have no dot in them, or integers, all different. Got the key {key!r} in "
                f"'{name}'.")
        if usable:
            taken.add(shown)
            yield shown, item


def _holds_part(items: Iterable[object], is_part: IsPart) -> bool:
    """Return whether a part is among objects or in containers among them."""
    return any(
        is_part(inner) for number, item in enumerate(items)
        for _, inner in held(str(number), item, is_part))
