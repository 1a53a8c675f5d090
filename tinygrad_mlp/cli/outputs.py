"""The text, tables and files that the commands put out.

Everything fits the terminal, whatever its width, and has no colours where the output is none.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_mlp.cli import process
from tinygrad_mlp.errors import InvalidArgumentError, TinygradError, WriteError
from tinygrad_mlp.support.files import check_writable

SUCCESS, FAILURE, MISTAKE, INTERRUPT = 0, 1, 2, 130
"""Exit codes. The last is the shell's for a program that Ctrl-C has ended."""


def fail(message: str) -> None:
    """Print an error on standard error, on one line unless that is a terminal."""
    text = f"Error: {message}"
    print(wrapped(text) if sys.stderr.isatty() else text, file=sys.stderr)


PATIENCE = 0.8
"""Seconds after which `announced` writes a line where there is no terminal."""


@contextmanager
def announced(text: str) -> Iterator[None]:
    """Show a text on standard error while something takes its time.

    A terminal shows it at once, and it is taken away again. Elsewhere it is a line, which is
    written only if it takes long.
    """
    if sys.stderr is None:  # print would take standard output in its place
        yield
        return
    if sys.stderr.isatty():
        print(text, end="\r", file=sys.stderr, flush=True)
        try:
            yield
        finally:
            print(" " * len(text), end="\r", file=sys.stderr, flush=True)
        return
    later = threading.Timer(PATIENCE, print, [text], {"file": sys.stderr, "flush": True})
    later.daemon = True
    later.start()
    try:
        yield
    finally:
        later.cancel()
        later.join()


def report_error(message: str, error: BaseException, code: int, as_json: bool) -> None:
    """Print an error on standard error, as text or as JSON in one line."""
    if not as_json:
        fail(message)
        return
    told = {"type": type(error).__name__, "message": message, "exit_code": code}
    print(json.dumps({"error": told}), file=sys.stderr)


def wrapped(text: str, indent: str = "") -> str:
    """Return text in lines no wider than the terminal; its own line breaks are kept."""
    width = max(20, min(width_of_terminal(), 100))
    return "\n".join(
        textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False,
                      break_on_hyphens=False)
        for line in text.splitlines())


def width_of_terminal() -> int:
    """Return the columns of the terminal; 80 if there is none and COLUMNS is not set."""
    return shutil.get_terminal_size().columns


def labelled(pairs: Mapping[str, str]) -> str:
    """Return names and values in lines; long values are wrapped beside their name.

    >>> print(labelled({"data": "digits", "training": "2 epochs"}))
    data      digits
    training  2 epochs
    """
    column = max(map(len, pairs)) + 2
    return "\n".join(
        wrapped(f"{name:<{column}}{value}", " " * column) for name, value in pairs.items())


STYLES = {"right": "green", "found": "green", "WRONG": "bold red", "missing": "yellow"}
"""The colours of cells that hold one of these words alone, or before a colon."""

GAP = 2


class Heading(NamedTuple):
    """The heading of a table's column, and how the column is printed."""

    text: str
    right: bool = False  # whether the cells are aligned to the right
    rank: int = 0  # the highest are left out first if the terminal is too narrow
    width: int = 0  # characters to keep free; needed if rows are printed one at a time


class Table:
    """A table of rows below headings, as wide as its cells; what does not fit is wrapped."""

    def __init__(self, headings: Sequence[Heading], width: int | None = None) -> None:
        self.headings = list(headings)
        self.width = width_of_terminal() if width is None else width
        self.rows: list[list[str]] = []

    def add(self, *cells: object) -> None:
        """Add a row, with a cell for each column."""
        self.rows.append(["" if cell is None else str(cell) for cell in cells])

    def head(self) -> str:
        """Return the headings alone, before rows that are printed one at a time."""
        return self._printed([], header=True)

    def line(self, *cells: object) -> str:
        """Return a row alone, as wide as the headings say."""
        return self._printed([[str(cell) for cell in cells]], header=False)

    def __str__(self) -> str:
        return self._printed(self.rows, header=True)

    def _printed(self, rows: list[list[str]], header: bool) -> str:
        from rich.console import Console
        from rich.table import Table as RichTable
        from rich.text import Text

        widths = [
            max(heading.width, len(heading.text), *(len(row[i]) for row in rows), 0)
            for i, heading in enumerate(self.headings)]
        shown = self._that_fit(widths)
        table = RichTable(box=None, show_header=header, pad_edge=False, padding=(0, GAP, 0, 0),
                          header_style="bold")
        for i in shown:
            heading: Any = self.headings[i]
            table.add_column(Text(heading.text), justify="right" if heading.right else "left",
                             overflow="fold", min_width=heading.width or None)
        for row in rows:
            table.add_row(*(Text(row[i], STYLES.get(row[i].partition(":")[0], "")) for i in shown))
        console = Console(file=sys.stdout, width=max(self.width, 10), markup=False,
                          highlight=False, emoji=False)
        with console.capture() as printed:
            console.print(table)
        return "\n".join(line.rstrip() for line in printed.get().splitlines())

    def _that_fit(self, widths: list[int]) -> list[int]:
        """Return the places of the columns that fit; those of rank 0 stay and may wrap."""
        shown = list(range(len(self.headings)))
        while sum(widths[i] + GAP for i in shown) - GAP > self.width:
            worst = max(self.headings[i].rank for i in shown)
            if worst == 0:
                break
            shown = [i for i in shown if self.headings[i].rank < worst]
        return shown


def check_outputs(paths: Mapping[str, Path | None]) -> None:
    """Raise an error for files that could not be written, before hours are spent on them.

    The paths are given by option, None for an option that was not given. From now on, a reader of
    the output who goes away does not end the command before the files are written.
    """
    from tinygrad_mlp.plotting import check_picture_format

    for option, path in paths.items():
        if path is None:
            continue
        process.State.files_wanted = True
        if os.path.isdir(path):
            raise InvalidArgumentError(f"{option}: {path} is a folder. Add a file name.")
        try:
            if option == "--plot":
                check_picture_format(path)
            check_writable(path)
        except (OSError, TinygradError) as error:
            raise InvalidArgumentError(f"{option}: {error}") from error


def make_folder(folder: Path, option: str) -> None:
    """Make a folder for results, before hours are spent on them."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgumentError(
            f"{option}: {folder} cannot be made: {error}. Choose another folder.") from error


def check_distinct(paths: Mapping[str, Path | None]) -> None:
    """Raise an error if two options name the same file."""
    options: dict[str, str] = {}
    for option, path in paths.items():
        first = option if path is None else options.setdefault(os.path.realpath(path), option)
        if first != option:
            raise InvalidArgumentError(f"{first} and {option} name the same file {path}. Name two.")


def write_all(writers: Mapping[Path, Callable[[Path], object]]) -> tuple[int, list[Path]]:
    """Write each file and print their names; if one fails, the others are still written.

    Ctrl-C ends the writing of a file and not that of the others.
    """
    written, code = [], SUCCESS
    for path, write in writers.items():
        try:
            with process.interruptible():
                write(path)
        except WriteError as error:  # which names the file
            fail(str(error))
            code = code or FAILURE
        except (OSError, TinygradError, MemoryError) as error:
            fail(f"{path} could not be written: {error or type(error).__name__}")
            code = code or FAILURE
        except KeyboardInterrupt:
            fail(f"{path} was not written: {process.interrupt_reason()}")
            code = INTERRUPT
        else:
            written.append(path)
    if written:
        *most, last = map(str, written)
        print(wrapped(f"Wrote {', '.join(most)} and {last}." if most else f"Wrote {last}."))
    return code, written
