"""What `backward()` promises: accumulation, release, and whose gradient is kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp.errors import GraphReleasedError, NotDifferentiableError, ShapeError


def leaf(*numbers):
    return tg.Tensor(np.array(numbers), requires_grad=True)


# -- accumulation ----------------------------------------------------------------------------------


def test_gradients_accumulate_over_calls():
    x = leaf(1.0, 2.0)
    for count in (1, 2, 3):
        (x * x).sum().backward()
        np.testing.assert_array_equal(x.grad, count * 2 * x.data)


def test_shares_that_meet_change_no_array_that_somebody_holds():
    cotangent = np.array([1.0, 2.0])
    x = leaf(3.0, 4.0)
    y = x * 2
    y.retain_grad()
    z = y + y + y + y
    z.retain_grad()
    z.backward(cotangent)
    np.testing.assert_array_equal(cotangent, [1.0, 2.0])
    np.testing.assert_array_equal(z.grad, cotangent)
    np.testing.assert_array_equal(y.grad, 4 * cotangent)
    np.testing.assert_array_equal(x.grad, 8 * cotangent)


def test_gradients_accumulate_over_uses():
    x = leaf(3.0)
    (x * x + x / x + x - x).sum().backward()
    np.testing.assert_allclose(x.grad, [6.0])


def test_a_gradient_stays_an_array_of_the_leaf_when_it_accumulates():
    for data in (np.array(2.0), np.float32(2.0), np.ones((2, 1), np.float32)):
        x = tg.Tensor(data, requires_grad=True)
        for _ in range(2):
            (x * x).sum().backward()
            assert type(x.grad) is np.ndarray
            assert x.grad.shape == x.shape and x.grad.dtype == x.dtype


def test_setting_grad_to_none_starts_again():
    x = leaf(1.0)
    (2 * x).backward()
    x.grad = None
    (3 * x).backward()
    np.testing.assert_array_equal(x.grad, [3.0])


def test_backward_of_a_leaf_gives_the_gradient_itself():
    x = leaf(1.0, 2.0)
    given = np.array([5.0, 6.0])
    x.backward(given)
    np.testing.assert_array_equal(x.grad, given)
    assert not np.shares_memory(x.grad, given)


def test_the_gradient_argument_weighs_the_elements():
    x = leaf(1.0, 2.0)
    for weights in (np.array([3.0, 4.0]), tg.Tensor([3.0, 4.0]), [3, 4]):
        x.grad = None
        (x * x).backward(weights)
        np.testing.assert_array_equal(x.grad, [6.0, 16.0])


def test_every_path_of_a_diamond_counts_once():
    x = leaf(2.0)
    a = x * x
    b, c = a * 3, tg.sin(a)
    (b * c + a).backward()
    s, k = np.sin(4.0), np.cos(4.0)
    np.testing.assert_allclose(x.grad, [2 * 2 * (3 * s + 12 * k + 1)])


def test_a_graph_with_2_to_the_60_paths_takes_60_steps():
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    np.testing.assert_array_equal(x.grad, [2.0**60])


# -- release ---------------------------------------------------------------------------------------


def test_a_second_backward_raises_and_changes_nothing():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (tg.tanh(x * w)).sum()
    y.backward()
    before = x.grad.copy(), w.grad.copy()
    with pytest.raises(GraphReleasedError, match=r"backward\(\).*'sum'.*retain_graph=True"):
        y.backward()
    np.testing.assert_array_equal((x.grad, w.grad), before)


def test_a_shared_part_that_was_released_raises_and_changes_nothing():
    x, w = leaf(1.0), leaf(5.0)
    shared = tg.tanh(x)
    first, second = shared * 2, shared * w
    second.retain_grad()
    first.backward()
    before = x.grad.copy()
    with pytest.raises(GraphReleasedError, match="'tanh'"):
        second.backward()
    np.testing.assert_array_equal(x.grad, before)
    assert w.grad is None and second.grad is None


def test_retain_graph_allows_another_backward():
    x = leaf(3.0)
    y = x * x * x
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_allclose(x.grad, [3 * 27.0])
    with pytest.raises(GraphReleasedError):
        y.backward()


def test_two_outputs_of_one_graph_need_the_graph_to_be_retained_once():
    x = leaf(2.0)
    shared = x * x
    (shared * 2).backward(retain_graph=True)
    (shared * 3).backward()
    np.testing.assert_array_equal(x.grad, [20.0])


def test_the_data_of_a_released_graph_remains():
    x = leaf(2.0)
    y = tg.exp(x)
    (y * y).backward()
    np.testing.assert_array_equal(y.data, np.exp([2.0]))
    assert y.requires_grad


def test_new_data_for_a_leaf_does_not_disturb_a_recorded_graph():
    x = leaf(2.0)
    y = x * x
    x.data = np.array([100.0])
    y.backward()
    np.testing.assert_array_equal(x.grad, [4.0])


# -- intermediate gradients ------------------------------------------------------------------------


def test_only_leaves_and_tensors_that_asked_keep_a_gradient():
    x = leaf(2.0)
    asked, other = x * 3, x * 5
    asked.retain_grad()
    (asked * asked + other).backward()
    np.testing.assert_array_equal(asked.grad, [12.0])
    assert other.grad is None
    np.testing.assert_array_equal(x.grad, [41.0])


def test_asking_twice_for_a_gradient_does_not_double_it():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.retain_grad()
    y.retain_grad()
    (y * 2).sum().backward(retain_graph=True)
    np.testing.assert_array_equal(y.grad, [2.0, 2.0])
    (y * 2).sum().backward()
    np.testing.assert_array_equal(y.grad, [4.0, 4.0])


def test_the_output_itself_and_a_leaf_may_ask_for_their_gradient():
    x = leaf(2.0)
    y = x * 3
    x.retain_grad()
    y.retain_grad()
    y.backward(np.array([7.0]))
    np.testing.assert_array_equal((y.grad, x.grad), [[7.0], [21.0]])


def test_a_tensor_that_asked_and_was_dropped_is_no_trouble():
    x = leaf(2.0)
    y = x * 3
    y.retain_grad()
    z = y * 2
    del y
    z.backward()
    np.testing.assert_array_equal(x.grad, [6.0])


# -- tensors that gradients do not flow to ---------------------------------------------------------


def test_a_detached_tensor_is_a_constant():
    x = leaf(3.0)
    (x * x.detach()).backward()
    np.testing.assert_array_equal(x.grad, [3.0])
    assert not x.detach().requires_grad


def test_an_untracked_result_becomes_a_leaf_when_it_is_marked():
    for op in (tg.tanh, tg.sigmoid, tg.softmax):
        x = op(tg.Tensor([0.5, 1.0]))
        x.requires_grad = True
        (x * x).sum().backward()
        np.testing.assert_allclose(x.grad, 2 * x.data)


def test_a_result_of_no_grad_that_is_marked_does_not_lead_back():
    w = leaf(0.5, 1.0)
    with tg.no_grad():
        x = tg.sigmoid(w)
    x.requires_grad = True
    tg.binary_cross_entropy(x, np.array([1.0, 0.0])).backward()
    assert w.grad is None
    np.testing.assert_allclose(x.grad, [-1 / x.data[0], 1 / (1 - x.data[1])])


def test_a_leaf_that_is_frozen_before_backward_gets_no_gradient():
    x, w = leaf(2.0), leaf(3.0)
    w.requires_grad = False
    (x * w).backward()
    assert w.grad is None
    np.testing.assert_array_equal(x.grad, [3.0])


def test_backward_without_anything_to_differentiate_raises():
    with pytest.raises(NotDifferentiableError, match="requires_grad=True"):
        (tg.Tensor([1.0]) * 2).backward()


def test_a_tensor_that_is_not_a_scalar_needs_a_gradient():
    x = leaf(1.0, 2.0)
    with pytest.raises(ShapeError, match=r"scalar.*\(2,\).*\.sum\(\)"):
        (x * 2).backward()
    with pytest.raises(ShapeError, match=r"\(2,\).*\(3,\)"):
        (x * 2).backward(np.ones(3))
    assert x.grad is None
    (tg.Tensor([[2.0]], requires_grad=True) * 2).backward()  # one element is a scalar


PICKED = [0, slice(1, 3), (Ellipsis, 1), [2, 0, 2], np.array([True, False, True]),
          (None, 1, slice(2)), (1, [0, 0, 1])]


@given(seed=st.integers(0, 2**32 - 1), leaf=st.booleans())
def test_shares_of_indexing_added_in_place_are_those_of_whole_arrays(seed, leaf):
    rng = np.random.default_rng(seed)
    steps = rng.integers(-2, len(PICKED), size=6)
    x0 = rng.normal(size=(3, 2))

    def f(x):
        x = x if leaf else tg.sin(x)
        total = 0.0
        for step in steps:
            part = x * x if step == -2 else x if step == -1 else x[PICKED[step]]
            total = total + tg.sum(part**2 * (1.5 + step))
        return total

    recorded = tg.Tensor(x0, requires_grad=True)
    np.testing.assert_allclose(tg.grad(f)(x0), tg.grad(f)(recorded).data, rtol=1e-12)
    f(recorded).backward()
    np.testing.assert_allclose(recorded.grad, tg.grad(f)(x0), rtol=1e-12)


def test_a_loop_over_rows_makes_no_whole_array_for_each_row():
    rows = 500
    x = tg.Tensor(np.ones((rows, 2_000)), requires_grad=True)
    total = 0.0
    for t in range(rows):
        total = total + tg.sum(x[t])
    made = []
    zeros = np.zeros
    try:
        np.zeros = lambda *args, **options: made.append(args) or zeros(*args, **options)
        total.backward()
    finally:
        np.zeros = zeros
    assert len(made) == 1
    assert np.all(x.grad == 1)
