"""From a person's wrong gradient to the mistake that produces it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.derivations.agreement import unexplained
from tinygrad_mlp.verify.derivations.cases import Further, GradientCase
from tinygrad_mlp.verify.derivations.conventions import (
    clipped,
    extra_decay,
    missing_decay,
    of_symmetric_matrix,
    sentence,
)
from tinygrad_mlp.verify.derivations.edges import Candidate
from tinygrad_mlp.verify.derivations.multiples import is_multiple, multiple
from tinygrad_mlp.verify.derivations.other_losses import without_safeguards
from tinygrad_mlp.verify.derivations.truncation import truncated
from tinygrad_mlp.verify.derivations.wording import SCALED, description, is_well_known, well_known
from tinygrad_mlp.verify.wrong_line.running.budget import Budget, BudgetSpentError


class Diagnosis(NamedTuple):
    """The mistake in one gradient.

    Attributes:
        kind: one of "sign", "scale", "transpose", "missing-factor", "extra-factor",
            "wrong-point", "missing-term", "scaled-term", "shape", "precision" and "unknown"; or one
            of the `CONVENTIONS`: "summed", "averaged", "half", "ascent", "decay", "epsilon",
            "clip", "clipped-gradient", "truncated" and "symmetric".
        op: the operation whose local derivative is at fault, or None.
        node: the name of the tensor that it computes, or None.
        scale: the factor by which the numbers are multiplied on top of the mistake.
        message: one sentence that says all this.
        alternatives: other diagnoses that explain the numbers equally well.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> report = tg.verify.check_derivation(
    ...     lambda w: 0.5 * tg.sum(w * w), lambda w: {"w": -w}, w=np.array([1.0, 2.0])
    ... )
    >>> report.diagnoses["w"].kind, report.diagnoses["w"].message
    ('sign', 'The gradient of w has the wrong sign.')
    """

    kind: str
    op: str | None
    node: str | None
    scale: float
    message: str
    alternatives: tuple[Diagnosis, ...] = ()


NEARLY = 1e-4
"""A factor that is so near to 1 is no factor, but lack of precision."""

TERMS = ("missing-term", "scaled-term")


def diagnose(first: GradientCase, further: Further, rtol: float, budget: Budget) -> Diagnosis:
    """Find the mistake in the gradient of a parameter, which is known to be wrong at `first`.

    Multiples may be off by `rtol`, relative to their largest element. Where the budget ends the
    comparison with known mistakes, what was found so far counts.
    """
    subject = f"The gradient of {first.name}"
    given = first
    same_shape = first.person.shape == first.right.shape
    if same_shape and not first.person.any():
        # The units of a ReLU can all be off: look for a point where neither gradient vanishes.
        telling = next((c for c in further() if c.person.any() and c.right.any()), None)
        if telling is None:
            return _unknown(f"{subject} is zero; the right one is not.")
        first = telling
    if same_shape and not np.isfinite(first.person).all():
        return _unknown(
            f"{subject} is not finite, and the right one is: a division by zero or an overflow in "
            f"the formula, as where g(z)(1 − g(z)) is divided by and g rounds to 0 or 1.")
    whole = (_of_other_loss(first, further, rtol) if same_shape else None) or (
        _plain_multiple(subject, first, further, rtol))
    if whole is not None:
        return whole
    if not same_shape:
        return _wrong_shape(subject, first, rtol)
    found = _of_the_result(first, further, rtol) or _changed(first, further, rtol, budget) or (
        None if budget.spent else _of_other_paths(first, further, rtol))
    if found is None and budget.spent:
        return _unknown(f"{subject} is wrong. The comparison with known mistakes was cut off by "
                        f"its time limit.")
    return found or _unknown(unexplained(first.name, given.recording, given.person, rtol))


def _of_other_loss(first: GradientCase, further: Further, rtol: float) -> Diagnosis | None:
    """Return the diagnosis of a gradient of the loss without its safeguards."""
    found = without_safeguards(first, further, rtol)
    return None if found is None else _convention(found[0], sentence([first.name], found[1]))


def _of_the_result(first: GradientCase, further: Further, rtol: float) -> Diagnosis | None:
    """Return the diagnosis of a right gradient that was put into another form."""
    symmetric = of_symmetric_matrix(first, further, rtol)
    if symmetric is not None:
        return _convention("symmetric", symmetric)
    bounded = clipped([[case] for case in (first, *further())], rtol)
    return None if bounded is None else (
        _convention("clipped-gradient", sentence([first.name], bounded)))


def _changed(first: GradientCase, further: Further, rtol: float,
             budget: Budget) -> Diagnosis | None:
    """Return the diagnosis of a gradient that a change of the backward pass reproduces."""
    found = [_named(first, candidate, c, rtol)
             for candidate, c in _matching(first, further, rtol, budget)]
    return found[0]._replace(alternatives=tuple(found[1:])) if found else None


def _of_other_paths(first: GradientCase, further: Further, rtol: float) -> Diagnosis | None:
    """Return the diagnosis of a gradient with a decay on top, or without the early steps."""
    decay = extra_decay(first, further, rtol)
    if decay is not None:
        return _convention(*decay)
    steps = truncated(first, further, rtol)
    if steps == 0:
        return Diagnosis("missing-term", None, None, 1.0, (
            f"The gradient of {first.name} equals the right one without what flows back from the "
            f"next step."))
    words = f"back-propagation through time stops after {steps} step{'' if steps == 1 else 's'}"
    return None if steps is None else _convention(
        "truncated", sentence([first.name], f"right up to truncation: {words}"))


def _convention(kind: str, message: str, op: str | None = None) -> Diagnosis:
    return Diagnosis(kind, op, None, 1.0, message)


def _named(first: GradientCase, candidate: Candidate, c: float, rtol: float) -> Diagnosis:
    """Return the diagnosis that a change stands for."""
    recording, kind = first.recording, candidate.kind
    if kind == "missing-term" and c == 1.0:
        lost = missing_decay(first, _changed_gradient(first, candidate), rtol)
        if lost is not None:
            return _convention("decay", lost, candidate.op)
    scale, text = well_known(c, recording, rtol)
    node, message = description(first.name, recording, candidate)
    if kind == "scaled-term":
        message += f" {SCALED.get(scale, f'times {text}')}."
    else:
        message += "." if scale == 1.0 else f", times {text}."
    return Diagnosis(kind, candidate.op, node, scale, message)


def _unknown(message: str) -> Diagnosis:
    return Diagnosis("unknown", None, None, 1.0, message)


def _imprecise(subject: str, first: GradientCase) -> Diagnosis:
    """Return the diagnosis of a gradient that is nearly right, but not up to rounding."""
    largest = float(np.abs(first.right).max(initial=0)) or 1.0
    error = float(np.abs(first.person - first.right).max(initial=0)) / largest
    return Diagnosis(
        "precision", None, None, 1.0,
        f"{subject} agrees with the right one to {error:.0e}, but not to rounding: rounded "
        f"constants, a small ε, or numerical differences?")


def _plain_multiple(subject: str, first: GradientCase, further: Further,
                    rtol: float) -> Diagnosis | None:
    """Return the diagnosis of a wrong sign or scale, or a transpose, of the whole gradient."""

    def scale_of(form: Callable[[Array], Array]) -> tuple[float, str] | None:
        """Return the multiple of a form of the right gradient, if it is one at other points too."""
        c = multiple(first.person, form(first.right), rtol)
        if c is None:
            return None
        verdicts = (is_multiple(case.person, form(case.right), c, rtol) for case in further())
        telling = next((verdict for verdict in verdicts if verdict is not None), True)
        return well_known(c, first.recording, rtol) if telling else None

    found = scale_of(lambda right: right)
    if found is not None:
        c, text = found
        if abs(c - 1) < NEARLY:
            return _imprecise(subject, first)
        if c == -1.0:
            return Diagnosis("sign", None, None, c, f"{subject} has the wrong sign.")
        return Diagnosis("scale", None, None, c, f"{subject} is the right one times {text}.")
    found = scale_of(np.transpose) if first.right.ndim == 2 else None
    if found is None:
        return None
    c, text = found
    message = f"{subject} is the transpose of the right one"
    message += "." if c == 1.0 else f", times {text}."
    return Diagnosis("transpose", None, None, c, message)


def _wrong_shape(subject: str, first: GradientCase, rtol: float) -> Diagnosis:
    person, right = first.person, first.right
    message = f"{subject} has shape {person.shape}; the right one has {right.shape}"
    c, scale = None, 1.0
    if person.size == right.size:
        c = multiple(person.reshape(right.shape), right, rtol)
        if c is not None:
            scale, text = well_known(c, first.recording, rtol)
            message += ", with the same numbers" + ("" if scale == 1 else f" times {text}")
    elif person.ndim > right.ndim:
        c = multiple(person.sum(axis=tuple(range(person.ndim - right.ndim))), right, rtol)
        if c is not None:
            scale, _ = well_known(c, first.recording, rtol)
            message += ": it has not been summed over the samples"
    return Diagnosis("shape", None, None, scale, message + ".")


def _matching(first: GradientCase, further: Further, rtol: float,
              budget: Budget) -> list[tuple[Candidate, float]]:
    """Return the changes that reproduce the person's numbers, here and at further points."""
    with np.errstate(all="ignore"):
        here = first.mutations.candidates
        found = list(_matching_here(first, here, rtol, budget))
        for number, case in enumerate(further()):
            if not found or (number > 0 and len(found) == 1):
                break  # two points at least: what explains one only may do so by chance
            there = case.mutations.candidates
            if len(there) == len(here):  # elsewhere, units of a ReLU may all be off
                found = [(index, candidate, c) for index, candidate, c in found
                         if _agrees(case, there[index], c, rtol)]
    distinct: dict[Any, tuple[Candidate, float]] = {}
    for _, candidate, c in found:
        if not is_well_known(c, first.recording, rtol):
            continue  # with a factor that fits, many things are equal by chance
        # A term is lost with any of the nodes that it alone goes through.
        place = None if candidate.kind in TERMS else (candidate.op, id(candidate.change.node))
        key = candidate.kind, place, round(c, 6)
        distinct.setdefault(key, (candidate, c))
    # A change without a factor is a simpler explanation than one with, and a sign than a number.
    exact = [(x, 1.0) for x, c in distinct.values() if math.isclose(c, 1.0, rel_tol=1e-6)]
    signs = [(x, -1.0) for x, c in distinct.values() if math.isclose(c, -1.0, rel_tol=1e-6)]
    return exact or signs or list(distinct.values())


