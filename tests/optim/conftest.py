"""What the tests of optimizers share: a table of them, a problem to solve, and comparisons."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_mlp import Tensor
from tinygrad_mlp.optim import SGD, Adam, AdamW, RMSprop

# Optimizers, with settings that solve `least_squares` below.
TABLE = [
    (SGD, {"lr": 0.1}),
    (SGD, {"lr": 0.05, "momentum": 0.9}),
    (SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}),
    (Adam, {"lr": 0.1}),
    (Adam, {"lr": 0.1, "beta1": 0.5, "weight_decay": 1e-4}),
    (AdamW, {"lr": 0.1, "weight_decay": 1e-4}),
    (RMSprop, {"lr": 0.01}),
    (RMSprop, {"lr": 0.01, "momentum": 0.5, "centered": True, "weight_decay": 1e-4}),
]


@pytest.fixture(params=TABLE, ids=[f"{kind.__name__}-{settings}" for kind, settings in TABLE])
def case(request):
    """A class of optimizers and its settings: every test that takes it is run for the table."""
    return request.param


def _parameters(dtype=float):
    rng = np.random.default_rng(5)
    return [
        Tensor(rng.normal(size=shape).astype(dtype), requires_grad=True, name=name)
        for name, shape in {"W": (2, 3), "b": (3,), "c": ()}.items()
    ]


@pytest.fixture(scope="session")
def parameters():
    """Function of a dtype: three parameters, the same at every call."""
    return _parameters


@pytest.fixture(scope="session")
def least_squares():
    """Function of a dtype: parameters and a function that computes their loss, 0 at best."""

    def problem(dtype=float):
        rng = np.random.default_rng(6)
        X = rng.normal(size=(20, 2)).astype(dtype)
        Y = X @ rng.normal(size=(2, 3)).astype(dtype) + 2
        W, b, c = _parameters(dtype)
        return [W, b, c], lambda: ((X @ W + b + c - Y) ** 2).mean()

    return problem


@pytest.fixture(scope="session")
def train():
    """Function of optimizer, loss and number of steps, which returns the losses on the way."""

    def run(optimizer, loss, steps, steps_per_epoch=5):
        values = []
        for _ in range(steps):
            optimizer.epoch = optimizer.steps // steps_per_epoch
            optimizer.zero_grad()
            value = loss()
            value.backward()
            optimizer.step()
            values.append(value.item())
        return values

    return run


@pytest.fixture(scope="session")
def set_gradients():
    """Function that gives parameters gradients which are the same everywhere."""

    def fill(listed, value=1.0):
        for parameter in listed:
            parameter.grad = np.full_like(parameter.data, value)

    return fill


@pytest.fixture(scope="session")
def everything():
    """Function of an optimizer: all that must be untouched after an error."""

    def snapshot(optimizer):
        return (
            [(p.data, p.data.copy(), p.grad) for p in optimizer.parameters],
            optimizer.state_dict(),
            optimizer.lr,
        )

    return snapshot


@pytest.fixture(scope="session")
def assert_same():
    """Function that asserts equality to the bit, through tuples, lists, dicts and arrays."""

    def compare(one, other):
        assert type(one) is type(other)
        if isinstance(one, dict):
            assert one.keys() == other.keys()
            for key in one:
                compare(one[key], other[key])
        elif isinstance(one, (list, tuple)):
            for a, b in zip(one, other, strict=True):
                compare(a, b)
        elif isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other, strict=True)
        else:
            assert one == other

    return compare
