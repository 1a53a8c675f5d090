"""The functions and variables of a user that a call may reach."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.support.source_rewriting import is_installed

LONGEST = 1000
"""Items of a list or dict that is looked into: layers and functions, not data."""

PLAIN = (np.ndarray, np.generic, Value, str, bytes, int, float, complex, type(None))
"""What leads to no function."""


class Holder(NamedTuple):
    """A place that holds something: a global variable, the cell of a closure, a function's code."""

    holder: Any
    name: str

    @property
    def value(self) -> Any:
        """What it holds; None if nothing."""
        if isinstance(self.holder, dict):
            return self.holder.get(self.name)
        try:
            return getattr(self.holder, self.name)
        except ValueError:  # a cell that is empty still
            return None

    @value.setter
    def value(self, value: object) -> None:
        if isinstance(self.holder, dict):
            self.holder[self.name] = value
        else:
            setattr(self.holder, self.name, value)


def variables(*values: object) -> Iterator[Holder]:
    """Yield what a call of functions and methods may read, each once.

    Followed are the global variables and closures of functions, the methods of classes, and the
    attributes of objects; not functions of installed packages.
    """
    seen: set[Any] = set()
    left = list(values)
    while left:
        value = left.pop()
        if isinstance(value, PLAIN) or id(value) in seen:
            continue
        seen.add(id(value))
        if not isinstance(value, FunctionType):
            left += _parts(value)
        elif not is_installed(value):
            for variable in _variables_of(value):
                if (id(variable.holder), variable.name) not in seen:
                    seen.add((id(variable.holder), variable.name))
                    yield variable
                    left.append(variable.value)
            left += value.__defaults__ or ()


def _variables_of(function: FunctionType) -> Iterator[Holder]:
    """Yield the code of a function, and the variables outside of it that it uses."""
    yield Holder(function, "__code__")
    for cell in function.__closure__ or ():
        yield Holder(cell, "cell_contents")
    for name in _names(function.__code__):
        value = function.__globals__.get(name)
        if value is not None:
            yield Holder(function.__globals__, name)
            if isinstance(value, ModuleType) and not is_installed(value):
                yield from (Holder(vars(value), each) for each in _names(function.__code__)
                            if isinstance(vars(value).get(each), (FunctionType, type)))


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names of global variables and attributes in a function and those within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _parts(value: object) -> list[Any]:
    """Return what leads on from a value that is no function."""
    if isinstance(value, MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, type):
        return methods_of(value)[0]
    if isinstance(value, (dict, list, tuple)):
        items = value.values() if isinstance(value, dict) else value
        return list(items) if len(value) <= LONGEST else []
    cls: Any = type(value)
    methods, of_package = methods_of(cls)
    held = getattr(value, "__dict__", None)
    if held is None or of_package or isinstance(value, ModuleType):
        return []
    return [*methods, *held.values()]


@functools.lru_cache(maxsize=512)
def methods_of(cls: type) -> tuple[list[FunctionType], bool]:
    """Return the methods of a class that a user wrote, and whether all others have written all."""
    found = [m for c in cls.__mro__ for m in vars(c).values()]
    plain = [m.__func__ if isinstance(m, (staticmethod, classmethod)) else
             m.fget if isinstance(m, property) else m for m in found]
    methods = [m for m in plain if isinstance(m, FunctionType)]
    own = [m for m in methods if not is_installed(m)]
    return own, bool(methods) and not own
