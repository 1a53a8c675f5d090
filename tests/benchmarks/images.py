"""Convolution and pooling: a step of LeNet, and pooling forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_mlp as tg
from tests.benchmarks import targets, threads
from tests.benchmarks.case import Case, installed
from tests.benchmarks.timing import alternating

TARGETS = targets.IMAGE_WORK

BATCH = 64
_rng = np.random.default_rng(0)
X = _rng.random((BATCH, 1, 28, 28), np.float32)
LABELS = _rng.integers(0, 10, BATCH)
MAPS, COTANGENT = _rng.random((BATCH, 6, 28, 28), np.float32), np.ones((BATCH, 6, 14, 14), "f4")

Step = Callable[[], Any]


def our_lenet() -> Step:
    """A compiled step of LeNet with plain SGD, as `fit` takes it; it returns the loss."""
    nn, rng = tg.nn, np.random.default_rng(0)

    def conv(*sizes: int, **more: int) -> Any:
        return nn.Conv2d(*sizes, rng=rng, dtype=np.float32, **more)  # type: ignore[arg-type]

    def linear(n_in: int, n_out: int) -> Any:
        return nn.Linear(n_in, n_out, rng=rng, dtype=np.float32)

    model = nn.Sequential(
        conv(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
        conv(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
        linear(400, 120), nn.Tanh(), linear(120, 84), nn.Tanh(), linear(84, 10))
    sgd = tg.optim.SGD(model.parameters(), 0.01)
    Y = np.eye(10, dtype=np.float32)[LABELS]

    @tg.compile
    def step(x: Any, y: Any) -> Any:
        loss = nn.softmax_cross_entropy(model(x), y)
        loss.backward()
        sgd.step()
        sgd.zero_grad()
        return loss

    return lambda: step(X, Y)


def pytorch_lenet() -> Step:
    """The same in PyTorch, eager."""
    torch = threads.pytorch()
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10))
    sgd = torch.optim.SGD(model.parameters(), lr=0.01)
    loss_of, x, labels = nn.CrossEntropyLoss(), torch.tensor(X), torch.tensor(LABELS)

    def step() -> Any:
        sgd.zero_grad()
        loss = loss_of(model(x), labels)
        loss.backward()
        sgd.step()
        return loss

    return step


def our_pooling(kind: str) -> Step:
    """The gradient of pooling, for a given cotangent."""
    x = tg.Tensor(MAPS, requires_grad=True)
    pool = getattr(tg, f"{kind}_pool2d")

    def step() -> Any:
        x.grad = None
        pool(x, 2).backward(COTANGENT)
        return x.grad

    return step


def pytorch_pooling(kind: str) -> Step:
    """The same in PyTorch."""
    torch = threads.pytorch()
    x, g = torch.tensor(MAPS, requires_grad=True), torch.tensor(COTANGENT)
    pool = getattr(torch.nn.functional, f"{kind}_pool2d")

    def step() -> Any:
        x.grad = None
        pool(x, 2).backward(g)
        return x.grad

    return step


LENETS = {"tinygrad_mlp": our_lenet, "PyTorch eager": pytorch_lenet}
POOLINGS = {"tinygrad_mlp": our_pooling, "PyTorch eager": pytorch_pooling}


def measure(quick: bool) -> list[Case]:
    """Seconds a step of LeNet, and a pooling with its gradient."""
    rounds = 3 if quick else 21
    steps, missing = installed(LENETS)
    cases = [Case(targets.LENET, alternating(steps, rounds=rounds), "step", missing)]
    for kind, name in targets.POOLING.items():
        steps, missing = installed(POOLINGS, kind)
        ours = steps["tinygrad_mlp"]()
        for step in steps.values():
            np.testing.assert_allclose(np.asarray(step()), ours)
        cases.append(Case(name, alternating(steps, rounds=rounds), "step", missing))
    return cases
