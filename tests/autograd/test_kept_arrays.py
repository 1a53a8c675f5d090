"""The nodes of a transform keep what their rules read, and nothing of what they do not read."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.every_sample import every_sample
from tinygrad_mlp.autograd import backward, kept_arrays
from tinygrad_mlp.autograd.kept_arrays import Dropped, read_by, reads
from tinygrad_mlp.autograd.op import OPS


@pytest.fixture
def every_size(monkeypatch):
    """Arrays of every size are dropped, and no spot check looks for them."""
    for module in (kept_arrays, backward):
        monkeypatch.setattr(module, "LARGEST", -1)


@every_sample
def test_every_gradient_is_the_same_with_what_is_kept(smooth, every_size):
    numbers = [n for n in smooth.floats if smooth.op.rule(n) is not None]
    if not numbers:
        return

    def f(*args):
        return tg.sum(tg.sin(smooth.op(*args, **smooth.static)))

    tensors = [
        tg.Tensor(a, requires_grad=True) if n in numbers else a for n, a in enumerate(smooth.args)]
    f(*tensors).backward()
    found = tg.grad(f, tuple(numbers))(*smooth.args)
    for n, gradient in zip(numbers, found, strict=True):
        expected = tensors[n].grad
        np.testing.assert_array_equal(gradient, 0 if expected is None else expected)


@pytest.mark.parametrize("f", [
    lambda x: tg.sum(tg.sin(x + x.T) * tg.tanh(x)), lambda x: tg.sum((x @ x.T - x) / (1 + x * x)),
    lambda x: tg.squared_error(tg.sigmoid(np.roll(x, 1)), x),
    lambda x: tg.nn.binary_cross_entropy(tg.sigmoid(x), np.eye(3))])
def test_second_derivatives_are_the_same_with_what_is_kept(f, request):
    x = np.random.default_rng(0).normal(size=(3, 3))
    expected = tg.hessian(f)(x)
    request.getfixturevalue("every_size")
    np.testing.assert_array_equal(tg.hessian(f)(x), expected)


TABLE = [
    ("add", (0, 1), [False, False, False]), ("multiply", (0, 1), [False, True, True]),
    ("multiply", (1,), [False, True, False]), ("tanh", (0,), [True, False]),
    ("divide", (0,), [False, False, True]), ("divide", (0, 1), [True, False, True]),
    ("sum", (0,), [False, False]), ("roll", (0,), [False, False]), ("sin", (0,), [False, True]),
    ("where", (1, 2), [False, True, False, False]),
    ("sigmoid", (0,), [True, True]),  # a loss may read its argument
    ("stack", (0,), [True, True])]  # any number of arguments


@pytest.mark.parametrize(("name", "needed", "expected"), TABLE)
def test_what_the_rules_of_an_operation_read(name, needed, expected):
    assert read_by(OPS[name], needed) == expected


@pytest.mark.parametrize(("rule", "expected"), [
    (lambda g, y, x: g, [False, False]),
    (lambda g, y, x: g.reshape(x.shape), [False, False]),
    (lambda g, y, x: g * (x.ndim + x), [False, True]),
    (lambda g, y, x: list(map(lambda a: a * x, g)), [False, True]),
    (lambda g, y, x: np.shape(x), [False, True]),
    (lambda g, y, x: x.T, [False, True]),
    (lambda g, y, x, axis: axis, [False, False, True]),
    (lambda *given: given[0], []), (np.add, [])])
def test_what_a_rule_reads(rule, expected):
    assert reads(rule) == expected


def test_a_long_chain_of_sums_needs_few_arrays():
    x = np.random.default_rng(0).normal(size=(512, 512))

    def diffusion(y):
        for _ in range(40):
            y = y + 0.1 * (np.roll(y, 1) - y)
        return np.sum(y)

    tracemalloc.start()
    try:
        gradient = tg.grad(diffusion)(x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_allclose(gradient, 1.0, rtol=1e-12)
    assert peak <= 10 * x.nbytes


def test_a_graph_that_may_be_looked_at_keeps_everything(every_size):
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    y = x + x
    assert not any(isinstance(a, Dropped) for a in (*y.node.arrays, y.node.out))
    with tg.debug():
        tg.grad(lambda x: tg.sum(x + x))(np.ones(3))
