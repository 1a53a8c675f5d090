"""One function that returns the loss together with its gradients, and parameters in lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify.derivations.arguments import WHO, AtPoint, Caller
from tinygrad_mlp.verify.reading.names import named, returned_names
from tinygrad_mlp.verify.reading.places import distinct, places, with_values
from tinygrad_mlp.verify.reading.returned import gradients_in, is_number, without_loss

LOSSES = ("loss", "cost", "L", "J", "value", "error", "nll", "objective")
GRADIENTS = ("grads", "grad", "gradients", "gradient")


def split(found: object, function: Callable[..., object]) -> tuple[object, object, list[str]]:
    """Return the loss, the gradients, and their texts, of what one function returned.

    The loss is the first result, or the last one, or under its name in a dict. What comes besides
    is named by the ``return``.

    Raises:
        InvalidArgumentError: there is no such pair.
    """
    if isinstance(found, Mapping):
        key = next((key for key in LOSSES if key in found and is_number(found[key])), None)
        if key is not None:
            rest = {name: value for name, value in found.items() if name != key}
            held = next((name for name in GRADIENTS if name in rest), None)
            return found[key], rest if held is None else rest[held], []
    elif isinstance(found, (tuple, list)) and len(found) > 1:
        for at in (0, len(found) - 1):
            if is_number(found[at]):
                return found[at], *_besides([*found[:at], *found[at + 1:]], at, function)
    raise InvalidArgumentError(
        f"{WHO}: one function must return the loss and its gradients: loss, gradients. Got "
        f"{_kind(found)}. Return both, or give two functions: check_derivation(loss, derived, …).")


def _besides(others: list[object], at: int,
             function: Callable[..., object]) -> tuple[object, list[str]]:
    """Return the gradients, and their texts, among the results other than the loss at `at`."""
    dicts = [value for value in others if isinstance(value, Mapping)]
    if len(dicts) == 1:
        return dicts[0], []
    if len(others) == 1:
        return others[0], returned_names(function, 1 - min(at, 1))
    said = returned_names(function)
    if len(said) == len(others) + 1:
        return tuple(others), said[:at] + said[at + 1:]
    return tuple(others), []


def _kind(found: Any) -> str:
    several = isinstance(found, (tuple, list))
    return f"{type(found).__name__} of {len(found)}" if several else type(found).__name__


class Nested:
    """A point whose parameters may be lists, tuples and dicts of arrays.

    Attributes:
        flat: the arrays by name: `weights[0]`, or the key in a dict.
        firsts: the places of these arrays.
        slots: the names of the arrays in each parameter.
        sources: how each gradient was called where it was found, after an answer was read.
    """

    def __init__(self, point: Mapping[str, object]) -> None:
        self.point = point
        groups = distinct([each for name, value in point.items()
                           for each in places(value, (name,))])
        self.firsts = {name: group[0] for name, group in groups.items()}
        self.flat = {name: place.array for name, place in self.firsts.items()}
        self.slots: dict[str, list[str]] = {name: [] for name in point}
        for name, group in groups.items():
            self.slots[str(group[0].path[0])].append(name)
        self.sources: dict[str, str] = {}

    def caller(self, function: Callable[..., object], role: str,
               finish: Callable[[Any, tuple[Any, ...]], Any] | None = None) -> AtPoint:
        """Return a function of the point, called at its arrays by name."""
        inner = Caller(function, self.point, role)

        def pack(at: Mapping[str, object]) -> Any:
            replaced = {id(array): at[name] for name, array in self.flat.items()}
            return inner.pack({name: with_values(value, replaced, WHO)
                               for name, value in self.point.items()})

        made = AtPoint(function, self.flat, role, pack)
        made.finish = finish or made.finish
        made.takes_point = inner.takes_point
        return made

    def gradients(self, found: object, said: Sequence[str]) -> dict[str, Array]:
        """Return the gradients that a function returned, by the names of the arrays.

        `said` has the texts of what it returns, if they are known.
        """
        if isinstance(found, Mapping):
            known = {**{name: [name] for name in self.flat}, **self.slots}
            found = {key: value for key, value in found.items() if named(str(key), known)}
            # (Extra keys, and arrays of the pass, are no gradients.)
        given = gradients_in(found, self.slots, said, WHO, "derived")
        self.sources = {name: source for name, (_, source) in given.items()}
        if not given:
            raise InvalidArgumentError(
                f"{WHO}: the gradients must be those of {', '.join(self.slots)}. Got none of them.")
        return {name: array for name, (array, _) in given.items()}

    def readings(self) -> list[str]:
        """How gradients were read, in a sentence; none where there was no choice."""
        if all(name == source for name, source in self.sources.items()):
            return []
        parts = ", ".join(f"{name} from {source}" for name, source in self.sources.items())
        return [f"Gradients were read as follows: {parts}."]


def is_nested(point: Mapping[str, object]) -> bool:
    """Return whether a parameter is a list, tuple or dict of arrays, and no list of numbers."""
    return any(isinstance(value, Mapping) or (
        isinstance(value, Sequence) and any(isinstance(each, (np.ndarray, Mapping)) or (
            isinstance(each, Sequence) and not isinstance(each, str)) for each in value)
        and _has_arrays(value)) for value in point.values())


def _has_arrays(value: object) -> bool:
    return next(places(value, ("",)), None) is not None


def of_one_function(function: Callable[..., object], nested: Nested) -> tuple[AtPoint, AtPoint]:
    """Return the loss and the derivation that one function is."""
    return (nested.caller(function, "loss", lambda found, args: split(found, function)[0]),
            nested.caller(function, "derived", lambda found, args: nested.gradients(
                *split(found, function)[1:])))


def of_two_functions(loss: Callable[..., object], derived: object,
                     nested: Nested) -> tuple[AtPoint, object]:
    """Return the loss and the derivation at a point with lists of parameters."""
    if not callable(derived):
        return nested.caller(loss, "loss"), nested.gradients(derived, [])
    said = returned_names(derived)
    return nested.caller(loss, "loss"), nested.caller(
        derived, "derived", lambda found, args: nested.gradients(without_loss(found), said))
