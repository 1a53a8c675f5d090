"""The layers in a file: pairs of functions, and objects with both methods."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify import DerivationReport, check_layer
from tinygrad_mlp.verify.layers.arguments import required
from tinygrad_mlp.verify.layers.swapping import reachable

ENDS = (("_forward", "_backward"), ("_fwd", "_bwd"))
"""How the names of a pair end. Or they begin so: forward_affine, backward_affine."""

BOTH = ("forward", "backward")


class FoundLayer(NamedTuple):
    """A layer that a file defines: its name, the function that takes the inputs, what to check."""

    name: str
    forward: Callable[..., Any]
    subject: tuple[Any, ...]


def layers_in(names: Mapping[str, Any]) -> list[FoundLayer]:
    """Return the pairs of functions and the layer objects of a namespace."""
    return [*_pairs(names), *_objects(names)]


def classes_without_object(names: Mapping[str, Any]) -> list[str]:
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


def _pairs(names: Mapping[str, Any]) -> Iterator[FoundLayer]:
    for name, function in names.items():
        other = next((f"{name.removesuffix(one)}{two}" for one, two in ENDS
                      if name.endswith(one)), None)
        if other is None and name.startswith("forward"):
            other = f"backward{name.removeprefix('forward')}"
        if inspect.isfunction(function) and inspect.isfunction(names.get(other or "")):
            yield FoundLayer(f"{name}, {other}", function, (function, names[other or ""]))


def _objects(names: Mapping[str, Any]) -> Iterator[FoundLayer]:
    """Yield the objects of classes that the file defines itself."""
    file = names.get("__name__")
    for name, value in names.items():
        if type(value).__module__ == file and _has_both(type(value)):
            yield FoundLayer(name, value.forward, (value,))


def check_layer_of(path: Path, names: Mapping[str, Any], layer: FoundLayer,
                   options: Mapping[str, Any]) -> DerivationReport:
    """Check a layer with the variables of the file that have the names of its inputs.

    Raises:
        InvalidArgumentError: the file defines no such variable.
    """
    wanted = [p for p in inspect.signature(layer.forward).parameters.values()
              if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    given = []
    for parameter in wanted:
        name = next((each for each in (parameter.name, parameter.name.lower(),
                                       parameter.name.upper()) if each in names), None)
        if name is None and parameter.default is not parameter.empty:
            break
        if name is None:
            raise InvalidArgumentError(
                f"{path}: {layer.name} is checked at the file's own arrays, but the file defines "
                f"no {parameter.name}. Define it, e.g. {parameter.name} = "
                f"np.random.default_rng(0).normal(size=(4, 3)).")
        given.append(names[name])
    return check_layer(*layer.subject, *given, **options)
