"""Arrays of nested lists in which there are tensors: `tg.array`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import refuse_more_than_numbers


def has_tensors(data: object) -> bool:
    """Return whether there is a tensor in nested lists."""
    if isinstance(data, (list, tuple)):
        return any(map(has_tensors, data))
    return isinstance(data, Tensor)


def array(data: object, dtype: DTypeLike | None = None) -> Any:
    """Return the array of nested lists that ``np.array`` returns, where Tensors are among them.

    ``y[i, j, …] = data[i][j]…``; the gradient of each element is the entry of the cotangent at
    its place. NumPy would convert Tensors in a list to numbers, so ``np.array([t1, t2])`` is an
    error, and this takes its place.

    Args:
        data: a number, an array, a Tensor, or a list or tuple of such, nested to any depth; all
            elements of a list of the same shape.
        dtype: of the result; by default NumPy's promotion of what is in it.

    Returns:
        A Tensor where a Tensor is in it, else an ndarray; always a copy.

    Raises:
        ShapeError: the elements of a list are of different shapes.

    >>> import tinygrad_mlp as tg
    >>> f = lambda x: tg.sum(tg.array([[x[0], 2.0], [x[1], x[0]]]) ** 2)
    >>> tg.grad(f)(np.array([3.0, 4.0]))
    array([12.,  8.])
    """
    refuse_more_than_numbers(data, "array()")
    made = _with_tensors(data)
    if isinstance(made, Tensor):
        return made if dtype is None else made.astype(dtype)
    return np.array(made, dtype=dtype)


def _with_tensors(data: object) -> Any:
    if isinstance(data, Tensor):
        return data.copy()
    if not isinstance(data, (list, tuple)):
        return data
    parts = [_with_tensors(part) for part in data]
    return ops.stack(parts) if any(isinstance(p, Tensor) for p in parts) else np.array(parts)
