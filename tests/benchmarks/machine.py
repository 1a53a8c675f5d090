"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = (
    "numpy", "scipy", "scikit-learn", "torch", "jax", "autograd", "mygrad",
)


def cpu() -> str:
    """The processor's name."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def libraries() -> list[dict[str, Any]]:
    """The libraries that compute with threads in this process, and with how many."""
    from threadpoolctl import threadpool_info

    keys = ("internal_api", "version", "architecture", "num_threads")
    return [{key: info.get(key) for key in keys} for info in threadpool_info()]


def blas() -> str:
    """The BLAS library of NumPy, with the processor it takes this one for."""
    import numpy  # noqa: F401

    found = [f"{info['internal_api']} {info['version']} ({info['architecture']})"
             for info in libraries() if info["internal_api"] not in ("openmp", None)]
    return found[0] if found else "unknown"


def description() -> dict[str, Any]:
    """Processor, system, versions."""
    versions = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "cpu": cpu(), "cores": os.cpu_count(), "blas": blas(), "versions": versions,
        "system": f"{platform.system()} {platform.machine()}",
    }
