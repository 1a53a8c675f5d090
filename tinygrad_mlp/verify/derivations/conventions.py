"""Gradients of another loss, or of this one in another form: summed, with a decay, clipped."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify.derivations.cases import Further, GradientCase
from tinygrad_mlp.verify.derivations.multiples import is_multiple, multiple
from tinygrad_mlp.verify.derivations.replay import RecordedLoss
from tinygrad_mlp.verify.derivations.wording import has_square, numbers_averaged, numbers_summed

CONVENTIONS = {
    "summed": "all gradients are n times the right ones (or 2n, n/2): summed, not averaged",
    "averaged": "all gradients are 1/n of the right ones (or 2/n, 1/(2n)): averaged, not summed",
    "half": "all gradients are twice or half the right ones, in a loss with squares",
    "ascent": "all gradients have the other sign: those of what is maximised",
    "decay": "a weight decay that only the gradient has, or only the loss",
    "epsilon": "a small constant under a logarithm, a root or a division, in one of the two only",
    "clip": "numbers kept away from 0 and 1, or otherwise clipped, in one of the two only",
    "clipped-gradient": "gradients clipped to ±c, or to a norm, after they were computed",
    "truncated": "back-propagation through time that stops after some steps",
    "symmetric": "a symmetric matrix: one triangle, or a symmetric part, for the whole",
}
"""The kinds of conventions, and what each is: the names that `ignoring` takes."""

OF_NO_LINE = frozenset(["epsilon", "clip", "truncated", "symmetric"])
"""Those for which no line of the derivation is to be blamed."""


def conventions_in(ignoring: Collection[str], who: str) -> frozenset[str]:
    """Return the conventions that are to be accepted.

    Raises:
        InvalidArgumentError: a name is that of no convention.
    """
    names = frozenset([ignoring] if isinstance(ignoring, str) else ignoring)
    unknown = sorted(map(repr, names - CONVENTIONS.keys()))
    if unknown:
        raise InvalidArgumentError(
            f"{who}: ignoring must be names of conventions: {', '.join(CONVENTIONS)}. Got "
            f"{', '.join(unknown)}.")
    return names


def extra_decay(first: GradientCase, further: Further, rtol: float) -> tuple[str, str] | None:
    """Return that a gradient has a multiple of the parameter on top: the kind, and the sentence.

    Where it is subtracted, the decay of the loss is too small in the gradient, or of wrong sign.
    """
    name = first.name
    c = _decay_of(first, first.person - first.right, rtol)
    if c is None:
        return None
    for case in further():
        extra = case.person - case.right
        if is_multiple(extra, case.recording.leaves[name].data, c, max(rtol, 1e-6)) is False:
            return None
    if c < 0:
        return "scaled-term", (
            f"The gradient of {name} is the right one minus {-c:.6g} · {name}, as where a weight "
            f"decay is too small, or has the wrong sign.")
    return "decay", (
        f"The gradient of {name} is the right one plus {c:.6g} · {name}: a weight decay that the "
        f"loss does not have.")


def missing_decay(first: GradientCase, without: Array | None, rtol: float) -> str | None:
    """Return that the term left out is a weight decay, where it is."""
    c = None if without is None else _decay_of(first, first.right - without, rtol)
    if c is None:
        return None
    return (f"The gradient of {first.name} is right but for the weight decay {c:.6g} · "
            f"{first.name}, which the loss has and the gradient has not.")


def _decay_of(case: GradientCase, term: Array, rtol: float) -> float | None:
    parameter = np.asarray(case.recording.leaves[case.name].data)
    if term.shape != parameter.shape or term.size < 2:
        return None  # a single number is a multiple of any other
    return multiple(term, parameter, max(rtol, 1e-6))


def of_symmetric_matrix(first: GradientCase, further: Further, rtol: float) -> str | None:
    """Return that a gradient for a symmetric matrix is right in another convention.

    For symmetric changes of the matrix, only the symmetric part of a gradient counts. Or the two
    elements of a pair are one variable, whose derivative is the sum of theirs.
    """
    for words, form in (
            ("agrees with the right one for symmetric changes of it: a triangle, or a symmetric "
             "part, stands for the whole", _symmetric_part),
            ("is right where the two elements of a pair count as one variable", None)):
        if all(_equal_by(form, case, rtol) for case in (first, *further())):
            return f"The gradient of {first.name}, a symmetric matrix, {words}."
    return None


TRIANGULAR = frozenset(["cholesky", "eigh", "eigvalsh"])
"""Operations that read one triangle of a symmetric matrix, so that their gradients fill one."""


def in_another_triangle(case: GradientCase, rtol: float = 1e-8) -> bool:
    """Return whether a gradient is right where an operation reads one triangle of a matrix.

    The textbook's gradient is symmetric. It is the same for all symmetric changes of the matrix.
    """
    names = {node.op.name for node in case.recording.nodes}
    return bool(names & TRIANGULAR) and _equal_by(_symmetric_part, case, rtol)


def _symmetric_part(a: Array) -> Array:
    return np.asarray((a + a.T) / 2)


def _equal_by(form: Callable[[Array], Array] | None, case: GradientCase, rtol: float) -> bool:
    matrix, person, right = case.recording.leaves[case.name].data, case.person, case.right
    if matrix.ndim != 2 or matrix.shape != matrix.T.shape or person.shape != right.shape:
        return False
    if not np.allclose(matrix, matrix.T):
        return False
    wanted = right + right.T - np.diag(np.diag(right)) if form is None else form(right)
    gap = np.abs((person if form is None else form(person)) - wanted).max(initial=0)
    return bool(gap <= max(rtol, 1e-7) * np.abs(right).max(initial=0))


def common_factor(c: float, recording: RecordedLoss) -> tuple[str, str] | None:
    """Return the convention in which all gradients are `c` times the right ones, and its words."""
    forms = [("summed", f"{n}", 1.0 * n, "summed, not averaged")
             for n in numbers_averaged(recording)]
    forms += [("averaged", f"1/{n}", 1 / n, "averaged, not summed")
              for n in numbers_summed(recording)]
    if has_square(recording):
        several = [*forms]
        forms += [("half", "2", 2.0, "as of twice the loss"),
                  ("half", "½", 0.5, "as of half the loss")]
        forms += [(kind, f"2 · {text}", 2 * factor, f"{words}, and doubled")
                  for kind, text, factor, words in several]
        forms += [(kind, f"½ · {text}", factor / 2, f"{words}, and halved")
                  for kind, text, factor, words in several]
    for kind, text, factor, words in forms:
        if math.isclose(c, factor, rel_tol=1e-6):
            return kind, f"right up to the factor {text}: {words}"
    return ("ascent", "right up to the sign, as where the loss is maximised") if c == -1 else None


Together = Sequence[Sequence[GradientCase]]
"""Gradients that are looked at together, for each point."""


def clipped(points: Together, rtol: float) -> str | None:
    """Return that every element of gradients is kept within ±c, in words, where it is."""
    bound, beyond = 0.0, 0
    for together in points:
        person, right = _joined(together)
        bound = bound or float(np.abs(person).max(initial=0))
        limited = np.clip(right, -bound, bound)
        if not np.abs(person - limited).max(initial=0) <= max(rtol, 1e-9) * bound:
            return None
        beyond += int((np.abs(right) > bound * (1 + 1e-6)).sum())
    # One number within a bound is a multiple of any other.
    return f"right up to clipping: every element is kept within ±{bound:.6g}" if beyond > 1 else (
        None)


def clipped_norm(points: Together, rtol: float) -> str | None:
    """Return that the norm of gradients is kept below c, in words, where it is."""
    norms = []
    for together in points:
        person, right = _joined(together)
        c = multiple(person, right, max(rtol, 1e-7))
        if c is None or not 0 < c < 1 + 1e-6:
            return None
        if c < 1 - 1e-6:
            norms.append(float(np.linalg.norm(person)))
    # At one point, any number is a norm.
    if len(norms) < 2 or not np.allclose(norms, norms[0], rtol=1e-6, atol=0):
        return None
    return f"right up to clipping: the norm is kept below {norms[0]:.6g}"


def _joined(together: Sequence[GradientCase]) -> tuple[Array, Array]:
    """Return the person's gradients and the right ones, each in one vector."""
    return (np.concatenate([np.ravel(case.person) for case in together]),
            np.concatenate([np.ravel(case.right) for case in together]))


def sentence(names: Sequence[str], words: str) -> str:
    """Return the sentence about one gradient or several.

    >>> sentence(["w", "b"], "right up to the factor 6: summed, not averaged")
    'The gradients of w and b are right up to the factor 6: summed, not averaged.'
    """
    if len(names) == 1:
        return f"The gradient of {names[0]} is {words}."
    return f"The gradients of {', '.join(names[:-1])} and {names[-1]} are {words}."
