"""The arrays that the steps of a block read and write, and the loss that is computed from them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.program.executable import Executable
from tinygrad_mlp.program.instructions import Variable


class MeanLoss(NamedTuple):
    """A loss that is a mean over samples, so that a block's losses can be computed at once.

    Attributes:
        op: the operation.
        prediction: what it judges, a variable of the program.
        target: by what, a data input.
    """

    op: Any
    prediction: Variable
    target: Variable


def loss_over_samples(runner: Executable) -> MeanLoss | None:
    """The loss of a step, where it is a mean over samples of a prediction and data."""
    simplified = runner.simplified
    computed = {r for line in simplified.instructions for r in line.results}
    for line in runner.recorded.instructions:
        of_samples = "target" in line.op.arrays and line.static.get("reduction") == "mean"
        if of_samples and line.results[0] in runner.recorded.results:
            prediction, target = line.operands
            if prediction in computed and target in simplified.inputs:
                if target.label.kind == "data" and len(prediction.shape) == 2:
                    return MeanLoss(line.op, prediction, target)
    return None


class Memory:
    """The arrays of a block of so many steps, and their parts for each step.

    Attributes:
        D: the derivatives at the pre-activations; before a step, its pre-activation but for the
            changes of the weight within the block. Shape (rows, m).
        M: ``k X Xᵀ``, shape (rows, rows).
        predictions: what the loss judges, shape (rows, …), or None.
    """

    def __init__(self, steps: int, batch: int, z: Variable, loss: MeanLoss | None) -> None:
        rows = steps * batch
        self.D: Array = np.empty((rows, z.shape[1]), z.dtype)
        self.M: Array = np.empty((rows, rows), z.dtype)
        starts = range(0, rows, batch)
        with_own = 1 if batch == 1 else 0
        self._parts: list[list[Any]] = [
            [self.M[i : i + batch, : i + with_own] for i in starts],
            [self.D[: i + with_own] for i in starts],
            [self.D[i : i + batch] for i in starts],
        ]
        self.predictions: Array | None = None
        if loss is not None:
            shape = loss.prediction.shape
            predictions = np.empty((rows, *shape[1:]), loss.prediction.dtype)
            self.predictions = predictions
            self._parts.append([predictions[i : i + batch] for i in starts])

    def rows(self) -> list[Any]:
        """The parts, a list for each array."""
        return list(self._parts)
