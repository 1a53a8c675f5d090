"""What is stored, and into what: indexed stores, in-place operators, ``out=`` and their like."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.call_site import user_site
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.nested_lists import array, has_tensors
from tinygrad_mlp.autograd.op import IMPLEMENTED_BY, OURS_FOR_NUMPYS
from tinygrad_mlp.autograd.ops.shapes.indexing import index_parts
from tinygrad_mlp.autograd.stores.buffer import (
    RecordedBuffer,
    adopt,
    index_for,
    may_change,
)
from tinygrad_mlp.autograd.stores.views import family
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import (
    DTypeError,
    InvalidArgumentError,
    NotDifferentiableError,
    ShapeError,
    TinygradError,
)

REMEDY = (
    "Create the array in the function that is differentiated, with np of 'import "
    "tinygrad_mlp.numpy as np' in place of 'import numpy as np'")


def into_a_plain_array() -> NotDifferentiableError:
    """Return the error for a store of a tensor into an array that records nothing."""
    return NotDifferentiableError(
        f"a tensor that requires a gradient cannot become (a part of) a plain array, which "
        f"records nothing: its history would be lost. {REMEDY}, or "
        f"join tensors with tg.array([...]) instead of filling an array element by element; use "
        f".numpy() or .detach() if the history is to be lost.\n  at {user_site()}")


def store(tensor: Tensor, index: object, value: object) -> None:
    """Do ``tensor[index] = value``, as NumPy does; aliases and views of the tensor see it.

    Raises:
        InvalidArgumentError: the tensor is a leaf, or a view of one; or places are not known, as
            those of a traced mask for several values.
        ShapeError: the value does not broadcast to what the index picks.
        DTypeError: the tensor is of whole numbers, and gradients flow to the value.
    """
    if has_tensors(value) and not isinstance(value, Tensor):
        value = array(value)
    if type(tensor) is not RecordedBuffer:
        if tensor.ndim == 0:
            raise InvalidArgumentError(
                f"a single number cannot be stored into, as in NumPy, where it is np.float64. "
                f"Assign to the variable.\n  at {user_site()}")
        if _stored_first(tensor, index, value):
            return
        adopt(tensor)
    assert isinstance(tensor, RecordedBuffer)
    held = tensor._held
    if type(value) is RecordedBuffer:
        value = value.reading()  # before the store
    if is_traced(index):
        index, value = ..., with_stored(held.read(), index, value)
    try:
        held.storage.store(held.view, index_for(index), value)
    except TinygradError:
        raise
    except (ValueError, TypeError, IndexError) as error:
        kind = next(ours for numpys, ours in OURS_FOR_NUMPYS if isinstance(error, numpys))
        raise kind(
            f"a store into an array of shape {tensor.shape} failed: {error}.\n"
            f"  stored at {user_site()}\n  created at {held.storage.made}") from error


def _stored_first(tensor: Any, index: object, value: object) -> bool:
    """Do the first store into a tensor that no other shares memory with; return whether it is one.

    It is a node of its own, which is short to explain. More of them would copy the whole each time.
    """
    node = tensor.node
    if node is None or node.op is ops.store or not MODE.get().recording or (
            is_traced(tensor) or not may_change(tensor) or len(family(tensor)) > 1):
        return False
    try:
        return _replaced(tensor, with_stored(tensor, index, value))
    except TinygradError:  # one that names the line follows
        return False


def is_traced(index: object) -> bool:
    """Return whether an index, or a part of it, is a traced value."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, Value) and isinstance(part.data, Value) for part in parts)


def with_stored(x: Any, index: object, value: object) -> Array:
    """Return a copy of `x` after ``x[index] = value``."""
    parts = index if isinstance(index, tuple) else (index,)
    if is_traced(index) and any(isinstance(p, Tensor) and p.dtype.kind == "b" for p in parts):
        return _with_masked(x, index, value)
    template, arrays = index_parts(index)
    return ops.store(x, array(value), *arrays, template=template)


def _with_masked(x: Tensor, mask: Any, value: Any) -> Any:
    """Return a copy of `x` after ``x[mask] = value``, for a mask that is not known."""
    rest = None if isinstance(mask, tuple) else x.shape[mask.ndim:]
    if rest is None or mask.shape != x.shape[:mask.ndim] or (
            np.broadcast_shapes(np.shape(value), rest) != rest):
        raise InvalidArgumentError(
            f"a traced mask must choose elements, or rows, and one value be stored into all of "
            f"them: how many there are differs from run to run. Use x = tg.where(mask, values, x) "
            f"with values of the shape of x.\n  at {user_site()}")
    chosen = ops.where(ops.reshape(mask, shape=(*mask.shape, *(1 for _ in rest))), value, x)
    return chosen.astype(x.dtype)


