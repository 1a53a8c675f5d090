"""The input of a model to be exported: the shape of a sample, and the dtype."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp import nn
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.nn.activations import Activation
from tinygrad_mlp.support.checks import one_of

Shape = tuple[int, ...]

ANY_SHAPE = (Activation, nn.LeakyReLU, nn.Softmax, nn.Dropout)
"""Layers that take any shape and do not change it."""


def sample_shape(model: nn.Module) -> Shape | None:
    """Return the shape of one sample if the first layer determines it, else None.

    >>> sample_shape(nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3)))
    (4,)
    >>> sample_shape(nn.Sequential(nn.Flatten(), nn.Linear(4, 3))) is None
    True
    """
    for _, module in model.named_modules():
        if isinstance(module, nn.Linear):
            return (module.in_features,)
        if isinstance(module, (nn.BatchNorm1d, nn.LayerNorm)):
            return module.weight.shape
        inner = [other for _, other in module.named_modules()]
        if not isinstance(module, ANY_SHAPE) and len(inner) == 1:
            return None
    return None


def checked_shape(shape: Sequence[int]) -> Shape:
    """Return a caller's shape as a tuple of integers >= 1."""
    try:
        lengths = tuple(map(operator.index, shape if isinstance(shape, Iterable) else (shape,)))
    except TypeError:
        lengths = (0,)
    if any(n < 1 for n in lengths):
        raise InvalidArgumentError(
            f"export_onnx: input_shape must be the shape of one sample, integers >= 1 without the "
            f"batch, such as (1, 28, 28). Got {shape!r}.")
    return lengths


def checked_dtype(dtype: Any) -> np.dtype[np.generic]:
    """Return a caller's dtype, if it is float32 or float64."""
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = dtype
    return np.dtype(str(one_of(name, ("float32", "float64"), "export_onnx: dtype")))


def checked_input_dtype(dtype: DTypeLike) -> np.dtype[np.generic]:
    """Return a caller's dtype of the input, if ONNX has it and it is of real numbers."""
    try:
        found: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        found = np.dtype(object)
    if found.kind not in "fiub" or found.itemsize > 8:
        raise InvalidArgumentError(
            f"export_onnx: input_dtype must be a dtype of real numbers, such as numpy.int64. Got "
            f"{dtype!r}.")
    return found


def model_dtype(model: nn.Module) -> np.dtype[np.generic]:
    """Return the dtype of a model: that of its first parameter or buffer, float64 without any."""
    dtypes = (tensor.dtype for _, tensor in model.named_state() if tensor.dtype.kind == "f")
    return next(dtypes, np.dtype(np.float64))
