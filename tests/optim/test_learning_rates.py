from __future__ import annotations

import math

import numpy as np
import pytest

from tinygrad_mlp import Tensor
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.optim import SGD, schedule


def test_the_documents_schedule_is_applied_by_epoch():
    w = Tensor([0.0], requires_grad=True)
    optimizer = SGD([w], lr=schedule.inverse_time())
    expected = 0.0
    for epoch in range(3):
        optimizer.epoch = epoch
        for _ in range(4):
            w.grad = np.ones(1)
            optimizer.step()
            expected -= 1 / (100 + 10 * epoch)
        assert optimizer.current_lr() == 1 / (100 + 10 * epoch)
        assert w.data[0] == expected


def test_a_schedule_of_the_step_moves_with_every_step_and_not_with_the_epoch():
    w = Tensor([0.0], requires_grad=True)
    optimizer = SGD([w], lr=schedule.step_decay(1.0, 0.5, every=1, per="step"))
    rates = []
    for optimizer.epoch in (0, 0, 9):
        rates.append(optimizer.current_lr())
        w.grad = np.ones(1)
        optimizer.step()
    assert rates == [1.0, 0.5, 0.25]
    assert w.data == [-1.75]


def test_a_plain_function_is_one_of_the_epoch(parameters):
    optimizer = SGD(parameters(), lr=lambda epoch: 1 / (2 + epoch))
    assert optimizer.current_lr() == 0.5
    optimizer.steps, optimizer.epoch = 100, 2
    assert optimizer.current_lr() == 0.25


def test_the_learning_rate_may_be_set_at_any_time_and_is_read_back_as_given(parameters):
    optimizer = SGD(parameters(), lr=1)
    assert (optimizer.lr, optimizer.current_lr()) == (1, 1.0)
    for lr, now in [(np.float32(0.5), 0.5), (schedule.inverse_time(), 0.01), (math.exp, 1.0)]:
        optimizer.lr = lr
        assert optimizer.lr is lr
        assert (optimizer.current_lr(), type(optimizer.current_lr())) == (now, float)


@pytest.mark.parametrize(
    ("lr", "message"),
    [
        (-0.1, "SGD: lr, unless it is a schedule, must be a number >= 0. Got -0.1."),
        (math.nan, "must be a number >= 0. Got nan."),
        (math.inf, "must be a number >= 0. Got inf."),
        ("0.1", "must be a number >= 0. Got '0.1'."),
        (None, "must be a number >= 0. Got None."),
        (True, "must be a number >= 0. Got True."),
        (np.array([0.1]), "must be a number >= 0. Got array([0.1])."),
        (schedule.inverse_time, "call it, as in schedule.inverse_time(...)."),
        (lambda epoch: "fast", "must be a number >= 0. Got 'fast'."),
        (lambda epoch: -1.0, "must be a number >= 0. Got -1.0."),
    ],
)
def test_a_learning_rate_that_cannot_work_is_refused_and_the_old_one_stays(lr, message, parameters):
    with pytest.raises(InvalidArgumentError) as caught:
        SGD(parameters(), lr)
    assert message in str(caught.value)
    optimizer = SGD(parameters(), 0.5)
    with pytest.raises(InvalidArgumentError):
        optimizer.lr = lr
    assert optimizer.lr == optimizer.current_lr() == 0.5
