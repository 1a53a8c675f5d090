"""Checks of operations and of the formulas of the classic experiment, printed as a table."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.autograd.ops.samples import samples_of
from tinygrad_mlp.cli.outputs import Heading, Table, width_of_terminal, wrapped
from tinygrad_mlp.training.progress import Progress
from tinygrad_mlp.verify import check_derivation, check_op, formulas
from tinygrad_mlp.verify.operations.report import CHECKS

QUICK = 3
"""The number of samples of an operation that --quick checks."""

HEADINGS = {"first order": "1st", "second order": "2nd", "equation": "eqn."}
FULL_WIDTH = 55
"""The width of the full table without the names."""

Verdict = dict[str, Any]
"""The result of a check as JSON; docs/command_line.md describes its keys."""


class Verdicts:
    """The verdicts on operations and formulas, in the order of the checks.

    Attributes:
        operations: one for each operation.
        formulas: one for each formula.
        interrupted: whether Ctrl-C ended the checks early.
    """

    def __init__(self) -> None:
        self.operations: list[Verdict] = []
        self.formulas: list[Verdict] = []
        self.interrupted = False

    @property
    def all(self) -> list[Verdict]:
        """The verdicts on operations, then those on formulas."""
        return [*self.operations, *self.formulas]

    @property
    def right(self) -> int:
        """The number of those that passed."""
        return sum(verdict["ok"] for verdict in self.all)


def check_all(
    operations: Sequence[Op], losses: Sequence[str] = (), *, quick: bool, notes: bool
) -> Verdicts:
    """Check operations and formulas, and print a table as they come, then the failures.

    Args:
        operations: the operations.
        losses: the losses whose formulas are checked.
        quick: whether to take only the first samples of each operation.
        notes: whether to print also what could not be checked.
    """
    names = [*(op.name for op in operations), *(f"formulas.{loss}" for loss in losses)]
    verdicts = Verdicts()
    if not names:
        return verdicts
    table = _table(max(map(len, ["operation", *names])))
    with Progress(len(names), enabled=True) as progress:
        progress.line(table.head())
        try:
            for op in operations:
                progress.show(len(verdicts.all), op.name)
                verdicts.operations.append(_of_operation(op, quick))
                progress.line(_row(table, verdicts.operations[-1]))
            for loss in losses:
                progress.show(len(verdicts.all), f"formulas.{loss}")
                verdicts.formulas.append(_of_formula(loss))
                progress.line(_row(table, verdicts.formulas[-1]))
        except KeyboardInterrupt:
            verdicts.interrupted = True
    for verdict in verdicts.all:
        for text in _remarks(verdict, notes):
            print(f"\n{text}")
    return verdicts


def _table(name_width: int) -> Table:
    """Return a table with a column for each kind of check; on a narrow terminal, one for all."""
    name = Heading("operation", width=name_width)
    error = Heading("error", right=True, rank=1, width=7)
    if width_of_terminal() < name_width + FULL_WIDTH:
        return Table([name, Heading("", width=5), error])
    return Table([name, *(Heading(HEADINGS.get(c, c), width=5) for c in CHECKS), error])


def _row(table: Table, verdict: Verdict) -> str:
    """Return a line of the table."""
    words = {True: "right", False: "WRONG", None: "-"}
    cells = [words[verdict["checks"].get(check)] for check in CHECKS]
    if len(table.headings) < len(cells):
        cells = [words[verdict["ok"]]]
    error = verdict["worst_error"]
    return table.line(verdict["name"], *cells, "-" if error is None else f"{error:.1e}")


def _remarks(verdict: Verdict, notes: bool) -> list[str]:
    """Return the paragraphs below the table."""
    remarks = [f"cannot be checked: {verdict['error']}"] if verdict.get("error") else []
    remarks += [failure["text"] for failure in verdict["failures"]]
    if notes:
        remarks += [f"not checked: {note}" for note in verdict["not_checked"]]
    return [wrapped(f"{verdict['name']}: {remark}") for remark in remarks]


def _of_operation(op: Op, quick: bool) -> Verdict:
    """Check an operation."""
    start = time.perf_counter()
    samples = None
    if quick and op.record.samples is not None:
        samples = list(itertools.islice(samples_of(op, np.random.default_rng(0)), QUICK))
    try:
        report = check_op(op, samples)
    except Exception as error:  # a user's operation may raise anything
        return {
            "name": op.name, "ok": False, "checks": {}, "samples": 0, "worst_error": None,
            "failures": [], "not_checked": [], "error": f"{type(error).__name__}: {error}",
            "seconds": time.perf_counter() - start,
        }  # fmt: skip
    return {
        "name": op.name,
        "ok": report.ok,
        "checks": report.passed,
        "samples": report.samples,
        "worst_error": report.worst_error if report.passed["first order"] else None,
        "failures": [{**f._asdict(), "text": str(f)} for f in report.failures],
        "not_checked": report.notes,
        "error": None,
        "seconds": time.perf_counter() - start,
    }


def _of_formula(loss: str) -> Verdict:
    """Check a formula with the diagonal matrices D2 and D3 against the graph."""
    start = time.perf_counter()
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=5), np.eye(3)[1]
    of: Mapping[str, Callable[..., Any]] = {
        "mean_square": ops.squared_error,
        "cross_entropy": ops.binary_cross_entropy,
    }
    by_hand = getattr(formulas, loss)

    report = check_derivation(
        lambda W1, W2: of[loss](ops.sigmoid(W2 @ ops.tanh(W1 @ x)), y),
        lambda W1, W2: by_hand(W1, W2, x, y),
        W1=rng.normal(size=(4, 5)),
        W2=rng.normal(size=(3, 4)),
    )
    return {
        "name": f"formulas.{loss}",
        "ok": report.ok,
        "checks": {"first order": report.ok},
        "worst_error": max(row.error for row in report.rows.values()),
        "failures": [
            {"rule": name, "cause": diagnosis.kind, "text": diagnosis.message}
            for name, diagnosis in report.diagnoses.items()
        ],
        "not_checked": [],
        "seconds": time.perf_counter() - start,
    }
