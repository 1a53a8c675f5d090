"""How a backward function is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.errors import InvalidArgumentError

RATES = frozenset(["lr", "learningrate", "eta", "alpha", "learnrate", "stepsize"])


class Kept(NamedTuple):
    """What forward returned: its outputs, and what it hands to backward."""

    outputs: tuple[Any, ...]
    cache: tuple[Any, ...]


def kept_by(found: object, takes: Sequence[str], who: str) -> Kept:
    """Return what is an output and what a cache in the result of forward; backward `takes` both.

    ``out, cache`` and ``h, c, cache`` are told by the number of arguments of backward: all but the
    last are cotangents.
    """
    if not isinstance(found, tuple):
        outputs, cache = (found,), ()
    elif len(found) == len(takes):
        outputs, cache = found[:-1], found[-1:]
    else:
        outputs, cache = found[:1], found[1:]
    for out in outputs:
        if not isinstance(out, (Value, np.ndarray, np.floating, float)):
            raise InvalidArgumentError(
                f"{who}: forward must return an array, or a tuple of arrays and what backward "
                f"needs. Got {type(out).__name__}.")
    return Kept(outputs, cache)


def arguments_for(takes: Sequence[str], kept: Kept, cotangents: Sequence[Array],
                  inputs: Mapping[str, object], who: str) -> tuple[object, ...]:
    """Return the positional arguments of backward.

    First the cotangents; then what forward kept, in order; then inputs by their names.
    """
    if not takes:
        return ()
    arguments: list[Any] = [cotangent.copy() for cotangent in cotangents]
    cache = list(kept.cache)
    for name in takes[len(arguments):]:
        if cache:
            arguments.append(cache.pop(0))
        elif name in inputs:
            arguments.append(inputs[name])
        elif name.lower().replace("_", "") in RATES:
            raise InvalidArgumentError(
                f"{who}: backward must compute gradients. It takes {name}, as one that changes "
                f"the parameters does. Check such an update with check_step.")
        elif name.lower() in ("out", "output", "a", "y", "cache", "z"):
            arguments.append(kept.outputs[0])
        else:
            raise InvalidArgumentError(
                f"{who}: backward must take the gradient of the output, and what forward returned "
                f"besides the output or took. It takes {', '.join(takes)}; nothing is known of "
                f"{name}.")
    return tuple(arguments)
