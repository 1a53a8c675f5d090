"""Deferred updates: the first weight is updated once a block, and the numbers stay the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp import nn, optim
from tinygrad_mlp.program import deferred

RULES = {
    "sgd": lambda p: optim.SGD(p, 0.1),
    "momentum": lambda p: optim.SGD(p, 0.05, momentum=0.9),
    "nesterov": lambda p: optim.SGD(p, 0.05, momentum=0.8, nesterov=True),
    "decay": lambda p: optim.SGD(p, 0.1, weight_decay=0.1),
    "all": lambda p: optim.SGD(p, 0.05, momentum=0.7, nesterov=True, weight_decay=0.05),
    "by epoch": lambda p: optim.SGD(p, optim.schedule.inverse_time(10, 5)),
    "by step": lambda p: optim.SGD(p, optim.schedule.cosine(0.1, 0.0, 60, "step"), momentum=0.5),
}
LOSSES = [nn.squared_error, nn.binary_cross_entropy]


def training(rule, batch, bias=True, loss=nn.squared_error, n=200):
    """A compiled step that has been run once, its model and optimizer, and data."""
    rng = np.random.default_rng(1)
    model = nn.Sequential(
        nn.Linear(6, 5, bias, rng=rng), nn.Tanh(), nn.Linear(5, 3, bias, rng=rng), nn.Sigmoid()
    )
    optimizer = rule(model.parameters())

    @tg.compile
    def step(x, y):
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        return value

    X, Y = rng.normal(size=(n, 6)), np.eye(3)[rng.integers(0, 3, n)]
    step(X[:batch], Y[:batch])
    return step, model, optimizer, X, Y


def numbers(model, optimizer):
    return {**model.state_dict(), **optimizer.state_dict()["arrays"], "steps": optimizer.steps}


def assert_blocks_equal_steps(rule, batch, block, blocks=3, **chosen):
    n = batch * block * blocks
    step, model, optimizer, X, Y = training(rule, batch, n=n, **chosen)
    losses = [step(X[i : i + batch], Y[i : i + batch]).item() for i in range(0, n, batch)]
    expected = numbers(model, optimizer)

    step, model, optimizer, X, Y = training(rule, batch, n=n, **chosen)
    plan = deferred.plan(step.runner, optimizer, block)
    rows = batch * block
    for number, i in enumerate(range(0, n, rows)):
        done, loss = plan.run(X[i : i + rows], Y[i : i + rows], lambda: False)
        assert done == block
        np.testing.assert_allclose(
            loss, np.mean(losses[number * block : (number + 1) * block]), rtol=1e-9
        )
    for name, value in numbers(model, optimizer).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", RULES)
def test_blocks_give_the_numbers_of_single_steps(name, bias):
    assert_blocks_equal_steps(RULES[name], 1, 7, bias=bias)


@given(
    name=st.sampled_from(sorted(RULES)), batch=st.integers(1, 64), block=st.integers(2, 12),
    loss=st.sampled_from(LOSSES),
)  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_so_they_do_for_batches_and_blocks_of_any_size(name, batch, block, loss):
    assert_blocks_equal_steps(RULES[name], batch, block, blocks=2, loss=loss)


def test_over_thousands_of_steps():
    assert_blocks_equal_steps(RULES["all"], 1, 40, blocks=75)


@pytest.mark.parametrize("name", RULES)
def test_a_block_that_is_stopped_has_done_the_steps_before(name):
    step, model, optimizer, X, Y = training(RULES[name], 2)
    for i in range(0, 6, 2):
        step(X[i : i + 2], Y[i : i + 2])
    expected = numbers(model, optimizer)

    step, model, optimizer, X, Y = training(RULES[name], 2)
    answers = iter([False, False, True])
    plan = deferred.plan(step.runner, optimizer, 9)
    done, _ = plan.run(X[:18], Y[:18], lambda: next(answers))
    assert done == 3
    for key, value in numbers(model, optimizer).items():
        np.testing.assert_allclose(value, expected[key], rtol=1e-9, atol=1e-9, err_msg=key)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_that_is_not_finite_changes_nothing(loss):
    step, model, optimizer, X, Y = training(RULES["momentum"], 1, loss=loss)
    before = numbers(model, optimizer)
    plan = deferred.plan(step.runner, optimizer, 5)
    X[3] = np.nan
    with pytest.raises(FloatingPointError):
        plan.run(X[:5], Y[:5], lambda: False)
    for key, value in numbers(model, optimizer).items():
        np.testing.assert_array_equal(value, before[key], err_msg=key)


@pytest.mark.parametrize("make", [optim.Adam, optim.AdamW, optim.RMSprop])
def test_rules_that_are_not_linear_are_left_alone(make):
    step, _, optimizer, _, _ = training(lambda p: make(p, 0.01), 1)
    assert deferred.plan(step.runner, optimizer, 5) is None


def test_a_weight_that_is_used_twice_is_left_alone():
    rng = np.random.default_rng(0)
    W, V = nn.Parameter(rng.normal(size=(3, 3)), name="W"), nn.Parameter(rng.normal(size=(2, 3)))
    optimizer = optim.SGD([W, V], 0.1)

    @tg.compile
    def step(x, y):
        loss = nn.squared_error(tg.tanh(x @ W.T) @ W.T @ V.T, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    step(rng.normal(size=(2, 3)), rng.normal(size=(2, 2)))
    assert deferred.plan(step.runner, optimizer, 5) is None


def test_small_weights_are_deferred_only_on_request():
    step, _, optimizer, _, _ = training(RULES["sgd"], 1)
    assert deferred.plan(step.runner, optimizer) is None
    assert deferred.plan(step.runner, optimizer, 5).steps == 5
