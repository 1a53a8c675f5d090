"""What the commands print and write."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tinygrad_mlp.errors import DataNotFoundError, InvalidArgumentError, TinygradError

SUCCESS, FAILURE, MISTAKE, INTERRUPT = 0, 1, 2, 130
"""Exit codes. The last is the shell's convention for a program that Ctrl-C has ended."""


def fail(message: str) -> None:
    """Print an error on standard error; in full, on one line, where that is no terminal."""
    text = f"Error: {message}"
    print(wrapped(text) if sys.stderr.isatty() else text, file=sys.stderr)


def wrapped(text: str, indent: str = "") -> str:
    """`text` in lines no wider than the terminal; its own line breaks are kept."""
    width = max(20, min(width_of_terminal(), 100))
    return "\n".join(
        textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False,
                      break_on_hyphens=False)
        for line in text.splitlines()
    )  # fmt: skip


def width_of_terminal() -> int:
    """Columns of the terminal; 80 where there is none and COLUMNS is not set."""
    return shutil.get_terminal_size().columns


def facts(pairs: Mapping[str, str]) -> str:
    """Names and values below each other, long values wrapped beside their name.

    >>> print(facts({"data": "digits", "training": "2 epochs"}))
    data      digits
    training  2 epochs
    """
    column = max(map(len, pairs)) + 2
    return "\n".join(
        wrapped(f"{name:<{column}}{value}", " " * column) for name, value in pairs.items()
    )


def enumeration(words: Iterable[object]) -> str:
    """Words as a list in a sentence.

    >>> enumeration(["a", "b", "c"])
    'a, b and c'
    """
    *most, last = map(str, words)
    return f"{', '.join(most)} and {last}" if most else last


def check_outputs(paths: Mapping[str, Path | None], pictures: Iterable[str] = ("--plot",)) -> None:
    """Refuse files that could not be written, before hours are spent on their content.

    Args:
        paths: by option; None where the option was not given.
        pictures: the options whose files are pictures.

    Raises:
        DataNotFoundError: a folder does not exist.
        InvalidArgumentError: a path is a folder, cannot be written, is asked for twice, or ends
            in no format of pictures.
    """
    from tinygrad_mlp.plotting import check_picture_format

    taken: dict[str, str] = {}
    for option, path in paths.items():
        if path is None:
            continue
        if path.is_dir():
            raise InvalidArgumentError(f"{option}: {path} is a folder. Add a file name.")
        if option in pictures:
            check_picture_format(path)
        first = taken.setdefault(os.path.realpath(path), option)
        if first != option:
            raise InvalidArgumentError(f"{first} and {option} name the same file {path}.")
        _check_writable(path, option)


def _check_writable(path: Path, option: str) -> None:
    folder = path.absolute().parent
    if not folder.is_dir():
        raise DataNotFoundError(
            f"{option}: {path} cannot be written: there is no folder {folder}. Create it."
        )
    try:
        # What atomic_path will do at the end; a folder's permissions do not tell the whole truth.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InvalidArgumentError(
            f"{option}: {path} cannot be written: no file can be made in {folder}. Choose another "
            "folder."
        ) from error


def write_all(writers: Mapping[Path, Callable[[Path], object]]) -> tuple[int, list[Path]]:
    """Write each file, and say so; one that fails keeps no other from being written.

    Returns:
        The exit code, and the files that were written.
    """
    written, code = [], SUCCESS
    for path, write in writers.items():
        try:
            write(path)
        except (OSError, TinygradError) as error:
            fail(f"{path} could not be written: {error}")
            code = FAILURE
        else:
            written.append(path)
    if written:
        print(wrapped(f"Wrote {enumeration(written)}."))
    return code, written
