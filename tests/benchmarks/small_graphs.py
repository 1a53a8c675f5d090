"""Graphs so small that they are all overhead, eager and compiled."""

from __future__ import annotations

from tests.benchmarks import small_program, small_step, targets
from tests.benchmarks.case import Case, installed
from tests.benchmarks.timing import alternating

TARGETS = targets.SMALL_GRAPHS


def measure(quick: bool) -> list[Case]:
    """Seconds a step."""
    cases = []
    for part, name in ((small_step, targets.SMALL_STEP), (small_program, targets.SMALL_PROGRAM)):
        steps, missing = installed(part.CONTENDERS)
        part.check(steps)
        medians = alternating(steps, rounds=3 if quick else 21, seconds=0.01 if quick else 0.05)
        cases.append(Case(name, medians, "step", missing))
    return cases
