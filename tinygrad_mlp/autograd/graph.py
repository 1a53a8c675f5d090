"""The computation graph: values, and the nodes that computed them.

A `Value` is an array and, where it was computed, the `Node` that computed it. A node knows its
operation, its parents and the arrays the operation saw. Values have no operators: these call
operations, which are defined above this module.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from itertools import count
from typing import Any, ClassVar

import numpy as np

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]
"""What operations and rules are written for. A value takes its place where a graph is made: it
computes as an array does."""

next_order = count().__next__
"""Numbers the nodes as they are made. A node's parents are older than the node, so descending
order of these numbers is an order in which gradients can flow back: no sorting is needed."""


class Value:
    """An array with a history: a vertex of the graph."""

    __slots__ = ("data", "grad", "own_name", "_requires_grad", "node", "index", "__weakref__")

    result_class: ClassVar[type[Value]]
    """The class of the results of operations on this class. A `Parameter` is a `Tensor`, but
    the sum of two parameters is just a `Tensor`."""

    data: Array
    grad: Array | None  # of a leaf, after `backward()`: the derivative with respect to `data`
    own_name: str | None  # the name of a leaf (see `name`)
    _requires_grad: bool
    node: Node | None  # the node that computed it; None for a leaf
    index: int  # the number of this value among the outputs of the node

    @property
    def requires_grad(self) -> bool:
        """True if gradients flow to it. The engine reads the slot, which costs no call."""
        return self._requires_grad

    @property
    def name(self) -> str | None:
        """The name in explanations and error messages, or None.

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
    """One recorded call of an operation: the list of its parents, and what was computed.

    The parents belong to the arguments, in the same order. A parent is the node that computed the
    argument, or the argument itself where it is a leaf (or one of several outputs of a node), or
    None for an argument that needs no gradient. Nodes and not values, so that a tensor nobody
    holds any more is freed, although the graph goes on through its node.

    A node *is* a list, instead of having one, because Python's garbage collector visits every
    container again and again while a graph grows. With one container a node instead of three, the
    time that a long chain takes grows linearly.
    """

    __slots__ = ("op", "arrays", "static", "out", "order", "name", "retained", "note")

    # Called with a node whose arrays were changed since the forward pass, and whether it is an
    # output of the backward pass. Set by the module that can put it into words, which is above.
    tell_outdated: ClassVar[Callable[[Node, bool], None]]

    # The operation, an `Op`. (Its type is not named here: `op.py` imports this module.)
    op: Any
    # The arguments as the forward function saw them; None once released. Kept although leaves hold
    # their arrays, because an optimizer may give a parameter a new array before gradients are
    # asked for.
    arrays: tuple[Any, ...] | None
    static: dict[str, Any]  # the static parameters, defaults filled in
    # The array that the operation returned (a tuple of arrays where it has several outputs). The
    # array and not the value: a value points to its node, and pointing back would make a reference
    # cycle that only the garbage collector could free.
    out: Any
    order: int  # the number of the node (see `next_order`)
    name: str | None  # the name given to the value it computed
    retained: list[weakref.ref[Value]] | None  # the outputs whose own gradient was asked for
    # What `debug` noted when the node was recorded. Set under `debug` only, so that it costs
    # nothing otherwise.
    note: Any

    def __init__(self, parents: list[Node | Value | None], op: object, arrays: tuple[object, ...],
                 static: dict[str, object], out: object) -> None:
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


def make_value(cls: type[Value], data: Array, node: Node | None, requires_grad: bool,
               index: int = 0) -> Value:
    """Return a value of class `cls` without the checks of its constructor."""
    value = cls.__new__(cls)
    value.data = data
    value.grad = value.own_name = None
    value._requires_grad = requires_grad
    value.node = node
    value.index = index
    return value
