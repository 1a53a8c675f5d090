"""Mutations of files: bytes that change or go missing, entries that are edited or removed."""

from __future__ import annotations

import copy

import numpy as np

VALUES = (
    None, True, False, 0, -1, 1, 7, 10**12, 10**30, 0.5, -0.5, 1e308, "", "x", "relu", "1", [], {},
    [1], [None], {"a": 1}, [[1, 2]], {"$array": "x"}, {"$number": "nan"}, {"$number": "x"},
    {"$tuple": 3}, {"$dict": [[1]]}, {"$array": 3}, {"$array": "x", "axes": [5]},
)
"""What an entry is replaced by: every type of JSON, odd numbers, broken references."""


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Return bytes with a few that are flipped, set, cut off, repeated or left out."""
    mutated = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        if not mutated:
            break
        place = int(rng.integers(len(mutated)))
        if rng.random() < 0.5:  # headers are at the beginning, and matter most
            place = int(min(rng.geometric(0.02), len(mutated)) - 1)
        length = int(rng.geometric(0.1))
        kind = rng.choice(["flip", "set", "cut", "leave out", "repeat", "random"])
        if kind == "flip":
            mutated[place] ^= 1 << int(rng.integers(8))
        elif kind == "set":
            mutated[place] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF]))
        elif kind == "cut":
            del mutated[place:]
        elif kind == "leave out":
            del mutated[place : place + length]
        elif kind == "repeat":
            mutated[place:place] = mutated[place : place + length]
        else:
            mutated[place : place + length] = rng.bytes(length)
    return bytes(mutated)


def edited(tree, rng: np.random.Generator):
    """Return a copy of a tree of JSON with one or two entries replaced, removed, doubled, renamed.

    Of the dicts and lists on a path from the root, one is chosen at random, and in it an entry.
    """
    tree = copy.deepcopy(tree)
    for _ in range(rng.integers(1, 3)):
        holder, key = _entry(tree, rng)
        if holder is None:
            break
        kind = rng.choice(["replace", "nudge", "remove", "add"])
        if kind == "replace":
            holder[key] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])
        elif kind == "nudge":
            holder[key] = _nudged(holder[key], rng)
        elif kind == "remove":
            del holder[key]
        elif isinstance(holder, dict):
            holder[f"{key}_" if rng.random() < 0.5 else "other"] = copy.deepcopy(holder[key])
        else:
            holder.append(copy.deepcopy(holder[key]))
    return tree


def _entry(tree, rng):
    """A dict or list of a tree, and a key or place in it; None if the tree has none."""
    holder, key = None, None
    while isinstance(tree, (dict, list)) and tree and (holder is None or rng.random() < 0.8):
        keys = list(tree) if isinstance(tree, dict) else range(len(tree))
        holder, key = tree, keys[rng.integers(len(keys))]
        tree = tree[key]
    return holder, key


def _nudged(value, rng):
    """A value of the same type that is a little different."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return type(value)(value + rng.choice([-1, 1, value]))
    if isinstance(value, str):
        return value[:-1] if rng.random() < 0.5 else value + "x"
    if isinstance(value, list):
        return value[::-1]
    return dict(reversed(value.items())) if isinstance(value, dict) else 0


def other_arrays(arrays, rng: np.random.Generator):
    """Return named arrays of which one is missing, doubled, renamed, or of another kind."""
    mutated = dict(arrays)
    name = list(mutated)[rng.integers(len(mutated))]
    array = mutated[name]
    kind = rng.choice(["remove", "add", "rename", "dtype", "shape", "empty", "nan"])
    if kind in ("remove", "rename"):
        del mutated[name]
    if kind in ("add", "rename"):
        mutated[f"{name}_"] = array
    if kind == "dtype":
        kinds = ["f4", "i8", "?", "u1", "f2"]
        with np.errstate(all="ignore"):
            mutated[name] = array.astype(kinds[rng.integers(len(kinds))])
    if kind == "shape":
        shapes = [(-1,), (1, -1), (-1, 1), (*array.shape, 1)]
        mutated[name] = array.reshape(shapes[rng.integers(len(shapes))])
    if kind == "empty":
        mutated[name] = array[..., :0] if array.ndim else array.reshape(1)[:0]
    if kind == "nan" and array.dtype.kind == "f":
        mutated[name] = array * np.nan
    return mutated
