"""What the process that runs a submission may do, and what the system can enforce.

On Linux: memory and processor time, the size of files, the number of processes; files are read from
Python's folders and written in the scratch folder only (Landlock, Linux 5.13); there is no network
and no process outlives the run (namespaces, through util-linux' ``unshare``). Elsewhere only the
time is limited. None of this is a sandbox for hostile code: it uses the kernel with the rights of
the user who marks.

Source: Linux manual pages, landlock(7), setrlimit(2), unshare(1).
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

LINUX = sys.platform == "linux"

PROCESSES = 64
"""Processes and threads of one run."""

FILE_SIZE = 64 * 2**20
"""Bytes of one file that a run writes."""

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_NO_NEW_PRIVILEGES = 38
_READ_FILE, _READ_FOLDER, _EXECUTE, _WRITE_FILE, _TRUNCATE = 1 << 2, 1 << 3, 1, 1 << 1, 1 << 14
_RIGHTS_BY_VERSION = ((1, 13), (2, 14), (3, 15), (5, 16))  # bits of the rights to files
_NETWORK_SINCE, _SIGNALS_SINCE = 4, 6


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64),
                ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


@cache
def launcher() -> list[str]:
    """Return the command that starts another one without network and with processes of its own."""
    program = shutil.which("unshare") if LINUX else None
    if program is None:
        return []
    command = [program, "--user", "--map-root-user", "--net", "--ipc", "--pid", "--fork",
               "--kill-child"]
    tried = subprocess.run([*command, "true"], capture_output=True, timeout=10, check=False)
    return command if tried.returncode == 0 else []


@cache
def landlock_version() -> int:
    """Return the version of Landlock that the kernel offers, 0 for none."""
    if not LINUX:
        return 0
    return max(0, int(ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, 1)))


def not_enforced() -> list[str]:
    """Return what this system does not enforce, in words for the person who marks."""
    if not LINUX:
        return ["memory, files, network and further processes are not limited on this system: "
                "only the time is"]
    missing = []
    if not landlock_version():
        missing.append("a submission can read files of yours, this reference among them (the "
                       "kernel has no Landlock)")
    if not launcher():
        missing.append("a submission can use the network (unshare is missing or not allowed)")
    return missing


def confine(scratch: Path, seconds: float, memory: int) -> None:
    """Restrict this process, for good, to `scratch`, to `memory` bytes and to `seconds`."""
    if not LINUX:
        return
    import resource

    cpu = int(seconds) + 1
    for limit, value in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, cpu),
                         (resource.RLIMIT_FSIZE, FILE_SIZE), (resource.RLIMIT_CORE, 0),
                         (resource.RLIMIT_NPROC, PROCESSES)):
        with suppress(ValueError, OSError):  # it is lower already
            resource.setrlimit(limit, (value, value))
    if landlock_version():
        _restrict_files(readable=_readable(), writable=[scratch])


def _readable() -> Iterable[Path]:
    """Return the files and folders that Python and its packages are loaded from."""
    package = Path(__file__).resolve().parents[1]
    installed = [Path(entry) for entry in sys.path if Path(entry).name.endswith("-packages")]
    system = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/fonts", "/etc/localtime",
              "/sys/devices/system/cpu", "/dev/urandom", "/dev/null", "/dev/zero")
    return [Path(sys.prefix) / "lib", Path(sys.base_prefix) / "lib", package, *installed,
            *map(Path, system)]


def _restrict_files(readable: Iterable[Path], writable: Iterable[Path]) -> None:
    """Let this process read and write what lies beneath these paths only, and use no TCP."""
    library, version = ctypes.CDLL(None, use_errno=True), landlock_version()
    everything = (1 << max(bits for since, bits in _RIGHTS_BY_VERSION if version >= since)) - 1
    wanted = _Ruleset(everything, 3 if version >= _NETWORK_SINCE else 0,
                      3 if version >= _SIGNALS_SINCE else 0)
    # An older kernel knows fewer fields and refuses others.
    size = 24 if version >= _SIGNALS_SINCE else 16 if version >= _NETWORK_SINCE else 8
    rules = library.syscall(_CREATE_RULESET, ctypes.byref(wanted), size, 0)
    for paths, rights in ((readable, _READ_FILE | _READ_FOLDER | _EXECUTE), (writable, everything)):
        for path in paths:
            if path.exists():
                _allow(library, rules, path, rights & everything)
    _allow(library, rules, Path(os.devnull), _READ_FILE | _WRITE_FILE)
    library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if library.syscall(_RESTRICT_SELF, rules, 0) != 0:
        raise OSError(ctypes.get_errno(), "Landlock refuses the rules")
    os.close(rules)


def _allow(library: ctypes.CDLL, rules: int, path: Path, rights: int) -> None:
    if not path.is_dir():
        rights &= _READ_FILE | _WRITE_FILE | _EXECUTE | _TRUNCATE
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = _Beneath(rights, place)
    failed = library.syscall(_ADD_RULE, rules, 1, ctypes.byref(rule), 0)
    os.close(place)
    if failed:
        raise OSError(ctypes.get_errno(), f"Landlock refuses a rule for {path}")
