"""The checkers are checked: a wrong gradient must not pass them, a right one must."""

from __future__ import annotations

import numpy as np
import pytest

X = np.array([[0.3, -1.2], [2.0, 0.7]])
FUNCTIONS = {
    "analytic": (lambda x: np.sum(np.sin(x) * x), np.sin(X) + X * np.cos(X)),
    "not analytic": (lambda x: np.sum(np.abs(x) ** 3), 3 * X * np.abs(X)),
    "not for complex numbers": (lambda x: np.sum(np.logaddexp(x, 0)), 1 / (1 + np.exp(-X))),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_right_gradient_passes(name, assert_derivative, numeric_gradient):
    f, gradient = FUNCTIONS[name]
    assert_derivative(gradient, f, X)
    np.testing.assert_allclose(numeric_gradient(f, X), gradient, rtol=1e-9)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda g: g * 1.0005,
        lambda g: g + 1e-6,
        lambda g: -g,
        lambda g: g.T,
        lambda g: g[0],
        lambda g: np.where(g == g[1, 1], 0, g),
        lambda g: g.astype(np.float32),
        lambda g: np.full_like(g, np.nan),
    ],
)
def test_a_wrong_gradient_fails(name, spoil, assert_derivative):
    f, gradient = FUNCTIONS[name]
    with pytest.raises(AssertionError):
        assert_derivative(spoil(gradient), f, X)
