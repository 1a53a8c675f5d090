"""The estimators inside of scikit-learn's tools, and what comes in and goes out."""

import functools
import pickle

import numpy as np
import pandas
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tinygrad_mlp as tg
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_a_pipeline_scores_in_cross_validation(X, targets):
    pipeline = make_pipeline(
        StandardScaler(), MLPClassifier((16,), solver="lbfgs", alpha=1, random_state=0)
    )
    scores = cross_val_score(pipeline, 100 + 10 * X, targets["two classes"], cv=3)
    assert scores.mean() > 0.75


def test_a_grid_search_tries_names_functions_and_schedules(X, targets):
    grid = {
        "activation": ["tanh", tg.gelu, ["relu"]],
        "solver": ["adam", functools.partial(tg.optim.AdamW, weight_decay=0.1)],
        "learning_rate": ["constant", tg.optim.schedule.cosine(0.01, 0.0, 3)],
    }
    search = GridSearchCV(
        MLPRegressor((4,), max_iter=3, random_state=0), grid, cv=2, error_score="raise"
    ).fit(X, targets["number"])
    assert len(search.cv_results_["params"]) == 12
    assert search.predict(X).shape == (70,)


def test_clones_have_the_same_parameters_and_train_to_the_same_bits(X, targets):
    settings = {
        "activation": [np.tanh, tg.nn.LeakyReLU(0.3)], "hidden_layer_sizes": (5, 4),
        "loss": lambda p, y: 0.5 * (p - y) ** 2,
        "solver": functools.partial(tg.optim.SGD, momentum=0.5),
        "learning_rate": tg.optim.Schedule(lambda k: 0.01 / (1 + k)),
        "callbacks": [tg.callbacks.EarlyStopping(patience=2, monitor="training_loss")],
        "dropout": (0.1, 0.2), "max_iter": 3, "random_state": 0,
    }
    original = MLPRegressor(**settings).fit(X, targets["number"])
    twin = clone(original)
    assert not hasattr(twin, "network_")
    assert twin.get_params()["loss"] is settings["loss"]
    assert twin.solver.keywords == {"momentum": 0.5}
    twin.fit(X, targets["number"])
    assert (original.predict(X) == twin.predict(X)).all()


@pytest.mark.parametrize("learning_rate", ["invscaling", tg.optim.schedule.cosine(0.1, 0.0, 5)])
def test_a_pickle_predicts_and_goes_on_as_the_original(learning_rate, X, targets):
    original = MLPRegressor(solver="sgd", learning_rate=learning_rate, random_state=0, dropout=0.1)
    for _ in range(2):
        original.partial_fit(X, targets["number"])
    twin = pickle.loads(pickle.dumps(original))
    assert (original.predict(X) == twin.predict(X)).all()
    for estimator in (original, twin):
        estimator.partial_fit(X, targets["number"])
    assert (original.predict(X) == twin.predict(X)).all()


def test_data_frames_give_names_that_are_checked(X, targets):
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    pipeline = make_pipeline(StandardScaler(), MLPRegressor(max_iter=2)).set_output(
        transform="pandas"
    )
    pipeline.fit(frame, targets["number"])
    assert list(pipeline[-1].feature_names_in_) == list("abcdef")
    with pytest.raises(ValueError, match="feature names"):
        pipeline.predict(frame.rename(columns={"a": "z"}))


@pytest.mark.parametrize("kind", ["csr_array", "csc_matrix", "coo_array"])
def test_sparse_samples_are_those_samples(kind, X, targets):
    X = np.where(np.abs(X) > 1, X, 0)
    sparse = getattr(scipy.sparse, kind)(X)
    a, b = (
        MLPClassifier(max_iter=3, random_state=0).fit(data, targets["classes"])
        for data in (X, sparse)
    )
    assert (a.predict_proba(X) == b.predict_proba(sparse)).all()


