"""Examples that come batch by batch, from `data.batches`, and the place that is reached in them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.data.batch_source import BatchSource
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.support.safetensors_file import fingerprint
from tinygrad_mlp.training.checked_data import (
    as_source,
    check_lengths,
    checked_numbers,
    is_one_hot,
)
from tinygrad_mlp.training.examples import Batch, Examples
from tinygrad_mlp.training.run import SampleOrder
from tinygrad_mlp.training.weights import checked_weight, total_weight

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from tinygrad_mlp.parallel.ranks import Ranks


def parts_of(batch: object, name: str) -> list[Any]:
    """Return the arrays of a batch (x, y) or (x, y, weight) as they are."""
    if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
        size = f" of {len(batch)}" if isinstance(batch, (tuple, list)) else ""
        raise InvalidArgumentError(
            f"{name} must be a pair (x, y), or (x, y, sample_weight). Got "
            f"{type(batch).__name__}{size}.")
    return [np.asarray(part) if hasattr(part, "__array__") else part for part in batch]


class BatchExamples:
    """Checked batches of a source, in place of `Examples`; their rows are lists of batches here.

    Inputs and targets are converted to two dtypes, weights to that of the parameters, `precise`. If
    `weighted`, batches without weights get weights of 1; None leaves that to the first batch.
    """

    def __init__(self, source: BatchSource, dtypes: tuple[DTypeLike, DTypeLike], precise: DTypeLike,
                 part: str = "", weighted: bool | None = None, who: str = "fit") -> None:
        self.source, self.dtypes, self.precise = source, dtypes, precise
        self.name = f"{who}: {part}"
        first = parts_of(source.first, f"{self.name}batch 0")
        self.weighted = len(first) == 3 if weighted is None else weighted
        found = self.checked(first, 0)
        if found is None:
            raise InvalidArgumentError(
                f"{self.name}batch 0: at least one weight must be above 0. Got only zeros.")
        self.first: Batch = found
        self.weight = _OfBatches(lambda batch: batch[2]) if self.weighted else None
        self.classes = is_one_hot(self.first[1])
        # What all batches share: their samples may differ from epoch to epoch.
        self.arrays = {f"{part}X": self.first[0][:0], f"{part}Y": self.first[1][:0]}

    def checked(self, batch: object, number: int) -> Batch | None:
        """Return a batch, converted, without samples of weight 0; None if there are no others."""
        name = f"{self.name}batch {number}"
        x, y, *own = parts_of(batch, name)
        x, y = as_source(x, f"{name}: X"), as_source(y, f"{name}: Y")
        check_lengths(x, y, f"{name}: X", "Y")
        if own and not self.weighted:
            raise InvalidArgumentError(f"{name} has weights, and the first batch has none.")
        weight = None
        if self.weighted:
            given = own[0] if own else np.ones(len(x))
            weight = checked_weight(given, len(x), f"{name}: sample_weight").astype(self.precise)
            if not weight.all():
                kept = np.flatnonzero(weight)
                x, y, weight = x[kept], y[kept], weight[kept]
            if not len(weight):
                return None
        arrays = (checked_numbers(a, f"{name}: {which}", dtype)
                  for a, which, dtype in zip((x, y), "XY", self.dtypes, strict=True))
        return (*arrays,) if weight is None else (*arrays, weight)

    def epoch(self, rng: np.random.Generator | None) -> Iterator[Batch]:
        """Return the checked batches of an epoch."""
        for number, batch in enumerate(self.source.epoch(rng)):
            found = self.checked(batch, number)
            if found is not None:
                yield found

    # -- as `Examples` -------------------------------------------------------------------------

    tried = False  # with a model and a loss
    any_size = True  # a checkpoint may hold programs for batches of any size

    def order(self, rng: np.random.Generator | None, by_chunks: bool) -> BatchOrder:
        """Return the place in the batches."""
        return BatchOrder(self.source.length, rng, self.epoch)

    def sizes(self, batch_size: int) -> dict[int, float]:
        """Return how many batches of a size there are in an epoch; many if that is not known."""
        return {len(self.first[0]): self.source.length or math.inf}

    def batch(self, rows: list[Batch]) -> Batch:
        """Return the samples of a list of one batch."""
        return rows[0]

    def example(self, size: int) -> Batch:
        """Return a batch of so many samples, those of the first one repeated."""
        some = np.arange(size) % len(self.first[0])
        return tuple(a[some] for a in self.first)

    def weight_of(self, rows: list[Batch]) -> float:
        """Return by how much samples count: their number, or the sum of their weights."""
        return sum(total_weight(targets) for _, *targets in rows)

    def batches(self, ranks: Ranks) -> Iterator[Batch]:
        """Return all batches, one by one, in any order."""
        return self.epoch(np.random.default_rng(0))

    def class_numbers(self) -> Any:
        """Return what gives the numbers of the classes of a list of batches."""
        return _OfBatches(lambda batch: batch[1].argmax(axis=1))


class _OfBatches:
    """An array for each batch, which is read by lists of batches."""

    def __init__(self, read: Callable[[Batch], Array]) -> None:
        self.read = read

    def __getitem__(self, rows: list[Batch]) -> Array:
        return np.concatenate([self.read(batch) for batch in rows])


class BatchOrder(SampleOrder):
    """The place in batches that come one after the other; places and lengths count batches.

    `n` is the number of batches in an epoch, infinity where it is not known. `epoch` returns the
    batches of an epoch, from a generator drawn from `rng` for this epoch alone.
    """

    def __init__(self, length: int | None, rng: np.random.Generator | None,
                 epoch: Callable[[Any], Iterator[Batch]]) -> None:
        self._length, self._epoch = length or math.inf, epoch
        super().__init__(self._length, rng)
        self._last: Batch | None = None
        self._expected: str | None = None  # the fingerprint of the last batch before a checkpoint

    def unit(self, batch_size: int) -> int:
        """Return the length of a batch: one."""
        return 1

    def _draw(self) -> Iterator[Batch]:
        seed = None if self.rng is None else self.rng.integers(2**63, size=2)
        batches = self._epoch(None if seed is None else np.random.default_rng(seed))
        for batch in islice(batches, self.samples):  # taken before the training was resumed
            self._last = batch
        if self._expected is not None and self._expected != self._fingerprint():
            warnings.warn(
                "fit: the batches are not those of the training that is resumed, and the result "
                "will differ from that of a training in one go. Let the order depend on the "
                "generator that data.batches passes to a function.", UserWarning, stacklevel=6)
        self._expected = None
        return batches

    def rows(self, start: int, stop: int) -> list[Batch] | None:
        """Return the next batches, None after the last one of the epoch."""
        found = list(islice(self._drawn, stop - start))
        if len(found) < stop - start and start + len(found) < self.n:
            self.n = start + len(found)
            if self._length < math.inf:
                warnings.warn(
                    f"fit: an epoch had {self.n} batches, fewer than its length of "
                    f"{self._length}.", UserWarning, stacklevel=4)
                self._length = self.n
        if not found:
            return None
        self._last = found[-1]
        return found

    def end_epoch(self) -> None:
        """Go to the beginning of the next epoch."""
        super().end_epoch()
        self.n, self._last = self._length, None

    def _fingerprint(self) -> str | None:
        return None if self._last is None else " ".join(fingerprint(a) for a in self._last)

    def state_dict(self) -> dict[str, Any]:
        """Return the place that has been reached, and what tells the last batch."""
        return super().state_dict() | {"last": self._fingerprint()}

    def load_state_dict(self, stored: dict[str, Any]) -> None:
        """Go to a place that `state_dict` has returned."""
        super().load_state_dict(stored)
        self._expected = stored["last"] if self.samples else None


Data = Examples | BatchExamples
"""What `fit` trains on."""
