"""Decides for each submission which gradients are right, from plain arrays alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.classroom.child import without_line
from tinygrad_mlp.classroom.reference import Reference
from tinygrad_mlp.classroom.runner import Explanation, Limits, Returned, derive, explain
from tinygrad_mlp.classroom.submissions import Submission, forbidden_uses
from tinygrad_mlp.errors import TinygradError
from tinygrad_mlp.verify import DerivationReport, check_derivation

RIGHT, WRONG, MISSING, NOT_CHECKED = "right", "wrong", "missing", "not checked"

@dataclass
class Mark:
    """The result for one submission.

    Attributes:
        submission: the file.
        gradients: for each parameter ``"right"``, ``"wrong"``, ``"missing"`` or ``"not checked"``.
        points: the sum of the weights of the right gradients.
        notes: what else is to be said, such as a forbidden name or what stopped the program.
        message: what the numbers say of the mistake, from the parent's check; empty if all right.
        told: what the student is told of it, as far as the hint allows.
        explanation: what the submission's own process says of the wrong line, or None.
        cause: what submissions with the same mistake have in common, or empty.
        searched: whether the submission's own process is to look for the wrong line.
    """

    submission: Submission
    gradients: dict[str, str]
    points: float = 0.0
    notes: list[str] = field(default_factory=list)
    message: str = ""
    told: str = ""
    explanation: Explanation | None = None
    cause: str = ""
    searched: bool = False

    @property
    def ok(self) -> bool:
        """Whether every gradient is right."""
        return all(verdict == RIGHT for verdict in self.gradients.values())

    @property
    def place(self) -> str:
        """Where the wrong line is, in the student's file, or the empty string."""
        return "" if self.explanation is None else self.submission.place(self.explanation.line)

    @property
    def said(self) -> dict[str, str]:
        """What is said below the table, by what it has in common with what is said of others."""
        found = {re.sub(r" \((line|cell)[^()]*\)", "", note): note for note in self.notes}
        if self.cause:
            found[self.cause] = self.cause.partition("\n")[0]
        return found


def marked(reference: Reference, submissions: Sequence[Submission], limits: Limits, *, jobs: int,
           hint: int, search: float) -> Iterator[Mark]:
    """Yield the marks as they come, with `jobs` submissions running at a time."""
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(_answer, reference, one, limits): one for one in submissions}
        explaining: dict[Future[Explanation | None], Mark] = {}
        try:
            for done in as_completed(running):
                one = running[done]
                mark = judge(reference, one, done.result())
                if mark.searched:
                    later = pool.submit(explain, reference, one, limits, hint, search)
                    explaining[later] = mark
                else:
                    mark.told = mark.message if hint > 1 else ""
                    yield mark
            for told in as_completed(explaining):
                mark = explaining[told]
                _explain(mark, told.result(), hint)
                yield mark
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _explain(mark: Mark, explanation: Explanation | None, hint: int) -> None:
    """Add what is known of the wrong line to a mark, as far as the hint allows."""
    mark.explanation = explanation
    if explanation is None:
        mark.told = mark.message if hint > 1 else "The wrong line was not found."
        return
    known = mark.cause.partition("\n")[0] if hint > 1 else ""
    mark.told = "\n\n".join(filter(None, [explanation.causes or known, explanation.text]))
    if explanation.repair and not mark.cause:
        mark.cause = f"right with {' '.join(explanation.repair.split())}"


def _answer(reference: Reference, submission: Submission, limits: Limits) -> Returned | list[str]:
    """Return what a submission gives, or why it is not run."""
    if submission.problem:
        return [submission.problem]
    uses: dict[str, int] = {}
    for line, name in forbidden_uses(submission.source, reference.forbidden):
        uses.setdefault(name, line)
    if uses:
        return [f"{name} is not allowed here ({submission.place(line)}): derive by hand"
                for name, line in uses.items()]
    return derive(reference, submission, limits)


