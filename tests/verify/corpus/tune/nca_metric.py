"""Neighbourhood components analysis: a linear map for which neighbours of one class are near; diagonal matrices and a Laplacian."""

import numpy as np

rng = np.random.default_rng(1818)
X = rng.normal(size=(7, 3))
cls = np.array([0, 0, 1, 1, 2, 2, 0])
same = (cls[:, None] == cls[None, :]) * (1 - np.eye(7))
mu = 0.02


def point(rng):
    return {"A": 0.5 * rng.normal(size=(2, 3)), "t": 0.3 * rng.normal(size=1)}


def loss(A, t):
    Z = X @ A.T
    D = np.sum((Z[:, None] - Z[None, :]) ** 2, axis=-1)
    E = np.exp(-D * np.exp(t)) * (1 - np.eye(7))
    return -np.mean(np.log(np.sum(E * same, axis=1) / np.sum(E, axis=1))) + mu * np.sum(A ** 2)


def derived(A, t):
    n = X.shape[0]
    kappa = np.exp(t[0])
    G = X @ A.T @ A @ X.T
    dist = np.diag(G)[:, None] + np.diag(G)[None, :] - 2 * G
    E = np.exp(-kappa * dist)
    np.fill_diagonal(E, 0)
    P = E / E.sum(axis=1, keepdims=True)
    Q = E * same
    Q = Q / Q.sum(axis=1, keepdims=True)
    # loss = mean_i [log sum_j E_ij - log sum_same E_ij]
    W = (Q - P) / n                     # d loss / d (kappa * dist)
    dt = kappa * np.sum(W * dist)
    W = kappa * (W + W.T)
    Lap = np.diag(W.sum(axis=1)) - W
    dA = 2 * A @ X.T @ Lap @ X + 2 * mu * A
    return {"A": dA, "t": np.array([dt])}


MISTAKES = [
    ("W = kappa * (W + W.T)", "W = kappa * 2 * W", "W is not symmetric: the transpose is lost"),
    ("Lap = np.diag(W.sum(axis=1)) - W", "Lap = -W", "the diagonal part of the Laplacian is missing"),
    ("W = (Q - P) / n    ", "W = (P - Q) / n    ", "the sign is turned round"),
    ("dt = kappa * np.sum(W * dist)", "dt = np.sum(W * dist)", "the slope of exp(t) is left out"),
    ("dA = 2 * A @ X.T @ Lap @ X + 2 * mu * A", "dA = 2 * A @ X.T @ Lap @ X + mu * A", "the penalty's factor of 2 is lost"),
    ("Q = Q / Q.sum(axis=1, keepdims=True)", "Q = Q / E.sum(axis=1, keepdims=True)", "divided by all neighbours in place of those of the class"),
]
