"""Focal loss with class weights, one sigmoid hidden layer; samples are columns."""

import numpy as np

rng = np.random.default_rng(405)
n, d, h, C = 8, 3, 4, 3
X = rng.normal(size=(d, n))
labels = np.array([0, 0, 1, 2, 0, 1, 0, 2])
class_weight = np.array([0.4, 1.3, 2.1])
GAMMA = 2.5


def point(rng):
    return {"U": rng.normal(size=(h, d)), "c": rng.normal(size=(h, 1)), "W": rng.normal(size=(C, h)),
            "b": rng.normal(size=(C, 1))}


def loss(U, c, W, b):
    logits = W @ (1 / (1 + np.exp(-(U @ X + c)))) + b
    logp = logits - np.log(np.sum(np.exp(logits), axis=0))
    logpt = logp[labels, np.arange(n)]
    w = class_weight[labels]
    return -np.sum(w * (1 - np.exp(logpt)) ** GAMMA * logpt) / np.sum(w)


def derived(U, c, W, b):
    Y = np.eye(C)[:, labels]
    A = U @ X + c
    H = 1 / (1 + np.exp(-A))
    Z = W @ H + b
    P = np.exp(Z) / np.exp(Z).sum(axis=0, keepdims=True)
    pt = (P * Y).sum(axis=0, keepdims=True)
    cw = class_weight[None, labels]
    alpha = cw / cw.sum()
    dpt = alpha * (GAMMA * (1 - pt) ** (GAMMA - 1) * np.log(pt) - (1 - pt) ** GAMMA / pt)
    dZ = dpt * pt * (Y - P)
    dW = dZ @ H.T
    db = dZ.sum(axis=1, keepdims=True)
    dH = W.T @ dZ
    dA = dH * H * (1 - H)
    dU = dA @ X.T
    dc = dA.sum(axis=1, keepdims=True)
    return {"U": dU, "c": dc, "W": dW, "b": db}


MISTAKES = [
    ("alpha = cw / cw.sum()", "alpha = cw / n", "normalised by the number of samples, not the sum of the weights"),
    ("dpt = alpha * (GAMMA * (1 - pt) ** (GAMMA - 1) * np.log(pt) - (1 - pt) ** GAMMA / pt)",
     "dpt = -alpha * (1 - pt) ** GAMMA / pt", "the focal factor is treated as a constant"),
    ("dpt = alpha * (GAMMA * (1 - pt) ** (GAMMA - 1) * np.log(pt) - (1 - pt) ** GAMMA / pt)",
     "dpt = alpha * (-GAMMA * (1 - pt) ** (GAMMA - 1) * np.log(pt) - (1 - pt) ** GAMMA / pt)",
     "the inner minus of 1 - p is lost"),
    ("dZ = dpt * pt * (Y - P)", "dZ = dpt * P * (Y - P)", "each class's probability for the true class's"),
    ("dH = W.T @ dZ", "dH = W.T @ (P - Y) * alpha", "the plain cross entropy's shortcut below the output layer"),
    ("dA = dH * H * (1 - H)", "dA = dH * A * (1 - A)", "the derivative of the sigmoid at the pre-activation"),
]
