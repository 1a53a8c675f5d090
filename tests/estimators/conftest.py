"""Small data for the estimators, one target of each kind."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def X(rng):
    """70 samples with 6 features."""
    return rng.normal(size=(70, 6))


@pytest.fixture
def targets(rng, X):
    """A target of each kind for them, which depends on the features."""
    scores = X @ rng.normal(size=(6, 3)) + np.sin(X[:, :3])
    return {
        "classes": np.array(["red", "green", "blue"])[scores.argmax(axis=1)],
        "two classes": np.where(scores[:, 0] > 0, "yes", "no"),
        "labels": (scores > 0).astype(int),
        "number": scores[:, 0],
        "numbers": scores,
        "counts": rng.poisson(np.exp(scores[:, 0] / 3)).astype(float),
    }


@pytest.fixture
def weight(rng):
    """A positive weight for each of the samples."""
    return rng.uniform(0.5, 2.0, size=70)
