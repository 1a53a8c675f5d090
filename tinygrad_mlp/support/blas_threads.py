"""The number of BLAS threads, chosen by the size of the products, and the memory BLAS works in.

BLAS splits a product among threads even if synchronising them costs as much as the product.
Training on small batches consists of such products, and on a machine with other work to do a
thread may wait long for another. So training sets the number by the size of its products, and
restores it afterwards; `fit` has an argument for users who know better.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

WORTH_SHARING = 50_000_000
"""The number of multiplications in a product from which a second thread makes a step faster by a
third, on a machine without other work. Less is not worth the risk: on a busy one, where a thread
waits for another, the same step takes several times as long."""
WORTH_WARMING = 100_000_000
"""The number of multiplications from which `warm_up` pays off."""
NEVER_SHARED = 250_000
"""The number of multiplications up to which OpenBLAS shares no product of two matrices."""

_setting = threading.RLock()


def threads_that_pay(multiplications: int) -> int | None:
    """Return the number of threads for products of this size; None for all.

    >>> threads_that_pay(784 * 256), threads_that_pay(512 * 784 * 256)
    (1, None)
    """
    return None if multiplications >= WORTH_SHARING else 1


def threads_for(multiplications: int) -> AbstractContextManager[None]:
    """Return the context in which a product has as many threads as pay off for its size."""
    shared = multiplications > NEVER_SHARED
    return blas_threads(threads_that_pay(multiplications) if shared else None)


@contextmanager
def blas_threads(n: int | None) -> Iterator[None]:
    """Set the number of threads of NumPy's and SciPy's BLAS libraries, and restore it afterwards.

    The number is that of the whole process. While one thread of Python has set it, the others
    change nothing, so that what it restores is what was there before all of them.

    Args:
        n: the number of threads; None to change nothing.

    >>> with blas_threads(1):
    ...     pass  # products on this thread only
    """
    if n is None or not _setting.acquire(blocking=False):
        yield
        return
    try:
        # threadpoolctl's own `limit` would search for the libraries again, which takes 45 µs.
        numbers = [(library, library.num_threads) for library in _controller().lib_controllers]
        changed = [(library, before) for library, before in numbers if before != n]
        try:
            for library, _ in changed:
                library.set_num_threads(n)
            yield
        finally:
            for library, before in changed:
                library.set_num_threads(before)
    finally:
        _setting.release()


def threads_now() -> int:
    """Return the number of threads that the BLAS libraries use now."""
    return max(int(controller.num_threads) for controller in _controller().lib_controllers)


def libraries() -> list[dict[str, object]]:
    """Return threadpoolctl's descriptions of the BLAS libraries of NumPy and SciPy."""
    found: list[dict[str, Any]] = _controller().info()
    return found


@functools.cache
def _controller() -> Any:
    import scipy.linalg.blas  # noqa: F401  (loads its BLAS library)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@functools.cache
def warm_up() -> None:
    """Touch the memory into which BLAS packs matrices, once in a process.

    OpenBLAS's kernels prefetch beyond the packed matrices. As long as those pages have never been
    written, each prefetch searches for a page in vain, and on a virtual machine a product of small
    matrices takes three times as long; 784-256 networks in float32 suffer most. A larger product
    writes the pages. It takes a hundredth of a second.
    """
    from scipy.linalg import blas

    # NumPy and SciPy each have a library of their own.
    wide = np.ones((64, 1024), np.float32)
    for threads in (1, None):  # each thread has memory of its own
        with blas_threads(threads):
            for product in (np.matmul, functools.partial(blas.sgemm, 1.0)):
                product(wide, wide.T)
                product(wide.T, wide)
