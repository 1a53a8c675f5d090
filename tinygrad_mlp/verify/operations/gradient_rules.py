"""The checks of each gradient rule: its numbers, its own derivatives, and its behaviour."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.debug import fingerprint
from tinygrad_mlp.autograd.functional import value_and_grad
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.in_place import Argument
from tinygrad_mlp.program import compile
from tinygrad_mlp.verify.gradients import GradReport, Pair
from tinygrad_mlp.verify.gradients.probe import pulled_back
from tinygrad_mlp.verify.operations.cases import OpCase
from tinygrad_mlp.verify.operations.diagnosis import cause_of
from tinygrad_mlp.verify.operations.forward import LAYOUTS, close
from tinygrad_mlp.verify.operations.report import Failure

PROBLEMS = {"changed in place": "rule in place", "shape": "wrong shape", "dtype": "dtype promoted",
            "shared memory": "shared memory", "cotangent": "not linear in g",
            "second run": "not repeatable", "error": "rule raises"}
"""The cause for each kind of `verify.Problem`."""

AGAIN, BAKED = "not differentiable again", "value baked into a trace"


def check_rules(case: OpCase) -> tuple[list[Failure], float]:
    """Return the failures of the rules at a sample, and the largest relative error if all is right.

    All arguments are checked together first, to second order, and each on its own only if that
    finds something. So right operations are checked fast, and in wrong ones the rule is named.
    """
    places = case.moving
    suspects = [f for place in places if (f := _changed_in_place(case, place))]
    suspects = suspects or [f for place in places if (f := _remembers(case, place))]
    if suspects:
        return suspects, 0.0
    try:
        report = case.check_grad(case.of(*places), places, order=2)
    except Exception:
        report = None  # the check of the single rules tells which of them it was
    if report is None or not report.ok:
        return _one_by_one(case), 0.0
    found: list[Failure] = []
    for place in places:
        found += list(_check_behaviour(case, place)) or list(_check_replay(case, place))
    return found, report.worst_error


def _one_by_one(case: OpCase) -> list[Failure]:
    """Return the failures of each rule on its own."""
    found: list[Failure] = []
    for place in case.moving:
        wrong = _first_order(case, place) or _second_order(case, place)
        found += [wrong] if wrong else _check_behaviour(case, place)
    if found:
        return found
    # Each is right alone, so the mixed second derivatives are wrong.
    mixed = [_mixed_second_order(case, place) for place in case.moving]
    return [wrong for wrong in mixed if wrong]


def _first_order(case: OpCase, place: int) -> Failure | None:
    """Return how a rule fails at first order, or None."""
    problems, error_text = [], ""
    try:
        report = case.check_grad(case.of(place), [place])
        problems = report.problems
        wrong = any(p.kind == "error" for p in problems) or _wrong_pair(report) is not None
    except Exception as error:
        wrong, error_text = True, _text(error)
    if not wrong and not problems:
        return None
    if not wrong:
        return case.failure(place, PROBLEMS[problems[0].kind], problems[0].message)
    try:
        cause, message = cause_of(case, place)
    except Exception as error:
        cause, message = "rule raises", _text(error)
    if cause == "rule raises":
        message = error_text or problems[0].message
    nonlinear = [p.message for p in problems if p.kind == "cotangent"]
    if cause == "wrong value" and nonlinear:
        cause, message = "not linear in g", nonlinear[0]
    return case.failure(place, cause, message)


def _second_order(case: OpCase, place: int) -> Failure | None:
    """Return how a rule that is right at first order fails at second order, or None."""
    try:
        report = case.check_grad(case.of(place), [place], order=2)
    except Exception as error:
        return case.failure(place, AGAIN, _text(error))
    if report.ok:
        return None
    pair, message = _wrong_pair(report), ""
    if pair is not None:
        message = f"{pair.place}: {pair.autograd:.6g}, numerically {pair.numeric:.6g}."
    return case.failure(place, AGAIN, message or report.problems[0].message)


def _mixed_second_order(case: OpCase, place: int) -> Failure | None:
    """Return how the gradient for one argument fails as a function of the others, or None."""
    gradients_of = pulled_back(case.of(*case.moving))
    weights = case.cotangents(case.forward(case.copies()), case.seed)

    def gradient(*values: object) -> Any:
        return gradients_of(values, weights)[case.moving.index(place)]

    try:
        report = case.check_grad(gradient, case.moving)
        if report.ok:
            return None
        pair = _wrong_pair(report)
        message = f"Its derivative for {pair.input} is wrong." if pair else ""
    except Exception as error:
        message = _text(error)
    return case.failure(place, AGAIN, message)


def _wrong_pair(report: GradReport) -> Pair | None:
    return next((pair for pair in report.pairs if pair.status == "WRONG"), None)


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _changed_in_place(case: OpCase, place: int) -> Failure | None:
    """Return a failure if the rule writes into an array that it was given."""
    args, outs, g = case.rule_inputs(seed=8)
    named = {"g": g, "y": outs, "an argument": [a for a in args if a is not None]}
    before = {what: [fingerprint(a) for a in arrays] for what, arrays in named.items()}
    try:
        case.share(place, g, outs, args)
    except Exception:
        return None  # another check reports it
    for what, arrays in named.items():
        if [fingerprint(a) for a in arrays] != before[what]:
            return case.failure(place, "rule in place", f"It changes {what}.")
    return None


def _check_behaviour(case: OpCase, place: int) -> Iterator[Failure]:
    """Compare the rule on arrays with itself on Tensors and for every layout of the arrays."""
    args, outs, g = case.rule_inputs(seed=9)
    plain = np.asarray(case.share(place, g, outs, args))
    lifted = [
        Argument(a, requires_grad=True) if i in case.floats else a for i, a in enumerate(args)]
    values = case.op.as_tuple(case.op(*lifted, **case.static))
    found = case.share(place, [Argument(u, requires_grad=True) for u in g], values, lifted)
    if not close(found.data if isinstance(found, Value) else found, plain, 1e-11):
        yield case.failure(place, AGAIN, "On Tensors it gives other numbers than on arrays.")
        return
    for layout, change in LAYOUTS.items():
        try:
            again = case.share(place, [change(u) for u in g], outs, case.copies(change))
        except Exception as error:
            cause = "rule in place" if "read-only" in str(error) else "memory layout"
            yield case.failure(place, cause, f"Fails for {layout} arrays: {error}.")
            return
        if not close(again, plain, 1e-11):
            yield case.failure(place, "memory layout", f"Another result for {layout} arrays.")
            return


def _other_numbers(case: OpCase, place: int) -> Array:
    """Return other numbers for an argument: its own in another order, nearer to their mean.

    They stay within the range of the sample, and differ where it has a single element.
    """
    a = case.args[place]
    return np.asarray(np.flip(a) * 0.9 + 0.1 * np.mean(a) + 0.01 * np.mean(np.abs(a)), a.dtype)


def _check_replay(case: OpCase, place: int) -> Iterator[Failure]:
    """Check that the program for one argument, recorded at the sample, holds at other numbers."""
    f = case.of(place)
    weights = case.cotangents(case.forward(case.copies()), 5)

    def loss(x: Any) -> Any:
        parts = case.op.as_tuple(f(x))
        return sum(ops.sum(w * part) for w, part in zip(weights, parts, strict=True))

    both = value_and_grad(loss)
    program = compile(both)
    try:
        program(case.args[place])
        other = _other_numbers(case, place)
        found, expected = program(other), both(other)
    except Exception as error:
        yield case.failure(place, BAKED, f"It cannot be compiled: {_text(error)}")
        return
    for what, a, b in zip(("value", "gradient"), found, expected, strict=True):
        if not close(a, b, 1e-10):
            message = f"The program recorded at this sample gives another {what} for other numbers"
            yield case.failure(place, BAKED, f"{message} than the operation does.")
            return


def _remembers(case: OpCase, place: int) -> Failure | None:
    """Return a failure if a call of forward in between changes the result of the rule."""
    args, outs, g = case.rule_inputs(seed=6)
    try:
        first = np.array(case.share(place, g, outs, args))
    except Exception:
        return None  # another check reports it
    others = case.copies()
    for i in case.floats:
        others[i] = _other_numbers(case, i)
    try:
        case.forward(others)
        if close(np.array(case.share(place, g, outs, args)), first, 1e-12):
            return None
    except Exception:
        pass  # another result, too
    message = "With the same arguments, it gives another result once forward was called for others."
    return case.failure(place, BAKED, message)
