"""A network of three layers, ReLU, softmax and weight decay; a batch is a matrix of rows."""

import numpy as np

rng = np.random.default_rng(23)
N = 8
X = rng.normal(size=(N, 4))
Y = np.eye(3)[rng.integers(0, 3, size=N)]
lam = 0.1


def point(rng):
    return {
        "W1": 0.7 * rng.normal(size=(4, 5)), "b1": 0.3 * rng.normal(size=5),
        "W2": 0.7 * rng.normal(size=(5, 5)), "b2": 0.3 * rng.normal(size=5),
        "W3": 0.7 * rng.normal(size=(5, 3)), "b3": 0.3 * rng.normal(size=3),
    }


def relu(Z):
    return np.maximum(0, Z)


def softmax(Z):
    expZ = np.exp(Z - Z.max(axis=1, keepdims=True))
    return expZ / expZ.sum(axis=1, keepdims=True)


def loss(W1, b1, W2, b2, W3, b3):
    P = softmax(relu(relu(X @ W1 + b1) @ W2 + b2) @ W3 + b3)
    data = -np.sum(Y * np.log(P)) / N
    decay = 0.5 * lam * (np.sum(W1 ** 2) + np.sum(W2 ** 2) + np.sum(W3 ** 2))
    return data + decay


def derived(W1, b1, W2, b2, W3, b3):
    # forward propagation
    Z1 = X @ W1 + b1
    A1 = relu(Z1)
    Z2 = A1 @ W2 + b2
    A2 = relu(Z2)
    Z3 = A2 @ W3 + b3
    A3 = softmax(Z3)

    # layer 3: L = -1/N sum y log a, softmax and log cancel
    dZ3 = (A3 - Y) / N
    dW3 = A2.T @ dZ3 + lam * W3
    db3 = np.sum(dZ3, axis=0)

    # layer 2: dZ2 = dA2 * relu'(Z2)
    dA2 = dZ3 @ W3.T
    dZ2 = dA2 * (Z2 > 0)
    dW2 = A1.T @ dZ2 + lam * W2
    db2 = np.sum(dZ2, axis=0)

    # layer 1: dZ1 = dA1 * relu'(Z1)
    dA1 = dZ2 @ W2.T
    dZ1 = dA1 * (Z1 > 0)
    dW1 = X.T @ dZ1 + lam * W1
    db1 = np.sum(dZ1, axis=0)
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2, "W3": dW3, "b3": db3}


MISTAKES = [
    ("dW2 = A1.T @ dZ2 + lam * W2", "dW2 = A1.T @ dZ2", "weight decay is forgotten in layer 2"),
    ("dW3 = A2.T @ dZ3 + lam * W3", "dW3 = A2.T @ dZ3 + 2 * lam * W3",
     "the penalty has a half, the derivative no 2"),
    ("dA1 = dZ2 @ W2.T", "dA1 = dZ2 @ W2", "the weight matrix is not transposed"),
    ("dZ1 = dA1 * (Z1 > 0)", "dZ1 = dA1 * (Z2 > 0)", "relu' at the pre-activation of the next layer"),
    ("dZ2 = dA2 * (Z2 > 0)", "dZ2 = dA2 * A2", "the activation in place of its derivative"),
    ("dZ3 = (A3 - Y) / N", "dZ3 = A3 - Y", "the mean over the batch: 1/N is left out"),
    ("db1 = np.sum(dZ1, axis=0)", "db1 = np.sum(dZ1, axis=0) / N", "1/N is in dZ3 already"),
]
