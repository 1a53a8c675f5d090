"""The checks of data: arrays, or sources that are read by rows, of finite numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.data.rows import Rows, chunks, converted, stays_in_place, whole
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError, ShapeError
from tinygrad_mlp.support.checks import as_array, index_beyond


def is_one_hot(Y: Array | Rows) -> bool:
    """Return whether each row of Y has a single 1 and zeros otherwise."""
    if Y.ndim != 2 or Y.shape[1] < 2:
        return False
    parts = (Y[rows] for rows in chunks(Y))
    return all(bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()) for y in parts)


def class_numbers(Y: Array | Rows) -> Array:
    """Return the number of each sample's class; the targets must be one-hot."""
    return np.concatenate([Y[rows].argmax(axis=1) for rows in chunks(Y)])


def checked_source(a: object, name: str, dtype: DTypeLike) -> Array | Rows:
    """Return `a` as an array of `dtype` with at least one sample, all of it finite.

    Of what takes more than `AT_ONCE` bytes when it is converted, rows that are converted in parts.
    """
    array = as_source(a, name)
    if np.dtype(dtype).kind in "iu":
        if array.dtype.kind not in "iu":
            raise DTypeError(
                f"{name} must be of integers, as the training data are, which the model or the "
                f"loss indexes with. Got {array.dtype}. Convert it with .astype({dtype}).")
        return converted(array, array.dtype)
    for rows in chunks(array) if array.dtype.kind == "f" else ():
        part = array[rows]
        at = index_beyond(part, float(np.finfo(dtype).max))
        if at is not None:
            place = (rows.start + at[0], *at[1:])
            raise InvalidArgumentError(
                f"{name} must be finite. Got {part[at]} at index {place}, which is not finite in "
                f"{np.dtype(dtype)}. Remove or replace such samples first.")
    return converted(array, dtype)


def checked_numbers(a: object, name: str, dtype: DTypeLike) -> Array:
    """Return what `checked_source` returns, as an array."""
    return whole(checked_source(a, name, dtype))


def as_rows(a: object, name: str) -> Array:
    """Return what `as_source` returns, as an array."""
    return whole(as_source(a, name))


def check_lengths(x: Array | Rows, y: Array | Rows, name_x: str, name_y: str) -> None:
    """Raise an error unless there are as many targets as inputs."""
    if len(x) != len(y):
        raise ShapeError(
            f"{name_x} and {name_y} must have the same number of samples. Got shapes {x.shape} "
            f"and {y.shape}.")


def as_source(a: object, name: str) -> Array | Rows:
    """Return `a` as an array of numbers, or rows that are read when needed; at least one sample."""
    a = plain(a)
    try:
        if stays_in_place(a):
            array: Array | Rows = a if isinstance(a, Rows) else Rows(a)
        else:
            array = as_array(np.asarray(a) if isinstance(a, np.memmap) else a, name)
    except ValueError as error:
        raise DTypeError(f"{name} must be an array of numbers. NumPy says: {error}.") from error
    if array.dtype.kind not in "fiub":
        batches = isinstance(a, Iterable) and not isinstance(a, (list, tuple, np.ndarray))
        hint = " Write tg.data.batches(...) for a source of batches." * (batches or callable(a))
        raise DTypeError(f"{name} must be an array of numbers. Got dtype {array.dtype}.{hint}")
    if array.ndim == 0 or array.size == 0:
        raise ShapeError(
            f"{name} must have at least one sample and one value. Got shape {array.shape}.")
    return array


def as_number(loss: Array | Tensor | float) -> float:
    """Return the value of a loss as a float."""
    array = np.asarray(plain(loss))
    if array.size != 1 or array.dtype.kind not in "fiub":
        raise ShapeError(
            f"the loss function must return one number. Got shape {array.shape} of {array.dtype}. "
            f"Reduce it over outputs and samples, e.g. with tg.mean(...).")
    return float(array.reshape(()))


def plain(value: object) -> Any:
    """Return the array of a tensor, and anything else as it is."""
    return value.data if isinstance(value, Value) else value
