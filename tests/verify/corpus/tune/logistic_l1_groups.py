"""Multinomial logistic regression with a group penalty; columns are samples."""

import numpy as np

rng = np.random.default_rng(70)
d, K, m = 4, 3, 10
X = rng.normal(size=(d, m))
labels = rng.integers(0, K, size=m)
Y = np.eye(K)[:, labels]
mu = 0.3


def point(rng):
    return {"W": rng.normal(size=(K, d)), "b": rng.normal(size=(K, 1))}


def loss(W, b):
    Z = W @ X + b
    Z = Z - np.max(Z, axis=0, keepdims=True)
    logp = Z - np.log(np.sum(np.exp(Z), axis=0, keepdims=True))
    data = -np.sum(Y * logp) / m
    return data + mu * np.sum(np.sqrt(np.sum(W ** 2, axis=0)))


def derived(W, b):
    Z = W @ X + b
    Z -= Z.max(axis=0)
    P = np.exp(Z)
    P /= P.sum(axis=0)
    D = P - Y
    norms = np.sqrt((W * W).sum(axis=0))
    gW = D @ X.T / m + mu * W / norms
    gb = D.mean(axis=1, keepdims=True)
    return {"W": gW, "b": gb}


MISTAKES = [
    ("gW = D @ X.T / m + mu * W / norms", "gW = D @ X.T / m + mu * W", "the norm's derivative is w/|w|"),
    ("gW = D @ X.T / m + mu * W / norms", "gW = D @ X.T / m + mu * norms", "the norm and not its derivative"),
    ("gb = D.mean(axis=1, keepdims=True)", "gb = D.sum(axis=1, keepdims=True)", "1/m is left out"),
    ("D = P - Y", "D = Y - P", "the sign"),
    ("P /= P.sum(axis=0)", "P /= P.sum()", "normalised over the whole matrix"),
    ("norms = np.sqrt((W * W).sum(axis=0))", "norms = np.sqrt((W * W).sum(axis=1))[:, None]", "the groups are the columns"),
    ("gW = D @ X.T / m + mu * W / norms", "gW = D @ X.T + mu * W / norms", "1/m is left out of one term"),
]
