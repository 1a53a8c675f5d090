"""Kinks inside of a function: operations that stand exactly where they have no derivative.

A kink of the function itself shows in its numbers. But ``|x|²`` has none at 0, nor has
``relu(x) − relu(−x)``; what automatic differentiation makes of them there depends on the
convention of an operation (the slope 0 for |x|), and may be anything.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd.backward import ancestors
from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.verify.gradients.probe import Probe
from tinygrad_mlp.verify.gradients.rounding import several
from tinygrad_mlp.verify.gradients.sizes import random_direction

STEPS = 2.0**-14, 2.0**-20


def operation_at_kink(probe: Probe, rng: np.random.Generator) -> str:
    """The name of the first operation in the graph that stands at a kink or a jump; "" for none."""
    outputs = probe.record(probe.point).outputs
    roots = [v.node for v in outputs if isinstance(v, Value) and v.node is not None]
    return next((node.op.name for node in ancestors(roots) if _stands_at_kink(node, rng)), "")


def _stands_at_kink(node: Node, rng: np.random.Generator) -> bool:
    """Whether the sides of the operation's graph differ in slope, or value, in some direction."""
    arrays = node.arrays or ()
    moving = [i for i, parent in enumerate(node) if parent is not None]
    directions = {i: random_direction(np.asarray(arrays[i]), rng) for i in moving}

    def value(t: float) -> Array:
        moved: list[Any] = list(arrays)
        for i, v in directions.items():
            moved[i] = np.asarray(moved[i] + t * v, dtype=arrays[i].dtype)
        outs = several(node.op.forward(*moved, **node.static))
        return np.concatenate([np.ravel(out) for out in outs])

    here = value(0.0)
    gaps, jumps, size = [], [], np.abs(here)
    for t in STEPS:
        up, down = value(t) - here, here - value(-t)
        size = np.fmax(size, np.fmax(np.abs(up), np.abs(down)))
        gaps.append(np.abs(up - down) / t)
        jumps.append(np.abs(up + down))
    eps = float(np.finfo(here.dtype).eps)
    floor = 64 * eps * np.max(size, initial=0, where=np.isfinite(size))
    # Where all is smooth, both shrink with t, by a factor of 64.
    kink = (gaps[1] > 0.5 * gaps[0]) & (gaps[1] > floor / STEPS[1])
    jump = (jumps[1] > 0.5 * jumps[0]) & (jumps[1] > floor)
    return bool((kink | jump).any())
