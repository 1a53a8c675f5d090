"""A check that functions return the same numbers when they are called again."""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify.derivations.arguments import AtPoint
from tinygrad_mlp.verify.derivations.points import Point
from tinygrad_mlp.verify.reading.returned import plain_array

CALLS = 3
"""Times that a loss is called again. Two draws of a few random bits may be equal."""

SAME = 1e-9
"""Numbers that differ by more, relative to the largest, are other numbers. (A library that sums in
another order is not random.)"""


def check_repeatable(point: Point) -> None:
    """Raise an error if the loss or the derivation draws random numbers.

    Against a loss that draws other numbers at every call, no gradient can be right or wrong.
    """
    loss, derived = point.handed.loss, point.handed.derived
    if point.exact is not None:
        first = np.asarray(point.exact.out.data)
        for _ in range(CALLS):
            with changed_mode(recording=False, differentiating=loss.who):
                again = plain_array(loss(point.exact.leaves))
            _require_same(loss, loss.role, first, again)
    if isinstance(derived, AtPoint):
        answer = point.handed.answer(point.parameters).gradients
        for name in point.given:
            if name not in answer or answer[name].shape != point.given[name].shape:
                continue
            _require_same(derived, f"{derived.role}, for {name},", point.given[name], answer[name])


def _require_same(whose: AtPoint, what: str, first: Array, again: Array) -> None:
    tolerance = SAME if first.dtype.itemsize > 4 else 1e-4
    largest = float(np.abs(first).max(initial=0, where=np.isfinite(first)))
    if np.allclose(first, again, rtol=tolerance, atol=tolerance * largest, equal_nan=True):
        return
    raise InvalidArgumentError(
        f"{whose.who}: {what} must give the same numbers for the same parameters. Got "
        f"{_shown(first)} and, when called again, {_shown(again)}. If it draws random numbers, "
        f"draw them before, or from a generator that it seeds itself.")


def _shown(a: Array) -> str:
    return f"{float(a.flat[0]):.6g}" + (", …" if a.size > 1 else "")
