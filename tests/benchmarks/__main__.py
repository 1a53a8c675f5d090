"""Prints the table of ratios: ``python -m tests.benchmarks`` (``--quick`` for a short look)."""

from __future__ import annotations

import os
import platform
import sys

# Before NumPy is loaded: arrays this small gain nothing from threads, and threads add noise.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from tests.benchmarks import growth, small_step  # noqa: E402
from tests.benchmarks.timing import alternating  # noqa: E402


def row(what: str, value: str, target: str = "", verdict: str = "") -> None:
    """Print one line of the table."""
    print(f"{what:<44} {value:>12} {target:>12}  {verdict}")


def judged(what: str, ratio: float, target: float) -> None:
    """Print a ratio against the most it may be."""
    met = "met" if ratio <= target else "MISSED"
    row(what, f"{ratio:.2f}", f"<= {target:g}", met)


def main(quick: bool) -> None:
    """Measure and print."""
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores\n")
    steps, missing = small_step.installed()
    small_step.check(steps)
    times = alternating(steps, rounds=3 if quick else 21, seconds=0.01 if quick else 0.05)
    row("small step, forward + backward", "microseconds")
    for name, seconds in times.items():
        row(f"  {name}", f"{seconds * 1e6:.1f}")
    for name in missing:
        row(f"  {name}", "not installed")
    print()
    row("ratio", "measured", "target")
    ours = times["tinygrad_mlp, layers"]
    for name, target in small_step.TARGETS.items():
        if name in times:
            judged(f"small step / {name}", ours / times[name], target)
    operators = times["tinygrad_mlp, operators"]
    for name in small_step.TARGETS:
        if name in times:
            row(f"  the same with operators / {name}", f"{operators / times[name]:.2f}")
    if "PyTorch eager, layers" in times:
        row("  small step / PyTorch eager, layers",
            f"{ours / times['PyTorch eager, layers']:.2f}")  # fmt: skip
    repeats = 1 if quick else 5
    judged("chain of 100,000 ops / chain of 10,000", growth.chain_growth_alone(repeats), 13)
    judged("import tinygrad_mlp / import numpy", growth.import_ratio(3 if quick else 21), 1.4)
    left = growth.memory_growth(500 if quick else 10_000)
    judged("kB left by 10,000 steps, collector off", left / 1000, 16)


if __name__ == "__main__":
    main(quick="--quick" in sys.argv[1:])
