"""Threads: set from outside, before any library that starts some is loaded."""

from __future__ import annotations

import os
from typing import Any

COUNTED = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")
"""What BLAS libraries, PyTorch and (NPROC) JAX's pool of threads read when they are loaded."""


def environment(threads: int) -> dict[str, str]:
    """The environment of a child process whose libraries use so many threads."""
    pinned = {name: str(threads) for name in COUNTED}
    one = "--xla_cpu_multi_thread_eigen=" + ("false" if threads == 1 else "true")
    pinned["XLA_FLAGS"] = f"{one} intra_op_parallelism_threads={threads}"
    pinned["JAX_PLATFORMS"] = "cpu"
    return {**os.environ, **pinned}


def in_this_process() -> int:
    """The number this process was started with."""
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


def pytorch() -> Any:
    """The module `torch`, on as many threads."""
    import torch

    torch.set_num_threads(in_this_process())
    return torch


def jax() -> Any:
    """The module `jax`, on the CPU, able to compute in double precision."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax
