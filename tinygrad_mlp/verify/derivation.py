"""`check_derivation`: gradients that a person derived by hand, held against the graph.

Other checkers answer a wrong gradient with two numbers and a mismatch. This one replays the
recorded backward pass with one local change at a time (a derivative left out, applied twice, taken
at another point; a matrix not transposed; a path cut) and reports the change that reproduces the
person's numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.tensor import numeric_array
from tinygrad_mlp.checks import checked_rng
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError
from tinygrad_mlp.verify.diagnosis import MOST_POINTS, Case, Diagnosis, diagnose, unexplained
from tinygrad_mlp.verify.recording import Recording
from tinygrad_mlp.verify.terms import Term, check_terms

SAFETY = 64.0
"""How many times the rounding error seen in trials a right derivation may be off."""

TRIALS = 4

POINTS_CHECKED = 3
"""Further points at which a gradient that is right at the first is checked, too."""


class Row(NamedTuple):
    """The comparison of one parameter's gradient.

    Attributes:
        name: the parameter.
        ok: whether the person's gradient is right.
        error: the largest difference, relative to the largest element of the right gradient.
        tolerance: the largest difference that rounding explains, relative to the same.
        worst: the index of the worst element, () for a number, None where shapes differ.
        person: the person's number there.
        right: the right number there.
        point: 0 for the point that was handed over; else the number of the further point, drawn
            around it, at which a gradient that is right there turned out to be wrong.
    """

    name: str
    ok: bool
    error: float
    tolerance: float
    worst: tuple[int, ...] | None
    person: float
    right: float
    point: int = 0


class WrongDerivationError(InvalidArgumentError, AssertionError):
    """Raised by `DerivationReport.assert_ok`; the message is the report."""


class DerivationReport:
    """What `check_derivation` found.

    Attributes:
        ok: whether everything handed over is right.
        rows: one `Row` for each parameter whose gradient was handed over, by name.
        diagnoses: a `Diagnosis` for each wrong parameter, by name.
        terms: the intermediate quantities that were handed over, in the order of the backward pass.
        first_wrong: the name of the first of these that is wrong, or None.
        not_given: the parameters whose gradient was not handed over.
    """

    def __init__(
        self,
        rows: dict[str, Row],
        diagnoses: dict[str, Diagnosis],
        terms: list[Term],
        not_given: list[str],
        differences: dict[str, Array],
    ) -> None:
        self.rows = rows
        self.diagnoses = diagnoses
        self.terms = terms
        self.first_wrong = next((term.name for term in terms if not term.ok), None)
        self.not_given = not_given
        self._differences = differences

    @property
    def ok(self) -> bool:
        """Whether everything handed over is right."""
        return all(row.ok for row in self.rows.values()) and self.first_wrong is None

    def assert_ok(self) -> None:
        """Do nothing if all is right.

        Raises:
            WrongDerivationError: something is wrong; the message is the report.
        """
        if not self.ok:
            raise WrongDerivationError(str(self))

    def plot(self, name: str | None = None) -> Any:
        """A heat map of person's minus right gradient, relative to the largest right element.

        Args:
            name: the parameter; the first wrong one if None.

        Returns:
            The matplotlib figure.
        """
        from tinygrad_mlp.plotting import heat_map

        name = name or next(iter(self.diagnoses), next(iter(self._differences), None))
        if name not in self._differences:
            raise InvalidArgumentError(
                f"DerivationReport.plot: there is no difference of equal shapes to draw for "
                f"{name!r}; there is for {', '.join(self._differences) or 'none'}."
            )
        return heat_map(self._differences[name], f"{name}: yours − right, relative")

    def __repr__(self) -> str:
        return f"DerivationReport(ok={self.ok}, wrong={list(self.diagnoses)})"

    def __str__(self) -> str:
        lines = [f"{'gradient':<12} {'':<6} {'error':>9} {'allowed':>9}  worst element"]
        for row in self.rows.values():
            at = "shapes differ" if row.worst is None else (
                f"{row.worst}: {row.person:.6g}, right {row.right:.6g}"
            )  # fmt: skip
            verdict = "right" if row.ok else "WRONG"
            at += f" (at further point {row.point})" if row.point else ""
            lines.append(
                f"{row.name:<12} {verdict:<6} {row.error:>9.2g} {row.tolerance:>9.2g}  {at}"
            )
        lines += [f"{name:<12} not given" for name in self.not_given]
        for term in self.terms:
            lines.append(f"{term.name:<12} {'right' if term.ok else 'WRONG':<6} {term.meaning}")
        for diagnosis in self.diagnoses.values():
            lines.append("")
            lines.append(diagnosis.message)
            lines += [f"Or: {other.message}" for other in diagnosis.alternatives]
        if self.first_wrong is not None:
            lines.append("")
            lines.append(f"Going back from the loss, the first wrong term is {self.first_wrong}.")
        return "\n".join(lines)


def check_derivation(
    loss: Callable[..., Any],
    derived: Callable[..., Mapping[str, Any]] | Mapping[str, Any],
    *,
    rng: np.random.Generator | None = None,
    rtol: float | None = None,
    **parameters: Any,
) -> DerivationReport:
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
            can be told apart at others. Intermediate quantities may be handed over, too:
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
            "check_derivation: give the point as keyword arguments, e.g. W1=W1, W2=W2."
        )
    rng = np.random.default_rng(0) if rng is None else checked_rng(rng, "check_derivation")
    point = {name: _floating(name, value) for name, value in parameters.items()}
    here = _Point(loss, derived, point, rng, rtol)
    terms = check_terms(here.plain, {k: v for k, v in here.given.items() if k not in point})
    others = _OtherPoints(loss, derived, here, rng, rtol)
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
            diagnosis = diagnose(name, at.case(name), others.case_of(name), slack)
            if diagnosis.message == "":
                text, _ = unexplained(name, at.plain, person, slack)
                diagnosis = diagnosis._replace(message=text)
            diagnoses[name] = diagnosis
    not_given = [name for name in point if name not in here.given]
    return DerivationReport(rows, diagnoses, terms, not_given, differences)


class _Point:
    """The person's gradients and the right ones at one point."""

    def __init__(
        self,
        loss: Callable[..., Any],
        derived: Any,
        point: Mapping[str, Array],
        rng: np.random.Generator,
        rtol: float | None,
        number: int = 0,
    ) -> None:
        self.number = number
        self.point = point
        self.exact = Recording(loss, point, exact=True)
        self.plain = Recording(loss, point)
        self.right, _ = self.exact.replay()
        self.given = _given(derived, point)
        self._rng, self._rtol = rng, rtol
        self._allowed: dict[str, Array] | None = None

    def case(self, name: str) -> Case:
        """The comparison of one parameter, for the diagnosis."""
        return Case(self.plain, self.right[name], self.given[name])

    def row(self, name: str) -> Row:
        """The comparison of one parameter, for the report."""
        person, right = self.given[name], self.right[name]
        if self._rtol is not None:
            allowed = np.full(right.shape, self._rtol * np.abs(right).max(initial=0))
            return _row(name, person, right, allowed, self.number)
        if self._allowed is None:
            precision = _precision(self.point, self.given)
            self._allowed = _noise(self.exact, self.plain, self.right, precision, self._rng)
        return _row(name, person, right, self._allowed[name], self.number)


