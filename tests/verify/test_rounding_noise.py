"""Rounding noise, and the names of local variables: what the checks observe."""

import numpy as np

import tinygrad_mlp as tg
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.verify.derivations.local_variables import call_with_local_variables
from tinygrad_mlp.verify.rounding_noise import RoundingNoise


def evaluated(f, *arrays, eps=1e-6, seed=0):
    with changed_mode(hook=RoundingNoise(eps, np.random.default_rng(seed))):
        return f(*(tg.Tensor(a, requires_grad=True) for a in arrays))


def test_every_argument_is_off_by_about_eps():
    x = np.linspace(1, 2, 1000)
    relative = evaluated(lambda t: t * 1.0, x).data / x - 1
    assert 0.9e-6 < np.std(relative) < 1.1e-6


def test_cancellation_magnifies_the_noise():
    x = np.ones(100)
    change = evaluated(lambda t: (t + 1e6) - 1e6, x).data - x
    assert 0.3 < np.std(change) < 3  # 1e-6 of 1e6


def test_what_only_moves_or_compares_numbers_is_exact():
    x = np.arange(6.0).reshape(2, 3)
    moved = evaluated(lambda t: tg.transpose(tg.reshape(t, shape=(3, 2))), x)
    np.testing.assert_array_equal(moved.data, x.reshape(3, 2).T)
    np.testing.assert_array_equal(evaluated(lambda t: t > 2, x), x > 2)


def test_the_graph_has_one_node_for_an_operation():
    out = evaluated(lambda t: tg.tanh(t), np.ones(2))
    assert out.node.op is tg.tanh and out.node[0].node is None
    assert out.node.arrays[0] is not out.node[0].data


def test_a_call_returns_the_local_variables():
    def f(a):
        b = a + 1
        return b * 2

    assert call_with_local_variables(f, {"a": 3}) == (8, {"a": 3, "b": 4})


def test_a_builtin_has_no_local_variables():
    assert call_with_local_variables(dict, {"a": 1}) == ({"a": 1}, {})
