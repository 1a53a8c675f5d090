"""A numerical check that a gradient rule can itself be differentiated.

A rule that takes the numbers out of a Tensor (``.data``, ``np.asarray``, ``float``) is right at
first order. Its own derivative is not: the graph does not know of those numbers. So the rules are
run once more: on Tensors that are leaves, where the graph gives the derivative along a random
direction, and on arrays a small step in that direction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.gradients import gradients
from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.in_place import Argument
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.autograd.op import Op, Static, defined_at
from tinygrad_mlp.errors import NotDifferentiableError

STEP = 1e-4
"""The step of the differences, as a part of the largest element."""

TOLERANCE = 0.01
"""The relative error allowed. Only clear mistakes are reported: `check_op` looks closer."""


def raw_numbers(op: Op, g: object, y: object, inputs: Sequence[object],
                static: Static) -> str | None:
    """Return a sentence about the first rule that computes with raw numbers; empty if none does.

    The rules are called as in the backward pass, with the cotangent `g` of the output `y`. None
    where nothing can be said: the arguments are being traced, and have no numbers yet.
    """
    given = [*op.as_tuple(g), *op.as_tuple(y), *inputs]
    given = [a.data if isinstance(a, Value) else a for a in given]
    if any(isinstance(a, Value) for a in given):
        return None
    given = [_in_double_precision(a) for a in given]
    first = 2 * op.outputs
    # A derivative can be asked for of arrays of floats, among the arguments where there is a rule.
    names = {
        place: "g" if place < op.outputs else "y" if place < first
        else f"'{op.parameter(place - first)}'"
        for place, a in enumerate(given)
        if isinstance(a, np.ndarray) and a.dtype.kind == "f" and a.size
        and (place < first or op.rule(place - first) is not None)}
    quiet = np.errstate(all="ignore")
    # At depth 0: a rule that calls `grad` or `vjp` itself gets arrays for arrays then.
    alone = changed_mode(
        hook=None, walk=None, recorder=None, recording=True, depth=0, differentiating="")
    with alone, quiet:
        for place in names:
            position = place - first
            if position < 0:
                continue
            try:
                found = _lost(partial(_share, op, position, static), given, names)
            except NotDifferentiableError as error:
                found = f"it cannot run on Tensors ({error})"
            except Exception:
                continue  # it fails for these numbers; where that matters, it will be seen
            if found:
                return (
                    f"op '{op.name}': the gradient rule for '{op.parameter(position)}' computes "
                    f"with raw numbers: {found}. First derivatives are right, higher ones would "
                    f"not be. Write it with operators and functions of tg only, without .data, "
                    f".numpy(), np.asarray() and float().{defined_at(op.rule(position))}")
    return ""


def _in_double_precision(a: object) -> Any:
    """Return floating-point numbers in double precision, for differences; the rest as it is."""
    a = np.asarray(a) if isinstance(a, float) else a
    return a.astype(float) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a


def _share(op: Op, position: int, static: Static, given: Sequence[object]) -> Any:
    """Run a rule on cotangents, outputs and arguments in one sequence."""
    n = op.outputs
    g, y, arrays = tuple(given[:n]), tuple(given[n : 2 * n]), given[2 * n :]
    # The rule alone, without the check that `CheckedOp.vjp` begins with.
    return Op.vjp(op, position, g if n > 1 else g[0], y if n > 1 else y[0], arrays, static)


def _lost(rule: Callable[[list[Any]], Any], given: list[Any], names: dict[int, str]) -> str:
    """Return what the graph of a rule's result does not depend on, but should; empty if nothing.

    The rule is differentiated with respect to those arrays of `given` whose places have `names`.
    """

    def run(changed: int | None = None, step: Any = 0) -> Any:
        arrays = [None if a is None else np.array(a) for a in given]
        if changed is not None:
            arrays[changed] = given[changed] + step
        return np.asarray(rule(arrays), float)

    leaves = {place: Argument(given[place], requires_grad=True) for place in names}
    recorded = rule([leaves.get(place, a) for place, a in enumerate(given)])
    plain = run()
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.5, 1.5, size=plain.shape)
    slopes: list[Any] = [None] * len(names)
    if isinstance(recorded, Value) and recorded.requires_grad:
        slopes = gradients([(recorded, weights)], list(leaves.values()))
    size = float(np.sum(np.abs(plain)))
    for (place, name), slope in zip(names.items(), slopes, strict=True):
        a = given[place]
        direction = (float(np.max(np.abs(a))) or 1.0) * rng.choice([-1.0, 1.0], size=a.shape)
        known = 0.0 if slope is None else float(np.vdot(slope, direction))
        ahead, behind = run(place, STEP * direction), run(place, -STEP * direction)
        # At a kink, or a jump, the two sides differ: so much may the derivative there, too.
        allowed = np.sum(weights * np.abs(ahead + behind - 2 * plain)) / STEP
        true = float(np.sum(weights * (ahead - behind))) / (2 * STEP)
        allowed += TOLERANCE * max(abs(true), abs(known)) + 1e-6 * size
        if np.isfinite([true, known, allowed]).all() and abs(true - known) > allowed:
            return f"its result changes with {name} in a way that its graph does not know of"
    return ""
