"""A tiny framework of layer classes: forward caches what backward needs."""

import numpy as np

rng = np.random.default_rng(42)
inputs = rng.normal(size=(5, 3))
targets = rng.normal(size=(5, 2))


def point(rng):
    return {
        "W1": rng.normal(size=(3, 4)),
        "b1": rng.normal(size=4),
        "gain": 1.0 + 0.5 * rng.normal(size=4),
        "W2": rng.normal(size=(4, 2)),
        "b2": rng.normal(size=2),
    }


def loss(W1, b1, gain, W2, b2):
    hidden = 1 / (1 + np.exp(-(inputs @ W1 + b1)))
    pred = (hidden * gain) @ W2 + b2
    return np.mean((pred - targets) ** 2)


class Dense:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad_out):
        self.dW = self.x.T @ grad_out
        self.db = grad_out.sum(axis=0)
        return grad_out @ self.W.T


class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, grad_out):
        return grad_out * self.out * (1 - self.out)


class Gain:
    def __init__(self, gain):
        self.gain = gain

    def forward(self, x):
        self.x = x
        return x * self.gain

    def backward(self, grad_out):
        self.dgain = (grad_out * self.x).sum(axis=0)
        return grad_out * self.gain


def derived(W1, b1, gain, W2, b2):
    fc1, scale, fc2 = Dense(W1, b1), Gain(gain), Dense(W2, b2)
    layers = [fc1, Sigmoid(), scale, fc2]

    out = inputs
    for layer in layers:
        out = layer.forward(out)

    grad = 2 * (out - targets) / out.size
    for layer in reversed(layers):
        grad = layer.backward(grad)

    return {"W1": fc1.dW, "b1": fc1.db, "gain": scale.dgain, "W2": fc2.dW, "b2": fc2.db}


MISTAKES = [
    ("grad = 2 * (out - targets) / out.size", "grad = (out - targets) / out.size",
     "the square's 2 is left out"),
    ("grad = 2 * (out - targets) / out.size", "grad = 2 * (out - targets) / len(out)",
     "the mean is over all elements and not over the rows only"),
    ("return grad_out * self.out * (1 - self.out)", "return grad_out * (1 - self.out)",
     "half of the sigmoid's derivative is left out"),
    ("return grad_out * self.out * (1 - self.out)", "return grad_out * (1 - self.out ** 2)",
     "tanh's derivative in the sigmoid"),
    ("        return grad_out * self.gain", "        return grad_out",
     "the gain is not passed on to the layer below"),
    ("self.dgain = (grad_out * self.x).sum(axis=0)",
     "self.dgain = (grad_out * self.x).mean(axis=0)", "a mean where the gain sums over samples"),
    ("self.dgain = (grad_out * self.x).sum(axis=0)", "self.dgain = grad_out.sum(axis=0)",
     "the cached input is left out, as if the gain were a bias"),
]
