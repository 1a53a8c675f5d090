from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat
from scipy.sparse import csc_array

from tinygrad_mlp.data import load, load_mat
from tinygrad_mlp.errors import DataError, DataNotFoundError

IMAGES = np.random.default_rng(0).integers(0, 256, (28, 28, 12), dtype=np.uint8)
LABELS = np.arange(12) % 10


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("mat") / "train.mat"


@given(
    n=st.integers(1, 6),
    height=st.integers(1, 5),
    kind=st.sampled_from(["u1", "f8", "i2"]),
    orientation=st.sampled_from([(1, -1), (-1, 1), (-1,)]),
    compress=st.booleans(),
)
def test_images_come_back_sample_first(file, n, height, kind, orientation, compress):
    images = np.arange(n * height * 4).reshape(height, 4, n).astype(kind)
    labels = np.arange(n, dtype=kind).reshape(orientation)
    savemat(file, {"train_images": images, "train_labels": labels}, do_compression=compress)
    dataset = load_mat(file)
    assert dataset.X.shape == (n, height, 4)
    assert dataset.X.dtype == images.dtype
    assert dataset.X.flags.c_contiguous
    for i in range(n):
        np.testing.assert_array_equal(dataset.X[i], images[:, :, i])
    assert dataset.labels.tolist() == list(range(n))
    assert dataset.labels.dtype == np.intp
    assert dataset.n_classes == n


def test_load_recognises_the_ending_and_names_the_data_after_the_file(file):
    savemat(file, {"train_images": IMAGES, "train_labels": LABELS})
    dataset = load(str(file))
    assert (dataset.name, dataset.image_shape, dataset.n_classes) == ("train.mat", (28, 28), 10)


def test_a_single_image_without_its_last_axis_is_accepted(file):
    savemat(file, {"train_images": IMAGES[:, :, 0], "train_labels": 7})
    assert load_mat(file).X.shape == (1, 28, 28)


CELLS = np.array([["a", "b"]], dtype=object)

UNSUITABLE = {
    "no images": (dict(train_labels=LABELS), "only the variables ['train_labels']"),
    "no labels": (dict(train_images=IMAGES), "expected numbers under 'train_labels'"),
    "other names": (dict(X=IMAGES, y=LABELS), "only the variables ['X', 'y']"),
    "images as text": (dict(train_images="seven", train_labels=LABELS), "array of <U5"),
    "images as cells": (dict(train_images=CELLS, train_labels=LABELS), "array of object"),
    "complex images": (dict(train_images=IMAGES * 1j, train_labels=LABELS), "complex128"),
    "sparse labels": (
        dict(train_images=IMAGES, train_labels=csc_array(LABELS[:, None] * 1.0)),
        "of shape (12, 1)",
    ),
    "another number of labels": (
        dict(train_images=IMAGES, train_labels=LABELS[:11]),
        "n = 11, the number of train_labels. Found (28, 28, 12)",
    ),
    "samples first": (
        dict(train_images=IMAGES.transpose(2, 0, 1), train_labels=LABELS),
        "Found (12, 28, 28)",
    ),
    "vectorised images": (
        dict(train_images=IMAGES.reshape(784, 12), train_labels=LABELS),
        "Found (784, 12)",
    ),
    "one-hot labels": (dict(train_images=IMAGES, train_labels=np.eye(12)), "Found shape (12, 12)"),
    "negative labels": (dict(train_images=IMAGES, train_labels=LABELS - 1.0), "labels[0] = -1.0"),
    "fractional labels": (dict(train_images=IMAGES, train_labels=LABELS / 2), "labels[1] = 0.5"),
    "nothing": (
        dict(train_images=np.zeros((28, 28, 0)), train_labels=np.zeros((0, 1))),
        "Found shape (0, 1)",
    ),
}


@pytest.mark.parametrize(("variables", "message"), UNSUITABLE.values(), ids=UNSUITABLE)
def test_unsuitable_variables_are_described(file, variables, message):
    savemat(file, variables)
    with pytest.raises(DataError) as caught:
        load_mat(file)
    assert str(caught.value).startswith(f"load_mat: {file}: ")
    assert message in str(caught.value)


MATLAB_7_3 = b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(384) + b"\x89HDF\r\n\x1a\n"

NO_MAT = {
    "empty": (b"", "SciPy cannot read it"),
    "text": (b"train_images = 1\n" * 20, "SciPy cannot read it"),
    "HDF5 by MATLAB": (MATLAB_7_3 + bytes(100), "save(..., '-v7')"),
    "HDF5 by others": (b"\x89HDF\r\n\x1a\n" + bytes(600), "save(..., '-v7')"),
}


@pytest.mark.parametrize(("content", "message"), NO_MAT.values(), ids=NO_MAT)
def test_another_format_is_named_with_what_to_do(file, content, message):
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_mat(file)
    assert str(file) in str(caught.value)
    assert message in str(caught.value)


@given(st.data())
def test_a_file_cut_anywhere_or_with_a_wrong_byte_is_never_another_error(file, data):
    savemat(file, {"train_images": IMAGES[:4, :4], "train_labels": LABELS}, do_compression=True)
    content = bytearray(file.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        # Beyond the file header, which holds text and the version only.
        content[data.draw(st.integers(128, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    try:
        load_mat(file)
    except DataError as error:
        assert str(file) in str(error)


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(DataNotFoundError, match="no file .*absent.mat"):
        load_mat(tmp_path / "absent.mat")


def test_a_folder_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="Found a folder"):
        load_mat(tmp_path)
