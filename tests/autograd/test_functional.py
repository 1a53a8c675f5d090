"""The functional transforms: what goes in and what comes out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp.errors import DTypeError

numbers = st.floats(-2, 2).map(lambda x: round(x, 6))
seeds = st.integers(0, 2**32 - 1)


class Layer(NamedTuple):
    weight: object
    bias: object


def smooth(x):
    """A function of any array with one number as result and a full Hessian."""
    return tg.sum(tg.tanh(x)) ** 2 + tg.logsumexp(x * x) + tg.sum(tg.sin(x) * x)


# -- values and gradients --------------------------------------------------------------------------


@given(numbers)
def test_derivatives_of_a_cubic(x):
    def f(x):
        return x**3 - 2 * x

    value, slope = tg.value_and_grad(f)(x)
    np.testing.assert_allclose(value, x**3 - 2 * x, atol=1e-15)
    np.testing.assert_allclose(slope, 3 * x**2 - 2, atol=1e-14)
    np.testing.assert_allclose(tg.grad(tg.grad(f))(x), 6 * x, atol=1e-14)
    np.testing.assert_allclose(tg.grad(tg.grad(tg.grad(f)))(x), 6, atol=1e-14)


def test_argnums_chooses_the_arguments():
    def f(a, b, c=1.0):
        return a * b**2 * c

    assert tg.grad(f)(2.0, 3.0) == 9
    assert tg.grad(f, 1)(2.0, 3.0) == 12
    assert tg.grad(f, -1)(2.0, 3.0) == 12
    assert tg.grad(f, np.int64(1))(2.0, 3.0, c=2.0) == 24
    assert tg.grad(f, (1, 0))(2.0, 3.0) == (12, 9)
    assert tg.grad(f, [0])(2.0, 3.0) == (9,)


def test_arguments_that_are_not_chosen_may_be_anything():
    def f(x, axis, names):
        return (x * len(names)).sum(axis=axis)

    np.testing.assert_array_equal(tg.grad(f)(np.ones(2), 0, ["a", "b", "c"]), [3.0, 3.0])


def test_arrays_in_arrays_out_and_numbers_too():
    for x in (2.0, 2, np.float32(2), np.array(2.0), np.ones((2, 3), np.float32), tg.Tensor([1.0])):
        value, gradient = tg.value_and_grad(lambda x: (x * x).sum())(x)
        assert type(value) is type(gradient) is np.ndarray
        assert gradient.shape == np.shape(x.data if isinstance(x, tg.Tensor) else x)
        assert gradient.dtype == (np.float32 if getattr(x, "dtype", None) == np.float32 else float)


def test_tensors_that_require_gradients_give_tensors_with_history():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    value, gradient = tg.value_and_grad(lambda x: (x**3).sum())(x)
    assert type(value) is type(gradient) is tg.Tensor
    (value + gradient.sum()).backward()
    np.testing.assert_array_equal(x.grad, 3 * x.data**2 + 6 * x.data)


def test_a_function_that_ignores_its_argument_has_gradient_zero():
    for f in (lambda x: 3.0, lambda x: tg.sum(np.ones(3)), lambda x: tg.Tensor(2.0)):
        np.testing.assert_array_equal(tg.grad(f)(np.ones((2, 3))), np.zeros((2, 3)))


def test_a_closure_over_a_tracked_tensor_leaves_it_alone():
    w = tg.Tensor([2.0, 3.0], requires_grad=True)
    hidden = tg.tanh(w)
    tg.grad(lambda x: (x * hidden).sum())(np.ones(2))
    assert w.grad is None
    hidden.sum().backward()  # and its graph is not released
    np.testing.assert_allclose(w.grad, 1 - np.tanh(w.data) ** 2)


# -- nested arguments ------------------------------------------------------------------------------

TREES = {
    "list": [np.ones(2), np.ones((2, 2))],
    "tuple": (np.ones(2), [np.ones(1), 3.0]),
    "dict": {"w": np.ones((2, 2)), "b": {"inner": np.ones(2)}},
    "named tuple": Layer(np.ones((2, 2)), np.ones(2)),
    "empty parts": [np.ones(2), [], {}, ()],
}


def norm(tree):
    """½ Σ of all squares, whose gradient is the tree itself and whose Hessian is 1."""
    if isinstance(tree, dict):
        return sum((norm(branch) for branch in tree.values()), 0.0)
    if isinstance(tree, (list, tuple)):
        return sum((norm(branch) for branch in tree), 0.0)
    return tg.sum(tree * tree) / 2


def same(a, b):
    assert type(a) is type(b) or isinstance(b, float)
    if isinstance(a, dict):
        assert list(a) == list(b)
        a, b = list(a.values()), list(b.values())
    if isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_gradients_have_the_structure_of_the_argument(tree):
    same(tg.grad(norm)(tree), tree)
    same(tg.hvp(norm, tree, tree), tree)
    out, pullback = tg.vjp(norm, tree)
    same(pullback(np.ones_like(out))[0], tree)
    _, along = tg.jvp(norm, (tree,), (tree,))
    np.testing.assert_allclose(along, 2 * out)


def test_outputs_may_be_nested_too():
    def f(x):
        return {"square": x * x, "both": (x, [3 * x])}

    x, u = np.array([1.0, 2.0]), np.array([1.0, -1.0])
    out, pullback = tg.vjp(f, x)
    np.testing.assert_array_equal(out["square"], x * x)
    (g,) = pullback({"square": u, "both": (u, [u])})
    np.testing.assert_array_equal(g, 2 * x * u + u + 3 * u)
    _, along = tg.jvp(f, (x,), (u,))
    np.testing.assert_array_equal(along["both"][1][0], 3 * u)


def test_dicts_are_matched_by_key_and_not_by_order():
    def f(p):
        return tg.sum(p["a"] ** 2) + tg.sum(p["b"] ** 3)

    point = {"a": np.ones(2), "b": np.ones(2)}
    product = tg.hvp(f, point, {"b": np.zeros(2), "a": np.ones(2)})
    np.testing.assert_array_equal(product["a"], [2.0, 2.0])
    np.testing.assert_array_equal(product["b"], [0.0, 0.0])


# -- products with the Jacobian --------------------------------------------------------------------


@given(seeds)
def test_the_jacobian_of_a_linear_map_is_its_matrix(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(0, 5, size=2)
    A = rng.normal(size=(m, n))
    np.testing.assert_array_equal(tg.jacobian(lambda x: A @ x)(rng.normal(size=n)), A)


def test_the_jacobian_has_the_shape_of_the_output_and_then_of_the_argument(rng):
    X = rng.normal(size=(2, 3))
    J = tg.jacobian(lambda X: X.T * 2)(X)
    assert J.shape == (3, 2, 2, 3)
    expected = 2 * np.einsum("ik,jl->ijlk", np.eye(3), np.eye(2))
    np.testing.assert_array_equal(J, expected)
    assert tg.jacobian(lambda x: x * 2)(3.0).shape == ()
    assert tg.jacobian(lambda a, b: a * b, 1)(np.ones(2), np.ones(2)).shape == (2, 2)


@given(seeds)
def test_vjp_and_jvp_are_the_rows_and_columns_of_the_jacobian(seed):
    rng = np.random.default_rng(seed)
    x, v, u = rng.normal(size=3), rng.normal(size=3), rng.normal(size=2)
    A = rng.normal(size=(2, 3))

    def f(x):
        return tg.tanh(A @ (x * x))

    J = tg.jacobian(f)(x)
    out, pullback = tg.vjp(f, x)
    np.testing.assert_array_equal(out, f(x))
    np.testing.assert_allclose(pullback(u)[0], u @ J, atol=1e-14)
    np.testing.assert_allclose(tg.jvp(f, (x,), (v,))[1], J @ v, atol=1e-14)


def test_a_pullback_can_be_used_again():
    _, pullback = tg.vjp(tg.tanh, np.array([0.5]))
    first, second = pullback(np.ones(1)), pullback(np.ones(1))
    np.testing.assert_array_equal(first, second)


@given(seeds)
def test_the_hessian_is_symmetric_and_its_products_are_hvp(seed):
    rng = np.random.default_rng(seed)
    x, v = rng.normal(size=(2, 4))
    H = tg.hessian(smooth)(x)
    np.testing.assert_allclose(H, H.T, atol=1e-12)
    np.testing.assert_allclose(tg.hvp(smooth, x, v), H @ v, atol=1e-12)


@given(seeds)
def test_the_hessian_of_a_quadratic_form_is_its_matrix(seed):
    A = np.random.default_rng(seed).normal(size=(3, 3))
    H = tg.hessian(lambda x: x @ (A @ x) / 2)(np.ones(3))
    np.testing.assert_allclose(H, (A + A.T) / 2, atol=1e-15)


def test_third_derivatives_as_the_jacobian_of_the_hessian():
    T = tg.jacobian(tg.hessian(lambda x: tg.sum(x**4)))(np.array([1.0, 2.0]))
    assert T.shape == (2, 2, 2)
    np.testing.assert_allclose(T[0, 0, 0], 24)
    np.testing.assert_allclose(T[1, 1, 1], 48)
    assert np.count_nonzero(T) == 2


# -- kinds of numbers ------------------------------------------------------------------------------

POINT = np.array([1.0, 2.0])


def pulled_back(v):
    x = tg.Tensor(POINT, requires_grad=True)
    tg.square(x).backward(v)
    return x.grad


OF_ANOTHER_KIND = {
    "whole": np.array([1, 0]), "boolean": np.array([True, False]), "unsigned": np.uint8([1, 0]),
    "complex": np.array([1j, 0]),
}
OF_DIRECTIONS = {
    "backward": lambda v: pulled_back(v),
    "jvp": lambda v: tg.jvp(tg.square, (POINT,), (v,)),
    "vjp": lambda v: tg.vjp(tg.square, POINT)[1](v),
    "hvp": lambda v: tg.hvp(lambda x: tg.sum(x**3), POINT, v),
}


@pytest.mark.parametrize("kind", OF_ANOTHER_KIND)
@pytest.mark.parametrize("name", OF_DIRECTIONS)
def test_a_direction_of_another_kind_is_refused_and_not_cast(name, kind):
    v = OF_ANOTHER_KIND[kind]
    with pytest.raises(DTypeError, match=rf"{name}\(\) expects a .*floating-point.*{v.dtype}"):
        OF_DIRECTIONS[name](v)


@pytest.mark.parametrize("name", OF_DIRECTIONS)
def test_a_direction_of_another_precision_is_taken(name):
    for v in (np.float32([1, 0.5]), np.float64([1, 0.5])):
        exact = OF_DIRECTIONS[name](np.array([1, 0.5]))
        np.testing.assert_array_equal(OF_DIRECTIONS[name](v), exact)


PIECEWISE_CONSTANT = {
    "boolean": lambda x: x[0] > 0, "whole": lambda x: np.argmax(x), "a whole number": lambda x: 3,
    "a truth": lambda x: True, "a whole tensor": lambda x: x[0].astype(int),
}
OF_FUNCTIONS = {
    "grad": lambda f: tg.grad(f)(POINT), "value_and_grad": lambda f: tg.value_and_grad(f)(POINT),
    "vjp": lambda f: tg.vjp(f, POINT), "jvp": lambda f: tg.jvp(f, (POINT,), (POINT,)),
    "jacobian": lambda f: tg.jacobian(f)(POINT), "hessian": lambda f: tg.hessian(f)(POINT),
    "hvp": lambda f: tg.hvp(f, POINT, POINT),
}


@pytest.mark.parametrize("kind", PIECEWISE_CONSTANT)
@pytest.mark.parametrize("name", OF_FUNCTIONS)
def test_what_is_no_floating_point_number_has_no_derivative(name, kind):
    with pytest.raises(DTypeError, match="floating-point"):
        OF_FUNCTIONS[name](PIECEWISE_CONSTANT[kind])
