"""One training step of a network so small that it is all overhead, in several frameworks.

A two-layer tanh/sigmoid network (4 → 8 → 3, with biases) on two samples in float64: forward pass,
squared error, and the gradients of all four parameters. Every contender computes the same numbers;
`check` makes sure of it before anything is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_mlp as tg
from tests.benchmarks import targets, threads

Step = Callable[[], Any]

_rng = np.random.default_rng(0)
X, Y = _rng.normal(size=(2, 4)), _rng.uniform(size=(2, 3))
PARAMETERS = [_rng.normal(size=shape) for shape in ((8, 4), (8,), (3, 8), (3,))]


def by_hand() -> Step:
    """The same step written by hand in NumPy, as one would to have it fast."""
    W1, b1, W2, b2 = PARAMETERS

    def step() -> list[Any]:
        a2 = np.tanh(X @ W1.T + b1)
        a3 = 1 / (1 + np.exp(-(a2 @ W2.T + b2)))
        error = a3 - Y
        0.5 * np.sum(error * error)
        delta3 = error * a3 * (1 - a3)
        delta2 = (delta3 @ W2) * (1 - a2 * a2)
        return [delta2.T @ X, delta2.sum(axis=0), delta3.T @ a2, delta3.sum(axis=0)]

    return step


def model_of_layers() -> Any:
    """The network as layer objects of this package."""
    model = tg.nn.Sequential(
        tg.nn.Linear(4, 8), tg.nn.Tanh(), tg.nn.Linear(8, 3), tg.nn.Sigmoid()
    )
    for parameter, data in zip(model.parameters(), PARAMETERS, strict=True):
        parameter.data = data.copy()
    return model


def with_layers() -> Step:
    """tinygrad_mlp, as one writes it: layer objects and a loss."""
    model = model_of_layers()
    parameters = list(model.parameters())

    def step() -> list[Any]:
        for parameter in parameters:
            parameter.grad = None
        tg.nn.squared_error(model(X), Y, reduction="sum").backward()
        return [parameter.grad for parameter in parameters]

    return step


def with_operators() -> Step:
    """tinygrad_mlp, written out with operators: nearly twice as many nodes."""
    parameters = [tg.Tensor(data, requires_grad=True) for data in PARAMETERS]
    W1, b1, W2, b2 = parameters

    def step() -> list[Any]:
        for parameter in parameters:
            parameter.grad = None
        a3 = tg.sigmoid(tg.tanh(X @ W1.T + b1) @ W2.T + b2)
        error = a3 - Y
        (0.5 * (error * error).sum()).backward()
        return [parameter.grad for parameter in parameters]

    return step


def pytorch() -> Step:
    """PyTorch, eager, written out with operators."""
    torch = threads.pytorch()
    x, y = torch.tensor(X), torch.tensor(Y)
    parameters = [torch.tensor(data, requires_grad=True) for data in PARAMETERS]
    W1, b1, W2, b2 = parameters

    def step() -> list[Any]:
        for parameter in parameters:
            parameter.grad = None
        a3 = torch.sigmoid(torch.tanh(x @ W1.T + b1) @ W2.T + b2)
        error = a3 - y
        (0.5 * (error * error).sum()).backward()
        return [parameter.grad.numpy() for parameter in parameters]

    return step


def pytorch_layers() -> Step:
    """PyTorch, eager, with its layer objects."""
    torch = threads.pytorch()
    x, y = torch.tensor(X), torch.tensor(Y)
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3), torch.nn.Sigmoid()
    ).double()
    loss = torch.nn.MSELoss(reduction="sum")
    parameters = list(model.parameters())
    with torch.no_grad():
        for parameter, data in zip(parameters, PARAMETERS, strict=True):
            parameter.copy_(torch.tensor(data))

    def step() -> list[Any]:
        for parameter in parameters:
            parameter.grad = None
        (0.5 * loss(model(x), y)).backward()
        return [parameter.grad.numpy() for parameter in parameters]

    return step


def hips_autograd() -> Step:
    """HIPS autograd, written out with operators."""
    import autograd
    import autograd.numpy as anp

    def loss(parameters: Any) -> Any:
        W1, b1, W2, b2 = parameters
        a3 = 1 / (1 + anp.exp(-(anp.tanh(X @ W1.T + b1) @ W2.T + b2)))
        error = a3 - Y
        return 0.5 * anp.sum(error * error)

    value_and_grad = autograd.value_and_grad(loss)
    parameters = tuple(PARAMETERS)
    return lambda: value_and_grad(parameters)[1]


CONTENDERS: dict[str, Callable[[], Step]] = {
    "tinygrad_mlp": with_layers,
    "NumPy by hand": by_hand,
    "tinygrad_mlp, operators": with_operators,
    "PyTorch eager, operators": pytorch,
    "PyTorch eager, layers": pytorch_layers,
    "HIPS autograd": hips_autograd,
}

TARGETS = tuple(t for t in targets.SMALL_GRAPHS if t.case == targets.SMALL_STEP)


def check(steps: dict[str, Step]) -> None:
    """Make sure that all contenders compute the same gradients."""
    expected = steps["NumPy by hand"]()
    for name, step in steps.items():
        for got, want in zip(step(), expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-10, err_msg=name)
