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
        OpDefinitionError: a rule for something else, no function, or one of other arguments.
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
        problem = _mismatch(rule, known)
        if problem:
            raise OpDefinitionError(
                f"op '{name}': the gradient rule for '{parameter}' is called as "
                f"rule({_call(known)}), and {problem}.{written(rule)}"
            )
    return tuple(rules.get(parameter) for parameter in known.arrays)


def _by_keyword(known: Declared) -> tuple[str, ...]:
    return ("position",) * known.variadic + tuple(known.defaults)


def _call(known: Declared) -> str:
    """How rules are called, as a list of arguments."""
    arrays = [f"*{known.arrays[0]}"] if known.variadic else known.arrays
    return ", ".join(["g", "y", *arrays, *(f"{key}={key}" for key in _by_keyword(known))])


def _mismatch(rule: Rule, known: Declared) -> str:
    """Why a rule cannot be called as rules are; empty if it can."""
    try:
        parameters = parameters_of(rule)
    except (ValueError, TypeError):
        return ""  # built in, without a signature
    of = inspect.Parameter
    by_place = [p for p in parameters if p.kind in (of.POSITIONAL_ONLY, of.POSITIONAL_OR_KEYWORD)]
    any_number = any(p.kind is of.VAR_POSITIONAL for p in parameters)
    any_name = any(p.kind is of.VAR_KEYWORD for p in parameters)
    n = len(by_place) if known.variadic else 2 + len(known.arrays)
    if len(by_place) < n and not any_number or known.variadic and not any_number:
        return f"takes {len(by_place)} arguments by position"
    named = [*by_place[n:], *(p for p in parameters if p.kind is of.KEYWORD_ONLY)]
    given = _by_keyword(known)
    unknown = [p.name for p in named if p.name not in given and p.default is of.empty]
    if unknown:
        return f"there is no '{unknown[0]}' among these"
    missing = [key for key in given if key not in {p.name for p in named}]
    if missing and not any_name:
        return f"it does not take '{missing[0]}'"
    return ""


def written(rule: Any) -> str:
    """Where a gradient rule stands in the source, as the end of a message."""
    code = getattr(rule, "__code__", None)
    return "" if code is None else f"\n  rule at {code.co_filename}:{code.co_firstlineno}"
