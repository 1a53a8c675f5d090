"""The backward pass: from the derivative of an output to the derivatives of what it was made of.

Every node applies the chain rule once. With the cotangent ``v̄ = ∂L/∂v`` of its output, the rule
of each argument gives that argument's share, and shares that meet are added:

    x̄ = Σ over uses of x of  rule(v̄, v, …)

The walk keeps the cotangents of nodes not yet visited in a dictionary and always takes the newest
node: its users are all newer, so its cotangent is complete. No recursion, so a chain of any
length works, and a cotangent is dropped as soon as it is used.

The same rules run on arrays (first order: fast) or on values (`create_graph`: the gradient is
recorded and can be differentiated again).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from itertools import repeat
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.call_site import user_site
from tinygrad_mlp.autograd.declaration import written
from tinygrad_mlp.autograd.graph import Array, Node, Value, make_value
from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.autograd.ops.reductions.reduction import broadcasts, sum_to
from tinygrad_mlp.autograd.ops.shapes.shape import astype
from tinygrad_mlp.autograd.rule_check import raw_numbers
from tinygrad_mlp.errors import (
    GraphReleasedError,
    NotDifferentiableError,
    OpDefinitionError,
    RawNumbersWarning,
)

ndarray = np.ndarray


def backward(root: Value, cotangent: Any, *, retain_graph: bool = False) -> None:
    """Add the derivatives of `root`, weighted with `cotangent`, to the `.grad` of its leaves.

    Nothing is added anywhere before the whole walk has succeeded.

    Raises:
        GraphReleasedError: an earlier backward pass has used the graph up.
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
    for leaf, g in found.values():
        total: Any = g if leaf.grad is None else leaf.grad + g
        leaf.grad = total if isinstance(total, Value) else np.asarray(total)  # type: ignore[assignment]


def gradients(
    outputs: Sequence[tuple[Value, Any]],
    targets: Sequence[Value],
    *,
    create_graph: bool = False,
    release: bool = False,
) -> list[Any]:
    """Derivatives with respect to `targets` only; None where the outputs do not depend on one.

    Args:
        outputs: pairs of a value and its cotangent.
        targets: values, leaves or not; what lies beyond them is not visited.
        create_graph: run the rules on values, so that the results can be differentiated again.
        release: give up the graph on the way.
    """
    stop: dict[Node | int, Any] = {
        (id(t) if t.node is None else t.node): None for t in targets if t._requires_grad
    }

    def collect(leaf: Value, g: Any, owned: bool) -> None:
        if id(leaf) in stop:
            known = stop[id(leaf)]
            stop[id(leaf)] = g if known is None else known + g

    starts = [(value, g) for value, g in outputs if value._requires_grad]
    useful = leading_to(stop, [value.node for value, _ in starts if value.node is not None])
    cls = outputs[0][0].result_class if create_graph else None
    propagate(starts, collect, create_graph=cls, release=release, useful=useful, stop=stop)
    return [stop.get(id(t) if t.node is None else t.node) for t in targets]


def origin(parent: Node | Value | None) -> Node | None:
    """The node behind an entry of a node; None for a leaf, and for an untracked argument."""
    return parent.node if isinstance(parent, Value) else parent


def ancestors(nodes: Iterable[Node]) -> list[Node]:
    """`nodes` and all nodes they were computed from through tracked values, oldest first."""
    seen = set(nodes)
    stack = list(seen)
    while stack:
        for parent in stack.pop():
            node = origin(parent)
            if node is not None and node not in seen:
                seen.add(node)
                stack.append(node)
    return sorted(seen, key=lambda node: node.order)


def leading_to(targets: dict[Node | int, Any], nodes: Iterable[Node]) -> set[Node]:
    """The nodes among the ancestors of `nodes` through which gradients reach `targets`."""
    useful: set[Node] = set()
    for node in ancestors(nodes):
        if node in targets or any(
            id(parent) in targets or origin(parent) in useful
            for parent in node
            if parent is not None
        ):
            useful.add(node)
    return useful


