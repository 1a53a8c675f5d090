"""Norms and spreads of numbers whose squares are too large or too small for their dtype."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg

VECTOR = np.array([3.0, -4.0, 0.5, 2.0])
MATRIX = np.array([[3.0, -1.0, 0.5], [1.0, 4.0, 2.0]])
ORDERS = (None, 1, 2, 3, 2.5, 300, 0.5, -1, -2, np.inf, -np.inf)
OF_MATRICES = (None, "fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf)

MEASURES = {
    **{f"norm {p}": (lambda x, p=p: tg.norm(x, p), VECTOR) for p in ORDERS},
    **{f"norm {p} of rows": (lambda x, p=p: tg.norm(x, p, axis=1), MATRIX) for p in ORDERS},
    **{f"matrix norm {p}": (lambda x, p=p: tg.norm(x, p), MATRIX) for p in OF_MATRICES},
    "vector_norm": (lambda x: tg.linalg.vector_norm(x, axis=0, keepdims=True), MATRIX),
    "matrix_norm": (tg.linalg.matrix_norm, MATRIX),
    "std": (tg.std, VECTOR),
    "std of columns": (lambda x: tg.std(x, axis=0, ddof=1), MATRIX),
    "hypot": (lambda x: tg.hypot(x[0], x[1]), VECTOR),
}
"""Functions with f(c x) = c f(x): their gradient is the same at every size."""


def sizes(dtype):
    """Powers of 2, which change no digit of a number, from the smallest to the largest."""
    limits = np.finfo(dtype)
    return [2.0**e for e in range(limits.minexp + 6, limits.maxexp - 8, limits.maxexp // 7)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_of_length_grows_in_proportion_at_any_size(name, dtype):
    f, x = MEASURES[name]
    x = x.astype(dtype)
    eps = np.finfo(dtype).eps
    value, slope = f(x), tg.grad(lambda x: tg.sum(f(x)))(x)
    for size in sizes(dtype):
        larger = x * dtype(size)
        np.testing.assert_allclose(f(larger), value * dtype(size), rtol=64 * eps)
        found = tg.grad(lambda x: tg.sum(f(x)))(larger)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, slope, rtol=64 * eps, atol=16 * eps)


@pytest.mark.parametrize("name", [n for n in MEASURES if "300" not in n and "inf" not in n])
def test_second_derivatives_shrink_in_proportion(name):
    f, x = MEASURES[name]

    def along(x):
        return tg.hvp(lambda x: tg.sum(f(x)), x, np.cos(np.arange(x.size)).reshape(x.shape))

    at_one = along(x)
    for size in (2.0**-500, 2.0**500):
        np.testing.assert_allclose(along(x * size) * size, at_one, rtol=1e-9, atol=1e-12)


def test_the_examples_that_used_to_be_lost():
    tiny, huge = np.array([3e-200, 4e-200]), np.array([3e200, 4e200])
    for x, length in ((tiny, 5e-200), (huge, 5e200)):
        value, gradient = tg.value_and_grad(tg.norm)(x)
        np.testing.assert_allclose(value, length, rtol=1e-15)
        np.testing.assert_allclose(gradient, [0.6, 0.8], rtol=1e-15)
    assert tg.mean(np.full(2, 60000, np.float16)) == 60000  # as np.mean, the sum being too large


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6), st.sampled_from(ORDERS))
def test_ordinary_norms_are_numpys_to_the_last_bit(numbers, p):
    x = np.array(numbers)
    with np.errstate(divide="ignore", over="ignore"):
        expected = np.linalg.norm(x, p)
        inside = 1e-10 < expected < 1e10
        if inside and p not in (300, np.inf, -np.inf):
            np.testing.assert_allclose(tg.norm(x, p), expected, rtol=1e-14)
    if p in (None, 2) and inside:
        assert tg.norm(x, p) == expected


def test_zeros_infinities_and_nan_stay_what_they_are():
    with np.errstate(invalid="ignore"):
        for p in (1, 2, 3, 0.5):
            assert tg.norm(np.zeros(3), p) == 0
            assert tg.norm(np.array([np.inf, 1.0]), p) == np.inf
            assert np.isnan(tg.norm(np.array([np.nan, 1.0]), p))
        assert tg.norm(np.array([0.0, 1.0]), -1) == 0
        assert tg.norm(np.zeros((0, 3)), axis=1).shape == (0,) and tg.norm(np.zeros(0)) == 0
        np.testing.assert_array_equal(tg.norm(np.array([[0.0, 0], [3e-200, 4e-200]]), axis=1),
                                      [0, 5e-200])


@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6)])
@pytest.mark.parametrize("condition", [1e2, 1e5, 1e8])
def test_a_pseudo_inverse_of_full_rank_is_as_accurate_as_an_inverse(shape, condition, rng):
    """To the condition of the problem: against formulas for full rank, which need no projector."""
    n = min(shape)
    u, v = (np.linalg.qr(rng.normal(size=(k, n)))[0] for k in shape)
    s = np.geomspace(1, 1 / condition, n)
    weights = rng.normal(size=shape[::-1])
    y = (v / s) @ u.T
    beside_u, beside_v = np.eye(shape[0]) - u @ u.T, np.eye(shape[1]) - v @ v.T
    exact = -(y.T @ weights @ y.T)
    if shape[0] > n:
        exact += beside_u @ weights.T @ ((v / s**2) @ v.T)
    if shape[1] > n:
        exact += ((u / s**2) @ u.T) @ weights.T @ beside_v
    found = tg.grad(lambda a: tg.sum(tg.pinv(a) * weights))((u * s) @ v.T)
    error = np.max(np.abs(found - exact)) / np.max(np.abs(exact))
    assert error < 30 * condition * np.finfo(float).eps
    for a in (np.ones((2, 2)), np.zeros((2, 3))):  # also where the rank is not full
        assert np.isfinite(tg.grad(lambda a: tg.sum(tg.pinv(a)))(a)).all()
