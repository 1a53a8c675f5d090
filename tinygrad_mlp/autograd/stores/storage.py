"""The memory of an array that is stored into, and what knows where its elements came from.

A `Storage` holds the numbers, and beside them an array of the same layout, the origin: for each
element the number of the stored element that lies there, −1 for a constant. NumPy executes every
store twice, on the numbers and on the origin. So it is NumPy that decides what is a view, which
elements an index means, which store wins, and what is an error.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.call_site import CallSite, user_site
from tinygrad_mlp.autograd.graph import Array, Value, make_value
from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.ops.shapes.storing import Places, assemble
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import DTypeError

SWEEP = 64
"""The number of pieces from which on those that were overwritten are looked for."""


def address(a: Array) -> int:
    """Return the address of the first element of an array."""
    place: int = a.__array_interface__["data"][0]
    return place


def root_of(a: Any) -> Array:
    """Return the array that owns the memory of a view; anything else as it is."""
    while isinstance(getattr(a, "base", None), np.ndarray):
        a = a.base
    return a


class Storage:
    """The memory that a buffer, its aliases and its views share.

    Attributes:
        memory: all numbers, in one axis.
        address: of the first of them.
        origin: for each of them the number of the stored element, −1 for a constant; None before
            the first store that gradients flow to.
        pieces: what was stored, and is still needed.
        starts: the number of the first element of each piece; ascending.
        version: the number of stores.
        made: the line that made the array.
        of_tensor: whether it was that of a tensor, and not made by a function of NumPy.
    """

    __slots__ = ("memory", "address", "origin", "pieces", "starts", "total", "version", "made",
                 "limit", "of_tensor")

    def __init__(self, memory: Array, made: CallSite, *, of_tensor: bool = False) -> None:
        self.memory, self.address = memory, address(memory)
        self.origin: Array | None = None
        self.pieces: list[Tensor] = []
        self.starts: list[int] = []
        self.total = self.version = 0
        self.made = made
        self.of_tensor = of_tensor
        self.limit = SWEEP

    def origin_of(self, view: Array) -> Array | None:
        """Return the part of the origin that belongs to a view of the memory."""
        if self.origin is None:
            return None
        dtype, size = self.origin.dtype, self.memory.itemsize
        if not view.size:
            return np.empty(view.shape, dtype)
        strides = tuple(s // size * dtype.itemsize for s in view.strides)
        offset = (address(view) - self.address) // size * dtype.itemsize
        return np.ndarray(view.shape, dtype, self.origin, offset, strides)

    # -- stores --------------------------------------------------------------------------------

    def store(self, view: Array, index: Any, value: Any) -> None:
        """Do ``view[index] = value`` for a view of the memory.

        Raises:
            DTypeError: gradients flow to the value, and the memory holds whole numbers.
        """
        traced = isinstance(value, Value) and isinstance(value.data, Value)
        tracked = traced or (
            isinstance(value, Value) and value._requires_grad and MODE.get().recording)
        if tracked and self.memory.dtype.kind != "f":
            raise DTypeError(
                f"an array of {self.memory.dtype} cannot hold numbers that gradients flow to: "
                f"NumPy would cut them off to whole numbers. Create it with dtype=float.\n"
                f"  stored at {user_site()}\n  created at {self.made}")
        numbers = value.data if isinstance(value, Value) else value
        # Where this raises an error, nothing has been changed.
        view[index] = np.zeros(value.shape) if traced else numbers
        self.version += 1
        if tracked:
            self.record(view, index, value)
        elif self.origin is not None:
            self._origin_for(view)[index] = -1

    def record(self, view: Array, index: Any, value: object) -> None:
        """Note that the elements of a tensor lie in a view now."""
        if self.origin is None:
            self.origin = np.full(self.memory.size, -1, np.int32)
        piece = self._piece(value)
        size = math.prod(piece.shape)
        if self.total + size > np.iinfo(self.origin.dtype).max:
            self.origin = self.origin.astype(np.int64)
        self._origin_for(view)[index] = np.arange(self.total, self.total + size).reshape(
            piece.shape)
        self.version += 1
        if not size:
            return
        self.pieces.append(piece)
        self.starts.append(self.total)
        self.total += size
        if len(self.pieces) > self.limit:
            self._sweep()

    def _origin_for(self, view: Array) -> Array:
        found = self.origin_of(view)
        assert found is not None
        return found

    def _piece(self, value: Any) -> Tensor:
        """Return a stored value as a tensor of its own, which no store changes."""
        if value.dtype != self.memory.dtype:
            value = ops.astype(value, dtype=self.memory.dtype)
        node = value.node
        if node is None and value._requires_grad or node is not None and node.op.outputs > 1:
            value = ops.identity(value)
        if value.data is value:  # a traced array
            return value.copy()
        piece: Any = make_value(Tensor, value.data, value.node, value._requires_grad)
        return piece

    def _sweep(self) -> None:
        """Forget the pieces that were overwritten."""
        assert self.origin is not None
        used = self.origin[self.origin >= 0]
        numbers = np.unique(np.searchsorted(self.starts, used, "right") - 1).tolist()
        self.pieces = [self.pieces[n] for n in numbers]
        self.starts = [self.starts[n] for n in numbers]
        self.limit = max(SWEEP, 2 * len(self.pieces))

    # -- reading -------------------------------------------------------------------------------

    def read(self, view: Array, origin: Array | None) -> Tensor:
        """Return what lies in a view (or a copy of a part), as a tensor that no store changes."""
        if origin is None or not view.size:
            return self._constant(view)
        first = int(origin.flat[0])
        if first >= 0:
            number = bisect_right(self.starts, first) - 1
            piece = self.pieces[number]
            if self._is_piece(view, origin, number):
                return piece
        if first < 0 and not (origin >= 0).any():
            return self._constant(view)
        numbers, places = self._places(origin)
        operands = (view.copy(order="K"), *(self.pieces[n] for n in numbers))
        if MODE.get().hook is not None:
            made: Any = assemble(*operands, places=places)
        else:  # the numbers are known
            arrays = (operands[0], *(self.pieces[n].data for n in numbers))
            made = assemble.as_value(operands, arrays, {"places": places}, operands[0])
        return made

    def _constant(self, view: Array) -> Tensor:
        made: Any = make_value(Tensor, view.copy(order="K"), None, False)
        return made

    def _is_piece(self, view: Array, origin: Array, number: int) -> bool:
        """Return whether exactly one whole piece lies in a view."""
        piece, start = self.pieces[number], self.starts[number]
        if piece.shape != view.shape or origin.flat[-1] != start + view.size - 1:
            return False
        data: Any = piece.data
        # (A copy would have these strides, and results of operations have those of arguments.)
        alike = isinstance(data, Value) or data.strides == view.strides or (
            data.flags.c_contiguous and is_in_c_order(view))
        return alike and bool(
            (origin.ravel() == np.arange(start, start + view.size, dtype=origin.dtype)).all())

    def _places(self, origin: Array) -> tuple[list[int], Places]:
        """Return the numbers of the pieces that lie in a view, and where."""
        flat = origin.ravel()
        order = np.argsort(flat, kind="stable")
        if flat.size < np.iinfo(np.int32).max:
            order = order.astype(np.int32)  # nodes keep it
        elements = flat[order]
        begins = np.searchsorted(elements, self.starts).tolist()
        ends = [*begins[1:], len(elements)]
        # The number of jumps before each element: none in between means that they lie in a row.
        jumps, skips = _jumps(order), _jumps(elements)
        numbers: list[int] = []
        parts: list[Any] = []
        for number, (a, b) in enumerate(zip(begins, ends, strict=True)):
            if a == b:
                continue
            size, start = self.pieces[number].size, self.starts[number]
            is_row = jumps[b - 1] == jumps[a]
            where: Any = slice(int(order[a]), int(order[a]) + b - a) if is_row else order[a:b]
            is_whole = b - a == size and elements[a] == start and skips[b - 1] == skips[a]
            numbers.append(number)
            parts.append((where, None if is_whole else elements[a:b] - start))
        return numbers, Places(parts)


def is_in_c_order(view: Array) -> bool:
    """Return whether a copy of an array, which keeps the order of axes, is contiguous."""
    strides = [s for s, n in zip(view.strides, view.shape, strict=True) if n > 1]
    return all(s > 0 for s in strides) and strides == sorted(strides, reverse=True)


def _jumps(numbers: Array) -> Array:
    """Return how many of the differences before each number are not 1."""
    found = np.zeros(len(numbers), np.int32)
    np.cumsum(numbers[1:] - numbers[:-1] != 1, out=found[1:])
    return found
