"""`flatten`: nested arrays as one vector, for SciPy's minimisers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.pytree import leaves, rebuild

__all__ = ["flatten"]


def flatten(value: object) -> tuple[Any, Callable[[Any], Any]]:
    """Return nested arrays as one vector, and the function that makes such a nesting of a vector.

    Both can be differentiated.

    >>> vector, unflatten = flatten({"W": np.ones((2, 2)), "b": 0.5})
    >>> vector
    array([1. , 1. , 1. , 1. , 0.5])
    >>> unflatten(2 * vector)["W"].shape
    (2, 2)
    """
    arrays = leaves(value)
    shapes = [np.shape(a) for a in arrays]
    ends = np.cumsum([0, *(np.prod(shape, dtype=int) for shape in shapes)])

    def unflatten(vector: Array) -> Any:
        parts = [ops.reshape(vector[start:stop], shape=shape)
                 for start, stop, shape in zip(ends, ends[1:], shapes, strict=False)]
        return rebuild(value, parts)

    return ops.concatenate([np.zeros(0), *map(ops.ravel, arrays)]), unflatten
