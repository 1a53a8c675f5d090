"""scikit-learn's own networks, started with the same seed, arrive at the same numbers."""

import inspect
import warnings

import numpy as np
import pytest
from sklearn import neural_network as theirs

from tinygrad_mlp import estimators as ours
from tinygrad_mlp.estimators.objective import LOSSES, Objective

WEIGHTS_THERE = "sample_weight" in inspect.signature(theirs.MLPClassifier.fit).parameters
LOSSES_THERE = "loss" in inspect.signature(theirs.MLPRegressor).parameters

SETTINGS = {
    "sgd": {"solver": "sgd", "batch_size": 16},
    "sgd, all samples": {"solver": "sgd", "learning_rate_init": 0.1},
    "without momentum": {"solver": "sgd", "momentum": 0, "batch_size": 16},
    "plain momentum": {"solver": "sgd", "nesterovs_momentum": False, "batch_size": 16},
    "penalty": {"solver": "sgd", "alpha": 2.0, "batch_size": 16},
    "no penalty": {"solver": "sgd", "alpha": 0, "batch_size": 16},
    "logistic": {"solver": "sgd", "activation": "logistic", "batch_size": 16},
    "tanh, two layers": {"solver": "sgd", "activation": "tanh", "hidden_layer_sizes": (8, 5)},
    "identity": {"solver": "sgd", "activation": "identity", "hidden_layer_sizes": 3},
    "no hidden layer": {"solver": "sgd", "hidden_layer_sizes": ()},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1,
                   "momentum": 0, "batch_size": 16},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1,
                 "momentum": 0, "tol": 10.0, "n_iter_no_change": 1},
    "converged": {"solver": "sgd", "tol": 10.0, "n_iter_no_change": 2},
    # Where the square root of a tiny v' counts, ours adds ε after its correction.
    "adam": {"solver": "adam", "batch_size": 16, "epsilon": 1e-100},
    "lbfgs": {"solver": "lbfgs", "activation": "tanh"},
}

CASES = {
    "classes": "MLPClassifier", "two classes": "MLPClassifier", "labels": "MLPClassifier",
    "number": "MLPRegressor", "counts": "MLPRegressor",
}


