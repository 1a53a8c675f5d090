"""A network with two hidden layers, ReLU and softmax, on a batch."""

import numpy as np

rng = np.random.default_rng(4)
X, Y = rng.normal(size=(9, 4)), np.eye(3)[rng.integers(0, 3, 9)]
n = len(X)
W1, b1 = rng.normal(size=(4, 5)), rng.normal(size=5)
W2, b2 = rng.normal(size=(5, 5)), rng.normal(size=5)
W3, b3 = rng.normal(size=(5, 3)), rng.normal(size=3)


def softmax(Z):
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def loss(W1, b1, W2, b2, W3, b3):
    H1 = np.maximum(X @ W1 + b1, 0)
    H2 = np.maximum(H1 @ W2 + b2, 0)
    P = softmax(H2 @ W3 + b3)
    return -np.sum(Y * np.log(P)) / n


def derived(W1, b1, W2, b2, W3, b3):
    Z1 = X @ W1 + b1
    H1 = np.maximum(Z1, 0)
    Z2 = H1 @ W2 + b2
    H2 = np.maximum(Z2, 0)
    P = softmax(H2 @ W3 + b3)
    d3 = (P - Y) / n
    d2 = (d3 @ W3.T) * (Z2 > 0)
    d1 = (d2 @ W2.T) * (Z1 > 0)
    return {"W3": H2.T @ d3, "b3": d3.sum(0), "W2": H1.T @ d2, "b2": d2.sum(0),
            "W1": X.T @ d1, "b1": d1.sum(0)}


MISTAKES = [
    ("d2 = (d3 @ W3.T) * (Z2 > 0)", "d2 = d3 @ W3.T", "ReLU's derivative is forgotten"),
    ("d1 = (d2 @ W2.T) * (Z1 > 0)", "d1 = (d2 @ W2) * (Z1 > 0)", "the matrix is not transposed"),
    ("d1 = (d2 @ W2.T) * (Z1 > 0)", "d1 = (d2 @ W2.T) * (Z2 > 0)",
     "the mask of the other layer"),
    ("d1 = (d2 @ W2.T) * (Z1 > 0)", "d1 = (d2 @ W2.T) * H1",
     "ReLU's derivative is 0 or 1, not its value"),
    ('"W2": H1.T @ d2', '"W2": H2.T @ d2', "the layer's input is H1, not its output"),
    ("d3 = (P - Y) / n", "d3 = P - Y", "the loss is a mean over samples"),
]
