"""Preprocessing: from images and class numbers to the arrays that a network is trained on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_mlp.data.batches import batches
from tinygrad_mlp.data.dataset import check_rows, class_count, class_numbers, one_hot
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError, ShapeError
from tinygrad_mlp.support.checks import as_array, checked_rng, fraction, index_beyond

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

# Squares of larger numbers, summed over the samples, would overflow float64 in the variance.
LARGEST = 1e140
# Rows whose statistics are taken at a time, since float64 copies of them are made.
BLOCK = 8192


class Split(NamedTuple):
    """Training and validation arrays, and the numbers to standardise new images in the same way.

    With n training samples, m validation samples, p features and k classes:

    Attributes:
        X: standardised training features, shape (n, p).
        Y: one-hot training targets, shape (n, k).
        X_validation: standardised with the same `mean` and `scale`, shape (m, p).
        Y_validation: shape (m, k).
        mean: the number subtracted from each column, float64, shape (p,).
        scale: the number each column was divided by, float64, shape (p,).
        order: the shuffle, shape (n + m,): row ``i`` of `X` is sample ``order[i]`` of the data
            given, row ``i`` of `X_validation` is sample ``order[n + i]``.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> split = tg.data.preprocess(np.arange(20.0).reshape(10, 2), [0, 1] * 5,
    ...                            rng=np.random.default_rng(0))
    >>> split.X.shape, split.Y_validation.shape, split.order.shape
    ((9, 2), (1, 2), (10,))
    """

    X: NDArray[Any]
    Y: NDArray[Any]
    X_validation: NDArray[Any]
    Y_validation: NDArray[Any]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    order: NDArray[np.intp]

    def __repr__(self) -> str:
        return (
            f"Split({len(self.X)} training and {len(self.X_validation)} validation samples, "
            f"{self.X.shape[1]} features, {self.Y.shape[1]} classes, {self.X.dtype})")


def preprocess(X: ArrayLike, labels: ArrayLike, *, validation: float = 0.1,
               rng: np.random.Generator, whole_set: bool = False, n_classes: int | None = None,
               dtype: DTypeLike = np.float64) -> Split:
    """Vectorise and shuffle images, split and standardise them, and encode labels one-hot.

    Each column ``j`` becomes ``(x_j - mean_j) / scale_j``, where ``mean_j`` is its average and
    ``scale_j`` its standard deviation ``sqrt(sum_i (x_ij - mean_j)**2 / n)``, both taken over
    the training samples, as by scikit-learn's ``StandardScaler``. A column that is constant there
    (the corners of the digits) has ``scale_j = 1`` and becomes exactly 0. Of N samples,
    ``ceil(validation * N)`` are set aside, so that 10 % leaves the first ``9 N // 10`` of the
    shuffle for training.

    Args:
        X: images or features, shape (N, ...) with at least two axes.
        labels: class numbers, shape (N,).
        validation: share of the samples set aside, in [0, 1). With 0 the validation arrays
            have no rows.
        rng: generator of the shuffle.
        whole_set: whether to take mean and scale over all samples, validation included. The
            classic experiment does so; it lets the validation data leak into training.
        n_classes: number of columns of Y; without it ``max(labels) + 1``.
        dtype: floating type of X and Y. float32 halves the memory of float64; mean and scale
            are float64 in either case.

    Raises:
        ShapeError: `X` has fewer than two axes, or another number of samples than `labels`.
        DTypeError: `X` or `labels` are not real numbers, or `dtype` is not a floating type.
        InvalidArgumentError: there is no sample or no feature; X has NaN, infinity or a value
            too large for `dtype`; `validation` is outside [0, 1) or leaves no training sample;
            a label is not a class number below `n_classes`; `rng` is not a generator.
        TooLargeError: the result would not fit into the memory.

    >>> images = np.arange(40.0).reshape(10, 2, 2)
    >>> labels = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    >>> split = preprocess(images, labels, rng=np.random.default_rng(0))
    >>> split
    Split(9 training and 1 validation samples, 4 features, 3 classes, float64)
    >>> np.allclose(split.X.mean(axis=0), 0), np.allclose(split.X.std(axis=0), 1)
    (True, True)
    """
    kind = _floating(dtype, "preprocess")
    features = _features(X, kind, "preprocess")
    n = len(features)
    classes = class_numbers(labels, "preprocess")
    if len(classes) != n:
        raise ShapeError(
            f"preprocess: X and labels must have the same number of samples. Got X of shape "
            f"{np.shape(X)} and labels of shape {classes.shape}.")
    width = class_count(classes, n_classes, "preprocess")
    check_rows(n, features.shape[1] + width, kind, "preprocess: features and one-hot labels")
    n_training = n - _validation_count(n, validation)
    # Nothing is drawn before this line, so that a refused call does not change the generator.
    order = checked_rng(rng, "preprocess").permutation(n).astype(np.intp, copy=False)
    # One array for both parts, standardised in place: for MNIST in float64 it takes 376 MB.
    standardised = features[order].astype(kind, copy=False)
    mean, scale = _column_statistics(standardised if whole_set else standardised[:n_training])
    standardised -= mean
    standardised /= scale
    Y = one_hot(classes[order], width, kind)
    return Split(standardised[:n_training], Y[:n_training], standardised[n_training:],
                 Y[n_training:], mean, scale, order)


def standardise(X: ArrayLike, mean: ArrayLike, scale: ArrayLike, *,
                dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Vectorise and standardise new images in the same way as the training images.

    ``(x_j - mean_j) / scale_j`` for each column ``j``.

    Args:
        X: images or features, shape (N, ...) with at least two axes.
        mean, scale: those of the `Split` the network was trained on, shape (p,), with p values for
            each image.
        dtype: floating type of the result.

    Raises:
        ShapeError: the images do not have p values each, or `mean` and `scale` differ in shape.
        DTypeError: `X` is not real numbers, or `dtype` is not a floating type.
        InvalidArgumentError: `X` is empty, or has NaN, infinity or too large a value.
        TooLargeError: the result would not fit into the memory.

    >>> standardise([[1.0, 6.0]], mean=[1.0, 2.0], scale=[1.0, 4.0])
    array([[0., 1.]])
    """
    kind = _floating(dtype, "standardise")
    features = _features(X, kind, "standardise")
    mean, scale = np.asarray(mean), np.asarray(scale)
    if mean.shape != (features.shape[1],) or scale.shape != mean.shape:
        raise ShapeError(
            f"standardise: X of shape {np.shape(X)} has {features.shape[1]} values per image and "
            f"needs mean and scale of shape {(features.shape[1],)}. Got mean of shape "
            f"{mean.shape} and scale of shape {scale.shape}. Use images of the training size.")
    check_rows(len(features), features.shape[1], kind, "standardise: the result")
    result = features.astype(kind)
    result -= mean
    result /= scale
    return result


