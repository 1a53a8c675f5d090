"""Views of computed tensors: which tensors share memory, so that a store into one reaches all.

The operations whose results may be views of their argument note it: base and view are members of
one family, kept as long as the memory lives.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.op import OPS, Op, implements
from tinygrad_mlp.autograd.stores.storage import root_of
from tinygrad_mlp.autograd.tensor import Tensor

MAKING_VIEWS = ("diagonal", "diff", "einsum", "getitem", "identity", "reshape",
                "swapaxes", "transpose", "windows")
"""The operations whose results may share the memory of an argument, as NumPy's do."""

_FAMILIES: dict[int, tuple[Any, dict[int, weakref.ref[Value]]]] = {}
"""For the identity of an array that owns memory: a reference to it, and to those that share it."""


class ViewOp(Op):
    """An operation whose result may be a view of its first argument."""

    # What a call with a buffer first does; None for the ordinary call. Set by `buffer`.
    of_buffer: ClassVar[Callable[..., Any]]

    def __call__(self, *args: object, **static: object) -> Any:
        """Call the operation, and note what shares memory."""
        if args and type(args[0]) is ViewOp.buffer:
            made = ViewOp.of_buffer(self, args, static)
            if made is not None:
                return made
        made = Op.__call__(self, *args, **static)
        if isinstance(made, Value):
            array: Any = made.layout  # type: ignore[attr-defined]
            # (A traced copy has an example that is none.)
            if type(array) is np.ndarray and (array.base is not None and self.name != "identity"
                                              or array is made.data and self.name == "identity"):
                _note(args[0] if args else None, made, root_of(array))
        return made

    buffer: ClassVar[type] = Op  # the class of buffers, which is above this module


def _note(argument: object, made: Value, root: object) -> None:
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


def family(tensor: Tensor) -> list[Array]:
    """Return the tensors that share memory with a tensor, oldest first, itself among them."""
    root = root_of(tensor.layout)
    known = _FAMILIES.get(id(root))
    members: dict[int, Any] = {id(tensor): tensor}
    for reference in () if known is None else tuple(known[1].values()):
        member: Any = reference()
        if member is not None and type(member) is not ViewOp.buffer and (
                root_of(member.layout) is root):
            members[id(member)] = member
    return sorted(members.values(), key=lambda m: -1 if m.node is None else m.node.order)


@implements(np.broadcast_to)
def broadcast_to(array: Array, shape: object) -> Tensor:
    """Do as NumPy's function, whose result is a view.

    (``tg.broadcast_to`` has numbers of its own: rules call it, too, and need no account of views.)
    """
    return ViewOp.__call__(OPS["broadcast_to"], array, shape=shape)  # type: ignore[arg-type]


for _name in MAKING_VIEWS:
    OPS[_name].__class__ = ViewOp
