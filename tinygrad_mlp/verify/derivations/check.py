"""`check_derivation`: gradients that a person derived by hand, compared with the recorded graph.

A numerical check of a wrong gradient reports a mismatch of two numbers. This one repeats the
recorded backward pass with one local change at a time (a derivative left out, applied twice, taken
at another point; a matrix not transposed; a path cut) and reports the change that reproduces the
person's numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.tensor import numeric_array
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError
from tinygrad_mlp.support.checks import checked_rng
from tinygrad_mlp.verify.derivations.diagnosis import Diagnosis, diagnose
from tinygrad_mlp.verify.derivations.points import OtherPoints, Point
from tinygrad_mlp.verify.derivations.report import DerivationReport, Row
from tinygrad_mlp.verify.derivations.terms import check_terms


def check_derivation(loss: Callable[..., Any],
                     derived: Callable[..., Mapping[str, Any]] | Mapping[str, Any], *,
                     rng: np.random.Generator | None = None, rtol: float | None = None,
                     **parameters: Any) -> DerivationReport:
    """Check gradients derived by hand, and name the mistake in each wrong one.

    A gradient p is right where, for every element i and the right gradient r,

    ``|pᵢ − rᵢ| ≤ 64 (nᵢ + n̄) + 8 ε |r|ₘₐₓ``

    with ε the precision of the numbers, and nᵢ the largest change of rᵢ (n̄: its root mean square
    over all elements) in trials in which every number of the computation is off by about ε. So
    the tolerance is what rounding can do to this gradient at this point, whatever its scale.

    Args:
        loss: ``loss(**parameters)``, a scalar function written with `tg` operations or NumPy
            functions.
        derived: a function of the same parameters that returns the gradients by parameter name,
            or these gradients themselves. With a function, mistakes that look alike at one point
            can be told apart at others. Intermediate quantities may be given, too:
            ``delta3`` or ``z3_bar`` for ∂L/∂z3, ``D2`` for the diagonal matrix of the derivative
            between z2 and a2, or the name of a tensor for its value.
        rng: of the trials and further points; the same for every call if None.
        rtol: allowed difference relative to the largest element, in the place of the rule above.
        parameters: the point, arrays or numbers by name.

    Returns:
        The report: `.ok`, `.rows`, `.diagnoses`, and `str()` of it.

    Raises:
        InvalidArgumentError: no parameters, or a name in `derived` that means nothing.
        ShapeError: the loss is not one number.
        NotDifferentiableError: the loss does not depend on the parameters.

    >>> import tinygrad_mlp as tg
    >>> x, y = np.array([0.5, -1.0]), np.array([0.0, 1.0, 0.0])
    >>> W = np.arange(6.0).reshape(3, 2) / 5
    >>> def loss(W):
    ...     z2 = W @ x
    ...     return tg.nn.squared_error(tg.tanh(z2), y)
    >>> def derived(W):
    ...     a2 = np.tanh(W @ x)
    ...     return {"W": np.outer(a2 - y, x)}
    >>> report = check_derivation(loss, derived, W=W)
    >>> report.diagnoses["W"].kind, report.diagnoses["W"].op
    ('missing-factor', 'tanh')
    >>> print(report.diagnoses["W"].message)
    The gradient of W equals the right one without the factor D2 = diag(1 − tanh²(z2)).
    """
    if not parameters:
        raise InvalidArgumentError(
            "check_derivation() expects the point as keyword arguments. Got none. Call it with "
            "e.g. W1=W1, W2=W2.")
    rng = np.random.default_rng(0) if rng is None else checked_rng(rng, "check_derivation")
    point = {name: _floating(name, value) for name, value in parameters.items()}
    here = Point(loss, derived, point, rng, rtol)
    terms = check_terms(here.plain, {k: v for k, v in here.given.items() if k not in point})
    others = OtherPoints(here)
    rows: dict[str, Row] = {}
    diagnoses: dict[str, Diagnosis] = {}
    differences: dict[str, Array] = {}
    for name in (n for n in point if n in here.given):
        at = here if not here.row(name).ok else others.where_wrong(name) or here
        person, right = at.given[name], at.right[name]
        rows[name] = row = at.row(name)
        if person.shape == right.shape:
            differences[name] = (person - right) / (np.abs(right).max(initial=0) or 1.0)
        if not row.ok:
            # Multiples are compared relative to the largest element, so the slack is relative.
            slack = min(1e-2, max(1e-8, 16 * row.tolerance))
            diagnoses[name] = diagnose(name, at.case(name), partial(others.cases, name), slack)
    not_given = [name for name in point if name not in here.given]
    return DerivationReport(rows, diagnoses, terms, not_given, differences)


def _floating(name: str, value: Any) -> Array:
    """Return a parameter as an array, if it is one of floating-point numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    array = numeric_array(value)
    if array.dtype.kind != "f":
        raise DTypeError(
            f"check_derivation: {name} must be of floating-point numbers. Got {array.dtype}. "
            f"Convert it with .astype(float).")
    return array
