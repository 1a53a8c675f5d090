"""Buffers: arrays that record what is stored into them.

A `RecordedBuffer` is a tensor that holds a view of a `Storage`. Wherever an operation asks for its
array, its node or its gradient, it is read: the operation gets what lies there now. A computed
tensor becomes a buffer when something is stored into it, together with all tensors that share its
memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.autograd.call_site import user_site
from tinygrad_mlp.autograd.graph import Array, Node, Value, make_value
from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.autograd.stores.storage import Storage, address, root_of
from tinygrad_mlp.autograd.stores.views import ViewOp, family
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import InvalidArgumentError

_slot: Any = vars(Value)["data"]  # where a buffer keeps its `Held`

MOVING = ("broadcast_to", "diagonal", "getitem", "reshape", "swapaxes", "transpose", "windows")
"""The operations that put elements elsewhere and compute nothing."""


class Held:
    """What a buffer holds: a storage, a view of its memory, and what was read of it last."""

    __slots__ = ("storage", "view", "version", "last")

    def __init__(self, storage: Storage, view: Array) -> None:
        self.storage = storage
        self.view = view
        self.version = -1
        self.last: Any = None

    def read(self) -> Tensor:
        """Return what lies there now, as a tensor that no store changes."""
        if self.version == self.storage.version:
            return self.last
        made = self.storage.read(self.view, self.storage.origin_of(self.view))
        if MODE.get().recording:  # what was read under no_grad has no history
            self.last, self.version = made, self.storage.version
        return made


class RecordedBuffer(Tensor):
    """An array that records what is stored into it.

    It takes NumPy's indexing, methods and functions. Views of it share its memory, and gradients
    flow through it to what was stored.

    The creation functions of `tinygrad_mlp.numpy` make buffers where something is differentiated.

    >>> import tinygrad_mlp as tg, tinygrad_mlp.numpy as np
    >>> def f(x):
    ...     h = np.zeros(2)
    ...     h[0] = x * x
    ...     return h.sum()
    >>> float(tg.grad(f)(3.0))
    6.0
    """

    __slots__ = ()

    index = 0

    @property
    def _held(self) -> Held:
        held: Held = _slot.__get__(self)
        return held

    def reading(self) -> Tensor:
        """Return what lies there now, as a tensor that no store changes."""
        return self._held.read()

    def result(self) -> Any:
        """Return what lies there now as a function returns it outside of differentiation."""
        made, of_tensor = self._held.read(), self._held.storage.of_tensor
        return made if of_tensor or made._requires_grad else made.data

    @property
    def data(self) -> Any:  # type: ignore[override]
        """The numbers that lie there now."""
        return self._held.read().data

    @property
    def node(self) -> Node | None:  # type: ignore[override]
        """The node that computed what lies there now."""
        return self._held.read().node

    @property
    def _requires_grad(self) -> bool:  # type: ignore[override]
        return self._held.read()._requires_grad

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        shape: tuple[int, ...] = self._held.view.shape
        return shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._held.view.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._held.view.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self._held.view.dtype

    @property
    def layout(self) -> Array:
        """A view with the strides that NumPy's array has."""
        return self._held.view

    def numpy(self) -> Array:
        """Return the numbers that lie there now, without history; they cannot be changed."""
        return constant(self.data)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        made = super().__array__(dtype, copy)
        return constant(made) if made is self.data else made

    def copy(self) -> Tensor:
        """Return a copy of the data that depends on this tensor."""
        if self._requires_grad or isinstance(self.data, Value):
            return super().copy()
        return new_buffer(self._held.view.copy())

    def __copy__(self) -> Tensor:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, object]) -> Tensor:
        return self.copy()

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[object, ...]:
        return self._held.read().__reduce_ex__(protocol)

    def __getitem__(self, index: Any) -> Tensor:
        held = self._held
        parts = index if type(index) is tuple else (index,)
        if all(type(part) in (int, slice) for part in parts):  # the most frequent case, in short
            try:
                view = held.view[index]
            except IndexError:
                return super().__getitem__(index)  # with a better message
            if type(view) is np.ndarray:
                return buffer_of(held.storage, view)
        return super().__getitem__(index)

    def __len__(self) -> int:
        return len(self._held.view)

    def __iter__(self) -> Iterator[Tensor]:
        for i in range(len(self)):
            yield self[i]


def constant(array: Array) -> Any:
    """Return an array that cannot be written to: what is written would be lost."""
    if type(array) is np.ndarray:
        array = array.view()
        array.flags.writeable = False
    return array


def buffer_of(storage: Storage, view: Array) -> RecordedBuffer:
    """Return a buffer for a view of a storage's memory."""
    made: Any = RecordedBuffer.__new__(RecordedBuffer)
    _slot.__set__(made, Held(storage, view))
    made.grad = made.own_name = None
    return made


