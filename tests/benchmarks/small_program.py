"""The small network's whole training step, compiled: forward, backward, and the update.

The same network as in `small_step`, and the same data; after each step the parameters are lowered
by `LR` times their gradients. Each step begins where the last one ended, for all contenders.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_mlp as tg
from tests.benchmarks import targets, threads
from tests.benchmarks.small_step import PARAMETERS, Step, X, Y, model_of_layers

LR = 0.1


def by_hand() -> Step:
    """NumPy, into buffers that are there already, as one would to have it as fast as can be."""
    W1, b1, W2, b2 = parameters = [data.copy() for data in PARAMETERS]
    z2, z3, slope2, slope3 = (np.empty((2, n)) for n in (8, 3, 8, 3))
    updates = [np.empty_like(data) for data in PARAMETERS]
    dW1, db1, dW2, db2 = updates
    W1T, W2T, z2T, z3T = W1.T, W2.T, z2.T, z3.T
    dot, multiply, add, subtract, tanh = np.dot, np.multiply, np.add, np.subtract, np.tanh
    total = np.add.reduce

    def step() -> Any:
        a2 = tanh(add(dot(X, W1T, z2), b1, z2), z2)
        a3 = add(dot(a2, W2T, z3), b2, z3)
        np.negative(a3, a3)
        np.exp(a3, a3)
        add(a3, 1.0, a3)
        np.reciprocal(a3, a3)
        subtract(1.0, a3, slope3)
        multiply(slope3, a3, slope3)
        error = subtract(a3, Y, a3)
        loss = 0.25 * np.vdot(error, error)
        multiply(error, slope3, error)
        multiply(error, 0.5 * LR, error)  # the mean over two samples, and the learning rate
        dot(z3T, a2, dW2)
        total(error, axis=0, out=db2)
        multiply(a2, a2, slope2)
        subtract(1.0, slope2, slope2)
        delta2 = multiply(dot(error, W2, z2), slope2, z2)
        dot(z2T, X, dW1)
        total(delta2, axis=0, out=db1)
        for parameter, update in zip(parameters, updates, strict=True):
            subtract(parameter, update, parameter)
        return loss, parameters

    return step


def _step_of_layers(compiled: bool) -> Step:
    model = model_of_layers()
    optimizer = tg.optim.SGD(model.parameters(), lr=LR)
    parameters = list(model.parameters())

    def step(x: Any, y: Any) -> Any:
        loss = tg.nn.squared_error(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    run = tg.compile(step) if compiled else step
    return lambda: (run(X, Y), parameters)


def tinygrad_mlp() -> Step:
    """This package, compiled."""
    return _step_of_layers(compiled=True)


def tinygrad_mlp_eager() -> Step:
    """This package, eager."""
    return _step_of_layers(compiled=False)


def pytorch() -> Step:
    """PyTorch, eager, with its layers and its optimizer."""
    torch = threads.pytorch()
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3), torch.nn.Sigmoid()
    ).double()
    parameters = list(model.parameters())
    with torch.no_grad():
        for parameter, data in zip(parameters, PARAMETERS, strict=True):
            parameter.copy_(torch.tensor(data))
    x, y = torch.tensor(X), torch.tensor(Y)
    criterion = torch.nn.MSELoss(reduction="sum")
    optimizer = torch.optim.SGD(parameters, lr=LR)

    def step() -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), y) * 0.25
        loss.backward()
        optimizer.step()
        return loss, parameters

    return step


def jax_jit() -> Step:
    """JAX, one compiled step."""
    jax = threads.jax()
    jnp = jax.numpy
    parameters = tuple(map(jnp.array, PARAMETERS))

    def loss_of(parameters: Any) -> Any:
        W1, b1, W2, b2 = parameters
        error = jax.nn.sigmoid(jnp.tanh(X @ W1.T + b1) @ W2.T + b2) - Y
        return 0.25 * jnp.sum(error * error)

    @jax.jit
    def update(parameters: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(parameters)
        return loss, tuple(p - LR * g for p, g in zip(parameters, gradients, strict=True))

    def step() -> Any:
        nonlocal parameters
        loss, parameters = jax.block_until_ready(update(parameters))
        return loss, parameters

    return step


CONTENDERS: dict[str, Callable[[], Step]] = {
    "tinygrad_mlp": tinygrad_mlp,
    "tinygrad_mlp, eager": tinygrad_mlp_eager,
    "NumPy by hand, buffers": by_hand,
    "PyTorch eager": pytorch,
    "JAX jit": jax_jit,
}

TARGETS = tuple(t for t in targets.SMALL_GRAPHS if t.case == targets.SMALL_PROGRAM)


def check(steps: dict[str, Step]) -> None:
    """Make sure that all contenders' losses and parameters stay the same, for ten steps."""
    for _ in range(10):
        loss, parameters = steps["NumPy by hand, buffers"]()
        for name, step in steps.items():
            if name != "NumPy by hand, buffers":
                got = step()
                for one, want in zip([got[0], *got[1]], [loss, *parameters], strict=True):
                    np.testing.assert_allclose(as_array(one), want, rtol=1e-10, err_msg=name)


def as_array(value: Any) -> Any:
    """Values of all frameworks as arrays."""
    if isinstance(value, tg.Tensor):
        return value.data
    return value.detach().numpy() if hasattr(value, "detach") else np.asarray(value)
