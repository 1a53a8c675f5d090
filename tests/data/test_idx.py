from __future__ import annotations

import gzip
import tracemalloc

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_mlp.data import read_idx
from tinygrad_mlp.errors import DataError, DataNotFoundError

DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("idx") / "some-idx"


@given(data=st.data(), dtype=st.sampled_from(DTYPES), compress=st.booleans())
def test_any_array_survives_the_round_trip(file, idx_bytes, data, dtype, compress):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=5))
    array = data.draw(hnp.arrays(dtype, shape))
    content = idx_bytes(array)
    file.write_bytes(gzip.compress(content) if compress else content)
    found = read_idx(file)
    assert found.dtype == array.dtype
    assert found.dtype.isnative
    assert found.flags.writeable
    np.testing.assert_array_equal(found, array)


@given(data=st.data())
def test_every_proper_beginning_of_a_file_is_refused(file, idx_bytes, data):
    content = idx_bytes(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    kept = data.draw(st.integers(0, len(content) - 1))
    compress = data.draw(st.booleans())
    file.write_bytes(gzip.compress(content[:kept]) if compress else content[:kept])
    with pytest.raises(DataError, match="some-idx"):
        read_idx(file)


@given(data=st.data())
def test_every_proper_beginning_of_a_compressed_file_is_refused(file, idx_bytes, data):
    content = gzip.compress(idx_bytes(np.arange(24, dtype=np.int16)))
    kept = data.draw(st.integers(0, len(content) - 1))
    file.write_bytes(content[:kept])
    with pytest.raises(DataError, match="some-idx"):
        read_idx(file)


@given(content=st.binary(max_size=40))
def test_arbitrary_bytes_give_an_array_or_a_data_error(file, content):
    file.write_bytes(content)
    try:
        found = read_idx(file)
    except DataError as error:
        assert "some-idx" in str(error)
    else:
        assert len(content) == 4 + 4 * found.ndim + found.nbytes


def header(code, *sizes, axes=None):
    count = len(sizes) if axes is None else axes
    return bytes([0, 0, code, count]) + b"".join(size.to_bytes(4, "big") for size in sizes)


GOOD = header(8, 2, 3) + bytes(6)

DAMAGES = {
    "empty": (b"", "an empty file"),
    "shorter than the magic": (b"\0\0\x08", "Found 00 00 08"),
    "another format": (b"\x89PNG....", "Found 89 50 4e 47"),
    "unknown element type": (header(0x0A, 1) + b"\0", "Found 00 00 0a 01"),
    "no axis": (header(8, axes=0) + b"\0", "The header states 0"),
    "more axes than NumPy has": (header(8, *[1] * 65) + b"\0", "The header states 65"),
    "cut in the sizes": (header(8, 2, axes=2), "ends after 4 bytes"),
    "data too short": (GOOD[:-1], "shape (2, 3) of uint8, 6 bytes. Found 5"),
    "data too long": (GOOD + b"!!", "6 bytes. Found at least 8 bytes"),
    "a header that lies a little": (header(8, 2, 300) + bytes(6), "shape (2, 300)"),
    "a header that lies beyond measure": (
        header(14, 2**31, 2**31),
        "shape (2147483648, 2147483648) of float64, 36893488147419103232 bytes",
    ),
    "empty in an impossible way": (header(8, 0, 2**31, 2**31, 2**31), "At most 4294967296"),
}


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(("content", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_named_with_what_was_found(tmp_path, content, message, compress):
    path = tmp_path / "labels"
    path.write_bytes(gzip.compress(content) if compress else content)
    with pytest.raises(DataError) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def flipped(content, position):
    return content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]


PACKED = gzip.compress(GOOD)

GZIP_DAMAGES = {
    "only the magic": PACKED[:2],
    "cut in the data": PACKED[:15],
    "cut in the checksum": PACKED[:-6],
    "wrong checksum": flipped(PACKED, -8),
    "wrong method": flipped(PACKED, 2),
    "damaged data": flipped(PACKED, 12),
    "followed by something else": PACKED + b"something else",
}


@pytest.mark.parametrize("content", GZIP_DAMAGES.values(), ids=GZIP_DAMAGES)
def test_damaged_compression_is_a_data_error(tmp_path, content):
    path = tmp_path / "labels.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="labels.gz"):
        read_idx(path)


NOISE = np.random.default_rng(0).integers(0, 256, 100_000, dtype=np.uint8).tobytes()


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("claim", [(2**31, 2**31), (60_000, 784)], ids=str)
def test_a_lying_header_costs_no_memory(tmp_path, claim, compress):
    path = tmp_path / "images"
    content = header(8, *claim) + NOISE
    path.write_bytes(gzip.compress(content) if compress else content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            read_idx(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000


def test_a_content_that_expands_beyond_its_header_is_not_expanded(tmp_path):
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(GOOD + bytes(50_000_000), 1))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="Found at least"):
            read_idx(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(DataNotFoundError, match="no file .*absent"):
        read_idx(tmp_path / "absent")


def test_a_folder_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="Found a folder"):
        read_idx(tmp_path)
