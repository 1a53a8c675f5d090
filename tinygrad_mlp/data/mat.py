"""MNIST as one MATLAB file, as the classic experiment stores it."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from tinygrad_mlp.data.dataset import Dataset, dataset_from_file
from tinygrad_mlp.errors import DataError, DataNotFoundError

IMAGES, LABELS = "train_images", "train_labels"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def load_mat(path: str | os.PathLike[str]) -> Dataset:
    """Read ``train_images`` (h, w, n) and ``train_labels`` (n in a row or a column).

    Args:
        path: a MATLAB file up to version 7 (``save('train.mat', ..., '-v7')``).

    Returns:
        The images with the sample as the first axis, shape (n, h, w), in the type of the file.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: the file is not a MATLAB file, is of the HDF5-based version 7.3, is damaged, or
            lacks one of the two variables; or they are not numbers or do not fit together.

    >>> import pathlib, tempfile
    >>> from scipy.io import savemat
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "train.mat")
    ...     savemat(path, {"train_images": np.zeros((28, 28, 5)), "train_labels": np.arange(5)})
    ...     load_mat(path)
    Dataset('train.mat': 5 images of shape (28, 28), float64, 5 classes)
    """
    name = os.fspath(path)
    if not os.path.exists(name):
        raise DataNotFoundError(f"load_mat: there is no file {name}. Check the path.")
    if os.path.isdir(name):
        raise DataError(f"load_mat: {name}: expected a MATLAB file. Found a folder.")
    variables = _read_variables(name)
    for key in (IMAGES, LABELS):
        value = variables.get(key)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
            raise DataError(
                f"load_mat: {name}: expected numbers under {key!r}. Found "
                f"{_describe(value, variables)}. Save the images as {IMAGES} (h, w, n) and the "
                f"labels as {LABELS} (n, 1).")
    images, labels = variables[IMAGES], variables[LABELS]
    if labels.size != max(labels.shape):
        raise DataError(
            f"load_mat: {name}: expected {LABELS} in one row or column. Found shape "
            f"{labels.shape}. Save class numbers, not one-hot rows.")
    if images.ndim == 2 and labels.size == 1:
        images = images[:, :, None]  # MATLAB drops the last axis of a single image
    if images.ndim != 3 or images.shape[2] != labels.size:
        raise DataError(
            f"load_mat: {name}: expected {IMAGES} of shape (h, w, n) with n = {labels.size}, the "
            f"number of {LABELS}. Found {images.shape}. In MATLAB, permute puts the samples last.")
    images = np.ascontiguousarray(images.transpose(2, 0, 1))
    return dataset_from_file(images, labels.ravel(), name=os.path.basename(name), least_classes=1,
                             where=f"load_mat: {name}")


def _read_variables(name: str) -> dict[str, Any]:
    from scipy.io import loadmat
    with open(name, "rb") as file:
        # MATLAB puts a text header of 512 bytes before the HDF5 content.
        hdf5 = HDF5_MAGIC in file.read(512 + len(HDF5_MAGIC))
    if hdf5:
        raise DataError(
            f"load_mat: {name}: expected a MATLAB file up to version 7. Found version 7.3, which "
            "is HDF5. Save it again in MATLAB with save(..., '-v7').")
    try:
        with warnings.catch_warnings():  # of SciPy, about the classes of its sparse matrices
            warnings.simplefilter("ignore", DeprecationWarning)
            variables: dict[str, Any] = loadmat(name, appendmat=False)
    # For a damaged file SciPy raises nearly anything, from TypeError to zlib.error.
    except Exception as error:
        raise DataError(
            f"load_mat: {name}: expected a MATLAB file up to version 7. SciPy cannot read it "
            f"({type(error).__name__}: {error}). Export the file again.") from error
    return {key: value for key, value in variables.items() if not key.startswith("__")}


def _describe(value: object, variables: dict[str, object]) -> str:
    if value is None:
        return f"only the variables {sorted(variables)}"
    kind = f"array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
    return f"{kind} of shape {getattr(value, 'shape', '()')}"
