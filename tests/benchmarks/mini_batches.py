"""Training epochs in mini-batches of 8 to 512 samples, in single precision."""

from __future__ import annotations

import math
from collections.abc import Callable

from tests.benchmarks import frameworks, targets
from tests.benchmarks.case import Case, installed
from tests.benchmarks.setting import IMAGES, Setting, Train, assert_same, setting
from tests.benchmarks.timing import seconds_a_sample

SIZES = (8, 32, 128, 512)
STEPS = 200
"""Steps of ours, at least: as many as MNIST has in a few epochs, so that a program pays off."""

CONTENDERS: dict[str, Callable[[Setting], Train]] = {
    "tinygrad_mlp": frameworks.tinygrad_mlp,
    "NumPy by hand": frameworks.numpy_by_hand,
    "PyTorch eager": frameworks.pytorch,
    "JAX jit": frameworks.jax_jit,
    "scikit-learn": frameworks.scikit_learn,
    "HIPS autograd": frameworks.hips_autograd,
    "MyGrad": frameworks.my_grad,
}

TARGETS = targets.MINI_BATCHES


def check(trainers: dict[str, Train], given: Setting) -> None:
    """Make sure that all contenders arrive at the same weights, after four steps.

    scikit-learn has another loss (see `frameworks.scikit_learn`), and its own reference.
    """
    samples = 4 * given.batch
    same = {name: train for name, train in trainers.items() if name != "scikit-learn"}
    assert_same(same, samples, given, "NumPy by hand")
    if "scikit-learn" in trainers:
        softmax = {"scikit-learn": trainers["scikit-learn"],
                   "by hand": frameworks.numpy_softmax(given)}
        assert_same(softmax, samples, given, "by hand")


def measure(quick: bool) -> list[Case]:
    """Seconds a sample for each size of the batches, ours over a longer epoch."""
    cases = []
    for size in SIZES:
        given = setting(size)
        trainers, missing = installed(CONTENDERS, given)
        check(trainers, given)
        others = max(size, 128) if quick else max(4_096, 20 * size)
        counts = dict.fromkeys(trainers, others)
        counts["tinygrad_mlp"] = 2 * others if quick else IMAGES * math.ceil(STEPS * size / IMAGES)
        medians, start = seconds_a_sample(trainers, counts, quick)
        cases.append(Case(targets.mini_batch(size), medians, "sample", missing))
        name = f"before the first step, batch of {size}"
        cases.append(Case(name, {"fit": start}, "s"))
    return cases
