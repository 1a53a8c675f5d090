"""The batches of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_mlp.support.checks import checked_rng, integer_at_least
from tinygrad_mlp.support.memory import check_memory

if TYPE_CHECKING:
    from numpy.typing import NDArray


def batches(n: int, batch_size: int,
            rng: np.random.Generator | None = None) -> Iterator[slice | NDArray[np.intp]]:
    """Return the indices of the batches of one epoch, which visits each sample once.

    With ``m = batch_size`` there are ``ceil(n / m)`` batches; batch ``b`` holds the positions
    ``b m, ..., min((b + 1) m, n) - 1`` of the order, so the last one may be smaller. The order
    is ``0, ..., n - 1`` without `rng` and a new permutation with it.

    Args:
        n: number of samples, at least 0.
        batch_size: number of samples of a batch, at least 1.
        rng: generator of the permutation, which is drawn when `batches` is called. Without it the
            indices are slices, so that ``X[rows]`` is a view and copies nothing.

    Raises:
        InvalidArgumentError: `n` or `batch_size` is not such an integer, or `rng` is not a
            generator.
        TooLargeError: the permutation would not fit into the memory.

    >>> X = np.array([10.0, 11.0, 12.0, 13.0, 14.0])
    >>> [X[rows].tolist() for rows in batches(5, 2)]
    [[10.0, 11.0], [12.0, 13.0], [14.0]]
    >>> [rows.tolist() for rows in batches(5, 2, np.random.default_rng(0))]
    [[2, 4], [3, 0], [1]]
    """
    n = integer_at_least(0, n, "batches: n")
    batch_size = integer_at_least(1, batch_size, "batches: batch_size")
    starts = range(0, n, batch_size)
    # The checks above and the draw below happen at the call; a generator function would delay them
    # until the first batch is requested.
    if rng is None:
        return (slice(start, min(start + batch_size, n)) for start in starts)
    checked_rng(rng, "batches")
    check_memory(8 * n, f"batches: an order of {n} samples", "Take fewer samples.")
    order = rng.permutation(n)
    return (order[start : start + batch_size] for start in starts)