def overwrite(tensor: Any, made: object, what: str, where: Any = True) -> Any:
    """Store a result that NumPy would write into a whole tensor, and return the tensor.

    `what` is the operator or function, as messages begin.
    """
    result: Any = made if isinstance(made, Value) else np.asarray(made)
    shape, dtype = tensor.shape, tensor.dtype
    if result.shape != shape:
        try:
            fits = np.broadcast_shapes(result.shape, shape) == shape and not what.endswith("=")
        except ValueError:
            fits = False
        if not fits:
            raise ShapeError(
                f"{what} expects a result of shape {shape}, that of the tensor. "
                f"Got {result.shape}.")
    if not np.can_cast(result.dtype, dtype, "same_kind"):
        raise DTypeError(
            f"{what} expects a result that fits into {dtype}, the tensor's dtype. "
            f"Got {result.dtype}.")
    if where is not True:
        result = ops.where(where, result, tensor)
    if result.dtype != dtype:
        result = result.astype(dtype)
    if not may_change(tensor) or result.shape != shape or len(family(tensor)) > 1 or (
            not _replaced(tensor, result)):
        store(tensor, ..., result)  # which refuses leaves
    return tensor


def _replaced(tensor: Any, result: Any) -> bool:
    """Let a tensor that no other shares memory with be another value, where that can be."""
    value: Any = result if isinstance(result, Value) else None
    if isinstance(tensor.data, Value) and (value is None or not isinstance(value.data, Value)):
        return False  # what was traced is constant now
    if tensor.data is tensor:
        if value is None or value._requires_grad:
            return False
        tensor.stand_for(value)
        return True
    is_value = value is not None and value.data is not value
    tensor.data = result.data if is_value else result
    tensor.node, tensor.index = (result.node, result.index) if is_value else (None, 0)
    tensor._requires_grad = is_value and result._requires_grad
    return True


def stored_by_ufunc(name: str, ufunc: object, method: str, *inputs: object,
                    **options: object) -> Any:
    """Do what a ufunc with ``out=``, or ``np.add.at``, does to a tensor.

    Raises:
        NotDifferentiableError: the result would go into a plain array.
    """
    if method == "at":
        return _at(name, ufunc, *inputs)
    out, where = options.pop("out"), options.pop("where", True)
    (target,) = out if isinstance(out, tuple) and len(out) == 1 else (None,)
    if not isinstance(target, Tensor):
        raise InvalidArgumentError(
            f"{name} cannot take out= here (an in-place operation such as += is an out=, too): a "
            f"plain array would not record the tensor that is written into it. {REMEDY}; or write "
            f"x = x + y for x += y.\n  at {user_site()}")
    return overwrite(target, getattr(ufunc, method)(*inputs, **options), f"{name}(out=…)", where)


def _at(name: str, ufunc: Any, target: Any, index: Any, value: object = None) -> None:
    """Do ``ufunc.at(target, index, value)`` for sums and differences."""
    if not isinstance(target, Tensor):
        raise into_a_plain_array()
    if ufunc not in (np.add, np.subtract):
        raise InvalidArgumentError(
            f"{name} cannot be applied to a Tensor: of the methods 'at', there are rules for "
            f"np.add.at and np.subtract.at.\n  at {user_site()}")
    index = index_for(index)
    numbers = np.arange(target.size).reshape(target.shape)[index]
    if isinstance(value, Value):
        spread: Any = ops.broadcast_to(value, shape=np.shape(numbers))
    else:
        spread = np.broadcast_to(np.asarray(array(value), target.dtype), np.shape(numbers))
    template, arrays = index_parts(index)
    added = ops.scatter_add(spread, *arrays, template=template, shape=target.shape)
    overwrite(target, ufunc(target, added), name)


def copyto(dst: Array, src: Array | float, casting: str = "same_kind",
           where: object = True) -> None:
    """Do what ``np.copyto`` does to a tensor."""
    if not isinstance(dst, Tensor):
        raise into_a_plain_array()
    if casting != "same_kind":
        raise InvalidArgumentError("np.copyto expects casting='same_kind' for a Tensor.")
    extra = np.ndim(src) - dst.ndim
    if extra > 0 and set(np.shape(src)[:extra]) == {1}:
        src = np.reshape(src, np.shape(src)[extra:])
    overwrite(dst, src, "np.copyto()", where)


def fill(self: Tensor, value: object) -> None:
    """Store one value everywhere."""
    store(self, ..., value)


def sort(self: Tensor, axis: int = -1) -> None:
    """Sort in place, along an axis."""
    overwrite(self, ops.sort(self, axis=axis), ".sort()")


IMPLEMENTED_BY[np.copyto] = copyto
Tensor.__setitem__ = store
for _name, _method in {"fill": fill, "sort": sort}.items():
    setattr(Tensor, _name, _method)
