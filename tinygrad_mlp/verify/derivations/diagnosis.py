"""From a person's wrong gradient to the mistake that makes it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.derivations.factors import multiple, recognised
from tinygrad_mlp.verify.derivations.mutations import Candidate, candidates
from tinygrad_mlp.verify.derivations.notation import factor_text, names_in
from tinygrad_mlp.verify.derivations.replay import Recording

KINDS = (
    "sign", "scale", "transpose", "missing-factor", "extra-factor", "wrong-point", "missing-term",
    "shape", "unknown",
)  # fmt: skip

MOST_POINTS = 6
"""Further points drawn to tell apart changes that agree at the first."""


class Diagnosis(NamedTuple):
    """What is wrong with one gradient.

    Attributes:
        kind: one of "sign", "scale", "transpose", "missing-factor", "extra-factor",
            "wrong-point", "missing-term", "shape" and "unknown".
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


class Case(NamedTuple):
    """One point of the comparison.

    Attributes:
        recording: the graph there, cross entropies not fused.
        right: the right gradient of the parameter.
        person: the person's.
    """

    recording: Recording
    right: Array
    person: Array


def diagnose(
    name: str,
    first: Case,
    further: Callable[[int], Case | None],
    rtol: float,
) -> Diagnosis:
    """Find the mistake in the gradient of the parameter `name`.

    Args:
        name: the parameter.
        first: the point where the person's gradient is known to be wrong.
        further: gives the case at the i-th further point, or None where there is none.
        rtol: how far multiples may be off, relative to their largest element.
    """
    person, right, recording = first.person, first.right, first.recording
    subject = f"The gradient of {name}"
    if person.shape == right.shape and not person.any():
        other = _telling(further)
        if other is None:
            message = f"{subject} is zero; the right one is not."
            return Diagnosis("unknown", None, None, 1.0, message)
        first = other
        person, right, recording = first.person, first.right, first.recording
    if not np.isfinite(person).all() and person.shape == right.shape:
        return Diagnosis(
            "unknown", None, None, 1.0,
            f"{subject} is not finite, and the right one is: a division by zero or an overflow in "
            f"the formula, as where g(z)(1 − g(z)) is divided by and g rounds to 0 or 1.",
        )  # fmt: skip
    plain = _plain_multiple(subject, first, further, rtol)
    if plain is not None:
        return plain
    if person.shape != right.shape:
        return _wrong_shape(subject, first, rtol)
    matching = _matching(name, first, further, rtol)
    if not matching:
        return Diagnosis("unknown", None, None, 1.0, "")  # the caller knows where they part
    described = [_described(name, recording, c, scale, rtol) for c, scale in matching]
    best = described[0]
    return best._replace(alternatives=tuple(described[1:]))


def _telling(further: Callable[[int], Case | None]) -> Case | None:
    """A further point where neither gradient vanishes (the units of a ReLU can all be off)."""
    for i in range(MOST_POINTS):
        case = further(i)
        if case is None:
            return None
        if case.person.any() and case.right.any():
            return case
    return None


def _plain_multiple(
    subject: str, first: Case, further: Callable[[int], Case | None], rtol: float
) -> Diagnosis | None:
    """Sign, scale, or transpose of the whole gradient."""
    person, right = first.person, first.right
    c = multiple(person, right, rtol)
    if c is not None and _holds(lambda case: case.right, c, further, rtol):
        c, text = recognised(c, first.recording, rtol)
        if c == -1.0:
            return Diagnosis("sign", None, None, -1.0, f"{subject} has the wrong sign.")
        return Diagnosis("scale", None, None, c, f"{subject} is the right one times {text}.")
    if right.ndim == 2 and person.shape == right.T.shape:
        c = multiple(person, right.T, rtol)
        if c is not None and _holds(lambda case: case.right.T, c, further, rtol):
            c, text = recognised(c, first.recording, rtol)
            more = "" if c == 1.0 else f", times {text}"
            return Diagnosis(
                "transpose", None, None, c, f"{subject} is the transpose of the right one{more}."
            )
    return None


def _holds(
    other: Callable[[Case], Array | None],
    c: float,
    further: Callable[[int], Case | None],
    rtol: float,
    points: int = 1,
) -> bool:
    """Whether the person's numbers are the same multiple of other ones at further points, too.

    So many points have to agree, of those that say anything.
    """
    agreed = 0
    for i in range(MOST_POINTS):
        case = further(i)
        if case is None or agreed == points:
            return True
        numbers = other(case)
        at = None if numbers is None else multiple(case.person, numbers, rtol)
        if at is None:
            # Where both vanish the point says nothing.
            if numbers is not None and not np.any(numbers) and not np.any(case.person):
                continue
            return False
        if not math.isclose(at, c, rel_tol=max(10 * rtol, 1e-7)):
            return False
        agreed += 1
    return True


