"""Contrastive loss on cosine similarities with a temperature; one linear encoder."""

import numpy as np

rng = np.random.default_rng(31)
n = 4
U = rng.normal(size=(n, 5))
V = U + 0.5 * rng.normal(size=(n, 5))
tau = 0.7


def point(rng):
    return {"W": rng.normal(size=(5, 3)), "b": 0.3 * rng.normal(size=3)}


def encode(X, W, b):
    return X @ W + b


def loss(W, b):
    f, g = encode(U, W, b), encode(V, W, b)
    f = f / np.sqrt(np.sum(f ** 2, axis=1, keepdims=True))
    g = g / np.sqrt(np.sum(g ** 2, axis=1, keepdims=True))
    logits = f @ g.T / tau
    lse = np.log(np.sum(np.exp(logits), axis=1))
    return np.mean(lse - np.diag(logits))


def unit(f):
    r = np.linalg.norm(f, axis=1, keepdims=True)
    return f / r, r


def unit_back(d, u, r):
    # through u = f / |f|
    return (d - u * np.sum(d * u, axis=1, keepdims=True)) / r


def derived(W, b):
    f, rf = unit(encode(U, W, b))
    g, rg = unit(encode(V, W, b))
    L = f @ g.T / tau
    P = np.exp(L) / np.exp(L).sum(axis=1, keepdims=True)
    G = (P - np.eye(n)) / n
    df = G @ g / tau
    dg = G.T @ f / tau
    df = unit_back(df, f, rf)
    dg = unit_back(dg, g, rg)
    dW = U.T @ df + V.T @ dg
    db = df.sum(axis=0) + dg.sum(axis=0)
    return {"W": dW, "b": db}


MISTAKES = [
    ("return (d - u * np.sum(d * u, axis=1, keepdims=True)) / r", "return d / r", "the projection is left out"),
    ("return (d - u * np.sum(d * u, axis=1, keepdims=True)) / r", "return d - u * np.sum(d * u, axis=1, keepdims=True)", "the norm is left out"),
    ("dg = G.T @ f / tau", "dg = G @ f / tau", "the other side has the transposed matrix"),
    ("df = G @ g / tau", "df = G @ g * tau", "the temperature divides"),
    ("dW = U.T @ df + V.T @ dg", "dW = U.T @ df", "the encoder is used twice"),
    ("db = df.sum(axis=0) + dg.sum(axis=0)", "db = (U + V).sum(axis=0) @ dW", "nonsense for the bias"),
    ("P = np.exp(L) / np.exp(L).sum(axis=1, keepdims=True)", "P = np.exp(L) / np.exp(L).sum(axis=0, keepdims=True)", "normalised over the wrong side"),
    ("G = (P - np.eye(n)) / n", "G = P - np.eye(n) / n", "only one of the two terms is divided"),
]
