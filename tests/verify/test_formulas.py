"""Automatic differentiation against the gradients derived by hand, D2 and D3 written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp.verify import formulas

TWO_LAYERS = {"mean_square": formulas.mean_square, "cross_entropy": formulas.cross_entropy}
LOSSES = {"mean_square": tg.nn.squared_error, "cross_entropy": tg.nn.binary_cross_entropy}

sizes = st.integers(1, 6)
seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from([1e-3, 0.1, 1.0, 2.0])


def network_loss(loss, weights, biases, x, y):
    """The loss of one column-vector sample, written with the package's operations."""
    a = x
    for i, (W, b) in enumerate(zip(weights, biases, strict=True)):
        z = W @ a + b
        a = tg.tanh(z) if i < len(weights) - 1 else tg.sigmoid(z)
    return LOSSES[loss](a, y, reduction="sum")


def assert_close(got, expected):
    # Relative to the largest entry: single entries may cancel, the formula's as well as ours.
    scale = np.abs(expected).max()
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10 * scale)


@pytest.mark.parametrize("loss", TWO_LAYERS)
@given(p=sizes, n2=sizes, k=sizes, seed=seeds, scale=scales, hard=st.booleans())
def test_autograd_agrees_with_the_formulas_of_section_2(loss, p, n2, k, seed, scale, hard):
    rng = np.random.default_rng(seed)
    W1, W2 = rng.normal(0, scale, (n2, p)), rng.normal(0, scale, (k, n2))
    x = rng.normal(size=p)
    y = np.eye(k)[rng.integers(k)] if hard else rng.uniform(size=k)
    expected = TWO_LAYERS[loss](W1, W2, x, y)

    def f(W1, W2):
        return network_loss(loss, [W1, W2], [0.0, 0.0], x, y)

    got = tg.grad(f, argnums=(0, 1))(W1, W2)
    assert_close(got[0], expected["W1"])
    assert_close(got[1], expected["W2"])


@pytest.mark.parametrize("loss", TWO_LAYERS)
@given(
    widths=st.lists(sizes, min_size=2, max_size=5), seed=seeds, scale=scales, bias=st.booleans()
)
def test_autograd_agrees_with_the_recursion_for_any_depth(loss, widths, seed, scale, bias):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, scale, shape) for shape in zip(widths[1:], widths[:-1], strict=True)]
    biases = [rng.normal(0, scale, n) if bias else np.zeros(n) for n in widths[1:]]
    x, y = rng.normal(size=widths[0]), rng.uniform(size=widths[-1])
    expected = formulas.layered(weights, x, y, loss=loss, biases=biases if bias else None)

    def f(weights, biases):
        return network_loss(loss, weights, biases, x, y)

    got_weights, got_biases = tg.grad(f, argnums=(0, 1))(weights, biases)
    for got, want in zip(got_weights + got_biases, expected.weights + expected.biases, strict=True):
        assert_close(got, want)


@pytest.mark.parametrize("loss", TWO_LAYERS)
@given(seed=seeds, n=st.integers(1, 5))
def test_layer_objects_average_the_formulas_over_a_batch(loss, seed, n):
    rng = np.random.default_rng(seed)
    first, second = (
        tg.nn.Linear(*shape, bias=False, init=tg.nn.init.normal(1.0), rng=rng)
        for shape in ((4, 5), (5, 3))
    )
    model = tg.nn.Sequential(first, tg.nn.Tanh(), second, tg.nn.Sigmoid())
    X, Y = rng.normal(size=(n, 4)), np.eye(3)[rng.integers(3, size=n)]
    LOSSES[loss](model(X), Y).backward()
    each = [TWO_LAYERS[loss](first.weight.data, second.weight.data, x, y)
            for x, y in zip(X, Y, strict=True)]
    assert_close(first.weight.grad, np.mean([e["W1"] for e in each], axis=0))
    assert_close(second.weight.grad, np.mean([e["W2"] for e in each], axis=0))


@pytest.mark.parametrize("loss", TWO_LAYERS)
def test_the_two_layer_formulas_are_the_recursion_at_depth_two(loss, rng):
    W1, W2, x, y = rng.normal(size=(4, 3)), rng.normal(size=(2, 4)), rng.normal(size=3), [0.0, 1.0]
    two = TWO_LAYERS[loss](W1, W2, x, y)
    general = formulas.layered([W1, W2], x, y, loss=loss)
    assert_close(general.weights[0], two["W1"])
    assert_close(general.weights[1], two["W2"])


def test_the_cross_entropy_formula_by_hand_is_nan_where_the_sigmoid_saturates_and_ours_not():
    W1, W2 = np.array([[10.0]]), np.array([[800.0]])
    x, y = np.array([1.0]), np.array([0.0])  # z3 = 800: g rounds to 1, 1 − g to 0
    with np.errstate(divide="ignore", invalid="ignore"):
        by_formula = formulas.cross_entropy(W1, W2, x, y)
    assert np.isnan(by_formula["W2"]).all()

    def f(W2):
        return network_loss("cross_entropy", [W1, W2], [0.0, 0.0], x, y)

    got = tg.grad(f)(W2)
    np.testing.assert_allclose(got, np.tanh(10.0) * np.ones((1, 1)))  # (g(z3) − y) a2ᵀ


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(tg.errors.ShapeError, match=r"\(k, n2\).*\(2, 3\) and \(4, 5\)"):
        formulas.mean_square(np.ones((2, 3)), np.ones((4, 5)), np.ones(3), np.ones(4))
    with pytest.raises(tg.errors.ShapeError, match=r"x must have shape \(3,\)"):
        formulas.cross_entropy(np.ones((2, 3)), np.ones((4, 2)), np.ones(5), np.ones(4))
