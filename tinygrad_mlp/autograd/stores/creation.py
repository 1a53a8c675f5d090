"""Creation of arrays where something is differentiated: they record what is stored into them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.nested_lists import array, has_tensors
from tinygrad_mlp.autograd.stores.assign import store
from tinygrad_mlp.autograd.stores.buffer import RecordedBuffer, new_buffer
from tinygrad_mlp.autograd.stores.index_tricks import JoinByIndex
from tinygrad_mlp.autograd.tensor import Tensor

Function = Callable[..., Any]

FROM_NUMBERS: tuple[Any, ...] = (
    np.zeros, np.ones, np.empty, np.eye, np.identity, np.arange, np.linspace, np.copy, np.tile,
    np.repeat, np.diag, np.tri, np.full, np.zeros_like, np.ones_like, np.empty_like, np.full_like)
"""The functions whose results are new arrays, which may be stored into."""

FROM_DATA: tuple[Any, ...] = (np.array, np.asarray, np.asanyarray, np.ascontiguousarray)
"""The functions that make an array of anything, also of lists with tensors in them."""

REDUCTIONS: tuple[Any, ...] = (
    np.sum, np.mean, np.max, np.min, np.prod, np.amax, np.amin, np.std, np.var)
"""The functions that take lists with tensors in them, too."""

JOINS: tuple[Any, ...] = (np.concatenate, np.stack, np.hstack, np.vstack, np.column_stack)
"""The functions of lists of arrays, of which each may be a list with tensors in it."""

OUT: tuple[Any, ...] = (np.clip, np.cumsum, np.cumprod, np.take)
"""Further functions whose result may go to an array that records stores, as ``out=``."""


def recorded(made: object) -> Any:
    """Return a new array of floating-point numbers as a buffer; anything else as it is.

    What is stored into integers and booleans has no derivative.
    """
    if type(made) is np.ndarray and made.dtype.kind == "f":
        return new_buffer(made)
    return made


def creating(function: Function) -> Function:
    """Return a creation function whose arrays record stores where something is differentiated."""

    @functools.wraps(function)
    def create(*args: object, **options: object) -> Any:
        if not MODE.get().differentiating:
            return function(*args, **options)
        if function in (np.full, np.full_like) and len(args) > 1 and isinstance(args[1], Value):
            return _filled(function, *args, **options)
        return recorded(function(*args, **options))

    return create


def _filled(function: Function, like: Any, value: Any, dtype: Any = None, **options: Any) -> Any:
    """Return what np.full and np.full_like return for a tensor."""
    if dtype is None:
        dtype = value.dtype if function is np.full or isinstance(like, (int, list)) else like.dtype
    made = new_buffer(np.zeros(like if function is np.full else np.shape(like), dtype, **options))
    store(made, ..., value)
    return made


def converting(function: Function) -> Function:
    """Return a function such as np.array that takes tensors, also in lists."""

    @functools.wraps(function)
    def convert(data: object, dtype: DTypeLike | None = None, **options: object) -> Any:
        if not MODE.get().differentiating:
            return function(data, dtype, **options)
        if isinstance(data, Tensor):
            if dtype is not None and np.dtype(dtype) != data.dtype:
                return data.astype(dtype)
            return data.copy() if function is np.array and options.get("copy", True) else data
        if has_tensors(data):
            return array(data, dtype)
        made = function(data, dtype, **options)
        return made if made is data or made.base is not None else recorded(made)

    return convert


def joining(function: Function) -> Function:
    """Return a function such as np.sum that takes lists of tensors, and such an ``out=``."""
    joins = function in JOINS

    @functools.wraps(function)
    def join(a: Any, *args: object, **options: object) -> Any:
        if type(a) is np.ndarray and "out" not in options:
            return function(a, *args, **options)
        if joins:
            if type(a) in (list, tuple):
                a = [_joined(part) for part in a]
        else:
            a = _joined(a)
        out = options.get("out")
        if not isinstance(out, RecordedBuffer):
            return function(a, *args, **options)
        del options["out"]
        store(out, ..., function(a, *args, **options))
        return out

    return join


@functools.wraps(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """Return what np.append returns, also for lists with tensors in them."""
    return np.append(_joined(arr), _joined(values), axis)


def _joined(a: object) -> Any:
    """Return a list with tensors in it as one tensor, and anything else as it is."""
    return array(a) if type(a) in (list, tuple) and has_tensors(a) else a


RECORDING: dict[str, Any] = {
    "append": append, "r_": JoinByIndex(np.r_), "c_": JoinByIndex(np.c_),
    **{f.__name__: creating(f) for f in FROM_NUMBERS},
    **{f.__name__: converting(f) for f in FROM_DATA},
    **{f.__name__: joining(f) for f in (*REDUCTIONS, *JOINS, *OUT)}}
"""By name, the functions of NumPy that make arrays or take lists, in the form that records."""


NUMPY = ModuleType("tinygrad_mlp.numpy")
"""NumPy with these in the place of its own."""
vars(NUMPY).update({k: v for k, v in vars(np).items() if k[0] != "_" and k != "test"}, **RECORDING,
                   __getattr__=lambda name: getattr(np, name))  # loaded when first used
