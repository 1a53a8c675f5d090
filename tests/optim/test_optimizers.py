from __future__ import annotations

import math
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp import Tensor
from tinygrad_mlp.optim import SGD, Adam, RMSprop, schedule


def test_it_solves_least_squares(case, least_squares, train):
    kind, settings = case
    listed, loss = least_squares()
    values = train(kind(listed, **settings), loss, 600)
    assert values[-1] < 1e-3 * values[0]


def test_a_step_is_the_rule_applied_to_each_parameter(case, least_squares):
    kind, settings = case
    listed, loss = least_squares()
    optimizer = kind(listed, **settings)
    by_hand = [(p.data, optimizer.init_state(p.data)) for p in listed]
    for _ in range(4):
        optimizer.zero_grad()
        loss().backward()
        by_hand = [
            optimizer.rule(data, p.grad, state, optimizer.current_lr())
            for p, (data, state) in zip(listed, by_hand, strict=True)
        ]
        optimizer.step()
        for p, (data, _) in zip(listed, by_hand, strict=True):
            np.testing.assert_array_equal(p.data, data)


def test_parameters_may_be_nested(case, least_squares):
    kind, settings = case
    listed, _ = least_squares()
    nested = {"first": listed[0], "others": [{"rest": tuple(listed[1:])}]}
    found = kind(nested, **settings).parameters
    assert len(found) == len(listed) and all(map(operator.is_, found, listed))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parameters_and_states_keep_their_dtype_and_shape(
    case, dtype, parameters, least_squares, train
):
    kind, settings = case
    listed, loss = least_squares(dtype)
    optimizer = kind(listed, **{**settings, "lr": schedule.inverse_time()})
    before = optimizer.state_dict()["arrays"]
    train(optimizer, loss, 3)
    for parameter, original in zip(listed, parameters(dtype), strict=True):
        assert type(parameter.data) is np.ndarray
        assert (parameter.dtype, parameter.shape) == (dtype, original.shape)
    for key, array in optimizer.state_dict()["arrays"].items():
        assert (array.dtype, array.shape) == (before[key].dtype, before[key].shape)


def test_a_step_makes_new_arrays_and_leaves_those_a_graph_may_hold(case, least_squares):
    kind, settings = case
    listed, loss = least_squares()
    optimizer = kind(listed, **settings)
    value = loss()
    value.backward(retain_graph=True)
    arrays = [p.data for p in listed]
    copies = [a.copy() for a in arrays]
    first = [p.grad for p in listed]
    optimizer.step()
    for parameter, array, copied in zip(listed, arrays, copies, strict=True):
        assert parameter.data is not array
        np.testing.assert_array_equal(array, copied)
    optimizer.zero_grad()
    value.backward()  # through the graph of before the step
    for parameter, gradient in zip(listed, first, strict=True):
        np.testing.assert_array_equal(parameter.grad, gradient)


def test_the_arrays_of_the_user_are_never_written_to(case):
    kind, settings = case
    start = np.arange(6.0).reshape(2, 3)
    start.flags.writeable = False
    w = Tensor(start, requires_grad=True)
    optimizer = kind([w], **settings)
    for _ in range(3):
        w.grad = np.ones((2, 3))
        w.grad.flags.writeable = False
        optimizer.step()
    assert not np.array_equal(w.data, start)


def test_a_parameter_without_gradient_rests_with_its_state(case, parameters, set_gradients):
    kind, settings = case
    alone, (resting, *_) = parameters(), parameters()
    listed = [*parameters()[1:], resting]
    optimizer, reference = kind(listed, **settings), kind(alone[:1], **settings)
    for step in range(6):
        set_gradients(listed, step)
        set_gradients(alone, step)
        if step in (0, 3, 4):
            resting.grad = None
        else:
            reference.step()
        optimizer.step()
    # The two have the same steps behind them; that the others made more is of no consequence.
    np.testing.assert_array_equal(resting.data, alone[0].data)
    assert (optimizer.steps, reference.steps) == (6, 3)


def test_sgd_on_a_parabola_shrinks_by_a_constant_factor(train):
    w = Tensor([1.0, -2.0], requires_grad=True)
    optimizer = SGD([w], lr=0.25)
    train(optimizer, lambda: 0.5 * (w * w).sum(), 10)
    np.testing.assert_array_equal(w.data, [0.75**10, -2 * 0.75**10])


@given(st.floats(0.1, 0.9), st.floats(0.01, 0.5), st.booleans())
def test_momentum_on_a_parabola_is_a_linear_recurrence(train, momentum, lr, nesterov):
    w = Tensor(1.0, requires_grad=True)
    optimizer = SGD([w], lr, momentum, nesterov)
    train(optimizer, lambda: 0.5 * w * w, 20)
    # (w, v) → (w − lr d, v'), v' = m v + w, d = v' or w + m v'
    m = momentum
    d = [1 + m, m * m] if nesterov else [1, m]
    matrix = np.array([[1 - lr * d[0], -lr * d[1]], [1, m]])
    expected = (np.linalg.matrix_power(matrix, 20) @ [1, 0])[0]
    np.testing.assert_allclose(w.data, expected, rtol=1e-9, atol=1e-12)


@given(st.floats(1e-3, 1e3), st.booleans())
def test_the_first_steps_of_adam_and_rmsprop_do_not_depend_on_the_size(size, negative):
    gradient = -size if negative else size
    for optimizer_of, length in [
        (lambda w: Adam([w], lr=0.5), 0.5),
        (lambda w: RMSprop([w], lr=0.5, alpha=0.84), 0.5 / 0.4),
    ]:
        w = Tensor([0.0], requires_grad=True)
        w.grad = np.array([gradient])
        optimizer_of(w).step()
        np.testing.assert_allclose(w.data, -math.copysign(length, gradient), rtol=1e-4)


def test_zero_grad_forgets_every_gradient(parameters, set_gradients):
    listed = parameters()
    optimizer = SGD(listed, 0.1)
    set_gradients(listed)
    optimizer.zero_grad()
    assert [p.grad for p in listed] == [None] * 3


def test_parameters_may_come_from_a_generator_and_keep_their_order(parameters):
    listed = parameters()
    optimizer = SGD((p for p in listed), 0.1)
    assert len(optimizer.parameters) == 3
    assert all(a is b for a, b in zip(optimizer.parameters, listed, strict=True))


def test_a_step_under_no_grad_and_one_outside_of_it_are_the_same(least_squares, assert_same):
    results = []
    for context in (tg.no_grad(), None):
        listed, loss = least_squares()
        optimizer = Adam(listed)
        loss().backward()
        if context:
            with context:
                optimizer.step()
        else:
            optimizer.step()
        assert all(p.requires_grad and p.node is None for p in listed)
        results.append([p.data for p in listed])
    assert_same(*results)


def test_its_repr_shows_learning_rate_and_hyperparameters(case, parameters):
    kind, settings = case
    optimizer = kind(parameters(), **settings)
    shown = repr(optimizer)
    assert shown.startswith(f"{kind.__name__}(3 parameters, lr={settings['lr']}, ")
    assert all(f"{name}={value!r}" in shown for name, value in settings.items())


def test_the_repr_shows_a_schedule_by_its_call(parameters):
    optimizer = SGD(parameters()[:1], schedule.inverse_time())
    assert repr(optimizer) == (
        "SGD(1 parameter, lr=inverse_time(offset=100.0, rate=10.0, per='epoch'), "
        "momentum=0.0, nesterov=False, weight_decay=0.0)"
    )
