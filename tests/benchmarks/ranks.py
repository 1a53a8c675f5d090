"""Training by two processes, next to one process on one and on two BLAS threads.

The processes are started by ``mpiexec`` (extra mpi), each on its share of the cores.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import tinygrad_mlp as tg
from tests import child
from tests.benchmarks import targets
from tests.benchmarks.case import Case
from tinygrad_mlp.parallel.ranks import ALONE, Ranks
from tinygrad_mlp.training.running_means import RunningMeans

LAYERS = (784, 256, 10)
STEPS = 20
"""Steps of an epoch."""
TARGETS = targets.RANKS


def seconds_a_step(size: int, epochs: int, threads: int, ranks: Ranks) -> list[float]:
    """The seconds of each step in batches of so many."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(STEPS * size, LAYERS[0])).astype(np.float32)
    Y = np.eye(LAYERS[-1], dtype=np.float32)[rng.integers(0, LAYERS[-1], len(X))]
    layers = [tg.nn.Linear(a, b, rng=rng, dtype=np.float32)
              for a, b in zip(LAYERS[:-1], LAYERS[1:], strict=True)]
    model = tg.nn.Sequential(layers[0], tg.nn.Tanh(), layers[1])
    read: list[float] = []

    add = RunningMeans.add

    def reading(self: Any, *counted: Any) -> None:
        read.append(time.perf_counter())
        add(self, *counted)

    with mock.patch.object(RunningMeans, "add", reading):  # once a step, whatever its way
        tg.fit(model, tg.nn.softmax_cross_entropy, tg.optim.SGD(model.parameters(), 0.01), X, Y,
               epochs=epochs + 1, batch_size=size, record_every=0, threads=threads, block=1,
               ranks=ranks, rng=np.random.default_rng(0))
    return np.diff(read)[STEPS:].tolist()  # the first ones record a program


def of_child(size: int, epochs: int, threads: int, n: int) -> float:
    """The seconds a step of `n` processes on so many threads.

    A tenth of the steps are faster: a rank waits for the slower one, so that other work on the
    machine slows down two ranks more than one. The fastest steps are those without.
    """
    command = [sys.executable, "-m", "tests.benchmarks.ranks", size, epochs, threads, n]
    if n > 1:
        found = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        if found is None:
            raise ModuleNotFoundError("there is no mpiexec", name="mpi4py")
        command = [found, "-n", n, *command]
    done = child.run(command, stdout=child.PIPE, check=True, timeout=600,
                     env={**os.environ, "OMP_NUM_THREADS": str(threads),
                          "OPENBLAS_NUM_THREADS": str(threads)})
    times: list[float] = json.loads(done.stdout)
    return float(np.quantile(times, 0.1))


def measure(quick: bool) -> list[Case]:
    """Seconds a step, and the time of two ranks by half the time of one thread."""
    cases, losses = [], {}
    for size in (128, 512):
        found: dict[str, list[float]] = {}
        for _ in range(1 if quick else 5):
            for name, threads, n in (("one thread", 1, 1), ("two threads", 2, 1),
                                     ("two ranks", 1, 2)):
                found.setdefault(name, []).append(of_child(size, 5 if quick else 30, threads, n))
        least = {name: min(times) for name, times in found.items()}
        cases.append(Case(f"seconds a step, batch of {size}, float32", least, "s"))
        losses[f"time / half of one thread's, batch of {size}"] = (
            2 * least["two ranks"] / least["one thread"])
    return [*cases, Case(targets.TWO_RANKS, losses, "times")]


def main() -> None:
    """Measure in this process, which may be one of several."""
    size, epochs, threads, n = map(int, sys.argv[1:])
    ranks = tg.parallel.mpi() if n > 1 else ALONE
    times = seconds_a_step(size, epochs, threads, ranks)
    if ranks.rank == 0:
        print(json.dumps(times))


if __name__ == "__main__":
    main()
