"""Gradients of another loss: averaged or summed, with a weight decay or without."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.derivations.cases import Further, GradientCase
from tinygrad_mlp.verify.derivations.multiples import is_multiple, multiple
from tinygrad_mlp.verify.derivations.replay import RecordedLoss
from tinygrad_mlp.verify.derivations.wording import numbers_averaged, numbers_summed


def extra_decay(name: str, first: GradientCase, further: Further, rtol: float) -> str | None:
    """Return that a gradient has a multiple of the parameter on top, where it has."""
    c = _decay_of(name, first, first.person - first.right, rtol)
    if c is None:
        return None
    for case in further():
        extra = case.person - case.right
        if is_multiple(extra, case.recording.leaves[name].data, c, max(rtol, 1e-6)) is False:
            return None
    if c < 0:
        return (f"The gradient of {name} is the right one minus {-c:.6g} · {name}, as where a "
                f"weight decay is left out.")
    return (f"The gradient of {name} is the right one plus {c:.6g} · {name}: a weight decay that "
            f"the loss does not have.")


def missing_decay(name: str, first: GradientCase, without: Array | None, rtol: float) -> str | None:
    """Return that the term left out is a weight decay, where it is."""
    c = None if without is None else _decay_of(name, first, first.right - without, rtol)
    if c is None:
        return None
    return (f"The gradient of {name} is right but for the weight decay {c:.6g} · {name}, which the "
            f"loss has and the gradient has not.")


def _decay_of(name: str, case: GradientCase, term: Array, rtol: float) -> float | None:
    parameter = np.asarray(case.recording.leaves[name].data)
    if term.shape != parameter.shape or term.size < 2:
        return None  # a single number is a multiple of any other
    return multiple(term, parameter, max(rtol, 1e-6))


def of_symmetric_matrix(name: str, first: GradientCase, further: Further,
                        rtol: float) -> str | None:
    """Return that a gradient for a symmetric matrix is right in another convention.

    For symmetric changes of the matrix, only the symmetric part of a gradient counts. Or the two
    elements of a pair are one variable, whose derivative is the sum of theirs.
    """
    for words, form in (
            ("agrees with the right one for symmetric changes of it: a triangle, or a symmetric "
             "part, stands for the whole", _symmetric_part),
            ("is right where the two elements of a pair count as one variable", None)):
        if all(_equal_by(form, name, case, rtol) for case in (first, *further())):
            return f"The gradient of {name}, a symmetric matrix, {words}."
    return None


TRIANGULAR = frozenset(["cholesky", "eigh", "eigvalsh"])
"""Operations that read one triangle of a symmetric matrix, so that their gradients fill one."""


def in_another_triangle(name: str, case: GradientCase, rtol: float = 1e-8) -> bool:
    """Return whether a gradient is right where an operation reads one triangle of a matrix.

    The textbook's gradient is symmetric. It is the same for all symmetric changes of the matrix.
    """
    names = {node.op.name for node in case.recording.nodes}
    return bool(names & TRIANGULAR) and _equal_by(_symmetric_part, name, case, rtol)


def _symmetric_part(a: Array) -> Array:
    return np.asarray((a + a.T) / 2)


def _equal_by(form: Callable[[Array], Array] | None, name: str, case: GradientCase,
              rtol: float) -> bool:
    matrix, person, right = np.asarray(case.recording.leaves[name].data), case.person, case.right
    if matrix.ndim != 2 or matrix.shape != matrix.T.shape or person.shape != right.shape:
        return False
    if not np.allclose(matrix, matrix.T):
        return False
    wanted = right + right.T - np.diag(np.diag(right)) if form is None else form(right)
    gap = np.abs((person if form is None else form(person)) - wanted).max(initial=0)
    return bool(gap <= max(rtol, 1e-7) * np.abs(right).max(initial=0))


def summed_or_averaged(scales: Mapping[str, float], recording: RecordedLoss) -> str | None:
    """Return that all gradients are off by the number of terms of a mean or a sum.

    `scales` has the factors of all gradients that do not vanish. Where one of them is right, the
    others are wrong by a mistake of their own.
    """
    factors = set(scales.values())
    if len(factors) != 1:
        return None
    (c,) = factors
    several = len(scales) > 1
    subject = f"The gradient{'s' if several else ''} of {_listed(list(scales))}"
    verb = "are" if several else "is"
    for n in numbers_averaged(recording):
        if math.isclose(c, n, rel_tol=1e-6):
            return f"{subject} {verb} right up to the factor {n}: summed, not averaged."
    for n in numbers_summed(recording):
        if math.isclose(c, 1 / n, rel_tol=1e-6):
            return f"{subject} {verb} right up to the factor 1/{n}: averaged, not summed."
    return None


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
