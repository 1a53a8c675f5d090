"""Drawings in photographs: light that is uneven, specks, and tilt.

A photograph of paper is the product of the light and of what is drawn. The light changes slowly, so
a median over a wide window finds the paper under a stroke that is narrower than half of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array

SIDE, COARSE = 120, 40
"""Pixels of the longer side at which a photograph and its paper are looked at. The first is enough
for images of 28 pixels, and has less noise; a median over more than the second takes long."""
NEAR, MOST = 0.05, 0.65
"""A background is even if this share of the pixels is as near as this share of the contrast."""
FAINT = 0.08
"""Contrast of ink as a share of the paper's brightness below which there is none to be seen."""
SPECK = 0.08
"""Size of a piece as a share of the largest one below which it is taken for dirt."""


def is_uneven(grey: Array) -> bool:
    """Return whether the background of a picture changes from place to place.

    It is even where most of the picture, or most of its border, is near to one level.
    """
    small = shrunk(grey)
    edges = np.concatenate([small[0], small[-1], small[1:-1, 0], small[1:-1, -1]])
    near = NEAR * (small.max() - small.min())
    level = np.median(edges)
    return all(np.mean(abs(part - level) <= near) < MOST for part in (small, edges))


def evened_ink(grey: Array) -> tuple[Array, bool] | None:
    """Return ink from 0 to 1 under uneven light, and whether it is dark on light.

    None if no drawing stands out from the paper.
    """
    small = shrunk(grey)
    paper = background(small)
    relative = (small - paper) / np.maximum(paper, 0.1 * paper.max())
    dark_on_light = float((relative**3).sum()) < 0  # what is rare and far from the paper is ink
    ink = np.maximum(-relative if dark_on_light else relative, 0.0)
    level = separating_level(ink)
    drawn = _pieces(ink > level)
    if not drawn.any():
        return None
    full = float(np.median(ink[drawn]))
    rest = ~_grown(drawn)
    if full < FAINT or drawn.mean() > 0.4 or full < 4 * float(ink[rest].std()):
        return None
    # Between the noise of the paper and a stroke's middle; nothing far from a stroke.
    low = min(level / 2, full / 4)
    return np.where(rest, 0.0, np.clip((ink - low) / (full - low), 0.0, 1.0)), dark_on_light


def shrunk(grey: Array, side: int = SIDE) -> Array:
    """Return a picture with a longer side of at most `side` pixels."""
    step = max(grey.shape) / side
    if step <= 1:
        return grey
    return _scaled(grey, tuple(max(1, round(n / step)) for n in grey.shape))


def _scaled(grey: Array, shape: Any) -> Array:
    from PIL import Image

    how = Image.Resampling.BOX if shape < grey.shape else Image.Resampling.BICUBIC
    image = Image.fromarray(grey.astype(np.float32))
    return np.asarray(image.resize(shape[::-1], how), np.float64)


def background(grey: Array) -> Array:
    """Return the level of the paper at each pixel: a median over a third of the picture."""
    from scipy import ndimage

    coarse = shrunk(grey, COARSE)
    window = max(coarse.shape) // 3 | 1
    paper = ndimage.median_filter(coarse, size=window, mode="nearest")
    return _scaled(ndimage.gaussian_filter(paper, 1.0, mode="nearest"), grey.shape)


def separating_level(values: Array) -> float:
    """Return the level that splits numbers into two groups that differ most (Otsu's method).

    ``max_t w0 w1 (m0 − m1)²`` over levels t, with the shares w and means m of the two groups.

    >>> 0.1 < separating_level(np.array([0.0, 0.1, 0.0, 0.9, 1.0])) < 0.9
    True
    """
    counts, edges = np.histogram(values, 128)
    centres = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    split = (below > 0) & (above > 0)
    between = np.zeros(len(counts))
    between[split] = (sums[-1] * below[split] - sums[split] * below[-1]) ** 2 / (
        below[split] * above[split])
    best = np.flatnonzero(between == between.max())
    return float(edges[1:][best].mean())


def _pieces(drawn: Array) -> Array:
    """Return the pieces of a drawing without specks, and without what the edge cuts off."""
    from scipy import ndimage

    labels, n = ndimage.label(drawn, np.ones((3, 3)))
    if n == 0:
        return drawn
    sizes = np.bincount(labels.ravel())[1:]
    at_edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    inside = np.setdiff1d(np.arange(1, n + 1), at_edge)
    kept = inside if len(inside) else np.arange(1, n + 1)
    largest = sizes[kept - 1].max()
    return np.isin(labels, [k for k in kept if sizes[k - 1] >= SPECK * largest])


def _grown(drawn: Array) -> Array:
    from scipy import ndimage

    grown: Array = ndimage.binary_dilation(drawn, np.ones((3, 3)), iterations=2)
    return grown


def upright(ink: Array) -> Array:
    """Return a drawing with its slant removed: a shear by the moments of its ink.

    ``x' = x − (μ₁₁ / μ₀₂) (y − ȳ)``, with the central moments ``μ`` of the ink, after which x and y
    are uncorrelated.
    """
    from scipy import ndimage

    y, x = np.mgrid[: ink.shape[0], : ink.shape[1]]
    total = ink.sum()
    cy, cx = (ink * y).sum() / total, (ink * x).sum() / total
    slant = float((ink * (y - cy) * (x - cx)).sum() / max((ink * (y - cy) ** 2).sum(), 1e-12))
    matrix: Any = np.array([[1.0, 0.0], [slant, 1.0]])
    made: Array = ndimage.affine_transform(ink, matrix, offset=[0.0, -slant * cy], order=1)
    return made
