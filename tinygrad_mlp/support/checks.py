"""Checks of arguments that every floor needs, and the messages of their refusals."""

from __future__ import annotations

import math
import operator
from collections.abc import Collection
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.errors import InvalidArgumentError

if TYPE_CHECKING:
    from numpy.random import Generator


def integer_at_least(lowest: int, value: Any, name: str) -> int:
    """`value` as an int of at least `lowest`, or an error that begins with `name`.

    Raises:
        InvalidArgumentError: it is something else.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < lowest:
        raise InvalidArgumentError(f"{name} must be an integer >= {lowest}; got {value!r}.")
    return number


def not_negative(value: Any, name: str) -> float:
    """`value` as a finite Python float of at least 0, or an error that begins with `name`.

    Raises:
        InvalidArgumentError: it is something else.
    """
    # Not left a NumPy scalar: float32 times np.float64 would become float64.
    usable = isinstance(value, Real) and not isinstance(value, bool)
    number = float(value) if usable else math.nan
    if not 0 <= number < math.inf:
        raise InvalidArgumentError(f"{name} must be a number >= 0; got {value!r}.")
    return number


def checked_metadata(metadata: Any, reserved: Collection[str], who: str) -> dict[str, Any]:
    """Facts to be stored beside what `who` writes itself under the names `reserved`.

    Raises:
        InvalidArgumentError: they are no dict, or a name is no text or reserved.
    """
    given = {} if metadata is None else metadata
    if not isinstance(given, dict) or not all(
        isinstance(key, str) and key not in reserved for key in given
    ):
        raise InvalidArgumentError(
            f"{who}: metadata must be a dict whose keys are text other than "
            f"{', '.join(reserved)}; got {metadata!r}."
        )
    return given


def checked_rng(rng: Any, who: str) -> Generator:
    """`rng` if it is a generator; a bare seed is refused, since it would repeat itself.

    Raises:
        InvalidArgumentError: it is something else.
    """
    if not isinstance(rng, np.random.Generator):
        raise InvalidArgumentError(
            f"{who}: rng must be a numpy.random.Generator; got {rng!r}. "
            "Make one with numpy.random.default_rng(seed)."
        )
    return rng


def rng_or_fresh(rng: Any, who: str) -> Generator:
    """`rng`, or where it is None a new generator that the operating system seeds."""
    return np.random.default_rng() if rng is None else checked_rng(rng, who)


def one_of(value: Any, choices: Any, name: str) -> Any:
    """`value` if it is among `choices`, or an error that begins with `name` and lists them.

    Raises:
        InvalidArgumentError: it is not.
    """
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise InvalidArgumentError(f"{name} must be one of {listed}; got {value!r}.")
    return value


def index_beyond(array: Any, limit: float) -> tuple[int, ...] | None:
    """The first index at which a real array is NaN or larger than `limit` in size, or None.

    >>> index_beyond(np.array([[1.0, 2.0], [np.nan, np.inf]]), 1e300)
    (1, 0)
    """
    # Whole-array extremes need no temporary array, and NaN passes through both of them.
    low, high = float(array.min()), float(array.max())
    if -limit <= low and high <= limit:
        return None
    wide = array.astype(np.float64)  # float16 could not be compared with the limit
    return tuple(int(i) for i in np.argwhere(~(abs(wide) <= limit))[0])
