"""The report of `check_derivation`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify.derivations.diagnosis import Diagnosis
from tinygrad_mlp.verify.derivations.terms import Term


class Row(NamedTuple):
    """The comparison of one parameter's gradient, with the two numbers at the worst element.

    Relative to the largest element of the right gradient, `error` is the largest difference, and
    `tolerance` the largest that rounding explains. `worst` is None where shapes differ. A gradient
    that is right at the given point, 0, may be wrong at a further one, whose number is `point`.
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


@dataclass(eq=False, repr=False)
class DerivationReport:
    """The result of `check_derivation`.

    Attributes:
        ok: whether everything given is right.
        rows: one `Row` for each parameter whose gradient was given, by name.
        diagnoses: a `Diagnosis` for each wrong parameter, by name.
        terms: the intermediate quantities that were given, in the order of the backward pass.
        first_wrong: the name of the first of these that is wrong, or None.
        not_given: the parameters whose gradient was not given.
        differences: the person's minus the right gradient, by name, relative to the largest
            element; `plot` draws them.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> report = tg.verify.check_derivation(
    ...     lambda w: 0.5 * tg.sum(w * w), lambda w: {"w": -w}, w=np.array([1.0, 2.0])
    ... )
    >>> report.ok, list(report.diagnoses)
    (False, ['w'])
    """

    rows: dict[str, Row]
    diagnoses: dict[str, Diagnosis]
    terms: list[Term]
    not_given: list[str]
    differences: dict[str, Array]

    @property
    def first_wrong(self) -> str | None:
        """The name of the first wrong term, going back from the loss, or None."""
        return next((term.name for term in self.terms if not term.ok), None)

    @property
    def ok(self) -> bool:
        """True if everything that was given is right."""
        return all(row.ok for row in self.rows.values()) and self.first_wrong is None

    def assert_ok(self) -> None:
        """Raise a `WrongDerivationError`, whose message is the report, if something is wrong."""
        if not self.ok:
            raise WrongDerivationError(str(self))

    def plot(self, name: str | None = None) -> Any:
        """Draw a heat map of the person's minus the right gradient, relative to the largest of it.

        Args:
            name: the parameter; the first wrong one if None.

        Returns:
            The matplotlib figure.

        Raises:
            InvalidArgumentError: there is no such parameter, or its shapes differ.
        """
        from tinygrad_mlp.plotting import heat_map

        name = name or next(iter(self.diagnoses), next(iter(self.differences), None))
        if name not in self.differences:
            raise InvalidArgumentError(
                f"DerivationReport.plot: name must be a parameter whose gradient was given in the "
                f"right shape ({', '.join(self.differences) or 'there is none'}). Got {name!r}.")
        return heat_map(self.differences[name], f"{name}: yours − right, relative")

    def __repr__(self) -> str:
        return f"DerivationReport(ok={self.ok}, wrong={list(self.diagnoses)})"

    def _repr_html_(self) -> str:
        from tinygrad_mlp.support.html import table

        rows: list[tuple[Any, ...]] = [
            (row.name, "right" if row.ok else "WRONG", f"{row.error:.2g}", f"{row.tolerance:.2g}",
             "shapes differ" if row.worst is None else row.worst, row.person, row.right)
            for row in self.rows.values()]
        rows += [(name, "not given", *[""] * 5) for name in self.not_given]
        headings = ["gradient", "", "error", "allowed", "worst element", "yours", "right"]
        said = [diagnosis.message for diagnosis in self.diagnoses.values()]
        if self.first_wrong is not None:
            said.append(self._first_wrong())
        return table(headings, rows, "\n".join(said) or "All that was given is right.")

    def __str__(self) -> str:
        lines = [f"{'gradient':<12} {'':<6} {'error':>9} {'allowed':>9}  worst element"]
        for row in self.rows.values():
            at = f"{row.worst}: {row.person:.6g}, right {row.right:.6g}"
            at = "shapes differ" if row.worst is None else at
            verdict = "right" if row.ok else "WRONG"
            at += f" (at further point {row.point})" if row.point else ""
            numbers = f"{row.error:>9.2g} {row.tolerance:>9.2g}"
            lines.append(f"{row.name:<12} {verdict:<6} {numbers}  {at}")
        lines += [f"{name:<12} not given" for name in self.not_given]
        for term in self.terms:
            lines.append(f"{term.name:<12} {'right' if term.ok else 'WRONG':<6} {term.meaning}")
        for diagnosis in self.diagnoses.values():
            lines += ["", diagnosis.message]
            lines += [f"Or: {other.message}" for other in diagnosis.alternatives]
        if self.first_wrong is not None:
            lines += ["", self._first_wrong()]
        return "\n".join(lines)

    def _first_wrong(self) -> str:
        return f"Going back from the loss, the first wrong term is {self.first_wrong}."
