"""`vmap` and `elementwise_grad`: what a loop over the examples gives, at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tests.every_sample import every_sample
from tinygrad_mlp.autograd import stacks
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

RNG = np.random.default_rng(0)
P = {"W": RNG.normal(size=(4, 5)), "b": RNG.normal(size=5), "V": [RNG.normal(size=(5, 3))]}
X, Y = RNG.normal(size=(6, 4)), np.eye(3)[RNG.integers(0, 3, 6)]


def network(p, x):
    return np.tanh(x @ p["W"] + p["b"]) @ p["V"][0]


def loss(p, x, y):
    return -np.sum(y * tg.log_softmax(network(p, x)))


def loop(f, in_axes=0):
    """`vmap`, by a loop."""

    def mapped(*args):
        axes = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(args)
        count = next(len(a) for a, axis in zip(args, axes, strict=True) if axis is not None)
        return tg.stack([f(*(a if axis is None else a[i] for a, axis in zip(args, axes,
                                                                              strict=True)))
                         for i in range(count)])

    return mapped


@every_sample
def test_every_operation_is_mapped(case):
    if not case.floats or case.op.outputs > 1:
        return
    first = case.floats[0]
    several = np.stack([case.args[first]] * 3)
    several[1] *= 0.9

    def f(x):
        args = [x if n == first else a for n, a in enumerate(case.args)]
        return case.op(*args, **case.static)

    np.testing.assert_allclose(tg.vmap(f)(several), loop(f)(several), rtol=1e-12, atol=1e-13)


def test_a_network_of_one_example_is_called_once_for_all(monkeypatch):
    monkeypatch.setattr(stacks, "one_by_one", None)
    np.testing.assert_allclose(tg.vmap(network, (None, 0))(P, X), network(P, X), rtol=1e-13)
    found = tg.vmap(tg.grad(loss), (None, 0, 0))(P, X, Y)
    for i, (x, y) in enumerate(zip(X, Y, strict=True)):
        expected = tg.grad(loss)(P, x, y)
        np.testing.assert_allclose(found["W"][i], expected["W"], rtol=1e-12)
        np.testing.assert_allclose(found["V"][0][i], expected["V"][0], rtol=1e-12)
    assert type(found["b"]) is np.ndarray


def test_it_can_be_differentiated_also_through_gradients_within():
    def penalty(map_):
        def f(W):
            def gradient(x, y):
                return tg.grad(lambda W: loss({**P, "W": W}, x, y))(W)

            return np.sum(map_(gradient)(X, Y) ** 2)

        return tg.grad(f)(P["W"])

    np.testing.assert_allclose(penalty(tg.vmap), penalty(loop), rtol=1e-11)


def test_parameters_of_layers_get_their_gradients():
    layer = tg.nn.Linear(4, 3, rng=np.random.default_rng(1))
    np.sum(tg.vmap(lambda x: layer(x[None])[0])(X) ** 2).backward()
    expected = tg.grad(lambda W: np.sum((X @ W.T + layer.bias.data) ** 2))(layer.weight.data)
    np.testing.assert_allclose(layer.weight.grad, expected, rtol=1e-12)


def test_maps_are_nested_and_compiled():
    def kernel(a, b):
        return np.exp(-np.sum((a - b) ** 2))

    def gram(A, B):
        return tg.vmap(lambda a: tg.vmap(lambda b: kernel(a, b))(B))(A)

    expected = np.exp(-np.sum((X[:, None] - P["W"].T) ** 2, axis=-1))
    np.testing.assert_allclose(gram(X, P["W"].T), expected, rtol=1e-12)
    tg.verify.check_grad(gram, X[:2], X[2:4]).assert_ok()
    compiled = tg.compile(gram)
    for scale in (1.0, 0.5):
        np.testing.assert_allclose(compiled(scale * X, X), gram(scale * X, X), rtol=1e-12)


ANY = {
    "a decision": lambda x: x[0] if x[0] > 0 else x[1] ** 2,
    "a constant": lambda x: 3.0, "an array from outside": lambda x: Y[0],
    "itself": lambda x: x, "an index": lambda x: x[1], "a slice": lambda x: x[..., ::2],
    "index arrays": lambda x: x[np.array([0, 0, 2])], "a loop": lambda x: sum(v**2 for v in x),
    "a product with itself": lambda x: x @ x, "an outer product": lambda x: np.outer(x, x) @ x,
    "a mask": lambda x: np.where(x > 0, x, 0.1 * x), "a sort": lambda x: np.sort(x),
    "a norm": lambda x: np.linalg.norm(x), "moments": lambda x: np.var(x) + np.mean(x, axis=0),
    "a second derivative": lambda x: tg.hvp(lambda z: np.sum(np.sin(z) ** 2), x, x),
    "a Jacobian": lambda x: tg.jacobian(lambda z: z**2)(x),
    "a recomputed part": lambda x: tg.rematerialize(np.sin)(x)}


@pytest.mark.parametrize("name", ANY)
def test_any_function_is_mapped(name):
    found = tg.vmap(ANY[name])(X)
    np.testing.assert_allclose(found, loop(ANY[name])(X), rtol=1e-12)
    assert not np.shares_memory(found, X) and not np.shares_memory(found, Y)


@given(st.sampled_from([((4,), (4,)), ((2, 4), (4,)), ((4,), (4, 2)), ((3, 4), (4, 2)),
                        ((2, 3, 4), (4, 2)), ((2, 3, 4), (2, 4, 5))]),
       st.sampled_from([(0, 0), (None, 0), (0, None)]))
@settings(max_examples=40)
def test_products_are_those_of_each_example(shapes, axes):
    a, b = (RNG.normal(size=shape if axis is None else (3, *shape))
            for shape, axis in zip(shapes, axes, strict=True))
    found = tg.vmap(np.matmul, axes)(a, b)
    np.testing.assert_allclose(found, loop(lambda a, b: a @ b, axes)(a, b), rtol=1e-12)


def test_axes_are_chosen():
    found = tg.vmap(lambda x, p: x * p["w"], (1, None))(X, {"w": 2.0})
    np.testing.assert_array_equal(found, 2 * X.T)
    found = tg.vmap(lambda x: {"twice": 2 * x, "sum": np.sum(x)}, -1)(X)
    np.testing.assert_allclose(found["sum"], X.sum(axis=0))


@pytest.mark.parametrize(("in_axes", "args", "kind", "words"), [
    (0, (X, Y[:2]), ShapeError, "same number of examples in all arguments, at least one. Got 2, 6"),
    (0, (np.ones((0, 2)),), ShapeError, "Got 0"), (2, (X,), ShapeError, "axis 2. Got shape"),
    (0, (1.0,), ShapeError, "axis 0. Got shape"),
    (None, (X,), InvalidArgumentError, "not None for all. Got None"),
    ((0, None), (X,), InvalidArgumentError, "each of 1 arguments")])
def test_what_does_not_fit_is_refused(in_axes, args, kind, words):
    with pytest.raises(kind, match=words.replace("(", r"\(")):
        tg.vmap(lambda *a: a[0], in_axes)(*args)


def test_an_error_of_the_function_is_its_own():
    with pytest.raises(ZeroDivisionError):
        tg.vmap(lambda x: 1 / 0)(X)


def test_an_elementwise_gradient_is_the_derivative_of_each():
    np.testing.assert_allclose(tg.elementwise_grad(np.sin)(X), np.cos(X), rtol=1e-14)
    second = tg.elementwise_grad(tg.elementwise_grad(lambda x, k: np.sin(k * x)))
    np.testing.assert_allclose(second(X, 2.0), -4 * np.sin(2 * X), rtol=1e-12)
    np.testing.assert_allclose(tg.elementwise_grad(np.multiply, 1)(X, X), X)
