"""A function evaluated on new vertices of the graph: what all transforms begin with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.backward import key_of
from tinygrad_mlp.autograd.gradients import ancestors, gradients, origin
from tinygrad_mlp.autograd.graph import Node, Value, make_value, next_order
from tinygrad_mlp.autograd.in_place import Argument
from tinygrad_mlp.autograd.kept_arrays import lean_node
from tinygrad_mlp.autograd.mode import MODE, changed_mode
from tinygrad_mlp.autograd.op import NO_STATIC, Op
from tinygrad_mlp.autograd.pytree import leaves, rebuild
from tinygrad_mlp.autograd.tensor import Tensor, numeric_array
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError, TinygradError

Function = Callable[..., Any]


class Tape:
    """One evaluation of a function with its inputs made into vertices of the graph.

    The inputs are new vertices, not the caller's: the derivative with respect to `y` in
    ``lambda y: x * y``, evaluated at ``y = x``, must not count the path through `x`.
    """

    def __init__(self, name: str, function: Function, args: Sequence[object]) -> None:
        self.name = name
        given = leaves(args)
        self.create_graph = keeps_history(given)
        self.inputs = [_input(name, a) for a in given]
        self.first = next_order()  # nodes of the evaluation have greater numbers
        with changed_mode(recording=True, depth=MODE.get().depth + 1, differentiating=name,
                          node=lean_node):
            try:
                self.out = function(*rebuild(args, [own_copy(x) for x in self.inputs]))
            except ValueError as error:  # NumPy's own of a store: "… with a sequence"
                if isinstance(error.__cause__, TinygradError):
                    raise error.__cause__ from None
                raise
        out = leaves(self.out)
        for value in out:
            if not isinstance(value, (Value, np.ndarray, np.generic, int, float)):
                raise InvalidArgumentError(
                    f"{name}() expects a function that returns arrays. "
                    f"It returned {type(value).__name__}.")
        self.outputs = [v if isinstance(v, Tensor) else Tensor(v) for v in out]
        for value in self.outputs:
            if value.dtype.kind != "f":
                raise DTypeError(
                    f"{name}() expects a function that returns floating-point numbers. It returned "
                    f"{value.dtype}, which is constant wherever it has a derivative. Return what "
                    f"it is computed from, or a smooth function in its place (tg.sigmoid for >).")

    def pull_back(self, cotangents: Sequence[object], *, create_graph: bool = False,
                  release: bool = False, also: Sequence[Value] = ()) -> list[Any]:
        """Return the cotangents of the inputs for those of the outputs; zeros for none.

        They keep their history with `create_graph`, and where a caller could ask for it. Those of
        the vertices `also`, which the function reads besides its arguments, follow.
        """
        create_graph = create_graph or self.create_graph or keeps_history(cotangents)
        starts = []
        for out, c in zip(self.outputs, cotangents, strict=True):
            if not create_graph or not isinstance(c, Value):
                array = c.data if isinstance(c, Value) else np.asarray(c)
                c = array.astype(out.dtype)
            starts.append((out, c))
        release = release and not create_graph
        with changed_mode(recording=True):
            targets: list[Any] = [*self.inputs, *also]
            found = gradients(
                starts, targets, create_graph=create_graph, release=release, retain=True)
        result: list[Any] = []
        for g, x in zip(found, targets, strict=True):
            g = np.zeros(x.shape, x.dtype) if g is None else g
            if create_graph:
                g = g if isinstance(g, Value) else Tensor(g)
            elif isinstance(g, Tensor):  # a traced array
                g = g.copy()
            else:
                # A copy where the array could belong to someone else: a view of a cotangent, or
                # also the gradient of another input.
                own = getattr(g, "base", None) is None and not any(g is r for r in result)
                g = np.array(g, copy=None if own else True)
            result.append(g)
        return result

    def captured(self) -> list[Value]:
        """Return the vertices that the function read besides its arguments, each once.

        Leaves that require a gradient, such as the parameters of a layer, and values that were
        computed before.
        """
        inputs = {key_of(x) for x in self.inputs}
        found: dict[Node | int, Value] = {}
        for node in ancestors([v.node for v in self.outputs if v.node is not None], self.first):
            for position, parent in enumerate(node):
                if parent is None:
                    continue
                before = origin(parent)
                if before is not None and before.order >= self.first:
                    continue
                value = parent
                if not isinstance(value, Value):
                    array = node.arrays[position]  # type: ignore[index]
                    value = make_value(Tensor, array, parent, True)
                if key_of(value) not in inputs:
                    found.setdefault(key_of(value), value)
        return list(found.values())

    def plain(self, value: object) -> Any:
        """Return a result without history, unless an outer transform may differentiate it."""
        return value if self.create_graph or not isinstance(value, Value) else value.data


def keeps_history(given: Sequence[object]) -> bool:
    """Return whether an outer transform, or the caller, could differentiate what comes of it."""
    mode = MODE.get()
    tracked = any(isinstance(a, Value) and a.requires_grad for a in given)
    return mode.recording and (mode.depth > 0 or tracked)


def _input(name: str, a: object) -> Tensor:
    """Return a new vertex that holds `a` and, where `a` has a history, continues it."""
    if isinstance(a, Value) and a.requires_grad and MODE.get().recording:
        made = Op.__call__(ops.identity, a)  # not noted as a view: no store is to change it
        made.name = a.name
        return made
    if isinstance(a, int) and not isinstance(a, bool):
        a = float(a)
    array = numeric_array(a)
    if array.dtype.kind != "f":
        raise DTypeError(
            f"{name}() expects floating-point arguments. Got an array of {array.dtype}: "
            f"convert it with .astype(float), or leave it out of argnums.")
    return Argument(array, requires_grad=True, name=getattr(a, "name", None))


def own_copy(x: Any) -> Tensor:
    """Return an input as the function gets it: a copy of its own, which it may store into."""
    node = x.node
    if node is None:
        node = Node([x], ops.identity, (x.data,), NO_STATIC, x.data)
        node.name = x.name
    elif node.op.outputs > 1:
        return x
    data: Any = x.data if isinstance(x.data, Value) else x.data.copy(order="K")
    made: Any = make_value(Tensor, data, node, True)
    return made


def source_of_copy(node: object) -> Value | None:
    """Return the argument of a function that a node copies for it; None if it is another node."""
    if isinstance(node, Node) and node.op is ops.identity and isinstance(node[0], Argument):
        return node[0]
    return None


def without_copies(nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes of a graph without those of `own_copy`; their users get the arguments."""
    kept = [node for node in nodes if source_of_copy(node) is None or node is nodes[-1]]
    for node in kept:
        node[:] = [parent if source_of_copy(parent) is None else source_of_copy(parent)
                   for parent in node]
    return kept


def function_of(name: str, argnums: Sequence[int], f: Function, args: Sequence[object],
                 kwargs: dict[str, object]) -> tuple[Function, list[Any]]:
    """Return `f` as a function of the arguments `argnums` alone, and these arguments."""
    for number in argnums:
        if not -len(args) <= number < len(args):
            raise InvalidArgumentError(
                f"{name}() was asked for argument {number} of a call with {len(args)} "
                f"positional arguments. Change argnums.")

    def of_chosen(*chosen: object) -> Any:
        complete = list(args)
        for number, value in zip(argnums, chosen, strict=True):
            complete[number] = value
        return f(*complete, **kwargs)

    return of_chosen, [args[number] for number in argnums]
