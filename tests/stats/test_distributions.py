"""Distributions: SciPy's numbers, and gradients that are the numerical ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import tinygrad_mlp as tg
from tinygrad_mlp.errors import NotDifferentiableError, ShapeError

SHAPES = {"norm": (), "t": (2.5,), "gamma": (1.7,), "chi2": (3.2,), "beta": (1.4, 2.3)}
UNIVARIATE = {
    "norm": ("logpdf", "pdf", "cdf", "logcdf", "sf", "logsf"),
    "t": ("logpdf", "pdf", "cdf", "logcdf"),
    "gamma": ("logpdf", "pdf", "cdf"),
    "chi2": ("logpdf", "pdf", "cdf"),
    "beta": ("logpdf", "pdf", "cdf")}
CASES = [(name, method) for name, methods in UNIVARIATE.items() for method in methods]
X = np.array([-1.5, 0.1, 0.4, 0.9, 1.3, 6.0])
SPD = np.array([[2.0, 0.3], [0.3, 1.0]])

one_number = pytest.mark.parametrize(("name", "method"), CASES)


def functions(name, method):
    return getattr(getattr(tg.stats, name), method), getattr(getattr(stats, name), method)


def test_the_tables_hold_every_function_of_every_distribution():
    several = {"multivariate_normal", "dirichlet", "poisson"}
    assert set(tg.stats.__all__) == UNIVARIATE.keys() | several
    for name, methods in UNIVARIATE.items():
        ours = {m for m in dir(getattr(tg.stats, name)) if not m.startswith("_")}
        assert ours == set(methods)


@one_number
@pytest.mark.parametrize("further", [(), (0.2,), (0.2, 1.7)], ids=str)
def test_a_function_of_one_number_has_scipys_values_on_and_off_the_support(name, method, further):
    ours, scipys = functions(name, method)
    given = (*SHAPES[name], *further)
    np.testing.assert_allclose(ours(X, *given), scipys(X, *given), rtol=1e-12, atol=1e-300)


@one_number
def test_its_gradients_are_the_numerical_ones(name, method):
    ours, _ = functions(name, method)
    shapes = SHAPES[name]
    x = np.array([0.3, 0.7])
    if method in ("cdf", "logcdf") and shapes:  # no rule for the shape parameters
        tg.verify.check_grad(lambda x, loc, scale: ours(x, *shapes, loc, scale), x, -0.1,
                             1.2).assert_ok()
        with pytest.raises(NotDifferentiableError):
            tg.grad(lambda a: tg.sum(ours(x, a, *shapes[1:])))(shapes[0])
    else:
        tg.verify.check_grad(ours, x, *shapes, -0.1, 1.2).assert_ok()


@pytest.mark.parametrize(("name", "shapes"), [("gamma", (1.7,)), ("beta", (1.4, 2.3))])
def test_the_gradient_off_the_support_is_zero_and_not_nan(name, shapes):
    f, _ = functions(name, "logpdf")
    g = tg.grad(lambda x: tg.sum(f(x, *shapes)))(np.array([-1.0, 0.5]))
    assert g[0] == 0 and np.isfinite(g[1])


@pytest.mark.parametrize("method", ["logpmf", "pmf", "cdf"])
def test_poisson_has_scipys_values_and_the_gradient_of_its_mean(method):
    ours, scipys = functions("poisson", method)
    k, mu = np.array([-1, 0, 1, 4]), np.array([0.3, 0.7, 2.0, 3.0])
    np.testing.assert_allclose(ours(k, mu), scipys(k, mu), rtol=1e-12)
    tg.verify.check_grad(lambda mu: ours(k[1:], mu), mu[1:]).assert_ok()
    halves = ours(np.array([0.5]), 2.0)
    np.testing.assert_allclose(halves, scipys(np.array([0.5]), 2.0), rtol=1e-12)


@pytest.mark.parametrize("method", ["logpdf", "pdf"])
@pytest.mark.parametrize(("mean", "cov"), [(0.0, 1.0), (np.array([0.5, -1.0]), SPD)], ids=str)
def test_the_normal_distribution_of_vectors_has_scipys_values(method, mean, cov):
    ours, scipys = functions("multivariate_normal", method)
    x = np.random.default_rng(0).normal(size=(3, 2))
    expected = scipys(x, np.broadcast_to(mean, 2), cov)
    np.testing.assert_allclose(ours(x, mean, cov), expected, rtol=1e-12)
    np.testing.assert_allclose(ours(x[0], mean, cov), expected[0], rtol=1e-12)


def test_its_gradients_and_its_entropy_are_right():
    ours = tg.stats.multivariate_normal
    x, mean = np.random.default_rng(0).normal(size=(3, 2)), np.array([0.5, -1.0])

    def of_symmetric(x, mean, half):
        return ours.logpdf(x, mean, half @ half.T)

    tg.verify.check_grad(of_symmetric, x, mean, np.linalg.cholesky(SPD)).assert_ok()
    expected = stats.multivariate_normal.entropy(mean, SPD)
    np.testing.assert_allclose(ours.entropy(mean, SPD), expected, rtol=1e-12)
    with pytest.raises(ShapeError, match=r"\(2, 2\) for vectors of length 2. Got \(3, 3\)"):
        ours.logpdf(x, mean, np.eye(3))


def test_a_singular_covariance_is_allowed_where_asked_for():
    ours, scipys = functions("multivariate_normal", "logpdf")
    cov = np.diag([1.0, 0.5, 0.0]) + np.diag([0.2, 0.0], 1) + np.diag([0.2, 0.0], -1)
    x, mean = np.array([0.3, -0.4, 0.0]), np.array([0.1, 0.2, 0.0])
    expected = scipys(x, mean, cov, allow_singular=True)
    np.testing.assert_allclose(ours(x, mean, cov, allow_singular=True), expected, rtol=1e-12)
    np.testing.assert_allclose(ours(x, mean, SPD[0, 0] * np.eye(3), True),
                               ours(x, mean, SPD[0, 0] * np.eye(3)), rtol=1e-12)

    def f(x, mean, half):
        return ours(x * [1, 1, 0], mean * [1, 1, 0], half @ half.T, allow_singular=True)

    half = np.linalg.cholesky(SPD)
    tg.verify.check_grad(f, x, mean, np.vstack([half, np.zeros((1, 2))])[:, :2]).assert_ok()


def test_dirichlets_distribution_has_scipys_values_and_right_gradients():
    x, alpha = np.array([0.2, 0.3, 0.5]), np.array([1.5, 0.7, 2.0])
    for method in ("logpdf", "pdf"):
        ours, scipys = functions("dirichlet", method)
        np.testing.assert_allclose(ours(x, alpha), scipys(x, alpha), rtol=1e-12)
        tg.verify.check_grad(ours, x, alpha).assert_ok()
    with pytest.raises(ShapeError, match="as many entries"):
        tg.stats.dirichlet.logpdf(x, alpha[:2])
