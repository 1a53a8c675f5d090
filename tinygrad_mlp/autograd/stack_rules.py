"""Rules by which operations take stacks: arrays that lie along one more axis, the first.

A rule is called with the forward function, the operands, which of them are stacks, and the static
parameters. It may return None: the operation is then called for each array in turn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.op import Op, Static
from tinygrad_mlp.autograd.ops.shapes.indexing import IndexSlot
from tinygrad_mlp.autograd.ops.shapes.shape import places
from tinygrad_mlp.support.blas_threads import threads_for

Forward = Callable[..., Any]
Operands = Sequence[Any]
Flags = Sequence[bool]
StackRule = Callable[[Forward, Operands, Flags, Static], Any]


def rule_of(op: Op) -> StackRule | None:
    """Return how an operation takes stacks; None for one by one."""
    return elementwise if op.elementwise else RULES.get(op.name)


def one_by_one(forward: Forward, operands: Operands, flags: Flags, static: Static) -> Any:
    """Call an operation for each of the arrays."""
    pairs = list(zip(operands, flags, strict=True))
    n = next(len(a) for a, stacked in pairs if stacked)
    results = [forward(*(a[i] if stacked else a for a, stacked in pairs), **static)
               for i in range(n)]
    if isinstance(results[0], tuple):
        return tuple(side_by_side(out) for out in zip(*results, strict=True))
    return side_by_side(results)


def side_by_side(arrays: Sequence[Array]) -> Array:
    """Return arrays, or tensors among them, along a new first axis."""
    return ops.stack(arrays) if any(isinstance(a, Value) for a in arrays) else np.stack(arrays)


def elementwise(forward: Forward, operands: Operands, flags: Flags, static: Static) -> Any:
    """Broadcast: axes of length 1 are put behind the first, so that arrays align at the end."""
    ndim = max(np.ndim(a) - stacked for a, stacked in zip(operands, flags, strict=True))
    aligned = [
        a.reshape((len(a), *(1,) * (ndim + 1 - a.ndim), *a.shape[1:])) if stacked else a
        for a, stacked in zip(operands, flags, strict=True)]
    return forward(*aligned, **static)


def is_repeated(a: object) -> bool:
    """Return whether the arrays of a stack are one array in memory."""
    data = a.data if isinstance(a, Value) else a
    return isinstance(data, np.ndarray) and len(data) > 1 and data.strides[0] == 0


def matmul(forward: Forward, operands: Operands, flags: Flags, static: Static) -> Any:
    """Multiply a stack and a matrix by one product of two matrices."""
    a, b = operands
    if all(flags):
        if is_repeated(b):
            return matmul(forward, (a, b[0]), (True, False), static)
        if is_repeated(a):
            return matmul(forward, (a[0], b), (False, True), static)
        return _each_by_each(a, b)
    if flags[0]:  # each of A_i @ B
        if b.ndim > 2:
            return None
        rows = _product(a.reshape((-1, a.shape[-1])), b)
        return rows.reshape((*a.shape[:-1], *b.shape[1:]))
    if a.ndim != 2 or b.ndim > 3:
        return None
    if b.ndim == 2:  # each of A @ b_i
        return _product(b, a.T)
    if b.shape[-1] == 1:
        return _product(b[..., 0], a.T)[..., None]
    return _product(a, b)


def _product(a: Any, b: Any) -> Any:
    """Multiply on as many threads as pay off: to wake one up may take longer than the product."""
    with threads_for(math.prod(a.shape[-2:]) * (b.shape[-1] if b.ndim > 1 else 1)):
        return a @ b


def _each_by_each(a: Array, b: Array) -> Array | None:
    """Return each of A_i @ B_i; a vector is a row on the left and a column on the right."""
    row, column = a.ndim == 2, b.ndim == 2
    a, b = a[:, None, :] if row else a, b[:, :, None] if column else b
    if a.ndim != b.ndim:
        return None
    y = _product(a, b)
    y = y[..., 0] if column else y
    return (y[:, 0] if column else y[..., 0, :]) if row else y


def reshape(forward: Forward, operands: Operands, flags: Flags, static: Static) -> Any:
    """Keep the first axis."""
    shape = static["shape"]
    return operands[0].reshape((len(operands[0]), *(shape if np.iterable(shape) else (shape,))))


def transpose(forward: Forward, operands: Operands, flags: Flags, static: Static) -> Any:
    """Exchange the axes behind the first."""
    a = operands[0]
    axes = static["axes"]
    order = range(a.ndim - 1)[::-1] if axes is None else places("transpose", axes, a.ndim - 1)
    return a.transpose((0, *(axis + 1 for axis in order)))


def swapaxes(forward: Forward, operands: Operands, flags: Flags, static: Static) -> Array:
    """Exchange two axes behind the first."""
    ndim = operands[0].ndim - 1
    first, second = (places("swapaxes", static[name], ndim)[0] for name in ("axis1", "axis2"))
    return operands[0].swapaxes(first + 1, second + 1)


def along_axes(forward: Forward, operands: Operands, flags: Flags, static: Static) -> Array:
    """Reduce, or normalise, over axes behind the first."""
    a, axis = operands[0], static["axis"]
    axes = range(a.ndim - 1) if axis is None else places("axis", axis, a.ndim - 1)
    return forward(a, **{**static, "axis": tuple(i + 1 for i in axes)})


def broadcast_to(forward: Forward, operands: Operands, flags: Flags, static: Static) -> Any:
    """Repeat along axes behind the first."""
    a, shape = operands[0], static["shape"]
    added = (1,) * (len(shape) + 1 - a.ndim)
    return np.broadcast_to(a.reshape((len(a), *added, *a.shape[1:])), (len(a), *shape))


def sum_to(forward: Forward, operands: Operands, flags: Flags, static: Static) -> Array:
    """Sum over axes behind the first."""
    a, shape = operands[0], static["shape"]
    added = (1,) * (a.ndim - 1 - len(shape))
    return forward(a, shape=(len(a), *added, *shape)).reshape((len(a), *shape))


def indexed(forward: Forward, operands: Operands, flags: Flags, static: Static) -> Array | None:
    """Index the axes behind the first, without index arrays."""
    template = static["template"]
    if len(operands) > 1 or any(isinstance(part, IndexSlot) for part in template):
        return None
    changed = {"template": (slice(None), *template)}
    if "shape" in static:
        changed["shape"] = (len(operands[0]), *static["shape"])
    return forward(operands[0], **changed)


def linear(forward: Forward, operands: Operands, flags: Flags, static: Static) -> Any:
    """Take a stack of rows as more rows of one matrix: NumPy multiplies others one by one."""
    if not flags[0] or any(flags[1:]):
        return None
    x, weight, *bias = operands
    rows = x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))
    with threads_for(x.size * len(weight)):
        z = forward(rows, weight, *bias, **static)
    return z.reshape((*x.shape[:-1], len(weight)))


RULES: dict[str, StackRule] = {
    "matmul": matmul, "reshape": reshape, "transpose": transpose, "swapaxes": swapaxes,
    **dict.fromkeys(("sum", "mean", "max", "min", "prod", "var", "std", "logsumexp", "softmax",
                     "log_softmax"), along_axes),
    "broadcast_to": broadcast_to, "sum_to": sum_to, "getitem": indexed, "scatter_add": indexed,
    "linear": linear, "identity": lambda forward, operands, flags, static: operands[0]}
"""The rules of the operations that are not elementwise."""
