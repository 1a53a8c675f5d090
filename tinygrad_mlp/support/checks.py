"""Checks of arguments, with one style of message.

A check of one value takes the value and its name, returns the value as a plain Python number (or
as it is), and otherwise raises `InvalidArgumentError`:
``fit: epochs must be an integer >= 1. Got 0.`` So `name` says whose argument it is.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable, Collection
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.errors import InvalidArgumentError, refuse_more_than_numbers

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray


def integer_at_least(lowest: int, value: Any, name: str) -> int:
    """Return `value` as an int, if it is an integer of at least `lowest`.

    >>> integer_at_least(1, np.int64(3), "fit: epochs")
    3
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = lowest - 1
    if isinstance(value, bool) or number < lowest:
        raise InvalidArgumentError(f"{name} must be an integer >= {lowest}. Got {value!r}.")
    return number


def positive(value: object, name: str) -> float:
    """Return `value` as a float, if it is a finite number above 0."""
    return _number(value, name, "a number > 0", lambda x: 0 < x < math.inf)


def positive_or_infinite(value: object, name: str) -> float:
    """Return `value` as a float, if it is a number above 0; infinity is one."""
    return _number(value, name, "a number > 0 (it may be inf)", lambda x: x > 0)


def seconds(value: object, name: str) -> float:
    """Return `value` as a float, if it is a time that a wait may take: at most about a year."""
    return _number(value, name, "a number of seconds > 0 and <= 3e7", lambda x: 0 < x <= 3e7)


def not_negative(value: object, name: str) -> float:
    """Return `value` as a float, if it is a finite number of at least 0."""
    return _number(value, name, "a number >= 0", lambda x: 0 <= x < math.inf)


def fraction(value: object, name: str) -> float:
    """Return `value` as a float, if it is a number of at least 0 and below 1."""
    return _number(value, name, "a number in [0, 1)", lambda x: 0 <= x < 1)


def decay_factor(value: object, name: str) -> float:
    """Return `value` as a float, if it is a number above 0 and at most 1."""
    return _number(value, name, "a number in (0, 1]", lambda x: 0 < x <= 1)


def _number(value: Any, name: str, expected: str, allowed: Callable[[float], bool]) -> float:
    is_number = type(value) is float or isinstance(value, Real) and not isinstance(value, bool)
    # A Python float and not a NumPy scalar: float32 times np.float64 would become float64.
    number = float(value) if is_number else math.nan
    if not is_number or not allowed(number):
        raise InvalidArgumentError(f"{name} must be {expected}. Got {value!r}.")
    return number


def flag(value: object, name: str) -> bool:
    """Return `value` as a bool, if it is Python's or NumPy's True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidArgumentError(f"{name} must be True or False. Got {value!r}.")
    return bool(value)


def path_like(value: object, call: str) -> Any:
    """Return `value`, if it is a path; the message shows the call with its arguments in order."""
    if not isinstance(value, (str, os.PathLike)):
        raise InvalidArgumentError(
            f"{call}: path must be a string or a path. Got {type(value).__name__} in its place.")
    return value


def one_of(value: object, choices: Collection[object], name: str) -> Any:
    """Return `value`, if it is among `choices`; the message lists them."""
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise InvalidArgumentError(f"{name} must be one of {listed}. Got {value!r}.")
    return value


def checked_metadata(metadata: Any, reserved: Collection[str], who: str) -> dict[str, Any]:
    """Return the metadata that a user wants stored as a dict; {} for None.

    The keys must be strings other than the reserved ones, which the function `who` writes itself.
    """
    given = {} if metadata is None else metadata
    valid = isinstance(given, dict) and all(isinstance(key, str) for key in given)
    if not valid or not given.keys().isdisjoint(reserved):
        raise InvalidArgumentError(
            f"{who}: metadata must be a dict whose keys are strings other than "
            f"{', '.join(reserved)}. Got {metadata!r}.")
    return given


def checked_rng(rng: object, who: str) -> Generator:
    """Return `rng`, if it is a generator. A bare seed would repeat itself and is refused."""
    if not isinstance(rng, np.random.Generator):
        raise InvalidArgumentError(
            f"{who}: rng must be a numpy.random.Generator. Got {rng!r}. "
            "Make one with numpy.random.default_rng(seed).")
    return rng


def rng_or_fresh(rng: np.random.Generator | None, who: str) -> Generator:
    """Return `rng`, or for None a new generator that the operating system seeds."""
    return np.random.default_rng() if rng is None else checked_rng(rng, who)


def as_array(data: object, who: str) -> NDArray[Any]:
    """Return `data` as a plain ndarray, which is not copied without need.

    Raises:
        DTypeError: it has a mask, a unit or operators of its own, which would be lost.

    >>> as_array([1.0, 2.0], "fit: X")
    array([1., 2.])
    """
    refuse_more_than_numbers(data, who)
    return np.asarray(data)


def index_beyond(array: NDArray[np.generic], limit: float) -> tuple[int, ...] | None:
    """Return the first index at which a real array is NaN or beyond ±`limit`, or None.

    >>> index_beyond(np.array([[1.0, 2.0], [np.nan, np.inf]]), 1e300)
    (1, 0)
    """
    # Whole-array extremes need no temporary array, and NaN passes through both of them.
    low, high = float(array.min()), float(array.max())
    if -limit <= low and high <= limit:
        return None
    wide = array.astype(np.float64)  # float16 could not be compared with the limit
    return tuple(int(i) for i in np.argwhere(~(abs(wide) <= limit))[0])