def trained(module, name, settings, X, y, **fit):
    settings = {"max_iter": 8, "random_state": 3, "shuffle": False, **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(module, name)(**settings).fit(X, y, **fit)


def assert_same(mine, other, X):
    for got, want in zip(
        mine.coefs_ + mine.intercepts_, other.coefs_ + other.intercepts_, strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(mine.loss_, other.loss_, rtol=1e-9)
    if hasattr(other, "loss_curve_"):
        np.testing.assert_allclose(mine.loss_curve_, other.loss_curve_, rtol=1e-9)
        np.testing.assert_allclose(mine.best_loss_, other.best_loss_, rtol=1e-9)
    for name in ("n_iter_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(mine, name) == getattr(other, name), name
    if hasattr(other, "classes_"):
        assert (mine.classes_ == other.classes_).all()
        assert (mine.predict(X) == other.predict(X)).all()
        np.testing.assert_allclose(mine.predict_proba(X), other.predict_proba(X), rtol=1e-8)
    else:
        np.testing.assert_allclose(mine.predict(X), other.predict(X), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("setting", SETTINGS)
def test_the_weights_after_training_are_the_same(setting, kind, X, targets):
    settings = dict(SETTINGS[setting])
    if kind == "counts":
        if not LOSSES_THERE:
            pytest.skip("this scikit-learn has no loss 'poisson'")
        settings["loss"] = "poisson"
    pair = [trained(m, CASES[kind], settings, X, targets[kind]) for m in (ours, theirs)]
    assert_same(*pair, X)


@pytest.mark.skipif(not WEIGHTS_THERE, reason="this scikit-learn has no weights of samples")
@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("setting", ["sgd", "adam", "lbfgs"])
def test_the_weights_after_training_on_weighted_samples_are_the_same(
    setting, kind, X, targets, weight
):
    y = targets[kind]
    pair = [
        trained(m, CASES[kind], SETTINGS[setting], X, y, sample_weight=weight)
        for m in (ours, theirs)
    ]
    assert_same(*pair, X)


@pytest.mark.parametrize("kind", ["classes", "number"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_calls_that_go_on_give_the_same_too(method, kind, X, targets):
    rate = {"learning_rate": "invscaling"} if method == "partial_fit" else {"warm_start": True}
    settings = {**SETTINGS["sgd"], "momentum": 0, "max_iter": 3, "random_state": 0, **rate}
    pair = []
    for module in (ours, theirs):
        estimator = getattr(module, CASES[kind])(shuffle=False, **settings)
        more = {"classes": np.unique(targets[kind])} if kind == "classes" else {}
        for _ in range(3):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                getattr(estimator, method)(
                    X, targets[kind], **(more if method == "partial_fit" else {})
                )
        pair.append(estimator)
    assert_same(*pair, X)


# -- the gradient of several outputs (scikit-learn's issue 8349) ----------------------------


def test_our_gradient_of_several_outputs_is_that_of_our_loss(X, targets, assert_derivative):
    settings = {"activation": "tanh", "hidden_layer_sizes": (5,)}
    network = trained(ours, "MLPRegressor", settings, X, targets["numbers"]).network_
    objective = Objective(network, LOSSES["squared_error"], alpha=0.5)

    def loss(*arrays):
        for p, array in zip(network.parameters(), arrays, strict=True):
            p.data = array
        return objective(network(X), targets["numbers"])

    start = [p.data for p in network.parameters()]
    loss(*start).backward()
    gradients = [p.grad for p in network.parameters()]
    network.zero_grad()
    for i, gradient in enumerate(gradients):
        assert_derivative(
            gradient, lambda a, i=i: loss(*start[:i], a, *start[i + 1 :]).item(), start[i]
        )


def test_scikit_learns_gradient_of_several_outputs_is_too_long_by_their_number(
    X, targets, numeric_gradient
):
    y = targets["numbers"]
    regressor = trained(theirs, "MLPRegressor", {"solver": "lbfgs", "alpha": 0}, X, y)
    if "sample_weight" not in inspect.signature(regressor._backprop).parameters:
        pytest.skip("this scikit-learn has an older form of its backward pass")

    def loss_and_gradient(weight):
        regressor.coefs_[-1] = weight
        layers = regressor.n_layers_
        loss, gradients, _ = regressor._backprop(
            X, y, None, [X] + [None] * (layers - 1), [None] * (layers - 1),
            [np.empty(w.shape) for w in regressor.coefs_],
            [np.empty(b.shape) for b in regressor.intercepts_],
        )
        return loss, gradients[-1]

    weight = regressor.coefs_[-1] + 0.1
    claimed = loss_and_gradient(weight)[1]
    right = numeric_gradient(lambda w: loss_and_gradient(w)[0], weight)
    if np.allclose(claimed, right, rtol=1e-5, atol=1e-9):
        pytest.skip("this scikit-learn has repaired it")
    np.testing.assert_allclose(claimed, 3 * right, rtol=1e-5, atol=1e-8)


def test_with_several_outputs_only_the_scale_of_the_loss_differs_in_plain_descent(X, targets):
    settings = {**SETTINGS["sgd"], "alpha": 0}
    mine, other = (
        trained(m, "MLPRegressor", settings, X, targets["numbers"]) for m in (ours, theirs)
    )
    np.testing.assert_allclose(mine.loss_, 3 * other.loss_, rtol=1e-9)
    for got, want in zip(mine.coefs_, other.coefs_, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


def test_l_bfgs_finds_its_way_with_very_many_outputs(X, rng):
    """A line search asks for a thousandth of the decrease that the gradient promises."""
    y = np.sin(X @ rng.normal(size=(6, 1000)))
    settings = {"solver": "lbfgs", "activation": "tanh", "hidden_layer_sizes": (8,), "alpha": 0}
    mine, other = (
        trained(m, "MLPRegressor", {**settings, "max_iter": 20}, X, y) for m in (ours, theirs)
    )
    assert mine.n_iter_ == 20
    assert mine.score(X, y) > 0.2
    if other.n_iter_ > 3:
        pytest.skip("this scikit-learn has repaired it")
    assert other.score(X, y) < 0.1


def test_logarithms_of_probabilities_stay_finite_where_scikit_learns_do_not(X, targets):
    for kind in ("classes", "two classes", "labels"):
        mine, other = (
            trained(m, "MLPClassifier", SETTINGS["sgd"], X, targets[kind]) for m in (ours, theirs)
        )
        np.testing.assert_allclose(
            mine.predict_log_proba(X), other.predict_log_proba(X), rtol=1e-7, atol=1e-12
        )
        far = 1e5 * X
        with np.errstate(divide="ignore"):
            assert not np.isfinite(other.predict_log_proba(far)).all()
        assert np.isfinite(mine.predict_log_proba(far)).all()
