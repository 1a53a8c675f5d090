"""Whether one array is a multiple of another, up to rounding."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_mlp.autograd.graph import Array


def multiple(person: Array, other: Array, rtol: float) -> float | None:
    """Return the number c with ``person = c · other`` up to rounding, or None.

    ``c = ⟨person, other⟩ / ⟨other, other⟩``; zero arrays are multiples of nothing.
    """
    if person.shape != other.shape or not np.isfinite(other).all():
        return None
    size, reference = np.abs(person).max(initial=0), np.abs(other).max(initial=0)
    if size == 0 or reference == 0 or not math.isfinite(size):
        return None
    # Normalised first: squares of numbers beyond 1e154 overflow, those below 1e-162 vanish.
    p, o = (person / size).astype(float).ravel(), (other / reference).astype(float).ravel()
    c = float(p @ o) / float(o @ o)
    if c == 0 or np.abs(p - c * o).max() > rtol * np.abs(p).max():
        return None
    return c * float(size) / float(reference)


def is_multiple(person: Array, other: Array, c: float, rtol: float) -> bool | None:
    """Return whether ``person = c · other``; None where both vanish, which says nothing."""
    found = multiple(person, other, rtol)
    if found is None:
        return False if np.any(other) or np.any(person) else None
    return math.isclose(found, c, rel_tol=max(10 * rtol, 1e-7))
