"""Timing that a shared, noisy machine cannot fool much: alternating, medians, ratios."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

CLOCK = "TINYGRAD_MLP_BENCHMARK_CLOCK"
"""The environment variable that is "cpu" where the processor's time is to be measured."""

clock = time.process_time if os.environ.get(CLOCK) == "cpu" else time.perf_counter

PAUSE = 0.1
"""Seconds in which the threads that the last contender has started give up looking for work. Each
library has some of its own, and as long as they look they hinder those of the others."""


def calibrated(function: Callable[[], object], seconds: float) -> int:
    """How many calls take about `seconds`."""
    calls = 1
    while True:
        start = clock()
        for _ in range(calls):
            function()
        taken = clock() - start
        if taken > seconds / 4:
            return max(1, round(calls * seconds / taken))
        calls *= 4


def alternating(
    functions: Mapping[str, Callable[[], object]], *, rounds: int = 15, seconds: float = 0.05
) -> dict[str, float]:
    """Median seconds a call of each function.

    Each is called as often as takes `seconds` (once, where that is 0), after a first time that
    does not count. The functions take turns, round after round, so that a machine that slows down
    slows all of them down; the median leaves out the rounds in which something else ran. Before
    each turn there is a pause (`PAUSE`).
    """
    calls = {name: calibrated(function, seconds) for name, function in functions.items()}
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            time.sleep(PAUSE)
            start = clock()
            for _ in range(calls[name]):
                function()
            times[name].append((clock() - start) / calls[name])
    return {name: statistics.median(taken) for name, taken in times.items()}


def seconds_a_sample(
    trainers: Mapping[str, Callable[[int], object]], samples: Mapping[str, int], quick: bool
) -> tuple[dict[str, float], float]:
    """Median seconds a sample of each, on as many samples as `samples` says, and our start.

    Ours runs over twice as many samples, too. The difference of the two is what training costs
    once it has begun, and stands in the result as a contender of its own; the rest is the start.

    Returns:
        the medians, and the seconds of the start.
    """
    ours = trainers["tinygrad_mlp"]
    lengths = {**samples, TWICE: 2 * samples["tinygrad_mlp"]}
    functions = {
        name: partial(trainers.get(name, ours), length) for name, length in lengths.items()
    }
    times = alternating(functions, rounds=1 if quick else 7, seconds=0)
    once, twice = times["tinygrad_mlp"], times.pop(TWICE)
    medians = {name: taken / samples[name] for name, taken in times.items()}
    medians[BEGUN] = (twice - once) / samples["tinygrad_mlp"]
    return medians, 2 * once - twice


TWICE = "twice the samples"
BEGUN = "tinygrad_mlp, once begun"
