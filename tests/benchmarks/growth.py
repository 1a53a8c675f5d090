"""How cost grows: with the length of a chain, with layers, width and samples, and with steps."""

from __future__ import annotations

import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_mlp as tg
from tests import child
from tests.benchmarks import targets
from tests.benchmarks.case import Case

TARGETS = targets.GROWTH


def chain_seconds(length: int) -> float:
    """CPU seconds of forward and backward through a chain of `length` operations."""
    x = tg.Tensor(0.5, requires_grad=True)
    gc.collect()
    start = time.process_time()
    y = x
    for _ in range(length):
        y = y + 1.0
    y.backward()
    return time.process_time() - start


def chain_growth(length: int = 10_000, repeats: int = 5) -> float:
    """How many times longer ten times the length takes."""
    short = statistics.median(chain_seconds(length) for _ in range(repeats))
    return statistics.median(chain_seconds(10 * length) for _ in range(repeats)) / short


def chain_growth_alone(repeats: int) -> float:
    """The same in a fresh interpreter.

    While a graph grows, Python's garbage collector looks through all there is, and the other
    frameworks that are loaded here bring hundreds of thousands of objects.
    """
    code = "from tests.benchmarks.growth import chain_growth as growth"
    code += f"; print(growth(repeats={repeats}))"
    done = child.python("-c", code, check=True, timeout=600)
    return float(done.stdout)


def memory_growth(steps: int = 10_000) -> int:
    """Bytes that `steps` training steps leave behind, with the garbage collector off."""
    from tests.benchmarks.small_step import with_layers

    step = with_layers()
    for _ in range(100):
        step()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(steps):
            step()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    return after - before


def network_seconds(layers: int = 4, width: int = 128, samples: int = 2_048) -> float:
    """Seconds of an epoch of training in batches of 32, without what comes before it."""
    once, twice = (_epochs_seconds(layers, width, samples, epochs) for epochs in (1, 2))
    return twice - once


def _epochs_seconds(layers: int, width: int, samples: int, epochs: int) -> float:
    train = _training(layers, width, samples)
    start = time.process_time()
    train(epochs)
    return time.process_time() - start


def _training(layers: int, width: int, samples: int) -> Callable[[int], object]:
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(samples, width)), rng.uniform(size=(samples, 10))
    modules: list[Any] = []
    for _ in range(layers):
        modules += [tg.nn.Linear(width, width, rng=rng), tg.nn.Tanh()]
    model = tg.nn.Sequential(*modules, tg.nn.Linear(width, 10, rng=rng))
    optimizer = tg.optim.SGD(model.parameters(), lr=0.01)
    return lambda epochs: tg.fit(
        model, tg.nn.squared_error, optimizer, X, Y,
        epochs=epochs, batch_size=32, shuffle=False, record_every=0,
    )


def network_memory(layers: int = 4, width: int = 128, samples: int = 512) -> int:
    """Most bytes in use at a time while training, beyond data and parameters."""
    train = _training(layers, width, samples)
    return _most_memory(lambda: train(1))


def chain_memory(length: int = 10_000) -> int:
    """Most bytes in use at a time by a chain of `length` operations."""
    return _most_memory(lambda: chain_seconds(length))


def _most_memory(function: Callable[[], object]) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def measure(quick: bool) -> list[Case]:
    """How many times more time and memory twice the size takes, and two bounds."""
    repeats = 1 if quick else 5
    found = {
        "chain of 100,000 / of 10,000, time": chain_growth_alone(repeats),
        "chain of 20,000 / of 10,000, memory": chain_memory(20_000) / chain_memory(10_000),
    }
    bases = {"layers": 4, "width": 128, "samples": 512 if quick else 2_048}
    for what, size in bases.items():
        one, two = {**bases, what: size}, {**bases, what: 2 * size}
        times = {"one": lambda one=one: network_seconds(**one),
                 "two": lambda two=two: network_seconds(**two)}
        taken: dict[str, list[float]] = {name: [] for name in times}
        for _ in range(repeats):
            for name, function in times.items():
                taken[name].append(function())
        medians = {name: statistics.median(values) for name, values in taken.items()}
        found[f"twice the {what}, time"] = medians["two"] / medians["one"]
        found[f"twice the {what}, memory"] = network_memory(**two) / network_memory(**one)
    found["kB left by 10,000 steps, collector off"] = memory_growth(500 if quick else 10_000) / 1000
    return [Case("growth", found, "times")]
