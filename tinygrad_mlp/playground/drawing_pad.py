"""A drawing as the images of a data set are: cut out, scaled, and centred."""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.autograd.graph import Array

FILLED = 20 / 28
"""The share of an image's side that a digit fills, as in MNIST."""


def as_image(pixels: Array, side: int) -> Array:
    """Return a drawing, with ink from 0 to 1, as an image of another side.

    The ink is cut out, scaled to fill the same share of the image as those of MNIST, and moved so
    that its centre of mass is in the middle.

    >>> as_image(np.eye(28), 8).shape
    (8, 8)
    """
    rows, columns = np.nonzero(pixels > 0)
    image = np.zeros((side, side))
    if not len(rows):
        return image
    ink = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    longest = max(ink.shape)
    filled = round(side * (FILLED if side > 10 else 1))
    height, width = (max(1, round(filled * n / longest)) for n in ink.shape)
    small = _resized(ink, height, width)
    centre = [float((small.sum(axis=1 - k) * np.arange(small.shape[k])).sum() / small.sum())
              for k in (0, 1)]
    top, left = (int(np.clip(round((side - 1) / 2 - c), 0, side - n))
                 for c, n in zip(centre, small.shape, strict=True))
    image[top : top + height, left : left + width] = small
    return image


def _resized(ink: Array, height: int, width: int) -> Array:
    """Return the mean of the ink in each cell of a grid."""
    return _averaging(height, ink.shape[0]) @ ink @ _averaging(width, ink.shape[1]).T


def _averaging(cells: int, n: int) -> Array:
    """Return the matrix whose row is the share of each of n numbers in a cell."""
    edges = np.linspace(0, n, cells + 1)
    low, high = edges[:-1, None], edges[1:, None]
    shares = np.clip(np.minimum(high, np.arange(1, n + 1)) - np.maximum(low, np.arange(n)), 0, None)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
