"""Inverted dropout with a given mask: two tanh layers and a sigmoid output, cross-entropy."""

import numpy as np

rng = np.random.default_rng(24)
N, D, H = 7, 3, 6
X = rng.normal(size=(N, D))
Y = rng.integers(0, 2, size=(N, 1)).astype(float)
keep1, keep2 = 0.8, 0.6
M1 = (rng.random(size=(N, H)) < keep1).astype(float)
M2 = (rng.random(size=(N, H)) < keep2).astype(float)


def point(rng):
    return {
        "W1": rng.normal(size=(D, H)), "b1": 0.5 * rng.normal(size=H),
        "W2": 0.6 * rng.normal(size=(H, H)), "b2": 0.5 * rng.normal(size=H),
        "W3": rng.normal(size=(H, 1)), "b3": rng.normal(size=1),
    }


def sigmoid(Z):
    return 1.0 / (1.0 + np.exp(-Z))


def loss(W1, b1, W2, b2, W3, b3):
    hidden1 = np.tanh(X @ W1 + b1) * M1 / keep1
    hidden2 = np.tanh(hidden1 @ W2 + b2) * M2 / keep2
    P = sigmoid(hidden2 @ W3 + b3)
    return -np.mean(Y * np.log(P) + (1 - Y) * np.log(1 - P))


def derived(W1, b1, W2, b2, W3, b3):
    grads = {}

    # forward: A is the activation, D what dropout leaves of it
    A1 = np.tanh(X @ W1 + b1)
    D1 = A1 * (M1 / keep1)
    A2 = np.tanh(D1 @ W2 + b2)
    D2 = A2 * (M2 / keep2)
    A3 = sigmoid(D2 @ W3 + b3)

    # output layer
    dZ3 = (A3 - Y) / N
    grads["W3"] = D2.T @ dZ3
    grads["b3"] = dZ3.sum(axis=0)

    # second hidden layer; the same units are off in the backward pass
    dD2 = dZ3 @ W3.T
    dA2 = dD2 * M2 / keep2
    dZ2 = dA2 * (1 - A2 ** 2)
    grads["W2"] = D1.T @ dZ2
    grads["b2"] = dZ2.sum(axis=0)

    # first hidden layer
    dD1 = dZ2 @ W2.T
    dA1 = dD1 * M1 / keep1
    dZ1 = dA1 * (1 - A1 ** 2)
    grads["W1"] = X.T @ dZ1
    grads["b1"] = dZ1.sum(axis=0)
    return grads


MISTAKES = [
    ("dA2 = dD2 * M2 / keep2", "dA2 = dD2", "dropout is not applied in the backward pass"),
    ("dA1 = dD1 * M1 / keep1", "dA1 = dD1 * M1", "the scaling by 1/keep is forgotten in the backward pass"),
    ('grads["W2"] = D1.T @ dZ2', 'grads["W2"] = A1.T @ dZ2',
     "the layer's input is the activation after dropout"),
    ("dZ2 = dA2 * (1 - A2 ** 2)", "dZ2 = dA2 * (1 - D2 ** 2)", "tanh' at the dropped and scaled activation"),
    ("dA1 = dD1 * M1 / keep1", "dA1 = dD1 * M2 / keep1", "the mask of the other layer"),
    ("dD1 = dZ2 @ W2.T", "dD1 = dZ2 @ W2", "the weight matrix is not transposed"),
    ("dZ1 = dA1 * (1 - A1 ** 2)", "dZ1 = dA1 * A1 * (1 - A1)", "the derivative of the sigmoid for a tanh layer"),
]
