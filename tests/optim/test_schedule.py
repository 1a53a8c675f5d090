from __future__ import annotations

import inspect
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.optim import Schedule, schedule

# A schedule, its formula once more, its repr and its text.
TABLE = [
    (
        schedule.constant(0.1),
        lambda k: 0.1,
        "constant(lr=0.1, per='epoch')",
        "0.1, k = epochs done",
    ),
    (
        schedule.inverse_time(),
        lambda k: 1 / (100 + 10 * k),
        "inverse_time(offset=100.0, rate=10.0, per='epoch')",
        "1 / (100 + 10 k), k = epochs done",
    ),
    (
        schedule.inverse_time(2, 0.5, per="step"),
        lambda k: 1 / (2 + 0.5 * k),
        "inverse_time(offset=2.0, rate=0.5, per='step')",
        "1 / (2 + 0.5 k), k = steps done",
    ),
    (
        schedule.step_decay(0.8, 0.5, 3),
        lambda k: 0.8 * 0.5 ** math.floor(k / 3),
        "step_decay(initial=0.8, factor=0.5, every=3, per='epoch')",
        "0.8 · 0.5^⌊k / 3⌋, k = epochs done",
    ),
    (
        schedule.exponential(0.8, 0.9, "step"),
        lambda k: 0.8 * math.exp(k * math.log(0.9)),
        "exponential(initial=0.8, decay=0.9, per='step')",
        "0.8 · 0.9^k, k = steps done",
    ),
    (
        schedule.cosine(0.5, 0.1, 10),
        lambda k: 0.1 + 0.4 * math.cos(math.pi / 2 * min(k, 10) / 10) ** 2,
        "cosine(initial=0.5, final=0.1, length=10, per='epoch')",
        "0.1 + ½ (0.5 − 0.1) (1 + cos(π min(k / 10, 1))), k = epochs done",
    ),
    (
        schedule.linear_warmup(4, 0.5),
        lambda k: 0.5 * min((k + 1) / 5, 1),
        "linear_warmup(length=4, after=0.5, per='step')",
        "0.5 (k + 1) / 5 for k < 4, then 0.5 with k − 4 for k, k = steps done",
    ),
    (
        schedule.linear_warmup(2, schedule.inverse_time(), per="epoch"),
        lambda k: (k + 1) / 300 if k < 2 else 1 / (100 + 10 * (k - 2)),
        "linear_warmup(length=2, after=inverse_time(offset=100.0, rate=10.0, per='epoch'), "
        "per='epoch')",
        "0.01 (k + 1) / 3 for k < 2, then 1 / (100 + 10 k) with k − 2 for k, k = epochs done",
    ),
]
every_schedule = pytest.mark.parametrize(
    ("made", "formula", "shown", "text"), TABLE, ids=[repr(row[0]) for row in TABLE]
)


def test_the_documents_learning_rate_is_reproduced_to_the_bit():
    alpha = schedule.inverse_time()
    assert [alpha(k) for k in range(4)] == [1 / 100, 1 / 110, 1 / 120, 1 / 130]
    assert alpha.unit == "epoch"


@every_schedule
def test_a_schedule_follows_its_formula(made, formula, shown, text):
    np.testing.assert_allclose([made(k) for k in range(40)], [formula(k) for k in range(40)])
    assert all(type(made(k)) is float for k in (0, 5, np.int64(5)))


@every_schedule
def test_a_schedule_is_printed_as_the_call_that_makes_it_and_as_its_equation(
    made, formula, shown, text
):
    assert repr(made) == shown
    assert eval(shown, vars(schedule).copy()) == made
    assert str(made) == text


@every_schedule
def test_a_schedule_is_stored_as_plain_data_and_made_again(made, formula, shown, text):
    stored = json.loads(json.dumps(made.to_dict()))
    again = schedule.from_dict(stored)
    assert again == made
    assert hash(again) == hash(made)
    assert pickle.loads(pickle.dumps(made)) == made
    assert [again(k) for k in range(20)] == [made(k) for k in range(20)]


def test_every_function_that_makes_a_schedule_is_in_the_table_and_can_be_stored():
    makers = {
        name
        for name, function in vars(schedule).items()
        if inspect.isfunction(function)
        and function.__module__ == schedule.__name__
        and function.__annotations__["return"] == "Schedule"
    } - {"from_dict", "as_schedule"}
    assert makers == set(schedule.CONSTRUCTORS) == {row[0].name for row in TABLE}


def test_schedules_are_equal_where_kind_parameters_and_unit_are():
    different = [row[0] for row in TABLE] + [
        schedule.inverse_time(99), schedule.inverse_time(per="step"), schedule.constant(0.2),
        Schedule(math.sqrt), Schedule(math.exp), Schedule(math.exp, unit="step"),
    ]
    assert len(set(different)) == len(different)
    assert schedule.inverse_time(100, 10) == schedule.inverse_time()
    assert Schedule(math.exp) == Schedule(math.exp)
    assert schedule.constant(0.1) != 0.1


@given(st.floats(1e-6, 1e6), st.floats(0, 1e6), st.integers(0, 10**6))
def test_inverse_time_is_inverse_in_time(offset, rate, k):
    made = schedule.inverse_time(offset, rate)
    assert math.isclose(made(k) * (offset + rate * k), 1)
    assert made(k + 1) <= made(k)


