"""Memory: what would take more than is available is refused, and what is freed is used again.

Without the rule for sizes, an array that is a little too large ends the whole process, since the
operating system promises memory that it does not have.
"""

from __future__ import annotations

import os
from contextlib import suppress

import numpy as np

from tinygrad_mlp.errors import TooLargeError

SMALL = 1 << 28
"""Bytes. Less is never refused, and costs no look at the memory."""

LARGEST_KEPT = (1 << 25) - (1 << 16)
"""Bytes of the largest block whose size glibc takes as its limit: a little less than 32 MiB."""

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")

ACCOUNT = "/proc/meminfo"
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Files of Linux: the memory of the machine, and the limits of a container (of both kinds)."""


def keep_freed_memory() -> None:
    """Let the C library keep the memory of large arrays that are freed for those that come next.

    glibc gives an array beyond 128 KiB back to the system when it is freed, and the system clears
    every page of the next one, which takes seven times as long as adding two matrices. The limit
    rises to the size of the largest block that was freed. Such a block costs microseconds, since
    nothing is written into it. Other C libraries take no notice.
    """
    np.empty(LARGEST_KEPT, np.uint8)


def check_memory(n_bytes: int, what: str, advice: str) -> None:
    """Raise an error if more memory is asked for than is available.

    Args:
        n_bytes: the size of what is about to be made.
        what: whose it is and what it is, as the beginning of a sentence.
        advice: what to do instead, as a sentence.

    Raises:
        TooLargeError: it does not fit; the message has both sizes.
    """
    if n_bytes <= SMALL:
        return
    available = available_memory()
    if available is not None and n_bytes > available:
        raise TooLargeError(
            f"{what} must fit into the memory, of which {in_units(available)} are available. Got "
            f"{in_units(n_bytes)}. {advice}")


def in_units(n_bytes: int) -> str:
    """Return a number of bytes as text for people.

    >>> in_units(784 * 256 * 8), in_units(10**18 * 8), in_units(10**40)
    ('1.53 MiB', '6.94 EiB', 'more than 1000 YiB')
    """
    power = min(max(n_bytes.bit_length() - 1, 0) // 10, len(UNITS) - 1)
    if n_bytes > 1000 << 80:
        return "more than 1000 YiB"
    return f"{n_bytes / (1 << 10 * power):.3g} {UNITS[power]}"


def available_memory() -> int | None:
    """Return the bytes that can be had without swapping, or None where that is not known.

    On Linux it is what the kernel estimates to be available, within the limit of a container. On
    other systems it is the whole memory of the machine.
    """
    known = []
    with suppress(OSError, ValueError, IndexError), open(ACCOUNT, encoding="ascii") as file:
        known += [int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:")]
    for path in LIMITS:
        with suppress(OSError, ValueError), open(path, encoding="ascii") as file:  # it may be "max"
            known.append(int(file.read()))
    if not known:
        with suppress(AttributeError, OSError, ValueError):  # no such question on Windows
            known.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(known, default=None)
