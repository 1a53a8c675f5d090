"""The layers in a file: pairs of functions, and objects with both methods."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tinygrad_mlp.verify.layers.arguments import required
from tinygrad_mlp.verify.layers.swapping import reachable

WORDS = (("forward", "backward"), ("fwd", "bwd"))
"""The words by which the names of a pair differ: affine_forward, affine_backward."""

BOTH = ("forward", "backward")


class FoundLayer(NamedTuple):
    """A layer that a file defines: its name, what to check, the arguments of its forward pass."""

    name: str
    subject: tuple[Any, ...]
    arguments: list[Any]


def layers_in(names: Mapping[str, object]) -> tuple[list[FoundLayer], list[str]]:
    """Return the layers of a namespace that can be checked, and what to add for the others."""
    found, left = [], []
    for name, forward, subject in [*_pairs(names), *_objects(names)]:
        arguments, missing = _arguments(forward, names)
        if missing is None:
            found.append(FoundLayer(name, subject, arguments))
        else:
            left.append(f"{name} was not checked: the file defines no {missing} for it. Add a line "
                        f"such as {missing} = np.random.default_rng(0).normal(size=(4, 3)).")
    return found, left + classes_without_object(names)


def _arguments(forward: Callable[..., object],
               names: Mapping[str, object]) -> tuple[list[object], str | None]:
    """Return the variables with the names of a function's arguments, and the first one missing."""
    given: list[Any] = []
    for parameter in inspect.signature(forward).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            continue
        name = next((each for each in (parameter.name, parameter.name.lower(),
                                       parameter.name.upper()) if each in names), None)
        if name is None:
            return given, None if parameter.default is not parameter.empty else parameter.name
        given.append(names[name])
    return given, None


def classes_without_object(names: Mapping[str, object]) -> list[str]:
    """Return what to add to a file for each layer class of which it makes no object.

    Classes that others of the file derive from are not meant to be checked themselves.
    """
    found = [value for value in names.values() if isinstance(value, type)
             and value.__module__ == names.get("__name__") and _has_both(value)]
    within: dict[int, Any] = {}
    reachable([*names.values()], within)
    made = [*map(type, within.values()), *(base for each in found for base in each.__mro__[1:])]
    return [_what_to_add(each) for each in found
            if not any(issubclass(kind, each) for kind in made)]


def _what_to_add(kind: type) -> str:
    arguments = ", ".join(required(kind)) if "__init__" in vars(kind) else ""
    inputs = ", ".join(required(vars(kind).get("forward", lambda x: x))[1:]) or "x"
    return (f"{kind.__name__} was not checked: the file makes no object of this class. Add a line "
            f"such as layer = {kind.__name__}({arguments}), and its input {inputs}.")


def _has_both(kind: type) -> bool:
    """Return whether a class has the methods of a layer."""
    return all(inspect.isfunction(getattr(kind, method, None)) for method in BOTH)


def _pairs(
        names: Mapping[str, object]) -> Iterator[tuple[str, Callable[..., Any], tuple[Any, ...]]]:
    """Yield the pairs of functions: their names, the forward one, and both."""
    for name, function in names.items():
        for forward, backward in WORDS:
            other = name.replace(forward, backward)
            if other != name and inspect.isfunction(function) and inspect.isfunction(
                    names.get(other)):
                yield f"{name}, {other}", function, (function, names[other])


def _objects(names: Mapping[str, Any]) -> Iterator[tuple[str, Callable[..., Any], tuple[Any]]]:
    """Yield the objects of classes that the file defines itself."""
    for name, value in names.items():
        if type(value).__module__ == names.get("__name__") and _has_both(type(value)):
            yield name, value.forward, (value,)
