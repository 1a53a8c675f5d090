"""What a gradient rule does with the history of its arguments, looked at when it is first used.

A rule that takes the numbers out of a Tensor (``.data``, ``np.asarray``, ``float``) is right at
first order. Its own derivative is not: the graph does not know of those numbers. So the rules of
every operation from outside of the package are run once more: on Tensors that are leaves, where
the graph gives the derivative along a random direction, and on arrays a little further along it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.declaration import written
from tinygrad_mlp.autograd.graph import Value, make_value
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.errors import NotDifferentiableError

STEP = 1e-4
"""Of the differences, as a part of the largest element."""

TOLERANCE = 0.01
"""How far they may be off. Only what is clear is reported: `check_op` looks closer."""


class Slot(NamedTuple):
    """One of the arrays that a rule is called with: its name, its place, its numbers."""

    name: str
    place: int
    array: Any


def raw_numbers(
    op: Op,
    g: Any,
    y: Any,
    inputs: Sequence[Any],
    static: dict[str, Any],
    cls: type[Value],
    gradients: Callable[..., list[Any]],
) -> str | None:
    """A sentence about the first rule that computes with raw numbers; empty if none does.

    None where it cannot be seen: the arguments are being recorded, and have no numbers yet.

    Args:
        op: the operation.
        g: the cotangent that its rules are called with; a sequence for several outputs.
        y: its output, or outputs.
        inputs: its arguments.
        static: its static parameters.
        cls: the class of values to try the rules on.
        gradients: `backward.gradients`, which stands above this module.
    """
    several = op.outputs > 1
    arrays = [*(g if several else [g]), *(y if several else [y]), *inputs]
    arrays = [a.data if isinstance(a, Value) else a for a in arrays]
    if any(isinstance(a, Value) for a in arrays):
        return None
    arrays = [_wide(a) for a in arrays]
    n = 2 * op.outputs

    def call(position: int, values: Sequence[Any]) -> Any:
        g, y, rest = values[: op.outputs], values[op.outputs : n], values[n:]
        more = {"position": position} if op.variadic else {}
        rule: Any = op.rules[0 if op.variadic else position]
        return rule(
            tuple(g) if several else g[0], tuple(y) if several else y[0], *rest, **more, **static
        )

    quiet = np.errstate(all="ignore")
    with changed_mode(hook=None, walk=None, recorder=None, recording=True), quiet:
        for position in range(len(inputs)):
            rule = op.rules[0 if op.variadic else position]
            slots = list(_slots(op, arrays, n))
            if rule is None or not any(slot.place == n + position for slot in slots):
                continue
            try:
                found = _lost(partial(call, position), arrays, slots, cls, gradients)
            except NotDifferentiableError as error:
                found = f"it cannot run on Tensors ({error})"
            except Exception:
                continue  # it fails for these numbers; where that matters, it will be seen
            if found:
                return (
                    f"op '{op.name}': the gradient rule for '{_name(op, position)}' computes with "
                    f"raw numbers: {found}. First derivatives are right, higher ones would not be. "
                    f"Write it with operators and functions of tg only, without .data, .numpy(), "
                    f"np.asarray() and float().{written(rule)}"
                )
    return ""


def _wide(a: Any) -> Any:
    """Floating-point numbers in double precision, for differences; the rest as it is."""
    a = np.asarray(a) if isinstance(a, float) else a
    return a.astype(float) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a


def _name(op: Op, position: int) -> str:
    return op.arrays[0 if op.variadic else position]


def _slots(op: Op, arrays: Sequence[Any], n: int) -> Iterator[Slot]:
    """The arrays that a derivative can be asked for: of floats, arguments only if with a rule."""
    for place, array in enumerate(arrays):
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.size == 0:
            continue
        if place < n:
            yield Slot("g" if place < op.outputs else "y", place, array)
        elif op.rules[0 if op.variadic else place - n] is not None:
            yield Slot(f"'{_name(op, place - n)}'", place, array)


def _lost(
    rule: Callable[[Sequence[Any]], Any],
    arrays: Sequence[Any],
    slots: Sequence[Slot],
    cls: type[Value],
    gradients: Callable[..., list[Any]],
) -> str:
    """What the graph of a rule's result does not know of; empty if it knows all."""
    leaves = {s.place: make_value(cls, s.array, None, True) for s in slots}
    lifted = rule([leaves.get(place, a) for place, a in enumerate(arrays)])
    plain = np.asarray(rule([np.array(a) if a is not None else a for a in arrays]), float)
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.5, 1.5, size=plain.shape)
    slopes: list[Any] = [None] * len(slots)
    if isinstance(lifted, Value) and lifted.requires_grad:
        slopes = gradients([(lifted, weights)], list(leaves.values()))
    size = float(np.sum(np.abs(plain)))
    for slot, slope in zip(slots, slopes, strict=True):
        largest = float(np.max(np.abs(slot.array))) or 1.0
        direction = largest * rng.choice([-1.0, 1.0], size=slot.array.shape)
        known = 0.0 if slope is None else float(np.vdot(slope, direction))
        ahead, behind = (
            np.asarray(rule([
                a + step * direction if place == slot.place else np.array(a) if a is not None else a
                for place, a in enumerate(arrays)
            ]), float)
            for step in (STEP, -STEP)
        )  # fmt: skip
        # At a kink, or a jump, the two sides differ: so much may the derivative there, too.
        allowed = np.sum(weights * np.abs(ahead + behind - 2 * plain)) / STEP
        true = float(np.sum(weights * (ahead - behind))) / (2 * STEP)
        allowed += TOLERANCE * max(abs(true), abs(known)) + 1e-6 * size
        if np.isfinite([true, known, allowed]).all() and abs(true - known) > allowed:
            return f"its result changes with {slot.name} in a way that its graph does not know of"
    return ""
