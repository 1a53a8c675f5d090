"""Numerical derivatives along many directions, each with a bound of its error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.mode import MODE, changed_mode
from tinygrad_mlp.verify.gradients.rounding import analytic
from tinygrad_mlp.verify.gradients.steps import Directions, Noise, usual_step
from tinygrad_mlp.verify.gradients.sweep import Sweep
from tinygrad_mlp.verify.rounding_noise import TRIALS, RoundingNoise

COMPLEX_STEP = 2.0**-100
"""Its square vanishes beside 1 in any precision, and it is far from underflow."""

BY_COMPLEX, BY_REFERENCES = "complex step", "complex step (references)"
"""Names of methods. The second is of other functions than those that were differentiated."""


class Estimates(NamedTuple):
    """Derivatives along directions (first axis) of all elements of the outputs (second axis).

    Attributes:
        value: the derivatives.
        error: bounds of their errors.
        bent: where the two sides seem to have different slopes.
        step: t.
        method: how they were made, in words.
    """

    value: Array
    error: Array
    bent: Array
    step: float
    method: str


def complex_steps(directions: Directions, references: str) -> Array | None:
    """``Im f(x + iε v) / ε``, without subtraction, exact to rounding; None where f cannot.

    Source: Squire and Trapp, SIAM Review 40 (1998).

    Args:
        directions: the v.
        references: whether the operations' references are evaluated instead: see `analytic`.
    """
    found = []
    try:
        with changed_mode(hook=analytic(references, MODE.get().hook)):
            for k in range(len(directions)):
                out = directions.values(k, 1j * COMPLEX_STEP)
                if not np.iscomplexobj(out):
                    return None
                found.append(out.imag / COMPLEX_STEP)
    except Exception:  # whatever f may raise that was written for real numbers
        return None
    base = directions.probe.base
    value, fine = np.array(found).reshape(len(directions), base.size), np.isfinite(base)
    return value if np.isfinite(value[:, fine]).all() else None


def by_complex_steps(
    directions: Directions, trial: Directions, sweep: Sweep, rng: np.random.Generator
) -> Estimates | None:
    """Derivatives by complex steps, if these pass a trial: some functions take them in vain (|x|).

    Args:
        directions: to differentiate along.
        trial: one direction, in which all elements of the input move.
        sweep: the sweep along it.
        rng: for artificial rounding, from which the error is estimated.
    """
    probe = directions.probe
    fine = np.isfinite(probe.base)
    if (sweep.kink | sweep.jump | ~sweep.finite)[fine].any():
        return None
    settled = sweep.settled[fine].all()
    for references in ("never", "where needed", "wherever known"):
        tried = complex_steps(trial, references)
        if tried is None:
            continue
        size = np.maximum(np.abs(tried[0]), np.abs(sweep.value))
        agree = np.abs(tried[0] - sweep.value) <= 1e-6 * size + sweep.error
        # Where rounding hides what f does, operations that keep imaginary parts are believed.
        if not (agree | ~sweep.settled)[fine].all() or not (settled or references == "never"):
            continue
        rounding = np.zeros(probe.base.shape)
        with changed_mode(hook=RoundingNoise(probe.eps, rng)):
            for _ in range(TRIALS):
                again = complex_steps(trial, references)
                if again is not None:
                    rounding = np.fmax(rounding, np.abs(again - tried)[0])
        value = complex_steps(directions, references)
        if value is not None:
            underflow = 1e3 * float(np.finfo(value.dtype).tiny) / COMPLEX_STEP
            # The error of truncation, ε² φ‴ / 6, is all there is of x³ at 0.
            truncation = 1e6 * COMPLEX_STEP**2 * sweep.third
            error = 16 * probe.eps * np.abs(value) + 2 * rounding + truncation + underflow
            bent = np.zeros(value.shape, bool)
            method = BY_COMPLEX if references == "never" else BY_REFERENCES
            return Estimates(value, error, bent, COMPLEX_STEP, method)
    return None


def differences(directions: Directions, noise: Noise) -> Estimates:
    """Central differences with one extrapolation, at the step that usually serves best.

    ``D(t) = (φ(t) − φ(−t)) / 2t = φ′ + c t² + …``, so ``(4 D(t) − D(2t)) / 3 = φ′ + O(t⁴)``. As its
    error counts that of D(t), and rounding. Two sides with slopes R and L show in
    ``(φ(t) + φ(−t) − 2 φ(0)) / t``, which is R − L for any t, but halves with t where f is smooth.
    """
    probe = directions.probe
    t = usual_step(probe.eps)
    n, rounding = len(directions), noise.at(2 * t) / t
    value, error, bent = (np.zeros((n, probe.base.size), d) for d in (float, float, bool))
    for k in range(n):
        up, down, up2, down2 = (directions.values(k, s * t) for s in (1, -1, 2, -2))
        near, far = (up - down) / (2 * t), (up2 - down2) / (4 * t)
        value[k] = (4 * near - far) / 3
        error[k] = np.abs(near - far) / 3 + 2 * (rounding + probe.eps * np.abs(near) / t)
        jump = np.abs((up - probe.base) - (probe.base - down)) / t
        wide = np.abs((up2 - probe.base) - (probe.base - down2)) / (2 * t)
        bent[k] = (jump > 0.7 * wide) & (jump > 8 * rounding + 1e-5 * np.abs(near))
    return Estimates(value, error, bent, t, "differences")
