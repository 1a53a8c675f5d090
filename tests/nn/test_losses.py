"""Losses against closed forms, reductions, and the mistakes that are caught."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import tinygrad_mlp as tg
from tinygrad_mlp import nn
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

SIZES = st.tuples(st.integers(1, 5), st.integers(1, 4))
REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "sum"])


def of(low, high):
    """Pairs of arrays of one shape, the first between `low` and `high`, the second 0 to 1."""

    def pair(shape):
        return st.tuples(
            arrays(np.float64, shape, elements=st.floats(low, high)),
            arrays(np.float64, shape, elements=st.floats(0, 1)),
        )

    return SIZES.flatmap(pair)


def value_and_gradients(loss, prediction, target, reduction):
    y_hat, y = (tg.Tensor(a, requires_grad=True) for a in (prediction, target))
    value = loss(y_hat, y, reduction=reduction)
    assert value.shape == ()
    value.backward()
    return value.item(), y_hat.grad, y.grad


def samples(prediction, reduction):
    return len(prediction) if reduction == "mean" else 1


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def sigmoid(z):
    return np.where(z >= 0, 1 / (1 + np.exp(-abs(z))), np.exp(-abs(z)) / (1 + np.exp(-abs(z))))


@REDUCTIONS
@given(pair=of(-5, 5))
def test_squared_error_and_its_gradient_are_the_closed_forms(pair, reduction):
    y_hat, y = pair
    n = samples(y_hat, reduction)
    value, of_prediction, of_target = value_and_gradients(nn.squared_error, y_hat, y, reduction)
    close(value, sum(0.5 * (a - b) ** 2 for a, b in zip(y_hat.flat, y.flat, strict=True)) / n)
    close(of_prediction, (y_hat - y) / n)
    close(of_target, (y - y_hat) / n)


@REDUCTIONS
@given(pair=of(1e-3, 1 - 1e-3))
def test_binary_cross_entropy_and_its_gradient_are_the_closed_forms(pair, reduction):
    y_hat, y = pair
    n = samples(y_hat, reduction)
    value, of_prediction, of_target = value_and_gradients(
        nn.binary_cross_entropy, y_hat, y, reduction
    )
    close(value, -np.sum(y * np.log(y_hat) + (1 - y) * np.log(1 - y_hat)) / n)
    close(of_prediction, ((1 - y) / (1 - y_hat) - y / y_hat) / n)
    close(of_target, (np.log(1 - y_hat) - np.log(y_hat)) / n)


@REDUCTIONS
@given(pair=of(-30, 30))
def test_binary_cross_entropy_of_a_sigmoid_has_the_gradient_prediction_minus_target(
    pair, reduction
):
    z, y = pair
    n = samples(z, reduction)
    for loss in (
        nn.sigmoid_cross_entropy,
        lambda z, y, reduction: nn.binary_cross_entropy(tg.sigmoid(z), y, reduction),
        lambda z, y, reduction: nn.binary_cross_entropy(nn.Sigmoid()(z), y, reduction),
    ):
        value, of_logits, of_target = value_and_gradients(loss, z, y, reduction)
        close(value, np.sum(np.logaddexp(0, z) - y * z) / n)
        close(of_logits, (sigmoid(z) - y) / n)
        close(of_target, -z / n)


@REDUCTIONS
@given(pair=of(1e-3, 1))
def test_categorical_cross_entropy_and_its_gradient_are_the_closed_forms(pair, reduction):
    y_hat, y = pair
    n = samples(y_hat, reduction)
    value, of_prediction, of_target = value_and_gradients(
        nn.categorical_cross_entropy, y_hat, y, reduction
    )
    close(value, -np.sum(y * np.log(y_hat)) / n)
    close(of_prediction, -y / y_hat / n)
    close(of_target, -np.log(y_hat) / n)


@REDUCTIONS
@given(pair=of(-30, 30))
def test_softmax_cross_entropy_and_its_gradient_are_the_closed_forms(pair, reduction):
    z, y = pair
    n = samples(z, reduction)
    for loss in (
        nn.softmax_cross_entropy,
        lambda z, y, reduction: nn.categorical_cross_entropy(tg.softmax(z), y, reduction),
        lambda z, y, reduction: nn.categorical_cross_entropy(nn.Softmax()(z), y, reduction),
    ):
        value, of_logits, of_target = value_and_gradients(loss, z, y, reduction)
        log_p = z - np.log(np.exp(z - z.max(1, keepdims=True)).sum(1, keepdims=True))
        log_p = log_p - z.max(1, keepdims=True)
        close(value, -np.sum(y * log_p) / n)
        close(of_logits, (softmax(z) * y.sum(axis=1, keepdims=True) - y) / n)
        close(of_target, -log_p / n)


LOSSES = {
    "squared_error": (nn.squared_error, 0.25),
    "binary_cross_entropy": (nn.binary_cross_entropy, 0.25),
    "sigmoid_cross_entropy": (nn.sigmoid_cross_entropy, -1.5),
    "categorical_cross_entropy": (nn.categorical_cross_entropy, 0.25),
    "softmax_cross_entropy": (nn.softmax_cross_entropy, -1.5),
    "absolute_error": (nn.absolute_error, 0.25),
    "huber": (nn.huber, 0.25),
    "hinge": (lambda prediction, target, *reduction, **options: nn.hinge(
        prediction, np.sign(np.asarray(target) - 0.5), *reduction, **options), 0.25),
    "kl_divergence": (nn.kl_divergence, 0.25),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


def test_every_loss_is_in_the_table():
    lower = {name for name in nn.__all__ if name.islower() and callable(getattr(nn, name))}
    assert lower == set(LOSSES)


@every_loss
@given(shift=st.floats(-0.2, 0.2), n=st.integers(1, 6))
def test_the_mean_over_samples_is_the_sum_divided_by_their_number(name, shift, n):
    loss, start = LOSSES[name]
    prediction = start + shift * np.linspace(0, 1, 3 * n).reshape(n, 3)
    target = np.eye(3)[np.arange(n) % 3]
    close(loss(prediction, target), loss(prediction, target, "sum") / n)


@every_loss
def test_a_vector_is_one_sample(name):
    loss, start = LOSSES[name]
    prediction, target = np.full(3, start), np.array([0.0, 1.0, 0.0])
    assert loss(prediction, target) == loss(prediction, target, "sum") == loss(
        prediction[None], target[None]
    )


@every_loss
def test_float32_losses_have_float32_gradients(name):
    loss, start = LOSSES[name]
    prediction = tg.Tensor(np.full((2, 3), start, np.float32), requires_grad=True)
    value = loss(prediction, np.eye(3, dtype=np.float32)[:2])
    value.backward()
    assert value.dtype == prediction.grad.dtype == np.float32


@every_loss
@pytest.mark.parametrize(
    ("prediction", "target"),
    [((4, 1), (4,)), ((4,), (4, 1)), ((4, 3), (4,)), ((4, 3), (3,)), ((2, 3), (3, 2)), ((1,), ())],
)
def test_shapes_that_would_broadcast_are_refused_with_both_of_them(name, prediction, target):
    loss, start = LOSSES[name]
    with pytest.raises(ShapeError) as caught:
        loss(tg.Tensor(np.full(prediction, start)), np.zeros(target))
    assert all(part in str(caught.value) for part in (name, str(prediction), str(target)))


@every_loss
def test_no_samples_and_unknown_reductions_are_refused(name):
    loss, start = LOSSES[name]
    with pytest.raises(ShapeError, match="at least one sample"):
        loss(np.zeros((0, 3)), np.zeros((0, 3)))
    with pytest.raises(InvalidArgumentError, match="mean, sum.*'average'"):
        loss(np.full((2, 3), start), np.zeros((2, 3)), reduction="average")


def test_softmax_applied_twice_is_warned_about_at_the_users_line():
    z = tg.Tensor(np.zeros((2, 3)), requires_grad=True)
    with pytest.warns(UserWarning, match="already the output of softmax") as caught:
        nn.softmax_cross_entropy(tg.softmax(z), np.eye(3)[:2])
    assert caught[0].filename == __file__


def test_the_right_pairs_of_activation_and_loss_warn_of_nothing():
    z, y = tg.Tensor(np.zeros((2, 3)), requires_grad=True), np.eye(3)[:2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.softmax_cross_entropy(z, y)
        nn.softmax_cross_entropy(tg.log_softmax(z), y)  # the same numbers, harmlessly
        nn.categorical_cross_entropy(tg.softmax(z), y)
        nn.binary_cross_entropy(tg.sigmoid(z), y)


@given(z=st.floats(-1e4, 1e4), y=st.sampled_from([0.0, 1.0]))
def test_certain_predictions_lose_neither_loss_nor_gradient(z, y):
    point = tg.Tensor([[z]], requires_grad=True)
    loss = nn.binary_cross_entropy(tg.sigmoid(point), [[y]])
    loss.backward()
    close(loss.item(), np.logaddexp(0, z if y == 0 else -z))
    close(point.grad, sigmoid(np.array([[z]])) - y)


@given(gap=st.floats(0, 1e4))
def test_softmax_cross_entropy_is_exact_however_far_apart_the_logits(gap):
    point = tg.Tensor([[0.0, gap]], requires_grad=True)
    loss = nn.categorical_cross_entropy(tg.softmax(point), [[1.0, 0.0]])
    loss.backward()
    close(loss.item(), np.logaddexp(0, gap))
    close(point.grad, np.array([[-1, 1]]) * sigmoid(np.array(gap)))


def test_a_certain_wrong_probability_costs_infinitely_much_and_a_right_one_nothing():
    wrong, right = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])
    target = np.array([[1.0, 0.0]])
    for loss in (nn.binary_cross_entropy, nn.categorical_cross_entropy):
        assert loss(wrong, target) == math.inf
        assert loss(right, target) == 0.0


def test_certain_right_probabilities_have_a_finite_gradient():
    prediction = tg.Tensor([[1.0, 0.0]], requires_grad=True)
    nn.binary_cross_entropy(prediction, [[1.0, 0.0]]).backward()
    np.testing.assert_array_equal(prediction.grad, [[-1.0, 1.0]])


def test_a_softmax_over_another_axis_is_not_taken_for_one_over_classes():
    z, y = np.array([[1.0, 2.0], [3.0, -1.0]]), np.eye(2)
    columns = softmax(z.T).T
    found = nn.categorical_cross_entropy(tg.softmax(tg.Tensor(z), axis=0), y)
    close(found.item(), -np.sum(y * np.log(columns)) / 2)


def test_a_probability_whose_own_gradient_was_asked_for_stays_on_the_path():
    z = tg.Tensor([[0.3, -0.7]], requires_grad=True)
    p, y = tg.sigmoid(z), np.array([[1.0, 0.0]])
    p.retain_grad()
    nn.binary_cross_entropy(p, y).backward()
    close(p.grad, (1 - y) / (1 - p.data) - y / p.data)
    close(z.grad, p.data - y)


@pytest.mark.parametrize("z", [tg.Tensor([[800.0]]), tg.Tensor([[800.0]], requires_grad=True)])
def test_losses_are_exact_where_nothing_is_recorded(z):
    with tg.no_grad():
        assert nn.binary_cross_entropy(tg.sigmoid(z), [[0.0]]).item() == 800.0


@pytest.mark.parametrize("layer", [nn.Sigmoid(), nn.Softmax()], ids=repr)
def test_probabilities_as_plain_arrays_are_taken_as_they_are(layer):
    loss = {"Sigmoid": nn.binary_cross_entropy, "Softmax": nn.categorical_cross_entropy}
    prediction = layer(np.array([[0.2, 0.4]]))
    value = loss[type(layer).__name__](prediction, [[1.0, 0.0]])
    p = prediction[0]
    close(value, -np.log(p[0]) - (np.log(1 - p[1]) if isinstance(layer, nn.Sigmoid) else 0))
