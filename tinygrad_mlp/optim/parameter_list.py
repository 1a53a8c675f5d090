"""The list of the tensors that an optimizer changes, and their names in messages."""

from __future__ import annotations

from collections.abc import Iterable

from tinygrad_mlp.autograd import Tensor
from tinygrad_mlp.errors import InvalidArgumentError


def label(index: int, parameter: Tensor) -> str:
    """Return what messages call a parameter: its name, if it has one, and its place in the list."""
    place = f"parameters[{index}]"
    return place if parameter.name is None else f"'{parameter.name}' ({place})"


def parameter_list(who: str, parameters: Iterable[Tensor]) -> list[Tensor]:
    """Return the parameters as a list, in their order.

    Raises:
        InvalidArgumentError: something other than tensors, no tensor, or a tensor given twice.
    """
    if isinstance(parameters, Tensor):
        raise InvalidArgumentError(
            f"{who}: parameters must be an iterable of tensors. Got a single one of shape "
            f"{parameters.shape}: write [parameter]."
        )
    try:
        found = list(parameters)
    except TypeError:
        raise InvalidArgumentError(
            f"{who}: parameters must be an iterable of tensors, such as model.parameters(). "
            f"Got {type(parameters).__name__}."
        ) from None
    if not found:
        raise InvalidArgumentError(
            f"{who}: parameters must hold at least one tensor. Got none: a model without "
            "parameters, or a generator that was used before (make a list of it)."
        )
    places: dict[int, int] = {}
    for index, parameter in enumerate(found):
        if not isinstance(parameter, Tensor):
            raise InvalidArgumentError(
                f"{who}: every parameter must be a Tensor. Got {type(parameter).__name__} "
                f"as parameters[{index}]."
            )
        if id(parameter) in places:
            raise InvalidArgumentError(
                f"{who}: every parameter must be given once, or it would be changed twice. "
                f"{label(index, parameter)} is also parameters[{places[id(parameter)]}]."
            )
        places[id(parameter)] = index
    return found
