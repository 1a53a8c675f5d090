"""Long chains, many steps: time in proportion, memory flat, no reference cycles."""

from __future__ import annotations

import gc
import sys
import time
import weakref

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.campaigns import chosen


@pytest.fixture
def no_collector():
    """The garbage collector off, as `timeit` does it, and the garbage of others gone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def chain(x, length):
    y = x
    for _ in range(length):
        y = y * 1.00001
    return y


def network(rng):
    """A step of training: a network, a loss, gradients, an update; and everything around it."""
    w1 = tg.Tensor(rng.normal(size=(4, 3)), requires_grad=True)
    w2 = tg.Tensor(rng.normal(size=(2, 4)), requires_grad=True)
    x, y = rng.normal(size=(5, 3)), np.eye(2)[[0, 1, 1, 0, 1]]

    def step():
        hidden = tg.tanh(tg.linear(x, w1))
        loss = tg.binary_cross_entropy(tg.sigmoid(tg.linear(hidden, w2)), y)
        loss.backward()
        with tg.no_grad():
            for w in (w1, w2):
                w.data = w.data - 0.01 * w.grad
                w.grad = None

    return step


def everything(rng):
    """One of each: the transforms, several outputs, views, errors."""
    x = rng.normal(size=3)

    def f(x):
        return tg.sum(tg.logsumexp(x * tg.stack([x, x])[0]) * x[np.array([0, 0, 1])])

    def step():
        tg.value_and_grad(f)(x)
        tg.hessian(f)(x)
        tg.hvp(f, x, x)
        tg.jvp(tg.tanh, (x,), (x,))
        _, pullback = tg.vjp(lambda x: {"a": x * x, "b": [x]}, x)
        pullback({"a": x, "b": [x]})
        retained = tg.Tensor(x, requires_grad=True) * 2
        retained.retain_grad()
        (retained * retained).sum().backward(retain_graph=True)
        tg.sigmoid(tg.Tensor(x))
        np.tanh(tg.Tensor(x, requires_grad=True))

    return step


def test_a_chain_of_100_000_operations_goes_forward_and_back():
    x = tg.Tensor(1.0, requires_grad=True)
    y = chain(x, 100_000)
    y.backward()
    np.testing.assert_allclose(y.data, 1.00001**100_000, rtol=1e-9)
    np.testing.assert_allclose(x.grad, 1.00001**100_000, rtol=1e-9)


def test_a_long_chain_can_be_differentiated_by_the_transforms():
    value, gradient = tg.value_and_grad(lambda x: chain(x, 20_000))(2.0)
    np.testing.assert_allclose(value, 2 * gradient)
    second = tg.grad(tg.grad(lambda x: chain(x * x, 5_000)))(2.0)
    np.testing.assert_allclose(second, 2 * 1.00001**5_000)


@pytest.mark.parametrize("tracked", [True, False])
def test_deleting_a_long_chain_that_was_never_walked_does_not_exhaust_the_stack(tracked):
    y = tg.Tensor(0.5, requires_grad=tracked)
    first = weakref.ref(y)
    for _ in range(100_000):
        y = tg.sigmoid(y)
    del y
    assert first() is None


def test_ten_times_the_length_takes_at_most_thirteen_times_as_long(no_collector):
    def seconds(length):
        x = tg.Tensor(1.0, requires_grad=True)
        start = time.process_time()
        chain(x, length).backward()
        return time.process_time() - start

    def ratio():
        short, long = zip(*[(seconds(5_000), seconds(50_000)) for _ in range(3)], strict=True)
        return min(long) / min(short)

    # A busy machine may spoil one measurement, but a quadratic algorithm spoils all.
    assert any(ratio() <= 13 for _ in range(4))


@pytest.mark.parametrize("make", [network, everything])
def test_no_step_leaves_a_reference_cycle(make, rng, no_collector):
    step = make(rng)
    step()
    gc.collect()
    step()
    assert gc.collect() == 0


def allocated():
    """The blocks of memory in use, when there is no garbage for the collector to free."""
    assert gc.collect() == 0  # which also empties the interpreter's lists of spare objects
    return sys.getallocatedblocks()


# The second number of blocks is for NumPy's cache of small arrays, which fills slowly.
@pytest.mark.parametrize(
    ("make", "steps", "blocks"),
    [(network, chosen(2_000, 10_000), 100), (everything, chosen(200, 500), 250)],
)
def test_memory_is_flat_without_the_collector(make, steps, blocks, rng, no_collector):
    step = make(rng)
    for _ in range(100):
        step()
    gc.collect()  # what modules leave that were loaded at the first step
    before = allocated()
    for _ in range(steps):
        step()
    assert allocated() - before < blocks


def test_backward_gives_up_the_intermediate_arrays_as_it_passes():
    x = tg.Tensor(np.ones(1000), requires_grad=True)
    inner = tg.tanh(x)
    kept = weakref.ref(inner)
    out = (inner * inner).sum()
    del inner
    out.backward()
    assert kept() is None


def test_nothing_is_kept_of_what_was_evaluated_without_recording():
    x = tg.Tensor(np.ones(10), requires_grad=True)
    with tg.no_grad():
        inner = tg.tanh(x)
        kept = weakref.ref(inner)
        outer = inner * 2
        del inner
    assert kept() is None and not outer.requires_grad
