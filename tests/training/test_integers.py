"""Integers stay integers where the model or the loss indexes with them; else they are floats."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.errors import DTypeError
from tinygrad_mlp.training.evaluation import fitting_dtypes
from tinygrad_mlp.training.examples import Examples

RNG = np.random.default_rng(0)
WORDS, CLASSES = RNG.integers(0, 7, (24, 5)), RNG.integers(0, 3, 24)
ONE_HOT = np.eye(3)[CLASSES]
WAYS = {"eager": False, "program": True, "auto": "auto"}
INTEGERS = [np.uint8, np.int8, np.int32, np.int64, np.uint64]


class Embedding(tg.nn.Module):
    """The mean of the vectors of words, and a layer."""

    def __init__(self, dtype):
        rng = np.random.default_rng(1)
        self.vectors = tg.nn.Parameter(rng.normal(size=(7, 4)).astype(dtype))
        self.out = tg.nn.Linear(4, 3, rng=rng, dtype=dtype)

    def forward(self, x):
        return self.out(tg.tanh(tg.mean(self.vectors[x], axis=1)))


class OneHot(tg.nn.Module):
    """The same network, which takes the words as rows of a matrix."""

    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return self.inner.out(tg.tanh(tg.mean(x @ self.inner.vectors, axis=1)))


def fit(model, X, Y, loss=tg.nn.softmax_cross_entropy, **settings):
    optimizer = tg.optim.SGD(model.parameters(), 0.5, momentum=0.5)
    return tg.fit(model, loss, optimizer, X, Y, epochs=4, batch_size=5,
                  rng=np.random.default_rng(2), **settings)


def picked(scores, classes):
    """The cross entropy of class numbers, which picks with them."""
    return -tg.mean(tg.log_softmax(scores)[np.arange(len(scores)), classes])


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("integers", INTEGERS)
def test_a_model_that_indexes_with_its_inputs_is_trained(way, dtype, integers):
    model, same = Embedding(dtype), Embedding(dtype)
    history = fit(model, WORDS.astype(integers), ONE_HOT, compiled=way,
                  validation=(WORDS[:3].astype(np.int16), ONE_HOT[:3]))
    expected = fit(OneHot(same), np.eye(7)[WORDS], ONE_HOT, compiled=False)
    rtol = 1e-10 if dtype is np.float64 else 1e-4
    np.testing.assert_allclose(history.training_loss, expected.training_loss, rtol=rtol)
    assert history.training_loss[-1] < history.training_loss[0]
    assert model.vectors.dtype == dtype
    assert tg.predict(model, WORDS).shape == (24, 3)


@pytest.mark.parametrize("way", [False, "auto"])
def test_a_loss_that_indexes_with_its_targets_is_trained(way):
    pairs = [(CLASSES, picked), (ONE_HOT, tg.nn.softmax_cross_entropy)]
    found, expected = (fit(Embedding(float), WORDS, Y, loss, compiled=way) for Y, loss in pairs)
    np.testing.assert_allclose(found.training_loss, expected.training_loss, rtol=1e-10)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("integers", [*INTEGERS, bool])
def test_pixels_and_targets_of_integers_give_the_numbers_of_floats(way, dtype, integers):
    pixels = RNG.integers(0, 2, (24, 6)).astype(integers)
    runs = []
    for X, Y in ((pixels, ONE_HOT.astype(integers)), (pixels.astype(float), ONE_HOT)):
        model = tg.nn.Linear(6, 3, rng=np.random.default_rng(3), dtype=dtype)
        history = fit(model, X, Y, compiled=way, validation=(X[:4], Y[:4]))
        runs.append([*history.training_loss, *history.validation_loss, *model.weight.data.flat])
        assert model.weight.dtype == dtype
    np.testing.assert_array_equal(*runs)


def test_a_model_that_takes_both_is_given_floats():
    model = tg.nn.Linear(5, 3, rng=np.random.default_rng(0))
    for X in (WORDS, WORDS.astype(np.uint8)):
        assert fitting_dtypes(model, tg.nn.softmax_cross_entropy, X, ONE_HOT, float) == (float,) * 2
    assert Examples(WORDS, ONE_HOT, (float, float)).X.dtype == float


def test_validation_data_must_be_integers_as_well():
    with pytest.raises(DTypeError, match="fit: validation X must be of integers, as the training"):
        fit(Embedding(float), WORDS, ONE_HOT, validation=(WORDS / 2, ONE_HOT))


def test_an_index_out_of_range_is_named_and_nothing_is_trained():
    model = Embedding(float)
    before = model.state_dict()
    with pytest.raises(IndexError, match=r"7|9"):
        fit(model, WORDS + 9, ONE_HOT)
    np.testing.assert_equal(model.state_dict(), before)


def test_inputs_that_fit_neither_way_are_refused_as_before():
    model = tg.nn.Linear(4, 3, rng=np.random.default_rng(0))
    with pytest.raises(tg.errors.ShapeError, match="5"):
        fit(model, WORDS, ONE_HOT)
