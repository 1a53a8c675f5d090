"""A file of another kind is called by its name where a safetensors file is expected."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from tinygrad_mlp.errors import DataError
from tinygrad_mlp.support.file_kinds import PICKLE_PROTOCOLS, kind_of
from tinygrad_mlp.support.safetensors_file import read


def written(write):
    """The bytes that a function writes to a file."""
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def archive(**members):
    def write(file):
        with zipfile.ZipFile(file, "w") as made:
            for name, content in members.items():
                made.writestr(name.replace("_", "."), content)

    return written(write)


W = np.ones(300)
HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(100)
KINDS = {
    "nothing": (b"", "an empty file"),
    **{f"a pickle of protocol {p}": (pickle.dumps({"w": W}, protocol=p), "a pickle")
       for p in PICKLE_PROTOCOLS},
    "an archive of torch.save": (archive(data_pkl=b"\x80\x02", version="3"), "an archive of pick"),
    "savez": (written(lambda file: np.savez(file, w=W)), "an archive of numpy.savez"),
    "savez_compressed": (written(lambda f: np.savez_compressed(f, w=W)), "an archive of numpy."),
    "save": (written(lambda file: np.save(file, W)), "a file of numpy.save"),
    "another zip archive": (archive(notes_txt="w"), "a zip archive"),
    "an empty zip archive": (archive(), "a zip archive"),
    "a cut zip archive": (archive(notes_txt="w" * 99)[:60], "a damaged zip archive"),
    "a MATLAB file": (written(lambda file: savemat(file, {"w": W})), "a MATLAB file"),
    "MATLAB 7.3": (b"MATLAB 7.3 MAT-file".ljust(512) + HDF5, "an HDF5 file"),
    "HDF5": (HDF5, "an HDF5 file"),
    "gzip": (gzip.compress(b"w"), "a gzip file"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(20), "a PNG picture"),
    "a web page": (b"<!DOCTYPE html><p>Please log in</p>", "text that begins with '<!DOCTYPE html"),
    "text with an accent on the edge": (b"a" * 1023 + "é".encode() * 9, "text that begins"),
    "UTF-16": ("weights".encode("utf-16"), "a file that begins with the bytes ff fe"),
    "IDX": (bytes([0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3]), "a file that begins with the bytes 00 00"),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_is_called_what_it_is(tmp_path, name):
    path = tmp_path / "weights"
    content, kind = KINDS[name]
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert f"{path}: expected a file in the safetensors format. Got {kind}" in str(caught.value)


@pytest.mark.parametrize("old", [False, True], ids=["archive", "pickle"])
def test_files_of_pytorch_are_called_so_with_the_way_to_convert_them(tmp_path, old):
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.ones(3)}, tmp_path / "w.pt", _use_new_zipfile_serialization=not old)
    with pytest.raises(DataError, match=r"as torch.save.*safetensors.torch.save_file"):
        read(tmp_path / "w.pt")


@given(length=st.integers(0, 1 << 16), low=st.sampled_from([0x80, 0x50, 0x1F, None]))
def test_no_length_of_a_header_makes_a_damaged_file_another_kind(length, low, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "damaged"
    length = length if low is None else (length & ~0xFF) | low
    path.write_bytes(length.to_bytes(8, "little") + b'{"w": ')
    assert kind_of(str(path))[0] == "one that cannot be read"
    path.write_bytes(length.to_bytes(8, "little") + b"[]")
    assert ("pickle" in kind_of(str(path))[0]) == (low == 0x80 and length >> 8 in PICKLE_PROTOCOLS)


@given(content=st.binary(max_size=40))
def test_any_bytes_have_a_kind(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    assert all(kind_of(str(path)))


def test_a_file_that_cannot_be_opened_is_no_other_error(tmp_path):
    assert kind_of(str(tmp_path))[0] == "a file that cannot be opened"
