"""Samples that stay where they are give the bits of the same samples in memory, and cost none."""

from __future__ import annotations

import numpy as np
import pytest

from tests.mapped_file import PAGES, measured_in_kilobytes, memory_in_mebibytes
from tests.training.test_large_data import SOURCES
from tinygrad_mlp.data import rows as data_rows
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.estimators import MLPClassifier, MLPRegressor, classifier, fitting, lbfgs

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (90, 6), dtype=np.uint8)
PIXELS[PIXELS < 100] = 0
TARGETS = {"classes": np.array(["a", "b", "c"])[RNG.integers(0, 3, 90)],
           "two classes": np.where(PIXELS[:, 0] > 120, "yes", "no"),
           "labels": (PIXELS[:, :3] > 120).astype(int), "number": PIXELS @ np.ones(6) / 99,
           "numbers": PIXELS[:, :2] / 99.0}
WEIGHT = RNG.integers(0, 3, 90)
SETTINGS = {"plain": {}, "early stopping": {"early_stopping": True, "validation_fraction": 0.3},
            "by chunks": {"shuffle": "chunks", "early_stopping": True, "validation_fraction": 0.3},
            "single precision": {"dtype": "float32"}, "L-BFGS": {"solver": "lbfgs"}}


@pytest.fixture
def in_parts(monkeypatch):
    """Everything is read in parts, of a few rows each."""
    monkeypatch.setattr(data_rows, "AT_ONCE", 0)
    monkeypatch.setattr(data_rows, "CHUNK", 200)
    for module in (data_rows, classifier, fitting):  # chunks of an order stay as they are
        monkeypatch.setattr(module, "PIECE", 0)


def fitted(kind, X, weight=None, **settings):
    cls = MLPRegressor if kind.startswith("number") else MLPClassifier
    settings = {"max_iter": 4, "random_state": 0, **settings}
    if settings.get("solver") != "lbfgs":
        settings["batch_size"] = 20
    return cls((5,), "tanh", **settings).fit(X, TARGETS[kind], sample_weight=weight)


def assert_same_bits(one, two):
    for a, b in zip(one.coefs_ + one.intercepts_, two.coefs_ + two.intercepts_, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.loss_curve_ == two.loss_curve_
    assert one.validation_scores_ == two.validation_scores_


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
def test_samples_that_are_read_in_parts_give_the_bits_of_an_array(
        source, settings, weight, tmp_path, in_parts, monkeypatch):
    X = SOURCES[source](PIXELS, tmp_path)
    found = fitted("classes", X, weight, **SETTINGS[settings])
    predicted = found.predict_proba(X)
    monkeypatch.undo()
    expected = fitted("classes", PIXELS, weight, **SETTINGS[settings])
    assert_same_bits(found, expected)
    np.testing.assert_array_equal(predicted, expected.predict_proba(PIXELS))


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("settings", SETTINGS)
def test_every_kind_of_targets_is_learned_in_parts(kind, settings, tmp_path, in_parts, monkeypatch):
    X = SOURCES["a mapped file"](PIXELS, tmp_path)
    found = fitted(kind, X, WEIGHT, **SETTINGS[settings])
    monkeypatch.undo()
    assert_same_bits(found, fitted(kind, PIXELS, WEIGHT, **SETTINGS[settings]))


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
def test_l_bfgs_adds_up_the_losses_and_gradients_of_parts(kind, weight, monkeypatch):
    settings = {"solver": "lbfgs", "alpha": 0.1, "max_iter": 2}
    expected = fitted(kind, PIXELS / 255, weight, **settings)
    monkeypatch.setattr(lbfgs, "CHUNK", 200)  # four rows a part
    found = fitted(kind, PIXELS / 255, weight, **settings)
    for a, b in zip(found.coefs_ + found.intercepts_, expected.coefs_ + expected.intercepts_,
                    strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.loss_curve_, expected.loss_curve_, rtol=1e-12)


@pytest.mark.parametrize("source", SOURCES)
def test_l_bfgs_takes_the_same_parts_of_every_source(source, tmp_path, in_parts, monkeypatch):
    X = SOURCES[source](PIXELS, tmp_path)
    monkeypatch.setattr(lbfgs, "CHUNK", 200)
    found = fitted("classes", X, WEIGHT, **SETTINGS["L-BFGS"])
    monkeypatch.undo()
    monkeypatch.setattr(lbfgs, "CHUNK", 200)
    assert_same_bits(found, fitted("classes", PIXELS, WEIGHT, **SETTINGS["L-BFGS"]))


def test_the_names_of_features_are_checked(in_parts):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(PIXELS, columns=list("uvwxyz"))
    classifier = fitted("classes", table)
    assert classifier.feature_names_in_.tolist() == list("uvwxyz")
    with pytest.raises(ValueError, match="feature names"):
        classifier.predict(table[list("zyxwvu")])
    with pytest.raises(ValueError, match="feature names"):
        classifier.predict(table[list("uvw")])


@pytest.mark.parametrize("source", ["pandas", "an object of one's own", "a sparse matrix"])
def test_a_number_that_is_not_finite_is_found_and_its_place_named(source, in_parts, tmp_path):
    X = PIXELS.astype(np.float64)
    X[57, 4] = np.nan
    with pytest.raises(InvalidArgumentError, match=r"Classifier: X must be finite. Got nan .*57"):
        fitted("classes", SOURCES[source](X, tmp_path))


def test_other_numbers_of_targets_are_refused(in_parts, tmp_path):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fitted("classes", SOURCES["a mapped file"](PIXELS[:80], tmp_path))


PREPARED = """
import warnings
from tinygrad_mlp.estimators import MLPClassifier
warnings.simplefilter("ignore")
y = np.arange(n) % 10
settings = {"max_iter": 1, SETTINGS}
MLPClassifier((10,), **settings).fit(X[:1000], y[:1000])
"""


@measured_in_kilobytes
@pytest.mark.parametrize("settings", [
    "'batch_size': 500, 'early_stopping': True", "'solver': 'lbfgs'"], ids=["Adam", "L-BFGS"])
def test_training_on_a_mapped_file_takes_little_memory(settings, tmp_path):
    measured = "MLPClassifier((10,), **settings).fit(X, y).predict(X)"
    prepared = PREPARED.replace("SETTINGS", settings)
    assert memory_in_mebibytes(tmp_path, prepared, measured) < PAGES + 64
