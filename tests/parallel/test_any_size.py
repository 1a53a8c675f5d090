"""Whatever the sizes of data, batches and teams are, ranks train as one process does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tests.parallel.threads import by_threads

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 4)), np.eye(3)[RNG.integers(0, 3, 20)]
WEIGHTS = RNG.integers(0, 4, 20)


def trained(n, ranks=None, **options):
    """Train on the first samples; return weights, losses and accuracies."""
    rng = np.random.default_rng(1)
    model = tg.nn.Sequential(tg.nn.Linear(4, 5, rng=rng), tg.nn.Tanh(),
                             tg.nn.Linear(5, 3, rng=rng))
    history = tg.fit(
        model, tg.nn.softmax_cross_entropy, tg.optim.Adam(model.parameters(), 0.1), X[:n], Y[:n],
        rng=np.random.default_rng(2), ranks=ranks, block=1, validation=(X[:7], Y[:7]), **options)
    figures = np.array([[*record[:2], *record[3:]] for record in history])
    return [*model.state_dict().values(), figures]


@pytest.mark.filterwarnings("ignore")  # as an error, one would be that of some thread
@given(n=st.integers(1, 20), size=st.integers(1, 4), weighted=st.booleans(),
       options=st.fixed_dictionaries({
           "batch_size": st.integers(1, 9), "accumulate": st.integers(1, 3),
           "epochs": st.integers(1, 3), "compiled": st.sampled_from([False, True]),
           "record_every": st.sampled_from([None, 1, 3]), "shuffle": st.booleans()}))
def test_ranks_of_any_number_train_as_one_process_does(n, size, weighted, options):
    if weighted:
        options["sample_weight"] = 1 + WEIGHTS[:n]
    alone = trained(n, **options)
    for found in by_threads(size, lambda ranks: trained(n, ranks, **options)):
        for one, other in zip(alone, found, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-9)


def test_an_error_of_a_callback_ends_all_ranks(capfd):
    def fails(run):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        by_threads(3, lambda ranks: trained(20, ranks, epochs=3, callbacks=[fails]))
    assert "Rank 0 ends all 3 ranks." in capfd.readouterr().err
