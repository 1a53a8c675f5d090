"""The Tensor itself: construction, attributes, methods, Python's protocols."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, basic_indices, integer_array_indices

import tinygrad_mlp as tg


def tracked(array, **more):
    return tg.Tensor(np.array(array), requires_grad=True, **more)


CUBE = np.random.default_rng(0).normal(size=(2, 1, 3))

METHODS = {
    "sum": lambda a: a.sum(),
    "sum of an axis": lambda a: a.sum(axis=0),
    "sum by position": lambda a: a.sum(0, keepdims=True),
    "mean": lambda a: a.mean(axis=(0, 2)),
    "max": lambda a: a.max(axis=-1),
    "min": lambda a: a.min(),
    "var": lambda a: a.var(axis=2, ddof=1),
    "argmax": lambda a: a.argmax(axis=2),
    "argmin": lambda a: a.argmin(),
    "reshape": lambda a: a.reshape(3, 2),
    "reshape by tuple": lambda a: a.reshape((3, -1)),
    "ravel": lambda a: a.ravel(),
    "flatten": lambda a: a.flatten(),
    "squeeze": lambda a: a.squeeze(),
    "squeeze an axis": lambda a: a.squeeze(1),
    "transpose": lambda a: a.transpose(),
    "transpose by tuple": lambda a: a.transpose((2, 0, 1)),
    "transpose by arguments": lambda a: a.transpose(2, 0, 1),
    "swapaxes": lambda a: a.swapaxes(0, 2),
    "clip": lambda a: a.clip(-0.5, 0.5),
    "clip on one side": lambda a: a.clip(max=0.5),
    "dot": lambda a: a.squeeze().dot(a.squeeze().T),
    "copy": lambda a: a.copy(),
    "T": lambda a: a.T,
    "mT": lambda a: a.mT,
    "astype": lambda a: a.astype(np.float32),
    "to integers": lambda a: a.astype(int),
    "shape": lambda a: a.shape,
    "ndim": lambda a: a.ndim,
    "size": lambda a: a.size,
    "dtype": lambda a: a.dtype,
    "len": len,
    "rows": lambda a: [row.sum() for row in a][1],
    "item": lambda a: a[0, 0, 0].item(),
    "float": lambda a: float(a[0, 0, 0]),
    "int": lambda a: int(10 * a[0, 0, 0]),
    "bool": lambda a: bool(a[0, 0, 0]),
    "format": lambda a: f"{a[0, 0, 0]:.3f}",
}


@pytest.mark.parametrize("method", METHODS)
def test_methods_are_those_of_an_array(method):
    f = METHODS[method]
    found, expected = f(tracked(CUBE)), f(CUBE)
    if isinstance(found, tg.Tensor):
        assert found.requires_grad is (expected.dtype.kind == "f")
        found = found.data
    np.testing.assert_array_equal(found, expected)
    assert np.asarray(found).dtype == np.asarray(expected).dtype


@given(st.data())
def test_every_index_works_as_in_numpy_and_its_gradient_counts_the_picks(data):
    shape = data.draw(array_shapes(max_dims=3, max_side=4))
    mask = st.lists(st.booleans(), min_size=shape[0], max_size=shape[0]).map(np.array)
    kinds = basic_indices(shape, allow_newaxis=True), integer_array_indices(shape), mask
    index = data.draw(st.one_of(*kinds))
    array = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    x = tracked(array)
    picked = x[index]
    np.testing.assert_array_equal(picked.data, array[index])
    weights = np.random.default_rng(0).normal(size=picked.shape)
    picked.backward(weights)
    expected = np.zeros(shape)
    np.add.at(expected, index, weights)
    np.testing.assert_allclose(x.grad, expected, atol=1e-15)


def test_data_is_not_copied_and_lists_become_float_arrays():
    a = np.ones(3)
    assert tg.Tensor(a).data is a
    assert tg.Tensor([1.0, 2.0]).dtype == np.float64
    assert tg.Tensor([1, 2], dtype=np.float32).dtype == np.float32
    assert tg.Tensor(tg.Tensor(a)).data is a
    assert tg.Tensor(2).shape == ()


def test_a_tensor_of_a_tensor_has_no_history():
    x = tracked([1.0])
    y = tg.Tensor(x * 2)
    assert not y.requires_grad and y.node is None


def test_detach_shares_the_data_and_numpy_is_the_data():
    x = tracked([1.0, 2.0], name="x")
    assert x.detach().data is x.data and x.detach().name == "x"
    assert x.numpy() is x.data


def test_a_copy_depends_on_the_original_and_shares_no_memory():
    x = tracked([1.0, 2.0])
    y = x.copy()
    assert not np.shares_memory(x.data, y.data)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [1.0, 1.0])


def test_precisions_can_be_mixed_and_gradients_return_in_their_own():
    x = tg.Tensor(np.ones(2, np.float32), requires_grad=True)
    y = x.astype(np.float64) * 3
    assert y.dtype == np.float64
    y.sum().backward()
    assert x.grad.dtype == np.float32


def test_a_deep_copy_is_a_leaf_of_its_own():
    x = tracked([1.0], name="w")
    y = copy.deepcopy(x)
    y.data += 1
    (y * y).backward()
    assert x.grad is None and x.data == [1.0]
    assert (y.name, y.requires_grad) == ("w", True)


def test_tensors_are_keys_by_identity():
    x, y = tracked([1.0]), tracked([1.0])
    assert {x: "x", y: "y"}[y] == "y"
    assert len({x, y, x}) == 2


def test_iterating_gives_rows_with_history():
    x = tracked([[1.0, 2.0], [3.0, 4.0]])
    first, second = x
    (first * 10 + second).sum().backward()
    np.testing.assert_array_equal(x.grad, [[10.0, 10.0], [1.0, 1.0]])


@pytest.mark.parametrize(
    ("tensor", "shown"),
    [
        (tg.Tensor([1.0, 2.0]), "Tensor([1., 2.])"),
        (tg.Tensor(1.5), "Tensor(1.5)"),
        (tg.Tensor(np.ones(1, np.float32)), "Tensor([1.], dtype=float32)"),
        (tg.Tensor([1.0], name="w", requires_grad=True),
         "Tensor([1.], name='w', requires_grad=True)"),
        (tg.tanh(tg.Tensor([0.0], requires_grad=True)), "Tensor([0.], op=tanh)"),
    ],
)
def test_a_tensor_shows_what_it_is(tensor, shown):
    assert repr(tensor) == str(tensor) == f"{tensor}" == shown


def test_results_of_a_subclass_are_plain_tensors():
    class Parameter(tg.Tensor):
        __slots__ = ()

    p = Parameter([1.0], requires_grad=True)
    assert type(p * p) is tg.Tensor
    (p * p).backward()
    np.testing.assert_array_equal(p.grad, [2.0])
