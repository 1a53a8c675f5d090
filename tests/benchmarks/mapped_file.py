"""What an epoch on a mapped file reads from the disk where the memory cannot hold the file.

The system is told to forget the file's pages whenever 64 MiB of samples have been taken, as it does
by itself with files that are much larger than the memory.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path

import numpy as np

import tinygrad_mlp as tg
from tests.benchmarks import targets
from tests.benchmarks.case import Case

FEATURES, BATCH = 1024, 512  # 2 MiB in float32
ROWS, QUICK_ROWS = 160 * BATCH, 64 * BATCH
FORGOTTEN_AFTER = 32  # steps
TARGETS = targets.READS
COUNTS = Path("/proc/self/io")  # of Linux


class Disk(tg.callbacks.Callback):
    """Counts the bytes that a training reads from a mapped file."""

    def __init__(self, path: Path, mapped: np.memmap) -> None:
        self.path, self.mapped = path, mapped

    def forget(self) -> None:
        """Let no page of the file be in memory."""
        self.mapped._mmap.madvise(mmap.MADV_DONTNEED)
        with open(self.path, "rb") as file:
            os.fsync(file)
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def on_start(self, run) -> None:
        self.forget()
        self.before = self.count()

    def on_step(self, run) -> None:
        if (run.iteration + 1) % FORGOTTEN_AFTER == 0:
            self.forget()

    def on_end(self, run) -> None:
        self.read = self.count() - self.before

    def count(self) -> int:
        lines = COUNTS.read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("read_bytes")).split()[1])


def times_read(shuffle: bool | str, rows: int) -> float:
    """How often an epoch reads the file, on average."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        with open(path, "wb") as file:
            for _ in range(0, rows, BATCH):
                rng.standard_normal((BATCH, FEATURES), np.float32).tofile(file)
        X = np.memmap(path, np.float32, "r", shape=(rows, FEATURES))
        model = tg.nn.Linear(FEATURES, 1, rng=rng, dtype=np.float32)
        disk = Disk(path, X)
        tg.fit(model, tg.nn.squared_error, tg.optim.SGD(model.parameters(), lr=1e-6), X,
               np.zeros((rows, 1)), epochs=1, batch_size=BATCH, shuffle=shuffle, rng=rng,
               callbacks=[disk])
        return disk.read / X.nbytes


def measure(quick: bool) -> list[Case]:
    """How often an epoch reads the file, by the order of the samples."""
    orders = {f"shuffle={shuffle!r}": shuffle for shuffle in (False, "chunks", True)}
    if not COUNTS.exists():
        return [Case(targets.READ, {}, "times", list(orders))]
    rows = QUICK_ROWS if quick else ROWS
    return [Case(targets.READ, {name: times_read(shuffle, rows)
                                for name, shuffle in orders.items()}, "times")]
