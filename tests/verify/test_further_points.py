"""Further points have the properties of the given one."""

import numpy as np
import pytest

from tests.campaigns import chosen
from tinygrad_mlp.verify.further_points import PROPERTIES, moved, property_of

RNG = np.random.default_rng(0)
A = RNG.normal(size=(4, 4))

EXAMPLES = {
    "diagonal": [np.diag([1.5, 0.5, -2.0])],
    "lower triangular": [np.tril(A), np.linalg.cholesky(A @ A.T)],
    "upper triangular": [np.triu(A)],
    "orthogonal": [np.linalg.qr(A)[0], np.linalg.qr(A[:, :2])[0], np.linalg.qr(A[:, :2])[0].T],
    "symmetric and positive definite": [A @ A.T, np.corrcoef(RNG.normal(size=(3, 9)))],
    "symmetric": [A + A.T],
    "not negative with sums of 1": [
        np.array([0.2, 0.3, 0.5]), np.full(4, 0.25), np.eye(3)[[0, 2]],
        RNG.dirichlet(np.ones(3), 5), RNG.dirichlet(np.ones(3), 5).T,
        RNG.dirichlet(np.ones(12)).reshape(3, 4)],
    "of sum 1": [np.array([1.5, -0.75, 0.25]), A / A.sum(axis=1, keepdims=True)],
    "of norm 1": [np.array([0.6, -0.8]), A / np.linalg.norm(A, axis=1, keepdims=True),
                  A / np.linalg.norm(A)],
    "of whole numbers": [np.array([3.0, -1.0, 0.0]), np.array([2.0, 5.0, 1.0, 1.0])],
    "increasing": [np.array([-1.5, 0.25, 0.5, 3.0])],
    "between 0 and 1": [np.array(0.3), np.array([0.1, 0.9, 0.05])],
    "positive": [np.array(2.5), np.array([[0.5, 2.0], [3.5, 0.25]])],
    "negative": [np.array([-0.5, -2.0])],
    "not negative": [np.array([0.0, 2.5, 1.5])],
}
CASES = [(name, i) for name, arrays in EXAMPLES.items() for i in range(len(arrays))]


def test_every_property_has_an_example():
    assert set(EXAMPLES) == {known.name for known in PROPERTIES}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "i"), CASES)
def test_a_property_of_the_given_array_is_kept_at_further_points(name, i, dtype):
    array = EXAMPLES[name][i].astype(dtype)
    known = property_of(array)
    assert known is not None and known.name == name
    for seed in range(chosen(8, 200)):
        there = moved(array, 0.5 * 2 ** (seed % 6), np.random.default_rng(100 + seed))
        assert there.shape == array.shape and there.dtype == dtype
        assert known.holds(there), there
        assert not np.array_equal(there, array)


ORDINARY = {
    "normal numbers": A, "zeros": np.zeros((3, 3)), "an empty array": np.zeros((0, 2)),
    "a vector of both signs": np.array([0.5, -1.5]), "a number": np.array(-0.0),
    "not finite": np.array([np.inf, 1.0]),
}


@pytest.mark.parametrize("case", ORDINARY)
def test_an_ordinary_array_moves_freely(case):
    assert property_of(ORDINARY[case]) is None
    assert moved(ORDINARY[case], 0.5, RNG).shape == ORDINARY[case].shape


def test_a_free_move_leaves_the_property():
    there = moved(A + A.T, 0.5, RNG, freely=True)
    assert not np.allclose(there, there.T)
