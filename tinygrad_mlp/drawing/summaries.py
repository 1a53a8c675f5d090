"""Numbers for a picture: the gradients of a graph, and summaries of arrays as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.backward import propagate
from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.autograd.mode import MODE, changed_mode
from tinygrad_mlp.graph_view.layer_view import arrays_of

Key = Node | int  # a node, or the identity of a leaf


def record_cotangents(output: Value) -> dict[Key, Any]:
    """Compute ``∂L/∂v`` for every value v that the number L was computed from, by a backward pass.

    The gradients come by node (a tuple if it has several outputs) and by identity of the leaf. The
    graph and every `.grad` stay as they are.
    """
    found: dict[Key, Any] = {}
    outer = MODE.get().walk

    def walk(starts: Sequence[tuple[Value, object]]) -> Callable[[Node, Any], Any]:
        watched = None if outer is None else outer(starts)

        def seen(node: Node, g: object) -> Any:
            found[node] = g
            return node.op.vjp if watched is None else watched(node, g)

        return seen

    def collect(leaf: Value, g: Array, owned: bool) -> None:
        found[id(leaf)] = found[id(leaf)] + g if id(leaf) in found else g

    with changed_mode(walk=walk):
        propagate([(output, np.ones_like(output.data))], collect, retain=False)
    return found


def arrow_label(what: str, node: Node, position: int, g: Array | None) -> str:
    """Return what an arrow to an operation carries, as text; "" where it is not a single array.

    Args:
        what: "value", that of the argument; "gradient", the share ``v̄ = ȳ ∂y/∂v`` of this use; or
            "derivative", ``∂y/∂v`` itself, of elementwise operations and of results of one number.
        node: the operation y = f(..., v, ...).
        position: that of the argument v.
        g: the gradient ȳ, or None.
    """
    arrays = arrays_of(node)
    if what == "value":
        return _range(arrays[position])
    if node.op.outputs > 1 or node[position] is None:
        return ""
    if what == "derivative":
        one_number = np.size(node.out) == 1
        g = np.ones_like(node.out) if node.op.record.elementwise or one_number else None
    return "" if g is None else _range(node.op.vjp(position, g, node.out, arrays, node.static))


def _range(array: Array) -> str:
    """Return an array's least and greatest number as text, or its only number."""
    flat = _flat(array)
    if not flat.size:
        return ""
    low, high = format_number(flat.min()), format_number(flat.max())
    return low if low == high else f"{low} … {high}"


def mean_size(g: Array) -> float:
    """Return ``mean |g|`` over all elements of an array, or of a tuple of arrays.

    >>> mean_size(np.array([-1.0, 3.0])), mean_size((np.zeros(2), np.array([2.0])))
    (2.0, 0.6666666666666666)
    """
    flat = _flat(g)
    return float(np.abs(flat).sum(dtype=np.float64)) / max(flat.size, 1)


def summary(what: str, array: object) -> str:
    """Return mean and range of an array as text, or its number if it has one element.

    >>> summary("value", np.array([1.0, 2.0, 6.0])), summary("gradient", np.array(0.25))
    ('value: mean 3, from 1 to 6', 'gradient: 0.25')
    """
    flat = _flat(array)
    if flat.size == 0:
        return f"{what}: empty"
    if flat.size == 1:
        return f"{what}: {format_number(flat[0])}"
    if flat.min() == flat.max():
        return f"{what}: {format_number(flat[0])} everywhere"
    with np.errstate(all="ignore"):
        mean = flat.mean(dtype=np.float64)
    low, high = format_number(flat.min()), format_number(flat.max())
    return f"{what}: mean {format_number(mean)}, from {low} to {high}"


def _flat(arrays: object) -> Array:
    """Return all elements of an array, or of a tuple of arrays, as a vector."""
    parts = arrays if isinstance(arrays, tuple) else (arrays,)
    return np.concatenate([np.ravel(part) for part in parts])


def format_number(x: Array | float) -> str:
    """Return a number in three digits, with the minus sign of typesetters.

    >>> format_number(-0.00012345), format_number(np.float32(2)), format_number(np.nan)
    ('−0.000123', '2', 'nan')
    """
    return f"{float(x):.3g}".replace("-", "−")