def layout_of(array: Array) -> tuple[Array, int]:
    """Return fresh memory for an array of any layout, and the address that it stands for."""
    low, high = np.lib.array_utils.byte_bounds(array)
    return np.zeros((high - low) // array.itemsize, array.dtype), low


def moved(array: Array, memory: Array, low: int) -> Array:
    """Return the view of `memory` that lies as `array` lies in the memory beginning at `low`."""
    if not array.size:
        return np.empty(array.shape, array.dtype)
    offset = address(array) - low
    return np.ndarray(array.shape, array.dtype, memory, offset, array.strides)


def new_buffer(array: Array) -> RecordedBuffer:
    """Return a buffer with the numbers of a new array, whose memory it takes over."""
    if array.flags.c_contiguous and array.base is None:
        return buffer_of(Storage(array.reshape(-1), user_site()), array)
    memory, low = layout_of(array)
    view = moved(array, memory, low)
    view[...] = array
    return buffer_of(Storage(memory, user_site()), view)


def adopt(tensor: Any) -> None:
    """Turn a computed tensor, and all that share its memory, into buffers of one storage.

    Raises:
        InvalidArgumentError: one of them is a leaf.
    """
    members: list[Any] = family(tensor)
    recorder = MODE.get().recorder
    for member in members:
        refuse_leaf(member, tensor)
        if recorder is not None and recorder.is_outside(member):
            raise InvalidArgumentError(
                f"a tensor from outside cannot be stored into while a program is recorded. Assign "
                f"a new array to its .data, or pass it as an argument.\n  at {user_site()}")
    root = root_of(tensor.layout)
    memory, low = layout_of(root)
    traced = isinstance(tensor.data, Value)
    if not traced:  # (The example says where elements are, not what they are in another run.)
        moved(root, memory, low)[...] = root
    storage = Storage(memory, user_site(), of_tensor=tensor.data is not tensor)
    for member in members:
        view = moved(member.layout, memory, low)
        if (member._requires_grad or traced) and view.size:
            origin = storage.origin_of(view)
            if origin is None or (origin < 0).any():
                storage.record(view, ..., member)
        member.__class__ = RecordedBuffer
        _slot.__set__(member, Held(storage, view))
        member.own_name = None


def may_change(tensor: Any) -> bool:
    """Return whether no node holds a tensor itself, but at most what it was computed from."""
    if type(tensor) is not Tensor:
        return tensor.data is tensor  # a traced array
    return not tensor._requires_grad if tensor.node is None else tensor.node.op.outputs == 1


def refuse_leaf(member: Any, tensor: Array) -> None:
    """Refuse to store into a leaf, or into one of several outputs, or into a view of one.

    Nodes hold these tensors themselves, and would be given what was stored later.
    """
    if may_change(member):
        return
    if member.node is not None:
        raise InvalidArgumentError(
            f"one of several results of {member.node.op.name}() cannot be stored into. Store into "
            f"a copy, x = x.copy().\n  at {user_site()}")
    name = f" '{member.name}'" if member.name else ""
    what = f"the leaf{name}" if member is tensor else f"a view of the leaf{name}"
    raise InvalidArgumentError(
        f"{what} cannot be stored into while operations are recorded: the graph could not tell the "
        f"old value from the new one. Store into a copy, x = x.copy(), or use tg.where(...) to "
        f"choose elements; update a parameter as a whole under tg.no_grad(), or assign a new array "
        f"to its .data.\n  at {user_site()}")


def index_for(index: object) -> Any:
    """Return an index with the arrays of tensors in it."""
    if isinstance(index, tuple):
        return tuple(index_for(part) for part in index)
    if isinstance(index, Value):
        if isinstance(index.data, Value):
            raise InvalidArgumentError(
                f"a store cannot be recorded at an index that is a traced value. Use tg.where(...)."
                f"\n  at {user_site()}")
        return index.data
    return index


def of_buffer(op: Op, args: tuple[Any, ...], static: dict[str, object]) -> Any:
    """Return what an operation that may make a view returns for a buffer; None if it computes."""
    if op.name == "identity":
        made: Any = Op.__call__(op, *args, **static)
        if type(made.data) is np.ndarray:
            made.data = made.data.copy()  # it could be that of a tensor which was stored
        return made
    if len(args) != op.arity or len(static) != len(op.defaults):
        args, static = op.bind(args, static)
    held = args[0]._held
    others = [a.data if isinstance(a, Value) else a for a in args[1:]]
    if any(isinstance(a, Value) for a in others):
        return None
    try:
        out = op.forward(held.view, *others, **static)
    except (ValueError, TypeError, IndexError):
        return None  # the ordinary call has the better message
    is_view = isinstance(out, np.ndarray) and (
        root_of(out) is root_of(held.view) and out.base is not None)
    if is_view:
        return buffer_of(held.storage, out)
    if op.name not in MOVING:
        return None
    origin = held.storage.origin_of(held.view)
    copied = None if origin is None else np.asarray(op.forward(origin, *others, **static))
    read = held.storage.read(np.asarray(out), copied)
    if isinstance(read.data, Value):
        return read
    if not read._requires_grad:
        return new_buffer(np.array(out)) if np.ndim(out) else out  # a number, as in NumPy
    return make_value(Tensor, np.asarray(out), read.node, read._requires_grad)


ViewOp.buffer = RecordedBuffer
ViewOp.of_buffer = staticmethod(of_buffer)
