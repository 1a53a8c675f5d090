"""Why a gradient rule is wrong: what it computes, compared with what else it could be meant to.

Both sides are matrices: what the rule makes of every unit cotangent, and the numerical Jacobian
of the operation (from `verify.gradients`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.gradients.numeric import NumericDerivatives
from tinygrad_mlp.verify.gradients.probe import Probe, undisturbed
from tinygrad_mlp.verify.operations.cases import Case
from tinygrad_mlp.verify.operations.forward import close

CLOSE = 1e-5


def numeric_jacobian(case: Case, place: int, seed: int) -> Array:
    """``J[o, i] = ∂ output o / ∂ element i`` of an argument, all outputs one after the other."""
    rng = np.random.default_rng(seed)
    with undisturbed():
        probe = Probe(case.of(place), (case.args[place],))
        numbers = NumericDerivatives(probe, 0, probe.noise(probe.point, rng), rng)
    directions = numbers.directions
    units = np.array([directions.unit(k) for k in range(len(directions))])
    return np.asarray((numbers.estimates.value / units[:, None]).T)


def rule_matrix(case: Case, place: int, static: dict[str, Any] | None = None) -> Array | None:
    """What the rule makes of every unit cotangent, one flat row each; None if it fails.

    Args:
        static: static parameters to give the rule instead of the sample's.
    """
    args, kept = case.copies(), case.static
    outs = case.forward(args)
    rows = []
    try:
        case.static = {**kept, **(static or {})}
        for number, out in enumerate(outs):
            for index in np.ndindex(out.shape):
                g = [np.zeros(o.shape, o.dtype) for o in outs]
                g[number][index] = 1
                rows.append(np.array(case.pulled(place, g, outs, args), float))
    except Exception:
        return None
    finally:
        case.static = kept
    return np.array(rows)


def cause_of(case: Case, place: int, seed: int) -> tuple[str, str]:
    """The cause of a wrong rule, and what was seen.

    The rule's matrix is brought to the argument's shape as the engine would do it, by summing over
    copies; where that is impossible, the shape itself is what is wrong.
    """
    shape = case.args[place].shape
    true = numeric_jacobian(case, place, seed)
    raw = rule_matrix(case, place)
    if raw is None:
        return "rule raises", "It fails for a unit cotangent."
    found = summed(raw, shape)
    if found is not None:
        size = float(np.vdot(true, true))
        ratio = float(np.vdot(true, found)) / size if size else 0.0
        if size and close(found, ratio * true, CLOSE) and ratio:
            if abs(ratio + 1) < CLOSE:
                return "sign", "It is −1 times the right one."
            return "factor", f"It is {ratio:.6g} times the right one."
    others = [i for i in case.moving if i != place]
    for i in others:
        jacobian = numeric_jacobian(case, i, seed)
        theirs = summed(raw, case.args[i].shape)
        if theirs is not None and close(theirs, jacobian, CLOSE):
            return "wrong argument's rule", f"It is the one of '{case.name(i)}'."
        if found is not None and jacobian.shape == found.shape and close(found, jacobian, CLOSE):
            return "wrong argument's rule", f"It is the one of '{case.name(i)}'."
    for other, text in rearranged(case, place, raw):
        if close(other, true, CLOSE):
            return "wrong axis", text
    if found is None:
        sums = subset_sums(raw, shape)
        if any(close(s, true, CLOSE) for s in sums):
            return "missing broadcast reduction", (
                f"It returns shape {raw.shape[1:]} for an argument of shape {shape}; summed over "
                f"the axes that the argument lacks, it would be right."
            )
        return "wrong shape", f"It returns shape {raw.shape[1:]} for an argument of shape {shape}."
    missing = np.abs(found - true) > CLOSE * np.max(np.abs(true), initial=0)
    if np.prod(shape) < len(true) and not found[missing].any():
        return "missing broadcast reduction", (
            f"It leaves out {missing.sum()} of the {np.count_nonzero(true)} ways in which the "
            f"elements of the argument are used."
        )
    worst = np.unravel_index(np.argmax(np.abs(found - true)), true.shape)
    return "wrong value", (
        f"∂ output {worst[0]} / ∂ element {worst[1]} is {found[worst]:.6g}; numerically it is "
        f"{true[worst]:.6g}."
    )


def summed(raw: Array, shape: tuple[int, ...]) -> Array | None:
    """The rows summed to `shape` as the engine does it, flat; None where they do not fit."""
    result = raw
    while result.ndim - 1 > len(shape):
        result = result.sum(axis=1)
    if result.ndim - 1 != len(shape):
        return None
    for axis, n in enumerate(shape, 1):
        if n == 1 and result.shape[axis] != 1:
            result = result.sum(axis=axis, keepdims=True)
    return result.reshape(len(raw), -1) if result.shape[1:] == shape else None


def subset_sums(raw: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """The rows summed over some axes, in every way that leaves `shape`."""
    axes = range(1, raw.ndim)
    for bits in range(1, 2 ** len(axes)):
        over = tuple(axis for axis in axes if bits >> (axis - 1) & 1)
        result = raw.sum(axis=over)
        if result.size == len(raw) * int(np.prod(shape)):
            yield result.reshape(len(raw), -1)


def rearranged(case: Case, place: int, raw: Array) -> Iterator[tuple[Array, str]]:
    """The rule's rows with axes exchanged or reversed, and those for another static axis."""
    shape = case.args[place].shape
    for order in permutations(range(1, raw.ndim)):
        turned = raw.transpose(0, *order)
        if turned.shape[1:] == shape:
            yield turned.reshape(len(raw), -1), "It is right when its result is transposed."
    outs = case.forward(case.copies())
    if len(outs) == 1:
        units = np.arange(len(raw)).reshape(outs[0].shape)
        for order in permutations(range(units.ndim)):
            if units.transpose(order).shape == units.shape and summed(raw, shape) is not None:
                yield summed(raw[units.transpose(order).ravel()], shape), "g is transposed."  # type: ignore[misc]
    for axis in range(1, raw.ndim):
        result = summed(np.flip(raw, axis), shape)
        if result is not None:
            yield result, "It is right when its result is reversed."
    for name in ("axis", "axes", "axis1", "axis2"):
        if name in case.static:
            for axis in [None, *range(len(shape))]:
                other = rule_matrix(case, place, {name: axis})
                fitting = None if other is None else summed(other, shape)
                if fitting is not None:
                    yield fitting, f"It would be right for {name}={axis}."
