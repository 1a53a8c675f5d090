"""`Dataset`, which every loader returns, and the checks of class numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_mlp.errors import DataError, DTypeError, InvalidArgumentError, ShapeError
from tinygrad_mlp.support.checks import as_array, integer_at_least
from tinygrad_mlp.support.memory import check_memory

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray


class Dataset(NamedTuple):
    """Images and their class numbers, exactly as their source stores them.

    Attributes:
        X: the images, shape (n, h, w), in the type and the scale of the source (MNIST: uint8 from
            0 to 255, an eighth of the memory of float64); `preprocess` standardises them.
        labels: class numbers from 0 to ``n_classes - 1``, shape (n,).
        name: the name of the data in titles.
        n_classes: the number of classes, even if a subset lacks some.

    >>> Dataset(np.zeros((3, 8, 8)), np.array([0, 2, 1]), "three", 3)
    Dataset('three': 3 images of shape (8, 8), float64, 3 classes)
    """

    X: NDArray[Any]
    labels: NDArray[np.intp]
    name: str
    n_classes: int

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Height and width of one image."""
        return self.X.shape[1:]

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}: {len(self.X)} images of shape {self.image_shape}, "
            f"{self.X.dtype}, {self.n_classes} classes)")


def one_hot(labels: ArrayLike, n_classes: int | None = None,
            dtype: DTypeLike = float) -> NDArray[Any]:
    """Return a row for each class number, 1 at that class and 0 elsewhere.

    ``Y[i, j] = 1 if labels[i] == j else 0``, for sample ``i`` and class ``j``.

    Args:
        labels: class numbers, shape (n,), as integers or floats.
        n_classes: number of columns; without it ``max(labels) + 1``.
        dtype: type of the result, any real number type.

    Raises:
        ShapeError: `labels` does not have shape (n,).
        DTypeError: `labels` are not numbers, or `dtype` is not a real number type.
        InvalidArgumentError: a label is negative, not an integer, or not below `n_classes`; or
            there are neither labels nor `n_classes`.
        TooLargeError: the result would not fit into the memory.

    >>> one_hot([2, 0, 1])
    array([[0., 0., 1.],
           [1., 0., 0.],
           [0., 1., 0.]])
    """
    classes = class_numbers(labels, "one_hot")
    width = class_count(classes, n_classes, "one_hot")
    kind = np.dtype(dtype)
    if kind.kind not in "biuf":
        raise DTypeError(f"one_hot: dtype must be a real number type. Got {kind}.")
    check_rows(len(classes), width, kind, "one_hot: the one-hot rows")
    Y = np.zeros((len(classes), width), dtype=kind)
    Y[np.arange(len(classes)), classes] = 1
    return Y


def check_rows(n: int, width: int, kind: np.dtype[np.generic], what: str) -> None:
    """Raise a TooLargeError if `n` rows of `width` numbers of a type do not fit into the memory."""
    check_memory(
        n * width * kind.itemsize, f"{what} of shape ({n}, {width}) in {kind}",
        "Take fewer samples or float32, or number the classes 0, 1, 2, ... without gaps.")


def class_numbers(labels: ArrayLike, who: str) -> NDArray[np.intp]:
    """Return `labels` as integers >= 0, shape (n,), or raise an error that begins with `who`."""
    given = as_array(labels, f"{who}: labels")
    if given.ndim != 1:
        raise ShapeError(
            f"{who}: labels must have shape (n,), one class number per sample. Got shape "
            f"{given.shape}. Use labels.ravel() for a single row or column, and "
            "labels.argmax(axis=1) for one-hot rows.")
    if given.dtype.kind not in "biuf":
        raise DTypeError(
            f"{who}: labels must be class numbers 0, 1, 2, .... Got an array of {given.dtype}. "
            "numpy.unique(labels, return_inverse=True)[1] numbers the classes of any type.")
    # Compared before the cast to an index, which would make large unsigned numbers negative and NaN
    # arbitrary. float16 cannot be compared with so large a limit.
    numbers = given.astype(np.float64) if given.dtype.kind == "f" else given
    usable = (numbers >= 0) & (numbers < np.iinfo(np.intp).max) & (numbers == np.floor(numbers))
    if not usable.all():
        i = int(np.argmin(usable))
        raise InvalidArgumentError(
            f"{who}: labels must be integers >= 0. Got labels[{i}] = {given[i]}. "
            "Number the classes 0, 1, 2, ...")
    return given.astype(np.intp, copy=False)


def class_count(classes: NDArray[np.intp], n_classes: int | None, who: str) -> int:
    """Return `n_classes`, above every class, or the smallest such number if it is None."""
    if n_classes is None:
        if classes.size == 0:
            raise InvalidArgumentError(
                f"{who}: n_classes must be given if there are no labels. Got None.")
        return int(classes.max()) + 1
    width = integer_at_least(1, n_classes, f"{who}: n_classes")
    if classes.size and classes.max() >= width:
        i = int(np.argmax(classes >= width))
        raise InvalidArgumentError(
            f"{who}: labels must be below n_classes = {width}. Got labels[{i}] = {classes[i]}. "
            f"Pass n_classes >= {int(classes.max()) + 1}, or number the classes from 0.")
    return width


def dataset_from_file(X: NDArray[np.generic], labels: NDArray[np.generic], *, name: str,
                      least_classes: int, where: str) -> Dataset:
    """Return a `Dataset` of arrays read from `where`; raise a `DataError` if they do not fit."""
    if X.ndim != 3 or X.dtype.kind not in "biuf" or X.size == 0:
        raise DataError(
            f"{where}: expected real images of shape (n, h, w), at least one of them. Found an "
            f"array of {X.dtype} of shape {X.shape}. Export the images again.")
    try:
        classes = class_numbers(labels, where)
    except (InvalidArgumentError, DTypeError) as error:
        raise DataError(str(error)) from error
    if len(classes) != len(X):
        raise DataError(
            f"{where}: expected one label per image. Found {len(X)} images and {len(classes)} "
            "labels. The two must come from the same export.")
    return Dataset(X, classes, name, max(least_classes, int(classes.max()) + 1))
