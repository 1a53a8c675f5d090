"""The backward pass: from the derivative of an output to the derivatives of its leaves.

Every node applies the chain rule once. With the cotangent ``v̄ = ∂L/∂v`` of its output, the rule
of each argument gives that argument's share, and shares that meet are added:

    x̄ = Σ over uses of x of  rule(v̄, v, …)

The walk keeps the cotangents of nodes not yet visited in a dictionary and always takes the newest
node: its users are all newer, so its cotangent is complete. There is no recursion, so a chain of
any length works, and a cotangent is dropped as soon as it is used.

The same rules run on arrays (first order: fast) or on values (`create_graph`: the gradient is
recorded and can be differentiated again).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import repeat
from time import perf_counter
from typing import Any

import numpy as np

from tinygrad_mlp import errors
from tinygrad_mlp.autograd.graph import Array, Node, Value, make_value
from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.op import Op, defined_at
from tinygrad_mlp.autograd.ops.sums import broadcasts, sum_to

ndarray = np.ndarray


def backward(root: Value, cotangent: Array, *, retain_graph: bool = False) -> None:
    """Add the derivatives of `root`, weighted with `cotangent`, to the `.grad` of its leaves.

    Nothing is added anywhere before the whole walk has succeeded.
    """
    found: dict[int, tuple[Value, Array]] = {}

    def collect(leaf: Value, g: Array, owned: bool) -> None:
        known = found.get(id(leaf))
        if known is not None:
            g = known[1] + g
        elif not owned:
            # The same array may have gone to another leaf, or be a view of a user's array.
            g = g.copy()
        found[id(leaf)] = leaf, g

    propagate([(root, cotangent)], collect, release=not retain_graph)
    for leaf, _ in found.values():
        if type(leaf.data) is not ndarray or leaf.data.dtype.kind != "f":
            errors.refuse_assigned(leaf.data, "data", "f")
        if leaf.grad is not None and type(leaf.grad) is not ndarray:
            errors.refuse_assigned(leaf.grad, "grad")
    for leaf, g in found.values():
        total: Any = g if leaf.grad is None else leaf.grad + g
        leaf.grad = total if isinstance(total, Value) else np.asarray(total)  # type: ignore[assignment]


# One function, although a long one: a call more for each share costs several percent.
def propagate(  # noqa: C901
        starts: Sequence[tuple[Value, object]], collect: Callable[[Value, Any, bool], None], *,
        create_graph: type[Value] | None = None, release: bool = False, retain: bool = True,
        wanted: set[Node | int] | None = None, stop: dict[Node | int, Any] | None = None) -> None:
    """Walk from the outputs to the leaves, newest node first.

    Args:
        starts: pairs of an output and its cotangent.
        collect: called as ``collect(leaf, g, owned)`` for each share of a leaf's gradient;
            `owned` says that no one else can hold the array `g`.
        create_graph: run the rules on values of this class instead of arrays.
        release: release each node once it has been passed.
        retain: give the outputs that asked for it (`retain_grad`) their own gradient.
        wanted: the nodes, and the identities of the leaves, to compute cotangents of; None for all.
        stop: nodes to end at; their cotangents are stored under them.

    Raises:
        GraphReleasedError: an earlier backward pass has released a node on the way.
    """
    mode = MODE.get()
    watch = mode.walk
    watched = None if watch is None else watch(starts)
    if watched is None and mode.hook is None and perf_counter() >= SpotCheck.due:
        watched = SpotCheck(starts).vjp_of
    heap: list[int] = []  # negative orders of the nodes pending, since heapq finds the smallest
    pending: dict[int, tuple[Node, Any]] = {}
    asked: list[tuple[Node, Any]] = []
    own: dict[int, Any] = {}  # cotangents that `add` has made and may change, by order or leaf
    touched: list[Value] = []  # the leaves among them
    summed: set[int] = set()  # the nodes whose cotangent is a sum that nobody else holds yet

    def add(parent: Any, node: Node, g: object) -> bool:
        """Add a share to a cotangent in place, so that a loop over x[t] takes no T whole arrays."""
        if type(parent) is not Node and parent.node is not None:
            return False
        key = -parent.order if type(parent) is Node else id(parent)
        known, total = pending.get(key), own.get(key)
        if known is not None and isinstance(known[1], Value):
            return False
        if total is None or known is not None and known[1] is not total:
            like = node.arrays[0]  # type: ignore[index]
            own[key] = total = (
                np.zeros(like.shape, like.dtype) if known is None else np.array(known[1]))
            if type(parent) is not Node:
                touched.append(parent)
            else:
                pending[key] = parent, total
                if known is None:
                    heappush(heap, key)
        node.op.add_share(total, g, *node.arrays[1:], **node.static)  # type: ignore[index]
        return True

    def arrive(node: Node, index: int, g: Any) -> None:
        """Add a share to the cotangent of a node, or of one of its outputs."""
        key = -node.order
        known = pending.get(key)
        if node.op.outputs > 1:
            parts = [None] * node.op.outputs if known is None else known[1]
            parts[index] = g if parts[index] is None else parts[index] + g
            g = parts
        elif known is not None:
            g = known[1] + g
        if known is None:
            heappush(heap, key)
        pending[key] = node, g

    for value, g in starts:
        if value.node is None:
            collect(value, g, False)
        else:
            arrive(value.node, value.index, g)
    while heap:
        node, g = pending.pop(heappop(heap))
        op, arrays = node.op, node.arrays
        if node.retained is not None and create_graph is None and retain:
            asked.append((node, g))
        if stop is not None and node in stop:
            stop[node] = g
            continue
        if arrays is None:
            raise errors.GraphReleasedError(
                f"backward(): the graph through '{op.name}' was released by an earlier backward(). "
                f"Compute the output again, or pass retain_graph=True to the first call if its "
                f"graph is needed twice.")
        y, inputs, static = node.out, arrays, node.static
        if create_graph is not None:
            y = _outputs(node, create_graph)
            inputs = tuple(map(_argument, node, arrays, repeat(create_graph)))
        if op.outputs > 1:
            g = _complete(node, g)
        vjp = op.vjp if watched is None else watched(node, g)
        # The rules themselves, in the usual case: calling `vjp` takes as long as a small product.
        rules: Any = op.rules if watched is None and type(op) is Op and not op.variadic else None
        for position, parent in enumerate(node):
            if parent is None:
                continue
            if wanted is not None:
                key = parent if type(parent) is Node else key_of(parent)
                if key not in wanted:
                    continue
            if (op.add_share is not None and not position and create_graph is None
                    and type(g) is ndarray and vjp == op.vjp and add(parent, node, g)):
                continue
            share = (rules[position](g, y, *inputs, **static) if rules and rules[position]
                     else vjp(position, g, y, inputs, static))
            like = arrays[position]
            try:
                if share.shape != like.shape or share.dtype != like.dtype:
                    share = unbroadcast(share, like, op, position)
            except AttributeError:  # a number, or no rule
                share = unbroadcast(share, like, op, position)
            if type(parent) is Node:  # the most frequent case; as in `arrive`, without the call
                order = -parent.order
                if order not in pending:
                    pending[order] = parent, share
                    heappush(heap, order)
                elif order in summed and type(share) is ndarray:
                    np.add(pending[order][1], share, out=pending[order][1])
                else:
                    total = pending[order][1] + share
                    pending[order] = parent, total
                    (summed.add if type(total) is ndarray else summed.discard)(order)
            elif parent.node is None:
                collect(parent, share, is_new(share, g, y, arrays))
            else:
                arrive(parent.node, parent.index, share)
        if release:  # the parents, the arguments and the result
            node.clear()
            node.arrays = node.out = None
    for leaf in touched:
        collect(leaf, own[id(leaf)], True)
    for node, g in asked:
        _deliver(node, g)


SHARE = 0.0025
"""The part of the running time that spot checks may take."""

AT_ONCE = 1e-3
"""Seconds that a spot check may take whatever the time since the last one."""

LARGEST = 200_000
"""Elements of the arrays of a node up to which a spot check computes its result again."""


class SpotCheck:
    """Looks, now and then, whether the arrays of a graph are those of its forward pass.

    A node holds the arguments and the result of its operation, not copied. If one of them was
    changed in place since, the result is not that of the arguments any more, and the gradient would
    be wrong. Nothing has to be kept for this in the forward pass. A check begins when the time
    that the last one took is `SHARE` of the time since then, and goes on as far as its time lasts.
    """

    due = 0.0  # the time from which on the next backward pass is checked

    def __init__(self, starts: Sequence[tuple[Value, object]]) -> None:
        self.outputs = [value.node for value, _ in starts]
        self.start = perf_counter()
        self.spent = 0.0
        self.found = False

    def vjp_of(self, node: Node, g: object) -> Callable[..., Any]:
        """Return the `vjp` of a node's operation, after a look at its arrays if time is left."""
        began = perf_counter()
        if not self.found and self.spent <= AT_ONCE + SHARE * (began - self.start):
            if is_outdated(node):
                self.found = True
                Node.tell_outdated(node, node in self.outputs)
            self.spent += perf_counter() - began
            SpotCheck.due = perf_counter() + self.spent / SHARE
        return node.op.vjp