def _wrong_shape(subject: str, first: Case, rtol: float) -> Diagnosis:
    person, right = first.person, first.right
    message = f"{subject} has shape {person.shape}; the right one has {right.shape}"
    scale = 1.0
    if person.size == right.size:
        c = multiple(person.reshape(right.shape), right, rtol)
        if c is not None:
            scale, text = recognised(c, first.recording, rtol)
            message += ", with the same numbers" + ("" if scale == 1 else f" times {text}")
    elif person.ndim > right.ndim:
        c = multiple(person.sum(axis=tuple(range(person.ndim - right.ndim))), right, rtol)
        if c is not None:
            scale = recognised(c, first.recording, rtol)[0]
            message += ": it has not been summed over the samples"
    return Diagnosis("shape", None, None, scale, message + ".")


def _matching(
    name: str, first: Case, further: Callable[[int], Case | None], rtol: float
) -> list[tuple[Candidate, float]]:
    """The changes that reproduce the person's numbers, here and at further points."""
    found: list[tuple[int, Candidate, float]] = []
    with np.errstate(all="ignore"):
        for index, candidate in enumerate(candidates(first.recording)):
            gradient = _changed_gradient(first.recording, candidate, name)
            if gradient is None:
                continue
            same = multiple(gradient, first.right, rtol)
            if same is not None and math.isclose(same, 1.0, rel_tol=max(rtol, 1e-9)):
                continue  # no change at all, at this point
            c = multiple(first.person, gradient, rtol)
            if c is not None:
                found.append((index, candidate, c))
        for i in range(MOST_POINTS):
            if not found or (i > 0 and len(found) == 1):
                break  # what explains one point only may do so by chance: two at least
            case = further(i)
            if case is None:
                break
            there = list(candidates(case.recording))
            found = [
                (index, candidate, c)
                for index, candidate, c in found
                if index >= len(there) or _agrees(case, there[index], name, c, rtol)
            ]
    # A change without a factor is a simpler explanation than one with.
    found.sort(key=lambda entry: (not math.isclose(entry[2], 1.0, rel_tol=1e-6), entry[0]))
    distinct: dict[Any, tuple[Candidate, float]] = {}
    for _, candidate, c in found:
        key = candidate.kind, candidate.op, id(candidate.vertex), round(c, 6)
        distinct.setdefault(key, (candidate, c))
    exact = [entry for entry in distinct.values() if math.isclose(entry[1], 1.0, rel_tol=1e-6)]
    return exact or list(distinct.values())


def _agrees(case: Case, candidate: Candidate, name: str, c: float, rtol: float) -> bool:
    gradient = _changed_gradient(case.recording, candidate, name)
    if gradient is None:
        return False
    return _holds(lambda _: gradient, c, lambda i: case, rtol)


def _changed_gradient(recording: Recording, candidate: Candidate, name: str) -> Array | None:
    try:
        gradients, _ = recording.replay(candidate.change)
    except (ValueError, TypeError):  # the change does not fit: no one can have made it
        return None
    gradient = gradients[name]
    return gradient if np.isfinite(gradient).all() else None


def _described(
    name: str, recording: Recording, candidate: Candidate, c: float, rtol: float
) -> Diagnosis:
    """The sentence for a change that has been found."""
    names = names_in(recording)
    scale, text = recognised(c, recording, rtol)
    node = names.get(candidate.vertex)
    source = names.get(candidate.source) if candidate.source is not None else None
    other = names.get(candidate.other) if candidate.other is not None else None
    where = node or f"the result of {candidate.op}"
    subject = f"The gradient of {name} equals the right one"
    shape = recording.value(candidate.vertex).shape
    column = len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
    single = bool(candidate.change.redirects)
    factor = (
        factor_text(candidate.op, source, node, column)
        if single
        else f"the derivative of {candidate.op} with respect to {source or 'its argument'}"
    )
    z, a = source or "its argument", node or "its result"
    messages: dict[str, Callable[[], str]] = {
        "missing-factor": lambda: f"{subject} without the factor {factor}",
        "extra-factor": lambda: f"{subject} with the factor {factor} applied twice",
        "wrong-point": lambda: (
            f"{subject} with the derivative of {candidate.op} in terms of its result, evaluated "
            f"at {z} instead of {a}"
            if candidate.other is candidate.source
            else f"{subject} with the derivative of {candidate.op} taken at {a} instead of {z}"
            if single
            else f"{subject} with {other or 'another value'} in the place of "
            f"{_replaced(recording, names, candidate)} in the derivative of {candidate.op} "
            f"(which computes {where})"
        ),
        "transpose": lambda: (
            f"{subject} with {other or 'a matrix'} in the place of its transpose, in the product "
            f"that computes {where}"
        ),
        "missing-term": lambda: (
            f"{subject} without the path from {where} to {source or 'one of its arguments'}: the "
            f"sum over all paths lacks a term"
        ),
    }
    message = messages[candidate.kind]()
    if scale != 1.0:
        message += f", times {text}"
    return Diagnosis(candidate.kind, candidate.op, node, scale, message + ".")


def _replaced(recording: Recording, names: dict[Any, str], candidate: Candidate) -> str:
    """The name of the argument that another value was put in the place of."""
    for parent in candidate.vertex:
        if parent is not None and parent is not candidate.source:
            return names.get(parent, "the right one")
    return "the right one"
