"""An operation and its gradient in a compiled program, run on arguments it was not recorded at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.functional import value_and_grad
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.program import compile
from tinygrad_mlp.verify.operations.cases import Case
from tinygrad_mlp.verify.operations.forward import close
from tinygrad_mlp.verify.operations.report import Failure


def fresh(case: Case, place: int) -> Array:
    """Other numbers for an argument: its own in another order, drawn a little together.

    They stay within the range of the sample, and differ where it has a single element.
    """
    a = case.args[place]
    return np.asarray(np.flip(a) * 0.9 + 0.1 * np.mean(a) + 0.01 * np.mean(np.abs(a)), a.dtype)


def check_replay(case: Case, place: int) -> Iterator[Failure]:
    """The program for one argument, recorded at the sample, must hold at other numbers, too."""
    f = case.of(place)
    outs = case.forward(case.copies())
    weights = case.cotangents(outs, 5)

    def loss(x: Any) -> Any:
        found = f(x)
        parts = found if case.op.outputs > 1 else (found,)
        return sum(ops.sum(w * part) for w, part in zip(weights, parts, strict=True))

    both = value_and_grad(loss)
    program = compile(both)
    try:
        program(case.args[place])
        other = fresh(case, place)
        found, expected = program(other), both(other)
    except Exception as error:
        yield Failure(
            case.name(place), "value baked into a trace",
            f"It cannot be compiled: {type(error).__name__}: {error}", case.sample,
        )  # fmt: skip
        return
    for what, a, b in zip(("value", "gradient"), found, expected, strict=True):
        if not close(a, b, 1e-10):
            yield Failure(
                case.name(place), "value baked into a trace",
                f"The program recorded at this sample gives another {what} for other numbers "
                f"than the operation does.", case.sample,
            )  # fmt: skip
            return


def remembers(case: Case, place: int) -> Failure | None:
    """Whether the rule's result changes when forward is called for something else in between."""
    args = case.copies()
    outs = [o.copy() for o in case.forward(args)]
    g = case.cotangents(outs, 6)
    first = np.array(case.pulled(place, g, outs, args), copy=True)
    others = [fresh(case, i) if i in case.floats else a for i, a in enumerate(case.copies())]
    try:
        case.forward(others)
        second = np.array(case.pulled(place, g, outs, args))
    except Exception:
        second = None
    if second is not None and close(second, first, 1e-12):
        return None
    return Failure(
        case.name(place), "value baked into a trace",
        "With the same arguments, it gives another result once forward was called for others.",
        case.sample,
    )  # fmt: skip
