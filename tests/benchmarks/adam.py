"""Adam on mini-batches, with ReLU and softmax, as in most tutorials."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import tinygrad_mlp as tg
from tests.benchmarks import targets, threads
from tests.benchmarks.case import Case, installed
from tests.benchmarks.setting import (
    HIDDEN,
    IMAGES,
    INPUTS,
    OUTPUTS,
    Setting,
    Train,
    setting,
)
from tests.benchmarks.timing import seconds_a_sample

TARGETS = targets.ADAM

RATE = 0.001


def ours(given: Setting) -> Train:
    """This package: `fit`, with a new model each time."""

    def train(samples: int) -> list[Any]:
        model = tg.nn.Sequential(
            tg.nn.Linear(INPUTS, HIDDEN, init=lambda *_: given.W1, dtype=np.float32), tg.nn.ReLU(),
            tg.nn.Linear(HIDDEN, OUTPUTS, init=lambda *_: given.W2, dtype=np.float32))
        adam = tg.optim.Adam(model.parameters(), RATE)
        tg.fit(model, tg.nn.softmax_cross_entropy, adam, given.X[:samples], given.Y[:samples],
               epochs=max(1, samples // IMAGES), batch_size=given.batch, shuffle=False)
        return [p.data for p in model.parameters() if p.ndim == 2]

    return train


def pytorch(given: Setting) -> Train:
    """PyTorch, eager."""
    torch = threads.pytorch()
    X, labels = torch.tensor(given.X), torch.tensor(given.Y.argmax(axis=1))
    loss_of = torch.nn.CrossEntropyLoss()

    def train(samples: int) -> list[Any]:
        model = torch.nn.Sequential(
            torch.nn.Linear(INPUTS, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, OUTPUTS))
        with torch.no_grad():
            for layer, weight in ((model[0], given.W1), (model[2], given.W2)):
                layer.weight.copy_(torch.from_numpy(weight))
                layer.bias.zero_()
        adam = torch.optim.Adam(model.parameters(), lr=RATE)
        for start in range(0, samples, given.batch):
            rows = slice(start, start + given.batch)
            adam.zero_grad()
            loss_of(model(X[rows]), labels[rows]).backward()
            adam.step()
        return [p.detach().numpy().copy() for p in model.parameters() if p.ndim == 2]

    return train


CONTENDERS = {"tinygrad_mlp": ours, "PyTorch eager": pytorch}


def check(trainers: dict[str, Train], given: Setting) -> None:
    """Make sure that all contenders arrive at the same weights, after two steps.

    Where a gradient is all rounding, Adam's step is, too: a few elements differ by some percent.
    """
    found = {name: train(2 * given.batch) for name, train in trainers.items()}
    for name, weights in found.items():
        for got, want in zip(weights, found["tinygrad_mlp"], strict=True):
            np.testing.assert_allclose(got, want, rtol=0, atol=0.1 * RATE, err_msg=name)


def measure(quick: bool) -> list[Case]:
    """Seconds a sample for each size of the batches, ours over a longer epoch."""
    cases = []
    for size, name in targets.ADAM_CASES.items():
        given = setting(size)
        trainers, missing = installed(CONTENDERS, given)
        check(trainers, given)
        others = max(size, 128) if quick else max(4_096, 20 * size)
        counts = dict.fromkeys(trainers, others)
        counts["tinygrad_mlp"] = 2 * others if quick else IMAGES * math.ceil(200 * size / IMAGES)
        medians, _ = seconds_a_sample(trainers, counts, quick)
        cases.append(Case(name, medians, "sample", missing))
    return cases
