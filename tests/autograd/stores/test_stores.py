"""Stores: what they do to values, aliases, views and gradients, and what is refused."""

from __future__ import annotations

import math

import numpy
import pytest

import tinygrad_mlp as tg
import tinygrad_mlp.numpy as np
from tinygrad_mlp.autograd.ops.samples import samples_of
from tinygrad_mlp.autograd.stores.views import MAKING_VIEWS
from tinygrad_mlp.errors import (
    DTypeError,
    InvalidArgumentError,
    NotDifferentiableError,
    ShapeError,
)

X = numpy.array([0.3, -0.2, 0.5])
LEAF = tg.Tensor(X.copy(), requires_grad=True)


def test_every_operation_that_makes_views_is_noted():
    rng = numpy.random.default_rng(0)
    found = {
        op.name for op in tg.OPS.values() for sample in samples_of(op, rng)
        for out in op.as_tuple(op(*sample.args, **sample.static))
        for a in sample.args if isinstance(a, numpy.ndarray) and isinstance(out, numpy.ndarray)
        and numpy.shares_memory(out, a)}
    # (Rules call broadcast_to; NumPy's function of that name notes its view.)
    assert found - {"broadcast_to"} <= set(MAKING_VIEWS)


def test_outside_of_differentiation_the_functions_give_plain_arrays():
    assert np.tanh is numpy.tanh and np.random is numpy.random and np.pi == numpy.pi
    for made in (np.zeros(2), np.ones((2, 1)), np.array([1.0]), np.full(2, 0.5), np.eye(2)):
        assert type(made) is numpy.ndarray


def test_whole_numbers_and_conditions_stay_plain():
    kinds = []

    def f(x):
        kinds.extend(map(type, (np.arange(3), np.zeros(3, dtype=int), np.ones(2, bool))))
        return np.sum(x)

    tg.grad(f)(X)
    assert set(kinds) == {numpy.ndarray}


def test_a_buffer_looks_like_an_array():
    def f(x):
        h = np.zeros((2, 3), dtype=np.float32)
        h[0] = x
        assert h.shape == (2, 3) and h.ndim == 2 and h.size == 6 and h.dtype == np.float32
        assert len(h) == 2 and [row.shape for row in h] == [(3,), (3,)]
        assert not h.numpy().flags.writeable
        return np.sum(h)

    tg.grad(f)(X)


def test_reading_one_stored_row_makes_no_node():
    def f(x):
        h = np.zeros((2, 3))
        y = np.sin(x)
        h[0] = y
        assert h[0].node is y.node
        return np.sum(h[0])

    numpy.testing.assert_allclose(tg.grad(f)(X), numpy.cos(X))


def test_second_derivatives_go_through_stores():
    def f(x):
        h = np.zeros(3)
        h[::-1] = x**3
        h[1:] *= h[:-1]
        return np.sum(h)

    def same(x):
        y = x[::-1] ** 3
        return tg.sum(tg.concatenate([y[:1], y[1:] * y[:-1]]))

    numpy.testing.assert_allclose(tg.hessian(f)(X), tg.hessian(same)(X))


def test_lists_of_tensors_are_joined():
    def f(x):
        return np.sum([x[0], x[1] * 2]) + np.max(np.array([x[2], x[0]]))

    numpy.testing.assert_allclose(tg.grad(f)(X), [1, 2, 1])


def test_in_place_sort_moves_gradients():
    def f(x):
        y = x * 1
        y.sort()
        return y[0] * 10 + y[2]

    numpy.testing.assert_allclose(tg.grad(f)(X), [0, 10, 1])


def test_stores_without_recording_are_constants():
    def f(x):
        h = np.zeros(2)
        h[0] = x[0]
        with tg.no_grad():
            h[1] = x[1]
        return np.sum(h)

    numpy.testing.assert_allclose(tg.grad(f)(X), [1, 0, 0])


@pytest.mark.parametrize("given", [X, tg.Tensor(X), tg.Tensor(X, requires_grad=True)])
def test_an_argument_is_the_functions_own_copy(given):
    def f(x):
        alias, part = x, x[1:]
        x *= 3
        part[0] = 5.0
        x[2] += alias[0]
        return tg.sum(alias * alias)

    def same(x):
        return 9 * x[0] ** 2 + 25 + (3 * x[2] + 3 * x[0]) ** 2

    before = X.copy()
    for outer in (tg.grad, lambda f: tg.grad(lambda x: tg.sum(tg.grad(f)(x) ** 2))):
        found, wanted = outer(f)(given), outer(same)(given)
        numpy.testing.assert_allclose(
            getattr(found, "data", found), getattr(wanted, "data", wanted))
    numpy.testing.assert_array_equal(X, before)


