from __future__ import annotations

import math

import numpy as np
import pytest

from tinygrad_mlp import Tensor
from tinygrad_mlp.errors import (
    DTypeError,
    InvalidArgumentError,
    NonFiniteError,
    NotDifferentiableError,
    ShapeError,
)
from tinygrad_mlp.nn import Linear
from tinygrad_mlp.optim import SGD, Adam, AdamW, Optimizer, RMSprop, Schedule

w = Tensor([1.0, 2.0], requires_grad=True, name="weight")
BAD = [
    (lambda: SGD(w, 0.1), "SGD(): parameters must be an iterable of tensors. Got a single one"),
    (lambda: SGD(Linear(2, 1)), "Got a Linear: write SGD(model.parameters(), ...)."),
    (lambda: SGD([w]), "SGD: lr, unless it is a schedule, must be a number >= 0. Got None."),
    (lambda: SGD(3, 0.1), "parameters must be an iterable of tensors, such as"),
    (lambda: SGD([], 0.1), "SGD(): parameters must hold at least one tensor. Got none"),
    (lambda: SGD(iter([]), 0.1), "a generator that was used before"),
    (lambda: SGD([w, w], 0.1), "'weight' (parameters[1]) is also parameters[0]."),
    (lambda: SGD([w, np.ones(2)], 0.1), "must be a Tensor. Got ndarray as parameters[1]."),
    (lambda: SGD({"weight": "w"}, 0.1), "must be a Tensor. Got str as parameters[0]."),
    (lambda: SGD([w * 2], 0.1), "parameters[0] was computed"),
    (lambda: SGD([Tensor([1.0])], 0.1), "parameters[0] has requires_grad=False"),
    (lambda: SGD([w], 0.1, momentum=1.0), "SGD(): momentum must be a number in [0, 1). Got 1.0."),
    (lambda: SGD([w], 0.1, momentum=-0.1), "momentum must be a number in [0, 1)"),
    (lambda: SGD([w], 0.1, momentum="0.9"), "momentum must be a number in [0, 1)"),
    (lambda: SGD([w], 0.1, momentum=True), "momentum must be a number in [0, 1). Got True."),
    (lambda: SGD([w], 0.1, nesterov=True), "nesterov=True must come with momentum > 0"),
    (lambda: SGD([w], 0.1, 0.9, nesterov=1), "nesterov must be True or False. Got 1."),
    (lambda: SGD([w], 0.1, weight_decay=-1), "weight_decay must be a number >= 0. Got -1."),
    (lambda: SGD([w], 0.1, weight_decay=math.nan), "weight_decay must be a number >= 0. Got nan."),
    (lambda: Adam([w], -1), "Adam: lr, unless it is a schedule, must be a number >= 0"),
    (lambda: Adam([w], beta1=1), "Adam(): beta1 must be a number in [0, 1). Got 1."),
    (lambda: Adam([w], beta2=-0.5), "beta2 must be a number in [0, 1). Got -0.5."),
    (lambda: Adam([w], eps=0), "eps must be a number > 0. Got 0."),
    (lambda: AdamW([w], weight_decay=-0.1), "AdamW(): weight_decay must be a number >= 0"),
    (lambda: RMSprop([w], alpha=1.0), "RMSprop(): alpha must be a number in [0, 1). Got 1.0."),
    (lambda: RMSprop([w], centered="no"), "centered must be True or False. Got 'no'."),
    (lambda: RMSprop([w], momentum=2), "momentum must be a number in [0, 1). Got 2."),
    (lambda: Optimizer([w], 0.1), "Optimizer() has no update rule"),
    (lambda: type("Own", (Optimizer,), {"update": print})([w], 0.1, beta=1), "Own() has the hyper"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_an_optimizer_that_cannot_work_is_refused_with_the_reason(make, message):
    with pytest.raises(InvalidArgumentError) as caught:
        make()
    assert message in str(caught.value)


def wrong_shape(listed):
    listed[1].grad = np.ones((1, 3))


def wrong_dtype(listed):
    listed[1].grad = np.ones(3, np.float32)


def list_for_gradient(listed):
    listed[2].grad = [1.0]


def no_gradients(listed):
    for parameter in listed:
        parameter.grad = None


def changed_parameter(listed):
    listed[1].data, listed[1].grad = np.ones(4), np.ones(4)


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (wrong_shape, ShapeError, "of 'b' (parameters[1]) to have its shape (3,). Got (1, 3)."),
        (wrong_dtype, DTypeError, "to have its dtype float64. Got float32"),
        (list_for_gradient, ShapeError, "its shape (). Got list."),
        (no_gradients, NotDifferentiableError, "None of the 3 has one: call backward()"),
        (changed_parameter, ShapeError, "'b' (parameters[1]) to stay of shape (3,)"),
    ],
)
def test_a_step_that_cannot_be_done_names_the_parameter_and_changes_nothing(
    spoil, error, message, least_squares, train, everything, assert_same
):
    listed, loss = least_squares()
    optimizer = Adam(listed)
    train(optimizer, loss, 2)
    spoil(listed)
    before = everything(optimizer)
    with pytest.raises(error) as caught:
        optimizer.step()
    assert str(caught.value).startswith("Adam.step() expects ")
    assert message in str(caught.value)
    assert_same(everything(optimizer), before)


def test_a_rule_that_fails_on_one_parameter_changes_none(
    parameters, set_gradients, everything, assert_same
):
    class Fragile(Optimizer):
        @staticmethod
        def update(parameter, gradient, state, *, lr):
            if parameter.ndim == 0:
                raise NonFiniteError("overflow")
            return parameter - lr * gradient, {"count": 1}

    optimizer = Fragile(parameters(), 0.1)
    set_gradients(optimizer.parameters)
    before = everything(optimizer)
    with pytest.raises(NonFiniteError):
        optimizer.step()
    assert_same(everything(optimizer), before)


def test_a_learning_rate_that_turns_bad_stops_the_step_before_anything_changes(
    parameters, set_gradients, everything, assert_same
):
    optimizer = SGD(parameters(), Schedule(lambda k: 1.0 - k, unit="step"))
    for _ in range(2):
        set_gradients(optimizer.parameters)
        optimizer.step()
    before = everything(optimizer)
    with pytest.raises(InvalidArgumentError, match="its value at k = 2 must be a number >= 0"):
        optimizer.step()
    assert_same(everything(optimizer), before)


def test_without_a_state_a_parameter_may_change_its_shape():
    w = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = SGD([w], 0.5)
    w.data, w.grad = np.ones((2, 2)), np.ones((2, 2))
    optimizer.step()
    np.testing.assert_array_equal(w.data, np.full((2, 2), 0.5))
