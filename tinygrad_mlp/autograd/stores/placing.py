"""Functions of NumPy that store into an array: `put`, `putmask`, `place`, `fill_diagonal`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.nested_lists import array
from tinygrad_mlp.autograd.op import implements
from tinygrad_mlp.autograd.stores.assign import into_a_plain_array, overwrite, store
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import InvalidArgumentError


def _cycled(values: object, count: int) -> Array:
    """Return `count` values, again from the beginning where there are fewer."""
    flat = ops.ravel(array(values))
    return flat[np.arange(count) % flat.size]


@implements(np.put)
def put(a: object, ind: object, v: object, mode: str = "raise") -> None:
    """Do ``a.flat[ind] = v``, as NumPy's function."""
    if not isinstance(a, Tensor):
        raise into_a_plain_array()
    numbers: Any = np.arange(a.size)
    places = np.ravel(numbers.take(ind, mode=mode))
    if places.size:
        store(a, np.unravel_index(places, a.shape), _cycled(v, places.size))


@implements(np.putmask)
def putmask(a: Array, mask: Array, values: object) -> None:
    """Store into each element where `mask` holds the value at its own place."""
    if not isinstance(a, Tensor):
        raise into_a_plain_array()
    if np.shape(mask) != a.shape:
        raise InvalidArgumentError(
            f"np.putmask expects a mask of shape {a.shape}, that of the array. "
            f"Got {np.shape(mask)}.")
    overwrite(a, ops.reshape(_cycled(values, a.size), shape=a.shape), "np.putmask()", mask)


@implements(np.place)
def place(arr: Any, mask: Array, vals: object) -> None:
    """Store values, in order, into the elements where `mask` holds."""
    if not isinstance(arr, Tensor):
        raise into_a_plain_array()
    put(arr, np.flatnonzero(mask), vals)


@implements(np.fill_diagonal)
def fill_diagonal(a: object, val: object, wrap: bool = False) -> None:
    """Store into the diagonal of an array."""
    if not isinstance(a, Tensor):
        raise into_a_plain_array()
    if a.ndim < 2 or a.ndim > 2 and len(set(a.shape)) > 1:
        raise InvalidArgumentError(
            f"np.fill_diagonal expects a matrix, or axes of equal lengths. Got shape {a.shape}.")
    strides = np.cumprod([1, *a.shape[:0:-1]])
    end = None if wrap or a.ndim > 2 else a.shape[1] ** 2
    put(a, np.arange(a.size)[:end:int(strides.sum())], val)
