"""The time of a derivation: closed form and steps of deep and of recurrent networks."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_mlp as tg
from tests.benchmarks import targets
from tests.benchmarks.case import Case
from tests.benchmarks.timing import clock

TARGETS = targets.DERIVATIONS


def network(layers: int) -> tuple[Any, list[tg.Tensor]]:
    """The loss of a batch in a network of so many layers, and its weights."""
    rng = np.random.default_rng(0)
    A: Any = rng.normal(size=(3, 2))
    weights = []
    for number in range(layers):
        W = tg.Tensor(rng.normal(size=(2, 2)), requires_grad=True, name=f"W{number}")
        A = tg.tanh(A @ W)
        weights.append(W)
    return tg.sum(A * A), weights


def recurrent(steps: int) -> tuple[Any, list[tg.Tensor]]:
    """The loss of a recurrent network of so many steps, and its weights."""
    rng = np.random.default_rng(0)
    Wh, Wx = (tg.Tensor(rng.normal(size=(3, 3)), requires_grad=True, name=n) for n in ("Wh", "Wx"))
    h: Any = np.zeros(3)
    for _ in range(steps):
        h = tg.tanh(Wh @ h + Wx @ rng.normal(size=3))
    return tg.sum(h * h), [Wh, Wx]


def seconds(loss: Any, weights: list[tg.Tensor]) -> float:
    """Seconds of a derivation, which has to have a closed form."""
    start = clock()
    derivation = tg.explain(loss, weights)
    found = clock() - start
    assert not derivation.closed.note and not derivation.steps.note
    return found


def measure(quick: bool) -> list[Case]:
    """Seconds, and how they grow with the number of layers."""
    rounds = 1 if quick else 5

    def median(loss: Any, weights: list[tg.Tensor]) -> float:
        return float(np.median([seconds(loss, weights) for _ in range(rounds)]))

    median(*network(2))  # once, for what is made when it is first used
    ten, twenty = median(*network(10)), median(*network(20))
    return [Case(targets.DERIVATION, {
        targets.TWENTY_LAYERS: twenty, "recurrent network, 20 steps": median(*recurrent(20))}, "s"),
        Case(targets.DERIVATION_GROWTH, {targets.TWICE: twenty / ten}, "times")]
