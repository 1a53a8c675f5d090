"""How a backward function is called, and what it returned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify.derivations.arguments import plain_array
from tinygrad_mlp.verify.layers.arguments import SEQUENCES, places
from tinygrad_mlp.verify.layers.names import named, returned_names

RATES = frozenset(["lr", "learningrate", "eta", "alpha", "learnrate", "stepsize"])


class Kept(NamedTuple):
    """What forward returned: its outputs, and what it hands to backward."""

    outputs: tuple[Any, ...]
    cache: tuple[Any, ...]


def kept_by(found: Any, takes: Sequence[str], who: str) -> Kept:
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
                  inputs: Mapping[str, Any], who: str) -> tuple[Any, ...]:
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


def gradients_in(found: Any, slots: Mapping[str, list[str]], function: Callable[..., Any],
                 who: str) -> dict[str, tuple[Array, str]]:
    """Return the gradients that backward returned by name, each with how it was called there.

    `slots` lists the arguments in order, with the names of the arrays in each.
    """
    if found is None:
        return {}
    if isinstance(found, Mapping):
        keys = {str(key): value for key, value in found.items()}
        together = {name: [name] for names in slots.values() for name in names} | dict(slots)
        return _by_name(keys, together)
    if not isinstance(found, SEQUENCES):
        return _within(next(iter(slots.values())), found, "the returned array")
    said = returned_names(function)
    texts = said if len(said) == len(found) else [f"result {i + 1}" for i in range(len(found))]
    leaves = [name for names in slots.values() for name in names]
    if len(found) == len(slots):
        in_order: Any = zip(slots.values(), found, texts, strict=True)
    elif len(found) == len(leaves):
        in_order = (([name], value, text)
                    for name, value, text in zip(leaves, found, texts, strict=True))
    elif len(said) == len(found):
        return _by_name(dict(zip(said, found, strict=True)), dict(slots))
    elif len(found) < len(slots):
        in_order = zip(slots.values(), found, texts, strict=False)
    else:
        raise InvalidArgumentError(
            f"{who}: backward must return a gradient for each of {', '.join(slots)}, in this "
            f"order, or a dict. Got {len(found)} of them.")
    gradients: dict[str, tuple[Array, str]] = {}
    for names, value, text in in_order:
        gradients.update(_within(names, value, text))
    return gradients


def _by_name(keys: Mapping[str, Any],
             slots: Mapping[str, list[str]]) -> dict[str, tuple[Array, str]]:
    gradients: dict[str, tuple[Array, str]] = {}
    for key, value in keys.items():
        name = named(key, slots)
        if name is not None:
            gradients.update(_within(slots[name], value, key))
    return gradients


def _within(names: Sequence[str], value: Any, text: str) -> dict[str, tuple[Array, str]]:
    """Return the gradients of the arrays of one argument."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return _by_name({str(key): each for key, each in value.items()}, {n: [n] for n in names})
    if isinstance(value, SEQUENCES) and len(names) > 1:
        arrays = [place.array for place in places(value)]
        return {name: (array, f"{text}[{i}]")
                for i, (name, array) in enumerate(zip(names, arrays, strict=False))}
    array = plain_array(value)
    if array.dtype.kind not in "fiu" or not names:
        return {}
    return {names[0]: (array if array.dtype.kind == "f" else array.astype(float), text)}


def in_shape(gradient: Array, like: Array) -> Array:
    """Return a gradient in the shape of its parameter, where only ones before it differ.

    An update takes (H,) for (1, H). Other differences of shape are mistakes.
    """
    def bare(shape: tuple[int, ...]) -> tuple[int, ...]:
        while shape and shape[0] == 1:
            shape = shape[1:]
        return shape

    same = bare(gradient.shape) == bare(like.shape)
    return gradient.reshape(like.shape) if same else gradient
