"""What a function does besides operations shows when it is recorded a second time."""

import itertools

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp import nn, optim

X = np.arange(6.0).reshape(2, 3)


def counting():
    numbers = itertools.count()
    return lambda x: x * float(next(numbers))


def growing():
    seen = []

    def f(x):
        seen.append(1)
        for _ in seen:
            x = tg.tanh(x)
        return x

    return f


def with_noise():
    rng = np.random.default_rng(0)
    return lambda x: x + rng.normal(size=x.shape)


def with_a_noisy_tensor():
    rng = np.random.default_rng(0)
    return lambda x: x + tg.Tensor(rng.normal(size=x.shape))


def with_a_changing_parameter():
    axes = itertools.cycle([0, 1])
    return lambda x: tg.sum(x * x, axis=next(axes))


def with_other_weights():
    weights = itertools.cycle([nn.Parameter(np.ones(3)), nn.Parameter(np.ones(3))])
    return lambda x: x * next(weights)


def with_swapped_operands():
    turns = itertools.cycle([False, True])

    def f(x):
        a, b = tg.sin(x), tg.cos(x)
        return a - b if next(turns) else b - a

    return f


DIFFERENT = {
    "a counter": (counting, "argument 2"),
    "a list that grows": (growing, "which operations"),
    "noise in an array": (with_noise, "argument 2"),
    "noise in a tensor": (with_a_noisy_tensor, "the tensors it reads"),
    "a static parameter": (with_a_changing_parameter, "the parameter axis of 'sum'"),
    "another parameter": (with_other_weights, "the tensors it reads"),
    "the order of operands": (with_swapped_operands, "argument 1 of 'subtract'"),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_differs_at_the_second_call_is_named(name):
    make, what = DIFFERENT[name]
    f = tg.compile(make())
    f(X)
    with pytest.raises(tg.errors.TraceError, match=f"not do the same at every call: {what}"):
        f(X)


def with_constants():
    return lambda x: x * np.linspace(0, 1, 3) + tg.Tensor([1.0, np.nan, 2.0]) - 0.5


def with_masks():
    dropout = nn.Dropout(0.5, rng=np.random.default_rng(0))
    return lambda x: dropout(x) * 2


def a_step():
    model = nn.Linear(3, 2, rng=np.random.default_rng(0))
    optimizer = optim.Adam(model.parameters())

    def step(x):
        loss = tg.sum(model(x) ** 2)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return step


@pytest.mark.parametrize("make", [with_constants, with_masks, a_step])
def test_what_is_the_same_is_not_reported(make):
    f, twin = tg.compile(make()), make()
    for _ in range(4):
        np.testing.assert_allclose(
            np.asarray(tg.Tensor(f(X)).data), np.asarray(tg.Tensor(twin(X)).data), rtol=1e-12
        )


def test_nothing_has_happened_where_the_second_call_differs():
    model = nn.Linear(3, 2, rng=np.random.default_rng(0))
    optimizer = optim.SGD(model.parameters(), 0.1)
    numbers = itertools.count()

    @tg.compile
    def step(x):
        loss = tg.sum(model(x * float(next(numbers))) ** 2)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    step(X)
    before = model.state_dict()
    with pytest.raises(tg.errors.TraceError):
        step(X)
    assert optimizer.steps == 1
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
