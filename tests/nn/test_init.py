"""Initialisers: their distributions, fans, generators and refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.nn import init

# Fans by the definition: of (out, in, *kernel), in · kernel and out · kernel.
SHAPES = {(300, 200): (200, 300), (64, 32, 5, 3): (480, 960), (80, 50, 7): (350, 560)}

NORMAL = {
    "normal": (init.normal(0.3), lambda fan_in, fan_out: 0.3),
    "normal, as in the classic experiment": (init.normal(), lambda fan_in, fan_out: 0.01),
    "xavier": (init.xavier_normal(), lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "xavier, gain 3": (
        init.xavier_normal(3), lambda fan_in, fan_out: 3 * math.sqrt(2 / (fan_in + fan_out))
    ),
    "he": (init.he_normal(), lambda fan_in, fan_out: math.sqrt(2 / fan_in)),
    "he, gain 1": (init.he_normal(1.0), lambda fan_in, fan_out: math.sqrt(1 / fan_in)),
}

UNIFORM = {
    "uniform": (init.uniform(0.3), lambda fan_in, fan_out: 0.3),
    "xavier": (init.xavier_uniform(), lambda fan_in, fan_out: math.sqrt(6 / (fan_in + fan_out))),
    "xavier, gain 3": (
        init.xavier_uniform(3), lambda fan_in, fan_out: 3 * math.sqrt(6 / (fan_in + fan_out))
    ),
    "he": (init.he_uniform(), lambda fan_in, fan_out: math.sqrt(6 / fan_in)),
    "he, gain 1": (init.he_uniform(1.0), lambda fan_in, fan_out: math.sqrt(3 / fan_in)),
}

RANDOM = {**NORMAL, **{f"{name} (uniform)": row for name, row in UNIFORM.items()}}

every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def moments_within_five_deviations(weights, sigma, kurtosis):
    """That mean, variance and independence of the halves are those of N draws."""
    n = weights.size
    assert abs(weights.mean()) < 5 * sigma / math.sqrt(n)
    assert abs(weights.var() - sigma**2) < 5 * sigma**2 * math.sqrt((kurtosis - 1) / n)
    first, second = np.split(weights.ravel(), 2)
    assert abs(np.mean(first * second)) < 5 * sigma**2 / math.sqrt(n / 2)


@every_shape
@pytest.mark.parametrize("name", NORMAL)
def test_normal_initialisers_have_the_moments_of_their_formula(name, shape, rng):
    draw, sigma = NORMAL[name]
    weights = draw(shape, rng)
    moments_within_five_deviations(weights, sigma(*SHAPES[shape]), kurtosis=3)
    assert np.abs(weights).max() > 3 * weights.std()  # and are not uniform


@every_shape
@pytest.mark.parametrize("name", UNIFORM)
def test_uniform_initialisers_fill_their_interval_evenly(name, shape, rng):
    draw, limit = UNIFORM[name]
    weights, bound = draw(shape, rng), limit(*SHAPES[shape])
    assert 0.999 * bound < np.abs(weights).max() <= bound
    moments_within_five_deviations(weights, bound / math.sqrt(3), kurtosis=1.8)


@pytest.mark.parametrize("kind", ["xavier", "he"])
def test_the_uniform_and_the_normal_form_have_the_same_variance(kind):
    fans = (120, 30)
    assert UNIFORM[kind][1](*fans) / math.sqrt(3) == pytest.approx(NORMAL[kind][1](*fans))


@pytest.mark.parametrize("name", RANDOM)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_generator_alone_decides_what_is_drawn(name, seed):
    draw = RANDOM[name][0]
    first, second = np.random.default_rng(seed), np.random.default_rng(seed)
    weights = draw((3, 2), first)
    np.testing.assert_array_equal(weights, draw((3, 2), second))
    assert weights.shape == (3, 2) and weights.dtype == np.float64
    assert not np.array_equal(weights, draw((3, 2), first))  # it has moved on


def test_a_constant_is_the_same_number_everywhere_and_draws_nothing(rng):
    before = rng.bit_generator.state
    np.testing.assert_array_equal(init.constant(2)((2, 3), rng), np.full((2, 3), 2.0))
    assert rng.bit_generator.state == before


@pytest.mark.parametrize("make", [init.normal, init.uniform, init.xavier_normal, init.he_uniform])
def test_a_width_of_zero_gives_zeros(make, rng):
    assert not make(0)((3, 2), rng).any()


@pytest.mark.parametrize("width", [-1, math.nan, math.inf, "1", None, True])
@pytest.mark.parametrize(
    "make",
    [init.normal, init.uniform, init.xavier_normal, init.xavier_uniform, init.he_normal,
     init.he_uniform],
)
def test_an_impossible_width_is_refused_by_name_before_anything_is_drawn(make, width):
    with pytest.raises(InvalidArgumentError, match=f"^{make.__name__}: .*{width}"):
        make(width)


@pytest.mark.parametrize("shape", [(), (4,)])
@pytest.mark.parametrize(
    "make", [init.xavier_normal, init.xavier_uniform, init.he_normal, init.he_uniform]
)
def test_fans_need_two_axes(make, shape, rng):
    with pytest.raises(InvalidArgumentError, match="at least two axes.*normal"):
        make()(shape, rng)
