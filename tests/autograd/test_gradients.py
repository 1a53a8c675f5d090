"""Gradient rules in the transforms, under broadcasting, and at edges.

Against numbers, to second order, `check_op` holds every one (tests/verify/test_check_op.py).
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import tinygrad_mlp as tg
from tests.every_sample import every_sample


def differentiable(case):
    """The positions of the arguments that have a rule and floats to differentiate."""
    return [i for i in case.floats if case.op.rule(i) is not None]


def with_floats(case, arrays):
    """The case's arguments with the differentiable ones replaced."""
    args = list(case.args)
    for i, a in zip(differentiable(case), arrays, strict=True):
        args[i] = a
    return args


def point(case):
    return [case.args[i] for i in differentiable(case)]


def bent(case):
    """A function of the differentiable arguments with one number as result, and curved in it.

    Without the sine the rule of a linear operation would not be asked for a second derivative.
    """
    out = case.op(*case.args, **case.static)
    weights = np.random.default_rng(3).normal(size=np.shape(out))

    def f(*arrays):
        return tg.sum(weights * tg.sin(case.op(*with_floats(case, arrays), **case.static)))

    return f


def dot(xs, ys):
    return sum(tg.sum(x * y) for x, y in zip(xs, ys, strict=True))


def direction(case):
    rng = np.random.default_rng(4)
    return [rng.normal(size=a.shape) for a in point(case)]


