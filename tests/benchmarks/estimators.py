"""Our estimators next to scikit-learn's own: speed of training and score on held-out samples."""

from __future__ import annotations

import functools
import statistics
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn import neural_network as theirs
from sklearn.datasets import make_friedman1
from sklearn.exceptions import ConvergenceWarning

import tinygrad_mlp as tg
from tests.benchmarks import targets, timing
from tests.benchmarks.case import Case
from tests.benchmarks.setting import images, source_of_images
from tinygrad_mlp import estimators as ours

CONTENDERS = {"tinygrad_mlp": ours, "scikit-learn": theirs}
HELD_OUT = 0.25
ROUNDS = 3

TARGETS = targets.ESTIMATORS


@dataclass(frozen=True)
class Work:
    """A data set and how both are trained on it; all else is as it is by default.

    Attributes:
        data: "digits", "images" or "regression".
        epochs: passes through the data (for L-BFGS, iterations).
        settings: parameters that both have.
    """

    data: str
    epochs: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    def estimator(self, contender: str, **more: Any) -> Any:
        """An estimator that trains for all of its epochs."""
        name = "MLPRegressor" if self.data == "regression" else "MLPClassifier"
        made = getattr(CONTENDERS[contender], name)
        settings = {"max_iter": self.epochs, "n_iter_no_change": np.inf, **self.settings, **more}
        return made(**settings)


SMALL_BATCHES = {"solver": "sgd", "batch_size": 8}

WORK = {
    "digits": Work("digits", 40),
    "digits, SGD of 8": Work("digits", 20, SMALL_BATCHES),
    "images": Work("images", 5),
    "images, SGD of 8": Work("images", 2, SMALL_BATCHES),
    "images, no penalty": Work("images", 2, {**SMALL_BATCHES, "alpha": 0}),
    "regression": Work("regression", 40),
    "regression, L-BFGS": Work("regression", 100, {"solver": "lbfgs"}),
}
"""What is trained. Where nothing is said: 100 hidden units with ReLU, Adam, batches of 200. "SGD of
8": batches of 8, with Nesterov's momentum; "no penalty": the same with alpha=0, which lets us train
in blocks."""


def samples(data: str, source: str | None = None) -> tuple[Any, Any]:
    """Inputs and targets, in a random order."""
    rng = np.random.default_rng(0)
    if data == "images":
        X, Y = images(source or source_of_images())
        return X[:12_000], Y[:12_000].argmax(axis=1)
    if data == "digits":
        digits = tg.data.load("digits")
        X, y = digits.X.reshape(len(digits.X), -1) / 16, digits.labels
    else:
        X, y = make_friedman1(8_000, noise=1.0, random_state=0)
    order = rng.permutation(len(X))
    return X[order], y[order]


def check(name: str, X: Any, y: Any) -> None:
    """Make sure that both arrive at the same weights in two epochs, visiting samples in order."""
    more = {"shuffle": False, "random_state": 0, "max_iter": 2, "epsilon": 1e-100}
    first, second = (_trained(name, c, X, y, **more) for c in CONTENDERS)
    exact = X.dtype == np.float64
    for got, want in zip(first.coefs_, second.coefs_, strict=True):
        np.testing.assert_allclose(
            got, want, rtol=0, atol=1e-9 if exact else 1e-3, err_msg=name
        )


def _trained(name: str, contender: str, X: Any, y: Any, **more: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return WORK[name].estimator(contender, **more).fit(X, y)


def measured(name: str, X: Any, y: Any, rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Median seconds a sample (and epoch), and mean score; another seed in each round."""
    test = int(HELD_OUT * len(X))
    times: dict[str, list[float]] = {contender: [] for contender in CONTENDERS}
    scores: dict[str, list[float]] = {contender: [] for contender in CONTENDERS}
    for seed in range(rounds):
        for contender in CONTENDERS:
            start = timing.clock()
            estimator = _trained(name, contender, X[test:], y[test:], random_state=seed)
            taken = timing.clock() - start
            times[contender].append(taken / (estimator.n_iter_ * (len(X) - test)))
            scores[contender].append(estimator.score(X[:test], y[:test]))
    return (
        {contender: statistics.median(taken) for contender, taken in times.items()},
        {contender: statistics.mean(found) for contender, found in scores.items()},
    )


def measure(quick: bool) -> list[Case]:
    """Seconds a sample and scores for each kind of work."""
    cases, scores = [], {}
    for name, work in WORK.items():
        X, y = samples(work.data)
        check(name, X[:400], y[:400])
        if quick:
            X, y = X[:1000], y[:1000]
        medians, found = measured(name, X, y, 1 if quick else ROUNDS)
        cases.append(Case(f"estimators: {name}", medians, "sample"))
        scores |= {f"{name}: {contender}": score for contender, score in found.items()}
    scored = Case("score of held-out samples", scores, "times")
    return [*cases, *one_row(3 if quick else 21), scored]


def one_row(rounds: int) -> list[Case]:
    """Seconds of a call with one row, of regressors with 50 hidden units."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(500, 20)), rng.normal(size=500)
    found: dict[str, dict[str, Any]] = {work: {} for work in targets.ONE_ROW}
    for contender, module in CONTENDERS.items():
        fitted = module.MLPRegressor(hidden_layer_sizes=(50,), random_state=0).partial_fit(X, y)
        found["predict"][contender] = functools.partial(fitted.predict, X[:1])
        going_on = module.MLPRegressor(hidden_layer_sizes=(50,), random_state=0)
        found["partial_fit"][contender] = functools.partial(going_on.partial_fit, X[:32], y[:32])
    return [Case(targets.ONE_ROW[work], timing.alternating(calls, rounds=rounds), "step")
            for work, calls in found.items()]
