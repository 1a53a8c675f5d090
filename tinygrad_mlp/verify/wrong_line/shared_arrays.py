"""The arrays that a program does not make itself, kept from being changed by what is tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.support.source_rewriting import is_installed, plain_function


@contextmanager
def unwritable(function: Any, run: Callable[[], Any]) -> Iterator[None]:
    """Lock the arrays of a module, a closure and an object while changed programs run.

    A change such as ``dy = x`` before ``dy /= n`` would change the data for good. Nothing is locked
    where `run`, the program as it is, writes into such arrays itself.
    """
    arrays = [array for array in _arrays(function) if array.flags.writeable]
    _lock(arrays, True)
    try:
        try:
            run()
        except ValueError:
            _lock(arrays, False)
        yield
    finally:
        _lock(arrays, False)


def _lock(arrays: list[Array], locked: bool) -> None:
    for array in sorted(arrays, key=lambda each: each.base is not None):  # owners before views
        array.flags.writeable = not locked


def _arrays(function: Any) -> Iterator[Array]:
    """Yield the arrays that a function may reach: in containers and objects, and by its helpers."""
    todo, seen = [function], set[int]()
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            yield value
        else:
            todo += _inside(value)


def _inside(value: Any) -> Iterable[Any]:
    """Return what the program of a person reaches from a value, one step further."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return () if isinstance(next(iter(value), 0), (int, float, str)) else value
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, ModuleType):
        return () if is_installed(value) else vars(value).values()
    if isinstance(value, (FunctionType, MethodType)):
        return _seen_by(value)
    own = [each for each in vars(type(value)).values() if isinstance(each, FunctionType)]
    if isinstance(value, SimpleNamespace) or any(not is_installed(each) for each in own):
        return [*getattr(value, "__dict__", {}).values(), *own]
    return ()


def _seen_by(function: FunctionType | MethodType) -> Iterable[Any]:
    """Return the variables of the module and the closure of a function, and its object."""
    plain = plain_function(function)
    if plain is None or is_installed(plain):
        return ()
    cells = [cell.cell_contents for cell in plain.__closure__ or () if cell != type(cell)()]
    return [*plain.__globals__.values(), *cells, getattr(function, "__self__", None)]
