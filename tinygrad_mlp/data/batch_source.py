"""Batches that come one after the other, from an iterable or a generator function."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.support.checks import integer_at_least

if TYPE_CHECKING:
    from numpy.random import Generator


class BatchSource:
    """The batches of each epoch, in place of arrays in `fit`, `evaluate` and `predict`.

    It is made by `batches`.

    Attributes:
        length: the number of batches in an epoch, None where it is not known.
        shuffles: whether the source is a function of a generator, which draws the order.

    >>> source = BatchSource(lambda: iter([1, 2, 3]), length=2)
    >>> list(source.epoch())
    [1, 2]
    """

    def __init__(self, source: Any, length: int | None = None) -> None:
        _refuse_what_are_no_batches(source)
        self._source = source
        self.shuffles = _takes_a_generator(source)
        if length is None:
            self.length = _known_length(source)
        else:
            self.length = integer_at_least(1, length, "batches: length")

    def __repr__(self) -> str:
        return f"BatchSource({self._source!r}, length={self.length})"

    @cached_property
    def first(self) -> Any:
        """The first batch, which is read once, to see what batches are like."""
        for batch in self.epoch(np.random.default_rng(0)):
            return batch
        raise InvalidArgumentError(f"batches: there must be at least one batch. Got none from "
                                   f"{self._source!r}.")

    def epoch(self, rng: Generator | None = None) -> Iterator[Any]:
        """Return the batches of an epoch, from the start.

        Args:
            rng: the generator for a source that `shuffles`.
        """
        source = self._source
        if isinstance(source, Iterable):
            found: Iterable[Any] = source
        else:
            found = source(rng) if self.shuffles else source()
        return islice(found, self.length)


def _refuse_what_are_no_batches(source: object) -> None:
    """Raise an error for what cannot be run through once an epoch."""
    if hasattr(source, "__next__"):
        raise InvalidArgumentError(
            f"batches: a {type(source).__name__} can be run through only once, and each epoch "
            f"needs its own. Pass the function that makes it, without calling it.")
    single = isinstance(source, (str, bytes, Mapping)) or hasattr(source, "dtype")
    if single or not (isinstance(source, Iterable) or callable(source)):
        raise InvalidArgumentError(
            f"batches: expected a number of samples, or an iterable of batches (x, y), or a "
            f"function that returns one. Got {type(source).__name__}. Arrays are passed to fit as "
            f"they are.")


def _takes_a_generator(source: Any) -> bool:
    """Return whether a function of batches takes a generator of random numbers."""
    if isinstance(source, Iterable):
        return False
    try:
        parameters = inspect.signature(source).parameters.values()
    except ValueError:  # of some functions in C
        return False
    needed = [p for p in parameters if p.default is p.empty
              and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if len(needed) > 1 or any(p.kind is p.KEYWORD_ONLY for p in needed):
        names = ", ".join(p.name for p in needed)
        raise InvalidArgumentError(
            f"batches: the function must take nothing, or a generator of random numbers that "
            f"draws the order. Got one of ({names}). Fix the others by functools.partial.")
    return len(needed) == 1


def _known_length(source: object) -> int | None:
    """Return the number of batches where the source tells it."""
    if not hasattr(source, "__len__"):
        return None
    try:
        return len(source)
    except TypeError:  # PyTorch's DataLoader of an IterableDataset
        return None
