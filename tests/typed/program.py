"""A user's program with types, as `test_types.py` gives it to mypy and pyright.

It runs, too. Each ``reveal_type`` is followed by the type that a checker must find.
"""

from typing import reveal_type

import numpy as np
from numpy.typing import NDArray

import tinygrad_mlp as tg
from tinygrad_mlp import nn

Array = NDArray[np.float64]

rng = np.random.default_rng(0)
X: Array = rng.normal(size=(64, 4))
labels = rng.integers(0, 3, 64)
Y: Array = np.eye(3)[labels]


class Scale(nn.Module):
    """A layer of one's own."""

    def __init__(self, n: int) -> None:
        self.factor = nn.Parameter(np.ones(n))

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return x * self.factor


# Tensors: operators, methods, operations.
x = tg.Tensor(X, requires_grad=True)
hidden = tg.tanh(x)
reveal_type(hidden)  # Tensor
reveal_type(hidden.sum())  # Tensor
reveal_type(X.T @ hidden)  # Tensor
reveal_type(1.0 - hidden[0] ** 2)  # Tensor
reveal_type(tg.sum(hidden, axis=0, keepdims=True))  # Tensor
reveal_type(tg.where(X > 0, hidden, 0.0))  # Tensor
reveal_type(tg.concatenate([hidden, x]))  # Tensor
reveal_type(tg.einsum("ij,ij->", x, x))  # Tensor
reveal_type(tg.linalg.inv(x.T @ x))  # Tensor
reveal_type(hidden > 0)  # Any
reveal_type(tg.argmax(hidden, axis=1))  # ndarray
loss = (hidden * hidden).mean()
loss.backward(retain_graph=True)
reveal_type(x.grad)  # ndarray | None

# The same operations on arrays.
reveal_type(tg.tanh(X))  # ndarray
reveal_type(tg.maximum(X, 0))  # ndarray
reveal_type(tg.softmax([[1.0, 2.0]]))  # ndarray
reveal_type(tg.stack([X, X]))  # ndarray

# Layers, losses, training.
model = nn.Sequential(nn.Linear(4, 8, rng=rng), nn.Tanh(), Scale(8), nn.Linear(8, 3, rng=rng))
reveal_type(model(X))  # Tensor
reveal_type(nn.softmax_cross_entropy(model(X), Y))  # Tensor
optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
history = tg.fit(model, nn.softmax_cross_entropy, optimizer, X, Y, epochs=2, rng=rng)
reveal_type(history)  # History
reveal_type(tg.predict(model, X))  # ndarray
network = tg.NeuralNetwork([4, 8, 3], learning_rate=lambda epoch: 0.1, monitor=False, plot=False)
network = tg.NeuralNetwork([4, 8, 3], learning_rate=tg.optim.schedule.constant(0.1))


# Derivatives of functions of arrays.
def quadratic(w: tg.Tensor, b: tg.Tensor) -> tg.Tensor:
    return tg.sum(w * w) + tg.sum(b)


w = tg.Tensor(np.ones(3))
b = tg.Tensor(np.zeros(3))
reveal_type(tg.grad(quadratic)(w, b))  # Tensor
reveal_type(tg.value_and_grad(quadratic)(w, b)[0])  # Tensor
reveal_type(tg.grad(quadratic, argnums=(0, 1))(w, b))  # Any
reveal_type(tg.hvp(lambda v: tg.sum(v**3), np.ones(3), np.ones(3)))  # ndarray
reveal_type(tg.jacobian(lambda v: tg.tanh(v)))  # (Any) -> Any
value, pullback = tg.vjp(quadratic, w, b)
reveal_type(value)  # Tensor

# Programs, checks, explanations, pictures.
compiled = tg.compile(quadratic)
reveal_type(compiled(w, b))  # Tensor
report = tg.verify.check_grad(quadratic, w, b)
reveal_type(report.ok)  # bool
reveal_type(tg.explain(tg.sum(hidden), [x]).text)  # str
reveal_type(tg.draw(tg.sum(hidden)).svg)  # str


# An operation of one's own.
@tg.op(rules={"x": lambda g, y, x: g * 3 * x**2}, elementwise=True, register=False)
def cube(x: Array) -> Array:
    return x**3


reveal_type(cube)  # Op
tg.verify.check_op(cube).assert_ok()
