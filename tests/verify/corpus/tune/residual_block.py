"""A residual block y = x + f(x) with f two linear layers around a ReLU, then a logistic readout."""

import numpy as np

rng = np.random.default_rng(27)
N, D = 6, 5
t = rng.integers(0, 2, size=N).astype(float)


def point(rng):
    return {
        "X": rng.normal(size=(N, D)),
        "W1": 0.8 * rng.normal(size=(D, D)),
        "b1": 0.4 * rng.normal(size=D),
        "W2": 0.8 * rng.normal(size=(D, D)),
        "b2": 0.4 * rng.normal(size=D),
        "u": rng.normal(size=D),
    }


def f(X, W1, b1, W2, b2):
    return np.maximum(X @ W1 + b1, 0.0) @ W2 + b2


def loss(X, W1, b1, W2, b2, u):
    s = (X + f(X, W1, b1, W2, b2)) @ u
    return np.mean(np.log(1 + np.exp(s)) - t * s)


def derived(X, W1, b1, W2, b2, u):
    # forward
    Z1 = X @ W1 + b1
    A1 = np.maximum(Z1, 0.0)
    F = A1 @ W2 + b2
    Y = X + F
    score = Y @ u
    p = 1.0 / (1.0 + np.exp(-score))

    # readout: dL/ds = (p - t) / N
    ds = (p - t) / N
    du = Y.T @ ds
    dY = ds[:, None] * u

    # the branch f
    dF = dY
    dW2 = A1.T @ dF
    db2 = dF.sum(axis=0)
    dA1 = dF @ W2.T
    dZ1 = dA1 * (Z1 > 0)
    dW1 = X.T @ dZ1
    db1 = dZ1.sum(axis=0)

    # the shortcut and the branch meet in x
    dX = dY.copy()
    dX += dZ1 @ W1.T
    return {"X": dX, "W1": dW1, "b1": db1, "W2": dW2, "b2": db2, "u": du}


MISTAKES = [
    ("dX = dY.copy()", "dX = np.zeros_like(X)", "the shortcut's gradient is forgotten",
     ["dX += dZ1 @ W1.T"]),
    ("dX += dZ1 @ W1.T", "dX = dZ1 @ W1.T", "the branch overwrites the shortcut: = for +="),
    ("    dX += dZ1 @ W1.T\n", "", "the path through the branch is forgotten"),
    ("du = Y.T @ ds", "du = F.T @ ds", "the readout sees x + f(x), not f(x) alone"),
    ("dA1 = dF @ W2.T", "dA1 = dF @ W2", "the weight matrix is not transposed"),
    ("dZ1 = dA1 * (Z1 > 0)", "dZ1 = dA1 * (dA1 > 0)", "the ReLU's mask is taken from the gradient"),
    ("dW2 = A1.T @ dF", "dW2 = Z1.T @ dF", "the pre-activation in place of the activation"),
]
