"""The arrays of a block of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.program.deferred.pattern import MeanLoss
from tinygrad_mlp.program.instructions import Variable


class StepRows:
    """The arrays that the steps of a block read and write, each step its own rows.

    Attributes:
        D: the derivatives at the pre-activations; before a step, its pre-activation except for the
            changes of the weight within the block. Shape (rows, m).
        M: ``k X Xᵀ``, shape (rows, rows).
        predictions: the predictions that the loss is computed from, shape (rows, …), or None.
        parts: for each array that a step uses, the part of every step.
    """

    def __init__(self, steps: int, batch: int, z: Variable, loss: MeanLoss | None) -> None:
        rows = steps * batch
        self.D: Array = np.empty((rows, z.shape[1]), z.dtype)
        self.M: Array = np.empty((rows, rows), z.dtype)
        starts = range(0, rows, batch)
        with_own = 1 if batch == 1 else 0
        self.parts: list[list[Any]] = [
            [self.M[i : i + batch, : i + with_own] for i in starts],
            [self.D[: i + with_own] for i in starts],
            [self.D[i : i + batch] for i in starts],
        ]
        self.predictions: Array | None = None
        if loss is not None:
            shape = loss.prediction.shape
            predictions = np.empty((rows, *shape[1:]), loss.prediction.dtype)
            self.predictions = predictions
            self.parts.append([predictions[i : i + batch] for i in starts])


class ParameterArrays:
    """The arrays of parameters and states that a block may write into.

    A block works on copies, since it must leave everything as it is until its losses are known to
    be finite. Two arrays for each parameter take turns.
    """

    def __init__(self) -> None:
        self._ours: dict[Variable, Array] = {}
        self._spare: dict[Variable, Array] = {}

    def release(self) -> None:
        """Write to no array that has been handed out until now: someone may hold it."""
        self._ours.clear()
        self._spare.clear()

    def own(self, variable: Variable) -> Array:
        """Return the array of a deferred parameter, copied if it is not ours to write into."""
        array = variable.label.get()
        if array is not self._ours.get(variable):
            self._ours[variable] = np.array(array, order="C")
        return self._ours[variable]

    def copy_of(self, variable: Variable) -> Array:
        """Return a copy of the array of a parameter or state, to write into."""
        value = variable.label.get()
        spare = self._spare.pop(variable, None)
        if spare is None:
            return np.array(value, order="C")
        np.copyto(spare, value)
        return spare

    def hand_out(self, put: Callable[[Any], None], target: Variable | None, value: Any) -> None:
        """Put a new value in its place, and keep the array that was there for the next block."""
        if target is not None and isinstance(value, np.ndarray):
            ours = self._ours.get(target)
            if ours is not None and target.label.get() is ours:
                self._spare[target] = ours
            self._ours[target] = value
        put(value)
