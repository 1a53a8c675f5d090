"""Gradients that a function returned: in a dict, or in order, with dicts and lists in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.errors import InvalidArgumentError, refuse_more_than_numbers
from tinygrad_mlp.verify.reading.names import named
from tinygrad_mlp.verify.reading.places import SEQUENCES, places


def gradients_in(found: object, slots: Mapping[str, list[str]], said: Sequence[str], who: str,
                 role: str = "backward") -> dict[str, tuple[Array, str]]:
    """Return the gradients that a function returned by name, each with how it was called there.

    `slots` lists the arguments in order, with the names of the arrays in each. `said` has the texts
    of what the function returns, if they are known.
    """
    if found is None:
        return {}
    if isinstance(found, Mapping):
        keys = {str(key): value for key, value in found.items()}
        together = {name: [name] for names in slots.values() for name in names} | dict(slots)
        return _by_name(keys, together)
    if not isinstance(found, SEQUENCES):
        return _within(next(iter(slots.values())), found, "the returned array")
    texts = said if len(said) == len(found) else [f"result {i + 1}" for i in range(len(found))]
    leaves = [name for names in slots.values() for name in names]
    meant = {named(text, slots) for text in texts} - {None}
    if len(meant) == min(len(found), len(slots)) or (meant and len(found) > len(leaves)):
        return _by_name(dict(zip(texts, found, strict=True)), slots)
    if len(found) == len(slots):
        in_order: Any = zip(slots.values(), found, texts, strict=True)
    elif len(found) == len(leaves):
        in_order = (([name], value, text)
                    for name, value, text in zip(leaves, found, texts, strict=True))
    elif len(found) < len(slots):
        in_order = zip(slots.values(), found, texts, strict=False)
    else:
        raise InvalidArgumentError(
            f"{who}: {role} must return a gradient for each of {', '.join(slots)}, in this "
            f"order, or a dict. Got {len(found)} of them.")
    gradients: dict[str, tuple[Array, str]] = {}
    for names, value, text in in_order:
        gradients.update(_within(names, value, text))
    return gradients


def _by_name(keys: Mapping[str, object],
             slots: Mapping[str, list[str]]) -> dict[str, tuple[Array, str]]:
    gradients: dict[str, tuple[Array, str]] = {}
    for key, value in keys.items():
        name = named(key, slots)
        if name is not None:
            gradients.update(_within(slots[name], value, key))
    return gradients


def _within(names: Sequence[str], value: object, text: str) -> dict[str, tuple[Array, str]]:
    """Return the gradients of the arrays of one argument."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return _by_name({str(key): each for key, each in value.items()}, {n: [n] for n in names})
    if isinstance(value, SEQUENCES) and len(names) > 1:
        arrays = [place.array for place in places(value)]
        return {name: (array, f"{text}[{i}]")
                for i, (name, array) in enumerate(zip(names, arrays, strict=False))}
    refuse_more_than_numbers(value, f"the gradient {text}")
    array = plain_array(value)
    if array.dtype.kind not in "fiu" or not names:
        return {}
    return {names[0]: (array if array.dtype.kind == "f" else array.astype(float), text)}


def is_number(value: object) -> bool:
    """Return whether something is one number, possibly a tensor or in an array."""
    if isinstance(value, Value):
        return bool(value.data.size == 1)
    if isinstance(value, (bool, np.bool_)):
        return False
    return isinstance(value, (float, int, np.number)) or (
        isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "fiu")


def without_loss(found: object) -> Any:
    """Return the gradients of ``loss, gradients``, and what is no such pair as it is."""
    if not (isinstance(found, (tuple, list)) and len(found) == 2 and is_number(found[0])):
        return found
    rest = found[1]
    several = isinstance(rest, (tuple, Mapping)) or (
        isinstance(rest, list) and not all(map(is_number, rest)))
    return rest if several else found


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


def plain_array(value: object) -> Array:
    """Return a tensor of this package or another one, a number, or nested lists as an array."""
    if isinstance(value, Value):
        return np.asarray(value.data)
    if hasattr(value, "detach"):  # a PyTorch tensor
        value = value.detach().cpu()
    return np.asarray(value)
