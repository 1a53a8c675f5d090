"""Graph convolution with two layers and dropout mask; class method style."""

import numpy as np

rr = np.random.default_rng(16)
n = 5
Adj = np.array([[0, 1, 0, 0, 1], [1, 0, 1, 0, 0], [0, 1, 0, 1, 1], [0, 0, 1, 0, 0], [1, 0, 1, 0, 0]], float) + np.eye(5)
deg = Adj.sum(1)
A_hat = Adj / deg[:, None]
X = rr.normal(size=(5, 3))
labels = np.array([0, 1, 2, 1, 0])
mask = np.array([1, 1, 0, 1, 0], bool)
drop = (rr.random((5, 4)) > .4) / .6


def point(rng):
    return {"W0": rng.normal(size=(3, 4)), "W1": rng.normal(size=(4, 3))}


def loss(W0, W1):
    H = np.maximum(A_hat @ X @ W0, 0) * drop
    Z = A_hat @ H @ W1
    logp = Z - np.log(np.sum(np.exp(Z), axis=1, keepdims=True))
    return -np.sum(logp[mask, labels[mask]]) / mask.sum() + 0.01 * np.sum(W0 * W0)


def derived(W0, W1):
    AX = A_hat @ X
    pre = AX @ W0
    H = np.maximum(pre, 0) * drop
    AH = A_hat @ H
    Z = AH @ W1
    P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    dZ = P - np.eye(3)[labels]
    dZ[~mask] = 0
    dZ = dZ / mask.sum()
    dW1 = AH.T @ dZ
    dAH = dZ @ W1.T
    dH = A_hat.T @ dAH
    dpre = dH * drop * (pre > 0)
    dW0 = AX.T @ dpre + 0.02 * W0
    return {"W0": dW0, "W1": dW1}


MISTAKES = [
    ("dH = A_hat.T @ dAH",
     "dH = A_hat @ dAH", "the normalised adjacency is not symmetric"),
    ("dH = A_hat.T @ dAH",
     "dH = dAH", "the adjacency is left out on the way back"),
    ("    dZ[~mask] = 0\n",
     "", "unlabelled nodes count"),
    ("dZ = dZ / mask.sum()",
     "dZ = dZ / n", "all nodes are counted, and not the labelled ones"),
    ("dpre = dH * drop * (pre > 0)",
     "dpre = dH * (pre > 0)", "dropout's mask is left out"),
    ("dpre = dH * drop * (pre > 0)",
     "dpre = dH * drop", "ReLU's derivative is left out"),
    ("dW0 = AX.T @ dpre + 0.02 * W0",
     "dW0 = AX.T @ dpre + 0.01 * W0", "the 2 of the penalty"),
    ("dW0 = AX.T @ dpre + 0.02 * W0",
     "dW0 = X.T @ dpre + 0.02 * W0", "the features for those of the neighbours"),
    ("dW1 = AH.T @ dZ",
     "dW1 = H.T @ dZ", "the hidden layer for that of the neighbours"),
]
