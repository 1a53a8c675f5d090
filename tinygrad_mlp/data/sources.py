"""Loading any data set by its name or its path."""

from __future__ import annotations

import os

from tinygrad_mlp.data.dataset import Dataset
from tinygrad_mlp.data.mat import load_mat
from tinygrad_mlp.data.mnist import Subset, load_mnist
from tinygrad_mlp.errors import InvalidArgumentError


def load(name_or_path: str | os.PathLike[str], data_dir: str | os.PathLike[str] | None = None, *,
         subset: Subset = "train", download: bool = True, progress: bool = False) -> Dataset:
    """Load ``"digits"``, ``"mnist"``, or a MATLAB file by its path.

    Args:
        name_or_path: ``"digits"`` (`load_digits`), ``"mnist"`` (`load_mnist`), or a path that
            ends in ``.mat`` (`load_mat`).
        data_dir, subset, download, progress: arguments of `load_mnist`; the other two ignore them.

    Raises:
        InvalidArgumentError: `name_or_path` is none of the three.
        DataNotFoundError, DataError: as the three functions.

    >>> load("digits")
    Dataset('digits': 1797 images of shape (8, 8), float64, 10 classes)
    """
    name = os.fspath(name_or_path) if isinstance(name_or_path, str | os.PathLike) else ""
    if name == "digits":
        return load_digits()
    if name == "mnist":
        return load_mnist(data_dir, subset=subset, download=download, progress=progress)
    if name.lower().endswith(".mat"):
        return load_mat(name)
    raise InvalidArgumentError(
        f"load: name_or_path must be 'digits', 'mnist' or a path ending in .mat. Got "
        f"{name_or_path!r}. For a folder of IDX files pass 'mnist' and the folder as data_dir.")


def load_digits() -> Dataset:
    """Return scikit-learn's 1,797 digits of 8x8 pixels, without a download.

    The grey levels are integers from 0 to 16. Source: the test part of "Optical
    Recognition of Handwritten Digits", UCI Machine Learning Repository.

    >>> digits = load_digits()
    >>> digits.X.shape, digits.labels[:5].tolist()
    ((1797, 8, 8), [0, 1, 2, 3, 4])
    """
    from sklearn import datasets
    bunch = datasets.load_digits()
    return Dataset(bunch.images, bunch.target, "digits", n_classes=10)
