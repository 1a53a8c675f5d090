"""The number of BLAS threads, chosen by the size of the products, and the memory BLAS works in.

BLAS splits a product among threads even if synchronising them costs as much as the product.
Training on small batches consists of such products, and on a machine with other work to do a
thread may wait long for another. So training sets the number by the size of its products, and
restores it afterwards; `fit` has an argument for users who know better.
"""

from __future__ import annotations

import functools
import os
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

    The number is that of the whole process. The first thread of Python to come sets it; those that
    come while a thread is inside change nothing, and the last to leave restores what was there
    before all of them.

    Args:
        n: the number of threads; None to change nothing.

    >>> with blas_threads(1):
    ...     pass  # products on this thread only
    """
    if n is None:
        yield
        return
    _controller()  # so that nothing is imported under the lock
    me, changed = threading.get_ident(), _Changed()
    _using.enter(me, changed)
    try:
        _using.set(me, changed, n)
        yield
    finally:
        _using.leave(me, changed)


class _Changed(list[tuple[Any, int]]):
    """The libraries whose number a context has changed, and their numbers before."""

    def set(self, n: int) -> None:
        # threadpoolctl's own `limit` would search for the libraries again, which takes 45 µs.
        for library in _controller().lib_controllers:
            before = library.num_threads
            if before != n:
                library.set_num_threads(n)
                if library.num_threads != before:  # another thread may be in control
                    self.append((library, before))

    def restore(self) -> None:
        for library, before in self:
            if library.num_threads != before:
                library.set_num_threads(before)
            if library.num_threads != before:
                _release_control(library, force=True)
                library.set_num_threads(before)


class _Using:
    """The threads of Python that are inside, and who of them may set the number."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._inside: list[int] = []  # a thread, once for each of its contexts
        self._setter: int | None = None
        self._first = _Changed()  # what the last to leave restores

    def enter(self, me: int, changed: _Changed) -> None:
        with self.lock:
            if not self._inside:
                self._setter, self._first = me, changed
            self._inside.append(me)

    def set(self, me: int, changed: _Changed, n: int) -> None:
        with self.lock:
            if self._setter == me:
                changed.set(n)

    def leave(self, me: int, changed: _Changed) -> None:
        with self.lock:
            self._inside.remove(me)
            if me in self._inside:
                changed.restore()
                return
            if self._setter == me:
                self._setter = None
            if not self._inside:
                self._first.restore()
            else:
                _Changed(c for c in changed if _has_a_number_for_each_thread(c[0])).restore()
            for library in _controller().lib_controllers:
                _release_control(library)

    def after_fork(self) -> None:
        """Forget the threads that a new process does not have; called with the lock held."""
        me = threading.get_ident()
        self._inside = [thread for thread in self._inside if thread == me]
        if self._setter != me:
            self._setter = None
        if not self._inside:
            self._first.restore()
            self._first = _Changed()
        self.lock.release()


_using = _Using()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_using.lock.acquire, after_in_parent=_using.lock.release,
                        after_in_child=_using.after_fork)


def _has_a_number_for_each_thread(library: Any) -> bool:
    """Return whether other threads of Python have another number: OpenBLAS with OpenMP."""
    return (library.internal_api == "openblas"
            and getattr(library, "threading_layer", None) == "openmp")


def _release_control(library: Any, force: bool = False) -> None:
    """Let other threads of Python set a number: from threadpoolctl 3.8 on, only one may."""
    release = getattr(library, "clear_controlling_thread", None)
    if release is not None:
        release(force=force)


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
