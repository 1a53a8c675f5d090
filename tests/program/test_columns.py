"""Products that lie column by column: which ones, that no number changes, and nothing is copied."""

import numpy as np
import pytest
import scipy.linalg.blas
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp import nn, optim

IN, UNITS, OUT = 100, 120, 5  # a matrix of 12,000 weights
ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU, "sigmoid": nn.Sigmoid,
               "elu": nn.ELU}
OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, 0.05), "momentum": lambda p: optim.SGD(p, 0.05, momentum=0.9),
    "Adam": lambda p: optim.Adam(p, 0.01)}


def network(hidden=(UNITS,), activation="tanh", bias=True, dtype=np.float32):
    rng = np.random.default_rng(0)
    units = [IN, *hidden, OUT]
    layers = []
    for n_in, n_out in zip(units, units[1:], strict=False):
        layers += [nn.Linear(n_in, n_out, bias=bias, rng=rng, dtype=dtype),
                   ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


def training(model, make=OPTIMIZERS["SGD"], loss=nn.softmax_cross_entropy):
    """A step of training, not compiled."""
    optimizer = make(list(model.parameters()))

    def step(x, y):
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        return value

    return step


def samples(batch, dtype=np.float32):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(batch, IN)).astype(dtype)
    return X, np.eye(OUT, dtype=dtype)[rng.integers(OUT, size=batch)]


def compiled(step, batch=16, dtype=np.float32):
    made = tg.compile(step)
    for _ in range(3):
        made(*samples(batch, dtype))
    return made


def in_columns(step):
    """The shapes of the products that lie column by column."""
    made = [line.results[0] for line in step.program.instructions
            if line.op.name in ("matmul", "product")]
    return [v.shape for v in made if v in step.program.by_columns]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(ACTIVATIONS)), st.sampled_from(sorted(OPTIMIZERS)), st.booleans(),
       st.integers(2, 40), st.lists(st.sampled_from([UNITS, 130, 7]), min_size=1, max_size=3))
def test_steps_compute_what_eager_steps_do(activation, optimizer, bias, batch, hidden):
    models = [network(hidden, activation, bias) for _ in range(2)]
    steps = [training(model, OPTIMIZERS[optimizer]) for model in models]
    steps[1] = tg.compile(steps[1])
    for _ in range(5):
        losses = [float(step(*samples(batch)).data) for step in steps]
        assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    steps[1].program.check()
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=0, atol=2e-4)
        assert b.data.flags.c_contiguous


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("hidden", [(UNITS,), (UNITS, 130)])
def test_the_products_of_hidden_layers_lie_in_columns(hidden, activation, optimizer):
    step = compiled(training(network(hidden, activation), OPTIMIZERS[optimizer]))
    # Forward and backward.
    assert in_columns(step) == [(16, units) for units in hidden + hidden[::-1]]
    assert "let products lie column by column" in step.program.explain_passes()
    assert step.source.count("np.float32, 'F')") >= 2


def read_by_rows(model):
    return nn.Sequential(*model.layers[:1], nn.LayerNorm(UNITS, dtype=np.float32),
                         *model.layers[1:])


def with_returned_layer(model):
    step, first = training(model), nn.Sequential(*model.layers[:2])

    def returning(x, y):
        return step(x, y), first(x)

    return returning


def beside_an_input(model):
    def step(x, y, z):
        return tg.sum((model.layers[0](x) * z) ** 2)

    return step


@pytest.mark.parametrize("make", [
    lambda: compiled(training(read_by_rows(network()))),
    lambda: compiled(training(network(dtype=np.float64)), dtype=np.float64),
    lambda: compiled(training(network()), batch=257),
    lambda: compiled(training(network((99,)))),
], ids=["read row by row", "double precision", "many rows", "few weights"])
def test_other_products_lie_in_rows(make):
    step = make()
    assert in_columns(step) == [] and "'F'" not in step.source


def test_what_is_handed_over_lies_in_rows():
    step = compiled(with_returned_layer(network()))
    assert in_columns(step) == []
    _, hidden = step(*samples(16))
    assert hidden.data.flags.c_contiguous


def test_what_meets_an_input_lies_in_rows():
    step = tg.compile(tg.grad(beside_an_input(network())))
    x, y = samples(16)
    z = np.ones((16, UNITS), np.float32)
    for _ in range(3):
        step(x, y, z)
    assert in_columns(step) == []


@pytest.mark.parametrize("batch", [16, 257])
@pytest.mark.parametrize("bias", [False, True])
def test_blas_is_given_each_matrix_as_it_lies_in_memory(bias, batch, monkeypatch):
    gemm, given = scipy.linalg.blas.sgemm, []

    def spy(alpha, a, b, beta=0.0, c=None, *flags, **named):
        given.append((a, b, c))
        out = gemm(alpha, a, b, beta, c, *flags, **named)
        assert c is None or np.shares_memory(out, c)
        return out

    monkeypatch.setattr(scipy.linalg.blas, "sgemm", spy)
    step = compiled(training(network((UNITS, 130), bias=bias)), batch)
    assert len(given) == sum(line.op.name in ("product", "accumulate")
                             for line in step.program.instructions) >= 6
    assert all(m.flags.f_contiguous for matrices in given for m in matrices if m is not None)
    assert bool(in_columns(step)) is (batch == 16)
