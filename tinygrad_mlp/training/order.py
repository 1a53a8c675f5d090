"""The order in which the epochs of a training visit its samples, and the place reached in it."""

from __future__ import annotations

from typing import Any

from tinygrad_mlp.autograd.graph import Array


class SampleOrder:
    """The order of the samples in each epoch, and how many of them have been visited.

    Args:
        n: the number of samples.
        rng: the generator that draws a new order for each epoch; None for the order as given.

    Attributes:
        epochs: the number of epochs that are done.
        samples: the number of samples of the present epoch that are done.

    >>> order = SampleOrder(5, None)
    >>> order.begin()
    >>> order.rows(0, 2)
    slice(0, 2, None)
    """

    def __init__(self, n: int, rng: Any) -> None:
        self.n, self.rng = n, rng
        self.epochs = 0
        self.samples = 0
        self._drawn_from: Any = None  # the generator's state before it drew the present order
        self._drawn: Array | None = None

    def begin(self) -> None:
        """Draw the order of the present epoch, or draw it again after resuming within the epoch."""
        if self.rng is None:
            return
        bits = self.rng.bit_generator
        now = bits.state
        if self._drawn_from is None:
            self._drawn_from = now
            self._drawn = self.rng.permutation(self.n)
            return
        bits.state = self._drawn_from
        self._drawn = self.rng.permutation(self.n)
        bits.state = now

    def rows(self, start: int, stop: int) -> Any:
        """Return the index of the samples between two places of the order."""
        stop = min(stop, self.n)
        return slice(start, stop) if self._drawn is None else self._drawn[start:stop]

    def end_epoch(self) -> None:
        """Go to the beginning of the next epoch."""
        self.epochs += 1
        self.samples, self._drawn_from = 0, None

    def state_dict(self) -> dict[str, Any]:
        """Return the place that has been reached."""
        return {
            "epochs": self.epochs, "samples": self.samples, "drawn_from": self._drawn_from
        }  # fmt: skip

    def load_state_dict(self, stored: dict[str, Any]) -> None:
        """Go to a place that `state_dict` has returned."""
        self.epochs, self.samples = stored["epochs"], stored["samples"]
        self._drawn_from = stored["drawn_from"]
