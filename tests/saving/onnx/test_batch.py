"""What follows the batch size is found from recordings at three of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_mlp.saving.onnx.batch import SIZES, Affine, Filled, Varies, in_terms_of_batch

small = st.integers(-4, 4)


@given(small, small)
def test_a_number_that_follows_the_batch_is_found(scale, offset):
    found = in_terms_of_batch([scale * n + offset for n in SIZES], SIZES)
    assert found == (Affine(scale, offset) if scale else offset)
    assert not scale or [found.at(n) for n in SIZES] == [scale * n + offset for n in SIZES]


@given(st.floats(-4, 4).filter(lambda a: abs(a) > 1e-3), st.floats(-4, 4))
def test_a_float_that_follows_the_batch_is_found(scale, offset):
    found = in_terms_of_batch([scale * n + offset for n in SIZES], SIZES)
    expected = [scale * n + offset for n in (1, 100)]
    np.testing.assert_allclose([found.at(n) for n in (1, 100)], expected, rtol=1e-9, atol=1e-9)


def test_containers_are_looked_into():
    values = [(slice(0, n), [n * 3, None, "text"]) for n in SIZES]
    assert in_terms_of_batch(values, SIZES) == (
        slice(0, Affine(1, 0)), [Affine(3, 0), None, "text"],
    )


def test_an_array_of_one_number_follows_the_batch_with_its_shape_or_its_number():
    ones = in_terms_of_batch([np.ones((n, 2), np.float32) for n in SIZES], SIZES)
    assert ones == Filled((Affine(1, 0), 2), 1.0, np.dtype(np.float32))
    sizes = in_terms_of_batch([np.full(2, float(n)) for n in SIZES], SIZES)
    assert sizes == Filled((2,), Affine(1.0, 0.0), np.dtype(float))


def test_equal_arrays_are_constants_nan_included():
    array = np.array([1.0, np.nan])
    assert in_terms_of_batch([array.copy() for _ in SIZES], SIZES) is not array
    np.testing.assert_array_equal(in_terms_of_batch([array, array.copy(), array], SIZES), array)


DIFFERENT = {
    "a half": [n // 2 for n in SIZES],
    "a square": [n**2 for n in SIZES],
    "an inverse": [1 / n for n in SIZES],
    "text": [str(n) for n in SIZES],
    "other lengths": [(1,) * n for n in SIZES],
    "other types": [1, 1.0, (1,)],
    "conditions": [True, False, True],
    "numbers of the samples": [np.arange(n) for n in SIZES],
    "other numbers": [np.array([0.0, n]) for n in SIZES],
    "other dtypes": [np.ones(n, t) for n, t in zip(SIZES, "fdf", strict=True)],
    "empty arrays": [np.ones((0, n)) for n in SIZES],
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_does_not_follow_the_batch_is_refused(name):
    with pytest.raises(Varies):
        in_terms_of_batch(DIFFERENT[name], SIZES)


def test_for_one_batch_size_nothing_may_differ():
    assert in_terms_of_batch([(3, 4), (3, 4)], (3, 3)) == (3, 4)
    with pytest.raises(Varies):
        in_terms_of_batch([1.0, 2.0], (3, 3))
