"""Transforms: the gradient of a long chain, Jacobians and Hessians."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_mlp as tg
from tests.benchmarks import targets, threads
from tests.benchmarks.case import Case, installed
from tests.benchmarks.timing import alternating

TARGETS = targets.TRANSFORMS

_rng = np.random.default_rng(0)
FIELD = _rng.normal(size=(512, 512))
W1, W2 = _rng.normal(0, 1 / 14, (2, 200, 200))
POINT = _rng.normal(size=200)

Step = Callable[[], Any]


def diffusion(numpy: Any, steps: int = 40) -> Callable[[Any], Any]:
    """The sum of a field after steps of a diffusion; `numpy` may be another library's."""

    def f(y: Any) -> Any:
        for _ in range(steps):
            y = y + (numpy.roll(y, 1) - y)
        return numpy.sum(y)

    return f


def layers(numpy: Any) -> Callable[[Any], Any]:
    """A network with layers of 200, 200 and 200 units."""
    return lambda x: numpy.tanh(W2 @ numpy.tanh(W1 @ x))


def our_chain() -> Step:
    """This package, with NumPy's functions."""
    gradient = tg.grad(diffusion(np))
    return lambda: gradient(FIELD)


def autograd_chain() -> Step:
    """HIPS autograd."""
    import autograd
    import autograd.numpy as anp

    gradient = autograd.grad(diffusion(anp))
    return lambda: gradient(FIELD)


def ours(kind: str) -> Step:
    """The Jacobian of the network, or the Hessian of its sum."""
    f = layers(np)
    made = tg.jacobian(f) if kind == "Jacobian" else tg.hessian(lambda x: np.sum(f(x)))
    return lambda: made(POINT)


def jax_jit(kind: str) -> Step:
    """The same in JAX, compiled."""
    jax = threads.jax()
    f = layers(jax.numpy)
    made = jax.jacobian(f) if kind == "Jacobian" else jax.hessian(lambda x: jax.numpy.sum(f(x)))
    compiled = jax.jit(made)
    return lambda: jax.block_until_ready(compiled(POINT))


CHAINS = {"tinygrad_mlp": our_chain, "HIPS autograd": autograd_chain}
MATRICES = {"tinygrad_mlp": ours, "JAX jit": jax_jit}


def check(steps: dict[str, Step]) -> None:
    """Make sure that all contenders compute the same."""
    expected = steps["tinygrad_mlp"]()
    for name, step in steps.items():
        np.testing.assert_allclose(step(), expected, rtol=1e-8, atol=1e-10, err_msg=name)


def most_arrays() -> float:
    """Return the most arrays of the field's size that the gradient of the chain holds at once."""
    step = our_chain()
    step()
    tracemalloc.start()
    try:
        step()
        return tracemalloc.get_traced_memory()[1] / FIELD.nbytes
    finally:
        tracemalloc.stop()


def measure(quick: bool) -> list[Case]:
    """Seconds of each transform, and the arrays of the chain."""
    rounds = 3 if quick else 15
    steps, missing = installed(CHAINS)
    check(steps)
    cases = [Case(targets.CHAIN, alternating(steps, rounds=rounds), "step", missing),
             Case(targets.CHAIN_MEMORY, {"arrays at most": most_arrays()}, "arrays")]
    for kind, name in targets.MATRICES.items():
        steps, missing = installed(MATRICES, kind)
        check(steps)
        cases.append(Case(name, alternating(steps, rounds=rounds), "step", missing))
    return cases
