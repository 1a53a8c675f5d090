"""How cost grows: the time of a long chain, the memory of many steps, the time of the import."""

from __future__ import annotations

import compileall
import gc
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc

import tinygrad_mlp as tg


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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
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


def import_ratio(repeats: int = 15) -> float:
    """Time of `import tinygrad_mlp` over that of `import numpy`, each in a fresh interpreter.

    The package is byte-compiled first, as pip does when it installs one.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.dirname(tg.__file__)
        shutil.copytree(source, os.path.join(folder, "tinygrad_mlp"))
        compileall.compile_dir(folder, quiet=1)
        times: dict[str, list[float]] = {"numpy": [], "tinygrad_mlp": []}
        for _ in range(repeats):
            for module, taken in times.items():
                start = time.perf_counter()
                subprocess.run([sys.executable, "-c", f"import {module}"], check=True, cwd=folder)
                taken.append(time.perf_counter() - start)
    return statistics.median(times["tinygrad_mlp"]) / statistics.median(times["numpy"])
