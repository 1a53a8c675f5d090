"""A disk that fails: the n-th call with which the package writes a file raises an error."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from tinygrad_mlp.support import files

CALLS = ("open", "fsync", "replace")
"""The calls of the module `os` that may fail; those of the open file are added below."""


class _File:
    """An open file whose calls are counted; a write that fails has written a half."""

    def __init__(self, file: Any, disk: Disk) -> None:
        self._file, self._disk = file, disk

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        if self._disk.fails("write"):
            self._file.write(data[: len(data) // 2])
            raise self._disk.error
        self._file.write(data)

    def flush(self) -> None:
        if self._disk.fails("flush"):
            raise self._disk.error
        self._file.flush()


class Disk:
    """A stand-in for the module `os` that counts calls, and lets one of them fail."""

    def __init__(self, failing: int | None, number: int) -> None:
        self.failing, self.done = failing, list[str]()
        self.error = OSError(number, os.strerror(number))

    def fails(self, call: str) -> bool:
        self.done.append(call)
        return self.failing == 0 or len(self.done) == self.failing

    def open_file(self, *arguments: Any, **options: Any) -> _File:
        return _File(open(*arguments, **options), self)

    def __getattr__(self, name: str) -> Any:
        original = getattr(os, name)
        if name not in CALLS:
            return original

        def call(*arguments: Any, **options: Any) -> Any:
            if self.fails(name):
                raise self.error
            return original(*arguments, **options)

        return call


@contextlib.contextmanager
def disk(failing: int | None = None, number: int = errno.ENOSPC) -> Iterator[Disk]:
    """Let the `failing`-th call, or with 0 every call, fail with an error of that number."""
    made = Disk(failing, number)
    with (mock.patch.object(files, "os", made),
          mock.patch.object(files, "open", made.open_file, create=True)):
        yield made


def content(folder: Path) -> dict[str, bytes]:
    """The files of a folder and of those in it, hidden ones included, by relative path."""
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}
