"""The processes of a training, and the four ways in which they speak to each other."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError, MissingToolError


class Ranks:
    """The processes that train a model together, each known by its number, its rank.

    All of them call the methods below in the same order: each waits for the others.

    Args:
        communicator: an MPI communicator of mpi4py; None for one process alone.

    Attributes:
        rank: the number of this process, from 0.
        size: the number of processes.
        threads: the BLAS threads for each of several processes: the cores of its machine, shared
            by the ranks on it; None for one process, which may use all.

    >>> alone = Ranks()
    >>> alone.rank, alone.size
    (0, 1)
    """

    def __init__(self, communicator: Any = None) -> None:
        self._communicator = communicator
        self.rank: int = 0 if communicator is None else communicator.Get_rank()
        self.size: int = 1 if communicator is None else communicator.Get_size()
        self.threads = None if self.size == 1 else self._threads()

    def __repr__(self) -> str:
        return f"Ranks(rank {self.rank} of {self.size})"

    def sum(self, array: Array) -> Array:
        """Return the sum of an array over all ranks, the same bits on each."""
        if self.size == 1:
            return array
        total = np.empty_like(array)
        self._communicator.Allreduce(array, total)
        return total

    def share(self, value: Any) -> Any:
        """Return the value of rank 0; on rank 0, that very object."""
        return value if self.size == 1 else self._communicator.bcast(value)

    def all(self, value: Any) -> list[Any]:
        """Return the values of all ranks, in their order."""
        return [value] if self.size == 1 else list(self._communicator.allgather(value))

    def part(self, n: int) -> tuple[int, int]:
        """Return where this rank's part of `n` samples begins and ends.

        >>> Ranks().part(5)
        (0, 5)
        """
        return self.rank * n // self.size, (self.rank + 1) * n // self.size

    def _threads(self) -> int:
        """Return the cores for this rank; each may be bound to some, or all may use the same."""
        import socket

        host, own = socket.gethostname(), _cores()
        local = [cores for name, cores in self.all((host, own)) if name == host]
        return max(1, min(len(own), len(set().union(*local)) // len(local)))

    @contextmanager
    def agreement(self, who: str) -> Iterator[dict[str, object]]:
        """Let a block succeed on all ranks or on none.

        The block fills the dict that it is given with what must be the same everywhere.

        Args:
            who: the function, as messages begin.

        Raises:
            InvalidArgumentError: the block raised an error on another rank, or the ranks differ.
        """
        facts: dict[str, Any] = {}
        if self.size == 1:
            yield facts
            return
        error: BaseException | None = None
        try:
            yield facts
        except BaseException as raised:
            error = raised
        found = self.all((None if error is None else f"{type(error).__name__}: {error}", facts))
        if error is not None:
            raise error
        for rank, (message, others) in enumerate(found):
            if message is not None:
                raise InvalidArgumentError(f"{who}: rank {rank} cannot begin: {message}")
            for name, value in found[0][1].items():
                if others.get(name) != value:
                    raise InvalidArgumentError(
                        f"{who}: all ranks must begin alike. Got {name}: {value} on rank 0, "
                        f"{others.get(name)} on rank {rank}. Pass the same arguments on every "
                        f"rank, and draw initial weights from one seed.")

    @contextmanager
    def bound_together(self) -> Iterator[None]:
        """End all ranks, with the traceback, where an error leaves the block on one of them.

        The others wait for this rank, and would do so for ever.
        """
        try:
            yield
        except BaseException:
            if self.size > 1:
                sys.stdout.flush()
                told = sys.__stderr__ or sys.stderr  # also where a program has redirected it
                traceback.print_exc(file=told)
                print(f"Rank {self.rank} ends all {self.size} ranks.", file=told, flush=True)
                self._communicator.Abort(1)
            raise


ALONE = Ranks()
"""One process, without others."""


def mpi(communicator: Any = None) -> Ranks:
    """Return the processes that ``mpiexec`` has started, as the `ranks` of `fit`.

    Every process runs the whole program; `fit` gives each of them its part of every batch.

    Args:
        communicator: a communicator of mpi4py with the processes to use; all by default.

    Raises:
        MissingToolError: mpi4py is not installed, or finds no MPI library.

    >>> import tinygrad_mlp as tg
    >>> ranks = tg.parallel.mpi()  # doctest: +SKIP
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise MissingToolError(
            f"parallel.mpi() needs mpi4py and an MPI library ({error}). Install both with the "
            f"extra: pip install 'tinygrad_mlp[mpi]'. Without, fit trains in one "
            f"process.") from None
    return Ranks((communicator or MPI.COMM_WORLD).Dup())


def checked_ranks(ranks: object, who: str) -> Ranks:
    """Return the ranks given to a function, `ALONE` for None, or raise an error."""
    if ranks is None:
        return ALONE
    if not isinstance(ranks, Ranks):
        raise InvalidArgumentError(
            f"{who}: ranks must come from tg.parallel.mpi(). Got {type(ranks).__name__}.")
    return ranks


def _cores() -> set[int]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))