def test_a_pullback_stays_right_when_its_point_is_stored_into():
    def f(x):
        y = x * 1
        _, pullback = tg.vjp(lambda y: y * y, y)
        y *= 0
        return tg.sum(pullback(numpy.ones(3))[0])

    numpy.testing.assert_allclose(tg.grad(f)(X), [2, 2, 2])


def test_what_is_read_without_recording_has_its_gradient_later():
    def f(x):
        h = np.zeros((2, 3))
        h[0], h[1] = x, x * 2
        with tg.no_grad():
            assert not np.sum(h).requires_grad
        return np.sum(h)

    numpy.testing.assert_allclose(tg.grad(f)(X), [3, 3, 3])


@pytest.mark.parametrize("change", [lambda q: q.__setitem__(0, 1.0), lambda q: q.__imul__(2)])
def test_one_of_several_results_is_not_changed(change):
    def f(x):
        q, r = tg.linalg.qr(x)
        used = tg.sum(q)
        change(q)
        return used + tg.sum(q)

    with pytest.raises(InvalidArgumentError, match=r"x = x\.copy\(\)"):
        tg.grad(f)(numpy.eye(2) + 0.1)


def test_an_alias_sees_an_in_place_product():
    x = tg.Tensor(X, requires_grad=True)
    z = x * 1
    y = z
    y *= 3
    tg.sum(z).backward()
    numpy.testing.assert_array_equal(x.grad, [3, 3, 3])


def test_a_compiled_function_stores_as_an_eager_one():
    def rows(x):
        h = np.zeros((4, 3))
        for t in range(1, 4):
            h[t] = np.tanh(h[t - 1] + x * t)
        h[1:, 0] += x[1]
        return np.sum(h * h)

    step = tg.compile(tg.value_and_grad(rows))
    value, gradient = tg.value_and_grad(rows)(X)
    for _ in range(3):
        found, slope = step(X)
        assert math.isclose(float(found), float(value))
        numpy.testing.assert_allclose(slope, gradient)


def plain_store(x):
    h = numpy.zeros(3)
    h[0] = x[0]
    return h


def plain_row(x):
    h = numpy.zeros((2, 3))
    h[1] = x
    return h


def plain_sum(x):
    h = numpy.zeros(3)
    h += x
    return h


def whole_numbers(x):
    h = np.zeros_like(x) > 1
    y = tg.Tensor(h.astype(int))
    y[0] = x[0]
    return x


def wrong_shape(x):
    h = np.zeros((2, 3))
    h[0] = x[:2]
    return h


def outside(x):
    h = np.zeros((2, 3))
    h[5] = x
    return h


def read_only(x):
    h = np.broadcast_to(np.zeros(3), (2, 3))
    h[0] = x
    return h


def leaf_from_outside(x):
    LEAF[0] = x[0]
    return x


def multiply_at(x):
    h = np.ones(3)
    np.multiply.at(h, [0, 0], x[0])
    return h


@pytest.mark.parametrize(("function", "kind", "words"), [
    (plain_store, NotDifferentiableError, ["import tinygrad_mlp.numpy as np", "h[0] = x[0]"]),
    (plain_row, NotDifferentiableError, ["import tinygrad_mlp.numpy as np", "h[1] = x"]),
    (plain_sum, InvalidArgumentError, ["import tinygrad_mlp.numpy as np", "h += x"]),
    (lambda x: numpy.ones((2, 3)).dot(x), NotDifferentiableError, ["numpy.ones((2, 3)) @ x"]),
    (whole_numbers, DTypeError, ["y[0] = x[0]", "whole numbers", "dtype=float"]),
    (wrong_shape, ShapeError, ["h[0] = x[:2]", "h = np.zeros((2, 3))"]),
    (outside, IndexError, ["h[5] = x", "h = np.zeros((2, 3))"]),
    (read_only, ShapeError, ["read-only", "h[0] = x"]),
    (leaf_from_outside, InvalidArgumentError, ["LEAF[0] = x[0]", "x = x.copy()"]),
    (multiply_at, InvalidArgumentError, ["np.add.at"])])
def test_what_cannot_be_recorded_is_refused_with_its_lines_and_the_remedy(function, kind, words):
    with pytest.raises(kind) as caught:
        tg.grad(lambda x: tg.sum(function(x)))(X)
    for word in words:
        assert word in str(caught.value), caught.value


def test_a_store_that_fails_changes_nothing():
    def f(x):
        h = np.zeros(3)
        h[0] = x[0]
        with pytest.raises((ValueError, IndexError)):
            h[:2] = x
        with pytest.raises((ValueError, IndexError)):
            h[7] = x[0]
        return np.sum(h)

    numpy.testing.assert_array_equal(tg.grad(f)(X), [1, 0, 0])


