"""How far an input may be moved: steps and directions in proportion to its own size."""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.autograd.graph import Array


def typical_size(a: Array) -> Array:
    """For each element the length of its steps: its own size, or the median's if that is larger.

    A power of two, so that steps of ``2**-k`` times it are added without rounding. Zeros do not
    count for the median; 1 where all elements are 0.

    >>> typical_size(np.array([3.0, 1e-9, 0.0, 5.0])), typical_size(np.zeros(2))
    (array([2., 2., 2., 4.]), array([1., 1.]))
    """
    own = np.abs(a)
    counts = np.sort(own[(own > 0) & np.isfinite(own)])
    if counts.size == 0:
        return np.ones(a.shape, a.dtype)
    median = counts[(counts.size - 1) // 2]
    size: Array = np.exp2(np.floor(np.log2(np.where(own > median, own, median))))
    return np.where(np.isfinite(size), size, 1)


def random_direction(a: Array, rng: np.random.Generator) -> Array:
    """A random vector of the size of `a`, element by element: ±½ to ±2 times as large.

    Of few binary digits, so that steps along it are added with hardly any rounding. Not ±1, so
    that terms of a function do not happen to cancel.
    """
    digits = rng.integers(32, 128, a.shape) / 64 * rng.choice([-1.0, 1.0], a.shape)
    return np.asarray(digits * typical_size(a))
