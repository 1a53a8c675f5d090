"""The classic network and its data, as arrays with which every contender begins."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_mlp as tg

INPUTS, HIDDEN, OUTPUTS = 784, 256, 10
LR = 0.01  # the classic experiment's 1 / (100 + 10 k) in the first epoch
IMAGES = 20_480

Train = Callable[[int], list[Any]]
"""Trains on the first so many samples from the first weights on, and returns the weights."""


@functools.cache
def images(source: str) -> tuple[Any, Any]:
    """Standardised images and one-hot targets: MNIST's, or made ones of the same shape."""
    rng = np.random.default_rng(0)
    if source == "MNIST":
        dataset = tg.data.load("mnist")
        split = tg.data.preprocess(
            dataset.X[:IMAGES], dataset.labels[:IMAGES], validation=0, rng=rng
        )
        return split.X.astype(np.float32), split.Y.astype(np.float32)
    X = rng.standard_normal((IMAGES, INPUTS), dtype=np.float32)
    return X, np.eye(OUTPUTS, dtype=np.float32)[rng.integers(OUTPUTS, size=IMAGES)]


def source_of_images() -> str:
    """Where the images come from: MNIST if TINYGRAD_MLP_DATA says where it is."""
    return "MNIST" if os.environ.get("TINYGRAD_MLP_DATA") else "made"


@dataclass(frozen=True)
class Setting:
    """What a contender is given: data, first weights, and how many samples make a step.

    The network: ``ŷ = g(W2 tanh(W1 x))`` with the sigmoid g, without biases. The loss is ½ Σ
    (ŷ − y)² over the outputs, averaged over the samples of a step; plain SGD.
    """

    X: Any
    Y: Any
    W1: Any
    W2: Any
    batch: int

    @property
    def weights(self) -> list[Any]:
        """New copies of the first weights."""
        return [self.W1.copy(), self.W2.copy()]

    def batches(self, samples: int) -> Iterator[tuple[Any, Any]]:
        """The steps of training on the first so many samples."""
        for start in range(0, samples, self.batch):
            rows = slice(start, min(start + self.batch, samples))
            yield self.X[rows], self.Y[rows]


def setting(batch: int, dtype: Any = np.float32, source: str | None = None) -> Setting:
    """The classic network, N(0, 0.01) weights, and its data in that precision."""
    rng = np.random.default_rng(1)
    X, Y = images(source or source_of_images())
    W1 = rng.normal(0, 0.01, (HIDDEN, INPUTS)).astype(dtype)
    W2 = rng.normal(0, 0.01, (OUTPUTS, HIDDEN)).astype(dtype)
    return Setting(X.astype(dtype, copy=False), Y.astype(dtype, copy=False), W1, W2, batch)


def assert_same(trainers: dict[str, Train], samples: int, given: Setting, reference: str) -> None:
    """Make sure that all contenders arrive at the same weights.

    Compared is the change of the weights, of which the last bits differ from order to order of
    the same sums.
    """
    exact = given.W1.dtype == np.float64
    trained = trainers[reference](samples)
    expected = [new - old for new, old in zip(trained, given.weights, strict=True)]
    for name, train in trainers.items():
        for got, old, want in zip(train(samples), given.weights, expected, strict=True):
            assert got.dtype == old.dtype, f"{name}: {got.dtype}, not {old.dtype}"
            np.testing.assert_allclose(
                got - old, want, rtol=0,
                atol=(1e-10 if exact else 2e-3) * np.abs(want).max(), err_msg=name,
            )
