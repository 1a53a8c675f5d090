"""The report of `check_grad`: a table for people, and everything needed to reproduce it."""

from __future__ import annotations

import os
import textwrap
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import TinygradError

WIDTH = 70

STATUSES = ("ok", "kink", "unreliable", "not finite", "WRONG")
"""The possible outcomes for a pair, the worst last. Only the last is a mistake in a gradient."""

OK, KINK, UNRELIABLE, NOT_FINITE, WRONG = range(5)
"""Places in `STATUSES`."""


class WrongGradientError(TinygradError, AssertionError):
    """Raised by `GradReport.assert_ok`; the message is the report.

    Fix: the report names the output, the input and the elements, and what kind of mistake it is.
    """


class Problem(NamedTuple):
    """A problem other than a wrong number.

    Attributes:
        kind: "changed in place", "shape", "dtype", "shared memory", "cotangent", "second run", or
            "error".
        message: the place, the problem, and what to do.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> def changes_its_argument(x):
    ...     x.data[0] = 5.0
    ...     return tg.sum(x * x)
    >>> report = tg.verify.check_grad(changes_its_argument, np.array([0.5, 1.0]))
    >>> report.problems[0].kind
    'changed in place'
    """

    kind: str
    message: str


class Pair(NamedTuple):
    """One output against one input: the outcome, with the numbers of the worst entry.

    With J the Jacobian of the output with respect to the input, both numbers are ``uᵀ J v`` for
    ``u = cotangent`` and ``v = direction``, which in full mode pick one element each. The numeric
    one can be computed again as ``Σ u (f(x + step · v) − f(x − step · v)) / (2 step)``, or for
    ``method = "complex step"`` as ``Σ u Im f(x + i step v) / step``.

    Attributes:
        output: name of the output.
        input: name of the input.
        status: one of `STATUSES`.
        autograd: the derivative by automatic differentiation.
        numeric: the numerical derivative.
        relative_error: their difference, by the rule of `check_grad`.
        uncertainty: the error of `numeric`.
        output_index: the element of the output; None if `cotangent` mixes several.
        input_index: the element of the input; None if `direction` moves all of them.
        step: in the units of the input.
        method: "complex step", "differences" or "sweep".
        convergence: the observed order of the remainder, 2 (or more) if the gradient is right, 1 if
            it is wrong; None where rounding hides it, as for a linear function.
        order: 1 for a gradient, 2 for the gradient of a gradient.
        entries: the number of derivatives that were compared.
        unresolved: the number of those too uncertain to show a mistake of 1 in 1000.
        note: the reason for the status.
        cotangent: u, of the output's shape.
        direction: v, of the input's shape.

    Source: Nocedal and Wright, "Numerical Optimization", 2006, 8.1, for the differences; Squire and
    Trapp, SIAM Review 40, 1998, for the complex step.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> report = tg.verify.check_grad(lambda x: tg.tanh(x), np.array([0.5, 1.0]))
    >>> (pair,) = report.pairs
    >>> pair.status, pair.relative_error < 1e-6
    ('ok', True)
    """

    output: str
    input: str
    status: str
    autograd: float
    numeric: float
    relative_error: float
    uncertainty: float
    output_index: tuple[int, ...] | None
    input_index: tuple[int, ...] | None
    step: float
    method: str
    convergence: float | None
    order: int
    entries: int
    unresolved: int
    note: str
    cotangent: Array
    direction: Array

    @property
    def place(self) -> str:
        """Output and input with the indices of the worst entry."""
        mixed = "(mixed)", "(direction)"
        at = (
            "" if index == () else f"[{', '.join(map(str, index))}]" if index else f" {word}"
            for index, word in zip((self.output_index, self.input_index), mixed, strict=True))
        return " / ".join(name + i for name, i in zip((self.output, self.input), at, strict=True))


