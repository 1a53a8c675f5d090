"""Gradients with one mistake: those of a whole backward pass with that mistake in it."""

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.verify.derivations.arguments import Caller
from tinygrad_mlp.verify.derivations.mutations import Mutations
from tinygrad_mlp.verify.derivations.replay import RecordedLoss

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(5, 3)), np.eye(2)[rng.integers(0, 2, size=5)]


def softmax_regression(W, b):
    Z = X @ W + b
    E = tg.exp(Z - tg.max(Z, axis=1, keepdims=True))
    return -tg.sum(Y * tg.log(E / tg.sum(E, axis=1, keepdims=True))) / len(X)


def recurrent(W, b):
    h, total = tg.tanh(b), 0.0
    for t in range(3):
        h = tg.tanh(X[t, :2] @ W[:2] + h * b + 0.5 * h)
        total = total + tg.sum(h**2)
    return total


def two_paths(W, b):
    p = tg.sigmoid(X @ W + b)
    return tg.mean((p - Y) ** 2) + 0.1 * tg.sum(W * W) + tg.sum(tg.sqrt(p) * p)


@pytest.mark.parametrize("loss", [softmax_regression, recurrent, two_paths])
def test_the_gradients_with_a_mistake_are_those_of_a_whole_pass(loss):
    parameters = {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    recording = RecordedLoss(Caller(loss, list(parameters), "loss"), parameters)
    mutations = Mutations(recording)
    assert len(mutations.candidates) > 10
    for candidate in mutations.candidates:
        try:
            expected, _ = recording.replay(*candidate.changes)
        except (ValueError, TypeError):
            assert mutations.gradients(candidate) is None
            continue
        for name, gradient in mutations.gradients(candidate).items():
            np.testing.assert_allclose(gradient, expected[name], rtol=1e-9, atol=1e-13)


def test_a_mistake_is_made_once_for_all_parameters(monkeypatch):
    parameters = {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    mutations = Mutations(RecordedLoss(Caller(two_paths, list(parameters), "loss"), parameters))
    first = [mutations.gradients(candidate) for candidate in mutations.candidates]
    monkeypatch.setattr(RecordedLoss, "replay", None)
    assert [mutations.gradients(candidate) for candidate in mutations.candidates] == first


def test_of_terms_that_cancel_nothing_is_left_but_zero():
    w = np.array([0.1, 0.2, 0.3])
    recording = RecordedLoss(Caller(lambda w: tg.sum(tg.sin(w) + 0.3), ["w"], "loss"), {"w": w})
    mutations = Mutations(recording)
    lost = [c for c in mutations.candidates if c.kind == "missing-term"]
    assert lost
    for candidate in lost:
        assert not mutations.gradients(candidate)["w"].any()
