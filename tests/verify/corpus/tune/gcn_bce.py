"""Graph convolution with two layers, sigmoid outputs and weighted binary cross entropy."""

import numpy as np

rng = np.random.default_rng(5)
N = 6
A = (rng.random((N, N)) < 0.4) * 1.0
A = np.maximum(A, A.T) + np.eye(N)
deg = A.sum(axis=1)
S = A / deg[:, None]
X = rng.normal(size=(N, 3))
t = np.array([1., 0, 0, 1, 1, 0])
pos_weight = 2.5


def point(rng):
    return {"W0": rng.normal(size=(3, 4)), "W1": rng.normal(size=(4, 1)), "c": rng.normal(size=())}


def loss(W0, W1, c):
    H = np.maximum(S @ X @ W0, 0)
    z = (S @ H @ W1)[:, 0] + c
    p = 1 / (1 + np.exp(-z))
    return -np.sum(pos_weight * t * np.log(p) + (1 - t) * np.log(1 - p)) / N


def derived(W0, W1, c):
    SX = S.dot(X)
    Z0 = SX.dot(W0)
    H = Z0 * (Z0 > 0)
    SH = S.dot(H)
    p = 1 / (1 + np.exp(-(SH.dot(W1).ravel() + c)))
    dz = ((1 - t) * p - pos_weight * t * (1 - p)) / N
    dc = dz.sum()
    dz = dz.reshape(-1, 1)
    dW1 = SH.T.dot(dz)
    dSH = dz.dot(W1.T)
    dH = S.T.dot(dSH)
    dZ0 = np.where(Z0 > 0, dH, 0)
    dW0 = SX.T.dot(dZ0)
    return {"W0": dW0, "W1": dW1, "c": dc}


MISTAKES = [
    ("dz = ((1 - t) * p - pos_weight * t * (1 - p)) / N", "dz = pos_weight * (p - t) / N", "the weight is only for the positive ones"),
    ("dz = ((1 - t) * p - pos_weight * t * (1 - p)) / N", "dz = (p - t) / N", "the weight of the positive class is left out"),
    ("dH = S.T.dot(dSH)", "dH = S.dot(dSH)", "the adjacency matrix, normalised by rows, is not symmetric"),
    ("dH = S.T.dot(dSH)", "dH = dSH", "the sum over neighbours is left out"),
    ("dW0 = SX.T.dot(dZ0)", "dW0 = X.T.dot(dZ0)", "the features before the neighbours are averaged"),
    ("dW1 = SH.T.dot(dz)", "dW1 = H.T.dot(dz)", "the hidden layer before the neighbours are averaged"),
    ("dZ0 = np.where(Z0 > 0, dH, 0)", "dZ0 = dH * Z0", "the activation and not its derivative"),
    ("dc = dz.sum()", "dc = dz.mean()", "1/N is counted twice"),
]
