"""Each gradient rule of an operation: its numbers, its orders, its manners."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.debug import fingerprint
from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.verify.gradients import GradReport, Problem, check_grad
from tinygrad_mlp.verify.gradients.second_order import pulled_back
from tinygrad_mlp.verify.operations.cases import Case
from tinygrad_mlp.verify.operations.diagnosis import cause_of
from tinygrad_mlp.verify.operations.forward import LAYOUTS, close
from tinygrad_mlp.verify.operations.replay import check_replay, remembers
from tinygrad_mlp.verify.operations.report import Failure

PROBLEMS = {
    "changed in place": "rule in place",
    "shape": "wrong shape",
    "dtype": "dtype promoted",
    "shared memory": "shared memory",
    "cotangent": "not linear in g",
    "second run": "not repeatable",
    "error": "rule raises",
}
"""The causes that stand for the kinds of `verify.Problem`."""


def check_rules(case: Case, seed: int, rtol: float | None) -> Iterator[Failure | float]:
    """Failures of the rules at a sample; where there are none, the largest relative error.

    All arguments together first, to second order. Only if that finds something, each on its own:
    so right operations are checked fast, and in wrong ones the rule is named.
    """
    places = case.moving
    suspects = [
        Failure(case.name(place), "rule in place", what, case.sample)
        for place in places if (what := changed_in_place(case, place))
    ]  # fmt: skip
    suspects = suspects or [f for place in places if (f := remembers_safely(case, place))]
    if suspects:
        yield from suspects
        return
    report: GradReport | None = None
    try:
        report = check_grad(
            case.of(*places), *(case.args[i] for i in places), order=2, seed=seed, rtol=rtol
        )
    except Exception:
        pass  # said below, where it is known which rule it was
    if report is not None and report.ok:
        yield report.worst_error
    else:
        yield from _one_by_one(case, seed, rtol)
        return
    for place in places:
        wrong = list(_manners(case, place))
        yield from wrong or check_replay(case, place)


def remembers_safely(case: Case, place: int) -> Failure | None:
    """As `remembers`; None where the rule fails, which is another matter."""
    try:
        return remembers(case, place)
    except Exception:
        return None


def _one_by_one(case: Case, seed: int, rtol: float | None) -> Iterator[Failure]:
    known: list[Failure] = []
    for place in case.moving:
        for failure in _of_one(case, place, seed, rtol):
            known.append(failure)
            yield failure
    if not known:  # each right alone, so what is wrong is the mixed second derivatives
        for place in case.moving:
            mixed = _across(case, place, seed, rtol)
            if mixed:
                yield mixed


def _of_one(case: Case, place: int, seed: int, rtol: float | None) -> Iterator[Failure]:
    """The failures of one rule: of first order, or else of second order."""
    name, f, x = case.name(place), case.of(place), case.args[place]

    def failure(cause: str, message: str) -> Failure:
        return Failure(name, cause, message, case.sample)

    try:
        report = check_grad(f, x, order=1, seed=seed, rtol=rtol)
        unusable = any(problem.kind == "error" for problem in report.problems)
        wrong = unusable or any(pair.status == "WRONG" for pair in report.pairs)
    except Exception as error:
        report, wrong = None, True
        problem = f"{type(error).__name__}: {error}"
    if wrong:
        try:
            cause, message = cause_of(case, place, seed)
        except Exception as error:
            cause, message = "rule raises", f"{type(error).__name__}: {error}"
        if cause == "rule raises":
            message = problem if report is None else report.problems[0].message
        other = [p for p in report.problems if p.kind == "cotangent"] if report else []
        if cause == "wrong value" and other:
            cause, message = "not linear in g", other[0].message
        yield failure(cause, message)
        return
    assert report is not None
    if report.problems:
        problem_: Problem = report.problems[0]
        yield failure(PROBLEMS[problem_.kind], problem_.message)
        return
    try:
        second = check_grad(f, x, order=2, seed=seed, rtol=rtol)
    except Exception as error:
        yield failure("not differentiable again", f"{type(error).__name__}: {error}")
        return
    if not second.ok:
        pairs = [p for p in second.pairs if p.status == "WRONG"]
        message = (
            f"{pairs[0].place}: {pairs[0].autograd:.6g}, numerically {pairs[0].numeric:.6g}."
            if pairs else second.problems[0].message
        )  # fmt: skip
        yield failure("not differentiable again", message)
        return
    yield from _manners(case, place)


def _across(case: Case, place: int, seed: int, rtol: float | None) -> Failure | None:
    """Whether the gradient for one argument is wrong as a function of the others."""

    of_all = pulled_back(case.of(*case.moving))
    weights = case.cotangents(case.forward(case.copies()), seed)

    def gradient(*values: Any) -> Any:
        return of_all(values, weights)[case.moving.index(place)]

    try:
        report = check_grad(gradient, *(case.args[i] for i in case.moving), seed=seed, rtol=rtol)
        if report.ok:
            return None
        wrong = [p for p in report.pairs if p.status == "WRONG"]
        message = f"Its derivative for {wrong[0].input} is wrong." if wrong else ""
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
    return Failure(case.name(place), "not differentiable again", message, case.sample)


def changed_in_place(case: Case, place: int) -> str:
    """What the rule writes into that it was given, or nothing."""
    args = case.copies()
    outs = [o.copy() for o in case.forward(args)]
    g = case.cotangents(outs, 8)
    named = {"g": g, "y": outs, "an argument": [a for a in args if a is not None]}
    before = {what: [fingerprint(a) for a in arrays] for what, arrays in named.items()}
    try:
        case.pulled(place, g, outs, args)
    except Exception:
        return ""
    for what, arrays in named.items():
        if [fingerprint(a) for a in arrays] != before[what]:
            return f"It changes {what}."
    return ""


def _manners(case: Case, place: int) -> Iterator[Failure]:
    """The same on Tensors as on arrays, and for every layout of the arrays."""
    name = case.name(place)
    args = case.copies()
    outs = [o.copy() for o in case.forward(args)]
    g = case.cotangents(outs, 9)
    plain = np.asarray(case.pulled(place, g, outs, args))
    lifted = [Tensor(a, requires_grad=True) if i in case.floats else a for i, a in enumerate(args)]
    made = case.op(*lifted, **case.static)
    values = list(made) if case.op.outputs > 1 else [made]
    found = case.pulled(place, [Tensor(u, requires_grad=True) for u in g], values, lifted)
    if not close(found.data if isinstance(found, Value) else found, plain, 1e-11):
        yield Failure(name, "not differentiable again",
                      "On Tensors it gives other numbers than on arrays.", case.sample)  # fmt: skip
        return
    for layout, change in LAYOUTS.items():
        try:
            again = case.pulled(place, [change(u) for u in g], outs, case.copies(change))
        except Exception as error:
            cause = "rule in place" if "read-only" in str(error) else "memory layout"
            yield Failure(name, cause, f"Fails for {layout} arrays: {error}.", case.sample)
            return
        if not close(again, plain, 1e-11):
            message = f"Another result for {layout} arrays."
            yield Failure(name, "memory layout", message, case.sample)
            return
