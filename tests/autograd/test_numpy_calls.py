"""NumPy's functions with parameters that operations do not have: as NumPy, and differentiable."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.errors import InvalidArgumentError

X = np.random.default_rng(1).normal(size=(2, 3))
CHOSEN = X > -0.2
ROW = np.array([True, False, True])

CALLS = {
    "sum, where": lambda x: np.sum(x, where=CHOSEN),
    "sum, where broadcast": lambda x: np.sum(x, axis=0, where=ROW),
    "sum, where and initial": lambda x: np.sum(x, axis=1, where=CHOSEN, initial=2.5),
    "sum, initial by place": lambda x: np.sum(x, 0, None, None, True, 2.0),
    "sum, nothing out of the ordinary": lambda x: np.sum(x, None, None, None, False),
    "sum, no value given": lambda x: np.sum(x, initial=np._NoValue, where=True, out=None),
    "mean, where": lambda x: np.mean(x, axis=1, where=CHOSEN, keepdims=True),
    "mean, by place": lambda x: np.mean(x, 1, None, None, True),
    "mean, dtype": lambda x: np.mean(x, dtype=np.float64),
    "prod, where and initial": lambda x: np.prod(x, where=CHOSEN, initial=3.0),
    "prod, initial": lambda x: np.prod(x, axis=0, initial=3.0),
    "max, initial": lambda x: np.max(x, axis=1, initial=0.5),
    "max, where": lambda x: np.max(x, axis=1, initial=-9.0, where=CHOSEN),
    "min, where": lambda x: np.amin(x, axis=0, initial=9.0, where=CHOSEN),
    "max of nothing": lambda x: np.max(x[:0], axis=0, initial=0.5) + np.sum(x),
    "var, correction": lambda x: np.var(x, correction=1),
    "std, ddof by place": lambda x: np.std(x, 0, None, None, 1),
    "cumsum, dtype": lambda x: np.cumsum(x, dtype=float),
    "argmax, by place": lambda x: x * np.argmax(x, 0, None),
    "median, by place": lambda x: np.median(x, 1, None, False, True),
    "clip, min and max": lambda x: np.clip(x, min=-0.5, max=0.3),
    "take, by place": lambda x: np.take(x, [4, 1], 1, None, "wrap"),
    "reshape, order": lambda x: np.reshape(x, (3, 2), order="F"),
    "reshape, order by place": lambda x: np.reshape(x, (3, -1), "F"),
    "ravel, order": lambda x: np.ravel(x, order="F"),
    "reshape, C": lambda x: np.reshape(x, (3, 2), order="C"),
    "concatenate, dtype": lambda x: np.concatenate([x, x], axis=1, dtype=float),
    "stack, by place": lambda x: np.stack([x, x], 1, None),
    "trace, dtype": lambda x: np.trace(x, dtype=float),
    "pinv, by place": lambda x: np.linalg.pinv(x, 1e-10, False),
    "method: sum, where": lambda x: x.sum(axis=0, where=CHOSEN),
    "method: mean, dtype": lambda x: x.mean(dtype=float),
    "method: max, initial": lambda x: x.max(axis=0, initial=0.1),
    "method: prod, by place": lambda x: x.prod(0, None, None, True),
    "method: reshape, order": lambda x: x.reshape(3, 2, order="F"),
    "method: ravel, order": lambda x: x.ravel("F"),
    "method: flatten, order": lambda x: x.flatten("F"),
    "method: searchsorted": lambda x: x * x[0].searchsorted(0.0),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_means_what_it_means_in_numpy_and_has_its_gradient(call, assert_derivative):
    f = CALLS[call]
    expected = f(X)
    found = f(tg.Tensor(X, requires_grad=True))
    assert isinstance(found, tg.Tensor) and found.dtype == expected.dtype
    np.testing.assert_allclose(found.data, expected, rtol=1e-13, strict=True)
    weights = np.random.default_rng(2).normal(size=expected.shape)
    gradient = tg.grad(lambda x: tg.sum(weights * f(x)))(X)
    assert_derivative(gradient, lambda x: np.sum(weights * f(x)), X)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "cumsum"])
def test_a_reduction_in_another_dtype(name):
    x = tg.Tensor(X.astype(np.float32), requires_grad=True)
    wide = getattr(np, name)(x, dtype=float)
    assert wide.dtype == float
    np.testing.assert_allclose(wide.data, getattr(np, name)(x.data, dtype=float))
    wide.sum().backward()
    assert x.grad.dtype == np.float32


REFUSED = {
    "out": lambda x: np.sum(x, out=np.zeros(())),
    "out by place": lambda x: np.sum(x, 0, None, np.zeros(3)),
    "where of another function": lambda x: np.var(x, where=CHOSEN),
    "max with where alone": lambda x: np.max(x, where=CHOSEN),
    "an unknown order": lambda x: np.reshape(x, (3, 2), order="A"),
    "a mean that was computed": lambda x: np.std(x, mean=0.5),
    "a border of accidental values": lambda x: np.pad(x, 1, "empty"),
    "an odd reflection": lambda x: np.pad(x, 1, "reflect", reflect_type="odd"),
    "widths of other axes": lambda x: np.pad(x, ((1, 1), (1, 1), (1, 1))),
    "two cutoffs": lambda x: np.linalg.pinv(x, 1e-9, rtol=1e-9),
}


@pytest.mark.parametrize("call", REFUSED)
def test_what_cannot_be_meant_is_refused(call):
    with pytest.raises(InvalidArgumentError):
        REFUSED[call](tg.Tensor(X, requires_grad=True))


def test_sorting_in_place_returns_nothing_and_sorts():
    """As in NumPy; the gradient goes back to where each number came from."""
    x = tg.Tensor([3.0, 1.0, 2.0], requires_grad=True)
    y = x * 1
    assert y.sort() is None
    np.testing.assert_array_equal(y.numpy(), [1.0, 2.0, 3.0])
    np.sum(y * np.array([1.0, 2.0, 3.0])).backward()
    np.testing.assert_array_equal(x.grad, [3.0, 1.0, 2.0])


def test_a_leaf_is_not_sorted_in_place():
    x = tg.Tensor([3.0, 1.0, 2.0], requires_grad=True)
    with pytest.raises(InvalidArgumentError, match="leaf cannot be stored into"):
        x.sort()
    np.testing.assert_array_equal(x.numpy(), [3.0, 1.0, 2.0])
