"""The batch size as a symbol: the values that differ between recordings, as functions of it.

A recording holds for one batch size. Three recordings at different sizes tell which numbers depend
on it: two points give the line ``scale · n + offset``, and the third confirms it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array

SIZES = (5, 7, 11)
"""Batch sizes to record at. Primes, so that a quotient such as n // 2 does not look like a line."""


class Affine(NamedTuple):
    """A number that depends on the batch size n: ``scale · n + offset``."""

    scale: Any
    offset: Any

    def at(self, n: int) -> Any:
        """Return its value for a batch of n."""
        return self.scale * n + self.offset


class Filled(NamedTuple):
    """An array of one repeated number; its shape or that number depends on the batch size."""

    shape: tuple[Any, ...]
    value: Any
    dtype: np.dtype[Any]


class Varies(Exception):
    """Raised for values that differ between recordings and are no line in the batch size."""


def in_terms_of_batch(values: Sequence[Any], sizes: Sequence[int]) -> Any:
    """Express the values that something had at the batch sizes `sizes` as a function of these.

    The function is the value itself if it is always the same, else `Affine` for numbers and
    `Filled` for arrays; in tuples, lists and slices entry by entry. Where there is none, it raises
    `Varies`.
    """
    first = values[0]
    kind = type(first)
    if kind in (tuple, list):
        if not all(type(v) is kind and len(v) == len(first) for v in values):
            raise Varies
        return kind(in_terms_of_batch(entries, sizes) for entries in zip(*values, strict=True))
    if kind is slice:
        parts = [(v.start, v.stop, v.step) for v in values]
        return slice(*in_terms_of_batch(parts, sizes))
    if kind is np.ndarray:
        return _array(values, sizes)
    if all(_equal(first, v) for v in values):
        return first
    if all(isinstance(v, (int, float, np.number)) and not isinstance(v, bool) for v in values):
        return _line(values, sizes)
    raise Varies


def _equal(a: object, b: object) -> bool:
    return a is b or (type(a) is type(b) and bool(a == b or (a != a and b != b)))


def _line(values: Sequence[float], sizes: Sequence[int]) -> Affine:
    if sizes[0] == sizes[1]:
        raise Varies
    scale = (values[1] - values[0]) / (sizes[1] - sizes[0])
    if all(isinstance(v, (int, np.integer)) for v in values):
        if scale != round(scale):
            raise Varies
        scale = round(scale)
    line = Affine(scale, values[0] - scale * sizes[0])
    if not np.allclose([line.at(n) for n in sizes], np.array(values, float), rtol=1e-12, atol=0):
        raise Varies
    return line


def _array(arrays: Sequence[Array], sizes: Sequence[int]) -> Any:
    first = arrays[0]
    if not all(type(a) is np.ndarray and a.dtype == first.dtype for a in arrays):
        raise Varies
    if all(np.array_equal(first, a, equal_nan=first.dtype.kind == "f") for a in arrays):
        return first
    if not all(a.size and (a == a.flat[0]).all() for a in arrays):
        raise Varies
    shape = in_terms_of_batch([a.shape for a in arrays], sizes)
    return Filled(shape, in_terms_of_batch([a.flat[0].item() for a in arrays], sizes), first.dtype)
