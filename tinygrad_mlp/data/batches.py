"""The batches of an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from tinygrad_mlp.data.batch_source import BatchSource
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.support.checks import checked_rng, integer_at_least
from tinygrad_mlp.support.memory import check_memory

if TYPE_CHECKING:
    from numpy.typing import NDArray


@overload
def batches(n: int, batch_size: int, rng: np.random.Generator | None = ...
            ) -> Iterator[slice | NDArray[np.intp]]: ...


@overload
def batches(n: Iterable[object] | Callable[..., Iterable[object]], *,
            length: int | None = ...) -> BatchSource: ...


def batches(n: object, batch_size: int | None = None, rng: np.random.Generator | None = None, *,
            length: int | None = None) -> Any:
    """Return the indices of the batches of one epoch, or batches (x, y) as a source for `fit`.

    With ``m = batch_size`` there are ``ceil(n / m)`` batches; batch ``b`` holds the positions
    ``b m, ..., min((b + 1) m, n) - 1`` of the order, so the last one may be smaller. The order
    is ``0, ..., n - 1`` without `rng` and a new permutation with it.

    Of an iterable, or a function that returns one, a source is made that `fit`, `evaluate` and
    `predict` take in place of arrays. Its items are pairs (x, y) of arrays, or triples with the
    samples' weights, and it is run through once an epoch.

    Args:
        n: number of samples, at least 0; or batches: an iterable such as PyTorch's DataLoader, or a
            function. A function of one argument gets a generator for each epoch to draw its order
            from, which a resumed training draws again.
        batch_size: number of samples of a batch, at least 1.
        rng: generator of the permutation, which is drawn when `batches` is called. Without it the
            indices are slices, so that ``X[rows]`` is a view and copies nothing.
        length: batches an epoch, of a source that does not tell it; a longer one is cut there.

    Raises:
        InvalidArgumentError: `n` or `batch_size` is not such an integer, or `rng` is not a
            generator; or the batches can be run through only once.
        TooLargeError: the permutation would not fit into the memory.

    >>> X = np.array([10.0, 11.0, 12.0, 13.0, 14.0])
    >>> [X[rows].tolist() for rows in batches(5, 2)]
    [[10.0, 11.0], [12.0, 13.0], [14.0]]
    >>> [rows.tolist() for rows in batches(5, 2, np.random.default_rng(0))]
    [[2, 4], [3, 0], [1]]
    >>> def pieces(rng):
    ...     for rows in batches(5, 2, rng):
    ...         yield X[rows], 2 * X[rows]
    >>> batches(pieces, length=3).length
    3
    """
    if batch_size is None and rng is None and not isinstance(n, (int, np.integer)):
        return BatchSource(n, length)
    if length is not None:
        raise InvalidArgumentError(
            "batches: length is the number of batches that a source has. Got it together with a "
            "number of samples.")
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
