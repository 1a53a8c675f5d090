"""autograd's names: the same calls of both libraries give the same numbers."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.autograd.pytree import leaves, leaves_like
from tinygrad_mlp.compat import autograd as ours
from tinygrad_mlp.compat.autograd import numpy as our_numpy
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

RNG = np.random.default_rng(0)
X, V, A = RNG.normal(size=3), RNG.normal(size=3), RNG.normal(size=(3, 3))


def vector(np):
    return lambda x, k=2.0: np.sin(k * x) * x[0]


def scalar(np):
    return lambda x, k=2.0: np.sum(np.tanh(np.dot(A, x) * k) ** 2)


def with_named(np):
    return lambda a, b, c=0.5: np.sum(a * np.cos(b)) * c


OPERATORS = {
    "grad": lambda ag, np: ag.grad(scalar(np))(X),
    "grad, argnum": lambda ag, np: ag.grad(scalar(np), 1)(X, 1.5),
    "grad, several": lambda ag, np: ag.grad(scalar(np), argnum=(0, 1))(X, 1.5),
    "value_and_grad": lambda ag, np: ag.value_and_grad(scalar(np))(X),
    "elementwise_grad": lambda ag, np: ag.elementwise_grad(np.tanh)(X),
    "deriv": lambda ag, np: ag.deriv(np.tanh)(0.3),
    "jacobian": lambda ag, np: ag.jacobian(vector(np), argnum=0)(X, k=1.5),
    "hessian": lambda ag, np: ag.hessian(scalar(np))(X),
    "make_vjp": lambda ag, np: (lambda pull, y: (pull(V), y))(*ag.make_vjp(vector(np))(X)),
    "make_vjp, several": lambda ag, np: ag.make_vjp(vector(np), argnum=(0, 1))(X, 1.5)[0](V),
    "make_jvp": lambda ag, np: ag.make_jvp(vector(np))(X)(V),
    "make_hvp": lambda ag, np: ag.make_hvp(scalar(np))(X)[0](V),
    "hessian_vector_product": lambda ag, np: ag.hessian_vector_product(scalar(np))(X, V),
    "hessian_tensor_product": lambda ag, np: ag.hessian_tensor_product(scalar(np))(X, 1.5, V),
    "vector_jacobian_product": lambda ag, np: ag.vector_jacobian_product(vector(np))(X, V),
    "tensor_jacobian_product": lambda ag, np: ag.tensor_jacobian_product(
        lambda x: np.outer(x, x**2))(X, V),
    "make_ggnvp": lambda ag, np: ag.make_ggnvp(vector(np))(X)(V),
    "make_ggnvp, g": lambda ag, np: ag.make_ggnvp(
        vector(np), lambda y: np.sum(np.exp(y)))(X)(V),
    "grad_and_aux": lambda ag, np: ag.grad_and_aux(lambda x: (np.sum(x**2), np.sin(x)))(X),
    "grad_named": lambda ag, np: ag.grad_named(with_named(np), "b")(X, V),
    "checkpoint": lambda ag, np: ag.grad(lambda x: np.sum(ag.checkpoint(vector(np))(x)))(X)}

MISC = {
    "flatten": lambda lib, np: lib("misc").flatten([X, {"a": A, "b": (2.0,)}])[0],
    "unflatten": lambda lib, np: lib("misc").flatten([X, {"a": A}])[1](np.arange(12.0)),
    "sgd": lambda lib, np: lib("misc.optimizers").sgd(
        lambda x, i: [2 * x[0], x[1]], [X, V], num_iters=9),
    "adam": lambda lib, np: lib("misc.optimizers").adam(
        lambda x, i: {"w": 2 * x["w"] + i}, {"w": X}, num_iters=9, step_size=0.1),
    "rmsprop": lambda lib, np: lib("misc.optimizers").rmsprop(
        lambda x, i: 2 * x, X, num_iters=9, step_size=0.1),
    "fixed_point": lambda lib, np: lib("misc.fixed_points").fixed_point(
        lambda a: lambda x: (x + a / x) / 2, 4.0, 1.0, lambda x, y: abs(x - y), 1e-10),
    "logsumexp": lambda lib, np: lib("scipy.special").logsumexp(A, 0, V**2, True),
    "gammaln": lambda lib, np: lib("scipy.special").gammaln(X**2),
    "polygamma": lambda lib, np: lib("scipy.special").polygamma(1, X**2),
    "norm": lambda lib, np: lib("scipy.stats").norm.logpdf(X, V, 2.0),
    "solve_triangular": lambda lib, np: lib("scipy.linalg").solve_triangular(
        A, X, trans="T", lower=True),
    "sqrtm": lambda lib, np: lib("scipy.linalg").sqrtm(A @ A.T + np.eye(3)),
    "odeint": lambda lib, np: lib("scipy.integrate").odeint(
        lambda y, t: -y, X, np.array([0.0, 1.0]), rtol=1e-9, atol=1e-9),
    "solve_banded": lambda lib, np: lib("scipy.linalg").solve_banded((1, 1), A + 3, X),
    "gammasgn": lambda lib, np: lib("scipy.special").gammasgn(X),
    "convolve": lambda lib, np: lib("scipy.signal").convolve(A, A[:2], mode="valid")}


def assert_same(found, expected):
    for a, b in zip(leaves_like(expected, found), leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12)
        assert not isinstance(a, tg.Tensor)


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_is_autograds(name):
    theirs = pytest.importorskip("autograd")
    import autograd.numpy as their_numpy

    expected = OPERATORS[name](theirs, their_numpy)
    expected = dict(expected) if isinstance(expected, dict) else expected
    assert_same(OPERATORS[name](ours, our_numpy), expected)


def test_every_operator_is_in_the_table():
    named = {name.partition(",")[0] for name in OPERATORS}
    assert set(ours.__all__) == named | {"multigrad_dict"}


def test_all_gradients_are_found_by_name():  # (autograd's own needs a package of Python 2)
    found = ours.multigrad_dict(with_named(np))(X, V, c=1.5)
    expected = tg.grad(with_named(np), (0, 1, 2))(X, V, 1.5)
    assert list(found) == ["a", "b", "c"]
    assert_same(list(found.values()), list(expected))


@pytest.mark.parametrize("name", MISC)
def test_a_function_is_autograds(name):
    pytest.importorskip("autograd")

    def both(root):
        return lambda module: importlib.import_module(f"{root}.{module}")

    expected = MISC[name](both("autograd"), np)
    assert_same(MISC[name](both("tinygrad_mlp.compat.autograd"), np), expected)


@pytest.mark.parametrize("mode", ["full", "valid", "same"])
@pytest.mark.parametrize("shapes, axes, dot_axes", [
    ([(4, 3), (3, 2)], ([0], [1]), ((), ())), ([(4, 3), (3, 2)], ([1, 0], [1, 0]), ((), ())),
    ([(4, 5), (3,)], ([1], [0]), ((), ())), ([(3, 3, 2), (3, 2, 3)], ([1], [1]), ([0], [2])),
    ([(2, 5, 4, 3), (2, 4, 2, 3, 2)], ([1, 2], [2, 4]), ([0, 3], [0, 3])),
    ([(3, 5), (3, 4)], ([], []), ([0], [0])), ([(2, 3), (2, 2)], ([-1], [-1]), ([0], [-2]))])
def test_a_convolution_over_some_axes_is_autograds(shapes, axes, dot_axes, mode, rng):
    theirs = pytest.importorskip("autograd.scipy.signal")
    from tinygrad_mlp.compat.autograd.scipy.signal import convolve

    def from_the_start(axes):  # from the end, autograd reads beyond the arrays
        return [[i % len(shape) for i in own] for own, shape in zip(axes, shapes, strict=True)]

    a, b = (rng.normal(size=shape) for shape in shapes)
    arguments = {"axes": axes, "dot_axes": dot_axes, "mode": mode}
    expected = theirs.convolve(
        a, b, axes=from_the_start(axes), dot_axes=from_the_start(dot_axes), mode=mode)
    np.testing.assert_allclose(convolve(a, b, **arguments), expected, atol=1e-12)
    tg.verify.check_grad(lambda a, b: convolve(a, b, **arguments), a, b).assert_ok()


def test_a_convolution_says_what_does_not_fit():
    from tinygrad_mlp.compat.autograd.scipy.signal import convolve

    with pytest.raises(InvalidArgumentError, match="expects axes, too"):
        convolve(A, A, dot_axes=([0], [0]))
    with pytest.raises(InvalidArgumentError, match="as many axes of A as of B"):
        convolve(A, A, axes=([0, 1], [0]))
    with pytest.raises(InvalidArgumentError, match="Got 'half'"):
        convolve(A, A, axes=([0], [0]), mode="half")
    with pytest.raises(ShapeError, match="at least as large"):
        convolve(np.ones((2, 3)), np.ones((3, 2)), axes=([0, 1], [0, 1]), mode="valid")


def test_a_callback_sees_every_step():
    from tinygrad_mlp.compat.autograd.misc.optimizers import sgd

    seen = []
    sgd(lambda x, i: 2 * x, X, lambda x, i, g: seen.append((i, g)), num_iters=3)
    assert [i for i, _ in seen] == [0, 1, 2]
    np.testing.assert_array_equal(seen[0][1], 2 * X)


def test_gradients_are_checked_in_both_modes():
    from tinygrad_mlp.compat.autograd.test_util import check_grads, combo_check

    check_grads(scalar(np), (0, 1))(X, 1.5)
    combo_check(lambda x, axis: np.sum(np.sin(x), axis=axis), [0])([A, 2 * A], axis=[0, None])
    wrong = tg.op(rules={"x": lambda g, y, x: 3 * g * x}, name="wrong", register=False)(
        lambda x: x * x)
    for modes in (["rev"], ["fwd"]):
        with pytest.raises(AssertionError, match="numbers say"):
            check_grads(wrong, modes=modes)(X)


def test_what_only_scipy_has_is_reached():
    from tinygrad_mlp.compat.autograd.scipy import special, stats

    assert stats.norm.rvs(size=3, random_state=0).shape == (3,)
    assert special.comb(5, 2) == 10
