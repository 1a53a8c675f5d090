"""Data that stay where they are give the bits of the same data in memory, and cost no memory."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import tinygrad_mlp as tg
from tests.mapped_file import PAGES, measured_in_kilobytes, memory_in_mebibytes
from tinygrad_mlp import nn
from tinygrad_mlp.data import rows as data_rows
from tinygrad_mlp.data.rows import MIXED_CHUNKS, Rows, shuffled_by_chunks
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError, ShapeError
from tinygrad_mlp.training import examples
from tinygrad_mlp.training.checked_data import as_source

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (70, 6), dtype=np.uint8)
PIXELS[PIXELS < 100] = 0
LABELS = RNG.integers(0, 3, 70)
Y = np.eye(3)[LABELS]


class OnlyRows:
    """Rows of a source of the user's: a length, and rows by a slice or numbers."""

    def __init__(self, array):
        self.array = array

    def __len__(self):
        return len(self.array)

    def __getitem__(self, rows):
        return self.array[rows].tolist()


def in_a_file(array, folder):
    mapped = np.memmap(folder / "data", array.dtype, "w+", shape=array.shape)
    mapped[:] = array
    return np.memmap(folder / "data", array.dtype, "r", shape=array.shape)


def of_h5py(array, folder):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File(folder / "data.h5", "w") as file:
        file["X"] = array
    return h5py.File(folder / "data.h5", "r")["X"]


def of_zarr(array, folder):
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    stored = zarr.create_array(folder / "data.zarr", shape=array.shape, dtype=array.dtype)
    stored[:] = array
    return stored


def of_pandas(array, folder):
    return pytest.importorskip("pandas").DataFrame(array)


def of_polars(array, folder):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    return polars.DataFrame({f"column {i}": column for i, column in enumerate(array.T)})


SOURCES = {
    "an array": lambda array, folder: array,
    "an array of another layout": lambda array, folder: np.asfortranarray(array),
    "a mapped file": in_a_file,
    "h5py": of_h5py,
    "zarr": of_zarr,
    "pandas": of_pandas,
    "polars": of_polars,
    "a sparse matrix": lambda array, folder: sparse.coo_matrix(array),
    "a sparse array": lambda array, folder: sparse.csc_array(array),
    "an object of one's own": lambda array, folder: OnlyRows(array)}
every_source = pytest.mark.parametrize("source", SOURCES)


def network(dtype=np.float32):
    rng = np.random.default_rng(1)
    return nn.Sequential(
        nn.Linear(6, 5, rng=rng, dtype=dtype), nn.Tanh(), nn.Linear(5, 3, rng=rng, dtype=dtype))


def trained(X, Y=Y, **settings):
    model = network()
    history = tg.fit(
        model, nn.softmax_cross_entropy, tg.optim.SGD(model.parameters(), lr=1e-3), X, Y,
        epochs=3, batch_size=8, rng=np.random.default_rng(2), **settings)
    return [p.data for p in model.parameters()], history


class EachStep(tg.callbacks.Callback):
    """Calls a function after each step."""

    def __init__(self, function):
        self.function = function

    def on_step(self, run):
        self.function(run)


@pytest.fixture
def in_parts(monkeypatch):
    """Everything is read in parts, of a few rows each."""
    monkeypatch.setattr(data_rows, "AT_ONCE", 0)
    monkeypatch.setattr(data_rows, "CHUNK", 100)
    monkeypatch.setattr(examples, "PIECE", 100)  # in float32, chunks of 4 rows of 6


@every_source
def test_what_is_not_in_memory_as_an_array_is_read_by_rows(source, in_parts, tmp_path):
    found = as_source(SOURCES[source](PIXELS, tmp_path), "X")
    assert isinstance(found, np.ndarray if "array of" in source or source in (
        "an array", "a mapped file") else Rows)


@every_source
@pytest.mark.parametrize("shuffle", [True, False, "chunks"])
def test_data_that_are_read_in_parts_give_the_bits_of_an_array(source, shuffle, in_parts, tmp_path):
    (other := tmp_path / "validation").mkdir()
    found, history = trained(
        SOURCES[source](PIXELS, tmp_path), shuffle=shuffle, evaluate_training=True,
        validation=(SOURCES[source](PIXELS[:20], other), Y[:20]))
    expected, in_memory = trained(
        PIXELS.astype(np.float32), shuffle=shuffle, evaluate_training=True,
        validation=(PIXELS[:20].astype(np.float32), Y[:20]))
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, two)
    assert history.training_loss == in_memory.training_loss
    assert history.validation_loss == in_memory.validation_loss
    assert history.training_accuracy == in_memory.training_accuracy


@every_source
def test_small_data_are_converted_once_with_the_same_bits(source, tmp_path):
    found, _ = trained(SOURCES[source](PIXELS, tmp_path))
    for one, two in zip(found, trained(PIXELS.astype(np.float32))[0], strict=True):
        np.testing.assert_array_equal(one, two)


@every_source
def test_predictions_are_those_for_an_array(source, in_parts, tmp_path):
    X, model = PIXELS.astype(np.float64), network(np.float64)
    found = tg.predict(model, SOURCES[source](X, tmp_path))
    np.testing.assert_array_equal(found, tg.predict(model, X))


