"""Other arrays in the place of some while something runs; then everything is as it was."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_mlp.support.source_rewriting import plain_function

Path = tuple[Any, ...]


def reachable(value: object, seen: dict[int, object]) -> None:
    """Collect objects, dicts, lists, arrays and generators within something, by their `id`."""
    if id(value) in seen or isinstance(value, (str, bytes, type)):
        return
    inside: Any = ()
    if isinstance(value, dict):
        inside = value.values()
    elif isinstance(value, (list, tuple)):
        inside = value
    elif hasattr(value, "__dict__") and not inspect.isroutine(value) and (
            not inspect.ismodule(value)):
        inside = [vars(value)]
    elif not isinstance(value, (np.ndarray, np.random.Generator)):
        return
    seen[id(value)] = value
    for each in inside:
        reachable(each, seen)


@contextmanager
def swapped(root: object, replaced: Mapping[int, object]) -> Iterator[None]:
    """Put other things in the place of arrays, given by their `id`, everywhere within an object.

    Afterwards, every attribute, dict, list, array and generator within it is as it was.
    """
    found: dict[int, Any] = {}
    reachable(root, found)
    dicts = [(each, dict(each)) for each in found.values() if isinstance(each, dict)]
    lists = [(each, list(each)) for each in found.values() if isinstance(each, list)]
    arrays = [(each, each.copy()) for each in found.values() if isinstance(each, np.ndarray)]
    states = [(each, each.bit_generator.state) for each in found.values()
              if isinstance(each, np.random.Generator)]
    try:
        for holder, before in dicts:
            holder.update({key: replaced[id(v)] for key, v in before.items() if id(v) in replaced})
        for listed, items in lists:
            listed[:] = [replaced.get(id(v), v) for v in items]
        yield
    finally:
        for holder, before in dicts:
            holder.clear()
            holder.update(before)
        for listed, items in lists:
            listed[:] = items
        for array, copy in arrays:
            if array.flags.writeable:
                array[...] = copy
        for generator, state in states:
            generator.bit_generator.state = state


class Variables:
    """The global and enclosing variables of functions that hold some arrays, by parameter name."""

    def __init__(self, functions: Mapping[str, Callable[..., object]],
                 arrays: Mapping[str, object]) -> None:
        names = {id(array): name for name, array in arrays.items()}
        self._globals: list[tuple[dict[str, Any], str, str]] = []
        self._cells: list[tuple[Any, str]] = []
        for function in functions.values():
            plain = plain_function(function)
            if plain is None:
                continue
            self._globals += [(plain.__globals__, key, names[id(value)])
                              for key, value in plain.__globals__.items() if id(value) in names]
            for cell in plain.__closure__ or ():
                if id(cell.cell_contents) in names:
                    self._cells.append((cell, names[id(cell.cell_contents)]))

    @property
    def names(self) -> set[str]:
        """The parameters that were found."""
        return {name for *_, name in self._globals} | {name for _, name in self._cells}

    def values(self) -> dict[str, Any]:
        """Return what the variables hold now."""
        held = {name: cell.cell_contents for cell, name in self._cells}
        return {name: space[key] for space, key, name in self._globals} | held

    @contextmanager
    def swapped(self, point: Mapping[str, object]) -> Iterator[None]:
        """Give the variables the values of a point, and then those that they had."""
        before = self.values()
        copies = {name: np.array(value) for name, value in before.items()}
        self._set(point)
        try:
            yield
        finally:
            self._set(before)
            for name, copy in copies.items():
                if not np.array_equal(before[name], copy, equal_nan=True):
                    before[name][...] = copy

    def _set(self, values: Mapping[str, object]) -> None:
        for space, key, name in self._globals:
            space[key] = values[name]
        for cell, name in self._cells:
            cell.cell_contents = values[name]
