"""Conventions that all gradients share, and those that are accepted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import numpy as np

from tinygrad_mlp.verify.derivations.conventions import (
    CONVENTIONS,
    clipped,
    clipped_norm,
    common_factor,
    sentence,
)
from tinygrad_mlp.verify.derivations.diagnosis import Diagnosis
from tinygrad_mlp.verify.derivations.other_points import OtherPoints
from tinygrad_mlp.verify.derivations.points import Point, largest
from tinygrad_mlp.verify.derivations.report import Row

Rows = dict[str, Row]
Diagnoses = dict[str, Diagnosis]


def tell_conventions(here: Point, others: OtherPoints, rows: Rows, diagnoses: Diagnoses,
                     ignoring: Collection[str]) -> None:
    """Replace the diagnoses of what all gradients have in common, and tell equal ones together."""
    names = [name for name in rows if name in diagnoses or largest(here.right[name]) > 0]
    wrong = [name for name in names if name in diagnoses]
    if wrong and here.plain is not None:
        told = _of_one_factor(here, diagnoses, ignoring) if wrong == names else None
        told = told or _of_one_bound(here, others, names)
        if told is not None:
            kind, words = told
            for name in wrong:
                diagnoses[name] = diagnoses[name]._replace(
                    kind=kind, message=sentence([name], words))
    together: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, found in diagnoses.items():
        if found.kind in CONVENTIONS:
            words = found.message.removeprefix(f"The gradient of {name} is ").removesuffix(".")
            together[found.kind, words].append(name)
    for (_, words), alike in together.items():
        error = f"{max(rows[name].error for name in alike):.0e}"
        for name in alike:
            if not words.startswith("The gradient"):
                diagnoses[name] = diagnoses[name]._replace(
                    message=sentence(alike, words.replace("{error}", error)))


def _of_one_factor(here: Point, diagnoses: Diagnoses,
                   ignoring: Collection[str]) -> tuple[str, str] | None:
    """Return the convention that multiplies all gradients by the same number, and its words.

    Where one of them is right, the others are wrong by a mistake of their own. A sign or a 2 of
    a single gradient is taken for a mistake, too, unless it is to be ignored.
    """
    if any(found.kind not in ("scale", "sign") for found in diagnoses.values()):
        return None
    factors = [found.scale for found in diagnoses.values()]
    assert here.plain is not None
    told = common_factor(factors[0], here.plain) if np.allclose(
        factors, factors[0], rtol=1e-6, atol=0) else None
    if told is not None and len(diagnoses) == 1 and told[0] in ("half", "ascent"):
        return told if told[0] in ignoring else None
    return told


def _of_one_bound(here: Point, others: OtherPoints, names: list[str]) -> tuple[str, str] | None:
    """Return that all gradients together, by element or by norm, are kept below a number."""
    if any(here.given[name].shape != here.right[name].shape for name in names):
        return None
    points = list(zip(*([here.case(name), *others.cases(name)] for name in names), strict=False))
    with np.errstate(all="ignore"):  # far away, numbers overflow
        words = clipped(points, 1e-7) or clipped_norm(points, 1e-7)
    return None if words is None else ("clipped-gradient", words)


def accept(rows: Rows, diagnoses: Diagnoses, ignoring: Collection[str]) -> None:
    """Accept the gradients of conventions that are to be ignored.

    And of safeguards that make a difference at further points only, which the person did not
    choose.
    """
    for name, found in list(diagnoses.items()):
        row = rows[name]
        if found.kind in ignoring:
            rows[name] = row._replace(ok=True, note=f"{found.message} This is ignored.")
        elif found.kind in ("epsilon", "clip") and row.point:
            rows[name] = row._replace(ok=True, verdict="right", note=(
                f"At further point {row.point} only: {found.message}"))
        if rows[name].ok:
            del diagnoses[name]
