"""The arrays that a program does not make itself, kept from being changed by what is tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.support.source_rewriting import plain_function


@contextmanager
def unwritable(function: Callable[..., object], run: Callable[[], object]) -> Iterator[None]:
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


def _arrays(function: Callable[..., object]) -> Iterator[Array]:
    """Yield the arrays that a function sees, by themselves or in lists and dicts."""
    plain = plain_function(function)
    if plain is None:
        return
    cells = [cell.cell_contents for cell in plain.__closure__ or () if cell != type(cell)()]
    owner = getattr(getattr(function, "__self__", None), "__dict__", {})
    for value in [*plain.__globals__.values(), *cells, *owner.values()]:
        inside = value.values() if isinstance(value, dict) else value
        for array in inside if isinstance(value, (list, tuple, dict)) else [value]:
            if isinstance(array, np.ndarray):
                yield array