@dataclass(eq=False, repr=False)
class GradReport:
    """The result of `check_grad`.

    Attributes:
        pairs: a `Pair` for each output and input.
        problems: what is wrong besides numbers: shapes, dtypes, arrays changed in place, ….
        inputs: the inputs by name.
        seed: of all random draws.
        rtol: the relative error allowed.
        order: up to which derivatives were checked.
        fast: whether random directions were checked instead of elements.
        errors: for each pair the relative errors, of the input's shape (one for each direction in
            fast mode), the worst over the output's elements.
        further: the inputs at each further point that was checked, too.
        notes: what failed at further points.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> report = tg.verify.check_grad(lambda x: tg.tanh(x), np.array([0.5, 1.0]))
    >>> report.ok, len(report.pairs), report.problems
    (True, 1, [])
    """

    pairs: list[Pair]
    problems: list[Problem]
    inputs: dict[str, Array]
    errors: list[Array]
    seed: int
    rtol: float
    order: int
    fast: bool
    further: list[dict[str, Array]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True if no mistake was found. Kinks and unreliable numbers are not mistakes."""
        return not self.problems and all(pair.status != "WRONG" for pair in self.pairs)

    @property
    def conclusive(self) -> bool:
        """True if, in addition, every pair was decided: no kink, no unreliable numbers."""
        return self.ok and all(pair.status == "ok" for pair in self.pairs)

    @property
    def worst_error(self) -> float:
        """The largest relative error of all pairs, except kinks and what is not finite."""
        return max((p.relative_error for p in self.pairs if p.status in ("ok", "WRONG")), default=0)

    def assert_ok(self) -> None:
        """Raise a `WrongGradientError`, whose message is the report, if a mistake was found."""
        if not self.ok:
            raise WrongGradientError(str(self))

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw a heat map of the relative errors of each pair, a cell for each input element.

        Args:
            path: also save the picture there.

        Returns:
            The matplotlib figure.
        """
        from tinygrad_mlp.plotting import plot_gradient_errors

        titles = [
            f"{'∂²' if pair.order == 2 else '∂'} {pair.output} / {pair.input}: {pair.status}"
            for pair in self.pairs]
        return plot_gradient_errors(self.errors, titles, self.rtol, path)

    def __repr__(self) -> str:
        return f"GradReport(ok={self.ok}, pairs: {self._counts()}, problems: {len(self.problems)})"

    def _counts(self) -> str:
        counts = [(s, sum(pair.status == s for pair in self.pairs)) for s in STATUSES]
        return ", ".join(f"{n} {status}" for status, n in counts if n)

    def _repr_html_(self) -> str:
        from tinygrad_mlp.support.html import table

        headings = ["pair", "worst at", "autograd", "numeric", "relative error", "status", "reason"]
        rows = [
            (f"{p.output} / {p.input}", p.place, p.autograd, p.numeric, f"{p.relative_error:.1e}",
             p.status, p.note)
            for p in self.pairs]
        problems = [f"{problem.kind}: {problem.message}" for problem in self.problems]
        verdict = "No mistake was found." if self.ok else "There are mistakes."
        return table(headings, rows, "\n".join([verdict, *problems, *self.notes]))

    def __str__(self) -> str:
        problems = f"; {len(self.problems)} other problems" if self.problems else ""
        lines = [f"check_grad: {self._counts() or 'no pairs'}{problems}", ""]
        lines += [f"{'pair':<24} {'autograd':>13} {'numeric':>13} {'rel.err':>8} status"]
        for pair in self.pairs:
            lines += _lines(pair)
        for problem in self.problems:
            lines += ["", *textwrap.wrap(f"{problem.kind}: {problem.message}", WIDTH)]
        for note in self.notes:
            lines += ["", *textwrap.wrap(note, WIDTH)]
        reproduction = (
            f"Reproduce: check_grad(f, …, order={self.order}, fast={self.fast}, "
            f"seed={self.seed}, rtol={self.rtol:g}), the inputs as in .inputs. The numbers are "
            f"uᵀJv with u = .cotangent and v = .direction of a pair in .pairs.")
        return "\n".join([*lines, "", *textwrap.wrap(reproduction, WIDTH)])


def _lines(pair: Pair) -> list[str]:
    name = f"{pair.output} / {pair.input}"
    lines = [] if len(name) <= 24 else textwrap.wrap(name, WIDTH)
    numbers = f"{pair.autograd:>13.6e} {pair.numeric:>13.6e} {pair.relative_error:>8.1e}"
    lines.append(f"{name if not lines else '':<24} {numbers} {pair.status}")
    if pair.entries == 0:
        return lines
    order = "" if pair.convergence is None else f", order {pair.convergence:.1f}"
    detail = f"worst at {pair.place}: ±{pair.uncertainty:.1e}, step {pair.step:.1e}, "
    detail += f"{pair.method}{order}"
    if pair.unresolved:
        detail += f"; {pair.unresolved} of {pair.entries} entries below what numbers can resolve"
    for text in (detail, pair.note):
        lines += textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ")
    return lines
