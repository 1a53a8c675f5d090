"""In-place operators: what ``x += y`` does to a leaf, to a computed tensor, to an argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.stores.assign import overwrite
from tinygrad_mlp.autograd.stores.buffer import RecordedBuffer
from tinygrad_mlp.autograd.tensor import OPERATIONS, Tensor
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError, ShapeError


def update_in_place(tensor: Tensor, name: str, sign: str, other: object) -> Any:
    """Return what ``tensor += other`` binds: the tensor itself with its new value.

    `name` is that of the operation, `sign` that of the operator. A single number is replaced, as
    in NumPy, where it is ``np.float64``.
    """
    kind, data = type(tensor), tensor.data
    is_leaf = tensor.node is None and tensor._requires_grad
    if kind is RecordedBuffer or tensor.ndim and not is_leaf and (
            kind is Tensor or id(data) == id(tensor)):
        return overwrite(tensor, OPERATIONS[name](tensor, other), f"{sign}=")
    if not (is_leaf or tensor.ndim) or isinstance(tensor, Argument):
        return OPERATIONS[name](tensor, other)
    made = OPERATIONS[name](tensor, other)
    if MODE.get().recording and (is_leaf or getattr(made, "requires_grad", False)):
        raise InvalidArgumentError(
            f"a leaf{' that requires a gradient' if is_leaf else ''} cannot be changed by "
            f"{sign}= while operations are recorded: the graph could not tell the old value from "
            f"the new one. Write 'with tg.no_grad():' around an update, or x = x {sign} … for a "
            f"new tensor.")
    data = made.data if isinstance(made, Value) else np.asarray(made)
    shape, dtype = tensor.shape, tensor.dtype
    if data.shape != shape:
        raise ShapeError(
            f"{sign}= expects a result of shape {shape}, that of the tensor. Got {data.shape}.")
    if not np.can_cast(data.dtype, dtype, "same_kind"):
        raise DTypeError(
            f"{sign}= expects a result that fits into {dtype}, the tensor's dtype. "
            f"Got {data.dtype}.")
    # A new array, as optimizers assign it: a graph may hold the old one.
    tensor.data = data if data.dtype == dtype else data.astype(dtype)
    return tensor


class Argument(Tensor):
    """The argument of a function that is differentiated or checked: a leaf that is the function's.

    ``x += 1`` binds a new tensor there, as the function would change an array of its own.

    >>> import tinygrad_mlp as tg
    >>> def f(x):
    ...     x *= 3
    ...     return x
    >>> float(tg.grad(f)(2.0))
    3.0
    """

    __slots__ = ()


OPERATORS = {
    "__iadd__": ("add", "+"), "__isub__": ("subtract", "-"), "__imul__": ("multiply", "*"),
    "__itruediv__": ("divide", "/"), "__ifloordiv__": ("floor_divide", "//"),
    "__imod__": ("mod", "%"), "__ipow__": ("power", "**"), "__imatmul__": ("matmul", "@")}
"""The methods of in-place operators, with the name of the operation and the sign."""


def in_place(name: str, sign: str) -> Callable[[Tensor, Any], Any]:
    """Return the method of an in-place operator."""

    def method(self: Tensor, other: object) -> Any:
        return update_in_place(self, name, sign, other)

    return method


for _method, (_name, _sign) in OPERATORS.items():
    setattr(Tensor, _method, in_place(_name, _sign))
