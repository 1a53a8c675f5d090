"""`rematerialize`, `fixed_point`, `odeint`: one node, and the gradients of all that they read."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError, TraceError

RNG = np.random.default_rng(0)
W, B, Z = 0.2 * RNG.normal(size=(3, 3)), RNG.normal(size=3), RNG.normal(size=3)
TIMES = np.array([0.0, 0.4, 1.0])


def derivatives(f, *args):
    """The value of ``Σ f²``, all gradients, and the Hessian of the last argument."""
    def number(*args):
        return tg.sum(f(*args) ** 2)

    places = tuple(range(len(args)))
    value, gradients = tg.value_and_grad(number, places)(*args)
    return [value, *gradients, tg.hessian(number, len(args) - 1)(*args)]


def assert_same(f, expected, *args, rtol=1e-7):
    for a, b in zip(derivatives(f, *args), derivatives(expected, *args), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
        assert type(a) is type(b)


# -- computed again --------------------------------------------------------------------------------


def test_a_rematerialized_function_has_the_same_derivatives():
    def f(w, b):
        return np.tanh(w @ np.sin(b)) + b

    assert_same(tg.rematerialize(f), f, W, B, rtol=1e-13)
    third = tg.grad(lambda b: tg.sum(tg.hvp(lambda b: tg.sum(tg.rematerialize(f)(W, b)), b, Z)))(B)
    expected = tg.grad(lambda b: tg.sum(tg.hvp(lambda b: tg.sum(f(W, b)), b, Z)))(B)
    np.testing.assert_allclose(third, expected, rtol=1e-12)


def test_parameters_and_values_from_outside_get_their_gradients():
    layers = tg.nn.Sequential(
        tg.nn.Linear(3, 4, rng=RNG), tg.nn.Tanh(), tg.nn.Linear(4, 2, rng=RNG))
    np.sum(layers(W) ** 2).backward()
    expected = [p.grad for p in layers.parameters()]
    for p in layers.parameters():
        p.grad = None
    out = tg.rematerialize(layers)(W)
    assert out.node.op.name == "rematerialize"
    np.sum(out**2).backward()
    for p, g in zip(layers.parameters(), expected, strict=True):
        np.testing.assert_array_equal(p.grad, g)

    def reading(wrap):
        def f(b):
            before = np.cos(b)
            return wrap(lambda x: x * before)(b)

        return f

    assert_same(reading(tg.rematerialize), reading(lambda f: f), B, rtol=1e-13)


def test_nestings_go_in_and_out():
    f = tg.rematerialize(lambda p, *, scale: {"y": scale * p["x"] ** 2, "n": 3.0, "c": W})
    x = tg.Tensor(B, requires_grad=True)
    found = f({"x": x}, scale=2.0)
    assert found["n"] == 3 and found["c"] is W
    found["y"].sum().backward()
    np.testing.assert_allclose(x.grad, 4 * B)
    assert type(f({"x": B}, scale=1.0)["y"]) is np.ndarray
    with tg.no_grad():
        assert not f({"x": x}, scale=1.0)["y"].requires_grad


def test_what_is_between_is_not_kept():
    x = np.ones(100_000)

    def block(x):
        for _ in range(10):
            x = np.sin(x)
        return x

    def peak(block):
        def f(x):
            for _ in range(10):
                x = block(x)
            return np.sum(x)

        tracemalloc.start()
        tg.grad(f)(x)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(tg.rematerialize(block)) < 0.4 * peak(block)


def test_a_function_that_returns_something_else_the_second_time_is_refused():
    random = tg.rematerialize(lambda x: x * np.random.default_rng().normal())
    with pytest.raises(InvalidArgumentError, match="dropout"):
        tg.grad(lambda x: np.sum(random(x)))(B)


def test_compiled_it_is_called_as_it_is():
    f = tg.rematerialize(lambda x: np.sin(np.cos(x)))
    compiled = tg.compile(tg.grad(lambda x: np.sum(f(x))))
    for x in (B, Z):
        np.testing.assert_allclose(compiled(x), -np.cos(np.cos(x)) * np.sin(x), rtol=1e-13)


def test_its_gradient_is_explained():
    x = tg.Tensor(B, requires_grad=True, name="x")
    derivation = tg.explain(tg.sum(tg.rematerialize(lambda x: tg.sin(x) * x)(x)))
    np.testing.assert_allclose(derivation["∂L/∂x"].evaluate(), np.sin(B) + B * np.cos(B))


# -- fixed points ----------------------------------------------------------------------------------


def step(p, z):
    return np.tanh(p[0] @ z + p[1])


def unrolled(w, b):
    z = np.zeros(3)
    for _ in range(80):
        z = step((w, b), z)
    return z


def test_a_fixed_point_has_the_derivatives_of_its_iteration():
    assert_same(lambda w, b: tg.fixed_point(step, (w, b), np.zeros(3)), unrolled, W, B)


def test_what_the_function_reads_besides_counts_too():
    assert_same(lambda w, b: tg.fixed_point(lambda b, z: step((w, b), z), b, Z), unrolled, W, B)
    w = tg.Tensor(W, requires_grad=True)
    np.sum(tg.fixed_point(lambda b, z: step((w, b), z), B, Z)).backward()
    np.testing.assert_allclose(w.grad, tg.grad(lambda w: np.sum(unrolled(w, B)))(W), rtol=1e-7)


def test_roots_have_derivatives_of_any_order():
    def root(a):
        return tg.fixed_point(lambda a, x: (x + a / x) / 2, a, 1.0)

    found = [float(f(4.0)) for f in (root, tg.grad(root), tg.grad(tg.grad(root)),
                                     tg.grad(tg.grad(tg.grad(root))))]
    np.testing.assert_allclose(found, [2, 1 / 4, -1 / 32, 3 / 256], rtol=1e-8)


def test_an_iteration_that_does_not_converge_is_an_error():
    with pytest.raises(InvalidArgumentError, match="After 50 iterations x still changes by"):
        tg.fixed_point(lambda a, x: a - x, 1.0, 3.0, max_iter=50)


@pytest.mark.parametrize("f", [
    lambda a: tg.fixed_point(lambda a, x: (x + a / x) / 2, a, np.ones(3)),
    lambda a: tg.odeint(lambda y, t, a: -a * y, np.ones(3), TIMES, (a,))],
    ids=["fixed_point", "odeint"])
def test_what_decides_by_numbers_is_neither_compiled_nor_explained(f):
    with pytest.raises(TraceError, match="cannot be compiled"):
        tg.compile(f)(np.abs(B))
    loss = tg.sum(f(tg.Tensor(np.abs(B), requires_grad=True)))
    with pytest.raises(TraceError, match="nor explained"):
        print(tg.explain(loss).text)
    mapped = tg.vmap(f)(np.abs(W))
    np.testing.assert_allclose(mapped, [f(row) for row in np.abs(W)], rtol=1e-9)


def test_without_gradients_it_is_an_array():
    assert type(tg.fixed_point(step, (W, B), Z)) is np.ndarray
    assert tg.fixed_point(lambda a, x: x / 2, 1.0, np.ones(2, np.float32)).dtype == np.float32


def test_an_iteration_begins_from_numbers_of_any_kind():
    for start in ([1.0, 2.0], [1, 2], np.array([1, 2])):
        found = tg.fixed_point(lambda a, x: (x + a / x) / 2, np.array([4.0, 9.0]), start)
        np.testing.assert_allclose(found, [2, 3])


# -- differential equations ------------------------------------------------------------------------




def slope(y, t, w, b):
    return np.tanh(w @ y) * np.cos(t) + np.sin(t * b)


def solution(y0, t, w, b):
    return tg.odeint(slope, y0, t, (w, b), rtol=1e-11, atol=1e-11)


def test_a_solution_is_scipys():
    from scipy.integrate import odeint

    found = tg.odeint(slope, Z, TIMES, (W, B), rtol=1e-9, atol=1e-9)
    expected = odeint(slope, Z, TIMES, (W, B), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("place", range(4), ids=["y0", "t", "w", "b"])
def test_the_adjoint_method_gives_every_gradient(place, assert_derivative):
    args = [Z, TIMES, W, B]

    def f(x):
        return np.sum(np.cos(solution(*args[:place], x, *args[place + 1 :])) ** 2)

    found = tg.grad(f)(args[place])
    assert type(found) is np.ndarray
    expected = np.zeros_like(args[place])
    for at in np.ndindex(expected.shape):
        h = np.zeros_like(expected)
        h[at] = 1e-4
        x = args[place]
        expected[at] = (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / 12e-4
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_linear_equations_have_their_known_derivatives():
    def decay(k):
        return tg.odeint(lambda y, t: -k * y, 1.0, np.array([0.0, 2.0]))[1]

    found = [float(f(0.5)) for f in (decay, tg.grad(decay), tg.grad(tg.grad(decay)))]
    np.testing.assert_allclose(found, np.array([1, -2, 4]) / np.e, rtol=1e-6)


def test_a_layer_is_trained_through_the_solution():
    layer = tg.nn.Linear(2, 2, rng=np.random.default_rng(0))
    y0, target = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [-1.0, 0.0]])
    optimizer = tg.optim.Adam(layer.parameters(), lr=0.1)
    losses = []
    for _ in range(80):
        optimizer.zero_grad()
        end = tg.odeint(lambda y, t: layer(y), y0, np.array([0.0, 1.0]), rtol=1e-6, atol=1e-6)[1]
        value = np.sum((end - target) ** 2)
        value.backward()
        optimizer.step()
        losses.append(float(value.data))
    assert losses[-1] < 0.05 * losses[0]


def test_an_equation_that_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="vector of times"):
        tg.odeint(slope, Z, 1.0, (W, B))
    with pytest.raises(ShapeError, match=r"shape \(3,\), as y0. It returned shape \(\)"):
        tg.odeint(lambda y, t: np.sum(y), Z, TIMES)
    np.testing.assert_array_equal(tg.odeint(slope, Z, TIMES[:1], (W, B)), Z[None])
