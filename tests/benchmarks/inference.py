"""Predictions of the classic network for 10,000 images, in single precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_mlp as tg
from tests.benchmarks import frameworks, targets, threads
from tests.benchmarks.case import Case, installed
from tests.benchmarks.setting import Setting, setting
from tests.benchmarks.timing import alternating

IMAGES = 10_000

Predict = Callable[[], Any]


def tinygrad_mlp(given: Setting) -> Predict:
    """This package: `predict`."""
    model = frameworks.ours_of(given)
    return lambda: tg.predict(model, given.X[:IMAGES])


def numpy_by_hand(given: Setting) -> Predict:
    """NumPy, all images at once."""
    W1, W2 = given.weights

    def predict() -> Any:
        return 1 / (1 + np.exp(-(np.tanh(given.X[:IMAGES] @ W1.T) @ W2.T)))

    return predict


def pytorch(given: Setting) -> Predict:
    """PyTorch, eager, without a graph."""
    torch = threads.pytorch()
    model = frameworks.pytorch_of(given)
    X = torch.tensor(given.X[:IMAGES])

    def predict() -> Any:
        with torch.inference_mode():
            return model(X).numpy()

    return predict


def jax_jit(given: Setting) -> Predict:
    """JAX, compiled."""
    jax = threads.jax()
    W1, W2 = map(jax.numpy.array, given.weights)
    X = jax.numpy.array(given.X[:IMAGES])

    @jax.jit
    def outputs(X: Any) -> Any:
        return jax.nn.sigmoid(jax.numpy.tanh(X @ W1.T) @ W2.T)

    return lambda: np.asarray(outputs(X))


def scikit_learn(given: Setting) -> Predict:
    """scikit-learn's MLPClassifier: its outputs go through a softmax."""
    from sklearn.neural_network import MLPClassifier

    classifier = MLPClassifier((len(given.W1),), activation="tanh", random_state=0)
    classes = np.arange(len(given.W2))
    classifier.partial_fit(given.X[:300], given.Y[:300].argmax(axis=1), classes=classes)
    for old, new in zip(classifier.coefs_, given.weights, strict=True):
        old[...] = new.T
    for bias in classifier.intercepts_:
        bias[...] = 0
    return lambda: classifier.predict_proba(given.X[:IMAGES])


CONTENDERS: dict[str, Callable[[Setting], Predict]] = {
    "tinygrad_mlp": tinygrad_mlp,
    "NumPy by hand": numpy_by_hand,
    "PyTorch eager": pytorch,
    "JAX jit": jax_jit,
    "scikit-learn": scikit_learn,
}

TARGETS = targets.INFERENCES


def check(predictors: dict[str, Predict]) -> None:
    """Make sure that all give the same outputs, scikit-learn up to what its softmax makes of it."""
    expected = predictors["NumPy by hand"]()
    odds = expected / (1 - expected)  # e^z, where expected is the sigmoid of z
    softmax = odds / odds.sum(axis=1, keepdims=True)
    for name, predict in predictors.items():
        want = softmax if name == "scikit-learn" else expected
        np.testing.assert_allclose(predict(), want, rtol=1e-5, err_msg=name)


def measure(quick: bool) -> list[Case]:
    """Seconds an image."""
    predictors, missing = installed(CONTENDERS, setting(IMAGES))
    check(predictors)
    times = alternating(predictors, rounds=3 if quick else 15, seconds=0 if quick else 0.2)
    medians = {name: seconds / IMAGES for name, seconds in times.items()}
    return [Case(targets.INFERENCE, medians, "sample", missing)]
