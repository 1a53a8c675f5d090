"""The data that a program does not make itself, kept from being changed by what is tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from operator import is_not
from types import FunctionType, MethodType, ModuleType, SimpleNamespace

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.support.source_rewriting import codes_of, is_installed, plain_function

Container = list[object] | dict[object, object]

LONG = 1000
"""The number of elements from which on a list, dict or array is looked at in the end only."""

LARGE = 2**26
"""Bytes of an array from which on it is not copied; most of these are files, and large."""


class SharedData:
    """The arrays, lists and dicts that functions may reach, and what the last two hold.

    A change such as ``dy = x`` before ``dy /= n``, or ``labels[i] -= 1``, would change the data for
    good.
    """

    def __init__(self, *functions: object) -> None:
        self._arrays: list[Array] = []
        self._copies: list[tuple[Array, Array]] = []
        self._contents: list[tuple[Container, Container]] = []
        todo = [*functions]
        seen = set[int]()
        while todo:
            value = todo.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, np.ndarray):
                if value.flags.writeable and _can_be_unlocked(value):
                    self._arrays.append(value)
                elif value.flags.writeable and value.nbytes < LARGE:
                    self._copies.append((value, value.copy()))
            else:
                todo += _inside(value)
                if isinstance(value, (list, dict)):
                    self._contents.append((value, _copy_of(value)))

    @contextmanager
    def kept(self, run: Callable[[], object]) -> Iterator[None]:
        """Lock the arrays while changed programs run, and restore all else at the end.

        What `run`, the program as it is, changes itself is left alone.
        """
        self._lock(True)
        try:
            try:
                run()
            except ValueError:
                self._lock(False)
                self._lock_all_but_written(run)
            self._contents = [each for each in self._contents if not _is_changed(*each)]
            yield
        finally:
            self._lock(False)
            self.restore(all_of_them=True)

    def restore(self, all_of_them: bool = False) -> None:
        """Give what cannot be locked its contents again; long ones only on demand."""
        for array, values in self._copies:
            if (all_of_them or array.size < LONG) and not np.array_equal(array, values):
                array[...] = values
        for container, before in self._contents:
            if (all_of_them or len(before) < LONG) and _is_changed(container, before):
                if isinstance(container, dict) and isinstance(before, dict):
                    container.clear()
                    container.update(before)
                elif isinstance(container, list):
                    container[:] = before

    def _lock_all_but_written(self, run: Callable[[], object]) -> None:
        for array in sorted(self._arrays, key=lambda each: each.base is None):  # views first
            array.flags.writeable = False
            try:
                run()
            except ValueError:
                array.flags.writeable = True

    def _lock(self, locked: bool) -> None:
        for array in sorted(self._arrays, key=lambda each: each.base is not None):  # owners first
            array.flags.writeable = not locked


def _can_be_unlocked(array: Array) -> bool:
    """Return whether NumPy lets an array be writable again: not where others own its memory."""
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return owner.base is None and owner.flags.owndata


def _copy_of(container: Container) -> Container:
    return dict(container) if isinstance(container, dict) else list(container)


def _is_changed(container: Container, before: Container) -> bool:
    """Return whether a list or dict holds other objects than before."""
    if len(container) != len(before):
        return True
    if isinstance(container, dict) and isinstance(before, dict) and any(
            map(is_not, container.values(), before.values())):
        return True
    return any(map(is_not, container, before))


def _inside(value: object) -> Iterable[object]:
    """Return what the program of a person reaches from a value, one step further."""
    if isinstance(value, (list, tuple, set, frozenset)):
        plain = all(isinstance(each, (int, float, str)) for each in value)
        return () if plain else value
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, ModuleType):
        return () if is_installed(value) else vars(value).values()
    if isinstance(value, (FunctionType, MethodType)):
        return _seen_by(value)
    kind = value if isinstance(value, type) else type(value)
    members = [each for parent in kind.__mro__ for each in vars(parent).values()]
    functions = [each for each in members if isinstance(each, FunctionType)]
    if isinstance(value, SimpleNamespace) or any(not is_installed(each) for each in functions):
        return [*getattr(value, "__dict__", {}).values(), *members]
    return ()


def _seen_by(function: FunctionType | MethodType) -> Iterable[object]:
    """Return the variables that a function uses, its defaults, and its object."""
    plain = plain_function(function)
    if plain is None or is_installed(plain):
        return ()
    names = {name for code in codes_of(plain.__code__) for name in code.co_names}
    cells = [cell.cell_contents for cell in plain.__closure__ or () if cell != type(cell)()]
    used = [value for name, value in plain.__globals__.items() if name in names]
    defaults = [*(plain.__defaults__ or ()), *(plain.__kwdefaults__ or {}).values()]
    return [*used, *cells, *defaults, getattr(function, "__self__", None)]