def propagate(
    starts: Sequence[tuple[Value, Any]],
    collect: Callable[[Value, Any, bool], None],
    *,
    create_graph: type[Value] | None = None,
    release: bool = False,
    useful: set[Node] | None = None,
    stop: dict[Node | int, Any] | None = None,
) -> None:
    """Walk from the outputs to the leaves, newest node first.

    Args:
        starts: pairs of an output and its cotangent.
        collect: called as ``collect(leaf, g, owned)`` for each share of a leaf's gradient;
            `owned` says that no one else can hold the array `g`.
        create_graph: run the rules on values of this class instead of arrays.
        release: release each node once it has been passed.
        useful: the nodes to visit; None for all.
        stop: nodes to end at; their cotangents are stored under them.
    """
    walk = MODE.get().walk
    watched = None if walk is None else walk(starts)
    heap: list[int] = []
    pending: dict[int, tuple[Node, Any]] = {}
    asked: list[tuple[Node, Any]] = []

    def arrive(node: Node, index: int, g: Any) -> None:
        key = -node.order
        known = pending.get(key)
        if node.op.outputs > 1:
            slots = [None] * node.op.outputs if known is None else known[1]
            at = slots[index]
            slots[index] = g if at is None else at + g
            g = slots
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
        if node.retained is not None and create_graph is None:
            asked.append((node, g))
        if stop is not None and node in stop:
            stop[node] = g
            continue
        arrays, y = node.arrays, node.out
        if arrays is None:
            raise GraphReleasedError(
                f"backward(): the graph through '{node.op.name}' was released by an earlier "
                f"backward(). Compute the output again, or pass retain_graph=True to the first "
                f"call if its graph is needed twice."
            )
        op = node.op
        if create_graph is not None:
            y = _outputs(node, create_graph)
            inputs = tuple(map(_argument, node, arrays, repeat(create_graph)))
        else:
            inputs = arrays
        if op.outputs > 1:
            g = tuple(
                np.zeros(out.shape, out.dtype) if part is None else part
                for part, out in zip(g, node.out, strict=True)
            )
        static = node.static
        if not op.rules_checked:
            first_use(op, g, y, inputs, static, create_graph or starts[0][0].result_class)
            if op.rule_error and create_graph is None:
                warn_of(op.rule_error)
        if op.rule_error and create_graph is not None:
            raise OpDefinitionError(op.rule_error)
        rules = op.rules if watched is None else watched(node, g)
        share: Any
        for position, parent in enumerate(node):
            if parent is None:
                continue
            source = parent if type(parent) is Node else parent.node
            if (
                useful is not None
                and source not in useful
                and (source is not None or stop is None or id(parent) not in stop)
            ):
                continue
            if op.variadic:
                rule = rules[0]
                share = rule and rule(g, y, *inputs, position=position, **static)
            else:
                rule = rules[position]
                share = rule and rule(g, y, *inputs, **static)
            like = arrays[position]
            try:
                if share.shape != like.shape or share.dtype != like.dtype:
                    share = unbroadcast(share, like, op, position)
            except AttributeError:
                share = unbroadcast(share, like, op, position)
            if source is not None:
                # As `arrive`, without the call, for the case of nearly every node.
                key = -source.order
                if source is not parent:
                    arrive(source, parent.index, share)
                elif key in pending:
                    pending[key] = source, pending[key][1] + share
                else:
                    pending[key] = source, share
                    heappush(heap, key)
            else:
                owned = (
                    type(share) is ndarray
                    and share.base is None
                    and share is not g
                    and share is not y
                    and not any(share is a for a in arrays)
                    and (op.outputs == 1 or not any(share is a for a in (*g, *y)))
                )
                collect(parent, share, owned)
        if release:
            node.release()
    for node, g in asked:
        _deliver(node, g)


