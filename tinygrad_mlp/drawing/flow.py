"""Numbers for a picture: what values and gradients are like, at every place of the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.backward import propagate
from tinygrad_mlp.autograd.graph import MODE, Array, Node, Value, changed_mode

Key = Node | int
"""A node, or the identity of a leaf."""


def cotangents(output: Value) -> dict[Key, Any]:
    """``∂L/∂v`` for every value v that the number L was computed from.

    One backward pass, which leaves the graph and every `.grad` as they are.

    Returns:
        for each node (a tuple where it has several outputs) and each leaf (by its identity) the
        gradient.
    """
    found: dict[Key, Any] = {}
    outer = MODE.get().walk

    def walk(starts: Sequence[tuple[Value, Any]]) -> Callable[[Node, Any], Any]:
        watched = None if outer is None else outer(starts)

        def seen(node: Node, g: Any) -> Any:
            found[node] = g
            return node.op.rules if watched is None else watched(node, g)

        return seen

    def collect(leaf: Value, g: Array, owned: bool) -> None:
        found[id(leaf)] = found[id(leaf)] + g if id(leaf) in found else g

    with changed_mode(walk=walk):
        propagate([(output, np.ones_like(output.data))], collect)
    return found


def mean_size(g: Any) -> float:
    """``mean |g|`` over all elements, of all parts of a tuple.

    >>> mean_size(np.array([-1.0, 3.0])), mean_size((np.zeros(2), np.array([2.0])))
    (2.0, 0.6666666666666666)
    """
    parts = g if isinstance(g, tuple) else (g,)
    total = sum(float(np.abs(part).sum(dtype=np.float64)) for part in parts)
    return total / max(sum(int(part.size) for part in parts), 1)


def summary(what: str, array: Any) -> str:
    """Mean and range of an array in a line; the number, if it is one.

    >>> summary("value", np.array([1.0, 2.0, 6.0])), summary("gradient", np.array(0.25))
    ('value: mean 3, from 1 to 6', 'gradient: 0.25')
    """
    parts = array if isinstance(array, tuple) else (array,)
    flat = np.concatenate([np.ravel(part) for part in parts])
    if flat.size == 0:
        return f"{what}: empty"
    if flat.size == 1:
        return f"{what}: {number(flat[0])}"
    if flat.min() == flat.max():
        return f"{what}: {number(flat[0])} everywhere"
    with np.errstate(all="ignore"):
        mean = flat.mean(dtype=np.float64)
    return f"{what}: mean {number(mean)}, from {number(flat.min())} to {number(flat.max())}"


def number(x: Any) -> str:
    """A number in three digits, with the sign that typesetters use.

    >>> number(-0.00012345), number(np.float32(2)), number(np.nan)
    ('−0.000123', '2', 'nan')
    """
    return f"{float(x):.3g}".replace("-", "−")
