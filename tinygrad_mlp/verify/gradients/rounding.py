"""The hook under which operations are evaluated on complex numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.errors import TinygradError
from tinygrad_mlp.verify.rounding_noise import RoundingNoise, evaluate, exact_arrays


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
        outer: the hook around this one; if it is a `RoundingNoise`, that changes the arguments.
    """

    arrays_of = outer.arrays if isinstance(outer, RoundingNoise) else exact_arrays

    def hook(op: Op, args: tuple[Any, ...], static: dict[str, Any]) -> Any:
        arrays = arrays_of(op, args)
        if op.nondifferentiable or not any(map(np.iscomplexobj, arrays)):
            return evaluate(op, args, arrays, static)
        recording = MODE.get().recording
        tracked = recording and any(isinstance(a, Value) and a.requires_grad for a in args)
        reference = op.record.reference
        known = reference is not None and op.outputs == 1 and not tracked
        if references != "wherever known" or not known:
            try:
                out = evaluate(op, args, arrays, static)
            except (TinygradError, ValueError, TypeError):
                out = None
            if out is not None and all(map(np.iscomplexobj, map(data_of, several(out)))):
                return out
        if reference is None or not known or references == "never":
            raise NotAnalytic(op.name)
        out = np.asarray(reference(*arrays, **static))
        if not np.iscomplexobj(out):
            raise NotAnalytic(op.name)
        return op.as_value(args, arrays, static, out)

    return hook


def data_of(a: Any) -> Any:
    """The array of a value; other things as they are."""
    return a.data if isinstance(a, Value) else a


def several(out: Any) -> tuple[Any, ...]:
    """The outputs of an operation as a tuple, also where there is only one."""
    return out if isinstance(out, tuple) else (out,)
