"""The classic network of three layers on one sample, with the diagonal matrices D2 and D3."""

import numpy as np

rng = np.random.default_rng(3)
x, y = rng.normal(size=5), np.array([0.0, 1.0, 0.0])
W1, W2 = rng.normal(size=(4, 5)), rng.normal(size=(3, 4))


def g(z):
    return 1 / (1 + np.exp(-z))


def loss(W1, W2):
    a2 = np.tanh(W1 @ x)
    a3 = g(W2 @ a2)
    return 0.5 * np.sum((y - a3) ** 2)


def derived(W1, W2):
    z2 = W1 @ x
    a2 = np.tanh(z2)
    a3 = g(W2 @ a2)
    D3 = np.diag(a3 * (1 - a3))
    D2 = np.diag(1 - a2**2)
    delta3 = -D3 @ (y - a3)
    delta2 = D2 @ W2.T @ delta3
    return {"W1": np.outer(delta2, x), "W2": np.outer(delta3, a2)}


MISTAKES = [
    ("delta2 = D2 @ W2.T @ delta3", "delta2 = W2.T @ delta3", "D2 is forgotten"),
    ("delta3 = -D3 @ (y - a3)", "delta3 = -(y - a3)", "D3 is forgotten: this is cross entropy's"),
    ("delta3 = -D3 @ (y - a3)", "delta3 = D3 @ (y - a3)", "the sign"),
    ("D2 = np.diag(1 - a2**2)", "D2 = np.diag(1 - z2**2)",
     "tanh' is 1 - tanh(z)**2, not 1 - z**2"),
    ("D2 = np.diag(1 - a2**2)", "D2 = np.diag(a2 * (1 - a2))", "this is the sigmoid's derivative"),
    ('"W2": np.outer(delta3, a2)', '"W2": np.outer(delta3, z2)',
     "the second layer's input is a2, not z2"),
]
