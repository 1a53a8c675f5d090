"""From a person's wrong gradient to the mistake that produces it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Node
from tinygrad_mlp.verify.derivations.mutations import Candidate, candidates
from tinygrad_mlp.verify.derivations.replay import RecordedLoss
from tinygrad_mlp.verify.derivations.wording import called, description, well_known


class Diagnosis(NamedTuple):
    """The mistake in one gradient.

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


class GradientCase(NamedTuple):
    """One parameter's gradients at one point, where the graph has cross entropies not fused."""

    recording: RecordedLoss
    right: Array
    person: Array


LARGEST_SYSTEM = 1_000
"""Size of the largest system of equations that is solved for a cotangent."""

Further = Callable[[], Iterator[GradientCase]]
"""Yields the gradients of the same parameter at further points, the same for every call."""


def diagnose(name: str, first: GradientCase, further: Further, rtol: float) -> Diagnosis:
    """Find the mistake in the gradient of a parameter, which is known to be wrong at `first`.

    Multiples may be off by `rtol`, relative to their largest element.
    """
    subject = f"The gradient of {name}"
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
    plain = _plain_multiple(subject, first, further, rtol)
    if plain is not None:
        return plain
    if not same_shape:
        return _wrong_shape(subject, first, rtol)
    found = []
    for candidate, c in _matching(name, first, further, rtol):
        scale, text = well_known(c, first.recording, rtol)
        node, message = description(name, first.recording, candidate)
        message += "." if scale == 1.0 else f", times {text}."
        found.append(Diagnosis(candidate.kind, candidate.op, node, scale, message))
    if not found:
        return _unknown(_unexplained(name, given.recording, given.person, rtol))
    return found[0]._replace(alternatives=tuple(found[1:]))


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


def multiple(person: Array, other: Array, rtol: float) -> float | None:
    """Return the number c with ``person = c · other`` up to rounding, or None.

    ``c = ⟨person, other⟩ / ⟨other, other⟩``; zero arrays are multiples of nothing.
    """
    if person.shape != other.shape or not np.isfinite(other).all():
        return None
    size, reference = np.abs(person).max(initial=0), np.abs(other).max(initial=0)
    if size == 0 or reference == 0 or not math.isfinite(size):
        return None
    # Normalised first: squares of numbers beyond 1e154 overflow, those below 1e-162 vanish.
    p, o = (person / size).astype(float).ravel(), (other / reference).astype(float).ravel()
    c = float(p @ o) / float(o @ o)
    if c == 0 or np.abs(p - c * o).max() > rtol * np.abs(p).max():
        return None
    return c * float(size) / float(reference)


def _is_multiple(person: Array, other: Array, c: float, rtol: float) -> bool | None:
    """Return whether ``person = c · other``; None where both vanish, which says nothing."""
    found = multiple(person, other, rtol)
    if found is None:
        return False if np.any(other) or np.any(person) else None
    return math.isclose(found, c, rel_tol=max(10 * rtol, 1e-7))


def _plain_multiple(subject: str, first: GradientCase, further: Further,
                    rtol: float) -> Diagnosis | None:
    """Return the diagnosis of a wrong sign or scale, or a transpose, of the whole gradient."""

    def scale_of(form: Callable[[Array], Array]) -> tuple[float, str] | None:
        """Return the multiple of a form of the right gradient, if it is one at other points too."""
        c = multiple(first.person, form(first.right), rtol)
        if c is None:
            return None
        verdicts = (_is_multiple(case.person, form(case.right), c, rtol) for case in further())
        telling = next((verdict for verdict in verdicts if verdict is not None), True)
        return well_known(c, first.recording, rtol) if telling else None

    found = scale_of(lambda right: right)
    if found is not None:
        c, text = found
        if c == 1.0:
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


