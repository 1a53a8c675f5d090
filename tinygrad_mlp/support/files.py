"""Writing of files: a file is written completely or not at all."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress

from tinygrad_mlp.errors import DataNotFoundError, InvalidArgumentError, WriteError

MARK = ".tinygrad_mlp-"
"""How the names of temporary files begin, by which a later writer finds those of killed ones."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The system's numbers for a full disk, a used quota and a file larger than allowed."""

STREAMS = ("/dev/fd/", "/dev/stdout", "/dev/stderr", "/proc/")
"""Paths that lead to an open stream; the file behind it must not be replaced by another."""


def write_file(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write a file, completely or not at all; text is encoded as UTF-8.

    Readers see the old file or the new one, never a part of it, whatever happens to this process
    or to the machine. A link stays a link: the file that it leads to is written. A file that is
    replaced keeps its permissions and, where possible, its owner. To a device or a pipe the content
    is written directly.

    Raises:
        WriteError: the file cannot be written; the message names it. The old file remains.
        DataNotFoundError: there is no such folder.
        InvalidArgumentError: the path is that of a folder.
    """
    data = content.encode() if isinstance(content, str) else content
    target = checked_target(path)
    try:
        if _is_stream(target):
            with open(target, "ab") as stream:
                stream.write(data)
        else:
            _replace(target, data)
    except OSError as error:
        raise _failure(target, error) from error


def check_writable(path: str | os.PathLike[str]) -> str:
    """Raise the errors of `write_file` before there is content; return the path of the file."""
    target = checked_target(path)
    if not _is_stream(target):
        try:
            # A folder's permissions alone do not tell.
            handle, temporary = _temporary(os.path.dirname(target), 0o600)
            os.close(handle)
            os.unlink(temporary)
        except OSError as error:
            raise _failure(target, error) from error
    return target


def checked_target(path: str | os.PathLike[str]) -> str:
    """Return the absolute path of a file to be written, if its folder exists; links are followed.

    Nothing is tried out: see `check_writable`.
    """
    name = os.path.abspath(os.fsdecode(path))
    if "\0" in name:
        raise InvalidArgumentError(f"cannot write {name!r}: no path has a null character in it.")
    target = name if _is_stream(name) else os.path.realpath(name)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise DataNotFoundError(f"cannot write {name}: there is no folder {folder}. Create it.")
    try:
        if os.path.isdir(target):
            raise InvalidArgumentError(f"cannot write {name}: it is a folder. Name a file in it.")
        os.stat(target)
        if not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "the file there is read-only")
    except FileNotFoundError:
        pass  # a new file
    except OSError as error:  # its name is too long, or it is a link to itself
        raise _failure(name, error) from error
    return target


def _failure(target: str, error: OSError) -> WriteError:
    """Return the error for a file that the system does not let us write."""
    reason = error.strerror or str(error) or type(error).__name__
    kept = "What was there is unchanged" if os.path.lexists(target) else "Nothing was written"
    free = "Free some space, or name" if error.errno in FULL else "Name"
    failure = WriteError(f"cannot write {target}: {reason}. {kept}. {free} a file elsewhere.")
    failure.errno = error.errno
    return failure


def _is_stream(path: str) -> bool:
    """Return whether a path leads to a device, a pipe or an open stream."""
    if path.startswith(STREAMS):
        return True
    try:
        kind = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def _replace(target: str, data: bytes) -> None:
    """Write a temporary file and rename it."""
    old = os.stat(target) if os.path.exists(target) else None
    # In the same folder: a rename is atomic only within one file system. Until its permissions
    # are those of the old file, nobody else may read it.
    handle, temporary = _temporary(os.path.dirname(target), 0o666 if old is None else 0o600)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)  # or the name may reach the disk before the content
            if old is not None:
                _take_over(temporary, old)
            if sys.platform != "win32":  # while it is locked; an open file has no other name there
                os.replace(temporary, target)
        if sys.platform == "win32":
            os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _take_over(path: str, old: os.stat_result) -> None:
    """Give a file the owner and the permissions of another, as far as the system allows."""
    if sys.platform != "win32":
        for owner in (old.st_uid, -1):  # another user's file at least keeps its group
            with suppress(OSError):
                os.chown(path, owner, old.st_gid)
                break
    with suppress(OSError):
        os.chmod(path, stat.S_IMODE(old.st_mode))


def _temporary(folder: str, mode: int) -> tuple[int, str]:
    """Return a new temporary file, open and locked, and its path; remove abandoned ones.

    The system releases the lock of a process that is killed, so a file that can be locked has lost
    its writer.
    """
    _remove_abandoned(folder)
    while True:
        path = os.path.join(folder, f"{MARK}{os.urandom(8).hex()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        handle = os.open(path, flags, mode)
        # Before the lock, another process may have taken it for abandoned and removed it.
        _lock(handle, wait=True)
        if sys.platform == "win32" or os.fstat(handle).st_nlink:
            return handle, path
        os.close(handle)


def _lock(handle: int, *, wait: bool) -> bool:
    """Lock an open file and return whether that was possible, which it is not on every system."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_abandoned(folder: str) -> None:
    """Remove the temporary files whose writers were killed from a folder."""
    if sys.platform == "win32":
        return
    with suppress(OSError):  # a folder that may not be listed; those that another process removes
        for name in os.listdir(folder):
            if not name.startswith(MARK):
                continue
            path = os.path.join(folder, name)
            with suppress(OSError):
                handle = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
                try:
                    if _lock(handle, wait=False):
                        os.unlink(path)
                finally:
                    os.close(handle)
