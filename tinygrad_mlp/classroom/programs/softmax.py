"""Softmax regression on a batch; rows are samples."""

import numpy as np

rng = np.random.default_rng(2)
X, labels = rng.normal(size=(6, 5)), rng.integers(0, 3, 6)
Y = np.eye(3)[labels]
n = len(X)
W, b = rng.normal(size=(5, 3)), rng.normal(size=3)


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
    ("dZ = (P - Y) / n", "dZ = P - Y", "the loss is a mean over samples"),
    ("dZ = (P - Y) / n", "dZ = P * (1 - P) * (P - Y) / n",
     "the softmax's derivative cancels with that of the cross entropy"),
    ("dZ = (P - Y) / n", "dZ = (Y - P) / n", "the sign"),
    ("db = dZ.sum(axis=0)", "db = dZ.mean(axis=0)", "the bias adds up the samples"),
    ("dW = X.T @ dZ", "dW = X.T @ P / n", "the targets are missing in the weights' gradient"),
    ("    P = E / E.sum(axis=1, keepdims=True)\n    dZ", "    P = E / E.sum()\n    dZ",
     "each sample is normalised by itself"),
]