def is_outdated(node: Node) -> bool:
    """Return whether a node's result is seen not to be that of its arguments (any more)."""
    op, y, given = node.op, node.out, node.arrays
    if (given is None or not op.repeatable or op.outputs > 1 or y.dtype.kind != "f"
            or any(isinstance(a, Value) for a in (y, *given))
            or y.size + sum(a.size for a in given if type(a) is ndarray) > LARGEST):
        return False
    try:
        with np.errstate(all="ignore"):
            again = np.asarray(op.forward(*given, **node.static))
            if again.shape != y.shape or again.tobytes() == y.tobytes():
                return bool(again.shape != y.shape)
            # Threads may add in another order: only more than rounding is a difference.
            close = np.finfo(y.dtype).eps ** 0.5
            size = np.max(np.abs(y), initial=0, where=np.isfinite(y))
            return not np.allclose(again, y, rtol=close, atol=close * size, equal_nan=True)
    except Exception as error:  # it did not fail on what the arguments were
        return not isinstance(error, Warning)  # where warnings are errors


def is_new(share: object, g: Any, y: Any, arrays: Sequence[object]) -> bool:
    """Return whether a rule has computed an array, and not passed on one that it was given.

    Not a view of one either. A gradient that is new needs no copy.
    """
    given = (*g, *y, *arrays) if isinstance(g, tuple) else (g, y, *arrays)
    if type(share) is not ndarray:  # of traced values: the arrays of the examples
        share, given = getattr(share, "layout", None), tuple(getattr(a, "layout", a) for a in given)
    for a in given:  # in half the time of a search among their identities
        if a is share:
            return False
    return type(share) is ndarray and share.base is None


