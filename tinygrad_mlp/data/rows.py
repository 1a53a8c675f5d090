"""Data that stay where they are, in another form or on a disk, and are converted by the batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.errors import DTypeError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

AT_ONCE = 64 * 2**20
"""The bytes up to which converted data are held whole."""

PIECE = AT_ONCE // 4
"""The bytes up to which one of several copies of parts of data is made; of a chunk of an order."""

CHUNK = 4 * 2**20
"""The bytes of the parts in which larger data are checked, and evaluated for L-BFGS."""

MIXED_CHUNKS = 4
"""The chunks, of `PIECE` bytes each, whose rows are mixed in an order by chunks."""


class Rows:
    """The rows of an array, a table or a matrix, read and converted when they are asked for.

    ``rows[index]``, for a slice or an array of row numbers, is a new array. So is the result of
    reading a part of a memory-mapped file, a dataset of h5py or zarr, a table of pandas or polars,
    a sparse matrix of SciPy (as a dense array), or any object with ``len`` and ``[rows]``.

    Attributes:
        shape: the lengths of the axes; the first is the number of rows.
        dtype: the type of what is returned.

    >>> rows = Rows(np.arange(6, dtype=np.uint8).reshape(3, 2)).astype(np.float32)
    >>> rows.shape, rows[np.array([2, 0])]
    ((3, 2), array([[4., 5.],
           [0., 1.]], dtype=float32))
    """

    def __init__(self, source: Any) -> None:
        self._read = reader(source)
        n = int(source.shape[0] if hasattr(source, "shape") else len(source))
        first = self._read(slice(0, min(1, n)))
        self.shape: tuple[int, ...] = (n, *first.shape[1:])
        self.dtype = first.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes that all rows would take."""
        return self.size * int(self.dtype.itemsize)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: object) -> NDArray[Any]:
        return np.asarray(self._read(rows)).astype(self.dtype, copy=False)

    def astype(self, dtype: DTypeLike) -> Rows:
        """Return the same rows, converted to another dtype when they are read."""
        other = object.__new__(Rows)
        other.__dict__.update(self.__dict__, dtype=np.dtype(dtype))
        return other


def computed(read: Callable[[Any], NDArray[Any]], shape: tuple[int, ...], dtype: DTypeLike) -> Rows:
    """Return rows that a function computes when they are asked for."""
    rows = object.__new__(Rows)
    rows._read, rows.shape, rows.dtype = read, shape, np.dtype(dtype)
    return rows


def selected(data: NDArray[Any] | Rows, kept: NDArray[np.intp]) -> Rows:
    """Return some rows of data, which are read when they are asked for."""
    return computed(lambda rows: data[kept[rows]], (len(kept), *data.shape[1:]), data.dtype)


def taken(data: NDArray[np.generic] | Rows, kept: NDArray[np.intp]) -> NDArray[Any] | Rows:
    """Return some rows of data: a copy where that is small, else read when they are asked for."""
    rows = selected(data, kept)
    return rows if rows.nbytes > PIECE else data[kept]


def rows_in(size: int, data: NDArray[np.generic] | Rows) -> int:
    """Return how many rows take about `size` bytes, at least one."""
    return max(1, size * len(data) // max(1, data.nbytes))


def chunks(data: NDArray[np.generic] | Rows) -> Iterator[slice]:
    """Return slices of successive rows, which together are all of them."""
    n, step = len(data), rows_in(CHUNK, data)
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def shuffled_by_chunks(n: int, chunk: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return n rows in a random order of chunks; the rows of `MIXED_CHUNKS` of them are mixed.

    >>> shuffled_by_chunks(12, 2, np.random.default_rng(0))
    array([11,  4, 10,  9,  7,  6,  5,  8,  0,  2,  1,  3])
    """
    starts = chunk * rng.permutation(math.ceil(n / chunk))
    order = np.add.outer(starts, np.arange(chunk)).ravel()
    order = order[order < n]
    for start in range(0, n, MIXED_CHUNKS * chunk):
        rng.shuffle(order[start : start + MIXED_CHUNKS * chunk])
    return order


def converted(data: NDArray[np.generic] | Rows, dtype: DTypeLike) -> NDArray[Any] | Rows:
    """Return data of another dtype: at once where they are small, else when rows are read."""
    if isinstance(data, np.ndarray) and data.dtype == dtype:
        return data
    rows = (Rows(data) if isinstance(data, np.ndarray) else data).astype(dtype)
    if rows.nbytes > AT_ONCE:
        return rows
    return data.astype(dtype) if isinstance(data, np.ndarray) else whole(rows)


def whole(data: NDArray[np.generic] | Rows) -> NDArray[Any]:
    """Return data as one array."""
    return data if isinstance(data, np.ndarray) else data[0:len(data)]


def _is_sparse(data: object) -> bool:
    """Return whether data are a sparse matrix of SciPy."""
    return type(data).__module__.startswith("scipy.sparse")


def stays_in_place(source: object) -> bool:
    """Return whether data are no array in memory, and are to be read by rows."""
    if isinstance(source, (np.ndarray, np.generic, list, tuple, str, dict)):
        return False
    # zarr's arrays have a shape and no length, and that of a sparse matrix is ambiguous.
    counted = hasattr(source, "__len__") or bool(getattr(source, "shape", ()))
    return (counted and hasattr(source, "__getitem__")) or _is_sparse(source)


def reader(source: Any) -> Callable[[Any], NDArray[Any]]:
    """Return a function that reads rows of `source`, by a slice or an array, as an array."""
    if isinstance(source, np.ndarray):
        return lambda rows: np.asarray(source[rows])
    if _is_sparse(source):
        compressed = source.tocsr()
        return lambda rows: np.asarray(compressed[rows].toarray())
    if hasattr(source, "iloc"):  # a table of pandas
        return lambda rows: np.asarray(source.iloc[rows].to_numpy())
    return lambda rows: _in_increasing_order(source, rows)


def _in_increasing_order(source: Any, rows: Any) -> NDArray[np.generic]:
    """Read rows in the order in which they are stored, as h5py insists on, and each once."""
    if isinstance(rows, slice):
        return _as_array(source[rows])
    stored, places = np.unique(rows, return_inverse=True)
    return _as_array(source[stored])[places]


def _as_array(part: object) -> NDArray[np.generic]:
    array = np.asarray(part.to_numpy() if hasattr(part, "to_numpy") else part)
    if array.dtype.kind not in "fiub":
        raise DTypeError(f"data must be of numbers. Got {type(part).__name__} of {array.dtype}.")
    return array
