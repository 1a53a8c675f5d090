"""Pipelines of scikit-learn that end in an estimator, and the labels of classifiers."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
from sklearn import decomposition, feature_selection, impute, preprocessing
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import tinygrad_mlp as tg
from tests.saving.onnx.runtime import difference, onnxruntime
from tinygrad_mlp.errors import InvalidArgumentError, MissingToolError
from tinygrad_mlp.saving.onnx import register_skl2onnx
from tinygrad_mlp.saving.onnx.pipelines import STEPS

X, NUMBERS = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[NUMBERS]
TARGETS = {"numbers": NUMBERS, "text": NAMES, "two classes": NUMBERS > 0,
           "two names": np.where(NUMBERS > 0, "other", "setosa"),
           "several labels": np.stack([NUMBERS > 0, X[:, 0] > 6], axis=1).astype(int)}

PREPROCESSING = {
    "StandardScaler": [preprocessing.StandardScaler()],
    "StandardScaler, mean only": [preprocessing.StandardScaler(with_std=False)],
    "MinMaxScaler": [preprocessing.MinMaxScaler()],
    "MinMaxScaler, clipped": [preprocessing.MinMaxScaler((-1, 2), clip=True)],
    "MaxAbsScaler": [preprocessing.MaxAbsScaler()],
    "RobustScaler": [preprocessing.RobustScaler()],
    "PCA": [decomposition.PCA(3)], "PCA, whitened": [decomposition.PCA(2, whiten=True)],
    "TruncatedSVD": [decomposition.TruncatedSVD(2, random_state=0)],
    "SelectKBest": [feature_selection.SelectKBest(k=2)],
    "SelectPercentile": [feature_selection.SelectPercentile(percentile=50)],
    "SelectFromModel": [feature_selection.SelectFromModel(LogisticRegression(max_iter=500))],
    "RFE": [feature_selection.RFE(LogisticRegression(max_iter=500), n_features_to_select=2)],
    "VarianceThreshold": [feature_selection.VarianceThreshold(0.3)],
    "SimpleImputer": [impute.SimpleImputer()],
    "SimpleImputer, of a number": [impute.SimpleImputer(missing_values=0.2, strategy="median")],
    "Normalizer": [preprocessing.Normalizer()], "Normalizer, l1": [preprocessing.Normalizer("l1")],
    "Normalizer, max": [preprocessing.Normalizer("max")],
    "Binarizer": [preprocessing.Binarizer(threshold=2.0)],
    "several": [preprocessing.StandardScaler(), "passthrough",
                make_pipeline(preprocessing.MinMaxScaler(), decomposition.PCA(3))]}


def fitted(steps, y=NUMBERS, dtype=np.float64, estimator=tg.estimators.MLPClassifier):
    model = make_pipeline(*steps, estimator(hidden_layer_sizes=(6,), max_iter=5, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X.astype(dtype), y)


def outputs(path, x):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": x})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", PREPROCESSING)
def test_a_pipeline_is_one_file_with_its_preprocessing(case, dtype, tmp_path):
    model, x = fitted(PREPROCESSING[case], dtype=dtype), X.astype(dtype)
    tg.export_onnx(model, tmp_path / "model.onnx")
    if case == "SimpleImputer":
        x = x.copy()
        x[::3, 1] = np.nan
    [found] = outputs(tmp_path / "model.onnx", x)
    assert found.dtype == dtype
    assert difference(found, model.predict_proba(x)) < (1e-6 if dtype == np.float32 else 1e-12)


def test_the_table_holds_every_step():
    assert {case.partition(",")[0] for case in PREPROCESSING} - {"several"} == set(STEPS)


@pytest.mark.parametrize("case", TARGETS)
@pytest.mark.parametrize("steps", [[], [preprocessing.StandardScaler()]], ids=["alone", "piped"])
def test_labels_are_a_second_output(case, steps, tmp_path):
    model = fitted(steps, TARGETS[case])
    model = model if steps else model[-1]
    tg.export_onnx(model, tmp_path / "model.onnx", output_name="scores", label_name="class")
    scores, labels = outputs(tmp_path / "model.onnx", X)
    np.testing.assert_array_equal(labels, model.predict(X))
    assert labels.shape == model.predict(X).shape and len(scores) == len(X)
    one, = outputs(tmp_path / "model.onnx", X[:1])[1:]
    assert one.tolist() == model.predict(X[:1]).tolist()


def test_a_regressor_in_a_pipeline_is_exported(tmp_path):
    model = fitted([preprocessing.StandardScaler()], X[:, 0], estimator=tg.estimators.MLPRegressor)
    tg.export_onnx(model, tmp_path / "model.onnx")
    np.testing.assert_allclose(outputs(tmp_path / "model.onnx", X)[0][:, 0], model.predict(X),
                               rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", ["numbers", "text", "two classes"])
def test_skl2onnx_exports_pipelines_with_registered_estimators(case, dtype, tmp_path):
    skl2onnx = pytest.importorskip("skl2onnx")
    register_skl2onnx(tg.estimators.MLPClassifier, tg.estimators.MLPRegressor)
    scaler, x = preprocessing.StandardScaler(), X.astype(dtype)
    steps = [scaler] if dtype == np.float64 else [UNKNOWN, scaler]
    model = fitted(steps, TARGETS[case].astype(TARGETS[case].dtype.str.replace("b1", "i8")), dtype)
    made = skl2onnx.to_onnx(model, x[:1], options={"zipmap": False}, target_opset=18)
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"])
    labels, scores = session.run(None, {"X": x})
    np.testing.assert_array_equal(labels, model.predict(x))
    assert difference(scores, model.predict_proba(x)) < (1e-5 if dtype == np.float32 else 1e-12)


def test_without_skl2onnx_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(MissingToolError, match="pip install skl2onnx"):
        register_skl2onnx(tg.estimators.MLPClassifier)


UNKNOWN = preprocessing.PolynomialFeatures()
REFUSED = {
    "an unknown step": (lambda: fitted([UNKNOWN]), {}, "'polynomialfeatures', a PolynomialF"),
    "an indicator": (lambda: fitted([impute.SimpleImputer(add_indicator=True)]), {}, "indicator"),
    "another estimator": (lambda: make_pipeline(
        preprocessing.StandardScaler(), LogisticRegression(max_iter=500)).fit(X, NUMBERS), {},
        "Got LogisticRegression"),
    "labels of a regressor": (
        lambda: fitted([], X[:, 0], estimator=tg.estimators.MLPRegressor),
        {"label_name": "label"}, "Got MLPRegressor"),
    "labels of a module": (lambda: tg.nn.Linear(4, 3), {"label_name": "label"}, "Got Linear"),
    "one name for two": (lambda: fitted([]), {"label_name": "output"}, "different names")}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_exported_is_refused_with_the_reason(case, tmp_path):
    make, options, words = REFUSED[case]
    with pytest.raises(InvalidArgumentError, match=words):
        tg.export_onnx(make(), tmp_path / "model.onnx", **options)
    assert not list(tmp_path.iterdir())


def test_a_pipeline_that_was_not_fitted_is_not_exported(tmp_path):
    model = make_pipeline(preprocessing.StandardScaler(), tg.estimators.MLPClassifier())
    with pytest.raises(NotFittedError):
        tg.export_onnx(model, tmp_path / "model.onnx")
