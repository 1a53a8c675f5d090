"""What is said about each wrong derivation of the corpus, counted by half.

``python -m tests.verify.corpus_table [tune|held] [SECONDS]`` prints the table; of the half to tune
on, each case without the planted line, too. ``python -m tests.verify.planted`` prints both halves.
"""

from __future__ import annotations

import ast
import sys
import time
from typing import NamedTuple

import numpy as np

from tests.verify.derivation_corpus import HALVES, Exercise, files, right, wrong
from tinygrad_mlp.verify import check_derivation

FRESH = range(100, 110)
"""Seeds of the points at which a repaired derivation is compared with the right one."""


class Told(NamedTuple):
    """What the report on one wrong derivation says."""

    exercise: Exercise
    line: int | None
    repair: str | None
    named: bool
    repaired: bool
    cryptic: bool
    cut_off: bool
    seconds: float

    @property
    def placed(self) -> bool:
        """Whether the planted line is shown."""
        return self.line in self.exercise.lines

    @property
    def useful(self) -> bool:
        """Whether a name, the line or a repair is told."""
        return self.placed or self.named or self.repair is not None

    @property
    def misleading(self) -> bool:
        """Whether another line is shown, without a repair, and no name is told."""
        return self.line is not None and not self.useful


def told(exercise: Exercise, seconds: float) -> Told:
    """Check one wrong derivation."""
    begin = time.process_time()
    report = check_derivation(exercise.loss, exercise.derived, exercise.point(0), budget=seconds)
    culprit, text = report.culprit, str(report)
    spent = time.process_time() - begin
    named = any(found.kind != "unknown" for found in report.diagnoses.values())
    line = None if culprit is None else culprit.line
    repair = None if culprit is None else culprit.repair
    return Told(exercise, line, repair, named, repair is not None and line in exercise.lines
                and _is_teachers(exercise, culprit), _is_cryptic(text.partition("\n\n")[2]),
                "cut off" in text, spent)


def _is_cryptic(text: str) -> bool:
    """Return whether a text has names that no person has given."""
    return any(words in text for words in (
        "its argument", "the result of", "\u2202L/\u2202None", "from None", "to None"))


def _is_teachers(exercise: Exercise, culprit) -> bool:
    """Whether a repair of the planted line is the right text, or gives the right gradients."""
    if _normal(culprit.repair) in _normal(exercise.right):
        return True
    good = next(right(path) for path in files(exercise.half)
                if path.stem == exercise.name.rpartition("-")[0])
    lines = exercise.source.splitlines()
    first, last = _statement_at(exercise.source, culprit.line)
    indent = lines[first - 1][:len(lines[first - 1]) - len(lines[first - 1].lstrip())]
    lines[first - 1:last] = [indent + part for part in culprit.repair.splitlines()]
    space: dict = {}
    try:
        exec("\n".join(lines), space)
        for seed in FRESH:
            point = good.point(seed)
            mine, theirs = space["derived"](**point), good.derived(**point)
            if not all(np.allclose(mine[k], theirs[k], rtol=1e-6) for k in point):
                return False
    except Exception:  # the repaired text may fail in any way
        return False
    return True


def _statement_at(source: str, line: int) -> tuple[int, int]:
    """Return the first and the last line of the statement at a line; of a loop, its header."""
    found = (line, line)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and node.lineno <= line <= node.end_lineno:
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno
            if line <= last:
                found = node.lineno, last
    return found


def _normal(text: str) -> str:
    """Return a text as Python prints it; the header of a loop stays as it is."""
    try:
        return ast.unparse(ast.parse(text.strip()))
    except SyntaxError:
        return text.strip()


def false_alarms(half: str) -> list[str]:
    """Return the right derivations that are called wrong, or have a wrong line."""
    found = []
    for path in files(half):
        exercise = right(path)
        report = check_derivation(exercise.loss, exercise.derived, exercise.point(0))
        if not report.ok or report.culprit is not None:
            found.append(exercise.name)
    return found


def table(half: str, seconds: float = 5.0, show: bool = False) -> str:
    """The shares of one half, and its times."""
    cases = []
    for path in files(half):
        for exercise in wrong(path):
            cases.append(told(exercise, seconds))
            if show and not cases[-1].placed:
                print(f"  {exercise.name}: line {cases[-1].line}, planted in "
                      f"{sorted(exercise.lines)}: {exercise.mistake}", flush=True)

    def share(values) -> str:
        return f"{100 * np.mean(list(values)):.1f} %"

    times = [case.seconds for case in cases]
    return "\n".join([
        f"| {half} ({len(files(half))} files) | {len(cases)} |", "|---|--:|",
        f"| right line | {share(c.placed for c in cases)} |",
        f"| useful answer: name, line or repair | {share(c.useful for c in cases)} |",
        f"| repair equal to the teacher's | {share(c.repaired for c in cases)} |",
        f"| another line with a repair that works | "
        f"{share(c.line is not None and not c.placed and c.repair is not None for c in cases)} |",
        f"| misleading | {share(c.misleading for c in cases)} |",
        f"| no line | {share(c.line is None for c in cases)} |",
        f"| cut off by the budget | {share(c.cut_off for c in cases)} |",
        f"| cryptic names | {sum(c.cryptic for c in cases)} |",
        f"| right ones called wrong | {len(false_alarms(half))} |",
        f"| CPU seconds: median, nine of ten, longest | {np.median(times):.2f}, "
        f"{np.quantile(times, 0.9):.2f}, {max(times):.1f} |"])


if __name__ == "__main__":
    chosen = [word for word in sys.argv[1:] if word in HALVES] or list(HALVES)
    limit = next((float(word) for word in sys.argv[1:] if word not in HALVES), 5.0)
    for name in chosen:
        print(table(name, limit, show=name == "tune"), end="\n\n")
