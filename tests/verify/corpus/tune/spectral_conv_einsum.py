"""Bilinear pooling with einsum, tanh and a read-out; a batch of small matrices."""

import numpy as np

rng = np.random.default_rng(83)
B, n, k = 4, 3, 2
U = rng.normal(size=(B, n))
V = rng.normal(size=(B, n))
T = rng.normal(size=(B, k))


def point(rng):
    return {"G": 0.7 * rng.normal(size=(k, n, n)), "s": rng.normal(size=k)}


def loss(G, s):
    q = np.einsum("bi,kij,bj->bk", U, G, V)
    h = np.tanh(q) * s
    return 0.5 * np.mean(np.sum((h - T) ** 2, axis=1))


def derived(G, s):
    q = np.einsum('bi,kij,bj->bk', U, G, V)
    t = np.tanh(q)
    dh = (t*s - T)/B
    ds = np.einsum('bk,bk->k', dh, t)
    dq = dh*s*(1 - t**2)
    dG = np.einsum('bk,bi,bj->kij', dq, U, V)
    return {"G": dG, "s": ds}


MISTAKES = [
    ("dG = np.einsum('bk,bi,bj->kij', dq, U, V)", "dG = np.einsum('bk,bi,bj->kji', dq, U, V)", "the two sides are exchanged"),
    ("dq = dh*s*(1 - t**2)", "dq = dh*(1 - t**2)", "the scale is left out"),
    ("ds = np.einsum('bk,bk->k', dh, t)", "ds = np.einsum('bk,bk->k', dh, q)", "before tanh"),
    ("dh = (t*s - T)/B", "dh = (t*s - T)/(B*k)", "the mean is over samples only"),
    ("dq = dh*s*(1 - t**2)", "dq = dh*s*(1 - q**2)", "tanh's derivative at the wrong place"),
    ("ds = np.einsum('bk,bk->k', dh, t)", "ds = (dh*t).sum()", "summed over the features, too"),
    ("dG = np.einsum('bk,bi,bj->kij', dq, U, V)", "dG = np.einsum('bk,bi,bj->kij', dh, U, V)", "the gradient after tanh"),
]