@every_sample
def test_hessian_vector_products_and_forward_derivatives_agree_with_the_gradients(smooth):
    f, xs, v = bent(smooth), point(smooth), direction(smooth)
    out, along = tg.jvp(f, xs, v)
    gradient = tg.grad(f, tuple(range(len(xs))))(*xs)
    np.testing.assert_allclose(along, dot(gradient, v), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(out, f(*xs), rtol=1e-14)

    def of_list(arrays):
        return f(*arrays)

    def slope(arrays):
        return dot(tg.grad(of_list)(arrays), v)

    product, expected = tg.hvp(of_list, xs, v), tg.grad(slope)(xs)
    for g, true in zip(product, expected, strict=True):
        np.testing.assert_allclose(g, true, rtol=1e-10, atol=1e-11)


@every_sample
def test_second_derivatives_of_float32_are_float32(smooth):
    f = bent(smooth)
    xs = [x.astype(np.float32) for x in point(smooth)]
    for x, g in zip(xs, tg.hvp(lambda arrays: f(*arrays), xs, xs), strict=True):
        assert g.dtype == np.float32 and g.shape == x.shape


# -- broadcasting ----------------------------------------------------------------------------------

BROADCASTING = [
    op for op in tg.OPS.values()
    if len(op.arrays) > 1 and (op.record.samples is None or op.name == "where")
]


def naive_sum_to(g, shape):
    """The sum over the copies that broadcasting made, one axis at a time."""
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for axis, n in enumerate(shape):
        if n == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g


@pytest.mark.parametrize("op", BROADCASTING, ids=[op.name for op in BROADCASTING])
@given(data=st.data())
def test_broadcasting_sums_the_gradients_of_the_copies(op, data):
    shapes, full = data.draw(
        mutually_broadcastable_shapes(num_shapes=len(op.arrays), max_dims=4, max_side=3, min_side=0)
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    arrays = [
        rng.uniform(*op.record.domain.get(name, (-2, 2)), size=shape)
        for name, shape in zip(op.arrays, shapes, strict=True)
    ]
    if op.name == "where":
        arrays[0] = arrays[0] > 0
    weights = rng.normal(size=full)

    def evaluate(arrays):
        leaves = [
            tg.Tensor(a, requires_grad=a.dtype.kind == "f" and (rule is not None or
                                                                op.nondifferentiable))
            for a, rule in zip(arrays, op.rules, strict=True)]
        out = op(*leaves)
        if not op.nondifferentiable:
            out.backward(weights)
        return out if op.nondifferentiable else out.data, [leaf.grad for leaf in leaves]

    out, found = evaluate(arrays)
    out_of_copies, expected = evaluate([np.array(np.broadcast_to(a, full)) for a in arrays])
    np.testing.assert_array_equal(out, out_of_copies)
    for a, g, copies in zip(arrays, found, expected, strict=True):
        if g is None:
            assert copies is None
        else:
            assert g.shape == a.shape
            np.testing.assert_allclose(g, naive_sum_to(copies, a.shape), rtol=1e-10, atol=1e-12)


# -- where a derivative does not exist, or is easy to get wrong ------------------------------------

EDGES = {
    "abs at 0 is flat": (tg.abs, [0.0], [0.0]),
    "relu at 0 is flat": (tg.relu, [0.0], [0.0]),
    "leaky relu at 0 is the left side": (tg.leaky_relu, [0.0], [0.01]),
    "sign is flat": (tg.sign, [-2.0, 0.0, 3.0], [0, 0, 0]),
    "rounding is flat": (lambda x: tg.floor(x) + tg.rint(x) + tg.round(x, 1), [0.3, 1.0], [0, 0]),
    "heaviside at 0 is its second argument": (lambda x: tg.heaviside(0.0, x), [0.5], [1]),
    "mod repeats": (lambda x: tg.mod(x, 2.0), [-1.0, 0.0, 5.0], [1, 1, 1]),
    "the divisor of mod": (lambda x: tg.mod(7.0, x), [2.0, -2.0], [-3, 4]),
    "the divisor of fmod": (lambda x: tg.fmod(-7.0, x), [2.0, 0.7], [3, 10]),
    "fmax passes over NaN": (lambda x: tg.fmax(x, [np.nan, 2.0, 1.0]), [1.0] * 3, [1, 0, 0.5]),
    "fmin passes over NaN": (lambda x: tg.fmin([np.nan, 2.0, 1.0], x), [1.0] * 3, [1, 1, 0.5]),
    "what replaces NaN is constant": (tg.nan_to_num, [1.0, np.nan, np.inf], [1, 0, 0]),
    "hypot at 0 is flat": (lambda x: tg.hypot(x, 0.0), [0.0, -2.0], [0, -1]),
    "hypot of large numbers": (lambda x: tg.hypot(x, 3e200), [4e200], [0.8]),
    "arctan2 of large numbers": (lambda x: tg.arctan2(x, 4e200) * 1e200, [3e200], [0.16]),
    "arcsinh of large numbers": (lambda x: tg.arcsinh(x) * 1e200, [1e200], [1]),
    "sinc at 0 is flat": (tg.sinc, [0.0], [0]),
    "xlogy beside log 0": (lambda x: tg.xlogy(0.0, x), [0.0, 2.0], [0, 0]),
    "logaddexp does not overflow": (lambda x: tg.logaddexp(x, 1e4), [1e4, 0.0], [0.5, 0]),
    "cbrt of a negative number": (tg.cbrt, [-8.0], [1 / 12]),
    "equal arguments of maximum share": (lambda x: tg.maximum(x, 1.0), [1.0], [0.5]),
    "equal arguments of minimum share": (lambda x: tg.minimum(1.0, x), [1.0], [0.5]),
    "maximum of x and x is x": (lambda x: tg.maximum(x, x), [1.0], [1.0]),
    "ties of max share": (tg.max, [1.0, 3.0, 3.0], [0, 0.5, 0.5]),
    "ties of min share": (tg.min, [1.0, 1.0, 1.0], [1 / 3] * 3),
    "ties of the median share": (tg.median, [1.0, 2.0, 2.0, 3.0], [0, 0.5, 0.5, 0]),
    "the two in the middle": (tg.median, [1.0, 5.0, 3.0, 0.0], [0.5, 0, 0.5, 0]),
    "ties of sort share": (lambda x: tg.sort(x)[-1], [3.0, 1.0, 3.0], [0.5, 0, 0.5]),
    "ties of partition share": (lambda x: tg.partition(x, 0)[0], [1.0, 1.0, 2.0], [0.5, 0.5, 0]),
    "spread of equal numbers": (tg.std, [2.0, 2.0], [0, 0]),
    "product with a zero": (tg.prod, [0.0, 2.0, 3.0], [6, 0, 0]),
    "product with two zeros": (tg.prod, [0.0, 2.0, 0.0], [0, 0, 0]),
    "running product with a zero": (tg.cumprod, [2.0, 0.0, 3.0], [1, 8, 0]),
    "clip at its bounds passes": (lambda x: tg.clip(x, 0, 1), [-1.0, 0.0, 1.0, 2.0], [0, 1, 1, 0]),
    "clip with one bound": (lambda x: tg.clip(x, a_max=1.0), [0.0, 2.0], [1, 0]),
    "x ** 0 is constant": (lambda x: x**0, [0.0, 2.0], [0, 0]),
    "x ** 1 at 0": (lambda x: x**1.0, [0.0], [1]),
    "x ** 2 at 0": (lambda x: x**2, [0.0, -3.0], [0, -6]),
    "x ** an array at 0": (lambda x: x ** np.array([0.0, 1.0, 2.0]), [0.0] * 3, [0, 1, 0]),
    "a negative base": (lambda x: x ** np.array([2.0, 3.0]), [-2.0, -2.0], [-4, 12]),
    "0 ** x for x > 0 is constant": (lambda x: 0.0**x, [2.0], [0]),
    "2 ** x": (lambda x: 2**x, [3.0], [8 * math.log(2)]),
    "a repeated index counts twice": (lambda x: x[np.array([0, 0, 1])], [1.0, 2.0, 3.0], [2, 1, 0]),
    "a mask": (lambda x: x[np.array([True, False, True])], [1.0, 2.0, 3.0], [1, 0, 1]),
    "norm at 0": (tg.linalg.norm, [0.0, 0.0], [0, 0]),
    "norm of order 3 at 0": (lambda x: tg.linalg.norm(x, 3), [0.0, 0.0], [0, 0]),
    "norm of order ½ beside a 0": (lambda x: tg.linalg.norm(x, 0.5), [0.0, 1.0], [0, 1]),
    "largest norm, ties": (lambda x: tg.linalg.norm(x, np.inf), [-2.0, 2.0], [-0.5, 0.5]),
    "hypot at the origin": (lambda x: tg.hypot(x, x), [0.0], [0]),
    "arctan2 at the origin": (lambda x: tg.arctan2(x, 3 * x), [0.0], [0]),
    "logaddexp of equal infinities": (
        lambda x: tg.logaddexp(x, x.data), [-math.inf, -math.inf, 1.0], [0.5, 0.5, 0.5]),
    "logaddexp of ∞ and ∞": (lambda x: tg.logaddexp(x, math.inf), [math.inf], [0.5]),
    "logaddexp2 beside −∞": (lambda x: tg.logaddexp2(x, -math.inf), [1.0, -math.inf], [1, 0.5]),
    "logsumexp of −∞ only": (tg.logsumexp, [-math.inf] * 4, [0.25] * 4),
    "logsumexp with ∞": (tg.logsumexp, [math.inf, 0.0, math.inf, -math.inf], [0.5, 0, 0.5, 0]),
    "logsumexp with −∞": (tg.logsumexp, [0.0, -math.inf], [1, 0]),
    "softmax with −∞": (lambda x: tg.softmax(x) * [1.0, 2.0, 3.0], [0.0, 0.0, -math.inf],
                        [-0.25, 0.25, 0]),
    "log_softmax with −∞": (lambda x: tg.log_softmax(x)[:2], [0.0, 0.0, -math.inf], [0, 0, 0]),
    "variance of equal numbers": (tg.var, [2.0, 2.0], [0, 0]),
}


@pytest.mark.parametrize("edge", EDGES)
def test_gradient_at_the_edge(edge):
    f, x, expected = EDGES[edge]
    gradient = tg.grad(lambda x: tg.sum(f(x)))(np.array(x))
    np.testing.assert_allclose(gradient, expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 0.0, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("kind", [float, np.array])
def test_all_derivatives_of_a_power_exist_at_zero(exponent, kind):
    f, n = (lambda x: x ** kind(exponent)), int(exponent)
    for order in range(1, 5):
        f = tg.grad(f)
        assert f(0.0) == (math.factorial(n) if order == n else 0)


FAMILIES = {
    "sinc": (tg.sinc, lambda order: tg.sinc_derivative.reference(np.array([0.0]), order)[0]),
    "i0": (tg.i0, lambda order: [1, 0, 1 / 2, 0, 3 / 8][order]),
    "exp2": (tg.exp2, lambda order: math.log(2) ** order),
    "float_power": (lambda x: tg.float_power(x, 3), lambda order: [0, 0, 0, 6, 0][order]),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_all_derivatives_at_zero_exist(name):
    f, expected = FAMILIES[name]
    for order in range(5):
        np.testing.assert_allclose(f(0.0), expected(order), rtol=1e-12, atol=1e-14)
        f = tg.grad(f)


@pytest.mark.parametrize("order", range(1, 9))
def test_derivatives_of_sinc_are_exact_near_zero_and_far_from_it(order):
    x = np.concatenate([np.linspace(-4, 4, 401), [1e-9, -1e-5, order / math.pi]])
    expected = tg.sinc_derivative.reference(x, order)
    scale = math.pi**order / (order + 1)
    np.testing.assert_allclose(tg.sinc_derivative(x, order=order), expected, atol=1e-13 * scale)


def test_the_order_of_a_function_of_a_family_is_not_differentiable():
    for op in (tg.polygamma, tg.iv):
        assert tg.grad(op, 1)(2, 1.5) == op.rules[1](1.0, None, 2, np.array(1.5))
        with pytest.raises(tg.errors.NotDifferentiableError, match="no gradient rule.*'[nv]'"):
            tg.grad(op, 0)(2.0, 1.5)


def naive_product(xs, weights):
    """A weighted sum of running products, with the operations of arithmetic only."""
    total, product = 0, 1
    for x, weight in zip(xs, weights, strict=True):
        product = product * x
        total = total + weight * product
    return total


@given(
    st.lists(st.sampled_from([0.0, 0.0, 1.0, -2.0, 0.5]), min_size=1, max_size=4),
    st.lists(st.sampled_from([0.0, 1.0, -3.0]), min_size=4, max_size=4),
)
def test_products_with_zeros_have_all_derivatives(xs, weights):
    """Up to the third, which is where two zeros in three factors show."""
    xs, weights = np.array(xs), np.array(weights[: len(xs)])
    f = {
        "cumprod": (lambda x: tg.sum(weights * tg.cumprod(x)), lambda x: naive_product(x, weights)),
        "prod": (tg.prod, lambda x: naive_product(x, np.eye(len(xs))[-1])),
    }

    def slope(h):
        """Its derivative in a direction that changes, as a function again."""
        return lambda x: tg.sum(tg.grad(h)(x) * (1 + x))

    for one, other in f.values():
        for _ in range(3):
            np.testing.assert_allclose(tg.grad(one)(xs), tg.grad(other)(xs), rtol=1e-12, atol=1e-12)
            one, other = slope(one), slope(other)


def test_products_over_several_axes_with_zeros(rng):
    a = np.rint(rng.normal(size=(2, 3, 2)))
    for axis in (None, 0, (0, 2), (-1, 1)):
        weights = rng.normal(size=np.prod(a, axis=axis).shape)
        found = tg.grad(lambda a, axis=axis, w=weights: tg.sum(w * tg.prod(a, axis=axis)))(a)
        expected = np.zeros(a.shape)
        for place in np.ndindex(a.shape):  # a product is linear in each of its factors
            one, none = a.copy(), a.copy()
            one[place], none[place] = 1, 0
            change = np.prod(one, axis=axis) - np.prod(none, axis=axis)
            expected[place] = np.sum(weights * change)
        np.testing.assert_allclose(found, expected, atol=1e-13)