def first_use(
    op: Op, g: Any, y: Any, inputs: Sequence[Any], static: dict[str, Any], cls: type[Value]
) -> None:
    """Look once whether the rules of a user's operation can themselves be differentiated."""
    op.rules_checked = True  # before, since a rule may be made of the operation itself
    found = raw_numbers(op, g, y, inputs, static, cls, gradients)
    op.rules_checked, op.rule_error = found is not None, found or ""


def warn_of(flaw: str) -> None:
    """Say at the user's line what the first derivative does not suffer from, but higher ones do."""
    site = user_site()
    warnings.warn_explicit(flaw, RawNumbersWarning, site.code.co_filename, site.line)


def _outputs(node: Node, cls: type[Value]) -> Any:
    """The node's outputs as values, so that rules that use them can be differentiated."""
    if node.op.outputs == 1:
        return make_value(cls, node.out, node, True)
    values = []
    for index, out in enumerate(node.out):
        values.append(make_value(cls, out, node, True))
        values[-1].index = index
    return tuple(values)


def _argument(parent: Node | Value | None, array: Any, cls: type[Value]) -> Any:
    """An argument as a value with its history; as the array where it has none."""
    return make_value(cls, array, parent, True) if isinstance(parent, Node) else (
        array if parent is None else parent
    )


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
    """Bring a rule's result to the shape and dtype of its argument.

    Where the forward pass broadcast an argument, the derivative is the sum over the copies. Done
    here, once, so that no rule needs to mention it.
    """
    name, rule = (of[0 if op.variadic else position] for of in (op.arrays, op.rules))
    if share is None:
        raise NotDifferentiableError(
            f"'{op.name}' has no gradient rule for its argument '{name}', but a gradient with "
            f"respect to it was asked for. Detach that argument, or give the op a rule for it."
        )
    if not isinstance(share, (Value, ndarray)):
        share = np.asarray(share)
    shape = share.data.shape if isinstance(share, Value) else share.shape
    if shape != like.shape:
        if not broadcasts(like.shape, shape):
            raise OpDefinitionError(
                f"op '{op.name}': the gradient rule for '{name}' returned shape {shape} for an "
                f"argument of shape {like.shape}. The gradient must have the argument's shape "
                f"(or one that the argument was broadcast to).{written(rule)}"
            )
        share = sum_to(share, shape=like.shape)
    if share.dtype != like.dtype:
        if share.dtype.kind not in "fiub":
            raise OpDefinitionError(
                f"op '{op.name}': the gradient rule for '{name}' returned {share.dtype} for an "
                f"argument of {like.dtype}. The gradient must be of real numbers."
                f"{written(rule)}"
            )
        share = astype(share, dtype=like.dtype)
    return share


def first_non_finite(value: Value) -> str:
    """A sentence that says where the first NaN or infinity behind `value` came from.

    Looked for along the recorded graph, from the oldest node to the newest.
    """
    if value.node is None:
        return "it was not computed by any recorded operation"
    for node in ancestors([value.node]):
        arrays = node.arrays or ()
        for parent, array in zip(node, arrays, strict=False):
            if not isinstance(parent, Node) and not finite(array):
                name = f"'{parent.name}' " if parent is not None and parent.name else ""
                return f"an argument {name}of '{node.op.name}' was not finite before it"
        outs = node.out if node.op.outputs > 1 else (node.out,)
        if not all(finite(out) for out in outs):
            shapes = ", ".join(str(np.shape(a)) for a in arrays if a is not None)
            return (
                f"the first value that is not finite was produced by '{node.op.name}' from "
                f"arguments of shape {shapes}"
            )
    return "no single operation produced it"


def finite(array: Any) -> bool:
    """Whether an array, or a number, holds neither NaN nor infinity; None does not."""
    return array is None or bool(np.isfinite(array).all())