def key_of(value: Value) -> Node | int:
    """Return the key of a value in tables of cotangents: its node, or the identity of a leaf."""
    return id(value) if value.node is None else value.node


def _complete(node: Node, parts: Sequence[object]) -> tuple[object, ...]:
    """Return the cotangents of several outputs, zero for those that nothing depends on."""
    if node.op.record.unused_as_none:
        return tuple(parts)
    return tuple(
        np.zeros(out.shape, out.dtype) if part is None else part
        for part, out in zip(parts, node.out, strict=True))


def _outputs(node: Node, cls: type[Value]) -> Any:
    """Return the node's outputs as values, so that rules that use them can be differentiated."""
    if node.op.outputs == 1:
        return make_value(cls, node.out, node, True)
    return tuple(make_value(cls, out, node, True, index) for index, out in enumerate(node.out))


def _argument(parent: Node | Value | None, array: Array, cls: type[Value]) -> Any:
    """Return an argument as a value with its history; as the array where it has none."""
    if isinstance(parent, Node):
        return make_value(cls, array, parent, True)
    return array if parent is None else parent


def _deliver(node: Node, g: Any) -> None:
    """Give the outputs that asked for it (`retain_grad`) their own gradient."""
    for reference in node.retained or ():
        value = reference()
        if value is not None:
            part = g[value.index] if node.op.outputs > 1 else g
            if part is not None:
                own: Any = part if isinstance(part, Value) else np.array(part)
                value.grad = own if value.grad is None else np.asarray(value.grad + own)


def unbroadcast(share: Any, like: Array, op: Op, position: int) -> Any:
    """Return a rule's result in the shape and dtype of its argument.

    Where the forward pass broadcast an argument, the derivative is the sum over the copies. That
    is done here, once, so that no rule needs to mention it.
    """
    if share is None:
        raise errors.NotDifferentiableError(
            f"'{op.name}' has no gradient rule for its argument '{op.parameter(position)}', but a "
            f"gradient with respect to it was asked for. Detach that argument, or give the op a "
            f"rule for it.")
    if not isinstance(share, (Value, ndarray)):
        share = np.asarray(share)
    shape = share.data.shape if isinstance(share, Value) else share.shape
    if shape != like.shape:
        if shape[1:] != like.shape and not broadcasts(like.shape, shape):
            raise _wrong_share(
                op, position, f"a gradient of shape {like.shape}, the shape of its argument (or "
                f"one that the argument was broadcast to). Got {shape}.")
        share = (sum_to if isinstance(share, Value) else sum_to.forward)(share, shape=like.shape)
    if share.dtype != like.dtype:
        if share.dtype.kind not in "fiub":
            raise _wrong_share(
                op, position, f"real numbers for an argument of {like.dtype}. Got {share.dtype}.")
        share = share.astype(like.dtype)
    return share


def _wrong_share(op: Op, position: int, expected: str) -> errors.OpDefinitionError:
    return errors.OpDefinitionError(
        f"op '{op.name}': the gradient rule for '{op.parameter(position)}' must return {expected}"
        f"{defined_at(op.rule(position))}")
