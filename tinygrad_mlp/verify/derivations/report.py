"""The report of `check_derivation`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify.derivations.diagnosis import Diagnosis
from tinygrad_mlp.verify.derivations.terms import Term
from tinygrad_mlp.verify.wrong_line.culprit import Culprit, Found, Traced
from tinygrad_mlp.verify.wrong_line.message import message, message_html

VERDICTS = ("right", "kink", "undecided", "convention", "other shape", "close",
            "WRONG")
"""What is said of a gradient. The first three are no mistakes: a subgradient at a kink is right,
and where rounding hides all differences, or they begin outside of the set that the point is in,
nothing can be said. The last three leave `.ok` False, and so do conventions that are not accepted,
except for that of the triangle in which the gradient of a symmetric matrix stands."""


class Row(NamedTuple):
    """The comparison of one parameter's gradient, with the two numbers at the worst element.

    Relative to the largest element of the right gradient, `error` is the largest difference, and
    `tolerance` the largest that rounding explains. `worst` is None where shapes differ. A gradient
    that is right at the given point, 0, may be wrong at a further one, whose number is `point`.
    `verdict` is one of `VERDICTS`, and `note` its reason where it needs one.
    """

    name: str
    ok: bool
    error: float
    tolerance: float
    worst: tuple[int, ...] | None
    person: float
    right: float
    point: int = 0
    verdict: str = "right"
    note: str = ""


class WrongDerivationError(InvalidArgumentError, AssertionError):
    """Raised by `DerivationReport.assert_ok`; the message is the report."""


@dataclass(eq=False, repr=False)
class DerivationReport:
    """The result of `check_derivation`.

    Attributes:
        ok: whether no mistake was found in what was given.
        conclusive: whether, in addition, all gradients were given and decided.
        rows: one `Row` for each parameter whose gradient was given, by name.
        diagnoses: a `Diagnosis` for each wrong parameter, by name.
        terms: the intermediate quantities that were given, in the order of the backward pass.
        first_wrong: the name of the first of these that is wrong, or None.
        not_given: the parameters whose gradient was not given.
        not_checked: names in `derived` that stand for no gradient and no quantity of the loss.
        notes: remarks on the check as a whole.
        differences: the person's minus the right gradient, by name, relative to the largest
            element; `plot` draws them.
        search: looks for the wrong line, when that is first asked for.
        hint: how much is printed: for 1 the wrong line and not its cause.
        culprit: the line at which the derivation goes wrong: `line`, `column`, `text`, `expected`,
            `repair` and `gradients`. None where nothing is wrong, where there is no source, and
            where two lines are as likely.
        trace: the lines of a wrong derivation (`line`, `text`), each with the quantity of the loss
            that it is equal to (`match`).

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
    not_checked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    search: Callable[[], Found] = field(default=Found)
    hint: int = 3

    @cached_property
    def _found(self) -> Found:
        return Found() if self.ok else self.search()

    @property
    def culprit(self) -> Culprit | None:
        """The line at which the derivation goes wrong, or None."""
        return self._found.culprit

    @property
    def trace(self) -> tuple[Traced, ...]:
        """The lines of a wrong derivation, with the quantities of the loss that they equal."""
        return self._found.trace

    @property
    def wrong_line(self) -> str:
        """The message about the wrong line, or about a search that was cut off; else empty."""
        return "\n\n".join([*([message(self.culprit)] if self.culprit else []), *self._of_search])

    @property
    def _of_search(self) -> list[str]:
        """What is to be said of the search for the wrong line."""
        said = []
        if self.hint == 1 and self.diagnoses and self.culprit is None:
            said.append("The wrong line was not found. A higher hint tells what the numbers show.")
        if self._found.cut_off:
            said.append("The search for the wrong line was cut off by its time limit. A longer "
                        "budget may find more.")
        if self._found.failure:
            said.append(f"The search for the wrong line failed with {self._found.failure}.")
        return said

    @property
    def first_wrong(self) -> str | None:
        """The name of the first wrong term, going back from the loss, or None."""
        return next((term.name for term in self.terms if not term.ok), None)

    @property
    def ok(self) -> bool:
        """True if no mistake was found in what was given."""
        return all(row.ok for row in self.rows.values()) and self.first_wrong is None

    @property
    def conclusive(self) -> bool:
        """True if, in addition, every gradient was given, and none is undecided."""
        decided = all(row.verdict != "undecided" for row in self.rows.values())
        return self.ok and decided and not self.not_given

    @property
    def conclusion(self) -> str:
        """What the check came to, in a sentence."""
        if not self.ok:
            several = [name for name, row in self.rows.items() if not row.ok]
            return f"Not right: {', '.join([*several, *self._wrong_terms()])}."
        if not self.conclusive:
            return "Nothing wrong was found in what was given."
        return "All right."

    @property
    def messages(self) -> dict[str, list[str]]:
        """The sentence about each mistake, once, with those about other explanations.

        Where the wrong line is known, the gradients that it decides have one mistake: of these, the
        first that was recognised is told. The first hint tells none.
        """
        if self.hint == 1:
            return {}
        decided = () if self.culprit is None else self.culprit.gradients
        together = [found for name, found in self.diagnoses.items() if name in decided]
        known = [found for found in together if found.kind != "unknown"][:1]
        told = [found for found in self.diagnoses.values()
                if found in known or not any(found is each for each in together)]
        return {found.message: [other.message for other in found.alternatives] for found in told}

    def _wrong_terms(self) -> list[str]:
        return [term.name for term in self.terms if not term.ok]

    @property
    def remarks(self) -> list[str]:
        """Reasons of verdicts, what was not given or not checked, and notes, as sentences."""
        found = [row.note for row in self.rows.values() if row.note]
        if self.not_given:
            found.append(f"Not given: {', '.join(self.not_given)}.")
        if self.not_checked:
            found.append(
                f"Not checked: {', '.join(self.not_checked)}. No parameter and no quantity of the "
                f"loss has this name.")
        return [*dict.fromkeys(found), *self.notes]

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
        from tinygrad_mlp.support.html import escape, table

        rows: list[tuple[Any, ...]] = [
            (row.name, row.verdict, f"{row.error:.2g}", f"{row.tolerance:.2g}",
             "shapes differ" if row.worst is None else row.worst, row.person, row.right)
            for row in self.rows.values()]
        rows += [(name, "not given", *[""] * 5) for name in self.not_given]
        headings = ["gradient", "", "error", "allowed", "worst element", "yours", "right"]
        said = [*self._of_search, *([self._first_wrong()] if self.first_wrong else [])]
        shown = table(headings, rows) + "".join(f"<p>{escape(each)}</p>" for each in self.messages)
        shown += message_html(self.culprit) if self.culprit else ""
        return shown + "".join(
            f"<p>{escape(each)}</p>" for each in [*said, *self.remarks, self.conclusion])

    def __str__(self) -> str:
        width = max([6, *(len(row.verdict) for row in self.rows.values())])
        lines = [f"{'gradient':<12} {'':<{width}} {'error':>9} {'allowed':>9}  worst element"]
        for row in self.rows.values():
            at = f"{row.worst}: {row.person:.6g}, right {row.right:.6g}"
            at = "shapes differ" if row.worst is None else at
            at += f" (at further point {row.point})" if row.point else ""
            numbers = f"{row.error:>9.2g} {row.tolerance:>9.2g}"
            lines.append(f"{row.name:<12} {row.verdict:<{width}} {numbers}  {at}")
        lines += [f"{name:<12} not given" for name in self.not_given]
        for term in self.terms:
            verdict = "right" if term.ok else "WRONG"
            lines.append(f"{term.name:<12} {verdict:<{width}} {term.meaning}")
        for sentence, others in self.messages.items():
            lines += ["", sentence, *(f"Or: {other}" for other in others)]
        if self.wrong_line:
            lines += ["", self.wrong_line]
        if self.first_wrong is not None:
            lines += ["", self._first_wrong()]
        for remark in self.remarks:
            lines += ["", remark]
        if self.ok:
            lines += ["", self.conclusion]
        return "\n".join(lines)

    def _first_wrong(self) -> str:
        return f"Going back from the loss, the first wrong term is {self.first_wrong}."
