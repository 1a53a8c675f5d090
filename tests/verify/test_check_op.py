"""`check_op`: every operation of the package passes, every planted mistake is named."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.campaigns import chosen, thorough
from tests.verify.planted_ops import examine, planted, right, table
from tinygrad_mlp.autograd.ops.samples import samples_of
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify import WrongOperationError, check_op
from tinygrad_mlp.verify.operations import CAUSES
from tinygrad_mlp.verify.operations.report import CHECKS

ANY_NUMBER = (
    "getitem", "assemble", "store", "scatter_add", "concatenate", "stack", "einsum", "pad",
    "convolve", "solve_banded")
"""Operations of any number of arrays, whose names an equation cannot list, `pad`, whose modes
would each need an equation, `convolve`, whose arrays have any number of axes, and `solve_banded`,
whose matrix has any number of diagonals."""

IN_WORDS = {
    **dict.fromkeys(ANY_NUMBER, "which part of g belongs to which element"),
    "nan_to_num": "y, whose numbers in the place of infinities depend on the dtype",
    "sum_to": "y, the adjoint of a broadcast, is told by shapes alone",
    "sinc_derivative": "y, the derivative of that order, has no closed form for all orders",
}
"""The parts of equations that are in words, which nothing evaluates, with the reason."""


def some(samples):
    """Of the samples one after the simplest, and one with all arguments; or all."""

    def given(sample):
        return sum(value is not None for value in (*sample.args, *sample.static.values()))

    samples = list(samples)
    if thorough() or len(samples) <= 2:
        return samples
    return [samples[len(samples) // 3], max(reversed(samples), key=given)]


# First derivatives for all samples: tests/verify/test_check_grad.py.
@pytest.mark.parametrize("op", tg.OPS.values(), ids=list(tg.OPS))
def test_every_operation_is_right(op):
    report = check_op(op, some(samples_of(op, np.random.default_rng(0))))
    report.assert_ok()
    in_words = op.name in IN_WORDS
    open_ends = [
        note for note in report.notes
        if "has no rule" not in note and not (in_words and "in words" in note)
    ]
    assert not open_ends, "the package's own records are complete"
    assert bool(report.checks["equation"]) == (op.name not in ANY_NUMBER)
    assert in_words == any("in words" in note for note in report.notes)


def test_mistakes_are_caught_and_named():
    outcomes = [(mistake, examine(mistake)) for mistake in planted()[:: chosen(3, 1)]]
    print(table(outcomes))
    assert len(outcomes) >= chosen(14, 40)
    assert len({mistake.op.name for mistake, _ in outcomes}) >= chosen(10, 12)
    missed = [mistake.name for mistake, outcome in outcomes if not outcome.caught]
    assert not missed
    unnamed = [mistake.name for mistake, outcome in outcomes if not outcome.named]
    assert len(unnamed) <= 0.05 * len(outcomes), unnamed


@pytest.mark.parametrize("op", right(), ids=lambda op: op.name)
def test_right_operations_are_not_reported(op):
    check_op(op, seed=3).assert_ok()


def test_every_planted_cause_is_one_of_the_closed_set():
    assert {mistake.cause for mistake in planted()} <= set(CAUSES)


def test_the_report_says_what_is_wrong_where():
    wrong = tg.op(rules={"x": lambda g, y, x: -2 * g * x}, register=False)(lambda x: x * x)
    report = check_op(wrong, [tg.Sample(np.array([1.0, 2.0]))], seed=5)
    assert not report.ok
    (failure,) = report.failures
    assert (failure.rule, failure.cause) == ("x", "sign")
    text = " ".join(str(report).split())
    for word in ("the rule for 'x': sign", "Sample(array(2,))", "seed=5", "no reference"):
        assert word in text
    with pytest.raises(WrongOperationError, match="the rule for 'x': sign"):
        report.assert_ok()


def test_an_operation_that_takes_none_of_the_made_up_arguments_asks_for_samples():
    @tg.op(register=False, rules={"x": lambda g, y, x: g})
    def picky(x):
        if x.shape != (7, 7, 7):
            raise ValueError("(7, 7, 7) or nothing")
        return x + 0

    with pytest.raises(InvalidArgumentError, match="picky.*samples="):
        check_op(picky)
    assert check_op(picky, [tg.Sample(np.ones((7, 7, 7)))]).ok


def test_what_is_no_operation_is_refused():
    with pytest.raises(InvalidArgumentError, match="@tg.op"):
        check_op(np.tanh)


def _cube(rule, **record):
    @tg.op(rules={"x": rule}, register=False, **record)
    def cube(x):
        return x * x * x

    return cube


@pytest.mark.parametrize(("op", "expected"), [
    (tg.tanh, [True, True, True, True, True, True]),
    (tg.argmax, [True, None, None, None, True, True]),
    (_cube(lambda g, y, x: 3 * g * x * x), [True, True, True, True, None, None]),
    (_cube(lambda g, y, x: 3 * g * x * x, reference=lambda x: x**2),
     [False, None, None, None, None, None]),
    (_cube(lambda g, y, x: -3 * g * x * x), [True, False, None, None, None, None]),
    (_cube(lambda g, y, x: g * (3 * (x.data if isinstance(x, tg.Tensor) else x) ** 2)),
     [True, True, False, None, None, None]),
    (_cube(lambda g, y, x: 3 * g * x * x, latex="x^3"), [True, True, True, True, False, None]),
    (_cube(lambda g, y, x: 3 * g * x * x, equation="y = x²"),
     [True, True, True, True, None, False]),
], ids=[
    "right", "discrete", "no LaTeX", "forward", "sign", "raw", "LaTeX", "equation",
])
def test_a_report_tells_which_checks_were_passed_and_which_not_come_to(op, expected):
    assert list(check_op(op).passed.items()) == list(zip(CHECKS, expected, strict=True))


def test_a_rule_that_fails_for_an_empty_batch_is_reported():
    def rule(g, y, x):
        return tg.reshape(2 * g * x, shape=(x.shape[0], -1))  # of no elements, −1 could be anything

    op = tg.op(rules={"x": rule}, register=False, name="squared")(lambda x: x * x)
    (failure,) = check_op(op, [tg.Sample(np.ones((2, 3)))]).failures
    assert (failure.rule, failure.cause) == ("x", "wrong shape")
    assert "nothing in the first array" in failure.sample
