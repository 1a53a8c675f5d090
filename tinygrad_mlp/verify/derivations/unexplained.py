"""The place where a gradient with an unrecognised mistake departs from the right one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Node
from tinygrad_mlp.verify.derivations.replay import RecordedLoss

LARGEST_SYSTEM = 1_000
"""Size of the largest system of equations that is solved for a cotangent."""


def unexplained(name: str, recording: RecordedLoss, person: Array, rtol: float) -> str:
    """Return a sentence with the smallest expression that a person's gradient cannot come from.

    The search goes from the parameter towards the loss. If the numbers are what *some* cotangent
    of the next node would give, the factors so far are right and the fault lies within that
    cotangent, which is examined next.
    """
    _, cotangents = recording.replay()
    vertex: Any = recording.leaves[name]
    numbers = person
    good: list[str] = []
    while True:
        users = [(node, i) for node in recording.nodes for i, p in enumerate(node) if p is vertex]
        if len(users) != 1:
            break
        node, position = users[0]
        implied = _implied(recording, node, position, numbers, rtol)
        right = cotangents.get(node)
        if implied is None or right is None or np.allclose(implied, right, rtol=1e-6, atol=0):
            break
        good.append(node.op.name)
        vertex, numbers = node, implied
    text = f"The gradient of {name} is wrong, but not by a mistake that is recognised."
    if not good:
        return f"{text} No value of the quantities behind its first factor gives these numbers."
    computed = recording.names.get(vertex, f"the result of {vertex.op.name}")
    factors = " and ".join(dict.fromkeys(good))
    return f"{text} Its factors from {factors} agree; it stops agreeing at ∂L/∂{computed}."


def _implied(
    recording: RecordedLoss, node: Node, position: int, numbers: Array, rtol: float
) -> Array | None:
    """Return the cotangent of a node for which its rule gives `numbers`; None if there is none."""
    shape = recording.value(node).shape
    size = math.prod(shape)
    if size > LARGEST_SYSTEM or node.op.outputs > 1:
        return None
    units = np.eye(size).reshape(size, *shape)
    columns = [recording.share(node, position, unit).ravel() for unit in units]
    matrix = np.stack(columns, axis=1).astype(float)
    target = numbers.astype(float).ravel()
    solution, *_ = np.linalg.lstsq(matrix, target, rcond=None)
    if np.abs(matrix @ solution - target).max() > max(rtol, 1e-6) * np.abs(target).max(initial=0):
        return None
    return np.asarray(solution.reshape(shape))
