"""Softmax regression on a batch; rows are samples."""

import numpy as np

rng = np.random.default_rng(3)
X = rng.normal(size=(6, 4))
Y = np.eye(3)[rng.integers(0, 3, size=6)]
n = len(X)


def point(rng):
    return {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}


def loss(W, b):
    Z = X @ W + b
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    P = E / E.sum(axis=1, keepdims=True)
    return -np.sum(Y * np.log(P)) / n


def derived(W, b):
    Z = X @ W + b
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    P = E / E.sum(axis=1, keepdims=True)
    dZ = (P - Y) / n
    dW = X.T @ dZ
    db = dZ.sum(axis=0)
    return {"W": dW, "b": db}


MISTAKES = [
    ("dZ = (P - Y) / n", "dZ = P - Y", "the loss is averaged: 1/n is left out"),
    ("dZ = (P - Y) / n", "dZ = (Y - P) / n", "the sign is turned round"),
    ("dZ = (P - Y) / n", "dZ = P * (P - Y) / n", "a softmax factor that has cancelled"),
    ("dW = X.T @ dZ", "dW = X.T @ P / n", "the target is left out of the weight's gradient"),
    ("db = dZ.sum(axis=0)", "db = dZ.mean(axis=0)", "a mean where the bias sums over samples"),
    ("    P = E / E.sum(axis=1, keepdims=True)\n    dZ", "    P = E / E.sum()\n    dZ",
     "the softmax is taken over the whole batch"),
]
