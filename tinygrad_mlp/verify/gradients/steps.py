"""Steps and directions, and how exact a function is at the end of them.

Steps are relative: an input x moves to ``x + t·v`` with v as long as x, so that φ(t) = f(x + t·v)
has a derivative of the size of f wherever f is neither flat nor steep, whatever the units of x.
All derivatives here are those of φ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.gradients.probe import Probe
from tinygrad_mlp.verify.gradients.sizes import typical_size

WIDEST = 6
"""The largest step of a sweep is two to this power: inputs can be small beside what f is made of,
as in ``1 + x²`` for x = 10⁻⁶."""


class Directions:
    """The directions in which one input is moved.

    Args:
        probe: the function.
        leaf: the number of the input.
        vectors: the directions; None for one along each element.
    """

    def __init__(self, probe: Probe, leaf: int, vectors: Sequence[Array] | None = None) -> None:
        self.probe, self.leaf, self.vectors = probe, leaf, vectors
        self.point = probe.point[leaf]
        self.size = typical_size(self.point)

    def __len__(self) -> int:
        return self.point.size if self.vectors is None else len(self.vectors)

    def moved(self, k: int, t: Any) -> list[Array]:
        """The inputs with this one moved by `t` along direction `k`."""
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

    def values(self, k: int, t: Any) -> Array:
        """φ(t) along direction `k`."""
        return self.probe.values(self.moved(k, t))

    def along(self, gradient: Array) -> Array:
        """The derivatives of φ that a gradient implies, one for each direction."""
        if self.vectors is None:
            return (gradient * self.size).ravel()
        return np.array([np.vdot(gradient, v) for v in self.vectors])

    def unit(self, k: int) -> float:
        """What a derivative of φ is divided by, and a step multiplied with, in the input's units.

        1 for a direction that is not along an element.
        """
        return float(self.size.flat[k]) if self.vectors is None else 1.0

    def vector(self, k: int) -> Array:
        """Direction `k`, of length 1 if it is along an element."""
        if self.vectors is not None:
            return self.vectors[k]
        v = np.zeros(self.point.shape)
        v.flat[k] = 1
        return v

    def finest(self, k: int) -> int:
        """The exponent of the smallest step that is of use: far below the input's own size."""
        bits, below = -np.log2(self.probe.eps), 0.0
        if self.vectors is None:
            own = abs(float(self.point.flat[k]))
            below = np.log2(self.unit(k) / own) if 0 < own < np.inf else 8.0
        return int(0.85 * bits + min(max(below, 0.0), bits))


class Noise:
    """The rounding error of the outputs, as a function of how far the input has moved.

    Where f is small and its surroundings are not (at the minimum of a squared error), the values
    that a difference is made of are less exact than that at the point.
    """

    def __init__(self, directions: Directions, here: Array, rng: np.random.Generator) -> None:
        probe = directions.probe
        usual = np.log2(2 * usual_step(probe.eps))
        levels = (3 * usual, usual, -2, WIDEST)
        self.steps = [float(2.0**k) for k in levels]
        self.levels = []
        for t in self.steps:
            here = np.fmax(here, probe.noise(directions.moved(0, t), rng, trials=2))
            self.levels.append(here)

    def at(self, t: float) -> Array:
        """For steps up to `t`."""
        return next(
            level for step, level in zip(self.steps, self.levels, strict=True) if t <= step
        )


def usual_step(eps: float) -> float:
    """The step of the first attempt: where error of truncation and of rounding are both small.

    ``eps^(1/4.4)``, a power of two.
    """
    return float(2.0 ** np.round(np.log2(eps) / 4.4))


