from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_mlp.data import batches
from tinygrad_mlp.errors import InvalidArgumentError

sizes = st.integers(0, 60), st.integers(1, 70)


@given(*sizes, st.none() | st.integers(0, 99))
def test_an_epoch_visits_every_sample_once_in_full_blocks_and_a_rest(n, batch_size, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    blocks = [np.arange(n)[rows].tolist() for rows in batches(n, batch_size, rng)]
    assert sorted(sum(blocks, [])) == list(range(n))
    assert [len(block) for block in blocks[:-1]] == [batch_size] * (len(blocks) - 1)
    assert all(1 <= len(block) <= batch_size for block in blocks)


@given(*sizes)
def test_without_a_generator_the_order_is_kept_and_nothing_is_copied(n, batch_size):
    X = np.arange(n)
    blocks = [X[rows] for rows in batches(n, batch_size)]
    assert [i for block in blocks for i in block] == list(range(n))
    assert all(np.shares_memory(block, X) for block in blocks)


def test_the_same_seed_gives_the_same_epochs_and_each_epoch_its_own_order():
    def epochs():
        rng = np.random.default_rng(3)
        return [np.concatenate(list(batches(50, 8, rng))).tolist() for _ in range(2)]

    assert epochs() == epochs()
    assert epochs()[0] != epochs()[1]


@pytest.mark.parametrize(
    ("n", "batch_size", "rng", "message"),
    [
        (5, 0, None, "batch_size must be an integer >= 1. Got 0"),
        (5, -2, None, "batch_size must be an integer >= 1. Got -2"),
        (5, 2.0, None, "batch_size must be an integer >= 1. Got 2.0"),
        (5, True, None, "batch_size must be an integer >= 1. Got True"),
        (5, None, None, "batch_size must be an integer >= 1. Got None"),
        (-1, 2, None, "n must be an integer >= 0. Got -1"),
        (5, 2, 0, "rng must be a numpy.random.Generator. Got 0"),
    ],
)
def test_wrong_arguments_are_refused_at_the_call(n, batch_size, rng, message):
    with pytest.raises(InvalidArgumentError, match="^batches: .*") as caught:
        batches(n, batch_size, rng)
    assert message in str(caught.value)
