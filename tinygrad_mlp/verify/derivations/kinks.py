"""Subgradients: at a kink, every slope between those of its sides is right."""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.derivations.points import Point
from tinygrad_mlp.verify.derivations.replay import RecordedLoss
from tinygrad_mlp.verify.further_points import moved

SAMPLES = 32
"""Points around a kink. Each of two sides is hit for certain, each of six nearly."""

FIRST_SAMPLES = 4
"""Points after which a smooth loss is recognised as one."""


def is_subgradient(point: Point, name: str) -> bool:
    """Return whether a gradient that differs from the right one is as right, at a kink.

    The generalised gradient (Clarke, 1975) is the convex hull of the limits of gradients at points
    nearby. Of this hull two things are tested, on samples G of gradients around the point: each
    element that differs lies between the smallest and the largest of G, which must be apart; and
    the whole lies in the plane that G spans, so that shares of tied elements have the right sum.
    """
    person, right = point.given[name], point.right[name]
    if point.exact is None or person.shape != right.shape or not np.isfinite(person).all():
        return False
    reach = float(np.sqrt(point.eps))
    first = _gradients_nearby(point, name, reach, FIRST_SAMPLES)
    nearer = _gradients_nearby(point, name, reach / 64, FIRST_SAMPLES)
    # Where the loss is smooth, gradients nearby are the closer the nearer. At a kink they are not.
    if len(first) < FIRST_SAMPLES or not len(nearer) or not (
            _spread(nearer, right).max(initial=0) > _spread(first, right).max(initial=0) / 4 > 0):
        return False
    more = _gradients_nearby(point, name, reach, SAMPLES - FIRST_SAMPLES)
    samples = np.vstack([first, nearer, more]) if len(more) else first
    scale = max(float(np.abs(samples).max()), float(np.abs(right).max(initial=0)))
    slack = point.eps ** 0.25 * 1e-2 * scale
    low, high = samples.min(axis=0) - slack, samples.max(axis=0) + slack
    mine = person.ravel()
    differs = point.difference(name).ravel() > point.allowed(name).ravel()
    jumps = _spread(samples, right) > slack
    between = (low <= mine) & (mine <= high)
    if not (between & jumps)[differs].all():
        return False
    return _in_plane(samples, mine, slack)


def _spread(samples: Array, right: Array) -> Array:
    every = np.vstack([samples, right.ravel()])
    return np.asarray(every.max(axis=0) - every.min(axis=0))


def _in_plane(samples: Array, mine: Array, slack: float) -> bool:
    """Return whether a vector lies in the affine hull of samples, if these leave room outside."""
    centre = samples.mean(axis=0)
    _, sizes, axes = np.linalg.svd(samples - centre, full_matrices=False)
    axes = axes[sizes > slack * np.sqrt(len(samples))]
    if len(axes) >= len(samples) - 1:
        return True  # too few samples to know the plane
    offset = mine - centre
    return bool(np.abs(offset - axes.T @ (axes @ offset)).max(initial=0) <= slack)


def _gradients_nearby(point: Point, name: str, reach: float, number: int) -> Array:
    """Return the right gradient of a parameter at points near by, a row for each."""
    found = []
    for _ in range(number):
        near = {
            key: moved(value, reach, point.handed.rng, freely=True)
            for key, value in point.parameters.items()}
        try:
            with np.errstate(all="ignore"):
                row = RecordedLoss(point.handed.loss, near, exact=True).replay()[0][name]
        except Exception:  # outside of where the loss is defined
            continue
        if np.isfinite(row).all():
            found.append(row.astype(float).ravel())
    return np.array(found)
