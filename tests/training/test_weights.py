"""Weights of samples and classes: what `fit` minimises with them, and what it records."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp import nn
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError
from tinygrad_mlp.nn.losses import OF_OUTPUTS, losses_of_samples
from tinygrad_mlp.training.evaluation import evaluate
from tinygrad_mlp.training.weights import WeightedLoss

RNG = np.random.default_rng(0)
N = 24
X = RNG.normal(size=(N, 4))
CLASSES = RNG.integers(0, 3, N)
Y = np.eye(3)[CLASSES]


def each_error(prediction, target):
    return (prediction - target) ** 2


LOSSES = {
    "squared_error": nn.squared_error, "absolute_error": nn.absolute_error, "huber": nn.huber,
    "huber of 0.1": partial(nn.huber, delta=0.1), "hinge": nn.hinge,
    "sigmoid_cross_entropy": nn.sigmoid_cross_entropy,
    "softmax_cross_entropy": nn.softmax_cross_entropy,
    "binary_cross_entropy": nn.binary_cross_entropy,
    "categorical_cross_entropy": nn.categorical_cross_entropy, "kl_divergence": nn.kl_divergence}
OUTPUTS = {"binary_cross_entropy": nn.Sigmoid, "categorical_cross_entropy": nn.Softmax,
           "kl_divergence": nn.Softmax}
every_loss = pytest.mark.parametrize("name", LOSSES)
both_ways = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "eager"])


def test_every_loss_of_the_package_takes_weights():
    exported = {getattr(nn, name) for name in nn.__all__ if "error" in name or "entropy" in name}
    exported |= {nn.huber, nn.hinge, nn.kl_divergence}
    assert exported == set(OF_OUTPUTS) == {
        getattr(loss, "func", loss) for loss in LOSSES.values()}


def targets_of(name):
    return 2 * Y - 1 if name == "hinge" else Y


def network(name, dtype=np.float64):
    rng = np.random.default_rng(1)
    last = OUTPUTS.get(name, nn.Identity)()
    return nn.Sequential(nn.Linear(4, 5, rng=rng, dtype=dtype), nn.Tanh(),
                         nn.Linear(5, 3, rng=rng, dtype=dtype), last)


def trained(name, rows=slice(None), weight=None, *, loss=None, batch_size=N * 10, **settings):
    model = network(name)
    history = tg.fit(
        model, loss or LOSSES[name], tg.optim.SGD(model.parameters(), lr=0.1), X[rows],
        targets_of(name)[rows], epochs=3, batch_size=batch_size, rng=np.random.default_rng(2),
        sample_weight=weight, **settings)
    return [p.data for p in model.parameters()], history


def assert_same(one, two, rtol=1e-10):
    (weights, history), (others, other) = one, two
    for a, b in zip(weights, others, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-13)
    for field in ("training_loss", "training_accuracy", "validation_loss", "validation_accuracy"):
        a, b = (getattr(h, field) for h in (history, other))
        assert (a == b) if None in (*a, *b) else np.allclose(a, b, rtol=rtol), field


@given(st.sampled_from(sorted(LOSSES)), st.integers(0, 2**32))
def test_the_loss_of_each_sample_is_the_loss_of_a_batch_of_that_sample(name, seed):
    rng = np.random.default_rng(seed)
    model, target = network(name), targets_of(name)[:6]
    of_samples, loss = losses_of_samples(LOSSES[name]), LOSSES[name]
    x = rng.normal(size=(6, 4))
    found = of_samples(model(x), target)
    weight = rng.uniform(0.1, 3, size=6)
    each = [loss(model(x[i:i + 1]), target[i:i + 1]) for i in range(6)]
    np.testing.assert_allclose(found.data, [e.item() for e in each], rtol=1e-12, atol=1e-14)
    expected = sum(w * e for w, e in zip(weight, each, strict=True)) / weight.sum()
    value = WeightedLoss(loss)(model(x), target, weight)
    np.testing.assert_allclose(value.item(), expected.item(), rtol=1e-12)
    parameters = list(model.parameters())
    for a, b in zip(
            gradients(value, parameters), gradients(expected, parameters), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-14)


def gradients(value, parameters):
    for p in parameters:
        p.grad = None
    value.backward()
    return [np.array(p.grad) for p in parameters]


@every_loss
@both_ways
def test_weights_of_1_change_nothing(name, compiled):
    assert_same(trained(name, weight=np.ones(N), compiled=compiled, batch_size=7),
                trained(name, compiled=compiled, batch_size=7))


@every_loss
@both_ways
def test_weights_of_0_and_1_drop_samples(name, compiled):
    weight = RNG.integers(0, 2, N)
    kept = np.flatnonzero(weight)
    settings = {"compiled": compiled, "batch_size": 5}
    found = trained(name, weight=weight, **settings)
    assert_same(found, trained(name, kept, **settings))
    for a, b in zip(found[0], trained(name, kept, np.ones(len(kept)), **settings)[0], strict=True):
        np.testing.assert_array_equal(a, b)  # the same batches, and so the same bits


@every_loss
@both_ways
def test_whole_weights_repeat_samples(name, compiled):
    weight = RNG.integers(0, 4, N)
    rows = np.repeat(np.arange(N), weight)
    settings = {"compiled": compiled, "evaluate_training": True}
    settings["validation"] = X, targets_of(name)
    assert_same(trained(name, weight=weight, **settings), trained(name, rows, **settings))


@both_ways
def test_accumulated_batches_count_by_their_weights(compiled):
    weight = RNG.uniform(0.1, 3, N)
    name = "softmax_cross_entropy"
    assert_same(trained(name, weight=weight, compiled=compiled, batch_size=6, accumulate=4),
                trained(name, weight=weight, compiled=compiled, batch_size=24))


def test_validation_data_have_weights_of_their_own():
    weight = RNG.integers(0, 3, N)
    rows = np.repeat(np.arange(N), weight)
    name = "softmax_cross_entropy"
    assert_same(trained(name, validation=(X, Y, weight)),
                trained(name, validation=(X[rows], Y[rows])))
    assert_same(trained(name, weight=np.ones(N), validation=(X, Y)),
                trained(name, validation=(X, Y)))


def test_evaluate_weighs_loss_and_accuracy():
    weight = RNG.integers(0, 3, N)
    rows = np.repeat(np.arange(N), weight)
    model = network("softmax_cross_entropy")
    found = evaluate(model, nn.softmax_cross_entropy, X, Y, sample_weight=weight)
    np.testing.assert_allclose(found, evaluate(model, nn.softmax_cross_entropy, X[rows], Y[rows]))


@both_ways
def test_a_loss_of_ones_own_gives_a_number_for_each_sample_or_output(compiled):
    weight = RNG.uniform(0.1, 2, N)
    own = trained("squared_error", weight=weight, loss=each_error, compiled=compiled)
    doubled = trained("squared_error", weight=weight, compiled=compiled,
                      loss=lambda p, t: tg.sum((p - t) ** 2, axis=1))
    assert_same(own, doubled)


def test_the_weights_of_classes_multiply_those_of_samples():
    by_class, weight = {0: 0.5, 2: 3.0}, RNG.uniform(0.1, 2, N)
    factor = np.array([0.5, 1.0, 3.0])[CLASSES]
    name = "softmax_cross_entropy"
    for own in (None, weight):
        expected = trained(name, weight=factor if own is None else factor * own)
        assert_same(trained(name, weight=own, class_weight=by_class), expected)


@pytest.mark.parametrize("own", [None, np.arange(N) % 3])
def test_balanced_classes_have_the_same_sum_of_weights(own):
    name, weight = "softmax_cross_entropy", np.ones(N) if own is None else own
    sums = np.bincount(CLASSES, weight)
    factor = weight.sum() / (3 * sums)
    assert_same(trained(name, weight=own, class_weight="balanced"),
                trained(name, weight=weight * factor[CLASSES]))


def test_class_numbers_are_classes_as_well():
    def loss(prediction, target):
        return -tg.log_softmax(prediction)[np.arange(len(target)), target]

    found = []
    for numbers in (CLASSES, Y):
        model = network("softmax_cross_entropy")
        tg.fit(model, loss if numbers is CLASSES else nn.softmax_cross_entropy,
               tg.optim.SGD(model.parameters(), lr=0.1), X, numbers, epochs=2, compiled=False,
               shuffle=False, class_weight={1: 4.0})
        found.append([p.data for p in model.parameters()])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_single_precision_stays_single():
    model = network("softmax_cross_entropy", np.float32)
    tg.fit(model, nn.softmax_cross_entropy, tg.optim.SGD(model.parameters(), lr=0.1), X, Y,
           epochs=1, sample_weight=np.arange(N))
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float32)}


def test_a_resumed_training_has_the_same_weights(tmp_path):
    name, weight = "softmax_cross_entropy", np.arange(N)
    expected = trained(name, weight=weight, batch_size=5)
    stop = [lambda run: run.stop("here") if run.epoch == 0 else None]
    path = tmp_path / "run.safetensors"
    trained(name, weight=weight, batch_size=5, checkpoint=path, callbacks=stop)
    with pytest.raises(tg.errors.CheckpointError, match="sample_weight"):
        trained(name, weight=weight + 1, batch_size=5, checkpoint=path, callbacks=stop)
    assert expected[1].training_loss[0] == trained(
        name, weight=weight, batch_size=5, checkpoint=path, callbacks=stop)[1].training_loss[0]


MISTAKES = {
    "too few": ({"sample_weight": np.ones(N - 1)}, ShapeError, r"shape \(24,\)"),
    "a column": ({"sample_weight": np.ones((N, 1))}, ShapeError, r"shape \(24,\)"),
    "negative": ({"sample_weight": -np.ones(N)}, InvalidArgumentError, "-1.0 for sample 0"),
    "not finite": ({"sample_weight": np.full(N, np.inf)}, InvalidArgumentError, "inf"),
    "none above 0": ({"sample_weight": np.zeros(N)}, InvalidArgumentError, "above 0"),
    "a word": ({"class_weight": "even"}, InvalidArgumentError, "'balanced'"),
    "an unknown class": ({"class_weight": {3: 1.0}}, InvalidArgumentError, "from 0 to 2"),
    "a negative factor": ({"class_weight": {1: -1.0}}, InvalidArgumentError, "class 1"),
    "a mean": ({"sample_weight": np.ones(N), "loss": lambda p, t: tg.mean((p - t) ** 2)},
               ShapeError, "a number for each sample"),
    "of validation": ({"validation": (X, Y, np.ones(3))}, ShapeError, "validation sample_weight")}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_impossible_weights_are_refused_before_anything_changes(mistake):
    settings, error, message = MISTAKES[mistake]
    settings = {"loss": nn.squared_error, **settings}
    model = network("squared_error")
    before = [p.data.copy() for p in model.parameters()]
    with pytest.raises(error, match=message):
        tg.fit(model, settings.pop("loss"), tg.optim.SGD(model.parameters(), lr=0.1), X, Y,
               epochs=1, **settings)
    for a, p in zip(before, model.parameters(), strict=True):
        np.testing.assert_array_equal(a, p.data)


def test_targets_that_are_no_classes_have_no_class_weights():
    model = network("squared_error")
    with pytest.raises(InvalidArgumentError, match="targets that are classes"):
        tg.fit(model, nn.squared_error, tg.optim.SGD(model.parameters(), lr=0.1), X,
               RNG.normal(size=(N, 3)), epochs=1, class_weight="balanced")
