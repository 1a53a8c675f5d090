"""The report of `check_op`: each failure with its rule, its cause and a sample."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import NamedTuple

from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.errors import TinygradError

WIDTH = 78

CAUSES = {
    "forward wrong": "forward and reference give different numbers",
    "forward in place": "forward writes into its arguments; let it work on a copy",
    "dtype promoted": "float32 in, something wider out; keep NumPy's promotion",
    "memory layout": "the result depends on how the argument lies in memory",
    "sign": "the rule is the right one with the wrong sign",
    "factor": "the rule is the right one times a constant",
    "missing broadcast reduction": "the rule forgets that the argument was used several times: "
    "sum over the copies",
    "wrong axis": "the rule is right along another axis, or transposed",
    "wrong argument's rule": "the rule is the right one of another argument",
    "wrong value": "the rule gives other numbers than the numerical derivative",
    "wrong shape": "the rule's result does not have the shape of its argument",
    "not linear in g": "the rule does not multiply with g",
    "not differentiable again": "right at first order, wrong at second: the rule computes with "
    "raw numbers somewhere; write it with operators and operations of tg",
    "rule in place": "the rule writes into an array it was given",
    "shared memory": "the rule returns an array that shares memory with another",
    "rule raises": "the rule fails",
    "value baked into a trace": "something that differs from call to call is kept from one of "
    "them; compute it from the rule's arguments",
    "not repeatable": "the same call gives another result the second time",
    "LaTeX": "the template does not show the arguments",
    "equation": "the equation says something else than the operation computes"}
"""The causes of failures, and their meaning."""

CHECKS = ("forward", "first order", "second order", "program", "LaTeX", "equation")
"""The checks of an operation, in order."""

LATER = {"not differentiable again": "second order", "value baked into a trace": "program"}
"""The causes that only checks after the first order can find."""


class WrongOperationError(TinygradError, AssertionError):
    """Raised by `OpReport.assert_ok`; the message is the report.

    Fix: the report names the rule, the cause and the sample.
    """


class Failure(NamedTuple):
    """One mistake in an operation.

    Attributes:
        rule: the parameter whose gradient rule is wrong, or "forward", "latex", "equation".
        cause: one of `CAUSES`.
        message: the observation.
        sample: the arguments at which it was made.

    >>> import tinygrad_mlp as tg
    >>> @tg.op(rules={"x": lambda g, y, x: 2 * g}, equation="y = x", register=False)
    ... def wrong(x):
    ...     return x + 0.0
    >>> report = tg.verify.check_op(wrong)
    >>> failure = report.failures[0]
    >>> failure.rule, failure.cause
    ('x', 'factor')
    """

    rule: str
    cause: str
    message: str
    sample: str

    def __str__(self) -> str:
        named = self.rule in ("forward", "latex", "equation")
        what = self.rule if named else f"the rule for '{self.rule}'"
        return f"{what}: {self.cause} ({CAUSES[self.cause]}). {self.message} At {self.sample}."


@dataclass(eq=False, repr=False)
class OpReport:
    """The result of `check_op`.

    Attributes:
        op: the operation.
        samples: the number of samples that were tried.
        checks: how often each kind of check was made.
        failures: the mistakes, one for each rule.
        notes: what could not be checked, because the record does not say it.
        worst_error: the largest relative error of a gradient that was found right.
        seed: of all random draws.

    >>> import tinygrad_mlp as tg
    >>> @tg.op(rules={"x": lambda g, y, x: 2 * g}, equation="y = x", register=False)
    ... def wrong(x):
    ...     return x + 0.0
    >>> report = tg.verify.check_op(wrong)
    >>> report.ok, len(report.failures)
    (False, 1)
    """

    op: Op
    samples: int
    checks: dict[str, int]
    failures: list[Failure]
    notes: list[str]
    worst_error: float
    seed: int

    @property
    def ok(self) -> bool:
        """True if no mistake was found."""
        return not self.failures

    @property
    def passed(self) -> dict[str, bool | None]:
        """The outcome of each of the `CHECKS`: True if passed, None if it was not reached.

        Where the first order is wrong, neither the second order nor a program is tried.
        """
        of_record = {"forward": "forward", "latex": "LaTeX", "equation": "equation"}
        wrong = {of_record.get(f.rule, LATER.get(f.cause, "first order")) for f in self.failures}
        rules = bool(self.checks["gradients"])
        second = rules and not wrong & {"forward", "first order"}
        reached = {"forward": True, "first order": rules, "second order": second,
                   "program": second and "second order" not in wrong,
                   "LaTeX": bool(self.op.record.latex), "equation": bool(self.checks["equation"])}
        return {check: False if check in wrong else reached[check] or None for check in CHECKS}

    def assert_ok(self) -> None:
        """Raise a `WrongOperationError`, whose message is the report, if something is wrong."""
        if not self.ok:
            raise WrongOperationError(str(self))

    def __repr__(self) -> str:
        return f"OpReport({self.op.name}, ok={self.ok}, failures: {len(self.failures)})"

    def __str__(self) -> str:
        n = len(self.failures)
        verdict = "right" if self.ok else f"{n} failure{'s' * (n > 1)}"
        made = ", ".join(f"{what} {n}" for what, n in self.checks.items())
        head = f"  {self.samples} samples: {made}; worst error {self.worst_error:.1e}"
        lines = [f"check_op: {self.op.name}: {verdict}"]
        lines += textwrap.wrap(head, WIDTH, subsequent_indent="  ")
        for number, failure in enumerate(self.failures, 1):
            lines += ["", *textwrap.wrap(f"{number}. {failure}", WIDTH)]
        for note in self.notes:
            lines += ["", *textwrap.wrap(f"Not checked: {note}", WIDTH)]
        if not self.ok:
            lines += ["", f"Reproduce: check_op({self.op.name}, seed={self.seed})."]
        return "\n".join(lines)
