"""The tensors that an optimizer changes and their states: lists, names, and how they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import Tensor
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.pytree import leaves
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.optim.rules import State
from tinygrad_mlp.support.checks import integer_at_least


def label(index: int, parameter: Tensor) -> str:
    """Return what messages call a parameter: its name, if it has one, and its place in the list."""
    place = f"parameters[{index}]"
    return place if parameter.name is None else f"'{parameter.name}' ({place})"


def parameter_list(who: str, parameters: Iterable[Tensor]) -> list[Tensor]:
    """Return the parameters, of nested lists and dicts, too, as a list in their order.

    Raises an error where it has a fault.
    """
    if isinstance(parameters, Tensor):
        raise InvalidArgumentError(
            f"{who}: parameters must be an iterable of tensors. Got a single one of shape "
            f"{parameters.shape}: write [parameter].")
    own = getattr(parameters, "parameters", None)
    if callable(own):
        raise InvalidArgumentError(
            f"{who}: parameters must be an iterable of tensors. Got a {type(parameters).__name__}: "
            f"write {who[:-1]}model.parameters(), ...).")
    try:
        found = leaves(parameters if isinstance(parameters, Mapping) else list(parameters))
    except TypeError:
        raise InvalidArgumentError(
            f"{who}: parameters must be an iterable of tensors, such as model.parameters(). "
            f"Got {type(parameters).__name__}.") from None
    if not found:
        raise InvalidArgumentError(
            f"{who}: parameters must hold at least one tensor. Got none: a model without "
            "parameters, or a generator that was used before (make a list of it).")
    places: dict[int, int] = {}
    for index, parameter in enumerate(found):
        if not isinstance(parameter, Tensor):
            raise InvalidArgumentError(
                f"{who}: every parameter must be a Tensor. Got {type(parameter).__name__} "
                f"as parameters[{index}].")
        if id(parameter) in places:
            raise InvalidArgumentError(
                f"{who}: every parameter must be given once, or it would be changed twice. "
                f"{label(index, parameter)} is also parameters[{places[id(parameter)]}].")
        places[id(parameter)] = index
    return found


def flattened(states: list[State]) -> dict[str, object]:
    """Return the states as one dict, by "position in parameters.name"."""
    return {f"{i}.{name}": value for i, state in enumerate(states) for name, value in state.items()}


def unflattened(fresh: list[State], arrays: Mapping[str, object]) -> list[State]:
    """Return states like the `fresh` ones, with the values of `arrays`, which must fit them."""
    expected = {key: np.asarray(value) for key, value in flattened(fresh).items()}
    found = {key: np.asarray(value) for key, value in dict(arrays).items()}
    wrong = [f"{key} is missing" for key in expected.keys() - found.keys()]
    wrong += [f"{key} is unexpected" for key in found.keys() - expected.keys()]
    for key in expected.keys() & found.keys():
        want, got = expected[key], found[key]
        if (want.shape, want.dtype) != (got.shape, got.dtype):
            wrong.append(
                f"{key} must be of shape {want.shape} and dtype {want.dtype}, and is of "
                f"{got.shape} and {got.dtype}")
    if wrong:
        raise InvalidArgumentError(
            f"it belongs to other parameters, or to these in another order "
            f"({'; '.join(sorted(wrong))}). Make the optimizer for the model that was saved.")

    def value(key: str, like: Array | float) -> Any:
        array = found[key]
        return integer_at_least(0, array.item(), key) if isinstance(like, int) else array.copy("K")

    return [
        {name: value(f"{i}.{name}", like) for name, like in state.items()}
        for i, state in enumerate(fresh)]
