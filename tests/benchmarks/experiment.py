"""The classic experiment: one sample a step, in double and in single precision.

Ours is measured twice: as it is, with all that `fit` does before the first step, and without that
(the difference of two lengths). JAX's compile time is left out, and given next to ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks import frameworks, targets, threads
from tests.benchmarks.case import Case, installed
from tests.benchmarks.setting import LR, Setting, Train, assert_same, setting
from tests.benchmarks.timing import seconds_a_sample


def classic_algorithm(given: Setting) -> Train:
    """The classic algorithm by hand, operation by operation: columns and diagonal matrices."""

    def learning_rate(k: int) -> float:
        return 1 / float(100 + 10 * k)

    def train(samples: int) -> list[Any]:
        weights = given.weights
        for i in range(samples):
            activations = [given.X[[i], :].T]
            target = given.Y[[i], :]
            for W in weights[:-1]:
                activations.append(np.tanh(np.dot(W, activations[-1])))
            activations.append(1 / (1 + np.exp(-np.dot(weights[-1], activations[-1]))))
            x, hidden, output = activations

            slope_of_loss = -(target.T - output)
            flat = output.flatten()
            D3 = np.diag(flat * (1 - flat))
            gradients = [np.dot(np.dot(D3, slope_of_loss), hidden.T)]
            D2 = np.diag(1.0 - hidden.flatten() ** 2)
            towards_input = np.dot(np.dot(np.dot(D2, weights[-1].T), D3), slope_of_loss)
            gradients.insert(0, np.dot(towards_input, x.T))

            for j in range(len(weights)):
                weights[j] -= learning_rate(0) * gradients[j]
        return weights

    return train


def numpy_outer(given: Setting) -> Train:
    """NumPy by hand: vectors, and an outer product for each gradient."""

    def train(samples: int) -> list[Any]:
        W1, W2 = given.weights
        for x, y in zip(given.X[:samples], given.Y[:samples], strict=True):
            delta2, delta3, a2 = _by_hand(W1, W2, x, y)
            W2 -= LR * np.outer(delta3, a2)
            W1 -= LR * np.outer(delta2, x)
        return [W1, W2]

    return train


def numpy_ger(given: Setting) -> Train:
    """NumPy by hand, with the rank-one updates done in place by BLAS."""
    from scipy.linalg.blas import dger, sger

    ger = dger if given.W1.dtype == np.float64 else sger

    def train(samples: int) -> list[Any]:
        W1, W2 = given.weights
        W1T, W2T = W1.T, W2.T  # in the order of Fortran, so that BLAS can write into them
        for x, y in zip(given.X[:samples], given.Y[:samples], strict=True):
            delta2, delta3, a2 = _by_hand(W1, W2, x, y)
            ger(-LR, a2, delta3, a=W2T, overwrite_a=True)
            ger(-LR, x, delta2, a=W1T, overwrite_a=True)
        return [W1, W2]

    return train


def _by_hand(W1: Any, W2: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
    a2 = np.tanh(W1 @ x)
    a3 = 1 / (1 + np.exp(-(W2 @ a2)))
    delta3 = (a3 - y) * a3 * (1 - a3)
    return (delta3 @ W2) * (1 - a2 * a2), delta3, a2


def large_products(given: Setting) -> Train:
    """No training, but what no exact training can do without: ``X W1ᵀ`` and ``Dᵀ X``.

    For 64 samples at a time, into memory that is there. How much faster than the others this is,
    is what can be reached on this machine.
    """

    def train(samples: int) -> list[Any]:
        W1 = given.weights[0]
        D, gradient = np.empty((64, len(W1)), W1.dtype), np.empty_like(W1)
        for start in range(0, samples - 63, 64):
            X = given.X[start : start + 64]
            np.dot(X, W1.T, out=D)
            np.dot(D.T, X, out=gradient)
        return [gradient]

    return train


CONTENDERS: dict[str, Callable[[Setting], Train]] = {
    "tinygrad_mlp": frameworks.tinygrad_mlp,
    targets.CLASSIC: classic_algorithm,
    "NumPy by hand, outer products": numpy_outer,
    "NumPy by hand, BLAS ger": numpy_ger,
    "PyTorch eager": frameworks.pytorch,
    "JAX jit + scan": frameworks.jax_scan,
}

TARGETS = targets.EXPERIMENT


def check(trainers: dict[str, Train], given: Setting, samples: int = 64) -> None:
    """Make sure that all contenders arrive at the same weights."""
    assert_same(trainers, samples, given, "NumPy by hand, outer products")


def measure(quick: bool) -> list[Case]:
    """Seconds a sample in both precisions, and what it takes to begin."""
    length = 512 if quick else 10_240
    samples = {"tinygrad_mlp": length, targets.CLASSIC: 64 if quick else 512}
    others = 256 if quick else 2_048
    cases = []
    for dtype in (np.float64, np.float32):
        given = setting(1, dtype)
        trainers, missing = installed(CONTENDERS, given)
        check(trainers, given)
        trainers[targets.PRODUCTS] = large_products(given)
        counts = {name: samples.get(name, others) for name in trainers}
        if dtype is np.float32:
            # The classic algorithm computes in double precision (`astype(float)`), whatever we do.
            trainers[targets.CLASSIC_IN_FLOAT32] = trainers.pop(targets.CLASSIC)
            counts[targets.CLASSIC_IN_FLOAT32] = counts[targets.CLASSIC]
            trainers[targets.CLASSIC] = classic_algorithm(setting(1, np.float64))
            trainers[targets.BATCH_1024] = frameworks.numpy_by_hand(setting(1024))
            counts[targets.BATCH_1024] = 2_048 if quick else 10_240
        medians, start = seconds_a_sample(trainers, counts, quick)
        name = np.dtype(dtype).name
        cases.append(Case(targets.BATCH_OF_ONE[name], medians, "sample", missing))
        starts = {"fit": start}
        if "JAX jit + scan" in trainers:
            starts["JAX jit + scan"] = compile_seconds(given, others)
        cases.append(Case(f"before the first step, {name}", starts, "s", missing))
    return cases


def compile_seconds(given: Setting, samples: int) -> float:
    """Seconds that JAX's first epoch takes longer than its second."""
    threads.jax().clear_caches()
    train = frameworks.jax_scan(given)
    times = []
    for _ in range(2):
        start = time.perf_counter()
        train(samples)
        times.append(time.perf_counter() - start)
    return times[0] - times[1]