def test_integers_stay_integers_for_a_model_that_indexes(in_parts):
    model = nn.Sequential(nn.Embedding(256, 2, rng=np.random.default_rng(0)), nn.Flatten(),
                          nn.Linear(12, 3, rng=np.random.default_rng(0)))
    tg.fit(model, nn.softmax_cross_entropy, tg.optim.SGD(model.parameters(), lr=0.1),
           OnlyRows(PIXELS), Y, epochs=1, rng=np.random.default_rng(0))


@pytest.mark.parametrize("source", ["an array", "a mapped file", "an object of one's own"])
def test_a_number_that_is_not_finite_is_found_and_its_place_named(source, in_parts, tmp_path):
    X = PIXELS.astype(np.float64)
    X[57, 4] = np.nan
    with pytest.raises(InvalidArgumentError, match=r"Got nan at index \(57, 4\)"):
        trained(SOURCES[source](X, tmp_path))


def test_rows_of_text_and_of_another_number_are_refused(in_parts):
    with pytest.raises(DTypeError, match="numbers"):
        trained(OnlyRows(np.array([["a", "b"]] * 70)))
    with pytest.raises(ShapeError, match="same number of samples"):
        trained(OnlyRows(PIXELS[:69]))


@given(st.integers(1, 200), st.integers(1, 60), st.integers(0, 99))
def test_an_order_by_chunks_takes_each_row_once_and_few_chunks_at_a_time(n, chunk, seed):
    order = shuffled_by_chunks(n, chunk, np.random.default_rng(seed))
    assert sorted(order) == list(range(n))
    size = MIXED_CHUNKS * chunk
    assert all(len(set(order[i:i + size] // chunk)) <= MIXED_CHUNKS + 1 for i in range(0, n, size))


def test_an_order_by_chunks_mixes_the_rows_of_different_chunks_anew_each_time():
    rng = np.random.default_rng(0)
    first, second = (shuffled_by_chunks(60, 5, rng) for _ in range(2))
    assert (first != second).any()
    assert any(len(set(first[i:i + 5] // 5)) > 1 for i in range(0, 60, 5))


class Reads(OnlyRows):
    """Notes the rows that are read."""

    def __getitem__(self, rows):
        self.read = [*getattr(self, "read", ()), rows]
        return super().__getitem__(rows)


def test_with_chunks_an_epoch_reads_a_source_in_runs(in_parts):
    source = Reads(PIXELS)
    trained(source, shuffle="chunks")
    batches = [rows for rows in source.read if isinstance(rows, np.ndarray)]
    assert sum(map(len, batches)) == 3 * len(PIXELS)
    assert all(len(set(rows // 4)) <= 2 * MIXED_CHUNKS for rows in batches)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("after", [0, 4, 8, 9, 20])
def test_training_by_chunks_resumes_within_an_epoch_with_the_same_bits(
        after, compiled, in_parts, tmp_path):
    def until(run):
        if run.iteration == after:
            signal.raise_signal(signal.SIGINT)

    settings = {"shuffle": "chunks", "compiled": compiled}
    expected, _ = trained(in_a_file(PIXELS, tmp_path), callbacks=[EachStep(lambda run: None)],
                          **settings)
    path = tmp_path / "run"
    trained(PIXELS, checkpoint=path, callbacks=[EachStep(until)], **settings)
    found, _ = trained(PIXELS, checkpoint=path, callbacks=[EachStep(lambda run: None)], **settings)
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(tg.errors.CheckpointError, match="shuffle"):
        trained(PIXELS, checkpoint=path, shuffle=True, compiled=compiled)


@pytest.mark.parametrize("shuffle", ["rows", 1])
def test_other_orders_are_refused(shuffle):
    with pytest.raises(InvalidArgumentError, match="shuffle must be True, False or 'chunks'"):
        trained(PIXELS, shuffle=shuffle)


def test_training_resumes_on_data_of_another_kind_with_the_same_numbers(in_parts, tmp_path):
    expected, _ = trained(PIXELS)
    stopping = [lambda run: run.stop("half") if run.epoch == 0 else None]
    path = tmp_path / "run"
    trained(PIXELS, checkpoint=path, callbacks=stopping)
    assert expected is not None
    with pytest.raises(tg.errors.CheckpointError, match="data"):
        trained(PIXELS[::-1].copy(), checkpoint=path, callbacks=stopping)
    trained(in_a_file(PIXELS, tmp_path), checkpoint=path, callbacks=stopping)


PREPARED = """
import tinygrad_mlp as tg
Y = np.zeros((n, 10), np.uint8)
Y[np.arange(n), np.arange(n) % 10] = 1
rng = np.random.default_rng(0)
model = tg.nn.Linear(784, 10, rng=rng)
optimizer = tg.optim.SGD(model.parameters(), lr=1e-6)
tg.fit(model, tg.nn.softmax_cross_entropy, optimizer, X[:1000], Y[:1000], epochs=1, rng=rng)
"""
MEASURED = """
tg.fit(model, tg.nn.softmax_cross_entropy, optimizer, X, Y, epochs=1, batch_size=500, rng=rng)
"""


@measured_in_kilobytes
def test_training_on_a_mapped_file_takes_little_memory(tmp_path):
    assert memory_in_mebibytes(tmp_path, PREPARED, MEASURED) < PAGES + 64