@pytest.mark.parametrize(
    ("kind", "output", "shape"),
    [("classes", "softmax", (70, 3)), ("two classes", "logistic", (70, 2)),
     ("labels", "logistic", (70, 3))],
)
def test_every_kind_of_classes_is_learned(kind, output, shape, X, targets):
    y = targets[kind]
    classifier = MLPClassifier((30,), solver="lbfgs", random_state=0, max_iter=400).fit(X, y)
    assert classifier.score(X, y) == 1.0
    assert classifier.predict(X).dtype.kind == y.dtype.kind
    assert classifier.out_activation_ == output
    probabilities = classifier.predict_proba(X)
    assert probabilities.shape == shape
    if kind != "labels":
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_allclose(
        np.exp(classifier.predict_log_proba(X)), probabilities, rtol=1e-7, atol=1e-12
    )


def test_several_outputs_are_predicted_together(X, targets):
    y = targets["numbers"]
    regressor = MLPRegressor((30,), solver="lbfgs", alpha=0, max_iter=500, random_state=0).fit(X, y)
    assert regressor.n_outputs_ == 3
    assert regressor.score(X, y) > 0.99


def test_the_network_is_an_ordinary_one(X, targets):
    classifier = MLPClassifier((8,), max_iter=2, random_state=0).fit(X, targets["classes"])
    assert isinstance(classifier.network_, tg.nn.Sequential)
    assert (tg.predict(classifier.network_, X) == classifier.predict_proba(X)).all()
    assert [w.shape for w in classifier.coefs_] == [(6, 8), (8, 3)]
    classifier.coefs_[0][...] = 0  # views, as scikit-learn's users know them
    classifier.coefs_[1][...] = 0
    classifier.intercepts_[1][...] = np.log([1.0, 2.0, 5.0])
    np.testing.assert_allclose(classifier.predict_proba(X[:1]), [[1 / 8, 2 / 8, 5 / 8]])


WRONG = [
    ({"hidden_layer_sizes": (5, 0)}, "hidden_layer_sizes must be an integer >= 1. Got 0"),
    ({"hidden_layer_sizes": "5"}, "hidden_layer_sizes must be a list"),
    ({"activation": "swish"}, "activation must be one of 'tanh'.*Got 'swish'"),
    ({"activation": ["relu", "relu"]}, "activation must be one for all .*2 for 1 hidden layers"),
    ({"activation": 3}, "activation must be .*or a function of tensors. Got 3"),
    ({"loss": "hinge"}, "loss, unless it is a function, must be one of"),
    ({"dropout": 1.0}, "dropout must be a number in .0, 1.. Got 1.0"),
    ({"solver": "newton"}, "solver, unless it is a function, must be one of 'sgd'"),
    ({"alpha": -1}, "alpha must be a number >= 0. Got -1"),
    ({"batch_size": 0}, "batch_size must be an integer >= 1. Got 0"),
    ({"batch_size": "all"}, "batch_size must be an integer >= 1. Got 'all'"),
    ({"learning_rate": "cosine"}, "learning_rate, unless it is a schedule, must be one of"),
    ({"learning_rate": tg.optim.Schedule}, "learning_rate must be a schedule. Got the class"),
    ({"learning_rate_init": 0}, "learning_rate_init must be a number > 0. Got 0"),
    ({"power_t": -1}, "power_t must be a number >= 0"),
    ({"max_iter": 0}, "max_iter must be an integer >= 1"),
    ({"shuffle": 1}, "shuffle must be True, False or 'chunks'. Got 1"),
    ({"tol": -1e-4}, "tol must be a number >= 0"),
    ({"warm_start": "yes"}, "warm_start must be True or False"),
    ({"momentum": 1.0}, "momentum must be a number in .0, 1"),
    ({"nesterovs_momentum": None}, "nesterovs_momentum must be True or False"),
    ({"early_stopping": 0}, "early_stopping must be True or False"),
    ({"validation_fraction": 1.5}, "validation_fraction must be a number in .0, 1"),
    ({"beta_1": 1.0}, "beta_1 must be"),
    ({"beta_2": -0.1}, "beta_2 must be"),
    ({"epsilon": 0.0}, "epsilon must be a number > 0"),
    ({"n_iter_no_change": 0}, "n_iter_no_change must be an integer >= 1"),
    ({"max_fun": 0}, "max_fun must be an integer >= 1"),
    ({"callbacks": 3}, r"callbacks must be a list. Got 3. Write \[callback\]"),
    ({"solver": "lbfgs", "dropout": 0.5}, "dropout cannot be used with solver='lbfgs'"),
    ({"solver": "lbfgs", "callbacks": [print]}, "callbacks cannot be used with solver='lbfgs'"),
    ({"solver": "lbfgs", "learning_rate": tg.optim.schedule.constant(0.1)},
     "learning_rate cannot be used with solver='lbfgs'"),
    ({"solver": "lbfgs", "compiled": True}, "compiled cannot be used with solver='lbfgs'"),
    ({"solver": "lbfgs", "clip_gradients": 1.0}, "clip_gradients cannot be used with"),
    ({"solver": "lbfgs", "shuffle": "chunks"}, "shuffle cannot be used with solver='lbfgs'"),
    ({"solver": "lbfgs", "checkpoint": "run"}, "checkpoint cannot be used with solver='lbfgs'"),
    ({"compiled": "yes"}, "compiled must be one of"),
    ({"threads": 0}, "threads must be an integer >= 1"),
    ({"clip_gradients": 0.0}, "clip_gradients must be a number > 0"),
    ({"dtype": "float16"}, "dtype must be None, 'float32' or 'float64'. Got 'float16'"),
    ({"dtype": "single precision"}, "dtype must be None"),
    ({"checkpoint": 3}, "checkpoint must be the path of a file, or a Checkpoint. Got 3"),
]
NOT_REFUSED = {"random_state", "verbose", "class_weight", "output_activation"}
"""Checked by scikit-learn, anything at all, or tested with the estimator that has them."""


