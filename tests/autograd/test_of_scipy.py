"""Functions of SciPy give SciPy's numbers, and the gradients of finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg, signal, special

import tinygrad_mlp as tg
from tinygrad_mlp.errors import InvalidArgumentError, LinAlgError, ShapeError

SHAPES = [((5,), (3,)), ((4, 5), (2, 3)), ((3, 4, 2), (2, 2, 1))]


# -- sums of exponentials --------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [None, 0, (0, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_a_weighted_sum_of_exponentials_is_scipys(rng, axis, keepdims):
    a, b = rng.normal(size=(3, 4)), rng.uniform(size=4)
    b[0] = 0

    def f(a, b):
        return tg.logsumexp(a, axis, b, keepdims)

    expected = special.logsumexp(a, axis, b, keepdims)
    np.testing.assert_allclose(f(a, b), expected, rtol=1e-14)
    tg.verify.check_grad(f, a, b).assert_ok()


def test_weights_of_zero_hide_what_would_overflow():
    a, b = np.array([1.0, 2.0, 1e300, np.inf]), np.array([1.0, 1.0, 0.0, 0.0])
    value, gradient = tg.value_and_grad(lambda a: tg.logsumexp(a, b=b))(a)
    np.testing.assert_allclose(value, np.log(np.exp(1) + np.exp(2)), rtol=1e-14)
    np.testing.assert_allclose(gradient[:2], special.softmax([1.0, 2.0]), rtol=1e-14)
    assert (gradient[2:] == 0).all()


# -- convolution -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["full", "valid", "same"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_a_convolution_is_scipys(rng, shapes, mode):
    a, v = map(rng.normal, (0, 0), (1, 1), shapes)
    np.testing.assert_allclose(tg.convolve(a, v, mode), signal.convolve(a, v, mode), rtol=1e-13)
    tg.verify.check_grad(lambda a, v: tg.convolve(a, v, mode), a, v).assert_ok()


@pytest.mark.parametrize(("a", "v", "mode", "kind"), [
    (np.ones((2, 2)), np.ones(2), "full", ShapeError), (1.0, 1.0, "full", ShapeError),
    (np.ones((2, 3)), np.ones((3, 2)), "valid", ShapeError),
    (np.ones(0), np.ones(2), "full", ShapeError),
    (np.ones(2), np.ones(2), "circular", InvalidArgumentError)])
def test_a_convolution_that_does_not_fit_is_refused(a, v, mode, kind):
    with pytest.raises(kind, match=r"convolve\(\)"):
        tg.convolve(a, v, mode)


# -- Fourier transforms of real numbers ------------------------------------------------------------


@given(st.integers(1, 12), st.sampled_from([-1, 0]))
def test_real_and_imaginary_parts_are_numpys_and_go_back(n, axis):
    x = np.random.default_rng(n).normal(size=(n, 2) if axis == 0 else (2, n))
    real, imag = tg.rfft(x, axis)
    expected = np.fft.rfft(x, axis=axis)
    np.testing.assert_allclose(real + 1j * imag, expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(tg.irfft(real, imag, n, axis), x, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_the_gradient_of_a_spectrum_is_right(n, rng):
    def power(x):
        real, imag = tg.rfft(x)
        return real**2 + imag**2

    def filtered(x):
        real, imag = tg.rfft(x)
        return tg.irfft(real * tg.cos(real), imag**3, n) ** 2

    for f in (power, filtered):
        tg.verify.check_grad(f, rng.normal(size=n)).assert_ok()


@pytest.mark.parametrize("axes", [None, 0, (-1,)])
@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
def test_frequencies_are_moved_as_numpy_moves_them(name, axes, rng):
    x, theirs = rng.normal(size=(4, 5)), getattr(np.fft, name)
    np.testing.assert_array_equal(getattr(tg, name)(x, axes), theirs(x, axes))
    found = theirs(tg.Tensor(x, requires_grad=True), axes)
    np.testing.assert_array_equal(found.data, theirs(x, axes))
    tg.verify.check_grad(lambda x: theirs(x, axes) ** 2, x).assert_ok()


def test_a_transform_says_what_does_not_fit():
    with pytest.raises(ShapeError, match="4 frequencies along axis -1. Got shapes"):
        tg.irfft(np.ones(3), np.ones(3), 6)
    with pytest.raises(ShapeError, match="one shape"):
        tg.irfft(np.ones(3), np.ones(4))
    with pytest.raises(InvalidArgumentError, match="above 0. Got 2.5"):
        tg.irfft(np.ones(3), np.ones(3), 2.5)
    with pytest.raises(ShapeError, match="at least one number"):
        tg.rfft(np.ones((2, 0)))
    with pytest.raises(tg.errors.NotDifferentiableError, match=r"real, imag = tg.rfft\(x\)"):
        np.fft.rfft(tg.Tensor(np.ones(4)))


# -- equations of matrices -------------------------------------------------------------------------


def test_the_solution_and_the_root_are_scipys(rng):
    a, b = rng.normal(size=(4, 4)) + 4 * np.eye(4), rng.normal(size=(2, 2)) + 4 * np.eye(2)
    q = rng.normal(size=(4, 2))
    np.testing.assert_allclose(tg.solve_sylvester(a, b, q), linalg.solve_sylvester(a, b, q),
                               rtol=1e-12)
    np.testing.assert_allclose(tg.sqrtm(a), linalg.sqrtm(a), rtol=1e-12)
    tg.verify.check_grad(tg.solve_sylvester, a, b, q).assert_ok()
    tg.verify.check_grad(tg.sqrtm, a).assert_ok()


@given(st.integers(1, 5), st.integers(0, 4), st.integers(0, 4), st.integers(0, 99))
def test_a_banded_system_has_the_solution_and_the_gradients_of_the_whole_matrix(
        n, lower, upper, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(lower + upper + 1, n)), rng.normal(size=(n, 2))
    a[upper] += 8

    def whole(a):
        places = [(upper + i - j, j) for i, j in np.ndindex(n, n)]
        inside = np.array([0 <= row <= lower + upper for row, _ in places]).reshape(n, n)
        rows, columns = np.array(places).T.reshape(2, n, n)
        return tg.where(inside, a[np.clip(rows, 0, lower + upper), columns], 0.0)

    def found(a, b):
        return tg.sum(tg.solve_banded((lower, upper), a, b) ** 2)

    def expected(a, b):
        return tg.sum(tg.solve(whole(a), b) ** 2)

    np.testing.assert_allclose(found(a, b), expected(a, b))
    for one, two in zip(tg.grad(found, (0, 1))(a, b), tg.grad(expected, (0, 1))(a, b), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-12)


def test_places_of_a_banded_matrix_without_an_element_mean_nothing():
    a = np.array([[np.nan, 1.0, 1.0], [4.0, 4.0, 4.0], [1.0, 1.0, np.inf]])
    b = np.array([5.0, 6.0, 5.0])
    np.testing.assert_allclose(tg.solve_banded((1, 1), a, b), np.ones(3))
    gradient = tg.grad(lambda a: tg.sum(tg.solve_banded((1, 1), a, b)))(a)
    assert np.isfinite(gradient).all() and gradient[0, 0] == gradient[2, 2] == 0
    tg.verify.check_grad(lambda a, b: tg.grad(lambda b: tg.sum(
        tg.solve_banded((1, 1), a, b) ** 2))(b), np.nan_to_num(a, posinf=0), b).assert_ok()


def test_a_banded_system_that_does_not_fit_is_refused():
    a = np.ones((3, 4))
    with pytest.raises(ShapeError, match=r"diagonals of shape \(4, n\)"):
        tg.solve_banded((1, 2), a, np.ones(4))
    with pytest.raises(ShapeError, match=r"Got \(3, 4\) and \(3,\)"):
        tg.solve_banded((1, 1), a, np.ones(3))
    for numbers in ((1, -1), (True, 1), (1, 1.0), (1,), 1):
        with pytest.raises(InvalidArgumentError, match="two integers of at least 0"):
            tg.solve_banded(numbers, a, np.ones(4))
    for n in (1, 4):
        with pytest.raises(LinAlgError):
            tg.solve_banded((1, 1), np.zeros((3, n)), np.ones(n))


def test_the_sign_of_the_gamma_function_is_scipys():
    x = np.array([-3.5, -2.5, -0.5, 0.5, 3.0])
    np.testing.assert_array_equal(tg.gammasgn(x), special.gammasgn(x))
    np.testing.assert_array_equal(special.gammasgn(tg.Tensor(x)).data, special.gammasgn(x))


def test_matrices_without_a_real_answer_are_refused():
    with pytest.raises(LinAlgError, match="negative"):
        tg.sqrtm(-np.eye(2))
    with pytest.raises(LinAlgError, match="sum 0"), np.errstate(all="ignore"):
        tg.solve_sylvester(np.eye(2), -np.eye(2), np.ones((2, 2)))
    with pytest.raises(ShapeError, match="square"):
        tg.sqrtm(np.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"Got \(2, 2\), \(3, 3\) and \(3, 2\)"):
        tg.solve_sylvester(np.eye(2), np.eye(3), np.ones((3, 2)))


# -- slopes ----------------------------------------------------------------------------------------


def test_the_gradient_of_a_function_is_not_the_slope_of_samples():
    with pytest.raises(InvalidArgumentError, match=r"tg.grad\(f\)"):
        tg.gradient(np.tanh)
    with pytest.raises(ShapeError, match="at least 3 elements"):
        tg.gradient(tg.Tensor([1.0, 2.0]), edge_order=2)
    with pytest.raises(ShapeError, match="each of 3 elements"):
        tg.gradient([1.0, 2.0, 3.0], [0.0, 1.0])
    with pytest.raises(InvalidArgumentError, match="one for each of 2 axes. Got 3"):
        tg.gradient(np.ones((3, 3)), 1.0, 1.0, 1.0)
    with pytest.raises(InvalidArgumentError, match="edge_order 1 or 2. Got 3"):
        tg.gradient([1.0, 2.0, 3.0], edge_order=3)