class _OtherPoints:
    """Further points, drawn when first asked for; none where `derived` is not a function.

    A derivation can be right at one point and wrong elsewhere (where all units of a ReLU are on,
    its derivative can be forgotten), and mistakes that look alike at one point differ at others.
    """

    def __init__(
        self,
        loss: Callable[..., Any],
        derived: Any,
        here: _Point,
        rng: np.random.Generator,
        rtol: float | None,
    ) -> None:
        self._loss, self._derived, self._here = loss, derived, here
        self._rng, self._rtol = rng, rtol
        self._made: list[_Point] = []
        self._useful = callable(derived)

    def _point(self, i: int) -> _Point | None:
        while self._useful and len(self._made) <= i:
            # Farther and farther: a network whose units are nearly all saturated or off tells
            # little, and its neighbourhood neither.
            reach = 0.5 * 2 ** len(self._made)
            shifted = {}
            for name, value in self._here.point.items():
                size = float(np.sqrt(np.mean(value**2))) if value.size else 1.0
                step = reach * (size or 1.0) * self._rng.standard_normal(value.shape)
                shifted[name] = np.asarray(value + step, dtype=value.dtype)
            with np.errstate(all="ignore"):
                number = len(self._made) + 1
                made = _Point(self._loss, self._derived, shifted, self._rng, self._rtol, number)
            if _same_numbers(made.given, self._here.given):
                self._useful = False  # a function that ignores its arguments is as good as a dict
            else:
                self._made.append(made)
        return self._made[i] if i < len(self._made) else None

    def where_wrong(self, name: str) -> _Point | None:
        """The first of some further points at which a gradient is wrong."""
        for i in range(POINTS_CHECKED):
            made = self._point(i)
            if made is None:
                return None
            with np.errstate(all="ignore"):
                finite = name in made.given and np.isfinite(made.given[name]).all()
                if finite and np.isfinite(made.right[name]).all() and not made.row(name).ok:
                    return made
        return None

    def case_of(self, name: str) -> Callable[[int], Case | None]:
        """For one parameter, the function that gives the case at the i-th further point."""

        def further(i: int) -> Case | None:
            made = self._point(i) if i < MOST_POINTS else None
            return None if made is None or name not in made.given else made.case(name)

        return further


