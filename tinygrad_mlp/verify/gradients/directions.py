"""The steps and directions in which an input is moved, and the rounding error along them.

Steps are relative: an input x moves to ``x + t·v`` with v as long as x, so that φ(t) = f(x + t·v)
has a derivative of the size of f wherever f is neither flat nor steep, whatever the units of x.
All numerical derivatives are those of φ.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.gradients.probe import Probe

WIDEST = 6
"""The largest step of a sweep is two to this power: inputs can be small beside the other terms of
f, as in ``1 + x²`` for x = 10⁻⁶."""


def typical_size(a: Array) -> Array:
    """Return for each element the length of its steps: its own size, or the median's if larger.

    A power of two, so that steps of ``2**-k`` times it are added without rounding.

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
    """Return a random vector of the size of `a`, element by element: ±½ to ±2 times as large.

    It has few binary digits, so that steps along it are added with hardly any rounding, and is not
    ±1, so that terms of a function do not cancel by accident.
    """
    digits = rng.integers(32, 128, a.shape) / 64 * rng.choice([-1.0, 1.0], a.shape)
    return np.asarray(digits * typical_size(a))


class Directions:
    """The directions in which input number `leaf` is moved; without vectors, along each element."""

    def __init__(self, probe: Probe, leaf: int, vectors: Sequence[Array] | None = None) -> None:
        self.probe, self.leaf, self.vectors = probe, leaf, vectors
        self.point = probe.point[leaf]
        self.size = typical_size(self.point)

    def __len__(self) -> int:
        return self.point.size if self.vectors is None else len(self.vectors)

    def moved(self, k: int, t: object) -> list[Array]:
        """Return the inputs with this one moved by `t` along direction `k`."""
        arrays = list(self.probe.point)
        if isinstance(t, complex):
            arrays = [a.astype(np.result_type(a, np.complex64)) for a in arrays]
        here = arrays[self.leaf]
        if self.vectors is None:
            here = here.copy()
            here.reshape(-1)[k] += t * self.size.flat[k]
        else:
            here = np.asarray(here + t * self.vectors[k], dtype=here.dtype)
        arrays[self.leaf] = here
        return arrays

    def values(self, k: int, t: object) -> Array:
        """Return φ(t) along direction `k`."""
        return self.probe.values(self.moved(k, t))

    def along(self, gradient: Array) -> Array:
        """Return the derivatives of φ that a gradient implies, one for each direction."""
        if self.vectors is None:
            return (gradient * self.size).ravel()
        return np.array([np.vdot(gradient, v) for v in self.vectors])

    def unit(self, k: int) -> float:
        """Return what derivatives of φ are divided by to have the input's units."""
        return float(self.size.flat[k]) if self.vectors is None else 1.0

    def vector(self, k: int) -> Array:
        """Return direction `k`, of length 1 if it is along an element."""
        if self.vectors is not None:
            return self.vectors[k]
        v = np.zeros(self.point.shape)
        v.flat[k] = 1
        return v

    def finest(self, k: int) -> int:
        """Return the exponent of the smallest useful step, far below the input's own size."""
        bits, below = -np.log2(self.probe.eps), 0.0
        if self.vectors is None:
            own = abs(float(self.point.flat[k]))
            below = np.log2(self.unit(k) / own) if 0 < own < np.inf else 8.0
        return int(0.85 * bits + min(max(below, 0.0), bits))


def index_of(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the index of the element with number `flat` of an array of `shape`."""
    return tuple(int(i) for i in np.unravel_index(flat, shape)) if shape else ()


class Noise:
    """The rounding error of the outputs, as a function of how far the input has moved.

    Where f is small and its surroundings are not (at the minimum of a squared error), the values
    that a difference is computed from are less exact than the value at the point.
    """

    def __init__(self, directions: Directions, here: Array, rng: np.random.Generator) -> None:
        probe = directions.probe
        usual = np.log2(2 * usual_step(probe.eps))
        self.steps = [float(2.0**k) for k in (3 * usual, usual, -2, WIDEST)]
        self.levels = []
        for t in self.steps:
            here = np.fmax(here, probe.noise(directions.moved(0, t), rng, trials=2))
            self.levels.append(here)

    def at(self, t: float) -> Array:
        """Return the rounding error for steps up to `t`."""
        pairs = zip(self.steps, self.levels, strict=True)
        return next(level for step, level in pairs if t <= step)


def usual_step(eps: float) -> float:
    """Return the step of the first attempt, where truncation and rounding errors are both small."""
    return float(2.0 ** np.round(np.log2(eps) / 4.4))
