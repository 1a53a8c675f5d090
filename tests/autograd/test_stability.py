"""Exact for inputs of any size: against closed forms in 400 decimal digits."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg

# Around 17, 37, 88, 104, 710 and 745 something rounds to 1, overflows or vanishes.
SIZES = (0, 1e-8, 1e-3, 0.5, 1, 5, 17, 36, 40, 88, 89, 104, 700, 710, 750, 1e4)
POINTS = sorted({sign * size for size in SIZES for sign in (-1, 1)})
PRECISIONS = (np.float32, np.float64)
DIGITS = 400  # so that 1 + e^−710 is not 1
WIDEST = 10**6  # and e^10000 is an ordinary number


@pytest.fixture(autouse=True)
def digits():
    with localcontext() as context:
        context.prec, context.Emax, context.Emin = DIGITS, WIDEST, -WIDEST
        yield


def decimals(array):
    return [Decimal(float(a)) for a in np.ravel(array)]


def exact(f, *arrays):
    """`f` of Decimals, element by element, as floats."""
    columns = zip(*map(decimals, arrays), strict=True)
    return np.array([float(f(*column)) for column in columns]).reshape(np.shape(arrays[0]))


def close(found, expected, dtype, absolute=0):
    """Right to a few roundings (of the result, or of 1); what is too small for `dtype` may be 0."""
    assert found.dtype == dtype
    eps, tiny = np.finfo(dtype).eps, np.finfo(dtype).tiny
    np.testing.assert_allclose(found, expected, rtol=8 * eps, atol=tiny + absolute * eps)


def sigma(z):
    return 1 / (1 + (-z).exp())


def softplus(z):
    return (1 + z.exp()).ln()


def log_sum(zs):
    return sum(z.exp() for z in zs).ln()


# -- functions of one variable ---------------------------------------------------------------------

CURVES = {
    "sigmoid": (tg.sigmoid, sigma, lambda z: sigma(z) * sigma(-z)),
    "softplus": (tg.softplus, softplus, sigma),
    "tanh": (tg.tanh, lambda z: 2 * sigma(2 * z) - 1, lambda z: 4 * sigma(2 * z) * sigma(-2 * z)),
    "relu": (tg.relu, lambda z: max(z, 0), lambda z: z > 0),
}


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("curve", CURVES)
def test_the_value_is_right_at_any_distance(curve, dtype):
    f, value, _ = CURVES[curve]
    z = np.array(POINTS, dtype)
    close(f(z), exact(value, z), dtype)


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("curve", CURVES)
def test_the_gradient_is_right_at_any_distance(curve, dtype):
    """To a rounding of 1: that is what the derivative is made from (1 − y, 1 − y²)."""
    f, _, slope = CURVES[curve]
    z = np.array(POINTS, dtype)
    found = tg.grad(lambda z: tg.sum(f(z)))(z)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, exact(slope, z), rtol=0, atol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "tanh", "gelu", "erf", "relu"])
@pytest.mark.parametrize("dtype", PRECISIONS)
def test_second_derivatives_are_finite_at_any_distance(name, dtype):
    z = np.array(POINTS, dtype)
    second = tg.hvp(lambda z: tg.sum(tg.OPS[name](z)), z, np.ones_like(z))
    assert second.dtype == dtype and np.all(np.isfinite(second))
    np.testing.assert_allclose(second[np.abs(z) > 50], 0, atol=1e-15)


# -- sums of exponentials --------------------------------------------------------------------------

ROWS = [
    [0.0, 0.0, 0.0],
    [1e4, 0.0, -1e4],
    [1e4, 1e4, 1e4],
    [-1e4, -1e4, -9999.0],
    [1e4, 1e4 - 1, 1e4 - 40],
    [89.0, -104.0, 88.0],
    [-750.0, -710.0, -700.0],
    [1e-8, -1e-8, 0.0],
]


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_sums_of_exponentials_are_right_at_any_size(row, dtype):
    z = np.array(row, dtype)
    zs = decimals(z)
    total = log_sum(zs)
    shares = [float((a - total).exp()) for a in zs]
    close(np.asarray(tg.logsumexp(z)), float(total), dtype)
    close(tg.log_softmax(z), [float(a - total) for a in zs], dtype, absolute=1)
    eps = np.finfo(dtype).eps
    # What is computed as a difference of numbers of size |z| has an error of |z| roundings.
    for gradient in (tg.softmax(z), tg.grad(tg.logsumexp)(z)):
        assert gradient.dtype == dtype
        np.testing.assert_allclose(gradient, shares, rtol=eps * (8 + np.max(np.abs(z))), atol=eps)
    for i in range(3):
        gradient = tg.grad(lambda z, i=i: tg.log_softmax(z)[i])(z)
        np.testing.assert_allclose(gradient, np.eye(3)[i] - shares, rtol=0, atol=8 * eps)


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=6), st.floats(-1e4, 1e4))
def test_probabilities_are_probabilities_and_do_not_change_with_a_shift(row, shift):
    z = np.array(row)
    p = tg.softmax(z)
    assert np.all(p >= 0) and np.all(np.isfinite(p))
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-14)
    np.testing.assert_allclose(tg.softmax(z + shift), p, atol=1e-11)
    np.testing.assert_allclose(tg.logsumexp(z + shift), tg.logsumexp(z) + shift, atol=1e-11)


# -- losses ----------------------------------------------------------------------------------------

TARGETS = (0.0, 1.0, 0.25)


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("through_sigmoid", [False, True])
def test_binary_cross_entropy_is_right_for_any_logit(target, through_sigmoid, dtype):
    def loss(z, y):
        if through_sigmoid:
            return tg.binary_cross_entropy(tg.sigmoid(z), y)
        return tg.sigmoid_cross_entropy(z, y)

    for point in POINTS:
        z, y = np.array([[point]], dtype), np.array([[target]], dtype)
        value, gradient = tg.value_and_grad(loss)(z, y)
        true = softplus(*decimals(z)) - Decimal(target) * Decimal(float(z[0, 0]))
        close(value[None], [float(true)], dtype)
        expected = exact(lambda z: sigma(z) - Decimal(target), z)
        assert gradient.dtype == dtype
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("row", ROWS, ids=str)
@pytest.mark.parametrize("through_softmax", [False, True])
def test_softmax_cross_entropy_is_right_for_any_logits(row, through_softmax, dtype):
    def loss(z, y):
        if through_softmax:
            return tg.categorical_cross_entropy(tg.softmax(z), y)
        return tg.softmax_cross_entropy(z, y)

    z = np.array([row], dtype)
    zs = decimals(z)
    total = log_sum(zs)
    for target in ([1, 0, 0], [0, 0, 1], [0.25, 0.5, 0.25]):
        y = np.array([target], dtype)
        value, gradient = tg.value_and_grad(loss)(z, y)
        expected = sum(w * (total - a) for w, a in zip(decimals(y), zs, strict=True))
        close(value[None], [float(expected)], dtype, absolute=1)
        shares = np.array([float((a - total).exp()) for a in zs])
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(gradient, [shares - target], rtol=0, atol=8 * eps)


def bits(a):
    return np.asarray(a).tobytes()


@given(st.floats(-1e4, 1e4), st.sampled_from(TARGETS), st.sampled_from(PRECISIONS))
def test_a_loss_of_probabilities_has_the_bits_of_the_loss_of_logits(point, target, dtype):
    z, y = np.array([[point, -point / 3]], dtype), np.array([[target, 1 - target]], dtype)
    pairs = [
        (lambda z: tg.binary_cross_entropy(tg.sigmoid(z), y),
         lambda z: tg.sigmoid_cross_entropy(z, y)),
        (lambda z: tg.categorical_cross_entropy(tg.softmax(z), y),
         lambda z: tg.softmax_cross_entropy(z, y)),
    ]
    for of_probabilities, of_logits in pairs:
        results = [tg.value_and_grad(f)(z) for f in (of_probabilities, of_logits)]
        assert bits(results[0][0]) == bits(results[1][0])
        assert bits(results[0][1]) == bits(results[1][1])
        v = np.ones_like(z)
        assert bits(tg.hvp(of_probabilities, z, v)) == bits(tg.hvp(of_logits, z, v))
        quiet = tg.Tensor(z, requires_grad=True)
        with tg.no_grad():
            evaluated = of_probabilities(quiet)
        assert bits(evaluated.data) == bits(of_logits(z))
        assert not evaluated.requires_grad
        assert bits(of_probabilities(tg.Tensor(z)).data) == bits(of_logits(z))


LOSSES = {
    "squared_error": tg.squared_error,
    "binary_cross_entropy": tg.binary_cross_entropy,
    "categorical_cross_entropy": tg.categorical_cross_entropy,
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("dtype", PRECISIONS)
def test_an_exactly_right_prediction_costs_nothing(loss, dtype):
    y = np.array([[0.0, 1.0, 0.0]], dtype)
    value, gradient = tg.value_and_grad(loss)(y, y)
    assert value == 0 and value.dtype == dtype
    assert np.all(np.isfinite(gradient))
    assert np.all(np.isfinite(tg.hvp(lambda p: loss(p, y), y, np.ones_like(y))))


@pytest.mark.parametrize("name", ["binary_cross_entropy", "categorical_cross_entropy"])
def test_a_certain_wrong_prediction_costs_infinity_and_not_nan(name):
    assert LOSSES[name](np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])) == np.inf


def test_a_gradient_that_was_asked_for_at_the_probabilities_is_given():
    z = tg.Tensor([[0.3, -2.0]], requires_grad=True)
    y = np.array([[1.0, 0.0]])
    p = tg.sigmoid(z)
    p.retain_grad()
    tg.binary_cross_entropy(p, y).backward()
    np.testing.assert_allclose(p.grad, (p.data - y) / (p.data * (1 - p.data)), rtol=1e-13)
    np.testing.assert_allclose(z.grad, p.data - y, rtol=1e-13)


def test_losses_keep_their_meaning():
    """They sum over outputs and average over samples; the squared error has a ½."""
    p, y = np.array([[0.5, 0.25], [0.125, 0.5]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    cross = -np.log([0.5, 0.75, 0.875, 0.5]).sum()
    assert tg.squared_error(p, y) == 0.5 * ((p - y) ** 2).sum() / 2
    np.testing.assert_allclose(tg.binary_cross_entropy(p, y), cross / 2)
    np.testing.assert_allclose(tg.binary_cross_entropy(p, y, reduction="sum"), cross)
    np.testing.assert_allclose(tg.binary_cross_entropy(p[0], y[0]), -np.log([0.5, 0.75]).sum())
    np.testing.assert_allclose(tg.categorical_cross_entropy(p, y), -np.log(0.25) / 2)


def test_softmax_applied_twice_is_noticed():
    z, y = tg.Tensor([[1.0, 2.0]]), np.array([[0.0, 1.0]])
    with pytest.warns(UserWarning, match="already"):
        tg.softmax_cross_entropy(tg.softmax(z), y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan, -0.0, 3.0])
def test_large_arrays_are_chosen_from_as_small_ones_are(special, dtype):
    rng = np.random.default_rng(0)
    a, condition = rng.normal(size=(150, 140)).astype(dtype), rng.normal(size=(150, 140)) > 0
    a[3:5, 7:9] = special
    for found, expected in (
            (tg.where(condition, a, 0), np.where(condition, a, 0)),
            (tg.where(condition, 0, a), np.where(condition, 0, a)),
            (tg.where(condition, 2.5, 0), np.where(condition, 2.5, 0)),
            (tg.where(condition, a[0], 0), np.where(condition, a[0], 0)),
            (tg.where(condition * 1.0, a, 0), np.where(condition, a, 0))):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


def test_a_gradient_without_bound_does_not_pass_a_rectifier_that_is_closed():
    x = np.full(20_000, -1.0)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(tg.grad(lambda x: tg.sum(tg.sqrt(tg.relu(x))))(x), 0)
