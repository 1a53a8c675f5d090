"""What the arguments of optimizers and schedules may be, and how a wrong one is refused."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any, NamedTuple

from tinygrad_mlp.autograd import Tensor
from tinygrad_mlp.errors import InvalidArgumentError


class Kind(NamedTuple):
    """A kind of argument.

    Attributes:
        text: completes "... must be".
        read: the value as a plain Python number, or None if it is something else.
        holds: whether such a number is allowed.
    """

    text: str
    read: Callable[[Any], Any]
    holds: Callable[[Any], bool]


def _read_real(value: Any) -> float | None:
    # A Python float and not a NumPy scalar: float32 · np.float64 would become float64.
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else None


def _read_integer(value: Any) -> int | None:
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def _read_flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


POSITIVE = Kind("a number > 0", _read_real, lambda x: 0 < x < math.inf)
NOT_NEGATIVE = Kind("a number >= 0", _read_real, lambda x: 0 <= x < math.inf)
FRACTION = Kind("a number in [0, 1)", _read_real, lambda x: 0 <= x < 1)
FACTOR = Kind("a number in (0, 1]", _read_real, lambda x: 0 < x <= 1)
LIMIT = Kind("a number > 0 (it may be inf)", _read_real, lambda x: x > 0)
COUNT = Kind("an integer >= 0", _read_integer, lambda n: n >= 0)
LENGTH = Kind("an integer >= 1", _read_integer, lambda n: n >= 1)
FLAG = Kind("True or False", _read_flag, lambda b: True)


def checked(name: str, value: Any, kind: Kind) -> Any:
    """`value` as a plain Python number of a kind, or an error that begins with `name`."""
    number = kind.read(value)
    if number is None or not kind.holds(number):
        raise InvalidArgumentError(f"{name} must be {kind.text}. Got {value!r}.")
    return number


def label(index: int, parameter: Tensor) -> str:
    """How messages call a parameter: by its name, if it has one, and its place in the list."""
    place = f"parameters[{index}]"
    return place if parameter.name is None else f"'{parameter.name}' ({place})"


def parameter_list(who: str, parameters: Iterable[Tensor]) -> list[Tensor]:
    """The parameters as a list, in their order.

    Raises:
        InvalidArgumentError: something else than tensors, none of them, or one of them twice.
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
