"""``tinygrad-mlp check FOLDER --reference teacher.py``: the derivations of a class."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tinygrad_mlp.classroom import feedback
from tinygrad_mlp.classroom.confinement import not_enforced
from tinygrad_mlp.classroom.marking import (
    MISSING,
    NOT_CHECKED,
    RIGHT,
    WRONG,
    Mark,
    groups,
    marked,
)
from tinygrad_mlp.classroom.reference import Reference, read_reference
from tinygrad_mlp.classroom.runner import Limits
from tinygrad_mlp.classroom.submissions import Submission, submissions
from tinygrad_mlp.cli import process
from tinygrad_mlp.cli.outputs import (
    FAILURE,
    INTERRUPT,
    SUCCESS,
    Heading,
    Table,
    check_distinct,
    check_outputs,
    fail,
    make_folder,
    width_of_terminal,
    wrapped,
    write_all,
)
from tinygrad_mlp.cli.running import Outcome, json_text
from tinygrad_mlp.errors import DataNotFoundError, InvalidArgumentError
from tinygrad_mlp.support.files import write_file


class ClassOutputs(NamedTuple):
    """The files that a marking writes; None for those that are not wanted."""

    csv: Path | None = None
    feedback: Path | None = None
    gradescope: Path | None = None


def check_class(words: Sequence[str], reference_path: Path, outputs: ClassOutputs,
                ignoring: Sequence[str], *, limits: tuple[float, int], jobs: int, hint: int,
                search: float) -> Outcome:
    """Mark the submissions that the words name by a reference, and print the results."""
    if ignoring:
        raise InvalidArgumentError(
            f"--ignoring is for files with a loss of their own. For a class, write ignoring = "
            f"{list(ignoring)} in {reference_path}.")
    paths = [Path(word) for word in words]
    for path in paths:
        if not path.exists():
            raise DataNotFoundError(f"{path}: there is no such file or folder.")
    if not paths:
        raise InvalidArgumentError("--reference: name the files or folders to mark.")
    files = {"--csv": outputs.csv, "--gradescope": outputs.gradescope}
    check_distinct(files)
    check_outputs(files)
    if outputs.feedback is not None:
        make_folder(outputs.feedback, "--feedback")
        check_outputs({"--feedback": outputs.feedback / "any file"})
    reference = read_reference(reference_path)
    found = submissions(paths, exclude=[reference_path, *reference.files])
    missing = not_enforced()
    for sentence in missing:
        print(wrapped(f"Note: {sentence}."), file=sys.stderr)
    marks: list[Mark] = []
    interrupted = False
    table = _table(found)
    print(table.head(), flush=True)
    try:
        with process.interruptible():
            for mark in marked(
                    reference, found, Limits(*limits), jobs=jobs, hint=hint, search=search):
                marks.append(mark)
                print(table.line(*_cells(mark, table.headings[0].width)), flush=True)
                _progress(len(marks), len(found))
    except KeyboardInterrupt:
        interrupted = True
    process.State.on_signal = "noted"  # until the files are written
    marks.sort(key=lambda mark: mark.submission.name)
    print(_summary(marks, len(found) - len(marks)))
    failed = _write(reference, marks, outputs)
    if interrupted:
        fail(process.interrupt_reason())
    whole = len(marks) == len(found) and all(mark.ok for mark in marks)
    code = INTERRUPT if interrupted else failed or (SUCCESS if whole else FAILURE)
    return Outcome(code, {**feedback.document(reference, marks, missing),
                          "interrupted": interrupted})


def _table(found: Sequence[Submission]) -> Table:
    longest = max(len(one.name) for one in found)
    return Table([
        Heading("file", width=min(longest, 32, width_of_terminal() // 3)),
        Heading("points", right=True, width=6), Heading("gradients")])


def _cells(mark: Mark, width: int) -> list[str]:
    """Return a row; the last cell is the only one whose width depends on the parameters."""
    told = []
    for kind, word in ((WRONG, "WRONG"), (MISSING, MISSING), (NOT_CHECKED, NOT_CHECKED)):
        names = [name for name, verdict in mark.gradients.items() if verdict == kind]
        every = len(names) == len(mark.gradients)
        told += [word if every else f"{word}: {', '.join(names)}"] if names else []
    place = f" ({mark.place})" if mark.place else ""
    name = "\n".join(textwrap.wrap(mark.submission.name, width))
    return [name, f"{mark.points:g}", ("; ".join(told) or RIGHT) + place]


def _progress(done: int, total: int) -> None:
    """Say on a terminal how many files are done."""
    if sys.stderr.isatty():
        text = f"{done} of {total}"
        print(f"\r{text if done < total else ' ' * len(text)}", end="\r", file=sys.stderr,
              flush=True)


def _summary(marks: Sequence[Mark], left: int) -> str:
    """Return what is said of one file alone, and then what is said of several."""
    lines: list[str] = []
    shared = dict(groups(marks))
    for mark in marks:
        said = [text for key, text in mark.said.items() if key not in shared]
        if said:
            lines.append(_short(mark.submission.name, ". ".join(said)))
    for cause, some in shared.items():
        names = ", ".join(mark.submission.name for mark in some)
        lines.append(_short(f"{len(some)} files", cause, f" ({names})"))
    right, not_marked = sum(mark.ok for mark in marks), f", {left} not marked" if left else ""
    lines.append(f"\n{right} of {len(marks) + left} files right{not_marked}.")
    return "\n" + "\n".join(lines).lstrip("\n")


def _short(who: str, text: str, end: str = "") -> str:
    return wrapped(f"{who}: {textwrap.shorten(text, 300, placeholder=' …')}{end}", "  ")


def _write(reference: Reference, marks: Sequence[Mark], outputs: ClassOutputs) -> int:
    """Write the files that are wanted; return the exit code of a file that cannot be written."""
    writers: dict[Path, Callable[[Path], object]] = {}
    if outputs.csv is not None:
        writers[outputs.csv] = partial(
            write_file, content=feedback.csv_text(reference, marks))
    if outputs.gradescope is not None:
        results = {mark.submission.name: feedback.gradescope(reference, mark) for mark in marks}
        content = results if len(marks) != 1 else next(iter(results.values()))
        writers[outputs.gradescope] = partial(write_file, content=json_text(content))
    if outputs.feedback is not None:
        writers[outputs.feedback] = lambda folder: _write_feedback(reference, marks, folder)
    return write_all(writers)[0] if writers else SUCCESS


def _write_feedback(reference: Reference, marks: Sequence[Mark], folder: Path) -> None:
    """Write a text and a page for each student."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, mark in feedback.file_names(marks).items():
        write_file(folder / f"{name}.txt", feedback.feedback_text(reference, mark))
        write_file(folder / f"{name}.html", feedback.feedback_page(reference, mark))