def _column_statistics(X: NDArray[np.generic]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and scale of each column, with those of blocks of rows merged one by one.

    Source: T. F. Chan, G. H. Golub and R. J. LeVeque, "Algorithms for computing the sample
    variance", The American Statistician 37 (1983); in the order in which scikit-learn's
    ``StandardScaler`` adds, so that every digit agrees.
    """
    n, mean, variance = 0, np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for rows in batches(len(X), BLOCK):
        block = X[rows].astype(np.float64)
        k, total = len(block), block.sum(axis=0)
        block -= total / k
        correction = block.sum(axis=0)
        block **= 2
        squares = variance * n + (block.sum(axis=0) - correction**2 / k)
        if n:
            squares += n / k / (n + k) * (mean * n / (n / k) - total) ** 2
        n, mean = n + k, (mean * n + total) / (n + k)
        variance = squares / n
    scale = np.sqrt(variance)
    epsilon = np.finfo(np.float64).eps
    scale[variance <= n * epsilon * variance + (n * mean * epsilon) ** 2] = 1.0  # rounding alone
    # The mean of n equal numbers may have a rounding error, and the column would not become 0.
    constant = X.min(axis=0) == X.max(axis=0)
    mean[constant], scale[constant] = X[0, constant], 1.0
    return mean, scale


def _validation_count(n: int, validation: float) -> int:
    share = fraction(validation, "preprocess: validation")
    # Rounded first: 0.07 * 100 is 7.000000000000001, and its ceiling would be 8.
    count = math.ceil(round(share * n, 6))
    if count >= n:
        raise InvalidArgumentError(
            f"preprocess: validation = {validation!r} of {n} samples leaves none for training. "
            "Lower validation or give more samples.")
    return count


def _floating(dtype: DTypeLike, who: str) -> np.dtype[np.generic]:
    kind = np.dtype(dtype)
    if kind.kind != "f":
        raise DTypeError(f"{who}: dtype must be a floating type such as numpy.float32. Got {kind}.")
    return kind


def _features(X: ArrayLike, kind: np.dtype[Any], who: str) -> NDArray[np.generic]:
    """Return `X` as a matrix with a row for each sample, checked to fit into the type `kind`."""
    given = as_array(X, f"{who}: X")
    if given.ndim < 2:
        raise ShapeError(
            f"{who}: X must have shape (n, p) or (n, h, w). Got {given.shape}. "
            "For a single image pass image[None].")
    if given.dtype.kind not in "biuf":
        raise DTypeError(f"{who}: X must be real numbers. Got an array of {given.dtype}.")
    if given.size == 0:
        raise InvalidArgumentError(
            f"{who}: X must have at least one sample and one value. Got shape {given.shape}.")
    limit = min(float(np.finfo(kind).max), LARGEST)
    where = index_beyond(given, limit)
    if where is not None:
        raise InvalidArgumentError(
            f"{who}: X must be finite and at most {limit:.3g} in size for {kind}. Got "
            f"X[{', '.join(map(str, where))}] = {given[where]}. Clean the data or divide it.")
    return given.reshape(len(given), -1)