def _matching(name: str, first: GradientCase, further: Further,
              rtol: float) -> list[tuple[Candidate, float]]:
    """Return the changes that reproduce the person's numbers, here and at further points."""
    with np.errstate(all="ignore"):
        found = list(_matching_here(name, first, rtol))
        for number, case in enumerate(further()):
            if not found or (number > 0 and len(found) == 1):
                break  # two points at least: what explains one only may do so by chance
            there = list(candidates(case.recording))
            found = [
                (index, candidate, c)
                for index, candidate, c in found
                if index >= len(there) or _agrees(case, there[index], name, c, rtol)]
    distinct: dict[Any, tuple[Candidate, float]] = {}
    for _, candidate, c in found:
        key = candidate.kind, candidate.op, id(candidate.change.node), round(c, 6)
        distinct.setdefault(key, (candidate, c))
    # A change without a factor is a simpler explanation than one with.
    exact = [(x, c) for x, c in distinct.values() if math.isclose(c, 1.0, rel_tol=1e-6)]
    return exact or list(distinct.values())


def _matching_here(name: str, first: GradientCase,
                   rtol: float) -> Iterator[tuple[int, Candidate, float]]:
    """Yield the number of each change that reproduces the person's numbers, it, and the factor."""
    for index, candidate in enumerate(candidates(first.recording)):
        gradient = _changed_gradient(first.recording, candidate, name)
        if gradient is None:
            continue
        same = multiple(gradient, first.right, rtol)
        if same is not None and math.isclose(same, 1.0, rel_tol=max(rtol, 1e-9)):
            continue  # no change at all, at this point
        c = multiple(first.person, gradient, rtol)
        if c is not None:
            yield index, candidate, c


def _agrees(case: GradientCase, candidate: Candidate, name: str, c: float, rtol: float) -> bool:
    gradient = _changed_gradient(case.recording, candidate, name)
    return gradient is not None and _is_multiple(case.person, gradient, c, rtol) is not False


def _changed_gradient(recording: RecordedLoss, candidate: Candidate, name: str) -> Array | None:
    try:
        gradients, _ = recording.replay(candidate.change)
    except (ValueError, TypeError):  # the change does not fit: no one can have made it
        return None
    gradient = gradients[name]
    return gradient if np.isfinite(gradient).all() else None


def _unexplained(name: str, recording: RecordedLoss, person: Array, rtol: float) -> str:
    """Return a sentence with the smallest expression that a person's gradient cannot come from.

    Going from the parameter towards the loss, the factors are right as long as the numbers are what
    *some* cotangent of the next node would give. That shows something only where there are more
    equations than unknowns: any numbers are tanh′ times something.
    """
    _, cotangents = recording.replay()
    vertex: Any = recording.leaves[name]
    numbers = person
    passed: list[str] = []
    shown: tuple[list[str], Any] = [], None
    while True:
        users = [(node, i) for node in recording.nodes for i, p in enumerate(node) if p is vertex]
        if len(users) != 1 or users[0][0] not in cotangents:
            break
        node, position = users[0]
        implied, overdetermined = _implied(recording, node, position, numbers, rtol)
        if implied is None:
            break
        passed.append(node.op.name)
        if overdetermined:
            shown = [*passed], node
        vertex, numbers = node, implied
    text = f"The gradient of {name} is wrong, but not by a mistake that is recognised."
    good, last = shown
    if not good:
        return text
    factors = " and ".join(dict.fromkeys(good))
    return f"{text} Its factors from {factors} agree, but not with ∂L/∂{called(recording, last)}."


def _implied(recording: RecordedLoss, node: Node, position: int, numbers: Array,
             rtol: float) -> tuple[Array | None, bool]:
    """Return the cotangent of a node for which its rule gives `numbers`; None unless there is one.

    And whether most numbers have none, so that this says something about them.
    """
    shape = recording.value(node).shape
    size = math.prod(shape)
    if size > LARGEST_SYSTEM or node.op.outputs > 1:
        return None, False
    units = np.eye(size).reshape(size, *shape)
    columns = [recording.share(node, position, unit).ravel() for unit in units]
    matrix = np.stack(columns, axis=1).astype(float)
    target = numbers.astype(float).ravel()
    if not (np.isfinite(matrix).all() and np.isfinite(target).all()):
        return None, False
    solution, _, rank, _ = np.linalg.lstsq(matrix, target, rcond=1e-8)
    if np.abs(matrix @ solution - target).max() > max(rtol, 1e-6) * np.abs(target).max(initial=0):
        return None, False
    if rank < size:
        return None, False  # one of many
    return np.asarray(solution.reshape(shape)), bool(rank < target.size)
