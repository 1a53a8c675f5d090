"""Reading the declaration of an operation: the parameters of its function, and its rules."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tinygrad_mlp.autograd.signature import parameters_of
from tinygrad_mlp.errors import OpDefinitionError

Rule = Callable[..., Any]


class Declared(NamedTuple):
    """What the signature of a forward function says.

    Attributes:
        arrays: names of the array parameters (one name stands for all of a ``*args``).
        required: how many of them have no default.
        variadic: whether they are a ``*args``.
        defaults: the static (keyword-only) parameters with their default values.
    """

    arrays: tuple[str, ...]
    required: int
    variadic: bool
    defaults: dict[str, Any]


def declared(name: str, forward: Callable[..., Any]) -> Declared:
    """The parameters of the forward function of the operation `name`.

    Raises:
        OpDefinitionError: it takes arguments that a call could not be checked for.
    """
    arrays: list[str] = []
    defaults: dict[str, Any] = {}
    variadic, required = False, 0
    for parameter in parameters_of(forward):
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            defaults[parameter.name] = parameter.default
        elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            arrays.append(parameter.name)
            variadic = True
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            raise OpDefinitionError(
                f"op '{name}': **{parameter.name} is not allowed. Name every static parameter "
                f"after a '*', so that calls can be checked."
            )
        else:
            arrays.append(parameter.name)
            required += parameter.default is inspect.Parameter.empty
    if variadic and len(arrays) > 1:
        raise OpDefinitionError(
            f"op '{name}': *{arrays[-1]} cannot stand beside other array parameters "
            f"({', '.join(arrays[:-1])}). Take all arrays through the '*'."
        )
    return Declared(tuple(arrays), required, variadic, defaults)


def in_order(name: str, rules: Mapping[str, Rule], known: Declared) -> tuple[Rule | None, ...]:
    """The gradient rule of each array parameter of the operation `name`, None where it has none.

    Raises:
        OpDefinitionError: a rule for something else, or no function.
    """
    for parameter, rule in rules.items():
        if parameter not in known.arrays:
            raise OpDefinitionError(
                f"op '{name}': there is a gradient rule for '{parameter}', but its array "
                f"parameters are {', '.join(known.arrays) or 'none'}. Static parameters (after "
                f"the '*') have no gradient."
            )
        if not callable(rule):
            raise OpDefinitionError(
                f"op '{name}': the gradient rule for '{parameter}' must be a function of "
                f"(g, y, {', '.join(known.arrays)}). Got {rule!r} instead."
            )
    return tuple(rules.get(parameter) for parameter in known.arrays)
