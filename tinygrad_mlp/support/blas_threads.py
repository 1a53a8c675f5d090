"""Getting out of BLAS what is in it: the number of its threads, and the memory it works in.

BLAS shares a product among threads from sizes on at which the threads' meeting costs as much as
the product. Training on small batches consists of such products, and on a machine with other work
to do, a thread that waits for one which does not run waits for long. So training sets the number
by the size of its products and puts back what it was, and whoever knows better says so.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

WORTH_SHARING = 5_000_000
"""Multiplications of a product from which a second thread pays off."""
WORTH_WARMING = 100_000_000
"""Multiplications from which it pays off to have touched BLAS's memory."""


def threads_that_pay(multiplications: int) -> int | None:
    """How many threads products of this size should be shared among; None for all there are.

    >>> threads_that_pay(784 * 256), threads_that_pay(512 * 784 * 256)
    (1, None)
    """
    return None if multiplications >= WORTH_SHARING else 1


@contextmanager
def blas_threads(n: int | None) -> Iterator[None]:
    """Let the BLAS libraries of NumPy and SciPy use `n` threads, and put back what it was after.

    Args:
        n: the number; None to change nothing.

    >>> with blas_threads(1):
    ...     pass  # products on this thread only
    """
    if n is None:
        yield
        return
    # One by one, as threadpoolctl's own `limit` looks for the libraries again: 45 µs each time.
    controllers = _controller().lib_controllers
    before = [controller.num_threads for controller in controllers]
    for controller in controllers:
        controller.set_num_threads(n)
    try:
        yield
    finally:
        for controller, threads in zip(controllers, before, strict=True):
            controller.set_num_threads(threads)


def threads_now() -> int:
    """How many threads the BLAS libraries may use as it is."""
    return max(int(library["num_threads"]) for library in libraries())


def libraries() -> list[dict[str, Any]]:
    """The BLAS libraries of NumPy and SciPy, as threadpoolctl describes them."""
    found: list[dict[str, Any]] = _controller().info()
    return found


@functools.cache
def _controller() -> Any:
    import scipy.linalg.blas  # noqa: F401  (so that its library is there to be found)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@functools.cache
def warm_up() -> None:
    """Touch the memory that BLAS packs matrices into, once for a process.

    OpenBLAS's kernels fetch ahead, beyond what they have packed. As long as the pages there have
    never been written to, each of these fetches looks for a page in vain, and on a virtual machine
    a product of small matrices takes three times as long: 784-256 networks in float32 suffer most.
    A product that packs more leaves the pages written to. It takes a hundredth of a second.
    """
    from scipy.linalg import blas

    # NumPy and SciPy each come with a library of their own.
    wide = np.ones((64, 1024), np.float32)
    for threads in (1, None):  # each thread has memory of its own
        with blas_threads(threads):
            for product in (np.matmul, functools.partial(blas.sgemm, 1.0)):
                product(wide, wide.T)
                product(wide.T, wide)
