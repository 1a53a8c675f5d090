"""The arguments of a layer: which arrays in them are differentiated, and under which names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.verify.reading.places import SEQUENCES, distinct, places, with_values


def parameter_names(function: Callable[..., object], number: int) -> list[str]:
    """Return the names of the first positional parameters of a function."""
    try:
        listed = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        listed = []
    names = [p.name for p in listed if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [*names, *(f"argument{i}" for i in range(len(names), number))][:number]


def required(function: Callable[..., object]) -> list[str]:
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

    def __init__(self, function: Callable[..., object], values: Sequence[object]) -> None:
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

    def at(self, point: Mapping[str, object], who: str) -> tuple[Any, ...]:
        """Return the arguments with the arrays of a point in them."""
        replaced = {id(array): point[name] for name, array in self.leaves.items() if name in point}
        return tuple(with_values(value, replaced, who) for value in self.values)
