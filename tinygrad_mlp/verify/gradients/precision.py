"""Gradients in the precision of the inputs, where that is lower than the precision of the check."""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.verify.gradients.pairing import (
    NOT_FINITE,
    WRONG,
    Pairing,
    Verdict,
    index_of,
    relative_error,
)
from tinygrad_mlp.verify.gradients.report import Pair


def in_own_precision(pairing: Pairing) -> Pair | None:
    """A pair that says where the gradient in the input's own precision is wrong, or None.

    The rules were checked in double precision; in their own, gradients may be off by rounding.
    """
    column, leaf, size = pairing.column, pairing.directions.leaf, pairing.directions.size
    eps = float(np.finfo(column.own_dtype).eps)
    if eps <= column.probe.eps or (pairing.status == WRONG).any():
        return None
    limits = np.finfo(column.own_dtype)
    for row, (exact, own) in enumerate(
        zip(column.gradients, column.own_gradients, strict=True)
    ):
        a, n = own[leaf].astype(size.dtype), exact[leaf]
        rounding = pairing.here @ np.abs(column.weights(row))
        allowed = 3 * np.sqrt(eps) * np.maximum(np.abs(a), np.abs(n)) * size
        allowed += 32 * eps / column.probe.eps * rounding + limits.tiny / eps * size
        lost = ~np.isfinite(a) & np.isfinite(n)
        off = np.where(np.isfinite(a) & np.isfinite(n), np.abs(a - n) * size, 0)
        if (off > allowed).any():
            allowed += pairing.rule_noise(row, eps)
        if not (lost.any() or (off > allowed).any()):
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            k = int(np.argmax(np.where(lost, np.inf, np.nan_to_num(off / allowed))))
        status, note = WRONG, "autograd is the gradient in {}, numeric in double precision."
        if column.own_range_left(row):
            status, note = NOT_FINITE, "The computation leaves the range of {}."
        unit = size.flat[k]
        found = Verdict(
            status, n.flat[k] * unit, allowed.flat[k], 0.0, "double precision",
            note.format(column.own_dtype),
        )  # fmt: skip
        error = relative_error(a.flat[k], n.flat[k], 0.0, pairing.rtol)
        pair = pairing.described(found, a.flat[k], float(error), 0, row, 0)
        direction = np.zeros(size.shape)
        direction.flat[k] = 1
        return pair._replace(
            autograd=float(a.flat[k]), numeric=float(n.flat[k]),
            uncertainty=float(allowed.flat[k] / unit), step=0.0,
            input_index=index_of(k, size.shape), direction=direction,
        )  # fmt: skip
    return None