def _same_numbers(some: Mapping[str, Array], others: Mapping[str, Array]) -> bool:
    return some.keys() == others.keys() and all(
        np.array_equal(some[name], others[name], equal_nan=True) for name in some
    )


def _floating(name: str, value: Any) -> Array:
    if isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    array = numeric_array(value)
    if array.dtype.kind != "f":
        raise DTypeError(
            f"check_derivation: {name} must be of floating-point numbers; got {array.dtype}. "
            f"Convert it with .astype(float)."
        )
    return array


def _given(derived: Any, point: Mapping[str, Array]) -> dict[str, Array]:
    """The person's arrays by name, from copies of the parameters."""
    found = derived(**{k: v.copy() for k, v in point.items()}) if callable(derived) else derived
    if not isinstance(found, Mapping) or not found:
        raise InvalidArgumentError(
            f"check_derivation: derived must give a dict of gradients by parameter name "
            f"({', '.join(point)}); got {found!r}."
        )
    arrays = {}
    for name, value in found.items():
        array = np.asarray(value.data if isinstance(value, Value) else value)
        if array.dtype.kind not in "fiu":
            raise DTypeError(
                f"check_derivation: derived[{name!r}] must be an array of numbers; got dtype "
                f"{array.dtype}."
            )
        arrays[str(name)] = array if array.dtype.kind == "f" else array.astype(float)
    return arrays


def _precision(point: Mapping[str, Array], given: Mapping[str, Array]) -> float:
    """The coarsest machine precision of the numbers involved."""
    return max(float(np.finfo(a.dtype).eps) for a in (*point.values(), *given.values()))


def _noise(
    exact: Recording,
    plain: Recording,
    right: Mapping[str, Array],
    eps: float,
    rng: np.random.Generator,
) -> dict[str, Array]:
    """For each element of each gradient, the difference that rounding can make.

    Both with and without fused cross entropies: a person may have derived either form.
    """
    noise = {name: np.zeros(r.shape) for name, r in right.items()}
    with np.errstate(all="ignore"):
        for recording in (exact, plain):
            base, _ = recording.replay()
            for _ in range(TRIALS):
                shaken, _ = recording.perturbed(rng, eps).replay()
                for name, total in noise.items():
                    difference = np.abs(shaken[name] - base[name]).astype(float)
                    np.maximum(total, difference, out=total, where=np.isfinite(difference))
            for name, total in noise.items():
                # How far the two forms are apart is rounding, too.
                difference = np.abs(base[name] - right[name]).astype(float)
                np.maximum(total, difference, out=total, where=np.isfinite(difference))
    result = {}
    for name, total in noise.items():
        mean = float(np.sqrt(np.mean(total**2))) if total.size else 0.0
        largest = float(np.abs(right[name]).max(initial=0))
        result[name] = SAFETY * (total + mean) + 8 * eps * largest
    return result


def _row(name: str, person: Array, right: Array, allowed: Array, point: int) -> Row:
    largest = float(np.abs(right).max(initial=0)) or 1.0
    tolerance = float(allowed.max(initial=0)) / largest
    if person.shape != right.shape:
        return Row(name, False, np.inf, tolerance, None, np.nan, np.nan, point)
    with np.errstate(invalid="ignore"):
        difference = np.abs(person - right).astype(float)
    difference = np.where(np.isnan(difference), np.inf, difference)
    if difference.size == 0:
        return Row(name, True, 0.0, tolerance, None, np.nan, np.nan, point)
    excess = difference - allowed
    worst = np.unravel_index(int(np.argmax(excess)), difference.shape)
    return Row(
        name,
        bool((excess <= 0).all()),
        float(difference.max()) / largest,
        tolerance,
        tuple(int(i) for i in worst),
        float(person[worst]),
        float(right[worst]),
        point,
    )
