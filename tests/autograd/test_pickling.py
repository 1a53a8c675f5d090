"""Tensors with a history are pickled with it: values, leaves and gradients are those before."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tests.campaigns import chosen


def leaves():
    rng = np.random.default_rng(0)
    return [tg.Tensor(rng.normal(size=(3, 3)), requires_grad=True, name=name) for name in "xy"]


STEPS = {
    "add": lambda a, b: a + b,
    "matmul": lambda a, b: a @ b,
    "tanh": lambda a, b: tg.tanh(a),
    "slices": lambda a, b: a[1:, :2].sum() + b,
    "outputs": lambda a, b: tg.linalg.slogdet(a @ a.T + np.eye(3))[1] * b,
    "vectors": lambda a, b: tg.linalg.qr(a + 3 * np.eye(3))[0] + b,
    "same": lambda a, b: a * a,
}


def computed(program, values):
    values = list(values)
    for name, i, j in program:
        values.append(tg.arcsinh(STEPS[name](values[i % len(values)], values[j % len(values)])))
    return values


programs = st.lists(
    st.tuples(st.sampled_from(list(STEPS)), st.integers(0, 5), st.integers(0, 5)), min_size=1,
    max_size=6)


@given(programs, st.sampled_from(range(2, pickle.HIGHEST_PROTOCOL + 1)))
def test_gradients_through_a_pickled_graph_are_those_through_the_graph(program, protocol):
    values = computed(program, leaves())
    loss = sum(tg.sum(tg.sin(value)) for value in values)
    loss.name = "loss"
    # Leaves, intermediate values and the result, which share one graph.
    twins, result = pickle.loads(pickle.dumps((values, loss), protocol))
    for value, twin in zip(values, twins, strict=True):
        np.testing.assert_array_equal(value.data, twin.data)
        assert (twin.name, twin.requires_grad) == (value.name, True)
    assert result.name == "loss"
    loss.backward(), result.backward()
    for leaf, twin in zip(values[:2], twins[:2], strict=True):
        np.testing.assert_array_equal(twin.grad, leaf.grad)
        assert twin.grad is not leaf.grad


@pytest.mark.parametrize("length", [1, chosen(8_000, 50_000)])
def test_a_history_of_any_length_can_be_pickled_and_copied(length):
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    y = x
    for _ in range(length):
        y = y * 1.00001
    z, leaf = pickle.loads(pickle.dumps((y, x)))
    z.sum().backward()
    np.testing.assert_allclose(leaf.grad, [1.00001**length] * 2, rtol=1e-10)
    assert x.grad is None
    for copied in (copy.copy(y), copy.deepcopy(y)):  # functions of the same leaves
        copied.sum().backward(retain_graph=True)
    np.testing.assert_allclose(x.grad, 2 * leaf.grad)


def test_a_long_history_through_operations_of_several_outputs_is_pickled_in_linear_time():
    x = tg.Tensor(np.eye(2), requires_grad=True)
    y = x
    for _ in range(1500):
        first, second = tg.split(y, 2)
        y = tg.concatenate([second, first])
    z, leaf = pickle.loads(pickle.dumps((y, x)))
    z[0, 0].backward()
    np.testing.assert_array_equal(leaf.grad, [[1, 0], [0, 0]])


def test_what_was_asked_for_before_is_kept():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    y.retain_grad()
    loss = y.sum()
    twin_loss, twin = pickle.loads(pickle.dumps((loss, y)))
    twin_loss.backward()
    np.testing.assert_array_equal(twin.grad, [1.0, 1.0])


def test_a_released_graph_stays_released():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(tg.errors.GraphReleasedError):
        pickle.loads(pickle.dumps(y)).backward()


def test_a_result_computed_without_recording_and_a_parameter_are_pickled_as_they_are():
    x = tg.nn.Parameter([1.0, 2.0])
    with tg.no_grad():
        y = x * 3
    twin, other = pickle.loads(pickle.dumps((y, x)))
    assert not twin.requires_grad and twin.data.tolist() == [3.0, 6.0]
    assert type(other) is tg.nn.Parameter and other.requires_grad
