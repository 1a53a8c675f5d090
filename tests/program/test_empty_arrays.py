"""Compiled functions on arrays without elements: at every call what the plain function returns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tests.campaigns import chosen

SHAPES = [(0, 3), (3, 0), (0, 0), (0,), (2, 3), (1, 0), (0, 1), (2, 0, 3), (3, 3), (1, 3), (3,)]
ELEMENTWISE = "tanh sigmoid exp sin square relu softplus abs sign cbrt erf gelu floor".split()
# Steps on one value and on two. A program leaves out a step that its arguments do not fit.
STEPS = {
    **{name: lambda x, y, name=name: getattr(tg, name)(x) for name in ELEMENTWISE},
    "transpose": lambda x, y: x.T,
    "ravel": lambda x, y: x.ravel(),
    "row": lambda x, y: x[None],
    "rest": lambda x, y: x[1:],
    "nothing": lambda x, y: x[..., :0],
    "no indices": lambda x, y: x[np.zeros(0, int)],
    "no mask": lambda x, y: x[np.zeros(len(x), bool)],
    "sum": lambda x, y: tg.sum(x),
    "sums": lambda x, y: tg.sum(x, axis=0),
    "kept": lambda x, y: tg.sum(x, axis=-1, keepdims=True),
    "mean": lambda x, y: tg.mean(x, axis=-1),
    "prod": lambda x, y: tg.prod(x, axis=0),
    "max": lambda x, y: tg.max(x, axis=0),
    "var": lambda x, y: tg.var(x, axis=0),
    "cumsum": lambda x, y: tg.cumsum(x, axis=0),
    "sort": lambda x, y: tg.sort(x, axis=0),
    "softmax": lambda x, y: tg.softmax(x),
    "logsumexp": lambda x, y: tg.logsumexp(x, axis=-1),
    "repeat": lambda x, y: tg.repeat(x, 2, axis=0),
    "no repeat": lambda x, y: tg.repeat(x, 0, axis=0),
    "tile": lambda x, y: tg.tile(x, (0, 1)),
    "flip": lambda x, y: tg.flip(x),
    "pad": lambda x, y: tg.pad(x, 1),
    "tril": lambda x, y: tg.tril(x),
    "diagonal": lambda x, y: tg.diagonal(x),
    "to two": lambda x, y: x @ np.ones((x.shape[-1], 2)),
    "to none": lambda x, y: x @ np.ones((x.shape[-1], 0)),
    "from left": lambda x, y: np.ones((2, x.shape[0])) @ x,
    "gram": lambda x, y: x @ x.T,
    "outer": lambda x, y: tg.outer(x.ravel(), x.ravel()),
    "half": lambda x, y: 0.5 * x,
    "times constant": lambda x, y: x * np.full(x.shape, 2.0),
    "plus constant": lambda x, y: x + np.arange(float(x.size)).reshape(x.shape),
    "plus ones": lambda x, y: x + np.ones((2,) + (1,) * x.ndim),
    "folded": lambda x, y: x + tg.exp(np.zeros(x.shape)),
    "solve": lambda x, y: tg.linalg.solve(x @ x.T + np.eye(len(x)), x),
    "det": lambda x, y: tg.linalg.det(x @ x.T + np.eye(len(x))),
    "norm": lambda x, y: tg.linalg.norm(x),
    "beside nothing": lambda x, y: tg.concatenate([x, np.zeros((0, *x.shape[1:]))]),
    "stack": lambda x, y: tg.stack([x, x]),
    "where": lambda x, y: tg.where(x > 0, x, 0.0),
    "einsum": lambda x, y: tg.einsum("ij,ik->jk", x, x),
    "float32": lambda x, y: x.astype(np.float32),
    "add": lambda x, y: x + y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / (y * y + 1),
    "matmul": lambda x, y: x @ y,
    "matmul transposed": lambda x, y: x @ y.T,
    "concatenate": lambda x, y: tg.concatenate([x, y]),
    "tensordot": lambda x, y: tg.tensordot(x, y, 1),
    "maximum": lambda x, y: tg.maximum(x, y),
}


def fitting(steps, shapes):
    """Return the steps of a random program that its values fit."""
    values = [tg.Tensor(np.zeros(shape)) for shape in shapes]
    kept = []
    for name, i, j in steps:
        i, j = i % len(values), j % len(values)
        try:
            made = STEPS[name](values[i], values[j])
        except (ValueError, IndexError, TypeError, ArithmeticError):
            continue
        if made.size <= 300:
            values.append(made)
            kept.append((STEPS[name], i, j))
    return kept


def run(steps, arrays):
    values = list(arrays)
    for step, i, j in steps:
        values.append(step(values[i], values[j]))
    return values


def total(steps, arrays):
    return sum(tg.sum(tg.sin(value)) for value in run(steps, arrays))


def arrays_of(out):
    return [np.asarray(a.data if isinstance(a, tg.Tensor) else a) for a in out]


def trained(steps, arrays, optimizer, compiled):
    """Return the losses of five steps on parameters, and the parameters in the end."""
    parameters = [tg.Tensor(a, requires_grad=True) for a in arrays]
    rule = optimizer(parameters)

    def step(x):
        loss = total(steps, parameters) + tg.sum(x)
        loss.backward()
        rule.step()
        rule.zero_grad()
        return loss

    called = tg.compile(step) if compiled else step
    return [called(np.full(0, 1.0)) for _ in range(5)] + parameters


OPTIMIZERS = [
    lambda p: tg.optim.SGD(p, 0.01), lambda p: tg.optim.SGD(p, 0.01, momentum=0.9),
    lambda p: tg.optim.Adam(p, 0.01),
]
programs = st.lists(
    st.tuples(st.sampled_from(list(STEPS)), st.integers(0, 9), st.integers(0, 9)),
    min_size=1, max_size=6)


@settings(max_examples=chosen(25, 2000), deadline=None)
@given(programs, st.tuples(st.sampled_from(SHAPES), st.sampled_from(SHAPES)), st.integers(0, 2))
def test_programs_do_what_functions_do_where_arrays_are_empty(steps, shapes, number):
    steps = fitting(steps, shapes)
    arrays = [np.random.default_rng(1).normal(size=shape) for shape in shapes]
    functions = {
        "values": lambda *xs: tuple(run(steps, xs)),
        "gradients": lambda *xs: tg.grad(lambda a: total(steps, a))(list(xs)),
    }
    with np.errstate(all="ignore"):
        for name, function in functions.items():
            expected = arrays_of(function(*arrays))
            compiled = tg.compile(function)
            for _ in range(4):  # recorded twice, then run by the program and by its fast path
                found = arrays_of(compiled(*arrays))
                for a, b in zip(found, expected, strict=True):
                    assert (a.shape, a.dtype) == (b.shape, b.dtype), name
                    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
        ways = [arrays_of(trained(steps, arrays, OPTIMIZERS[number], way)) for way in (0, 1)]
        for a, b in zip(*ways, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("widths", [(3, 4, 2), (0, 4, 2), (3, 0, 2), (30, 40, 20)])
@pytest.mark.parametrize("n", [0, 1, 5])
def test_a_step_on_no_samples_or_through_no_units_is_compiled_as_it_is(widths, n, optimizer):
    def final(compiled):
        rng = np.random.default_rng(0)
        shapes = zip(widths[1:], widths[:-1], strict=True)
        V, W = (tg.Tensor(rng.normal(size=shape), requires_grad=True) for shape in shapes)
        b = tg.Tensor(np.zeros(widths[1]), requires_grad=True)
        rule = optimizer([V, W, b])
        x, y = rng.normal(size=(n, widths[0])), rng.normal(size=(n, widths[2]))

        def step(x, y):
            loss = ((tg.tanh(x @ V.T + b) @ W.T - y) ** 2).sum()
            loss.backward()
            rule.step()
            rule.zero_grad()
            return loss

        called = tg.compile(step) if compiled else step
        return [called(x, y) for _ in range(5)] + [V, W, b]

    for a, b in zip(arrays_of(final(False)), arrays_of(final(True)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_a_constant_without_elements_is_shown_with_its_shape():
    compiled = tg.compile(lambda x: x @ np.zeros((0, 2)))
    x = np.zeros((4, 0))
    assert [compiled(x).shape for _ in range(4)] == [(4, 2)] * 4
    assert "np.zeros((0, 2), np.float64)" in compiled.source
