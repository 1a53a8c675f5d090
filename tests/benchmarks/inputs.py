"""The memory of a training beyond what the caller holds, for each kind of input.

Each is measured in a process of its own, from the moment when the data are there: the most memory
that is resident, less the pages of a mapped file, which the system may take back.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_mlp as tg
from tests import child
from tests.benchmarks import targets
from tests.benchmarks.case import Case
from tests.benchmarks.memory import MB, most_resident

ROWS, QUICK_ROWS, FEATURES, CLASSES = 100_000, 20_000, 784, 10
TARGETS = targets.INPUTS


class OwnRows:
    """An object of one's own, with a length and rows."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: Any) -> Any:
        return np.asarray(self.array[rows])


def _mapped(array: Any, folder: Path) -> Any:
    array.tofile(folder / "data")
    return np.memmap(folder / "data", array.dtype, "r", shape=array.shape)


def _of_h5py(array: Any, folder: Path) -> Any:
    import h5py

    file = h5py.File(folder / "data.h5", "w")
    return file.create_dataset("X", data=array, chunks=(500, FEATURES))


def _of_zarr(array: Any, folder: Path) -> Any:
    import zarr

    stored = zarr.create_array(
        folder / "data.zarr", shape=array.shape, dtype=array.dtype, chunks=(500, FEATURES))
    stored[:] = array
    return stored


def _of_pandas(array: Any, folder: Path) -> Any:
    import pandas

    return pandas.DataFrame(array)


def _of_polars(array: Any, folder: Path) -> Any:
    import polars

    return polars.DataFrame({f"column {i}": column for i, column in enumerate(array.T)})


def _sparse(array: Any, folder: Path) -> Any:
    from scipy import sparse

    return sparse.csr_array(array.astype(np.float32))


SOURCES: dict[str, Callable[[Any, Path], Any]] = {
    "array of uint8": lambda array, folder: array, "mapped file": _mapped, "h5py": _of_h5py,
    "zarr": _of_zarr, "pandas": _of_pandas, "polars": _of_polars, "sparse matrix": _sparse,
    "own object": lambda array, folder: OwnRows(array)}
ESTIMATORS = {"MLPClassifier": {"batch_size": 500, "shuffle": False}, "L-BFGS": {"solver": "lbfgs"}}
TRAINERS = ("fit", *ESTIMATORS)


def _train(trainer: str, X: Any, labels: Any) -> None:
    if trainer in ESTIMATORS:
        tg.estimators.MLPClassifier(
            (10,), max_iter=1, random_state=0, **ESTIMATORS[trainer]).fit(X, labels)
        return
    Y = np.zeros((len(labels), CLASSES), np.uint8)
    Y[np.arange(len(labels)), labels] = 1
    model = tg.nn.Linear(FEATURES, CLASSES, rng=np.random.default_rng(0))
    optimizer = tg.optim.SGD(model.parameters(), lr=1e-6)
    tg.fit(model, tg.nn.softmax_cross_entropy, optimizer, X, Y, epochs=1, batch_size=500,
           shuffle=False)


def beyond_the_data(source: str, trainer: str, rows: int) -> float:
    """MB that a training takes at most beyond the data that are there."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    array = np.zeros((rows, FEATURES), np.uint8)
    array[:, ::7] = rng.integers(1, 256, (rows, FEATURES // 7), np.uint8)
    labels = np.arange(rows) % CLASSES
    with tempfile.TemporaryDirectory() as folder:
        X = SOURCES[source](array, Path(folder))
        pages = array.nbytes / MB if source == "mapped file" else 0.0
        del array
        _train(trainer, np.zeros((1000, FEATURES)), labels[:1000])  # loads and warms up
        before = _resident_from_now()
        _train(trainer, X, labels)
        return max(0.0, most_resident_since() - before - pages)


def _resident_from_now() -> float:
    """The memory that is resident, in MB; Linux forgets how much there was before."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return most_resident()
    return most_resident_since()


def most_resident_since() -> float:
    """The most memory since `_resident_from_now`, in MB."""
    status = Path("/proc/self/status")
    if not status.exists():
        return most_resident()
    lines = status.read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024 / MB


def alone(source: str, trainer: str, rows: int) -> float:
    """The same in a fresh interpreter."""
    code = (f"from tests.benchmarks.inputs import beyond_the_data; "
            f"print(beyond_the_data({source!r}, {trainer!r}, {rows}))")
    done = child.python("-c", code, timeout=600)
    if done.returncode and "ModuleNotFoundError" in done.stderr:
        raise ModuleNotFoundError(source)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def measure(quick: bool) -> list[Case]:
    """MB beyond the data for each kind of input, by `fit` and by estimators."""
    found, missing = {}, []
    for source in SOURCES:
        for trainer in TRAINERS:
            try:
                name = f"{trainer}: {source}"
                found[name] = alone(source, trainer, QUICK_ROWS if quick else ROWS)
                print(name, round(found[name], 1), file=sys.stderr, flush=True)
            except ModuleNotFoundError:
                missing.append(source)
    return [Case(targets.INPUT_MEMORY, found, "MB", sorted(set(missing)))]
