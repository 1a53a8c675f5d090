"""Stores into arrays: a recurrent network that fills an array, next to other ways to write it."""

from __future__ import annotations

import gc
import statistics
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy

import tinygrad_mlp as tg
import tinygrad_mlp.numpy as recording
from tests.benchmarks import targets
from tests.benchmarks.case import Case, installed
from tests.benchmarks.timing import alternating

STATES, INPUTS, STEPS = 32, 16, 1_000
TARGETS = targets.STORES

Gradient = Callable[[], Any]


class Setting:
    """Weights and inputs of a recurrent network of so many steps."""

    def __init__(self, steps: int = STEPS) -> None:
        rng = numpy.random.default_rng(0)
        self.W = rng.normal(size=(STATES, STATES)) / STATES**0.5
        self.U = rng.normal(size=(STATES, INPUTS)) / INPUTS**0.5
        self.x = rng.normal(size=(steps, INPUTS))

    @property
    def arrays(self) -> tuple[Any, ...]:
        """All arrays."""
        return self.W, self.U, self.x


def filled(W: Any, U: Any, x: Any) -> Any:
    """Return a loss of states that are stored into an array, as people write it."""
    h = recording.zeros((len(x) + 1, STATES))
    for t in range(len(x)):
        h[t + 1] = recording.tanh(W @ h[t] + U @ x[t])
    return recording.sum(h**2)


def stacked(W: Any, U: Any, x: Any, np: Any = tg) -> Any:
    """Return the same loss of states in a list."""
    h = [numpy.zeros(STATES)]
    for t in range(len(x)):
        h.append(np.tanh(W @ h[-1] + U @ x[t]))
    return np.sum(np.stack(h) ** 2)


def with_import(given: Setting, tracked: tuple[int, ...] = (0, 1, 2)) -> Gradient:
    """The array, with the import of the recording module."""
    gradient = tg.grad(filled, tracked)
    return lambda: gradient(*given.arrays)


def decorated(given: Setting) -> Gradient:
    """The array, in a function whose file imports NumPy."""

    def loss(W: Any, U: Any, x: Any) -> Any:
        h = numpy.zeros((len(x) + 1, STATES))
        for t in range(len(x)):
            h[t + 1] = numpy.tanh(W @ h[t] + U @ x[t])
        return numpy.sum(h**2)

    gradient = tg.grad(loss, (0, 1, 2), stores=True)
    return lambda: gradient(*given.arrays)


def in_a_list(given: Setting, tracked: tuple[int, ...] = (0, 1, 2)) -> Gradient:
    """A list and `stack`."""
    gradient = tg.grad(stacked, tracked)
    return lambda: gradient(*given.arrays)


def in_autograd(given: Setting) -> Gradient:
    """A list and `stack`, as HIPS autograd has no stores."""
    import autograd
    import autograd.numpy as anp

    gradient = autograd.grad(lambda W, U, x: stacked(W, U, x, anp), (0, 1, 2))
    return lambda: gradient(*given.arrays)


def in_jax(given: Setting) -> Gradient:
    """``lax.scan``, compiled: with ``h.at[t].set(...)``, each store copies the array."""
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def loss(W: Any, U: Any, x: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            new = jnp.tanh(W @ h + U @ x)
            return new, new

        _, states = jax.lax.scan(step, jnp.zeros(STATES), x)
        return jnp.sum(states**2)

    gradient = jax.jit(jax.grad(loss, (0, 1, 2)))
    arrays = tuple(map(jnp.asarray, given.arrays))
    return lambda: jax.block_until_ready(gradient(*arrays))


CONTENDERS: dict[str, Callable[[Setting], Gradient]] = {
    targets.OURS: with_import, targets.DECORATOR: decorated, targets.LIST: in_a_list,
    "HIPS autograd, list and stack": in_autograd, "JAX jit + scan": in_jax}


def check(gradients: dict[str, Gradient]) -> None:
    """Make sure that all contenders compute the same."""
    expected = gradients[targets.LIST]()
    for name, gradient in gradients.items():
        for found, right in zip(gradient(), expected, strict=True):
            numpy.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-12, err_msg=name)


def training(np: Any, steps: int) -> Callable[[], Any]:
    """Steps of gradient descent by hand, with NumPy or with the recording module."""
    rng = numpy.random.default_rng(0)
    X, Y = rng.normal(size=(32, 64)), rng.normal(size=(32, 10))

    def run() -> Any:
        W1, W2 = np.full((64, 32), 0.01), np.full((32, 10), 0.01)
        for _ in range(steps):
            a = np.tanh(X @ W1)
            e = np.zeros_like(Y)
            e += a @ W2 - Y
            d = (e @ W2.T) * (1 - a**2)
            W1 -= 0.01 * (X.T @ d)
            W2 -= 0.01 * (a.T @ e)
        return np.sum(W1) + np.sum(W2)

    return run


def most_memory(gradient: Gradient) -> float:
    """Most bytes in use at a time: the median of five calls, as now and then one is checked."""
    gradient()
    found = []
    for _ in range(5):
        gc.collect()
        tracemalloc.start()
        try:
            gradient()
            found.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    return statistics.median(found)


def measure(quick: bool) -> list[Case]:
    """Seconds a gradient of each, and the ratios that are to stay small."""
    rounds, steps = (1, 100) if quick else (5, STEPS)
    given, twice = Setting(steps), Setting(2 * steps)
    made, missing = installed(CONTENDERS, given)
    check(made)
    medians = alternating(made, rounds=rounds, seconds=0)
    ratios = {}
    for what, tracked in (("weights", (0, 1)), ("inputs, too", (0, 1, 2))):
        times = alternating({"one": with_import(given, tracked), "two": with_import(twice, tracked),
                             "list": in_a_list(given, tracked)}, rounds=rounds, seconds=0)
        ratios[f"twice the steps, time ({what})"] = times["two"] / times["one"]
        ratios[f"array / list, time ({what})"] = times["one"] / times["list"]
        ratios[f"array / list, memory ({what})"] = (
            most_memory(with_import(given, tracked)) / most_memory(in_a_list(given, tracked)))
    plain = alternating({"NumPy": training(numpy, steps), "module": training(recording, steps)},
                        rounds=rounds, seconds=0)
    ratios["training with / without the import"] = plain["module"] / plain["NumPy"]
    return [Case(targets.STORE_LOOP, medians, "step", missing),
            Case(targets.STORE_RATIOS, ratios, "times")]
