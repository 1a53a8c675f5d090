"""Trained networks, on images they have not seen: onnxruntime gives what they give."""

from __future__ import annotations

import os

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.campaigns import chosen
from tests.saving.onnx.runtime import TOLERANCE, difference, onnxruntime, run
from tinygrad_mlp import nn

DATA = os.environ.get("TINYGRAD_MLP_DATA")


@pytest.fixture(scope="module")
def digits():
    """The digits, standardised and as they are: pixels of the validation images."""
    data = tg.data.load("digits")
    split = tg.data.preprocess(data.X, data.labels, rng=np.random.default_rng(0))
    pixels = np.reshape(data.X, (len(data.X), -1))[split.order[len(split.X):]].astype(float)
    return split, pixels


def document_network(layers, split, dtype, epochs, **settings):
    """A network of the classic experiment after its training, with its preprocessing."""
    network = tg.NeuralNetwork(
        layers, monitor=False, plot=False, seed=0, dtype=dtype, **settings
    )
    network.train(split.X.astype(dtype), split.Y.astype(dtype), epochs=epochs)
    network.preprocessing = (split.mean, split.scale)
    return network


@pytest.mark.parametrize(("output", "dtype"), [("sigmoid", np.float64), ("softmax", np.float32)])
def test_a_network_trained_on_digits_gives_its_predictions_for_raw_pixels(
    digits, tmp_path, output, dtype
):
    split, pixels = digits
    network = document_network([64, 32, 10], split, dtype, 3, output_activation=output)
    expected = network.predict(split.X_validation.astype(dtype))
    assert network.accuracy(split.Y_validation, expected) > 0.8

    tg.export_onnx(network, tmp_path / "digits.onnx")

    found = run(tmp_path / "digits.onnx", pixels.astype(dtype))
    assert difference(found, expected) <= (1e-12 if dtype == np.float64 else TOLERANCE)
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))


def test_a_convolutional_network_trained_on_digits_gives_its_predictions(digits, tmp_path):
    split, _ = digits
    rng = np.random.default_rng(0)
    images = [X.reshape(-1, 1, 8, 8).astype(np.float32) for X in (split.X, split.X_validation)]
    model = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1, rng=rng, dtype=np.float32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(96, 32, rng=rng, dtype=np.float32), nn.BatchNorm1d(
            32, dtype=np.float32), nn.GELU(), nn.Dropout(0.2, rng=rng),
        nn.Linear(32, 10, rng=rng, dtype=np.float32), nn.Softmax(),
    )
    tg.fit(
        model, nn.categorical_cross_entropy, tg.optim.Adam(model.parameters(), lr=0.003),
        images[0], split.Y.astype(np.float32), epochs=3, rng=rng, compiled=False,
    )
    expected = tg.predict(model, images[1])
    assert tg.NeuralNetwork.accuracy(split.Y_validation, expected) > 0.8

    tg.export_onnx(model, tmp_path / "lenet.onnx", input_shape=(1, 8, 8))

    found = run(tmp_path / "lenet.onnx", images[1])
    assert difference(found, expected) <= TOLERANCE
    session = onnxruntime.InferenceSession(
        tmp_path / "lenet.onnx", providers=["CPUExecutionProvider"]
    )
    assert session.get_inputs()[0].shape == ["batch", 1, 8, 8]


@pytest.fixture(scope="module")
def some_of_mnist():
    """Some thousands of the images of MNIST with their labels."""
    mnist = tg.data.load("mnist")
    some = np.random.default_rng(0).permutation(len(mnist.X))[: chosen(3000, 6000)]
    return mnist.X[some], mnist.labels[some]


@pytest.mark.skipif(not DATA, reason="MNIST is not at hand: TINYGRAD_MLP_DATA names no folder")
@pytest.mark.parametrize("loss", ["cross_entropy", "mean_square"])
def test_the_documents_network_trained_on_mnist_gives_its_predictions(
    some_of_mnist, tmp_path, loss
):
    images, labels = some_of_mnist
    split = tg.data.preprocess(images, labels, rng=np.random.default_rng(0), n_classes=10)
    network = document_network([784, 256, 10], split, np.float64, 1, loss=loss)
    expected = network.predict(split.X_validation)
    assert network.accuracy(split.Y_validation, expected) > 0.7
    pixels = images[split.order[len(split.X):]].reshape(len(expected), -1)

    # Sums of 784 products round to about 1e-6 in single precision, in NumPy as well: of a network
    # that was trained in double precision, the file may not lose more than that.
    single = tg.NeuralNetwork([784, 256, 10], monitor=False, plot=False, dtype=np.float32)
    single.weights = network.weights
    rounding = difference(single.predict(split.X_validation), expected)

    for dtype, allowed in ((np.float64, 1e-12), (np.float32, max(TOLERANCE, 2 * rounding))):
        tg.export_onnx(network, tmp_path / "mnist.onnx", dtype=dtype)
        found = run(tmp_path / "mnist.onnx", pixels.astype(dtype))
        assert difference(found, expected) <= allowed
        np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))


ESTIMATORS = {
    "several classes": lambda: (tg.estimators.MLPClassifier, 3),
    "two classes": lambda: (tg.estimators.MLPClassifier, 2),
    "values": lambda: (tg.estimators.MLPRegressor, None),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_an_estimator_leaves_as_the_network_that_gives_its_probabilities_or_values(
    kind, dtype, tmp_path
):
    estimator, classes = ESTIMATORS[kind]()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4)).astype(dtype)
    Y = rng.integers(classes, size=60) if classes else X @ rng.normal(size=(4, 3)).astype(dtype)
    fitted = estimator(7, max_iter=3, n_iter_no_change=4, random_state=0, tol=0)
    with pytest.warns(Warning, match="max_iter"):
        fitted.fit(X, Y)
    path = tmp_path / "estimator.onnx"
    tg.export_onnx(fitted, path)
    expected = fitted.predict_proba(X) if classes else fitted.predict(X)
    if classes == 2:
        expected = expected[:, 1:]
    assert difference(run(path, X), expected) <= TOLERANCE


def test_an_estimator_that_was_not_fitted_is_not_exported(tmp_path):
    with pytest.raises(Exception, match="not fitted"):
        tg.export_onnx(tg.estimators.MLPRegressor(), tmp_path / "never.onnx")
