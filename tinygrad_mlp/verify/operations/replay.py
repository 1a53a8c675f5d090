"""An operation and its gradient in a compiled program, run on arguments it was not recorded at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.functional import value_and_grad
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.program import compile
from tinygrad_mlp.verify.operations.cases import OpCase
from tinygrad_mlp.verify.operations.forward import close
from tinygrad_mlp.verify.operations.report import Failure

BAKED = "value baked into a trace"


def other_numbers(case: OpCase, place: int) -> Array:
    """Return other numbers for an argument: its own in another order, nearer to their mean.

    They stay within the range of the sample, and differ where it has a single element.
    """
    a = case.args[place]
    return np.asarray(np.flip(a) * 0.9 + 0.1 * np.mean(a) + 0.01 * np.mean(np.abs(a)), a.dtype)


def check_replay(case: OpCase, place: int) -> Iterator[Failure]:
    """Check that the program for one argument, recorded at the sample, holds at other numbers."""
    f = case.of(place)
    weights = case.cotangents(case.forward(case.copies()), 5)

    def loss(x: Any) -> Any:
        found = f(x)
        parts = case.op.as_tuple(found)
        return sum(ops.sum(w * part) for w, part in zip(weights, parts, strict=True))

    both = value_and_grad(loss)
    program = compile(both)
    try:
        program(case.args[place])
        other = other_numbers(case, place)
        found, expected = program(other), both(other)
    except Exception as error:
        message = f"It cannot be compiled: {type(error).__name__}: {error}"
        yield case.failure(place, BAKED, message)
        return
    for what, a, b in zip(("value", "gradient"), found, expected, strict=True):
        if not close(a, b, 1e-10):
            message = (
                f"The program recorded at this sample gives another {what} for other numbers than "
                f"the operation does."
            )
            yield case.failure(place, BAKED, message)
            return


def remembers(case: OpCase, place: int) -> Failure | None:
    """Return a failure if a call of forward in between changes the result of the rule."""
    args, outs, g = case.rule_inputs(seed=6)
    try:
        first = np.array(case.share(place, g, outs, args))
    except Exception:
        return None  # another check reports it
    others = case.copies()
    for i in case.floats:
        others[i] = other_numbers(case, i)
    try:
        case.forward(others)
        if close(np.array(case.share(place, g, outs, args)), first, 1e-12):
            return None
    except Exception:
        pass  # another result, too
    message = "With the same arguments, it gives another result once forward was called for others."
    return case.failure(place, BAKED, message)
