"""What a spot check of the backward pass says of an array that was changed in place."""

from __future__ import annotations

import warnings

import numpy as np

from tinygrad_mlp.autograd.backward import is_outdated
from tinygrad_mlp.autograd.call_site import user_site
from tinygrad_mlp.autograd.describe import label
from tinygrad_mlp.autograd.graph import Node
from tinygrad_mlp.errors import MutatedArrayWarning

MUTATION_FIX = "Change a copy, or assign a new array: x.data = x.data + 1, not x.data += 1."


def tell_outdated(node: Node, is_output: bool) -> None:
    """Warn that an array of a node was changed, with the arrays that it can have been."""
    op = node.op
    changed = " or ".join(suspects(node, is_output))
    site = user_site()
    warnings.warn_explicit(
        f"backward: the arrays of {op.name}() must stay as they are until the backward pass. "
        f"{changed} was changed in place after the forward pass, so the gradient is wrong. "
        f"{MUTATION_FIX} tg.debug() finds every change, with the line that called {op.name}().",
        MutatedArrayWarning, site.code.co_filename, site.line)


def suspects(node: Node, is_output: bool) -> list[str]:
    """Return the arrays of a node one of which was changed.

    An argument that another operation computed is one only if that operation's result is not that
    of its own arguments either, which then explains what was seen, or if it is a view of one.
    """
    leaves: dict[int, str] = {}
    computed: dict[int, str] = {}
    for position, (parent, array) in enumerate(zip(node, node.arrays or (), strict=True)):
        if isinstance(array, np.ndarray):
            name = f"{label(node.op, position, parent)} of shape {array.shape}"
            if not isinstance(parent, Node):
                leaves.setdefault(id(array), name)
            elif is_outdated(parent) or is_view(parent):
                computed.setdefault(id(array), f"{name}, the result of {parent.op.name}(),")
    found = [*(computed or leaves).values()]
    return [*found, f"the result of {node.op.name}()"] if is_output or not found else found


def is_view(node: Node) -> bool:
    """Return whether a node's result shares memory with an argument."""
    given = [a for a in node.arrays or () if isinstance(a, np.ndarray)]
    return node.op.outputs == 1 and any(np.may_share_memory(node.out, a) for a in given)


Node.tell_outdated = tell_outdated
