"""A table of the verdicts of the checks on each piece of real code.

``python -m tests.real.table [--import] [PIECE …]`` prints a line for each piece, as it stands and
with each of its changes, and the counts; with the import line of ``tinygrad_mlp.numpy``, if this is
asked for. `tests/real/README.md` describes the pieces.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import tinygrad_mlp as tg
from tests.real.real_code import (
    Piece,
    as_it_stands,
    files,
    planted,
    put_right,
    recording_stores,
)
from tinygrad_mlp.errors import TinygradError

KINDS = {"scale": ("summed", "averaged", "half", "ascent"), "decay": ("decay",),
         "clipping": ("clipped-gradient",), "constant in the log": ("epsilon",),
         "clip active": ("clip",), "truncated": ("truncated",)}
"""The names of the conventions that `ignoring=` takes, by those of the tables."""


class Told(NamedTuple):
    """The verdict of a check on one piece.

    Attributes:
        piece: the piece.
        verdict: what its table says: right, wrong or convention.
        error: why it could not be checked, or None.
        ok: whether no mistake was found.
        undecided: whether a gradient was neither right nor wrong.
        wrong: the parameters whose gradients were not accepted.
        kinds: the kinds of mistakes and conventions that were named.
        line: the number of the line that was shown, or None.
    """

    piece: Piece
    verdict: str
    error: str | None = None
    ok: bool = False
    undecided: bool = False
    wrong: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    line: int | None = None

    @property
    def placed(self) -> bool:
        """Whether the line shown is one of those at fault."""
        return self.line in self.piece.lines

    @property
    def named(self) -> bool:
        """Whether the mistake was named."""
        return any(kind != "unknown" for kind in self.kinds)

    @property
    def as_expected(self) -> bool:
        """Whether the piece was checked, and the verdict is that of the table."""
        if self.error is not None:
            return False
        if self.verdict == "right":
            return self.ok and not self.undecided
        expected = KINDS.get(self.piece.table.get("convention", ""), self.kinds)
        return not self.ok and (self.verdict == "wrong" or set(self.kinds) <= set(expected))


def variants(path: Path) -> Iterator[tuple[Piece, str]]:
    """Yield a file's pieces, each with the verdict that its table gives."""
    piece = as_it_stands(path)
    yield piece, piece.table["verdict"]
    if "change" in piece.table:
        yield put_right(path), "right"
    for wrong in planted(path):
        yield wrong, "wrong"


def report_on(piece: Piece, ignoring: Sequence[str] = ()) -> tg.verify.DerivationReport:
    """Return the report that the glue of a piece makes, where some conventions are accepted."""
    space = vars(piece.module)
    space.update(tg=tg, np=space.get("np", np))
    text = piece.table["glue"].replace("tg.verify.", "report = tg.verify.")
    text = f"{text.removesuffix(')')}, ignoring={list(ignoring)!r})" if ignoring else text
    filename = f"<glue of {piece.name}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    exec(compile(text, filename, "exec"), space)
    return space["report"]


def told(piece: Piece, verdict: str, *, search: bool = True) -> Told:
    """Return what the check says of a piece; the wrong line only where it is searched."""
    state = np.random.get_state()
    try:
        report = report_on(piece)
        culprit = report.culprit if search else None
    except (TinygradError, ArithmeticError, AttributeError, LookupError, TypeError,
            ValueError) as error:
        return Told(piece, verdict, f"{type(error).__name__}: {error}")
    finally:
        np.random.set_state(state)
    wrong = tuple(name for name, row in report.rows.items() if not row.ok)
    kinds = tuple(dict.fromkeys(found.kind for found in report.diagnoses.values()))
    undecided = any(row.verdict == "undecided" for row in report.rows.values())
    return Told(piece, verdict, None, report.ok, undecided, wrong, kinds,
                None if culprit is None else culprit.line)


def main(names: Sequence[str]) -> None:
    """Print the table of all pieces, or of those named."""
    every: list[Told] = []
    change = recording_stores if "--import" in names else lambda piece: piece
    names = [name for name in names if name != "--import"]
    for path in files():
        if not names or path.stem in names:
            for piece, verdict in variants(path):
                every.append(told(change(piece), verdict))
                print(line_on(every[-1]), flush=True)
    print()
    print(counts(every))


def line_on(one: Told) -> str:
    """Return the line about one piece."""
    if one.error is not None:
        said = " ".join(one.error.split())[:110]
        return f"{one.piece.name:32} {one.verdict:10} NOT CHECKED {said}"
    verdict = "right" if one.ok else "not right"
    parts = [*one.wrong, *one.kinds]
    if one.line is not None:
        parts.append(f"line {one.line}" + ("" if one.placed else " (another)"))
    mark = "" if one.as_expected else "NOT AS EXPECTED "
    return f"{one.piece.name:32} {one.verdict:10} {mark}{verdict}: {', '.join(parts)}".rstrip(": ")


def counts(every: Sequence[Told]) -> str:
    """Return the counts of all pieces as text."""
    checked = [one for one in every if one.error is None]
    wrong = [one for one in checked if one.verdict == "wrong"]
    conventions = [one for one in checked if one.verdict == "convention"]
    right = [one for one in checked if one.verdict == "right"]
    glue = {path: len(as_it_stands(path).table["glue"].splitlines()) for path in files()}
    rows = [
        ("differentiated", len(checked), len(every)),
        ("right, called right", sum(one.as_expected for one in right), len(right)),
        ("false alarms", sum(not one.ok for one in right), len(right)),
        ("wrong, caught", sum(not one.ok for one in wrong), len(wrong)),
        ("wrong, with the line or a name", sum(one.placed or one.named for one in wrong),
         len(wrong)),
        ("wrong, with the line", sum(one.placed for one in wrong), len(wrong)),
        ("wrong, misleading", sum(not one.placed and not one.named and one.line is not None
                                  for one in wrong), len(wrong)),
        ("conventions, told as theirs", sum(one.as_expected for one in conventions),
         len(conventions)),
        ("files with one line of glue", sum(n == 1 for n in glue.values()), len(glue)),
        ("files with two lines of glue", sum(n == 2 for n in glue.values()), len(glue))]
    return "\n".join(f"{text:32} {some:4} of {total:4}" for text, some, total in rows)


if __name__ == "__main__":
    main(sys.argv[1:])
