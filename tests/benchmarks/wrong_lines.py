"""The time of the search for the wrong line, next to one call of the loss and the derivation."""

from __future__ import annotations

import numpy as np

from tests.benchmarks import targets
from tests.benchmarks.case import Case
from tests.benchmarks.timing import clock
from tests.verify.derivation_corpus import Exercise, files, wrong
from tinygrad_mlp.verify import check_derivation

TARGETS = targets.WRONG_LINES

CALLS = 20
"""Calls of the loss and the derivation whose time is divided by their number."""


def seconds(exercise: Exercise) -> tuple[float, float, float]:
    """Seconds of one call of the loss and the derivation, of their check, and of the search."""
    point = exercise.point(0)
    start = clock()
    for _ in range(CALLS):
        exercise.loss(**point), exercise.derived(**point)
    called = clock()
    report = check_derivation(exercise.loss, exercise.derived, point)
    checked = clock()
    found = report.culprit
    searched = clock()
    assert not report.ok and (found is None or found.source), exercise.name
    return (called - start) / CALLS, checked - called, searched - checked


def measure(quick: bool) -> list[Case]:
    """Seconds for a part of the wrong derivations of the corpus."""
    exercises = [exercise for path in files() for exercise in wrong(path)][::100 if quick else 6]
    calls, checks, searches = np.transpose([seconds(exercise) for exercise in exercises])
    return [Case(targets.WRONG_LINE, {
        targets.CALL: float(np.median(calls)),
        "check with the name of the mistake, median": float(np.median(checks)),
        targets.SEARCH: float(np.median(searches)),
        targets.LONG_SEARCH: float(np.quantile(searches, 0.9))}, "s")]
