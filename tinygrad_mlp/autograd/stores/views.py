"""Views of computed tensors: which tensors share memory, so that a store into one reaches all.

The operations whose results may be views of their argument note it: base and view are members of
one family, kept as long as the memory lives.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.op import OPS, Op, implements
from tinygrad_mlp.autograd.stores.storage import root_of

MAKING_VIEWS = ("diagonal", "diff", "einsum", "getitem", "identity", "reshape",
                "swapaxes", "transpose", "windows")
"""The operations whose results may share the memory of an argument, as NumPy's do."""

_FAMILIES: dict[int, tuple[Any, dict[int, weakref.ref[Value]]]] = {}
"""For the identity of an array that owns memory: a reference to it, and to those that share it."""


class ViewOp(Op):
    """An operation whose result may be a view of its first argument."""

    # What a call with a buffer first does; None for the ordinary call. Set by `buffer`.
    of_buffer: ClassVar[Callable[..., Any]]

    def __call__(self, *args: Any, **static: Any) -> Any:
        """Call the operation, and note what shares memory."""
        if args and type(args[0]) is ViewOp.buffer:
            made = ViewOp.of_buffer(self, args, static)
            if made is not None:
                return made
        made = Op.__call__(self, *args, **static)
        if isinstance(made, Value):
            array: Any = made.data
            if type(array) is np.ndarray:
                base = array.base
                if base is not None or self.name == "identity":
                    _note(args[0] if args else None, made, root_of(array))
            elif array is not made and args and isinstance(args[0], Value):
                _note_traced(args[0], made)
        return made

    buffer: ClassVar[type] = Op  # the class of buffers, which is above this module


def _note(argument: Any, made: Value, root: Any) -> None:
    """Note that a tensor, and the argument that it was made of, share the memory of `root`."""
    known = _FAMILIES.get(id(root))
    if known is None:
        key = id(root)
        reference = weakref.ref(root, lambda _: _FAMILIES.pop(key, None))
        known = _FAMILIES[key] = reference, {}
    members = known[1]
    if not len(members) % 16:  # the memory of a parameter outlives many views
        for dead in [key for key, reference in tuple(members.items()) if reference() is None]:
            del members[dead]
    members[id(made)] = weakref.ref(made)
    if isinstance(argument, Value):
        members[id(argument)] = weakref.ref(argument)


_TRACED: dict[int, tuple[weakref.ref[Value], list[weakref.ref[Value]]]] = {}
"""For the identity of a tensor with a traced value: itself, and those that may share memory."""


def _note_traced(argument: Value, made: Value) -> None:
    """Note that a tensor may be a view of another, where the numbers are not known."""
    if len(_TRACED) > 1000:
        for dead in [key for key, (known, _) in tuple(_TRACED.items()) if known() is None]:
            del _TRACED[dead]
    known = _TRACED.get(id(argument))
    members = known[1] if known is not None and known[0]() is argument else [weakref.ref(argument)]
    members.append(weakref.ref(made))
    for one in (argument, made):
        _TRACED[id(one)] = weakref.ref(one), members


def has_traced_relatives(tensor: Value) -> bool:
    """Return whether a tensor with a traced value may share memory with one that is in use."""
    known = _TRACED.get(id(tensor))
    return known is not None and known[0]() is tensor and any(
        one() is not None and one() is not tensor for one in known[1])


def family(tensor: Value) -> list[Value]:
    """Return the tensors that share memory with a tensor, oldest first, itself among them."""
    root = root_of(tensor.data)
    known = _FAMILIES.get(id(root))
    members = {id(tensor): tensor}
    for reference in () if known is None else tuple(known[1].values()):
        member = reference()
        if member is not None and type(member) is not ViewOp.buffer and (
                type(member.data) is np.ndarray and root_of(member.data) is root):
            members[id(member)] = member
    return sorted(members.values(), key=lambda m: -1 if m.node is None else m.node.order)


@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any) -> Any:
    """Do as NumPy's function, whose result is a view.

    (``tg.broadcast_to`` has numbers of its own: rules call it, too, and need no account of views.)
    """
    return ViewOp.__call__(OPS["broadcast_to"], array, shape=shape)  # type: ignore[arg-type]


for _name in MAKING_VIEWS:
    OPS[_name].__class__ = ViewOp
