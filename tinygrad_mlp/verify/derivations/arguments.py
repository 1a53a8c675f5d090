"""What `check_derivation` is handed: the point, and functions that take it in several ways."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.stores.differentiable import stores_recorded
from tinygrad_mlp.autograd.tape import own_copy
from tinygrad_mlp.autograd.tensor import numeric_array
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError
from tinygrad_mlp.verify.reading.names import returned_names

WHO = "check_derivation"

Parameters = inspect.Parameter
BY_POSITION = (Parameters.POSITIONAL_ONLY, Parameters.POSITIONAL_OR_KEYWORD)


def point_of(loss: Callable[..., object], point: object, keywords: Mapping[str, object],
             options: Collection[str]) -> dict[str, Any]:
    """Return the parameters by name, given as a mapping or as keyword arguments.

    Raises:
        InvalidArgumentError: there are none, they are given both ways, or a parameter of `loss` has
            the name of an option, so that a keyword could mean either.
    """
    form = "Give the point as a mapping: check_derivation(loss, derived, {{{}: …}})".format
    if point is not None and not isinstance(point, Mapping):
        raise InvalidArgumentError(
            f"{WHO}: point must be a mapping of parameters by name. Got {type(point).__name__}. "
            f"{form(repr('point'))}.")
    if point is None:
        clash = [name for name in _required(loss) if name in options]
        if clash:
            known = ", ".join(f"{name!r}: {name}" for name in [*clash, *keywords])
            raise InvalidArgumentError(
                f"{WHO}: {clash[0]} is a parameter of the loss and an option of the check. Give "
                f"the point as a mapping: check_derivation(loss, derived, {{{known}}}).")
        if not keywords:
            raise InvalidArgumentError(
                f"{WHO}() expects the point as keyword arguments. Got none. Call it with "
                f"e.g. W1=W1, W2=W2, or with a mapping: {{'W1': W1, 'W2': W2}}.")
        point = keywords
    elif keywords:
        raise InvalidArgumentError(
            f"{WHO}: the point must be one mapping or keyword arguments. Got both, with "
            f"{', '.join(keywords)} besides the mapping. {form(repr(next(iter(keywords))))}.")
    if not point:
        raise InvalidArgumentError(f"{WHO}: the point must have a parameter. Got an empty mapping.")
    return {str(name): value for name, value in point.items()}


def floating(name: object, value: object) -> Array:
    """Return a parameter as an array, if it is one of floating-point numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    array = numeric_array(value)
    if array.dtype.kind != "f":
        raise DTypeError(
            f"{WHO}: {name} must be of floating-point numbers. Got {array.dtype}. "
            f"Convert it with .astype(float).")
    return array


def _signature(function: Callable[..., object]) -> list[inspect.Parameter] | None:
    """Return the parameters of a function; None where they cannot be seen."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None


def _required(function: Callable[..., object]) -> list[str]:
    """Return the names of the parameters that a function must be given."""
    return [p.name for p in _signature(function) or ()
            if p.default is p.empty and p.kind in (*BY_POSITION, p.KEYWORD_ONLY)]


Pack = Callable[[Mapping[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]]
"""Returns the positional and the keyword arguments with which a function is called at a point."""

Finish = Callable[[Any, tuple[Any, ...]], Any]
"""Returns what is wanted of what a function returned; it also gets the positional arguments."""


class AtPoint:
    """A person's function, called at a point: with what `pack` makes of it.

    `finish` takes what is wanted from what it returns, whose texts are `said` if they count. All
    this happens in the context `around` the point. `who` and `role` are for messages. `order` lists
    the parameters as the function does; `takes_point` is false for one without arguments.
    """

    def __init__(self, function: Callable[..., object], order: Collection[str], role: str,
                 pack: Pack, finish: Finish = lambda found, args: found, who: str = WHO) -> None:
        self.function, self.order, self.role, self.who = function, list(order), role, who
        self.pack, self.finish, self.takes_point = pack, finish, True
        self.said: list[str] = []
        self.around: Callable[[Mapping[str, Any]], AbstractContextManager[None]] = _nothing

    @contextmanager
    def arguments(self, point: Mapping[str, object]) -> Iterator[tuple[tuple[Any, ...],
                                                                    dict[str, Any]]]:
        """Give the positional and keyword arguments for a call at a point, within this context."""
        point = {name: own_copy(value) if isinstance(value, Value) else value
                 for name, value in point.items()}
        with self.around(point):
            args, keywords = self.pack(point)
            with stores_recorded(self.function, args, keywords):
                yield args, keywords

    def __call__(self, point: Mapping[str, Any]) -> Any:
        """Return what is wanted of the function at a point."""
        with self.arguments(point) as (args, keywords):
            return self.finish(self.function(*args, **keywords), args)


def _nothing(point: Mapping[str, object]) -> AbstractContextManager[None]:
    return nullcontext()


class Caller(AtPoint):
    """A person's function of the parameters, called in the way that it takes them.

    By keyword where the names are its own; those it does not ask for are left out. Otherwise by
    position, as one dict, or not at all.
    """

    def __init__(self, function: Callable[..., object], names: Collection[str], role: str) -> None:
        super().__init__(function, names, role, self._by_keyword(list(names)))
        self.said = returned_names(function)
        listed = _signature(function)
        if listed is None or any(p.kind is p.VAR_KEYWORD for p in listed):
            return
        if any(p.kind is p.VAR_POSITIONAL for p in listed):
            self.pack = self._by_position
            return
        own = [p.name for p in listed]
        required = _required(function)
        if not own:
            self.takes_point = False
            self.pack = self._by_keyword([])
        elif set(required) <= set(names) and set(own) & set(names):
            self.order = [name for name in own if name in names]
            self.order += [name for name in names if name not in self.order]
            # (What the derivation does not ask for, it does not need; the loss must have it all.)
            self.pack = self._by_name(listed)
            if role == "loss" and set(names) - set(own):
                raise self._refused(required)
        elif len(required) == 1 and (len(names) > 1 or _subscripts_with(function, self.order[0])):
            self.pack = self._as_dict
        elif len(required) == len(names) and all(
                p.kind in BY_POSITION for p in listed if p.name in required):
            self.pack = self._by_position
        else:
            raise self._refused(required)

    def _by_keyword(self, names: list[str]) -> Pack:
        return lambda point: ((), {name: point[name] for name in names})

    def _by_name(self, own: list[inspect.Parameter]) -> Pack:
        """Return a way to pass arguments by position as far as they go, and then by keyword."""
        known = [p for p in own if p.name in self.order]
        first = [p.name for p in known if p.kind in BY_POSITION]
        if [p.name for p in own[:len(first)]] != first:
            return self._by_keyword([p.name for p in known])
        rest = [p.name for p in known if p.kind not in BY_POSITION]
        return lambda point: (
            tuple(point[name] for name in first), {name: point[name] for name in rest})

    def _by_position(self, point: Mapping[str, object]) -> Any:
        return tuple(point.values()), {}

    def _as_dict(self, point: Mapping[str, object]) -> Any:
        return (dict(point),), {}

    def _refused(self, required: list[str]) -> InvalidArgumentError:
        return InvalidArgumentError(
            f"{WHO}: {self.role} must take the parameters of the point ({', '.join(self.order)}). "
            f"It takes {', '.join(required) or 'none of them'}. Use the same names in both.")


def _subscripts_with(function: Callable[..., object], name: str) -> bool:
    """Return whether a function of one argument asks that for a name, as in ``p["w"]``."""
    code = getattr(function, "__code__", None)
    return code is not None and name in code.co_consts