def test_disjoint_stores_cost_in_proportion_to_their_number():
    def nodes(steps):
        def f(x):
            h = np.zeros((steps, 3))
            for t in range(steps):
                h[t] = x[t] * 2
            return np.sum(h)

        made = []
        ordinary = numpy.zeros

        def counting(*args, **options):
            made.append(args)
            return ordinary(*args, **options)

        x = numpy.ones((steps, 3))
        numpy.zeros = counting
        try:
            tg.grad(f)(x)
        finally:
            numpy.zeros = ordinary
        return len(made)

    assert nodes(40) - nodes(20) <= 2


def test_a_view_that_is_stored_into_its_base_is_what_it_was_before():
    def f(x):
        h = np.sin(x)
        v = h[None]
        h[::-1] = v
        return np.sum(h * numpy.arange(3)) + np.sum(h * h)

    with tg.debug():
        value, gradient = tg.value_and_grad(f)(X)
    sines, weights = numpy.sin(X), numpy.array([2, 1, 0])
    assert math.isclose(value, sines @ weights + sines @ sines)
    numpy.testing.assert_allclose(gradient, (weights + 2 * sines) * numpy.cos(X))


PLACING = {
    "put": lambda h, x: np.put(h, [0, 4, 4], [x[0], x[1], x[2]]),
    "put in a circle": lambda h, x: np.put(h, [[7, 2]], x, mode="wrap"),
    "put at the ends": lambda h, x: np.put(h, [-9, 99], x[:1], mode="clip"),
    "put nothing": lambda h, x: np.put(h, [], x),
    "putmask": lambda h, x: np.putmask(h, numpy.arange(6).reshape(2, 3) % 2 == 0, x[1:]),
    "place": lambda h, x: np.place(h, numpy.arange(6).reshape(2, 3) > 2, [x[2], 5.0]),
    "fill_diagonal": lambda h, x: np.fill_diagonal(h, x[:2]),
    "fill a tall diagonal": lambda h, x: np.fill_diagonal(h.T, x),
    "wrap a diagonal": lambda h, x: np.fill_diagonal(h.reshape(6, 1), x, wrap=True),
    "copyto": lambda h, x: np.copyto(h, x), "add.at": lambda h, x: np.add.at(h, [0, 0], x),
    "subtract.at": lambda h, x: np.subtract.at(h, (0, [1, 1]), x[0])}


@pytest.mark.parametrize("name", PLACING)
@pytest.mark.parametrize("created", [True, False])
def test_functions_that_place_values_do_as_numpys(name, created):
    def f(x):
        h = np.ones((2, 3)) if created else np.outer(x[1:], x)
        PLACING[name](h, x)
        return np.sum(h * numpy.cos(numpy.arange(6.0)).reshape(2, 3))

    slopes = [(f(X + s) - f(X - s)) / 2e-6 for s in 1e-6 * numpy.eye(3)]
    numpy.testing.assert_allclose(tg.grad(f)(X), slopes, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("store", [
    lambda a, t: numpy.put(a, [0], t), lambda a, t: numpy.putmask(a, a > 0, t),
    lambda a, t: numpy.place(a, a > 0, t), lambda a, t: numpy.fill_diagonal(a, t)])
def test_functions_that_place_values_refuse_a_plain_array(store):
    with pytest.raises(NotDifferentiableError, match="plain array"):
        store(numpy.ones((3, 3)), tg.Tensor(X, requires_grad=True))


def test_a_store_is_explained_by_its_place():
    w = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True, name="w")
    h = w * 2
    h[0] = 0
    lines = [str(line) for line in tg.explain(tg.sum(h * h), w).tape.equations]
    assert "v2 = store(v1, 0; [0])" in lines and "v̄1 = store(v̄2, 0; [0])" in lines


def test_a_function_whose_file_imports_numpy_is_explained():
    def loss(w):
        h = numpy.zeros(3)
        h[1:] = w**2
        return numpy.sum(h)

    derivation = tg.explain(loss, {"w": numpy.array([1.0, 3.0])})
    numpy.testing.assert_allclose(derivation["∂L/∂w"].evaluate(), [2, 6])


def test_lists_with_tensors_in_lists_are_joined():
    def f(w):
        joined = np.concatenate([[w[0] - 1], w, [1.0]])
        stacked = np.stack([[w[0], w[1]], [1.0, 2.0]])
        return np.sum(joined**2) + np.sum(stacked**3) + np.sum(np.vstack([[w[2], 1.0], w[:2]]))

    tg.verify.check_grad(f, numpy.array([0.2, -0.3, 0.9])).assert_ok()


@pytest.mark.parametrize("function", [
    lambda a: np.clip(a, -1, 1, out=a), lambda a: np.cumsum(a * 1, out=a),
    lambda a: np.sum([a, a], axis=0, out=a)])
def test_a_function_writes_its_result_into_an_array_that_records(function):
    def f(w):
        a = np.zeros(3)
        a[:] = 2 * w
        alias = a
        assert function(a) is a
        return np.sum(alias * alias * w)

    tg.verify.check_grad(f, numpy.array([0.2, -0.3, 0.9])).assert_ok()
