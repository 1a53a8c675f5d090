"""Multiples: whether one array is a number times another, and which well-known number."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.derivations.replay import Recording


def multiple(person: Array, other: Array, rtol: float) -> float | None:
    """The number c with ``person = c · other`` up to rounding, or None.

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


def known_factors(recording: Recording) -> dict[float, str]:
    """The factors that mistakes commonly bring in, with their names.

    Besides 2 they are the lengths of the axes at the end of the graph: numbers of samples and of
    outputs, and the products of these.
    """
    names: dict[float, str] = {2.0: "2"}
    shapes = (
        recording.value(p).shape
        for node in reversed(recording.nodes)
        for p in node
        if p is not None and recording.value(p).ndim
    )
    shape: tuple[int, ...] = next(shapes, ())
    if len(shape) == 1:
        names[float(shape[0])] = f"the number of outputs, {shape[0]}"
    elif len(shape) == 2:
        n, k = shape
        if n > 1 and k > 1:
            names[float(n * k)] = f"the number of samples times that of outputs, {n} · {k}"
        names[float(k)] = f"the number of outputs, {k}"
        names[float(n)] = f"the number of samples, {n}"
    names.pop(1.0, None)
    names.update({1 / c: f"1 over {name}" for c, name in list(names.items())})
    names[0.5] = "½"
    return names


def recognised(c: float, recording: Recording, rtol: float) -> tuple[float, str]:
    """A factor without its rounding errors where it is a well-known one, and its name."""
    for factor, name in [(1.0, "1"), *known_factors(recording).items()]:
        for sign, mark in ((1, ""), (-1, "−")):
            if math.isclose(c, sign * factor, rel_tol=max(rtol, 1e-9)):
                return sign * factor, f"{mark}{name}"
    return c, f"{c:.6g}"
