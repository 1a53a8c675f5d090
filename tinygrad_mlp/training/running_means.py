"""The running means of a training's steps: what `fit` records of the training data by default."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array


def number_right(right: Array, weight: Array | None = None) -> float:
    """Return how many samples are right, or the sum of their weights."""
    return float(np.count_nonzero(right) if weight is None else
                 weight.sum(where=right, dtype=np.float64))


class RunningMeans:
    """The mean loss and the accuracy over the steps since they were last taken.

    Each step counts with the weights that it started from, and the model is in training mode.
    `classes` are the numbers of the samples' classes; None where there is no accuracy. `weight`
    holds the samples' weights, if they have any.

    >>> means = RunningMeans(np.array([0, 1, 1]))
    >>> means.add(0.25, 2, slice(0, 2), np.array([[0.9, 0.1], [0.2, 0.8]]))
    >>> means.add(1.0, 1, slice(2, 3), np.array([[0.6, 0.4]]))
    >>> means.take()
    (0.5, 0.6666666666666666)
    """

    def __init__(self, classes: Any = None, weight: Any = None) -> None:
        self.classes, self.weight = classes, weight
        self._total, self._samples, self._right = 0.0, 0.0, 0.0

    def add(self, loss: float, samples: float, rows: Any, output: Any) -> None:
        """Add a step: its mean loss, the number of samples (or the sum of weights), rows, outputs.

        `output` may also be the number of samples that are right, as a float.
        """
        self._total += loss * samples
        self._samples += samples
        if isinstance(output, float):
            self._right += output
        elif self.classes is not None:
            right = output.argmax(axis=1) == self.classes[rows]
            self._right += number_right(
                right, None if self.weight is None else self.weight[rows])

    @property
    def loss(self) -> float:
        """The mean loss so far, NaN before the first sample."""
        return self._total / self._samples if self._samples else math.nan

    def take(self) -> tuple[float, float | None]:
        """Return the mean loss and the accuracy, and begin anew."""
        loss, accuracy = self._total / self._samples, self._right / self._samples
        self._total, self._samples, self._right = 0.0, 0.0, 0.0
        return loss, None if self.classes is None else accuracy

    def state_dict(self) -> dict[str, Any]:
        """Return the sums."""
        return {"total": self._total, "samples": self._samples, "right": self._right}

    @staticmethod
    def fits(stored: object) -> bool:
        """Return whether `load_state_dict` can take over a state."""
        kinds = {"total": float, "samples": float, "right": float}
        return isinstance(stored, Mapping) and {k: type(v) for k, v in stored.items()} == kinds

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        """Go on from the sums that `state_dict` has returned."""
        self._total, self._samples = stored["total"], stored["samples"]
        self._right = stored["right"]
