"""What checking gradients costs, next to computing them: one sample, in double precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_mlp as tg
from tests.benchmarks import targets
from tests.benchmarks.case import Case
from tests.benchmarks.setting import HIDDEN, INPUTS, OUTPUTS
from tests.benchmarks.timing import alternating

DIGITS = (64, 32, 10)
CLASSIC = (INPUTS, HIDDEN, OUTPUTS)


class Sample:
    """One sample, the loss of the classic network, and its gradients by hand."""

    def __init__(self, layers: tuple[int, int, int]) -> None:
        rng = np.random.default_rng(0)
        n, hidden, k = layers
        self.W1, self.W2 = rng.normal(0, 0.01, (hidden, n)), rng.normal(0, 0.01, (k, hidden))
        self.x, self.y = rng.normal(size=n), np.eye(k)[0]

    def loss(self, W1: Any, W2: Any) -> Any:
        return tg.nn.squared_error(tg.sigmoid(W2 @ tg.tanh(W1 @ self.x)), self.y)

    def derived(self, W1: Any, W2: Any) -> Any:
        return tg.verify.formulas.mean_square(W1, W2, self.x, self.y)


def backward(sample: Sample) -> Callable[[], Any]:
    """One forward and backward pass."""
    gradient = tg.value_and_grad(sample.loss, (0, 1))
    return lambda: gradient(sample.W1, sample.W2)


def directions(sample: Sample) -> Callable[[], Any]:
    """`check_grad` in a few random directions."""
    return lambda: tg.verify.check_grad(sample.loss, sample.W1, sample.W2, fast=True)


def elements(sample: Sample) -> Callable[[], Any]:
    """`check_grad`, element by element."""
    return lambda: tg.verify.check_grad(sample.loss, sample.W1, sample.W2)


def derivation(sample: Sample) -> Callable[[], Any]:
    """`check_derivation` of the formulas derived by hand."""
    return lambda: tg.verify.check_derivation(
        sample.loss, sample.derived, W1=sample.W1, W2=sample.W2
    )


CONTENDERS: dict[str, Callable[[Sample], Callable[[], Any]]] = {
    targets.BACKWARD: backward,
    "check_grad, directions": directions,
    "check_grad, every element": elements,
    "check_derivation": derivation,
}

TARGETS: tuple[targets.Target, ...] = ()


def check(functions: dict[str, Callable[[], Any]], sample: Sample) -> None:
    """Make sure that the gradients are those of the formulas, and that all checks say so."""
    _, gradients = functions[targets.BACKWARD]()
    derived = sample.derived(sample.W1, sample.W2)
    for got, name in zip(gradients, ("W1", "W2"), strict=True):
        np.testing.assert_allclose(got, derived[name], rtol=1e-9, atol=1e-15, err_msg=name)
    for name, function in functions.items():
        if name != targets.BACKWARD:
            assert function().ok, name


def measure(quick: bool) -> list[Case]:
    """Seconds a check, for the classic network and for that of the 8×8 digits.

    Element by element, the classic network takes minutes for its 203,264 weights: only the digits'.
    """
    cases = []
    for name, layers in (("classic network", CLASSIC), ("digits' network", DIGITS)):
        sample = Sample(layers)
        functions = {
            what: make(sample) for what, make in CONTENDERS.items()
            if what != "check_grad, every element" or layers is DIGITS
        }
        check(functions, sample)
        medians = alternating(functions, rounds=1 if quick else 5, seconds=0)
        cases.append(Case(f"checks of the {name}", medians, "run"))
    return cases
