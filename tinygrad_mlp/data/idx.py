"""The IDX file format of the MNIST files.

A file is the bytes ``0 0 t d``, where ``t`` codes the element type and ``d`` is the number of
axes, then the ``d`` sizes as 4-byte unsigned integers, then the elements in C order; every
number is big-endian. Source: the description by LeCun, Cortes and Burges that accompanies MNIST.
"""

from __future__ import annotations

import io
import math
import os
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.errors import DataError, DataNotFoundError

if TYPE_CHECKING:
    from numpy.typing import NDArray

ELEMENT_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

MAX_BYTES = 1 << 32  # ninety times MNIST: a header asking for more is wrong or hostile
MAX_AXES = 64  # NumPy's own limit

Stream = IO[bytes] | io.BufferedIOBase

GZIP_MAGIC = b"\x1f\x8b"
CHUNK = 1 << 20


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read one IDX file, plain or gzip-compressed, into an array of native byte order.

    Compression is recognised by the content, not by the name. Memory is taken only for the bytes of
    the file, whatever the header promises.

    Args:
        path: the file. Element types: uint8, int8, int16, int32, float32, float64.

    Returns:
        An array of the shape and type that the header states.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: the file is not IDX, is damaged or cut short, holds more than its header says,
            or is larger than 4 GiB.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "labels")
    ...     size = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3]) + bytes([7, 2, 1]))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    import gzip
    import zlib
    name = os.fspath(path)
    if not os.path.exists(name):
        raise DataNotFoundError(f"read_idx: there is no file {name}. Check the path.")
    if os.path.isdir(name):
        raise DataError(f"read_idx: {name}: expected an IDX file. Found a folder.")
    with open(name, "rb") as raw:
        compressed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        if not compressed:
            return _read(raw, name)
        try:
            with gzip.GzipFile(fileobj=raw) as stream:
                return _read(stream, name)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(
                f"read_idx: {name}: the gzip compression is damaged ({error}). "
                "Delete it and fetch it again.") from error


def _read(stream: Stream, name: str) -> NDArray[Any]:
    dtype, shape = _read_header(stream, name)
    # math.prod, since the product of the sizes may exceed every integer type of NumPy.
    n_bytes = math.prod(shape) * dtype.itemsize
    promise = f"the header promises an array of shape {shape} of {dtype.name}, {n_bytes} bytes"
    # Sizes of zero are left out, since NumPy cannot make an empty array of shape
    # (0, 2**31, 2**31, 2**31).
    if math.prod(size or 1 for size in shape) * dtype.itemsize > MAX_BYTES:
        raise DataError(
            f"read_idx: {name}: {promise}. At most {MAX_BYTES} are read. "
            "The header is damaged; delete the file and fetch it again.")
    # Read chunk by chunk, so that a wrong header costs no more memory than the file has bytes.
    content = bytearray()
    while chunk := stream.read(min(CHUNK, n_bytes - len(content))):
        content += chunk
    # This read also makes gzip compare its checksum.
    excess = len(stream.read(CHUNK))
    if len(content) < n_bytes or excess:
        found = f"{'at least ' if excess else ''}{len(content) + excess} bytes"
        raise DataError(f"read_idx: {name}: {promise}. Found {found}. Fetch it again.")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _read_header(stream: Stream, name: str) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in ELEMENT_TYPES:
        raise DataError(
            f"read_idx: {name}: expected the magic bytes 00 00 and one of the types "
            f"{', '.join(f'{code:02x}' for code in ELEMENT_TYPES)}. Found "
            f"{magic.hex(' ') or 'an empty file'}. This is not an IDX file.")
    n_axes = magic[3]
    if not 1 <= n_axes <= MAX_AXES:
        raise DataError(
            f"read_idx: {name}: expected 1 to {MAX_AXES} axes. The header states {n_axes}. "
            "Delete it and fetch it again.")
    sizes = stream.read(4 * n_axes)
    if len(sizes) < 4 * n_axes:
        raise DataError(
            f"read_idx: {name}: expected {n_axes} sizes of 4 bytes. The file ends after "
            f"{len(sizes)} bytes of them. Delete it and fetch it again.")
    shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, len(sizes), 4))
    return np.dtype(ELEMENT_TYPES[magic[2]]), shape
