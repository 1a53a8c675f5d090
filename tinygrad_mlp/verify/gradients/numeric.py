"""Numerical derivatives with respect to one input, each with a bound of its error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.mode import MODE, changed_mode
from tinygrad_mlp.autograd.op import Op, Static
from tinygrad_mlp.errors import TinygradError
from tinygrad_mlp.verify.gradients.directions import Directions, Noise, random_direction, usual_step
from tinygrad_mlp.verify.gradients.probe import Probe, data_of
from tinygrad_mlp.verify.gradients.sweep import Sweep
from tinygrad_mlp.verify.rounding_noise import TRIALS, RoundingNoise, evaluate, exact_arrays

COMPLEX_STEP = 2.0**-100
"""Its square vanishes beside 1 in any precision, and it is far from underflow."""

CONTINUED = 1e-11
"""Relative difference of a function and its continuation to complex numbers that is rounding."""

BY_COMPLEX, BY_REFERENCES = "complex step", "complex step (references)"
"""Names of methods. The second is of other functions than those that were differentiated."""

RANDOM_DIRECTIONS = 3


class Estimates(NamedTuple):
    """Derivatives along directions (first axis) of all elements of the outputs (second axis).

    They are `bent` where the two sides seem to have different slopes.
    """

    value: Array
    error: Array
    bent: Array
    step: float
    method: str


class NumericDerivatives:
    """The numerical derivatives with respect to one input: complex steps, or else differences.

    `here` is the rounding error of the outputs at the point. For `fast`, random directions are
    taken instead of the elements.
    """

    def __init__(self, probe: Probe, leaf: int, here: Array, rng: np.random.Generator,
                 fast: bool = False) -> None:
        point, vectors, self.here = probe.point[leaf], None, here
        if fast:
            vectors = [random_direction(point, rng) for _ in range(RANDOM_DIRECTIONS)]
        self.directions = Directions(probe, leaf, vectors)
        self.trial = Directions(probe, leaf, [random_direction(point, rng)])
        self.noise = Noise(self.trial, here, rng)
        self.trial_sweep = Sweep(self.trial, 0, self.noise, doublings=4)
        estimates = by_complex_steps(self.directions, self.trial, self.trial_sweep, rng)
        self.estimates = estimates or differences(self.directions, self.noise)
        self._sweeps: dict[int, Sweep] = {}

    def sweep(self, k: int) -> Sweep:
        """Return the sweep along direction `k`."""
        if k not in self._sweeps:
            self._sweeps[k] = Sweep(self.directions, k, self.noise)
        return self._sweeps[k]


def by_complex_steps(directions: Directions, trial: Directions, sweep: Sweep,
                     rng: np.random.Generator) -> Estimates | None:
    """Return derivatives by complex steps, or None if these fail a trial, as those of |x| do.

    The trial is one direction, in which all elements of the input move, with the sweep along it.
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
        # Where rounding hides what f does, operations that keep imaginary parts are trusted.
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


def complex_steps(directions: Directions, references: str) -> Array | None:
    """Return ``Im f(x + iε v) / ε``, exact to rounding as nothing is subtracted; None if f cannot.

    Source: Squire and Trapp, SIAM Review 40 (1998).
    """
    found = []
    try:
        with changed_mode(hook=analytic(references, MODE.get().hook)):
            for k in range(len(directions)):
                out = directions.values(k, 1j * COMPLEX_STEP)
                if not np.iscomplexobj(out):
                    return None
                found.append(out.imag / COMPLEX_STEP)
    except Exception:  # any error that an f written for real numbers may raise
        return None
    base = directions.probe.base
    value, fine = np.array(found).reshape(len(directions), base.size), np.isfinite(base)
    return value if np.isfinite(value[:, fine]).all() else None


class NotAnalytic(Exception):
    """Raised and caught here, where an operation cannot be continued to complex numbers."""


def analytic(references: str, outer: Any) -> Callable[[Op, tuple[object, ...], Static], object]:
    """Return a hook under which operations take complex numbers.

    Some forward functions cannot (SciPy's are real), or lose the imaginary part. The reference of
    the operation's record replaces them "never", "where needed" or "wherever known". If the `outer`
    hook, around this one, is a `RoundingNoise`, that changes the arguments.
    """
    def hook(op: Op, args: tuple[object, ...], static: Static) -> Any:
        noisy = isinstance(outer, RoundingNoise)
        arrays = outer.arrays(op, args, static) if noisy else exact_arrays(op, args)
        if op.nondifferentiable or not any(map(np.iscomplexobj, arrays)):
            return evaluate(op, args, arrays, static)
        recording = MODE.get().recording
        tracked = recording and any(isinstance(a, Value) and a.requires_grad for a in args)
        known = op.record.reference is not None and op.outputs == 1 and not tracked
        if not known or references != "wherever known":
            try:
                out = evaluate(op, args, arrays, static)
            except (TinygradError, ValueError, TypeError):
                out = None
            if out is not None and all(np.iscomplexobj(data_of(o)) for o in op.as_tuple(out)) and (
                    _continues(op, arrays, static, out)):
                return out
        if known and references != "never":
            out = np.asarray(op.record.reference(*arrays, **static))  # type: ignore[misc]
            if np.iscomplexobj(out) and _continues(op, arrays, static, out):
                return op.as_value(args, arrays, static, out)
        raise NotAnalytic(op.name)

    return hook


def _continues(op: Op, arrays: tuple[Any, ...], static: dict[str, object], out: object) -> bool:
    """Return whether the real part of an elementwise result is the result for real arguments.

    NumPy's ``log1p`` of complex numbers near 0 is not: it has lost digits, in both parts.
    """
    if not op.elementwise:
        return True
    real = [np.real(a) if np.iscomplexobj(a) else a for a in arrays]
    expected, found = op.forward(*real, **static), np.real(data_of(out))
    return bool(np.allclose(found, expected, rtol=CONTINUED, atol=0, equal_nan=True))


def differences(directions: Directions, noise: Noise) -> Estimates:
    """Return central differences with one extrapolation, at the step that usually serves best.

    ``D(t) = (φ(t) − φ(−t)) / 2t = φ′ + c t² + …``, so ``(4 D(t) − D(2t)) / 3 = φ′ + O(t⁴)``. Its
    error is taken to be that of D(t), plus rounding. Two sides with slopes R and L show in
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
