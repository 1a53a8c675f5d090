"""Where a gradient that no single mistake explains stops agreeing with the graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Node
from tinygrad_mlp.verify.derivations.replay import RecordedLoss
from tinygrad_mlp.verify.derivations.wording import called

LARGEST_SYSTEM = 1_000
"""Size of the largest system of equations that is solved for a cotangent."""


def unexplained(name: str, recording: RecordedLoss, person: Array, rtol: float) -> str:
    """Return a sentence with the smallest expression that a person's gradient cannot come from.

    Going from the parameter towards the loss, the factors are right as long as the numbers are what
    *some* cotangent of the next node would give. That shows something only where there are more
    equations than unknowns: any numbers are tanh′ times something.
    """
    _, cotangents = recording.replay()
    vertex: Any = recording.leaves[name]
    numbers = person
    passed: list[str] = []
    shown: tuple[list[str], Any] = [], None
    while True:
        users = [(node, i) for node in recording.nodes for i, p in enumerate(node) if p is vertex]
        if len(users) != 1 or users[0][0] not in cotangents:
            break
        node, position = users[0]
        implied, overdetermined = _implied(recording, node, position, numbers, rtol)
        if implied is None:
            break
        passed.append(node.op.name)
        if overdetermined:
            shown = [*passed], node
        vertex, numbers = node, implied
    text = f"The gradient of {name} is wrong, but not by a mistake that is recognised."
    good, last = shown
    if not good:
        return text
    factors = " and ".join(dict.fromkeys(good))
    where = called(recording, last)
    where = f"({where.strip('`')})" if where.startswith("`") else where
    return f"{text} Its factors from {factors} agree, but not with ∂L/∂{where}."


def _implied(recording: RecordedLoss, node: Node, position: int, numbers: Array,
             rtol: float) -> tuple[Array | None, bool]:
    """Return the cotangent of a node for which its rule gives `numbers`; None unless there is one.

    And whether most numbers have none, so that this says something about them.
    """
    shape = recording.value(node).shape
    size = math.prod(shape)
    if size > LARGEST_SYSTEM or node.op.outputs > 1:
        return None, False
    units = np.eye(size).reshape(size, *shape)
    columns = [recording.share(node, position, unit).ravel() for unit in units]
    matrix = np.stack(columns, axis=1).astype(float)
    target = numbers.astype(float).ravel()
    if not (np.isfinite(matrix).all() and np.isfinite(target).all()):
        return None, False
    solution, _, rank, _ = np.linalg.lstsq(matrix, target, rcond=1e-8)
    if np.abs(matrix @ solution - target).max() > max(rtol, 1e-6) * np.abs(target).max(initial=0):
        return None, False
    if rank < size:
        return None, False  # one of many
    return np.asarray(solution.reshape(shape)), bool(rank < target.size)
