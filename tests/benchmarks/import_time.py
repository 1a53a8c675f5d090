"""The time of the import."""

from __future__ import annotations

import compileall
import os
import shutil
import statistics
import tempfile
import time

import tinygrad_mlp as tg
from tests import child
from tests.benchmarks import targets
from tests.benchmarks.case import Case

TARGETS = targets.IMPORT


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
                child.python("-c", f"import {module}", check=True, cwd=folder)
                taken.append(time.perf_counter() - start)
    return statistics.median(times["tinygrad_mlp"]) / statistics.median(times["numpy"])


def measure(quick: bool) -> list[Case]:
    """How many times as long as NumPy's our import takes, which imports NumPy."""
    ratio = import_ratio(3 if quick else 21)
    return [Case("import", {"import tinygrad_mlp / import numpy": ratio}, "times")]
