from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_mlp import Tensor
from tinygrad_mlp.errors import InvalidArgumentError, NonFiniteError
from tinygrad_mlp.optim import clip_by_norm


def with_gradients(*gradients):
    parameters = []
    for gradient in gradients:
        parameter = Tensor(np.zeros(np.shape(gradient), gradient.dtype), requires_grad=True)
        parameter.grad = gradient
        parameters.append(parameter)
    return parameters


def joined(parameters):
    return np.concatenate([p.grad.ravel() for p in parameters]).astype(float)


shapes = st.sampled_from([(), (0,), (3,), (2, 2)])
dtypes = st.sampled_from([np.float32, np.float64])
arrays = hnp.arrays(dtypes, shapes, elements=st.floats(-1000, 1000, width=32))
gradients = st.lists(arrays, min_size=1, max_size=4)
limits = st.floats(1e-3, 1e4)


@given(gradients, limits)
def test_the_norm_returned_is_that_of_all_gradients_joined(given_, max_norm):
    expected = np.linalg.norm(np.concatenate([g.ravel() for g in given_]).astype(float))
    parameters = with_gradients(*given_)
    assert math.isclose(clip_by_norm(parameters, max_norm), expected, rel_tol=1e-6, abs_tol=1e-300)


@given(gradients, st.floats(0.001, 0.999))
def test_afterwards_the_norm_is_the_limit_and_the_direction_the_same(given_, fraction):
    parameters = with_gradients(*given_)
    before = joined(parameters)
    max_norm = fraction * clip_by_norm(parameters, math.inf) or 1.0
    clip_by_norm(parameters, max_norm)
    after = joined(parameters)
    if before.any():
        np.testing.assert_allclose(np.linalg.norm(after), max_norm, rtol=1e-6, atol=1e-40)
        np.testing.assert_allclose(after, before * fraction, rtol=1e-6, atol=1e-40)


@given(gradients, limits)
def test_gradients_within_the_limit_are_left_as_they_are(given_, max_norm):
    parameters = with_gradients(*given_)
    if clip_by_norm(parameters, max_norm) <= max_norm:
        assert all(p.grad is g for p, g in zip(parameters, given_, strict=True))


@given(gradients, limits)
def test_no_array_is_written_to_and_shape_and_dtype_are_kept(given_, max_norm):
    copies = [g.copy() for g in given_]
    parameters = with_gradients(*given_)
    clip_by_norm(parameters, max_norm)
    for parameter, gradient, copied in zip(parameters, given_, copies, strict=True):
        np.testing.assert_array_equal(gradient, copied)
        assert isinstance(parameter.grad, np.ndarray)
        assert (parameter.grad.shape, parameter.grad.dtype) == (gradient.shape, gradient.dtype)


def test_three_and_four_make_five():
    parameters = with_gradients(np.array([3.0]), np.array([[4.0]]))
    assert clip_by_norm(parameters, 10) == 5.0
    assert clip_by_norm(iter(parameters), 1) == 5.0
    np.testing.assert_allclose(joined(parameters), [0.6, 0.8])


@pytest.mark.parametrize("scale", [5e-324, 1e-200, 1e-30, 1e30, 1e200, 1e308])
def test_no_scale_of_the_gradient_overflows_or_vanishes(scale):
    parameters = with_gradients(np.array([scale, -scale]), np.array([scale, scale]))
    norm = clip_by_norm(parameters, 1e-3)
    assert norm == 2 * scale  # 2e308 is infinity
    if norm > 1e-3:
        np.testing.assert_allclose(joined(parameters), [5e-4, -5e-4, 5e-4, 5e-4])


@pytest.mark.parametrize("scale", [1e-45, 1e-30, 1e30, 3e38])
def test_no_scale_of_a_float32_gradient_overflows_or_vanishes(scale):
    parameters = with_gradients(np.full(4, scale, np.float32))
    scale = float(np.float32(scale))
    assert clip_by_norm(parameters, 1.0) == 2 * scale
    assert parameters[0].grad.dtype == np.float32
    np.testing.assert_allclose(parameters[0].grad, min(scale, 0.5), rtol=1e-6)


def test_the_sum_of_many_small_floats_does_not_overflow():
    assert clip_by_norm(with_gradients(np.ones(1_000_000, np.float16)), 1.0) == 1000.0


def test_gradients_of_zero_stay_zero():
    parameters = with_gradients(np.zeros(3), np.zeros(()))
    assert clip_by_norm(parameters, 1.0) == 0.0
    assert not joined(parameters).any()


def test_parameters_without_gradient_are_passed_over():
    one, other = with_gradients(np.array([3.0]), np.array([4.0]))
    other.grad = None
    frozen = Tensor([1.0])
    assert clip_by_norm([other, frozen, one], 1.0) == 3.0
    assert (one.grad, other.grad, frozen.grad) == (np.array([1.0]), None, None)
    assert clip_by_norm([other], 1.0) == 0.0


def test_an_infinite_limit_only_measures():
    parameters = with_gradients(np.array([3.0, 4.0]))
    gradient = parameters[0].grad
    assert clip_by_norm(parameters, math.inf) == 5.0
    assert parameters[0].grad is gradient


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_gradient_that_is_not_finite_is_named_and_nothing_is_changed(bad):
    parameters = with_gradients(np.array([300.0]), np.array([1.0, bad, 2.0]))
    parameters[1].name = "layers.0.weight"
    before = [p.grad for p in parameters]
    with pytest.raises(NonFiniteError, match=r"'layers.0.weight' \(parameters\[1\]\) contains NaN"):
        clip_by_norm(parameters, 1.0)
    assert all(p.grad is g for p, g in zip(parameters, before, strict=True))


w = Tensor([1.0], requires_grad=True)
BAD = [
    ([w], 0, "clip_by_norm(): max_norm must be a number > 0 (it may be inf). Got 0."),
    ([w], -1.0, "max_norm must be a number > 0"),
    ([w], math.nan, "max_norm must be a number > 0"),
    ([w], None, "max_norm must be a number > 0"),
    (w, 1.0, "Got a single one of shape (1,): write [parameter]."),
    ([], 1.0, "must hold at least one tensor"),
    (1.0, 1.0, "must be an iterable of tensors"),
    ([w, w], 1.0, "every parameter must be given once"),
    ([w, np.ones(1)], 1.0, "every parameter must be a Tensor. Got ndarray as parameters[1]."),
]


@pytest.mark.parametrize(("parameters", "max_norm", "message"), BAD)
def test_wrong_arguments_are_refused_with_the_reason(parameters, max_norm, message):
    with pytest.raises(InvalidArgumentError) as caught:
        clip_by_norm(parameters, max_norm)
    assert message in str(caught.value)
