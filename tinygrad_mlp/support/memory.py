"""The rule for sizes: what would take more memory than is available is refused before it is made.

Without it, an array that is a little too large ends the whole process, since the operating system
promises memory that it does not have.
"""

from __future__ import annotations

import os
from contextlib import suppress

from tinygrad_mlp.errors import TooLargeError

SMALL = 1 << 28
"""Bytes. Less is never refused, and costs no look at the memory."""

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")

ACCOUNT = "/proc/meminfo"
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Files of Linux: the memory of the machine, and the limits of a container (of both kinds)."""


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
