"""The data of the playground: points in the plane, images of digits, tables from CSV files."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.data import load, one_hot, preprocess
from tinygrad_mlp.errors import DataError, DataNotFoundError, InvalidArgumentError, ShapeError
from tinygrad_mlp.support.checks import not_negative, one_of
from tinygrad_mlp.training.checked_data import is_one_hot

POINTS, IMAGES = ("spirals", "circles"), ("digits", "mnist")

KNOWN = (*POINTS, *IMAGES)

MOST_BYTES, MOST_COLUMNS = 50_000_000, 200
"""Of a CSV file."""

MOST_CLASSES = 20
"""Different numbers in the last column of a CSV file up to which they are classes."""

HELD_OUT = 0.2  # the share of the samples that are not trained on


class PlayData(NamedTuple):
    """Samples to train and to test on.

    Attributes:
        name: what they are called.
        X: inputs to train on, shape ``(n, features)``.
        Y: their targets, shape ``(n, outputs)``; one-hot for classes.
        X_test: inputs to test on.
        Y_test: their targets.
        classes: the names of the classes; empty for a regression.
        features: the names of the inputs; empty for images.
        mean: what was subtracted from the inputs, by feature.
        scale: what they were divided by.
        side: the side of the images; 0 where the inputs are none.
    """

    name: str
    X: Array
    Y: Array
    X_test: Array
    Y_test: Array
    classes: tuple[str, ...]
    features: tuple[str, ...]
    mean: Any = 0.0
    scale: Any = 1.0
    side: int = 0

    @property
    def images(self) -> Array:
        """The images to test on as they were, shape ``(n, side, side)``."""
        images: Array = self.X_test * self.scale + self.mean
        return images.reshape(-1, self.side, self.side)


def examples(data: object = "spirals", *, noise: float = 0.05, seed: int = 0) -> PlayData:
    """Return the data of the playground; a program that it exports calls this, too.

    Args:
        data: "spirals", "circles", "digits" or "mnist"; a CSV file with a header, whose last column
            holds the target; or a pair (X, Y) of arrays, where Y holds class numbers, one-hot rows
            or numbers.
        noise: the standard deviation of the noise of points.
        seed: the seed of points, and of the split into samples to train and to test on.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: the file cannot be read as a table of numbers.
        InvalidArgumentError: the data have another form.

    >>> found = examples("spirals")
    >>> found.X.shape, found.Y.shape, found.classes
    ((240, 2), (240, 3), ('0', '1', '2'))
    """
    not_negative(noise, "examples: noise")
    if isinstance(data, tuple) and len(data) == 2:
        return _of_arrays(*data, seed)
    if not isinstance(data, (str, os.PathLike)):
        raise InvalidArgumentError(
            f"examples: data must be one of {', '.join(KNOWN)}, a CSV file, or a pair (X, Y) of "
            f"arrays. Got {type(data).__name__}.")
    if data in POINTS:
        return _points(str(data), noise, seed)
    if data in IMAGES:
        return _images(str(data), seed)
    if Path(data).suffix.lower() != ".csv":
        one_of(data, KNOWN, "examples: data, unless it is a file that ends in .csv,")
    return _table(Path(data), seed)


def _points(name: str, noise: float, seed: int) -> PlayData:
    rng = np.random.default_rng(seed)
    if name == "spirals":
        radius = np.sqrt(rng.uniform(0.01, 1, size=(3, 100)))
        angle = 4 * radius + 2 * np.pi / 3 * np.arange(3)[:, None]
        labels = np.repeat([0, 1, 2], 100)
    else:
        radius = np.repeat([[0.3], [0.85]], 150, axis=1)
        angle = rng.uniform(0, 2 * np.pi, size=(2, 150))
        labels = np.repeat([0, 1], 150)
    X = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).reshape(-1, 2)
    X += rng.normal(0, noise, X.shape)
    return _split(name, X, one_hot(labels), seed, _names(labels.max() + 1), ("x1", "x2"))


def _images(name: str, seed: int) -> PlayData:
    found = load(name)
    split = preprocess(found.X, found.labels, validation=HELD_OUT, rng=np.random.default_rng(seed))
    return PlayData(name, split.X, split.Y, split.X_validation, split.Y_validation,
                    _names(found.n_classes), (), split.mean, split.scale, found.image_shape[0])


def _of_arrays(X: Any, Y: Any, seed: int) -> PlayData:
    X, Y = np.asarray(X, float), np.asarray(Y)
    if X.ndim != 2 or len(X) != len(Y) or len(X) < 5 or Y.ndim > 2:
        raise ShapeError(
            f"examples: X must have shape (n, features) and Y n rows, of at least 5 samples. Got "
            f"{X.shape} and {Y.shape}.")
    if not np.isfinite(X).all():
        raise DataError("examples: X must hold finite numbers. Remove rows with NaN or infinity.")
    if Y.ndim == 1 and Y.dtype.kind in "iub":
        Y = one_hot(Y)
    Y = Y.reshape(len(Y), -1).astype(float)
    classes = _names(Y.shape[1]) if is_one_hot(Y) else ()
    return _split("your data", X, Y, seed, classes, _features(X.shape[1]), standardised=True)


def _table(path: Path, seed: int) -> PlayData:
    """Read a CSV file: a header, then a row for each sample with the target at the end."""
    if not path.is_file():
        raise DataNotFoundError(f"{path}: there is no such file. Check the path.")
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{path}: a file of at most {MOST_BYTES // 10**6} MB is read. Shorten it.")
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = [row for row in csv.reader(file) if row]
    width = len(rows[0]) if rows else 0
    if len(rows) < 6 or not 2 <= width <= MOST_COLUMNS:
        raise DataError(
            f"{path}: expected a header and at least 5 rows, with 2 to {MOST_COLUMNS} columns. Got "
            f"{max(len(rows) - 1, 0)} rows of {width} columns.")
    header, body = rows[0], rows[1:]
    X = np.array([[_number(path, cell, line, row, width) for cell in row[:-1]]
                  for line, row in enumerate(body, 2)])
    Y, classes = _targets([row[-1].strip() for row in body])
    return _split(path.name, X, Y, seed, classes, tuple(header[:-1]), standardised=True)


def _number(path: Path, cell: str, line: int, row: list[str], width: int) -> float:
    try:
        found = float(cell)
    except ValueError:
        found = np.nan
    if len(row) != width or not np.isfinite(found):
        raise DataError(
            f"{path}, line {line}: expected {width} cells, numbers except for the last. Got "
            f"{len(row)} cells, among them {cell[:40]!r}.")
    return found


def _targets(cells: list[str]) -> tuple[Array, tuple[str, ...]]:
    """Return the last column as classes if it holds words or few numbers, else as numbers."""
    names = sorted(set(cells))
    try:
        numbers = np.array([[float(cell)] for cell in cells])
    except ValueError:
        numbers = None
    if numbers is not None and len(names) > MOST_CLASSES and np.isfinite(numbers).all():
        return (numbers - numbers.mean()) / (numbers.std() or 1.0), ()
    return one_hot([names.index(cell) for cell in cells], len(names)), tuple(names)


def _split(name: str, X: Array, Y: Array, seed: int, classes: tuple[str, ...],
           features: tuple[str, ...], standardised: bool = False) -> PlayData:
    order = np.random.default_rng(seed).permutation(len(X))
    n = len(X) - int(HELD_OUT * len(X))
    train, test = order[:n], order[n:]
    mean, scale = np.zeros(X.shape[1]), np.ones(X.shape[1])
    if standardised:
        mean, scale = X[train].mean(axis=0), X[train].std(axis=0)
        scale[scale == 0] = 1
    X = (X - mean) / scale
    return PlayData(name, X[train], Y[train], X[test], Y[test], classes, features, mean, scale)


def _names(n: int) -> tuple[str, ...]:
    return tuple(map(str, range(n)))


def _features(n: int) -> tuple[str, ...]:
    return tuple(f"x{i}" for i in range(1, n + 1))
