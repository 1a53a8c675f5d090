"""Hooks under which operations are evaluated: with artificial rounding, and on complex numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Value, make_value
from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import TinygradError

MOVING = (
    ops.reshape, ops.transpose, ops.swapaxes, ops.broadcast_to, ops.astype, ops.identity,
)  # fmt: skip
"""Operations that move elements and compute nothing."""

TRIALS = 4
"""Evaluations with artificial rounding, from which the rounding of one evaluation is estimated."""


class Rounding:
    """A hook that changes the arguments of every operation by a random rounding error."""

    def __init__(self, eps: float, rng: np.random.Generator) -> None:
        self.eps = eps
        self.rng = rng

    def __call__(self, op: Op, args: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """Apply the operation to changed arguments."""
        return op.unhooked(self.changed(op, args), static)

    def changed(self, op: Op, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments with errors; as they are if `op` only compares them, or moves them."""
        # What was equal must stay so: the rule of max looks for the maximum in its argument.
        exact = op.nondifferentiable or op in MOVING
        return args if exact else tuple(self._rounded(a) for a in args)

    def _rounded(self, a: Any) -> Any:
        if not isinstance(a, Value) or a.data.dtype.kind not in "fc":
            return a
        error = np.asarray(self.rng.standard_normal(a.data.shape), dtype=a.data.real.dtype)
        return ops.multiply.unhooked((a, 1 + error * self.eps), {})


class NotAnalytic(Exception):
    """An operation cannot be continued to complex numbers; caught where it is asked to."""


def analytic(
    references: str, outer: Any = None
) -> Callable[[Op, tuple[Any, ...], dict[str, Any]], Any]:
    """A hook under which operations take complex numbers.

    Some forward functions cannot (scipy's are real), or lose the imaginary part; the reference of
    the operation's record may stand in for them.

    Args:
        references: "never", "where needed" or "wherever known".
        outer: the hook around this one; if it is a `Rounding`, that changes the arguments.
    """

    def hook(op: Op, args: tuple[Any, ...], static: dict[str, Any]) -> Any:
        if isinstance(outer, Rounding):
            args = outer.changed(op, args)
        is_complex = any(np.iscomplexobj(data_of(a)) for a in args)
        tracked = MODE.get().recording and any(
            isinstance(a, Value) and a.requires_grad for a in args
        )
        if op.nondifferentiable or not is_complex:
            return op.unhooked(args, static)
        known = op.record.reference is not None and op.outputs == 1 and not tracked
        if references != "wherever known" or not known:
            try:
                out = op.unhooked(args, static)
            except (TinygradError, TypeError):
                out = None
            if out is not None and all(map(np.iscomplexobj, map(data_of, several(out)))):
                return out
        if op.record.reference is None or not known or references == "never":
            raise NotAnalytic(op.name)
        out = np.asarray(op.record.reference(*map(data_of, args), **static))
        if not np.iscomplexobj(out):
            raise NotAnalytic(op.name)
        return make_value(Tensor, out, None, False)

    return hook


def data_of(a: Any) -> Any:
    """The array of a value; other things as they are."""
    return a.data if isinstance(a, Value) else a


def several(out: Any) -> tuple[Any, ...]:
    """The outputs of an operation as a tuple, also where there is only one."""
    return out if isinstance(out, tuple) else (out,)
