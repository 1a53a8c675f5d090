"""The mode that operations are called in: what is recorded, and who looks on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ContextDecorator
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Node, Value


class Recorder(Protocol):
    """The part of a program recorder that is told what a step reads and changes besides tensors.

    Calls of operations reach the recorder through the mode's hook. The rest comes this way: the
    state of an optimizer, a learning rate, a switch.
    """

    def read(self, get: Callable[[], object], name: str) -> Any:
        """See `read_state`."""

    def write(self, put: Callable[[object], None], value: object, replaces: object) -> None:
        """See `write_state`."""

    def assume(self, get: Callable[[], object]) -> Any:
        """See `assume`."""

    def clear_grad(self, leaf: Value) -> None:
        """See `clear_grad`."""

    def is_outside(self, tensor: Value) -> bool:
        """Return whether a tensor was there before the step, and is there after it."""

    def require_finite(self, value: object) -> None:
        """See `require_finite`."""


class Mode(NamedTuple):
    """The circumstances that `Op.__call__` and the backward pass look up.

    Attributes:
        recording: whether nodes are made for values that require a gradient.
        depth: the number of functional transforms (`grad`, `vjp`, …) that are being evaluated.
        hook: called instead of the ordinary path as ``hook(op, args, static)``; the place for
            debug checks, tracing and profiling. It continues with the hook that was there before
            it, or with `Op.unhooked`. None for the ordinary path.
        walk: called at the start of every backward pass with its outputs and their cotangents.
            Returns a function that is called with each node and its cotangent, and returns what
            to call instead of the `vjp` of the node's operation. None for the ordinary path.
        recorder: what records the operations as a program (see `Recorder`), or None.
        exact_losses: whether a cross entropy of a sigmoid's or softmax's output is computed from
            the input of these (see `ops.losses`). Off where the steps are to be seen one by one.
        differentiating: the name of the function of the package ("grad", "fit") that is evaluating
            a user's function and needs its graph; empty in a program's own lines.
        node: makes the node of a call, with all arrays that the operation saw or fewer.
        outer: the mode to return to at the end of the block that this one holds for.
    """

    recording: bool = True
    depth: int = 0
    hook: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any] | None = None
    walk: Callable[[Sequence[tuple[Value, Any]]], Callable[[Node, Any], Any]] | None = None
    recorder: Recorder | None = None
    exact_losses: bool = True
    differentiating: str = ""
    node: Callable[..., Node] = Node
    outer: Mode | None = None


ORDINARY = Mode()

MODE: ContextVar[Mode] = ContextVar("tinygrad_mlp.mode", default=ORDINARY)
"""The mode of this thread or asynchronous task. A context variable and not a global: a thread that
evaluates under `no_grad` must not stop another one from recording."""


class changed_mode(ContextDecorator):
    """Context manager, also usable as a decorator, under which `MODE` has other fields.

    It may be entered several times, nested, in sequence, and in several threads at once: the mode
    to return to is kept in the mode and not in here.
    """

    def __init__(self, **changes: Any) -> None:
        self._changes = changes
        self._in_ordinary: Mode | None = None  # kept for one that is entered again and again

    def changed(self, mode: Mode) -> Mode:
        """Return the mode that replaces `mode` when this is entered, and leads back to it."""
        return mode._replace(**self._changes, outer=mode)

    def __enter__(self) -> None:
        outer = MODE.get()
        if outer is not ORDINARY:
            MODE.set(self.changed(outer))
            return
        if self._in_ordinary is None:
            self._in_ordinary = self.changed(outer)
        MODE.set(self._in_ordinary)

    def __exit__(self, *error: object) -> None:
        MODE.set(MODE.get().outer or ORDINARY)


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


class Changes:
    """The number of attributes that have been set on modules, and of `requires_grad` on tensors.

    Whoever has compared these attributes need not do so again while `count` stays as it was.
    """

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


CHANGES = Changes()


def read_state(get: Callable[[], object], name: str) -> Any:
    """Return ``get()``. A program that is being recorded calls it again at every run.

    For a number or an array that changes from step to step and is not a tensor: a learning rate,
    an optimizer's velocity. `name` is its name in listings.
    """
    recorder = MODE.get().recorder
    return get() if recorder is None else recorder.read(get, name)


def write_state(put: Callable[[Any], None], value: object, replaces: object = None) -> None:
    """Call ``put(value)``. A program that is being recorded calls it at the end of every run.

    `replaces` is what `read_state` returned for the same place, if no one else holds that array:
    the program may then write the new value into its memory.
    """
    recorder = MODE.get().recorder
    if recorder is None:
        put(value)
    else:
        recorder.write(put, value, replaces)


def assume(get: Callable[[], object]) -> Any:
    """Return ``get()``. A program that is being recorded is valid as long as that stays equal.

    For what decides which operations are called: whether a module is in training, whether an
    optimizer has a momentum.
    """
    recorder = MODE.get().recorder
    return get() if recorder is None else recorder.assume(get)


def clear_grad(leaf: Value) -> None:
    """Set ``leaf.grad`` to None, also at every run of a program that is being recorded."""
    recorder = MODE.get().recorder
    if recorder is None:
        leaf.grad = None
    else:
        recorder.clear_grad(leaf)


def require_finite(value: Array) -> None:
    """Stop before anything is changed if a number is NaN or infinite.

    Raises:
        FloatingPointError: it is; also at every run of a program that is being recorded.
    """
    recorder = MODE.get().recorder
    if recorder is not None:
        recorder.require_finite(value)
    elif not np.isfinite(value.data if isinstance(value, Value) else value).all():
        raise FloatingPointError("a number that must be finite is not")
