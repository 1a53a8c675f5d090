"""Ranks that are threads of one process: quick, and without MPI."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from tinygrad_mlp.parallel import Ranks

SECONDS = 60


class Threads:
    """The state that the communicators of so many threads share."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.values: list[Any] = [None] * n
        self.barrier = threading.Barrier(n, timeout=SECONDS)


class Communicator:
    """The methods of mpi4py's communicators that `Ranks` uses, for one thread."""

    def __init__(self, team: Threads, rank: int) -> None:
        self.team, self.rank = team, rank

    def Get_rank(self):
        return self.rank

    def Get_size(self):
        return self.team.n

    def allgather(self, value):
        self.team.values[self.rank] = value
        self.team.barrier.wait()
        found = list(self.team.values)
        self.team.barrier.wait()
        return found

    def bcast(self, value):
        return self.allgather(value)[0]

    def Allreduce(self, own, total):
        total[...] = np.sum(self.allgather(own), axis=0)

    def Abort(self, code):
        self.team.barrier.abort()


def by_threads(n: int, work: Callable[[Ranks], Any]) -> list[Any]:
    """Return what `work` returns for each of `n` ranks, or raise the error of one of them."""
    team = Threads(n)
    with ThreadPoolExecutor(n) as pool:
        done = [pool.submit(lambda rank=rank: work(Ranks(Communicator(team, rank))))
                for rank in range(n)]
    errors = [future.exception() for future in done if future.exception() is not None]
    # Of the others, only that they wait in vain.
    errors.sort(key=lambda error: isinstance(error, threading.BrokenBarrierError))
    if errors:
        raise errors[0]
    return [future.result() for future in done]