def judge(reference: Reference, submission: Submission, answer: Returned | list[str]) -> Mark:
    """Return the mark for what a submission gave."""
    mark = Mark(submission, dict.fromkeys(reference.parameters, NOT_CHECKED))
    if isinstance(answer, list):
        mark.notes = answer
        return mark
    if submission.skipped:
        mark.notes.append(f"not run: {', '.join(submission.skipped)}")
    points = [*reference.points, *reference.hidden]
    problem = _problem(submission, answer)
    reports = []
    try:
        for point, given in zip(points, answer.gradients, strict=False):
            reports.append(check_derivation(
                reference.loss, given, point, budget=0, **reference.accepted))
    except TinygradError as error:
        problem = problem or answer.not_numbers or str(error)
    complete = len(reports) == len(points)
    for name in reference.parameters:
        mark.gradients[name] = _verdict(name, reports, complete)
    if complete and not _same(answer.gradients[0], answer.again):
        mark.notes.append("derived gives other numbers when it is called again")
        mark.gradients = {name: NOT_CHECKED if verdict == RIGHT else verdict
                          for name, verdict in mark.gradients.items()}
    if MISSING in mark.gradients.values():
        others = ", ".join(reports[0].not_checked) if reports else ""
        mark.notes += filter(None, [
            answer.not_numbers, others and f"derived also gave {others}: no parameter's name"])
    if problem:
        mark.notes.append(problem)
    _describe(mark, reports)
    mark.searched = bool(mark.message) and not problem
    mark.points = sum(reference.weights[name] for name, verdict in mark.gradients.items()
                      if verdict == RIGHT)
    return mark


def _problem(submission: Submission, answer: Returned) -> str:
    """Return what stopped a submission, with the place where its author finds it."""
    if not answer.problem or answer.line is None:
        return answer.problem
    message = answer.problem.removesuffix(f" (line {answer.line})")
    return f"{message} ({submission.place(answer.line)})"


def _verdict(name: str, reports: Sequence[DerivationReport], complete: bool) -> str:
    """Return the verdict on a gradient; it is right only where it is so at all points.

    Where it is only close at some of them, its formula rounds there: a saturated σ, for example.
    """
    rows = [report.rows[name] for report in reports if name in report.rows]
    bad = [row for row in rows if not row.ok]
    if any(row.verdict != "close" for row in bad) or (bad and len(bad) == len(rows)):
        return WRONG
    if reports and len(rows) < len(reports):
        return MISSING
    return RIGHT if complete else NOT_CHECKED


def _describe(mark: Mark, reports: list[DerivationReport]) -> None:
    """Say what the numbers tell of the mistakes."""
    wrong = [name for name, verdict in mark.gradients.items() if verdict == WRONG]
    first = next((r for r in reports if any(not r.rows[n].ok for n in wrong if n in r.rows)), None)
    if first is None:
        return
    rows = [report.rows[name] for report in reports for name in wrong if name in report.rows]
    if all(row.ok or row.verdict == "close" for row in rows):
        error = max(row.error for row in rows)
        mark.notes.append("the numbers look like those of numerical differentiation, which agree "
                          f"to {error:.0e} only")
        return
    diagnoses = [first.diagnoses[name] for name in wrong if name in first.diagnoses]
    mark.message = "\n".join(dict.fromkeys(without_line(one.message) for one in diagnoses)) or (
        f"The gradient of {', '.join(wrong)} is wrong.")
    mark.cause = "\n".join(dict.fromkeys(
        without_line(one.message) for one in diagnoses if one.kind != "unknown"))


def _same(some: object, others: object) -> bool:
    """Return whether `derived` gave the same numbers twice."""
    a, b = _listed(some), _listed(others)
    return len(a) == len(b) and all(
        x.shape == y.shape and np.array_equal(x, y, equal_nan=True)
        for x, y in zip(a, b, strict=True))


def _listed(given: Any) -> list[Array]:
    if given is None:
        return []
    return list(given.values()) if isinstance(given, dict) else list(given) if isinstance(
        given, tuple) else [given]


def groups(marks: Sequence[Mark]) -> list[tuple[str, list[Mark]]]:
    """Return what is said of several submissions, the most frequent first."""
    found: dict[str, list[Mark]] = defaultdict(list)
    for mark in marks:
        for cause in mark.said:
            found[cause].append(mark)
    return sorted(((cause, some) for cause, some in found.items() if len(some) > 1),
                  key=lambda group: -len(group[1]))
