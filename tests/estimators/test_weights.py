"""Weights of samples and of classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.estimators import MLPClassifier, MLPRegressor
from tinygrad_mlp.estimators.objective import LOSSES, Objective

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KINDS = {
    "classes": MLPClassifier, "two classes": MLPClassifier, "labels": MLPClassifier,
    "number": MLPRegressor, "numbers": MLPRegressor,
}


def each_squared_error(prediction, target):
    return 0.5 * (prediction - target) ** 2


def assert_same_network(a, b):
    for got, want in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(a.loss_, b.loss_, rtol=1e-9)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", ["the usual", "one's own"])
def test_a_weight_of_k_counts_like_k_samples(solver, kind, loss, X, targets, rng):
    times = rng.integers(0, 4, size=len(X))
    y = targets[kind]
    settings = {"solver": solver, "activation": "tanh", "max_iter": 5, "alpha": 0.1}
    settings |= {"batch_size": 300} if solver != "lbfgs" else {}
    if loss != "the usual":
        settings["loss"] = each_squared_error
    kept = np.repeat(np.arange(len(X)), times)
    pair = []
    for rows, weight in ((slice(None), times), (kept, None)):
        estimator = KINDS[kind]((6,), random_state=0, **settings)
        with pytest.warns(UserWarning):  # of the batch that is too large, or of max_iter
            estimator.fit(X[rows], y[rows], sample_weight=weight)
        pair.append(estimator)
    assert_same_network(*pair)


@given(st.lists(st.integers(1, 3), min_size=4, max_size=4), st.sampled_from(sorted(LOSSES)))
def test_the_loss_of_weighted_samples_is_that_of_repeated_ones(times, name):
    rng = np.random.default_rng(0)
    model = tg.nn.Sequential(tg.nn.Linear(2, 3, rng=rng)).eval()
    X, y = rng.normal(size=(4, 2)), np.eye(3)[[0, 2, 1, 1]]
    weighted = Objective(model, LOSSES[name], alpha=0.3, weighted=True)
    plain = Objective(model, LOSSES[name], alpha=0.3)
    got = weighted(model(X), np.column_stack([y, times]))
    rows = np.repeat(np.arange(4), times)
    assert np.isclose(got.item(), plain(model(X[rows]), y[rows]).item(), rtol=1e-12)


def test_samples_of_weight_zero_do_not_count_in_batches_either(X, targets):
    weight = np.ones(len(X))
    weight[20:40] = 0  # a whole batch
    settings = {"batch_size": 10, "shuffle": False, "max_iter": 3, "random_state": 0}
    y = targets["number"]
    weighted = MLPRegressor(**settings).fit(X, y, sample_weight=weight)
    assert_same_network(weighted, MLPRegressor(**settings).fit(X[weight > 0], y[weight > 0]))


@pytest.mark.parametrize("kind", ["classes", "two classes"])
def test_weights_of_classes_multiply_those_of_samples(kind, X, targets, weight):
    y = targets[kind]
    by_class = dict(zip(np.unique(y), (0.5, 2.0, 1.5), strict=False))
    factor = np.array([by_class[label] for label in y])
    settings = {"max_iter": 3, "random_state": 0}
    for own in (None, weight):
        a = MLPClassifier(class_weight=by_class, **settings).fit(X, y, sample_weight=own)
        product = factor if own is None else factor * own
        assert_same_network(a, MLPClassifier(**settings).fit(X, y, sample_weight=product))


def test_balanced_weights_help_the_rare_class(rng):
    X = rng.normal(size=(300, 2)) + np.r_[np.zeros(280), np.full(20, 1.5)][:, None]
    y = np.r_[np.zeros(280), np.ones(20)]
    plain, balanced = (
        MLPClassifier((8,), class_weight=c, solver="lbfgs", alpha=1, max_iter=50, random_state=0)
        .fit(X, y).predict(X[280:]).mean()
        for c in (None, "balanced")
    )
    assert balanced > plain + 0.2


def test_validation_scores_weigh_the_samples(X):
    y = np.where(np.arange(70) % 2, "a", "b")
    scores = []
    for weight in (None, np.where(y == "a", 1.0, 1e-12)):
        classifier = MLPClassifier(
            (4,), early_stopping=True, max_iter=1, random_state=0, validation_fraction=0.5
        )
        scores += classifier.fit(X, y, sample_weight=weight).validation_scores_
    assert scores[0] != scores[1]


def test_classes_that_all_weigh_nothing_are_refused(X, targets):
    with pytest.raises(InvalidArgumentError, match="above 0"):
        MLPClassifier(class_weight={"yes": 0, "no": 0}).fit(X, targets["two classes"])


@pytest.mark.parametrize(
    ("weight", "message"),
    [(np.zeros(70), "above 0|non-zero"), (-np.ones(70), "[Nn]egative"), (np.ones(69), "shape")],
)
def test_impossible_weights_are_refused(weight, message, X, targets):
    with pytest.raises(ValueError, match=message):
        MLPRegressor().fit(X, targets["number"], sample_weight=weight)


def test_a_loss_of_one_number_cannot_be_weighted(X, targets, weight):
    regressor = MLPRegressor(loss=tg.nn.squared_error, max_iter=2)
    regressor.fit(X, targets["number"])
    with pytest.raises(InvalidArgumentError, match="for each sample"):
        regressor.fit(X, targets["number"], sample_weight=weight)


def test_balanced_needs_all_samples(X, targets):
    with pytest.raises(InvalidArgumentError, match="partial_fit does not see"):
        MLPClassifier(class_weight="balanced").partial_fit(
            X, targets["classes"], classes=np.unique(targets["classes"])
        )
