"""Logistic regression on a batch."""

import numpy as np

rng = np.random.default_rng(1)
X, y = rng.normal(size=(7, 4)), rng.integers(0, 2, 7).astype(float)
n = len(X)
w, b = rng.normal(size=4), np.array(-0.3)


def loss(w, b):
    p = 1 / (1 + np.exp(-(X @ w + b)))
    return -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p)) / n


def derived(w, b):
    p = 1 / (1 + np.exp(-(X @ w + b)))
    dz = (p - y) / n
    dw = X.T @ dz
    db = np.sum(dz)
    return {"w": dw, "b": db}


MISTAKES = [
    ("dz = (p - y) / n", "dz = (y - p) / n", "the sign"),
    ("dz = (p - y) / n", "dz = (p - y) * p * (1 - p) / n",
     "the sigmoid's derivative cancels with that of the cross entropy"),
    ("dz = (p - y) / n", "dz = p - y", "the loss is a mean over samples"),
    ("    p = 1 / (1 + np.exp(-(X @ w + b)))\n    dz",
     "    p = 1 / (1 + np.exp(X @ w + b))\n    dz", "the sign in the sigmoid's exponent"),
    ("db = np.sum(dz)", "db = np.mean(dz)", "the bias adds up the samples"),
]
