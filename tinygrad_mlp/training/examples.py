"""The examples that `fit` trains and evaluates on, checked, and handed out by the batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.data.rows import PIECE, rows_in
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.parallel.ranks import Ranks
from tinygrad_mlp.training.checked_data import (
    as_source,
    check_lengths,
    checked_source,
    class_numbers,
    is_one_hot,
)
from tinygrad_mlp.training.run import SampleOrder
from tinygrad_mlp.training.weights import combined_weights, counted

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

EVALUATION_ROWS = 1000
"""Rows evaluated at a time: enough to fill a matrix product, few enough to stay in the cache."""

Batch = tuple[Array, ...]
"""Inputs and targets of some samples, and their weights where samples have any."""


class Examples:
    """Checked data: X and Y are finite numbers of two dtypes, with a target for each input.

    `classes` says whether the targets are one-hot rows that outputs of the model are judged by.
    `weight` holds the samples' weights, or is None; samples of weight 0 are left out. For the data
    that are not trained on, `part` is "validation ", for messages and for the names of the
    `arrays`. Where a model and a loss have been `tried` on such data before, they are not tried
    again, and no accuracy is recorded.
    """

    def __init__(self, X: Any, Y: Any, dtypes: tuple[DTypeLike, DTypeLike], part: str = "",
                 weight: Array | None = None, precise: DTypeLike = np.float64,
                 tried: bool = False) -> None:
        X, Y = as_source(X, f"fit: {part}X"), as_source(Y, f"fit: {part}Y")
        check_lengths(X, Y, f"fit: {part}X", f"{part}Y")
        X, Y, weight = counted(X, Y, weight)
        self.X = checked_source(X, f"fit: {part}X", dtypes[0])
        self.Y = checked_source(Y, f"fit: {part}Y", dtypes[1])
        self.weight, self.dtypes, self.precise = weight, dtypes, precise
        self.arrays = {f"{part}X": self.X, f"{part}Y": self.Y}
        if weight is not None:
            self.arrays[f"{part}sample_weight"] = weight
        self.tried = tried
        self.classes = not tried and is_one_hot(self.Y)

    any_size = False  # all batches have the same size, but for the last

    def __len__(self) -> int:
        return len(self.X)

    @classmethod
    def of_validation(cls, validation: object, dtypes: tuple[DTypeLike, DTypeLike],
                      precise: DTypeLike, weighted: bool) -> Examples | None:
        """Return the validation data of `fit`, checked; None without any.

        Where the training is `weighted`, they have weights, too: 1 if they are given none.
        """
        if validation is None:
            return None
        if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
            raise InvalidArgumentError(
                f"fit: validation must be a pair (X, Y), or (X, Y, sample_weight). Got "
                f"{type(validation).__name__}.")
        X, Y = (as_source(a, f"fit: validation {name}")
                for a, name in zip(validation[:2], "XY", strict=True))
        own = validation[2] if len(validation) == 3 else None
        if own is None and weighted:
            own = np.ones(len(X))
        weight = combined_weights(Y, own, None, precise, "fit: validation ")
        return cls(X, Y, dtypes, "validation ", weight)

    def batch(self, rows: slice | Array) -> Batch:
        """Return the samples of an index: the arguments of the model and of the loss."""
        if self.weight is None:
            return self.X[rows], self.Y[rows]
        return self.X[rows], self.Y[rows], self.weight[rows]

    def weight_of(self, rows: slice | Array) -> float:
        """Return by how much samples count: their number, or the sum of their weights."""
        if self.weight is None:
            return SampleOrder.length(rows)
        return float(self.weight[rows].sum(dtype=np.float64))

    def order(self, rng: np.random.Generator | None, by_chunks: bool) -> SampleOrder:
        """Return the order of the samples, at the beginning of the first epoch."""
        chunk = rows_in(PIECE, self.X) if by_chunks else None
        return SampleOrder(len(self), rng, chunk)

    def sizes(self, batch_size: int) -> dict[int, float]:
        """Return how many batches of a size there are in an epoch."""
        whole, rest = divmod(len(self), batch_size)
        return {batch_size: whole, rest: 1}

    def example(self, size: int) -> Batch:
        """Return a batch of so many samples."""
        return self.batch(slice(0, size))

    def batches(self, ranks: Ranks) -> Iterator[Batch]:
        """Return the samples of this rank, as many at a time as are evaluated together."""
        start, stop = ranks.part(len(self))
        return (self.batch(slice(begin, min(begin + EVALUATION_ROWS, stop)))
                for begin in range(start, stop, EVALUATION_ROWS))

    def class_numbers(self) -> Array:
        """Return the number of each sample's class; the targets must be one-hot."""
        return class_numbers(self.Y)
