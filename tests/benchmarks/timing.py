"""Timing that a shared, noisy machine cannot fool much: alternating, medians, ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def calibrated(function: Callable[[], object], seconds: float) -> int:
    """How many calls take about `seconds`."""
    calls = 1
    while True:
        start = time.perf_counter()
        for _ in range(calls):
            function()
        taken = time.perf_counter() - start
        if taken > seconds / 4:
            return max(1, round(calls * seconds / taken))
        calls *= 4


def alternating(
    functions: Mapping[str, Callable[[], object]], *, rounds: int = 15, seconds: float = 0.05
) -> dict[str, float]:
    """Median seconds a call of each function.

    The functions take turns, round after round, so that a machine that slows down slows all of
    them down; the median leaves out the rounds in which something else ran.
    """
    calls = {name: calibrated(function, seconds) for name, function in functions.items()}
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            for _ in range(calls[name]):
                function()
            times[name].append((time.perf_counter() - start) / calls[name])
    return {name: statistics.median(taken) for name, taken in times.items()}
