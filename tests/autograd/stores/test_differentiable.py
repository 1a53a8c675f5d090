"""`differentiable` records the stores of functions whose file imports NumPy itself."""

from __future__ import annotations

import functools
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from numpy import zeros

import tinygrad_mlp as tg
from tinygrad_mlp.errors import NotDifferentiableError

X = np.array([0.5, -1.0, 2.0])
DATA = np.arange(6.0).reshape(2, 3)
PLAIN = np.zeros(3)


def filled(x):
    h = np.zeros(3)
    for i in range(3):
        h[i] = x[i] * (i + 1)
    return h


def by_helper(x):
    return np.sum(filled(x) ** 2)


def by_name(x):
    h = zeros(2)
    h[:] = x[1:]
    return np.sum(h**2)


def by_method_dot(x):
    h = np.empty(2)
    h[...] = DATA.dot(x)
    return np.sum(h**2)


def by_recursion(x, n=3):
    h = np.zeros(3)
    h[...] = x * n
    return np.sum(h**2) + (by_recursion(x, n - 1) if n else 0.0)


def by_closure(x):
    module = np

    def inner(x):
        h = module.zeros(3)
        h[...] = x
        return DATA.dot(h)

    return np.sum(inner(x) ** 2)


def by_list(x):
    return np.sum([x[0] * x[1], np.max(np.array([x[0], x[2]]))])


class Layer:
    def __init__(self, W):
        self.W = W

    def __call__(self, x):
        out = np.zeros(len(self.W))
        for i in range(len(out)):
            out[i] = self.W[i].dot(x)
        return out

    @staticmethod
    def total(x):
        h = np.zeros(())
        h[...] = np.sum(x)
        return h

    @property
    def twice(self):
        return lambda x: filled(x) * 2


class Model:
    def __init__(self):
        self.layers = [Layer(DATA), SimpleNamespace(act=lambda x: Layer.total(x))]
        self.first = self.layers[0].twice

    def loss(self, x):
        return self.layers[1].act(self.layers[0](self.first(x)) ** 2)


model = Model()
scaled = functools.partial(lambda c, x: np.sum(c * filled(x)), 3.0)
FUNCTIONS = {
    "a helper": by_helper, "a name of its own": by_name, "the method dot": by_method_dot,
    "recursion": by_recursion, "a closure": by_closure, "lists": by_list, "a lambda":
    lambda x: by_method_dot(filled(x)), "a method": model.loss, "a partial function": scaled,
    "a wrapped function": functools.wraps(by_helper)(lambda x: by_helper(x))}


def slopes(f, x):
    steps = 1e-6 * np.eye(len(x))
    return np.array([(f(x + s) - f(x - s)) / 2e-6 for s in steps])


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_stores_are_recorded_wherever_the_function_makes_them(f):
    before = dict(globals()), by_method_dot.__code__, Layer.__call__.__code__
    expected = slopes(f, X)
    np.testing.assert_allclose(tg.grad(f, stores=True)(X), expected, rtol=1e-6)
    np.testing.assert_allclose(tg.value_and_grad(tg.differentiable(f))(X)[1], expected, rtol=1e-6)
    assert before == (dict(globals()), by_method_dot.__code__, Layer.__call__.__code__)


def test_a_call_with_a_tensor_that_requires_a_gradient_is_recorded():
    x = tg.Tensor(X, requires_grad=True)
    tg.differentiable(by_helper)(x).backward()
    np.testing.assert_allclose(x.grad, 2 * X * np.array([1, 4, 9]))


def test_outside_of_differentiation_a_function_is_called_as_it_is():
    made = tg.differentiable(filled)(X)
    assert type(made) is np.ndarray
    with tg.no_grad():
        assert type(tg.differentiable(np.zeros)(3)) is np.ndarray


def test_a_decorated_function_keeps_its_name_and_help():
    assert tg.differentiable(filled).__name__ == "filled"
    assert tg.differentiable(filled).__wrapped__ is filled


def test_variables_have_their_values_again_after_an_error():
    def failing(x):
        h = np.zeros(3)
        h[5] = x[0]
        return h

    code = by_method_dot.__code__
    with pytest.raises(tg.errors.InvalidArgumentError, match="out of bounds"):
        tg.grad(lambda x: by_method_dot(x) + failing(x), stores=True)(X)
    assert np.__name__ == "numpy"
    assert by_method_dot.__code__ is code


def test_threads_do_not_disturb_each_other():
    expected, wrong = slopes(by_method_dot, X), []
    start = threading.Barrier(4)

    def work(number):
        start.wait()
        for _ in range(30):
            if number % 2:
                found = tg.grad(by_method_dot, stores=True)(X)
                wrong.extend([found] if abs(found - expected).max() > 1e-6 else [])
            else:
                made = by_method_dot(X)
                wrong.extend([] if isinstance(made, np.floating) else [made])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert np.__name__ == "numpy"


def test_a_store_into_an_array_from_elsewhere_is_refused_with_its_line():
    def f(x):
        PLAIN[0] = x[0]
        return np.sum(PLAIN)

    with pytest.raises(NotDifferentiableError, match=r"plain array.*(?s:.)*PLAIN\[0\]"):
        tg.grad(f, stores=True)(X)


def test_an_object_with_a_method_dot_of_its_own_keeps_it():
    own = SimpleNamespace(dot=lambda x: x * 7)
    assert tg.grad(lambda x: np.sum(own.dot(x)), stores=True)(X).tolist() == [7, 7, 7]


def test_the_checks_record_stores_by_themselves():
    def loss(x):
        return np.sum(filled(x) ** 2)

    def forward(x):
        return filled(x), x

    assert tg.verify.check_grad(loss, X).ok
    assert tg.verify.check_derivation(loss, lambda x: 2 * x * np.array([1, 4, 9]), x=X).ok
    assert tg.verify.check_layer(forward, lambda d, x: d * np.array([1, 2, 3]), X).ok
    assert not tg.verify.check_layer(forward, lambda d, x: d * np.array([1, 2, 2]), X).ok
