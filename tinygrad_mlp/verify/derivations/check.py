"""`check_derivation`: gradients that a person derived by hand, compared with the recorded graph.

A numerical check of a wrong gradient reports a mismatch of two numbers. This one repeats the
recorded backward pass with one local change at a time (a derivative left out, applied twice, taken
at another point; a matrix not transposed; a path cut) and reports the change that reproduces the
person's numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.support.checks import checked_rng, not_negative
from tinygrad_mlp.verify.derivations.arguments import (
    WHO,
    Caller,
    floating,
    point_of,
)
from tinygrad_mlp.verify.derivations.comparison import Options, compared
from tinygrad_mlp.verify.derivations.conventions import conventions_in
from tinygrad_mlp.verify.derivations.one_function import (
    Nested,
    is_nested,
    of_one_function,
    of_two_functions,
)
from tinygrad_mlp.verify.derivations.other_points import OtherPoints
from tinygrad_mlp.verify.derivations.points import Handed, Point
from tinygrad_mlp.verify.derivations.repeatable import check_repeatable
from tinygrad_mlp.verify.derivations.report import DerivationReport, WrongDerivationError
from tinygrad_mlp.verify.derivations.terms import Term, check_terms

OPTIONS = ("point", "gradient", "rng", "rtol", "hint", "budget", "scale", "ignoring")
"""Names of arguments that are no parameters of the loss."""


def check_derivation(loss: Callable[..., object],
                     derived: Callable[..., object] | Mapping[str, object] | None = None,
                     point: Mapping[str, object] | None = None, *,
                     gradient: Callable[..., object] | None = None,
                     rng: np.random.Generator | None = None, rtol: float | None = None,
                     hint: int = 3, budget: float = 5.0, scale: float = 1.0,
                     ignoring: Collection[str] = (), **parameters: object) -> DerivationReport:
    """Check gradients derived by hand, and show the mistake: its name, the line, a repair.

    A gradient p is right where, for every element i and the right gradient r,

    ``|pᵢ − rᵢ| ≤ 64 (nᵢ + n̄) + 8 ε |r|ₘₐₓ``

    with ε the precision of the numbers, and nᵢ the largest change of rᵢ (n̄: its root mean square
    over all elements) in trials in which every number of the computation is off by about ε. So
    the tolerance is what rounding can do to this gradient at this point, whatever its scale.

    At a kink, every subgradient is right. A function is also checked at further points. These have
    the properties of the given one (symmetric, positive, sums of 1, …; see `further_points`).

    Args:
        loss: ``loss(**parameters)``, a scalar function written with `tg` operations or NumPy
            functions. It may also take its parameters by position, or all in one dict. Or one
            function that returns the loss with its gradients: ``loss, grads``, ``grads, loss``,
            ``loss, dW, db``.
        derived: nothing for one function. Else a function of the same parameters that returns the
            gradients, or these themselves: a dict by parameter name (``W``, ``dW`` and ``grad_W``
            are understood), or a tuple in the order of the parameters. With a function, mistakes
            that look alike at one point can be told apart at others. Intermediate quantities may be
            given, too:
            ``delta3`` or ``z3_bar`` for ∂L/∂z3, ``D2`` for the diagonal matrix of the derivative
            between z2 and a2, or the name of a tensor for its value.
        point: the parameters by name, where keywords will not do: names of options, for instance.
        gradient: a function of the parameters that returns the right gradients, as PyTorch or JAX
            compute them. Then `loss` may be any function; gradients are compared, and no mistake
            is named.
        rng: of the trials and further points; the same for every call if None.
        rtol: allowed difference relative to the largest element, in the place of the rule above.
        hint: how much is told of a mistake: 1 the place of the wrong line, 2 also its name and the
            quantity that the line should be, 3 also a repair.
        budget: seconds for comparing with known mistakes, which takes a quarter of them at most,
            and for the search for the wrong line, which has the rest. It begins when the report is
            printed, or asked for its `culprit`. With 0 there is no search, and no limit.
        scale: what the gradients are multiples of by convention: n if they are summed over n
            samples and the loss is averaged, −1 for those of an ascent.
        ignoring: conventions that are accepted: "summed", "averaged", "half", "ascent", "decay",
            "epsilon", "clip", "clipped-gradient", "truncated" and "symmetric".
        parameters: the point, arrays or numbers by name, or lists, tuples and dicts of arrays.

    Returns:
        The report: `.ok`, `.rows`, `.diagnoses`, `.culprit`, and `str()` of it.

    Raises:
        InvalidArgumentError: no parameters; a hint that is not 1, 2 or 3; names in `derived` or
            `ignoring` that mean nothing; or functions that return other numbers when called again.
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
    at = point_of(loss, point, parameters, OPTIONS)
    options = checked_options(WHO, rng, rtol, hint, budget, scale, ignoring)
    if derived is None or (is_nested(at) and gradient is None):
        return _of_one_or_nested(loss, derived, at, options)
    at = {name: floating(name, value) for name, value in at.items()}
    return report_on(Handed(
        Caller(loss, at, "loss"), Caller(derived, at, "derived") if callable(derived) else derived,
        None if gradient is None else Caller(gradient, at, "gradient"), *options[:2]),
        at, options)


