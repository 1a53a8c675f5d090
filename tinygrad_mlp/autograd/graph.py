"""The computation graph: values, the nodes that made them, and what is being recorded.

A `Value` is an array and, where it was computed, the `Node` that computed it. A node knows its
operation, its parents and the arrays the operation saw. Values carry no operators: the operations
stand above this module, and `Tensor`, which has the operators, above those. So nothing here
imports anything of the package but its errors.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextvars import ContextVar, Token
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from tinygrad_mlp.autograd.op import Op

Array = np.ndarray[Any, np.dtype[Any]]

next_order = count().__next__
"""Numbers the nodes as they are made. A node's parents are older than the node, so descending
order of these numbers is an order in which gradients can flow back: no sorting is needed."""


class Value:
    """An array with a history: the graph's vertex.

    Attributes:
        data: the array.
        grad: for leaves after `backward()`, the derivative of the output with respect to `data`
            (same shape and dtype), else None.
        name: how explanations and error messages call it, or None.
        tracked: whether gradients flow to it (what `Tensor.requires_grad` shows).
        node: what computed it; None for a leaf.
        index: which of the node's outputs it is.
    """

    __slots__ = ("data", "grad", "name", "tracked", "node", "index", "__weakref__")

    result_class: ClassVar[type[Value]]
    """The class of the results of operations on this class. A `Parameter` is a `Tensor`, but
    the sum of two parameters is just a `Tensor`."""

    data: Array
    grad: Array | None
    name: str | None
    tracked: bool
    node: Node | None
    index: int


Value.result_class = Value


class Node:
    """One recorded application of an operation.

    Attributes:
        op: the operation.
        parents: its arguments as they were passed: values, arrays, Python scalars.
        arrays: the same arguments as the forward function saw them. Kept apart from `parents`,
            because an optimizer may give a parameter a new array before gradients are asked for.
        static: its keyword parameters, defaults filled in.
        out: the array it returned (a tuple of arrays where the operation has several outputs).
            The array and not the value: a value points to its node, and pointing back would
            make a reference cycle that only the garbage collector could free.
        order: see `next_order`.
        retained: weak references to the outputs whose own gradient was asked for.
    """

    __slots__ = ("op", "parents", "arrays", "static", "out", "order", "retained")

    parents: tuple[Any, ...] | None
    arrays: Any
    out: Any
    retained: list[weakref.ref[Value]] | None

    def __init__(
        self,
        op: Op,
        parents: tuple[Any, ...],
        arrays: Any,
        static: dict[str, Any],
        out: Any,
    ) -> None:
        self.op = op
        self.parents = parents
        self.arrays = arrays
        self.static = static
        self.out = out
        self.order = next_order()
        self.retained = None

    def release(self) -> None:
        """Forget the arguments and the result: what the backward pass does once it is past."""
        self.parents = self.arrays = self.out = None


def make_value(cls: type[Value], data: Array, node: Node | None, tracked: bool) -> Value:
    """A value of class `cls` made by `node`, without the checks of the public constructor."""
    value = cls.__new__(cls)
    value.data = data
    value.grad = None
    value.name = None
    value.tracked = tracked
    value.node = node
    value.index = 0
    return value


class Mode(NamedTuple):
    """What happens to an operation as it passes the door (`Op.__call__`).

    Attributes:
        recording: whether nodes are made for tracked values.
        depth: how many functional transforms (`grad`, `vjp`, …) are being evaluated around here.
        hook: called instead of the ordinary path as ``hook(op, args, static)``; the place for
            debug checks, tracing and profiling. None for the ordinary path.
    """

    recording: bool = True
    depth: int = 0
    hook: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any] | None = None


ORDINARY = Mode()

MODE: ContextVar[Mode] = ContextVar("tinygrad_mlp.mode", default=ORDINARY)
"""The mode of this thread or asynchronous task. Context variables and not a global: a thread that
evaluates under `no_grad` must not stop another one from recording."""


class changed_mode:
    """Context manager, also usable as a decorator, under which `MODE` has other fields.

    It may be entered several times, one inside the other or one after the other.
    """

    __slots__ = ("_changes", "_tokens")

    def __init__(self, **changes: Any) -> None:
        self._changes = changes
        self._tokens: list[Token[Mode]] = []

    def __enter__(self) -> None:
        self._tokens.append(MODE.set(MODE.get()._replace(**self._changes)))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        MODE.reset(self._tokens.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        import functools

        changes = self._changes

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            # A fresh manager for every call: this one may be in use in another thread.
            with changed_mode(**changes):
                return function(*args, **kwargs)

        return wrapped


def no_grad() -> changed_mode:
    """Evaluate without recording: for predictions, and for updating parameters.

    As a context manager or a decorator; per thread and per asynchronous task.

    >>> import tinygrad_mlp as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.no_grad():
    ...     y = w * 2
    >>> y.requires_grad
    False
    """
    return changed_mode(recording=False)
