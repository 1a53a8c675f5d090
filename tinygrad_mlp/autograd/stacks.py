"""Stacks: one call of an operation for many arrays of the same shape, side by side.

A `Stack` takes the place of an array of some shape, and holds many such arrays along one more axis,
the first. Gradient rules see the shape of one of them and are evaluated once for all: a Jacobian is
the backward pass for a stack of unit cotangents. An operation without a rule for stacks is called
for each array in turn, so every operation can take them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.autograd.op import Op, Static
from tinygrad_mlp.autograd.ops.shapes.indexing import IndexSlot
from tinygrad_mlp.autograd.ops.shapes.shape import places
from tinygrad_mlp.autograd.tensor import Tensor


class NotStackedError(Exception):
    """Something asked for the numbers of one array where there are many."""


class Stack(Tensor):
    """Many arrays of the same shape. It is its own `data`, and has the shape of one of them."""

    __slots__ = ("arrays",)

    arrays: Array  # along the first axis

    @classmethod
    def of(cls, arrays: Array) -> Stack:
        """Return a stack of the arrays along the first axis."""
        stack = cls.__new__(cls)
        stack.grad = stack.own_name = stack.node = None
        stack._requires_grad, stack.index = False, 0
        stack.arrays = arrays
        return stack

    @property
    def data(self) -> Any:  # type: ignore[override]
        """The stack itself, in the place of an array."""
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes of one array."""
        shape: tuple[int, ...] = self.arrays.shape[1:]
        return shape

    @property
    def ndim(self) -> int:
        """Number of axes of one array."""
        return self.arrays.ndim - 1

    @property
    def size(self) -> int:
        """Number of elements of one array."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self.arrays.dtype

    @property
    def layout(self) -> None:
        """None: views of stacks are not followed."""
        return None

    def copy(self) -> Stack:
        """Return the stack itself: nothing changes it."""
        return self

    def astype(self, dtype: Any) -> Stack:
        """Return the same numbers in another dtype."""
        return Stack.of(self.arrays.astype(dtype, copy=False))

    def __len__(self) -> int:
        return self.shape[0]

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NotStackedError

    __bool__ = __float__ = __int__ = __index__ = __array__ = __contains__ = __setitem__ = _refuse
    item = numpy = tolist = __format__ = _refuse


Operands = Sequence[Any]
Flags = Sequence[bool]  # which operands are stacks
StackRule = Callable[[Op, Operands, Flags, Static], Any]


def stacking() -> changed_mode:
    """Return the context in which operations take stacks."""
    return changed_mode(hook=call, recording=False)


def call(op: Op, args: tuple[Any, ...], static: Static) -> Any:
    """Call an operation on stacks and arrays, in the place of `Op.__call__`."""
    flags = [type(a) is Stack for a in args]
    if not any(flags):
        return op.unhooked(args, static)
    if any(isinstance(value, Value) for value in static.values()):
        raise NotStackedError
    operands = [a.arrays if type(a) is Stack else a.data if isinstance(a, Value) else a
                for a in args]
    rule = elementwise if op.elementwise else RULES.get(op.name)
    out = None if rule is None else rule(op, operands, flags, static)
    if out is None:
        out = one_by_one(op, operands, flags, static)
    return tuple(map(Stack.of, out)) if op.outputs > 1 else Stack.of(out)


def one_by_one(op: Op, operands: Operands, flags: Flags, static: Static) -> Any:
    """Call an operation for each of the arrays."""
    n = next(len(a) for a, stacked in zip(operands, flags, strict=True) if stacked)
    pairs = list(zip(operands, flags, strict=True))
    results = [
        op.as_tuple(op.forward(*(a[i] if stacked else a for a, stacked in pairs), **static))
        for i in range(n)]
    outs = tuple(np.stack(out) for out in zip(*results, strict=True))
    return outs if op.outputs > 1 else outs[0]


def elementwise(op: Op, operands: Operands, flags: Flags, static: Static) -> Any:
    """Broadcast: axes of length 1 are put behind the first, so that arrays align at the end."""
    ndim = max(np.ndim(a) - stacked for a, stacked in zip(operands, flags, strict=True))
    aligned = [
        a.reshape((len(a), *(1,) * (ndim + 1 - a.ndim), *a.shape[1:])) if stacked else a
        for a, stacked in zip(operands, flags, strict=True)]
    return op.forward(*aligned, **static)


def matmul(op: Op, operands: Operands, flags: Flags, static: Static) -> Any:
    """Multiply a stack and a matrix by one product of two matrices."""
    a, b = operands
    if all(flags):
        return None
    if flags[0]:  # each of A_i @ B
        if b.ndim > 2:
            return None
        rows = a.reshape((-1, a.shape[-1])) @ b
        return rows.reshape((*a.shape[:-1], *b.shape[1:]))
    if a.ndim != 2 or b.ndim > 3:
        return None
    if b.ndim == 2:  # each of A @ b_i
        return b @ a.T
    if b.shape[-1] == 1:
        return (b[..., 0] @ a.T)[..., None]
    return a @ b


def reshape(op: Op, operands: Operands, flags: Flags, static: Static) -> Any:
    """Keep the first axis."""
    shape = static["shape"]
    return operands[0].reshape((len(operands[0]), *(shape if np.iterable(shape) else (shape,))))


def transpose(op: Op, operands: Operands, flags: Flags, static: Static) -> Any:
    """Exchange the axes behind the first."""
    a = operands[0]
    axes = static["axes"]
    order = range(a.ndim - 1)[::-1] if axes is None else places("transpose", axes, a.ndim - 1)
    return a.transpose((0, *(axis + 1 for axis in order)))


def total(op: Op, operands: Operands, flags: Flags, static: Static) -> Any:
    """Sum over axes behind the first."""
    a, axis = operands[0], static["axis"]
    axes = range(a.ndim - 1) if axis is None else places("sum", axis, a.ndim - 1)
    return op.forward(a, **{**static, "axis": tuple(i + 1 for i in axes)})


def broadcast_to(op: Op, operands: Operands, flags: Flags, static: Static) -> Any:
    """Repeat along axes behind the first."""
    a, shape = operands[0], static["shape"]
    added = (1,) * (len(shape) + 1 - a.ndim)
    return np.broadcast_to(a.reshape((len(a), *added, *a.shape[1:])), (len(a), *shape))


def sum_to(op: Op, operands: Operands, flags: Flags, static: Static) -> Any:
    """Sum over axes behind the first."""
    a, shape = operands[0], static["shape"]
    added = (1,) * (a.ndim - 1 - len(shape))
    return op.forward(a, shape=(len(a), *added, *shape)).reshape((len(a), *shape))


def indexed(op: Op, operands: Operands, flags: Flags, static: Static) -> Any:
    """Index the axes behind the first, without index arrays."""
    template = static["template"]
    if len(operands) > 1 or any(isinstance(part, IndexSlot) for part in template):
        return None
    changed = {"template": (slice(None), *template)}
    if "shape" in static:
        changed["shape"] = (len(operands[0]), *static["shape"])
    return op.forward(operands[0], **changed)


RULES: dict[str, StackRule] = {
    "matmul": matmul, "reshape": reshape, "transpose": transpose, "sum": total, "mean": total,
    "broadcast_to": broadcast_to, "sum_to": sum_to, "getitem": indexed, "scatter_add": indexed,
    "identity": lambda op, operands, flags, static: operands[0]}
"""How operations take stacks that are not elementwise; a rule may return None for one by one."""