def _of_one_or_nested(loss: Callable[..., object], derived: object, at: Mapping[str, object],
                      options: Options) -> DerivationReport:
    """Return the report on one function, or on parameters in lists and dicts."""
    nested = Nested({name: value if isinstance(value, (Mapping, list, tuple)) and is_nested(
        {name: value}) else floating(name, value) for name, value in at.items()})
    if derived is not None:
        functions = of_two_functions(loss, derived, nested)
    else:
        functions = of_one_function(loss, nested)
    report = report_on(Handed(*functions, None, *options[:2]), nested.flat, options)
    report.notes[:0] = nested.readings()
    if derived is None:  # what the function keeps is that of the given point again
        args, keywords = Caller(loss, at, "loss").pack(at)
        loss(*args, **keywords)
    return report


def checked_options(who: str, rng: np.random.Generator | None, rtol: float | None, hint: int,
                    budget: float, scale: float, ignoring: Collection[str]) -> Options:
    """Return the options of a check, each with an error where it makes no sense."""
    rng = np.random.default_rng(0) if rng is None else checked_rng(rng, who)
    if hint not in (1, 2, 3):
        raise InvalidArgumentError(f"{who}: hint must be 1, 2 or 3. Got {hint!r}.")
    budget = not_negative(budget, f"{who}: budget")
    if rtol is not None:
        rtol = not_negative(rtol, f"{who}: rtol")
    if not isinstance(scale, (int, float, np.number)) or not np.isfinite(scale) or scale == 0:
        raise InvalidArgumentError(f"{who}: scale must be a number other than 0. Got {scale!r}.")
    return Options(rng, rtol, hint, budget, float(scale), conventions_in(ignoring, who))


def report_on(handed: Handed, at: Mapping[str, Array], options: Options,
              notes: Sequence[str] = ()) -> DerivationReport:
    """Return the report on what was handed over, at a point; `notes` stand before its own."""
    here = Point(handed._replace(scale=options.scale), at)
    check_repeatable(here)
    terms: list[Term] = []
    not_checked = [*here.answer.ignored]
    if here.answer.others and here.plain is not None:
        terms, unknown = check_terms(here.plain, here.answer.others, alone=not here.given)
        not_checked += unknown
    report = compared(here, OtherPoints(here), terms, not_checked, options)
    report.notes[:0] = notes or here.answer.readings
    if options.scale != 1:
        report.notes.append(f"The gradients were taken to be {options.scale:g} times those of the "
                            f"loss (scale={options.scale:g}).")
    return report


def assert_derivation(loss: Callable[..., object],
                      derived: Callable[..., object] | Mapping[str, object],
                      point: Mapping[str, object] | None = None, **options: Any) -> None:
    """Raise an error unless all gradients derived by hand are given and right: for tests.

    Args:
        loss: as for `check_derivation`.
        derived: as for `check_derivation`.
        point: as for `check_derivation`.
        options: the other arguments of `check_derivation`, and the parameters by name.

    Raises:
        WrongDerivationError: a gradient is wrong or missing; the message is the report. It is an
            `AssertionError`.

    >>> assert_derivation(lambda w: np.sum(w**3), lambda w: {"w": 3 * w**2}, w=np.array([1.0, 2.0]))
    """
    report = check_derivation(loss, derived, point, **options)
    if not report.ok or report.not_given:
        raise WrongDerivationError(str(report))
