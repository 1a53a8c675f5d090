"""The cause of a wrong gradient rule: its result compared with that of rules one may confuse.

Both sides are matrices: the results of the rule for every unit cotangent, and the numerical
Jacobian of the operation (from `verify.gradients`).
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from itertools import chain, permutations

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.ops.sums import broadcasts, sum_to
from tinygrad_mlp.verify.gradients.numeric import NumericDerivatives
from tinygrad_mlp.verify.gradients.probe import Probe, undisturbed
from tinygrad_mlp.verify.operations.cases import OpCase
from tinygrad_mlp.verify.operations.forward import close

CLOSE = 1e-5

Cause = tuple[str, str]
"""One of `CAUSES`, and a sentence that says what was seen."""


def cause_of(case: OpCase, place: int) -> Cause:
    """Return the cause of a wrong rule, and a sentence that says what was seen."""
    right = numeric_jacobian(case, place)
    raw = rule_matrix(case, place)
    if raw is None:
        return "rule raises", "It fails for a unit cotangent."
    shape = case.args[place].shape
    found = summed(raw, shape)
    cause = (
        _multiple(found, right)
        or _rule_of_another(case, place, raw)
        or _rearranged(case, place, raw, right))
    if cause:
        return cause
    return _wrong_shape(raw, shape, right) if found is None else _wrong_numbers(found, right)


def numeric_jacobian(case: OpCase, place: int) -> Array:
    """Return ``J[o, i] = ∂ output o / ∂ element i`` of an argument, all outputs in a row."""
    rng = np.random.default_rng(case.seed)
    with undisturbed():
        probe = Probe(case.of(place), (case.args[place],))
        numbers = NumericDerivatives(probe, 0, probe.noise(probe.point, rng), rng)
    units = numbers.directions.size.reshape(-1, 1)
    return np.asarray((numbers.estimates.value / units).T)


def rule_matrix(case: OpCase, place: int, **static: object) -> Array | None:
    """Return the results of the rule for every unit cotangent, a row each; None if it fails.

    Static parameters that are given replace the sample's for the rule, not for forward.
    """
    args = case.copies()
    outs = case.forward(args)
    changed = copy(case)
    changed.static = {**case.static, **static}
    rows = []
    try:
        for number, out in enumerate(outs):
            for index in np.ndindex(out.shape):
                g = [np.zeros(o.shape, o.dtype) for o in outs]
                g[number][index] = 1
                rows.append(np.array(changed.share(place, g, outs, args), float))
    except Exception:
        return None
    return np.array(rows)


def summed(raw: Array, shape: tuple[int, ...]) -> Array | None:
    """Return the rows summed to `shape` as the engine does it, flat; None if they do not fit."""
    if not broadcasts(shape, raw.shape[1:]):
        return None
    return np.array([sum_to.forward(row, shape=shape) for row in raw]).reshape(len(raw), -1)


def _multiple(found: Array | None, right: Array) -> Cause | None:
    """Return the cause if the matrix is a multiple of the right one."""
    size = float(np.vdot(right, right))
    if found is None or size == 0:
        return None
    ratio = float(np.vdot(right, found)) / size
    if ratio == 0 or not close(found, ratio * right, CLOSE):
        return None
    if abs(ratio + 1) < CLOSE:
        return "sign", "It is −1 times the right one."
    return "factor", f"It is {ratio:.6g} times the right one."


def _rule_of_another(case: OpCase, place: int, raw: Array) -> Cause | None:
    """Return the cause if the matrix is the right one for another argument."""
    for i in case.moving:
        if i == place:
            continue
        jacobian = numeric_jacobian(case, i)
        matrices = (summed(raw, case.args[at].shape) for at in (i, place))
        if any(m is not None and close(m, jacobian, CLOSE) for m in matrices):
            return "wrong argument's rule", f"It is the one of '{case.name(i)}'."
    return None


def _rearranged(case: OpCase, place: int, raw: Array, right: Array) -> Cause | None:
    """Return the cause if the matrix is right with its elements in another order."""
    ways = chain(_turned(case, place, raw), _along(case, place))
    for matrix, text in ways:
        if matrix is not None and close(matrix, right, CLOSE):
            return "wrong axis", text
    return None


def _turned(case: OpCase, place: int, raw: Array) -> Iterator[tuple[Array | None, str]]:
    """Yield the matrix with the axes of the result, or of g, in another order, or reversed."""
    shape = case.args[place].shape
    for order in permutations(range(1, raw.ndim)):
        turned = raw.transpose(0, *order)
        if turned.shape[1:] == shape:
            yield turned.reshape(len(raw), -1), "It is right when its result is transposed."
    outs = case.forward(case.copies())
    if len(outs) == 1:
        units = np.arange(len(raw)).reshape(outs[0].shape)
        for order in permutations(range(units.ndim)):
            if units.transpose(order).shape == units.shape:
                yield summed(raw[units.transpose(order).ravel()], shape), "g is transposed."
    for axis in range(1, raw.ndim):
        yield summed(np.flip(raw, axis), shape), "It is right when its result is reversed."


def _along(case: OpCase, place: int) -> Iterator[tuple[Array | None, str]]:
    """Yield the matrices of the rule for other axes than the sample's."""
    shape = case.args[place].shape
    for name in ("axis", "axes", "axis1", "axis2"):
        for axis in [None, *range(len(shape))] if name in case.static else []:
            other = rule_matrix(case, place, **{name: axis})
            matrix = None if other is None else summed(other, shape)
            yield matrix, f"It would be right for {name}={axis}."


def _wrong_shape(raw: Array, shape: tuple[int, ...], right: Array) -> Cause:
    """Return the cause where the result does not have the shape of the argument."""
    message = f"It returns shape {raw.shape[1:]} for an argument of shape {shape}"
    axes = range(1, raw.ndim)
    for bits in range(1, 2 ** len(axes)):
        result = raw.sum(axis=tuple(axis for axis in axes if bits >> (axis - 1) & 1))
        if result.size == right.size and close(result.reshape(right.shape), right, CLOSE):
            message += "; summed over the axes that the argument lacks, it would be right."
            return "missing broadcast reduction", message
    return "wrong shape", message + "."


def _wrong_numbers(found: Array, right: Array) -> Cause:
    """Return the cause where the result has the right shape and wrong numbers."""
    missing = np.abs(found - right) > CLOSE * np.max(np.abs(right), initial=0)
    if right.shape[1] < len(right) and not found[missing].any():
        return "missing broadcast reduction", (
            f"It leaves out {missing.sum()} of the {np.count_nonzero(right)} ways in which the "
            f"elements of the argument are used.")
    worst = np.unravel_index(np.argmax(np.abs(found - right)), right.shape)
    return "wrong value", (
        f"∂ output {worst[0]} / ∂ element {worst[1]} is {found[worst]:.6g}; numerically it is "
        f"{right[worst]:.6g}.")