@pytest.mark.parametrize(("settings", "message"), WRONG, ids=[str(w[0])[:40] for w in WRONG])
@pytest.mark.parametrize(
    ("cls", "kind"), [(MLPClassifier, "classes"), (MLPRegressor, "number")], ids=["class", "regr"]
)
def test_a_parameter_that_cannot_work_is_named(cls, kind, settings, message, X, targets):
    estimator = cls(**settings)
    with pytest.raises(InvalidArgumentError, match=f"{cls.__name__}: {message}"):
        estimator.fit(X, targets[kind])
    assert not hasattr(estimator, "n_features_in_")


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_every_parameter_has_its_row(cls):
    assert set(cls().get_params()) <= {name for row, _ in WRONG for name in row} | NOT_REFUSED


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_every_parameter_is_documented(cls):
    text = cls.__doc__.partition("Attributes:")[0]
    assert [name for name in cls().get_params() if name not in text] == []


def test_a_batch_larger_than_the_data_warns(X, targets):
    with pytest.warns(UserWarning, match="batch_size=100 is larger than the number of samples, 70"):
        MLPRegressor(batch_size=100, max_iter=2).fit(X, targets["number"])


def test_a_loss_of_a_strange_shape_is_refused(X, targets):
    with pytest.raises(InvalidArgumentError, match=r"one for each of the 2 samples.*\(1, 1\)"):
        MLPRegressor(loss=lambda p, y: (p - y)[:1]).fit(X, targets["number"])


def test_an_unknown_output_activation_is_refused(X, targets):
    with pytest.raises(InvalidArgumentError, match="output_activation must be .*Got 'abs'"):
        MLPRegressor(output_activation="abs").fit(X, targets["number"])


def test_sparse_labels_are_labels(X, targets):
    y = targets["labels"]
    settings = {"max_iter": 2, "random_state": 0, "early_stopping": True}
    dense, sparse = (
        MLPClassifier(**settings).fit(X, labels) for labels in (y, scipy.sparse.csr_matrix(y))
    )
    assert (dense.predict(X) == sparse.predict(X)).all()


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_going_on_keeps_the_precision_it_began_with(solver, X, targets):
    regressor = MLPRegressor((4,), solver=solver, max_iter=3, warm_start=True, random_state=0)
    regressor.fit(X.astype(np.float32), targets["number"])
    regressor.fit(X, targets["number"], sample_weight=np.ones(len(X)))
    assert {a.dtype for a in regressor.coefs_} == {np.dtype(np.float32)}
    assert regressor.predict(X).dtype == np.float32
