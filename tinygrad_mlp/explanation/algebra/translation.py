"""Operations in index notation, and gradient rules, which are made of operations.

An operation that is not in the table becomes a call, a base of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import OPS, Op
from tinygrad_mlp.autograd.ops.sums import axes_of, reduced_count
from tinygrad_mlp.explanation.algebra.monomial import Base, Shape
from tinygrad_mlp.explanation.algebra.numbers import HALF, Meanings, number
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial, whole
from tinygrad_mlp.explanation.algebra.quantities import Quantities
from tinygrad_mlp.program.instructions import Variable
from tinygrad_mlp.program.trace import Trace, Tracer, untraced

LETTERS = "abcdefghijklmnopqrstuvwxyz"
HUGE = 10**6
"""Numbers from here on stand for ∞."""

Args = Sequence[Polynomial]
Static = Mapping[str, Any]
Form = Callable[["Translation", Args, Static, Shape], Any]

FORMS: dict[Op, Form] = {}
"""How operations are written in index notation; a form is None for arguments that have none."""


def form(*names: str) -> Callable[[Form], Form]:
    """Enters a form into the table."""

    def enter(made: Form) -> Form:
        FORMS.update({OPS[name]: made for name in names})
        return made

    return enter


class Translation(Quantities):
    """Makes polynomials of operations on polynomials.

    `one_hot` are matrices with a 1 in each row, and the places of these.
    """

    def __init__(self, meanings: Meanings) -> None:
        super().__init__(meanings)
        self.one_hot: dict[Base, Any] = {}

    def apply(self, op: Op, args: Sequence[Any], static: Static, shape: Shape,
              index: int = 0) -> Polynomial:
        """The result of an operation."""
        found = FORMS[op](self, args, static, shape) if op in FORMS else None
        return self.call(op, args, static, shape, index) if found is None else found

    def elementwise(self, op: Op, a: Polynomial, **static: Any) -> Polynomial:
        """An operation on each element, which has no form in index notation."""
        return self.call(op, [a], static, a.shape)

    def number(self, value: Any, shape: Shape = ()) -> Polynomial:
        """A number in all elements."""
        return number(value, shape) if np.isfinite(value) else self.constant(
            np.full(shape, value))

    def mean(self, p: Polynomial, axis: Any, keepdims: bool = False) -> Polynomial:
        """The mean over axes."""
        axes = axes_of(axis, len(p.shape))
        factor = self.count(reduced_count(p.shape, axis))
        total = p.summed(axes, keepdims)
        for kept in (False, True):
            known = self.defined.get(self.product(factor, p.summed(axes, kept)).key)
            if known is not None:
                old = [i for i in range(len(p.shape)) if kept or i not in axes]
                new = [i for i in range(len(p.shape)) if keepdims or i not in axes]
                places = {old.index(i): new.index(i) for i in old if i in new}
                return whole(known).rearranged(places, total.shape)
        return self.product(factor, total)


class RuleReader:
    """Runs rules on tracers that stand for polynomials, and reads off what comes out."""

    def __init__(self, translation: Translation) -> None:
        self.t = translation
        self.trace = Trace()
        self._read: dict[Variable, Polynomial] = {}
        self._done = 0

    def tracer(self, p: Polynomial, data: Any) -> Any:
        """A carrier for a polynomial; single numbers stay what they are."""
        value = p.number
        if value is not None and not p.shape:
            return float(value)
        return self.trace.input(np.asarray(data), label=p)

    def polynomial(self, carrier: Any) -> Polynomial:
        """What a carrier stands for."""
        for instruction in self.trace.instructions[self._done :]:
            args = [None if o is None else self._operand(o) for o in instruction.operands]
            for result in instruction.results:
                self._read[result] = self.t.apply(
                    instruction.op, args, instruction.static, result.data.shape, result.index)
        self._done = len(self.trace.instructions)
        return self._operand(carrier.variable if isinstance(carrier, Tracer) else carrier)

    def _operand(self, operand: Any) -> Polynomial:
        if not isinstance(operand, Variable):
            return self.t.constant(untraced(operand))
        if operand.instruction is not None:
            return self._read[operand]
        label: Polynomial = operand.label
        return label


def squared(t: Translation, p: Polynomial) -> Polynomial:
    """The square of each element."""
    found = t.power(p, Fraction(2))
    assert found is not None
    return found


# -- arithmetic -----------------------------------------------------------------------------------

FORMS[ops.add] = lambda t, a, s, shape: t.sum(a[0], a[1])
FORMS[ops.subtract] = FORMS[OPS["difference"]] = lambda t, a, s, shape: t.sum(a[0], -a[1])
FORMS[ops.negative] = lambda t, a, s, shape: -a[0]
FORMS[ops.multiply] = lambda t, a, s, shape: t.product(a[0], a[1])
FORMS[ops.square] = lambda t, a, s, shape: squared(t, a[0])
FORMS[ops.sqrt] = lambda t, a, s, shape: t.power(a[0], HALF)
FORMS[ops.reciprocal] = lambda t, a, s, shape: t.power(a[0], Fraction(-1))
FORMS[OPS["xlogy"]] = lambda t, a, s, shape: t.product(
    a[0], t.apply(ops.log, [a[1]], {}, a[1].shape))


@form("divide")
def _divide(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    logistic = _logistic(t, a[1])
    if logistic is not None:
        return t.product(a[0], logistic)
    below = t.power(a[1], Fraction(-1))
    return None if below is None else t.product(a[0], below)


def _logistic(t: Translation, p: Polynomial) -> Polynomial | None:
    """``1 / (1 + e^z)``, which is the sigmoid of −z."""
    made = (p - number(1, p.shape)).called(ops.exp)
    if made is None:
        return None
    return t.call(ops.sigmoid, [t.argument(-t.opened(made.args[0]))], {}, p.shape)


@form("power", "float_power")
def _power(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    exponent = a[1].number
    if exponent is None or a[1].shape or exponent.denominator > 4 or abs(exponent) > 9:
        return None
    return number(1, shape) if exponent == 0 else t.power(a[0], exponent)


@form("exp")
def _exp(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    made = a[0].called(ops.log_softmax)
    return None if made is None else t.apply(ops.softmax, made.args, made.static, shape)


@form("where")
def _where(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    condition, x, y = a
    if is_huge(x) or is_huge(y):
        return None
    opposite = t.sum(number(1), -condition)
    made = condition.called(ops.less_equal)
    if x.number == 0 and made is not None:  # relu's rule
        opposite = t.call(ops.greater, made.args, {}, condition.shape)
    return t.sum(t.product(condition, x), t.product(opposite, y))


def is_huge(p: Polynomial) -> bool:
    """Whether it stands for −∞ or ∞, as in masks: no sum could have it and keep its digits."""
    if p.number is not None:
        return abs(p.number) >= HUGE
    return any(b.definition is None and not b.shape and not np.isfinite(b.value) for b in p.bases())


@form("maximum")
def _maximum(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    others = [p for p in a if p.number != 0]
    return t.call(ops.relu, [t.argument(others[0])], {}, shape) if len(others) == 1 else None


# -- sums -----------------------------------------------------------------------------------------

FORMS[ops.sum] = lambda t, a, s, shape: a[0].summed(
    axes_of(s["axis"], len(a[0].shape)), s["keepdims"])
FORMS[ops.mean] = lambda t, a, s, shape: t.mean(a[0], s["axis"], s["keepdims"])
FORMS[ops.trace] = lambda t, a, s, shape: (
    None if _placed(s, a[0]) else t.contract(a, "ii->", shape))
FORMS[ops.diagonal] = lambda t, a, s, shape: (
    None if _placed(s, a[0]) else t.contract(a, "ii->i", shape))


def _placed(static: Static, a: Polynomial) -> bool:
    axes = static["offset"], static["axis1"], static["axis2"]
    return axes != (0, 0, 1) or len(a.shape) != 2 or a.shape[0] != a.shape[1]


@form("embed_diagonal")
def _embed(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    n = shape[-1]
    if s["offset"] or len(a[0].shape) != 1 or shape != (n, n) or n == 1:
        return None
    return t.product(t.unit_matrix(n), a[0])


@form("sum_to")
def _sum_to(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    extra = len(a[0].shape) - len(shape)
    p = a[0].summed(range(extra))
    return p.summed([i for i, n in enumerate(shape) if n == 1], keepdims=True)


@form("var")
def _var(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    if s["ddof"]:
        return None
    centred = t.sum(a[0], -t.mean(a[0], s["axis"], True))
    return t.mean(squared(t, centred), s["axis"], s["keepdims"])


@form("std")
def _std(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    variance = _var(t, a, s, shape)
    return None if variance is None else t.power(variance, HALF)


@form("vector_norm")
def _norm(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    if s["ord"] not in (None, 2):
        return None
    total = squared(t, a[0]).summed(axes_of(s["axis"], len(a[0].shape)), s["keepdims"])
    return t.power(total, HALF)
