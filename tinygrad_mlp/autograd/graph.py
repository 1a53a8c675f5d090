"""The computation graph: values, the nodes that made them, and what is being recorded.

A `Value` is an array and, where it was computed, the `Node` that computed it. A node knows its
operation, its parents and the arrays the operation saw. Values carry no operators: the operations
stand above this module, and `Tensor`, which has the operators, above those. So nothing here
imports anything of the package but its errors.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

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
        requires_grad: whether gradients flow to it.
        node: what computed it; None for a leaf.
        index: which of the node's outputs it is.
    """

    __slots__ = ("data", "grad", "own_name", "_requires_grad", "node", "index", "__weakref__")

    result_class: ClassVar[type[Value]]
    """The class of the results of operations on this class. A `Parameter` is a `Tensor`, but
    the sum of two parameters is just a `Tensor`."""

    data: Array
    grad: Array | None
    own_name: str | None
    _requires_grad: bool
    node: Node | None
    index: int

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to it. The engine reads the slot, which costs no call."""
        return self._requires_grad

    @property
    def name(self) -> str | None:
        """How explanations and error messages call it, or None.

        The name of a computed value is kept by its node, which outlives it.
        """
        node = self.node
        return self.own_name if node is None or node.op.outputs > 1 else node.name

    @name.setter
    def name(self, name: str | None) -> None:
        if self.node is None or self.node.op.outputs > 1:
            self.own_name = name
        else:
            self.node.name = name


Value.result_class = Value


class Node(list[Any]):
    """One recorded application of an operation: the list of its parents, and what it did.

    The parents are the tracked arguments' origins, in the order of the arguments: the node that
    computed the argument, or the argument itself where it is a leaf (or one of several outputs of
    a node), or None for an argument that needs no gradient. Nodes and not values, so that a
    tensor nobody holds any more is freed, although the graph goes on through its node.

    It *is* a list, instead of having one, for the sake of the garbage collector: that visits every
    container again and again while a graph grows, and one container a node instead of three
    makes the difference between a long chain's time growing linearly or not.

    Attributes:
        op: the operation.
        arrays: the arguments as the forward function saw them; None once released. Kept although
            leaves hold their arrays, because an optimizer may give a parameter a new array
            before gradients are asked for.
        static: its keyword parameters, defaults filled in.
        out: the array it returned (a tuple of arrays where the operation has several outputs).
            The array and not the value: a value points to its node, and pointing back would
            make a reference cycle that only the garbage collector could free.
        order: see `next_order`.
        name: the name given to the value it computed, or None.
        retained: weak references to the outputs whose own gradient was asked for.
        note: what `debug` wrote down as the node was recorded. Only then is the slot set at all,
            so that it costs nothing otherwise.
    """

    __slots__ = ("op", "arrays", "static", "out", "order", "name", "retained", "note")

    arrays: tuple[Any, ...] | None
    out: Any
    name: str | None
    retained: list[weakref.ref[Value]] | None
    note: Any

    def __init__(
        self,
        parents: list[Node | Value | None],
        op: Op,
        arrays: tuple[Any, ...],
        static: dict[str, Any],
        out: Any,
    ) -> None:
        list.__init__(self, parents)
        self.op = op
        self.arrays = arrays
        self.static = static
        self.out = out
        self.order = next_order()
        self.name = self.retained = None

    # Nodes are vertices: each is equal to itself only.
    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__
    __ne__ = object.__ne__

    def release(self) -> None:
        """Forget the arguments and the result: what the backward pass does once it is past."""
        self.clear()
        self.arrays = self.out = None


def make_value(cls: type[Value], data: Array, node: Node | None, requires_grad: bool) -> Value:
    """A value of class `cls` made by `node`, without the checks of the public constructor."""
    value = cls.__new__(cls)
    value.data = data
    value.grad = None
    value.own_name = None
    value._requires_grad = requires_grad
    value.node = node
    value.index = 0
    return value


class Recorder(Protocol):
    """What writes a step down, to run it again, must know what else it reads and changes.

    Operations pass the door, and what they compute with tensors can be seen there. This is for
    the rest: the state of an optimizer, a learning rate, a switch.
    """

    def read(self, get: Callable[[], Any], name: str) -> Any:
        """See `read_state`."""

    def write(self, put: Callable[[Any], None], value: Any, replaces: Any) -> None:
        """See `write_state`."""

    def assume(self, get: Callable[[], Any]) -> Any:
        """See `assume`."""

    def clear_grad(self, leaf: Value) -> None:
        """`leaf.grad` becomes None, whatever it was."""

    def require_finite(self, value: Any) -> None:
        """See `require_finite`."""


class Mode(NamedTuple):
    """What happens to an operation as it passes the door (`Op.__call__`).

    Attributes:
        recording: whether nodes are made for tracked values.
        depth: how many functional transforms (`grad`, `vjp`, …) are being evaluated around here.
        hook: called instead of the ordinary path as ``hook(op, args, static)``; the place for
            debug checks, tracing and profiling. It goes on with the hook that was there before
            it, or with `Op.unhooked`. None for the ordinary path.
        walk: called at the start of every backward pass with its outputs and their cotangents;
            returns the function that, for a node and its cotangent, gives the rules to use
            instead of the operation's. None for the operations' own.
        recorder: who writes down what the operations do, to run it again (see `Recorder`).
        exact_losses: whether a cross entropy of a sigmoid's or softmax's output is computed from
            the input of these (see `ops.losses`). Off where the steps are to be seen one by one.
        outer: the mode to return to at the end of the block that this one holds for.
    """

    recording: bool = True
    depth: int = 0
    hook: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any] | None = None
    walk: Callable[[Sequence[tuple[Value, Any]]], Callable[[Node, Any], Any]] | None = None
    recorder: Recorder | None = None
    exact_losses: bool = True
    outer: Mode | None = None


ORDINARY = Mode()

MODE: ContextVar[Mode] = ContextVar("tinygrad_mlp.mode", default=ORDINARY)
"""The mode of this thread or asynchronous task. Context variables and not a global: a thread that
evaluates under `no_grad` must not stop another one from recording."""


class changed_mode:
    """Context manager, also usable as a decorator, under which `MODE` has other fields.

    It may be entered several times, one inside the other, one after the other, and in several
    threads at once: the way back is in the mode and not in here.
    """

    __slots__ = ("_changes",)

    def __init__(self, **changes: Any) -> None:
        self._changes = changes

    def changed(self, mode: Mode) -> Mode:
        """What takes the place of `mode` when this is entered."""
        return mode._replace(**self._changes)

    def __enter__(self) -> None:
        outer = MODE.get()
        MODE.set(self.changed(outer)._replace(outer=outer))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        MODE.set(MODE.get().outer or ORDINARY)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        import functools

        kind, changes = type(self), self._changes

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            # A fresh manager for every call: this one may be in use in another thread.
            with kind(**changes):
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


def read_state(get: Callable[[], Any], name: str) -> Any:
    """``get()``; where a program is being recorded, anew at every run of it.

    For a number or an array that changes from step to step and is not a tensor: a learning rate,
    an optimizer's velocity. `name` is what listings call it.
    """
    recorder = MODE.get().recorder
    return get() if recorder is None else recorder.read(get, name)


def write_state(put: Callable[[Any], None], value: Any, replaces: Any = None) -> None:
    """``put(value)``; where a program is being recorded, at the end of every run of it.

    `replaces` is what `read_state` gave for the same place, if no one else holds that array: the
    program may then put the new value into its memory.
    """
    recorder = MODE.get().recorder
    if recorder is None:
        put(value)
    else:
        recorder.write(put, value, replaces)


def assume(get: Callable[[], Any]) -> Any:
    """``get()``; a program being recorded will hold only as long as that stays equal.

    For what decides which operations there are: whether a module is in training, whether an
    optimizer has a momentum.
    """
    recorder = MODE.get().recorder
    return get() if recorder is None else recorder.assume(get)


def clear_grad(leaf: Value) -> None:
    """``leaf.grad = None``, also at every run of a program that is being recorded."""
    recorder = MODE.get().recorder
    if recorder is None:
        leaf.grad = None
    else:
        recorder.clear_grad(leaf)


def require_finite(value: Any) -> None:
    """Stop before anything is changed where a number is NaN or infinite.

    Raises:
        FloatingPointError: it is; also at every run of a program that is being recorded.
    """
    recorder = MODE.get().recorder
    if recorder is not None:
        recorder.require_finite(value)
    elif not np.isfinite(value.data if isinstance(value, Value) else value).all():
        raise FloatingPointError("a number that must be finite is not")
