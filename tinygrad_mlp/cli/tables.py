"""Tables on a terminal of any width; without colours where the output is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from tinygrad_mlp.cli.outputs import width_of_terminal

STYLES = {"right": "green", "found": "green", "WRONG": "bold red", "missing": "yellow"}
"""Words that stand out wherever they are all that a cell says."""

GAP = 2


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        heading: what stands above it.
        right: whether its cells end, rather than start, at one line.
        rank: columns of the highest rank are left out first where the terminal is too narrow.
        width: characters to keep free for it; needed where rows come one at a time.
    """

    heading: str
    right: bool = False
    rank: int = 0
    width: int = 0


class Table:
    """Rows below headings, as wide as they need to be; what does not fit is wrapped.

    Args:
        columns: the columns, from left to right.
        width: characters that there is room for; by default those of the terminal.

    >>> table = Table([Column("gradient"), Column("error", right=True), Column("at", rank=1)])
    >>> table.add("W1", 0.5, "(0, 3)")
    >>> print(table)
    gradient  error  at
    W1          0.5  (0, 3)
    >>> table.width = 16
    >>> print(table)
    gradient  error
    W1          0.5
    """

    def __init__(self, columns: Sequence[Column], width: int | None = None) -> None:
        self.columns = list(columns)
        self.width = width_of_terminal() if width is None else width
        self.rows: list[list[str]] = []

    def add(self, *cells: object) -> None:
        """Add a row, with a cell for each column."""
        self.rows.append(["" if cell is None else str(cell) for cell in cells])

    def head(self) -> str:
        """The headings alone, before rows that come one at a time."""
        return self._printed([], header=True)

    def line(self, *cells: object) -> str:
        """A row alone, as wide as the columns say."""
        return self._printed([[str(cell) for cell in cells]], header=False)

    def __str__(self) -> str:
        return self._printed(self.rows, header=True)

    def _printed(self, rows: list[list[str]], header: bool) -> str:
        from rich.console import Console
        from rich.table import Table as RichTable
        from rich.text import Text

        widths = [
            max(c.width, len(c.heading), *(len(row[i]) for row in rows), 0)
            for i, c in enumerate(self.columns)
        ]
        shown = self._that_fit(widths)
        table = RichTable(
            box=None, show_header=header, pad_edge=False, padding=(0, GAP, 0, 0),
            header_style="bold",
        )  # fmt: skip
        for i in shown:
            column: Any = self.columns[i]
            table.add_column(
                Text(column.heading), justify="right" if column.right else "left",
                overflow="fold", min_width=column.width or None,
            )  # fmt: skip
        for row in rows:
            table.add_row(*(Text(row[i], STYLES.get(row[i], "")) for i in shown))
        console = Console(
            file=sys.stdout, width=max(self.width, 10), markup=False, highlight=False, emoji=False
        )
        with console.capture() as printed:
            console.print(table)
        return "\n".join(line.rstrip() for line in printed.get().splitlines())

    def _that_fit(self, widths: list[int]) -> list[int]:
        """The places of the columns to show: the last of rank 0 may wrap, others are left out."""
        shown = list(range(len(self.columns)))

        def too_wide() -> bool:
            return sum(widths[i] + GAP for i in shown) - GAP > self.width

        while too_wide() and (worst := max(self.columns[i].rank for i in shown)):
            shown = [i for i in shown if self.columns[i].rank < worst]
        return shown
