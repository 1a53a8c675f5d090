"""Atomic writing of files: a file is written completely or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tinygrad_mlp.errors import DataNotFoundError, InvalidArgumentError


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield a temporary path, and move it onto `path` when the block ends without an error.

    Readers see the old file or the new one, never a part of it, whatever happens to this process
    or to the machine. After an error the old file remains and the temporary one is removed.
    """
    import tempfile  # takes as long to import as this whole package

    target = checked_target(path)
    folder, name = os.path.split(target)
    stem, suffix = os.path.splitext(name)
    # In the same folder: a rename is atomic only within one file system. The suffix is kept,
    # because some writers choose the format by it.
    handle, temporary = tempfile.mkstemp(suffix, f".{stem}-", folder)
    os.close(handle)
    try:
        yield temporary
        with open(temporary, "r+b") as file:
            os.fsync(file.fileno())  # or the name may reach the disk before the content
        mode = os.umask(0)
        os.umask(mode)
        os.chmod(temporary, 0o666 & ~mode)  # mkstemp makes files readable only by their owner
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def checked_target(path: str | os.PathLike[str]) -> str:
    """Return the absolute path of a file to be written, if its folder exists."""
    target = os.path.abspath(os.fspath(path))
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise DataNotFoundError(f"cannot write {target}: there is no folder {folder}. Create it.")
    if os.path.isdir(target):
        raise InvalidArgumentError(f"cannot write {target}: it is a folder. Name a file in it.")
    return target
