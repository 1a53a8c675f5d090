"""The memory that training on a mapped file takes, measured in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import child

PROGRAM = """
import resource, sys
import numpy as np
n = 100_000
X = np.memmap(sys.argv[1], np.uint8, "r", shape=(n, 784))
{prepared}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{measured}
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) // 1024)
"""
PAGES = 75
"""MiB of the file that were read and count as well. The system may take them back."""

measured_in_kilobytes = pytest.mark.skipif(
    sys.platform != "linux", reason="kilobytes are Linux's unit of ru_maxrss")


def memory_in_mebibytes(folder: Path, prepared: str, measured: str) -> int:
    """Return by how much the second of two programs, on samples X, raises the memory in use."""
    path = folder / "pixels"
    with open(path, "wb") as file:
        file.truncate(100_000 * 784)
    program = PROGRAM.format(prepared=prepared, measured=measured)
    shown = child.python("-c", program, path)
    assert shown.returncode == 0, shown.stderr
    return int(shown.stdout)
