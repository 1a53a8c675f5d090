"""One entry of a gradient as a sum of products: incoming gradient × local derivative."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.backward import unbroadcast
from tinygrad_mlp.autograd.gradients import gradients
from tinygrad_mlp.autograd.graph import Array, Node
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import RawNumbersWarning, TinygradError
from tinygrad_mlp.graph_view.layer_view import arrays_of

Entry = tuple[int, ...]

MOST_TERMS = 6
"""Products that are listed; the sum of the others is one more."""

MOST_PROBES = 4096
"""Numbers of a result up to which the local derivatives of a rule that works on plain arrays only
are found one by one."""


class ChainTerm(NamedTuple):
    """One product of the chain rule: ``incoming × local``.

    `output` is the entry of the operation's result that the incoming gradient is of, after the
    number of the result where there are several. The local derivative is that of this entry with
    respect to the chosen one.
    """

    output: Entry
    incoming: float
    local: float

    @property
    def product(self) -> float:
        """The contribution to the gradient."""
        return self.incoming * self.local


def shared(node: Node, position: int, g: Any) -> Any:
    """Return what an argument of a node receives for the cotangent `g` of the node's result."""
    like = arrays_of(node)[position]
    with np.errstate(all="ignore"):
        share = node.op.vjp(position, g, node.out, arrays_of(node), node.static)
        return unbroadcast(share, like, node.op, position)


def local_derivatives(node: Node, position: int, g: Array, entry: Entry) -> list[Array] | None:
    """Return the derivatives of all results with respect to one entry of an argument.

    What an argument receives is linear in the cotangent: ``x̄_j = Σ_i g_i ∂y_i/∂x_j``. So the
    derivative of ``x̄_j`` with respect to g holds ``∂y_i/∂x_j`` for all i. None where a rule works
    on plain arrays only and the result is large.
    """
    parts = [Tensor(part, requires_grad=True) for part in node.op.as_tuple(g)]
    try:
        with changed_mode(recording=True, hook=None, walk=None), warnings.catch_warnings():
            warnings.simplefilter("ignore", RawNumbersWarning)
            share = shared(node, position, tuple(parts) if node.op.outputs > 1 else parts[0])
            if not isinstance(share, Tensor) or not share.requires_grad:
                return _one_by_one(node, position, entry)
            found = gradients([(share, _one_at(share.data, entry))], parts)
    except (TinygradError, TypeError, ValueError):
        return _one_by_one(node, position, entry)
    return [np.zeros_like(p.data) if a is None else np.asarray(a)
            for a, p in zip(found, parts, strict=True)]


def _one_by_one(node: Node, position: int, entry: Entry) -> list[Array] | None:
    if node.op.outputs > 1 or node.out.size > MOST_PROBES:
        return None
    y = node.out
    found = [shared(node, position, _one_at(y, i))[entry] for i in np.ndindex(y.shape)]
    return [np.array(found, y.dtype).reshape(y.shape)]


def _one_at(like: Array, entry: Entry) -> Array:
    one = np.zeros_like(like)
    one[entry] = 1
    return one


def terms(node: Node, position: int, g: Array, entry: Entry) -> tuple[ChainTerm, ...] | None:
    """Return the products that are not zero, the largest first; None where they are not known."""
    local = local_derivatives(node, position, g, entry)
    if local is None:
        return None
    found = []
    for index, (part, slope) in enumerate(zip(node.op.as_tuple(g), local, strict=True)):
        before = (index,) if node.op.outputs > 1 else ()
        part = np.asarray(part)
        for at in np.argwhere((part != 0) & (slope != 0)):
            place = tuple(int(i) for i in at)
            found.append(ChainTerm((*before, *place), float(part[place]), float(slope[place])))
    return tuple(sorted(found, key=lambda term: -abs(term.product)))


def strongest(array: Array) -> Entry:
    """Return the entry with the largest absolute value; that of a number is empty."""
    size = np.nan_to_num(np.abs(np.asarray(array)))
    return tuple(int(i) for i in np.unravel_index(int(size.argmax()), size.shape))


def entry_before(node: Node, position: int, g: Array, entry: Entry) -> Entry | None:
    """Return the entry of an argument that one entry of the incoming gradient reaches most."""
    if node.op.outputs > 1:
        return None
    share = shared(node, position, np.asarray(g) * _one_at(np.asarray(g), entry))
    return strongest(share) if np.any(share) else None