@given(st.floats(0, 10), st.floats(0, 10), st.integers(1, 1000))
def test_cosine_begins_and_ends_exactly_and_stays_between(initial, final, length):
    made = schedule.cosine(initial, final, length)
    assert math.isclose(made(0), initial, abs_tol=1e-15)
    assert made(length) == made(length + 7) == final
    low, high = sorted((initial, final))
    values = [made(k) for k in range(0, length, length // 10 + 1)]
    assert all(low - 1e-12 <= value <= high + 1e-12 for value in values)


@given(st.integers(1, 100), st.floats(1e-3, 10))
def test_the_warmup_rises_in_equal_steps_to_where_the_next_schedule_begins(length, start):
    after = schedule.exponential(start, 0.5, per="step")
    made = schedule.linear_warmup(length, after)
    rises = np.diff([0.0, *(made(k) for k in range(length + 1))])
    np.testing.assert_allclose(rises, start / (length + 1))
    assert [made(length + k) for k in range(5)] == [after(k) for k in range(5)]


def test_a_user_makes_a_schedule_of_any_function():
    made = Schedule(lambda k: np.float32(1 / (1 + k)), unit="step")
    assert (made(0), made(1), type(made(1))) == (1.0, 0.5, float)
    assert not made.storable
    assert repr(made) == str(made)
    assert "lambda" in repr(made)
    assert not schedule.linear_warmup(3, made).storable


BAD = [
    (lambda: schedule.constant(-0.1), "constant(): lr must be a number >= 0. Got -0.1."),
    (lambda: schedule.constant(math.nan), "lr must be a number >= 0. Got nan."),
    (lambda: schedule.constant(math.inf), "lr must be a number >= 0. Got inf."),
    (lambda: schedule.constant("0.1"), "lr must be a number >= 0. Got '0.1'."),
    (lambda: schedule.constant(True), "lr must be a number >= 0. Got True."),
    (lambda: schedule.constant(0.1, per="batch"), "constant(): per must be 'epoch' or 'step'"),
    (lambda: schedule.inverse_time(0), "inverse_time(): offset must be a number > 0. Got 0."),
    (lambda: schedule.inverse_time(rate=-1), "inverse_time(): rate must be a number >= 0"),
    (lambda: schedule.step_decay(0.1, 0, 3), "factor must be a number in (0, 1]. Got 0."),
    (lambda: schedule.step_decay(0.1, 1.5, 3), "factor must be a number in (0, 1]. Got 1.5."),
    (lambda: schedule.step_decay(0.1, 0.5, 0), "every must be an integer >= 1. Got 0."),
    (lambda: schedule.step_decay(0.1, 0.5, 2.0), "every must be an integer >= 1. Got 2.0."),
    (lambda: schedule.step_decay(-1, 0.5, 2), "initial must be a number >= 0. Got -1."),
    (lambda: schedule.exponential(0.1, 2), "decay must be a number in (0, 1]. Got 2."),
    (lambda: schedule.exponential(None, 0.5), "initial must be a number >= 0. Got None."),
    (lambda: schedule.cosine(0.1, -0.1, 5), "final must be a number >= 0. Got -0.1."),
    (lambda: schedule.cosine(0.1, 0, 0), "length must be an integer >= 1. Got 0."),
    (lambda: schedule.cosine(-1, 0, 5), "initial must be a number >= 0. Got -1."),
    (lambda: schedule.linear_warmup(0, 0.1), "length must be an integer >= 1. Got 0."),
    (lambda: schedule.linear_warmup(3, -1), "must be a number >= 0. Got -1."),
    (lambda: schedule.linear_warmup(3, math.exp), "after, unless it is a Schedule, must be"),
    (lambda: schedule.linear_warmup(3, schedule.inverse_time()), "after must count what"),
    (lambda: schedule.linear_warmup(3, 0.1, per="s"), "per must be 'epoch' or 'step'. Got 's'."),
    (lambda: Schedule(0.1), "Schedule(): formula must be a function. Got 0.1."),
    (lambda: Schedule(math.exp, "epochs"), "unit must be 'epoch' or 'step'. Got 'epochs'."),
    (lambda: Schedule(math.exp).to_dict(), "cannot be stored"),
    (lambda: schedule.inverse_time()(-1), "k must be >= 0. Got -1."),
    (lambda: Schedule(lambda k: 1.0 - k)(2), "its value at k = 2 must be a number >= 0. Got -1.0."),
    (lambda: Schedule(lambda k: None)(0), "its value at k = 0 must be a number >= 0. Got None."),
    (lambda: Schedule(lambda k: math.nan)(0), "must be a number >= 0. Got nan."),
    (lambda: Schedule(lambda k: math.inf)(0), "must be a number >= 0. Got inf."),
    (lambda: schedule.from_dict({}), "name must be one of constant, inverse_time"),
    (lambda: schedule.from_dict({"name": "eval"}), "name must be one of"),
    (lambda: schedule.from_dict({"name": "constant"}), "missing 1 required positional argument"),
    (lambda: schedule.from_dict({"name": "constant", "lr": 1, "x": 1}), "unexpected keyword"),
    (lambda: schedule.from_dict({"name": "constant", "lr": -1}), "lr must be a number >= 0"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_a_schedule_that_cannot_work_is_refused_with_the_reason(call, message):
    with pytest.raises(InvalidArgumentError) as caught:
        call()
    assert message in str(caught.value)
