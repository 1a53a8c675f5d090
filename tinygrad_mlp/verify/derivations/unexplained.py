"""Where a gradient that is wrong in no known way stops agreeing with the right one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.derivations.notation import names_in
from tinygrad_mlp.verify.derivations.replay import Recording

LARGEST_SYSTEM = 1_000
"""Size of the largest system of equations that is solved for a cotangent."""


def unexplained(
    name: str, recording: Recording, person: Array, rtol: float
) -> tuple[str, Any]:
    """Where a person's gradient stops agreeing: the smallest expression that it cannot come from.

    Going down from the parameter: if the numbers are what *some* cotangent of the next node would
    give, the factors so far are right, and the fault lies within that cotangent; and so on.

    Returns:
        The sentence, and the vertex it is about.
    """
    names = names_in(recording)
    _, cotangents = recording.replay()
    vertex: Any = recording.leaves[name]
    numbers = person
    good: list[str] = []
    while True:
        users = list(_users(recording, vertex))
        if len(users) != 1:
            break
        node, position = users[0]
        shape = recording.value(node).shape
        implied = _implied(recording, node, position, numbers, shape, rtol)
        if implied is None:
            break
        right = cotangents.get(node)
        if right is None or np.allclose(implied, right, rtol=1e-6, atol=0):
            break
        good.append(node.op.name)
        vertex, numbers = node, implied
    called = names.get(vertex, f"the result of {vertex.op.name}" if hasattr(vertex, "op") else name)
    if good:
        text = (
            f"The gradient of {name} is wrong in no single way that is known. Its factors from "
            f"{' and '.join(dict.fromkeys(good))} agree; it stops agreeing at ∂L/∂{called}."
        )
    else:
        text = (
            f"The gradient of {name} is wrong in no single way that is known, from its first "
            f"factor on: no value of the quantities behind it would give these numbers."
        )
    return text, vertex


def _users(recording: Recording, vertex: Any) -> Iterator[tuple[Any, int]]:
    for node in recording.nodes:
        for position, parent in enumerate(node):
            if parent is vertex:
                yield node, position


def _implied(
    recording: Recording, node: Any, position: int, numbers: Array, shape: tuple[int, ...],
    rtol: float,
) -> Array | None:  # fmt: skip
    """The cotangent of a node for which its rule would give `numbers`; None if there is none."""
    size = math.prod(shape)
    if size > LARGEST_SYSTEM or node.op.outputs > 1:
        return None
    columns = []
    for i in range(size):
        unit = np.zeros(size)
        unit[i] = 1
        columns.append(recording.share(node, position, unit.reshape(shape)).ravel())
    matrix = np.stack(columns, axis=1).astype(float)
    target = numbers.astype(float).ravel()
    solution, *_ = np.linalg.lstsq(matrix, target, rcond=None)
    if np.abs(matrix @ solution - target).max() > max(rtol, 1e-6) * np.abs(target).max(initial=0):
        return None
    return np.asarray(solution.reshape(shape))
