"""The layers in a file: pairs of functions, and objects with both methods."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify import DerivationReport, check_layer

ENDS = (("_forward", "_backward"), ("_fwd", "_bwd"))
"""How the names of a pair end. Or they begin so: forward_affine, backward_affine."""

BOTH = (("forward", "backward"),)


class FoundLayer(NamedTuple):
    """A layer that a file defines: its name, the function that takes the inputs, what to check."""

    name: str
    forward: Callable[..., Any]
    subject: tuple[Any, ...]


def layers_in(names: Mapping[str, Any]) -> list[FoundLayer]:
    """Return the pairs of functions and the layer objects of a namespace."""
    return [*_pairs(names), *_objects(names)]


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
        kind = type(value)
        if kind.__module__ == file and all(
                inspect.isfunction(getattr(kind, method, None)) for pair in BOTH
                for method in pair):
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
