"""Mixture density network: two Gaussian components for each input, logits from one hidden layer, with weight decay."""

import numpy as np

rng = np.random.default_rng(2020)
n, d, k, m = 7, 2, 4, 2
X = rng.normal(size=(n, d))
y = rng.normal(size=n)


def point(rng):
    return {"W": rng.normal(size=(d, k)), "b": 0.5 * rng.normal(size=k), "A": rng.normal(size=(k, m)),
            "M": rng.normal(size=(k, m)), "m0": rng.normal(size=m), "S": 0.3 * rng.normal(size=(k, m))}


def loss(W, b, A, M, m0, S):
    h = np.tanh(X @ W + b)
    a = h @ A
    logpi = a - np.log(np.sum(np.exp(a), axis=1, keepdims=True))
    logs = h @ S
    z = (y[:, None] - h @ M - m0) / np.exp(logs)
    nll = -np.mean(np.log(np.sum(np.exp(logpi - logs - 0.5 * z ** 2), axis=1)))
    return nll + 0.01 * (np.sum(A ** 2) + np.sum(M ** 2) + np.sum(S ** 2))


def derived(W, b, A, M, m0, S):
    H = np.tanh(X @ W + b)
    pi = np.exp(H @ A)
    pi /= pi.sum(axis=1)[:, None]
    mean, sd = H @ M + m0, np.exp(H @ S)
    dev = y[:, None] - mean
    dens = pi / sd * np.exp(-0.5 * (dev / sd) ** 2)
    resp = dens / dens.sum(axis=1)[:, None]          # posterior of the component

    out = {"A": (pi - resp) / n, "M": -resp * dev / sd ** 2 / n, "S": resp * (1 - (dev / sd) ** 2) / n}
    dH = np.zeros((n, k))
    grads = {"m0": out["M"].sum(axis=0)}
    for name, P in (("A", A), ("M", M), ("S", S)):
        grads[name] = H.T @ out[name] + 0.02 * P
        dH += out[name] @ P.T
    dpre = dH * (1 - H ** 2)
    grads["W"] = X.T @ dpre
    grads["b"] = dpre.sum(axis=0)
    return grads


MISTAKES = [
    ('"M": -resp * dev / sd ** 2 / n', '"M": -resp * dev / sd / n', "the deviation is not squared"),
    ('"S": resp * (1 - (dev / sd) ** 2) / n', '"S": -resp * (dev / sd) ** 2 / n', "the 1 from log sd is missing"),
    ('"A": (pi - resp) / n', '"A": (pi - dens) / n', "the densities before they are normalised"),
    ("dH += out[name] @ P.T", "dH = out[name] @ P.T", "only the last head's path is kept"),
    ("grads[name] = H.T @ out[name] + 0.02 * P", "grads[name] = H.T @ out[name]", "the decay's gradient is lost"),
    ("dens = pi / sd * np.exp(-0.5 * (dev / sd) ** 2)", "dens = pi * np.exp(-0.5 * (dev / sd) ** 2)", "the density's 1/sd is left out of the posterior"),
]
