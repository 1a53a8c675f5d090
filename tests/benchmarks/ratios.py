"""Rows of the table: ratios of medians, next to what they are to be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.targets import ALL, BACKWARD, BATCH_1024, COSTS, OURS, PRODUCTS, Target

COMPARED = ("sample", "step")
"""Units of cases in which others do the same work as we do."""


@dataclass(frozen=True)
class Row:
    """One ratio, or one quantity, by number of threads.

    Attributes:
        case: the work.
        other: with whom we are compared there, or the quantity's name.
        kind: "speed" (other / ours, more is better), "cost" (ours / other, less is better),
            "checks" (a check / one forward and backward pass) or "value" (a quantity).
        values: by number of threads; empty where the contender is not installed.
        best: the ratio where each contender has the number of threads that suits it best.
        target: what is to be reached, if anything.
    """

    case: str
    other: str
    kind: str
    values: dict[int, float]
    best: float | None
    target: Target | None

    @property
    def verdict(self) -> str:
        """Whether the target is met, with each number of threads."""
        if self.target is None:
            return ""
        if not self.values:
            return "missing"
        return "met" if all(map(self.target.met, self.values.values())) else "MISSED"

    @property
    def lost(self) -> bool:
        """Whether another does the same work faster, with some number of threads."""
        if self.kind in ("value", "checks") or self.other in (BATCH_1024, PRODUCTS):
            return False
        return any(self.speed(value) < 1 for value in self.values.values())

    def speed(self, value: float) -> float:
        """How many times as fast as the other we are, from a ratio of this row."""
        return value if self.kind == "speed" else 1 / value


def rows(runs: Iterable[dict[str, Any]]) -> list[Row]:
    """All rows, case by case, from the results for each number of threads."""
    medians: dict[str, dict[int, dict[str, float]]] = {}
    units = {}
    for run in runs:
        for case in run["cases"]:
            medians.setdefault(case["name"], {})[run["threads"]] = case["medians"]
            units[case["name"]] = case["unit"]
    found = []
    for name, by_threads in medians.items():
        wanted = {t.other or t.ours: t for t in ALL if t.case == name}
        names = list(dict.fromkeys([n for m in by_threads.values() for n in m] + list(wanted)))
        for other in names:
            if units[name] in COMPARED:
                if not other.startswith(OURS):
                    found.append(_ratio(name, other, OURS, by_threads, wanted.get(other)))
            elif units[name] == "run":
                if other != BACKWARD:
                    found.append(_ratio(name, BACKWARD, other, by_threads, wanted.get(other)))
            else:
                values = {n: m[other] for n, m in by_threads.items() if other in m}
                found.append(Row(name, other, "value", values, None, wanted.get(other)))
    return found


def _ratio(
    case: str, other: str, ours: str, by_threads: dict[int, dict[str, float]],
    target: Target | None,
) -> Row:
    pairs = {n: (m[ours], m[other]) for n, m in by_threads.items() if ours in m and other in m}
    cost = case in COSTS or ours != OURS or (target is not None and target.at_most is not None)

    def ratio(mine: float, theirs: float) -> float:
        return mine / theirs if cost else theirs / mine

    values = {n: ratio(*pair) for n, pair in pairs.items()}
    best = ratio(*(min(side) for side in zip(*pairs.values(), strict=True))) if pairs else None
    shown = other if ours == OURS else ours
    kind = "checks" if ours != OURS else "cost" if cost else "speed"
    return Row(case, shown, kind, values, best, target)