def _matching_here(first: GradientCase, changes: list[Candidate], rtol: float,
                   budget: Budget) -> Iterator[tuple[int, Candidate, float]]:
    """Yield the number of each change that reproduces the person's numbers, it, and the factor."""
    for index, candidate in enumerate(changes):
        try:
            budget.use("comparing with known mistakes")
        except BudgetSpentError:
            return
        gradient = _changed_gradient(first, candidate)
        if gradient is None:
            continue
        same = multiple(gradient, first.right, rtol)
        if same is not None and math.isclose(same, 1.0, rel_tol=max(rtol, 1e-9)):
            continue  # no change at all, at this point
        c = _factor(first, candidate, gradient, rtol)
        if c is not None:
            yield index, candidate, c


def _agrees(case: GradientCase, candidate: Candidate, c: float, rtol: float) -> bool:
    gradient = _changed_gradient(case, candidate)
    if gradient is None:
        # Far away, the graph or the formula may overflow, which says nothing.
        return not np.isfinite(case.person).all() or not np.isfinite(case.right).all() or (
            _overflows(case, candidate))
    if candidate.kind == "scaled-term":
        expected = gradient + c * (case.right - gradient)
        return is_multiple(case.person, expected, 1.0, rtol) is not False
    return is_multiple(case.person, gradient, c, rtol) is not False


def _overflows(case: GradientCase, candidate: Candidate) -> bool:
    """Return whether a change fits the graph, but gives numbers that are not finite."""
    gradients = case.mutations.gradients(candidate)
    return gradients is not None and not np.isfinite(gradients[case.name]).all()


def _factor(case: GradientCase, candidate: Candidate, gradient: Array,
            rtol: float) -> float | None:
    """Return the multiple of a changed gradient that the person has, or of the term in question."""
    if candidate.kind != "scaled-term":
        return multiple(case.person, gradient, rtol)
    part, rest = case.right - gradient, case.person - gradient
    largest = float(np.abs(case.person).max(initial=0))
    if not np.abs(gradient).max(initial=0) > rtol * largest:
        return None  # there is no other term
    if not np.abs(part).max(initial=0) > rtol * largest:
        return None
    return multiple(rest, part, max(rtol, 1e-7))


def _changed_gradient(case: GradientCase, candidate: Candidate) -> Array | None:
    gradients = case.mutations.gradients(candidate)
    if gradients is None or not np.isfinite(gradients[case.name]).all():
        return None
    return gradients[case.name]
