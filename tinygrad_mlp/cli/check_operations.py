"""Checks of operations and of the formulas of the classic experiment, printed as a table."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.autograd.ops.samples import samples_of
from tinygrad_mlp.cli import process
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


def check_all(operations: Sequence[Op], losses: Sequence[str] = (), *, quick: bool,
              notes: bool) -> tuple[list[Verdict], bool]:
    """Check operations and formulas, and print a table as they come, then the failures.

    `quick` takes only the first samples of each operation; `notes` are printed of what could not be
    checked. Return the verdicts in their order, and whether Ctrl-C ended the checks early.
    """
    checks: list[tuple[str, Callable[[], Verdict]]] = [
        *((op.name, functools.partial(_of_operation, op, quick)) for op in operations),
        *((f"formulas.{loss}", functools.partial(_of_formula, loss)) for loss in losses)]
    verdicts: list[Verdict] = []
    interrupted = False
    if not checks:  # a file may hold a derivation only
        return verdicts, interrupted
    table = _table(max(len("operation"), *(len(name) for name, _ in checks)))
    with Progress(len(checks), enabled=True) as progress:
        progress.line(table.head())
        try:
            with process.interruptible():
                for name, check in checks:
                    progress.show(len(verdicts), name)
                    start = time.perf_counter()
                    verdict = {"name": name, **check(), "seconds": time.perf_counter() - start}
                    verdicts.append(verdict)
                    progress.line(_row(table, verdict))
        except KeyboardInterrupt:
            interrupted = True
    for verdict in verdicts:
        for text in _remarks(verdict, notes):
            print(f"\n{text}")
    return verdicts, interrupted


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
    samples = None
    if quick and op.record.samples is not None:
        samples = list(itertools.islice(samples_of(op, np.random.default_rng(0)), QUICK))
    try:
        report = check_op(op, samples)
    except Exception as error:  # a user's operation may raise anything
        return {"ok": False, "checks": {}, "samples": 0, "worst_error": None, "failures": [],
                "not_checked": [], "error": f"{type(error).__name__}: {error}"}
    return {
        "ok": report.ok, "checks": report.passed, "samples": report.samples,
        "worst_error": report.worst_error if report.passed["first order"] else None,
        "failures": [{**f._asdict(), "text": str(f)} for f in report.failures],
        "not_checked": report.notes, "error": None}


def _of_formula(loss: str) -> Verdict:
    """Check a formula with the diagonal matrices D2 and D3 against the graph."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=5), np.eye(3)[1]
    of: Mapping[str, Callable[..., Any]] = {
        "mean_square": ops.squared_error, "cross_entropy": ops.binary_cross_entropy}
    by_hand = getattr(formulas, loss)
    report = check_derivation(
        lambda W1, W2: of[loss](ops.sigmoid(W2 @ ops.tanh(W1 @ x)), y), lambda W1,
        W2: by_hand(W1, W2, x, y), W1=rng.normal(size=(4, 5)), W2=rng.normal(size=(3, 4)))
    return {
        "ok": report.ok, "checks": {"first order": report.ok},
        "worst_error": max(row.error for row in report.rows.values()),
        "failures": [
            {"rule": name, "cause": diagnosis.kind, "text": diagnosis.message}
            for name, diagnosis in report.diagnoses.items()],
        "not_checked": []}
