"""What a marking puts out: a table, a page for each student, and files for learning platforms."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from itertools import chain, count

from tinygrad_mlp.classroom.marking import MISSING, NOT_CHECKED, RIGHT, WRONG, Mark, groups
from tinygrad_mlp.classroom.reference import Reference
from tinygrad_mlp.support.html import escape

SENTENCES = {
    RIGHT: "is right.", WRONG: "is wrong.", MISSING: "was not given.",
    NOT_CHECKED: "could not be checked."}


def counts(marks: Sequence[Mark]) -> dict[str, int]:
    """Return how many gradients of all submissions are right, wrong, missing and not checked."""
    verdicts = [verdict for mark in marks for verdict in mark.gradients.values()]
    return {name: verdicts.count(name) for name in (RIGHT, WRONG, MISSING, NOT_CHECKED)}


def document(reference: Reference, marks: Sequence[Mark], limits_missing: Sequence[str],
             ) -> dict[str, object]:
    """Return all results as JSON."""
    return {
        "reference": reference.path,
        "parameters": list(reference.parameters),
        "files": [
            {"name": mark.submission.name, "path": mark.submission.path, "ok": mark.ok,
             "gradients": mark.gradients, "points": mark.points, "place": mark.place or None,
             "message": mark.message or None, "notes": mark.notes, **_advice(mark)}
            for mark in marks],
        "groups": [{"cause": cause, "files": [mark.submission.name for mark in some]}
                   for cause, some in groups(marks)],
        "counts": counts(marks),
        "right": sum(mark.ok for mark in marks),
        "total": len(marks),
        "out_of": sum(reference.weights.values()),
        "not_enforced": list(limits_missing)}


def _advice(mark: Mark) -> dict[str, object]:
    advice = mark.explanation
    if advice is None:
        return {"line": None, "expected": None, "repair": None}
    return {"line": advice.code or None, "expected": advice.expected, "repair": advice.repair}


def csv_text(reference: Reference, marks: Sequence[Mark]) -> str:
    """Return a table with one row for each submission, as CSV."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["name", "file", *reference.parameters, "points", "out of", "place", "notes"])
    total = sum(reference.weights.values())
    for mark in marks:
        rows.writerow(map(_cell, [
            mark.submission.name, mark.submission.path, *mark.gradients.values(),
            f"{mark.points:g}", f"{total:g}", mark.place,
            "; ".join([*mark.notes, mark.message]).strip("; ")]))
    return text.getvalue()


def _cell(value: object) -> str:
    """Return a cell that no spreadsheet takes for a formula; the names are the students'."""
    text = str(value).replace("\n", " ")
    return f"'{text}" if text.startswith(tuple("=+-@\t\r")) else text


def gradescope(reference: Reference, mark: Mark) -> dict[str, object]:
    """Return one submission's result in the form of Gradescope's results.json.

    Source: https://gradescope-autograders.readthedocs.io/en/latest/specs/
    """
    return {
        "score": mark.points,
        "output": feedback_text(reference, mark),
        "tests": [
            {"name": f"gradient of {name}", "max_score": reference.weights[name],
             "score": reference.weights[name] if verdict == RIGHT else 0.0,
             "status": "passed" if verdict == RIGHT else "failed",
             "output": f"The gradient of {name} {SENTENCES[verdict]}"}
            for name, verdict in mark.gradients.items()]}


def feedback_text(reference: Reference, mark: Mark) -> str:
    """Return what one student is told."""
    lines = [mark.submission.name, ""]
    lines += [f"The gradient of {name} {SENTENCES[verdict]}"
              for name, verdict in mark.gradients.items()]
    lines += [f"{mark.points:g} of {sum(reference.weights.values()):g} points."]
    if mark.notes:
        lines += ["", *(f"{note[:1].upper()}{note[1:]}." for note in mark.notes)]
    if mark.told:
        lines += ["", mark.told]
    return "\n".join(lines) + "\n"


def feedback_page(reference: Reference, mark: Mark) -> str:
    """Return what one student is told as a page of HTML that needs nothing else."""
    cells = "".join(
        f'<tr><td>{escape(name)}</td><td class="{verdict.replace(" ", "-")}">{verdict}</td></tr>'
        for name, verdict in mark.gradients.items())
    notes = "".join(f"<p>{escape(note[:1].upper() + note[1:])}.</p>" for note in mark.notes)
    told = f"<pre>{escape(mark.told)}</pre>" if mark.told else ""
    total = sum(reference.weights.values())
    name = escape(mark.submission.name)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title>
<meta name="viewport" content="width=device-width">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: anywhere; }}
td {{ padding: 0 1.5rem 0 0; }} .right {{ color: light-dark(#1a7f37, #3fb950); }}
.wrong, .missing {{ color: light-dark(#d1242f, #ff7b72); }}
pre {{ white-space: pre-wrap; font-size: 14px; padding: 1rem; border: 1px solid #8886; }}
</style></head><body>
<h1>{name}</h1>
<table>{cells}</table>
<p>{mark.points:g} of {total:g} points.</p>
{notes}{told}
</body></html>
"""


def file_names(marks: Iterable[Mark]) -> dict[str, Mark]:
    """Return the marks by names of files, made from those of the students.

    No two differ in capital letters only, which some systems take for one.
    """
    found: dict[str, Mark] = {}
    for mark in marks:
        stem = re.sub(r"[^\w.-]+", "_", mark.submission.name).strip("_.")[:60] or "submission"
        used = {name.casefold() for name in found}
        names = chain([stem], (f"{stem}_{number}" for number in count(2)))
        found[next(name for name in names if name.casefold() not in used)] = mark
    return found
