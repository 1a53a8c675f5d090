"""Stacks: one call of an operation for many arrays of the same shape, side by side.

A `Stack` takes the place of an array of some shape, and holds many such arrays along one more axis,
the first. Functions and gradient rules see the shape of one of them and are evaluated once for all:
a Jacobian is the backward pass for a stack of unit cotangents. An operation without a rule for
stacks is called for each array in turn, so every operation can take them. What lies side by side
may have a history: the arrays of a stack may be a tensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.mode import MODE, changed_mode
from tinygrad_mlp.autograd.op import Op, Static
from tinygrad_mlp.autograd.stack_rules import one_by_one, rule_of
from tinygrad_mlp.autograd.tensor import Tensor


class NotStackedError(Exception):
    """Something asked for the numbers of one array where there are many."""


class Stack(Tensor):
    """Many arrays of the same shape. It is its own `data`, and has the shape of one of them."""

    __slots__ = ("arrays", "owner")

    arrays: Any  # along the first axis
    owner: Stacking  # the hook that takes it for a stack; for others it is an array

    @classmethod
    def of(cls, arrays: object, owner: Stacking | None = None) -> Stack:
        """Return a stack of the arrays along the first axis."""
        stack = cls.__new__(cls)
        stack.grad = stack.own_name = stack.node = None
        stack._requires_grad, stack.index = False, 0
        stack.arrays = arrays
        stack.owner = owner or CALL
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
        ndim: int = self.arrays.ndim - 1
        return ndim

    @property
    def size(self) -> int:
        """Number of elements of one array."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        dtype: np.dtype[Any] = self.arrays.dtype
        return dtype

    @property
    def layout(self) -> None:
        """None: views of stacks are not followed."""
        return None

    def copy(self) -> Stack:
        """Return the stack itself: nothing changes it."""
        return self

    def astype(self, dtype: DTypeLike) -> Stack:
        """Return the same numbers in another dtype."""
        return Stack.of(self.arrays.astype(dtype), self.owner)

    def detach(self) -> Stack:
        """Return the same numbers without history."""
        arrays = self.arrays
        return Stack.of(arrays.data if isinstance(arrays, Value) else arrays, self.owner)

    def __len__(self) -> int:
        return self.shape[0]

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise NotStackedError

    __bool__ = __float__ = __int__ = __index__ = __array__ = __contains__ = __setitem__ = _refuse
    item = numpy = tolist = __format__ = _refuse


class Stacking:
    """A hook of `Op.__call__` by which operations take stacks.

    Args:
        outer: the hook that was there before, which sees the operations on all arrays together.
    """

    def __init__(self, outer: Callable[..., object] | None = None) -> None:
        self.outer = outer

    def stack_in(self, a: object) -> Stack | None:
        """Return the stack that an argument is, or holds as its data; None for anything else."""
        found: Any = a if type(a) is Stack else a.data if isinstance(a, Tensor) else None
        return found if type(found) is Stack and found.owner is self else None

    def proceed(self, op: Op, *args: object, **static: object) -> Any:
        """Call an operation with the hook that was there before."""
        with changed_mode(hook=self.outer):
            return op(*args, **static)

    def __call__(self, op: Op, args: tuple[Any, ...], static: Static) -> Any:
        """Call an operation on stacks and arrays, in the place of `Op.__call__`."""
        recording = MODE.get().recording
        arrays: list[Any] = []  # as rules see them
        operands: list[Any] = []  # those that lie side by side as arrays of one more axis
        flags: list[bool] = []
        tracked = False
        for a in args:
            stack = self.stack_in(a)
            array = _array(op, a) if stack is None else stack
            operand = array if stack is None else stack.arrays
            if recording and stack is None and isinstance(a, Value) and a.requires_grad:
                operand = a
            tracked = tracked or isinstance(operand, Value)
            arrays.append(array)
            operands.append(operand)
            flags.append(stack is not None)
        if True not in flags:
            return self.proceed(op, *args, **static)
        for value in static.values():
            if isinstance(value, Value):
                raise NotStackedError
        forward = partial(self.proceed, op) if tracked else op.forward
        rule = rule_of(op)
        out = None if rule is None else rule(forward, operands, flags, static)
        if out is None:
            out = one_by_one(forward, operands, flags, static)
        made: Any = (tuple(Stack.of(o, self) for o in out) if op.outputs > 1
                     else Stack.of(out, self))
        return op.as_value(args, tuple(arrays), static, made) if recording else made


def _array(op: Op, a: object) -> Any:
    """Return an argument that is no stack as operations take it."""
    if isinstance(a, Value):
        return a.data
    return a if a is None or isinstance(a, op.weak_scalars) else np.asarray(a)


CALL = Stacking()


def stacking() -> changed_mode:
    """Return the context in which operations take stacks, and nothing is recorded."""
    return changed_mode(hook=CALL, recording=False)
