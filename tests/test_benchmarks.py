"""The benchmarks run and measure what they say. How fast they find it is never a test."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.benchmarks import growth, small_step
from tests.benchmarks.timing import alternating

ROOT = Path(__file__).parent.parent


def test_all_contenders_compute_the_same_gradients():
    steps, missing = small_step.installed()
    assert {"NumPy by hand", "tinygrad_mlp, layers", "tinygrad_mlp, operators"} <= set(steps)
    assert set(steps) | set(missing) == set(small_step.CONTENDERS)
    small_step.check(steps)


def test_alternating_measures_each_function_and_tells_slow_from_fast():
    array = np.ones(200_000)
    times = alternating(
        {"little": lambda: array[:10].sum(), "much": lambda: np.sort(array[::-1])},
        rounds=3, seconds=0.002,
    )  # fmt: skip
    assert times["much"] > times["little"] > 0


def test_the_table_is_printed_with_every_target():
    command = [sys.executable, "-m", "tests.benchmarks", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for row in ("small step / NumPy by hand", "chain of 100,000", "import tinygrad_mlp", "kB left"):
        assert any(line.startswith(row) for line in done.stdout.splitlines()), row


def test_growth_of_a_chain_is_a_ratio_of_times():
    assert growth.chain_growth(length=200, repeats=1) > 0
