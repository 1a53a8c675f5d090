"""The verdict on each gradient: here, at further points, and where no property is kept."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.derivations.acceptance import accept, tell_conventions
from tinygrad_mlp.verify.derivations.conventions import (
    CONVENTIONS,
    OF_NO_LINE,
    in_another_triangle,
)
from tinygrad_mlp.verify.derivations.diagnosis import Diagnosis, diagnose
from tinygrad_mlp.verify.derivations.kinks import is_subgradient
from tinygrad_mlp.verify.derivations.other_points import OtherPoints
from tinygrad_mlp.verify.derivations.points import Point, largest
from tinygrad_mlp.verify.derivations.report import DerivationReport, Row
from tinygrad_mlp.verify.derivations.terms import Term
from tinygrad_mlp.verify.derivations.wrong_lines import WrongLineSearch
from tinygrad_mlp.verify.further_points import property_of
from tinygrad_mlp.verify.wrong_line.running.budget import Budget, to_people


class Options(NamedTuple):
    """The options that all checks of derivations have."""

    rng: np.random.Generator
    rtol: float | None
    hint: int
    budget: float
    scale: float
    ignoring: frozenset[str]


NAMING = 0.25
"""The most of the budget that comparing with known mistakes may take."""

SIGNIFICANT = 1e-3
"""A relative difference that rounding may explain, but that leaves a gradient undecided."""


def compared(here: Point, others: OtherPoints, terms: list[Term], not_checked: list[str],
             options: Options) -> DerivationReport:
    """Return the report on all gradients that were given."""
    rows: dict[str, Row] = {}
    diagnoses: dict[str, Diagnosis] = {}
    differences: dict[str, Array] = {}
    wrong_at = here
    # The search for the line has what naming leaves of the time, which is most of it.
    naming = to_people(NAMING * options.budget) if options.budget else Budget(math.inf)
    for name in (n for n in here.parameters if n in here.given):
        at, rows[name] = _judged(here, others, name)
        person, right = at.given[name], at.right[name]
        if person.shape == right.shape:
            with np.errstate(invalid="ignore"):
                differences[name] = (person - right) / (largest(right) or 1.0)
        if not rows[name].ok:
            diagnoses[name] = _diagnosed(at, others, name, rows[name], naming)
            wrong_at = at if len(diagnoses) == 1 or at is here else wrong_at
    naming.close()
    left = (1 - NAMING) * options.budget + naming.left if options.budget else 0.0
    tell_conventions(here, others, rows, diagnoses, options.ignoring)
    for name, found in diagnoses.items():
        rows[name] = rows[name]._replace(verdict=_verdict_of(found))
    accept(rows, diagnoses, options.ignoring)
    notes = [*others.failures]
    if others.ignored:
        for name, row in rows.items():
            if row.verdict == "right":
                rows[name] = row._replace(verdict="undecided")
        notes.append("derived gives the same numbers at another point. It was checked at the given "
                     "point only.")
    not_given = [name for name in here.parameters if name not in here.given]
    searched = {name: row for name, row in rows.items()
                if name not in diagnoses or diagnoses[name].kind not in OF_NO_LINE}
    search = WrongLineSearch(wrong_at, searched, options.hint, left)
    return DerivationReport(rows, diagnoses, terms, not_given, differences, not_checked, notes,
                            search.find, options.hint)


def _judged(here: Point, others: OtherPoints, name: str) -> tuple[Point, Row]:
    """Return the verdict on a gradient, and the point that shows it."""
    row = here.row(name)
    if not row.ok and here.rounds_so_far(name):
        note = (f"The gradient of {name} agrees with the right one to {row.error:.0e}. Its formula "
                f"rounds by as much: is it a difference of large numbers, or of losses?")
        row = row._replace(ok=True, verdict="undecided", note=note)
    if not row.ok and is_subgradient(here, name):
        note = (f"At this point the loss has a kink. The gradient of {name} is not the one of the "
                f"graph there, but a subgradient, and as right.")
        row = row._replace(ok=True, verdict="kink", note=note)
    if not row.ok and here.plain is not None and in_another_triangle(here.case(name)):
        note = (f"The gradient of {name}, a symmetric matrix, is right. That of the graph stands "
                f"in one triangle, because the loss reads one only.")
        row = row._replace(ok=True, verdict="convention", note=note)
    if not row.ok:
        return here, row
    at = others.where_wrong(name)
    if at is not None and not is_subgradient(at, name) and not (
            at.plain is not None and in_another_triangle(at.case(name))):
        return at, at.row(name)
    if not np.isfinite(here.right[name]).all():
        note = f"The right gradient of {name} is not finite at this point."
        return here, row._replace(verdict="undecided", note=note)
    if here.handed.rtol is None and SIGNIFICANT < row.error and row.verdict == "right":
        note = (f"Rounding at this point changes the gradient of {name} by up to "
                f"{row.tolerance:.1g} of its size, so that it cannot be told from a wrong one.")
        return here, row._replace(verdict="undecided", note=note)
    return here, _outside_of_properties(here, others, row) if row.verdict == "right" else row


def _outside_of_properties(here: Point, others: OtherPoints, row: Row) -> Row:
    """Return the verdict on a right gradient that may differ where no property is kept."""
    outside = others.where_wrong_outside(row.name)
    if outside is None or is_subgradient(outside, row.name):
        return row
    found = {name: property_of(value) for name, value in here.parameters.items()}
    kept = " and ".join(f"{name} is {known.name}" for name, known in found.items() if known)
    there = outside.row(row.name)
    example = "" if there.worst is None else (
        f": element {there.worst} is {there.person:.6g}, and {there.right:.6g} is right")
    note = (f"The gradient of {row.name} is right where {kept}, as at the given point. It is not "
            f"where that does not hold{example}.")
    return row._replace(verdict="undecided", note=note)


def _diagnosed(at: Point, others: OtherPoints, name: str, row: Row, naming: Budget) -> Diagnosis:
    """Return the mistake in a wrong gradient."""
    if at.plain is None:
        return Diagnosis("unknown", None, None, 1.0,
                         f"The gradient of {name} is not that of the given function.")
    # Multiples are compared relative to the largest element, so the slack is relative.
    slack = min(1e-2, max(1e-8, 16 * row.tolerance))
    return diagnose(at.case(name), partial(others.cases, name), slack, naming)


def _verdict_of(diagnosis: Diagnosis) -> str:
    if diagnosis.kind in CONVENTIONS:
        return "convention"
    if diagnosis.kind == "precision":
        return "close"
    return "other shape" if diagnosis.kind == "shape" and diagnosis.scale == 1 and (
        "same numbers" in diagnosis.message) else "WRONG"
