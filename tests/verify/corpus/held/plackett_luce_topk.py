"""Plackett-Luce likelihood of the first k places of rankings; scores from a small net. orders[q, r] = item at place r."""

import numpy as np

R0 = np.random.default_rng(307)
Q, M, D, H, k = 4, 5, 3, 3, 3
F = R0.normal(size=(Q, M, D))
orders = np.array([R0.permutation(M) for _ in range(Q)])


def point(rng):
    return {"W": rng.normal(size=(D, H)), "b": rng.normal(size=H), "a": rng.normal(size=H), "skip": rng.normal(size=D)}


def loss(W, b, a, skip):
    s = np.tanh(F @ W + b) @ a + F @ skip
    ll = 0
    for q in range(Q):
        t = s[q][orders[q]]
        for r in range(k):
            ll += t[r] - np.log(np.sum(np.exp(t[r:])))
    return -ll / Q


def d_scores(s, order):
    """gradient of one ranking's negative log-likelihood at the items' scores"""
    t = s[order]
    e = np.exp(t - t.max())
    rest = np.cumsum(e[::-1])[::-1]
    inv = np.zeros(M)
    inv[:k] = 1 / rest[:k]
    dt = e * np.cumsum(inv)
    dt[:k] -= 1
    ds = np.empty(M)
    ds[order] = dt
    return ds


def derived(W, b, a, skip):
    h = np.tanh(F @ W + b)
    s = h @ a + F @ skip
    ds = np.stack([d_scores(s[q], orders[q]) for q in range(Q)]) / Q
    da = np.tensordot(ds, h, 2)
    dskip = np.tensordot(ds, F, 2)
    dpre = ds[..., None] * a * (1 - h ** 2)
    db = dpre.sum((0, 1))
    dW = np.tensordot(F, dpre, ([0, 1], [0, 1]))
    return {"W": dW, "b": db, "a": da, "skip": dskip}


MISTAKES = [
    ("rest = np.cumsum(e[::-1])[::-1]", "rest = np.cumsum(e)", "sums the items already placed and not those left"),
    ("dt[:k] -= 1", "dt -= 1", "every item is counted as chosen, though only k places are observed"),
    ("ds[order] = dt", "ds[:] = dt[order]", "the permutation where its inverse belongs"),
    ("dt = e * np.cumsum(inv)", "dt = e * inv", "an item's part in the earlier places' denominators is forgotten"),
    ("ds = np.stack([d_scores(s[q], orders[q]) for q in range(Q)]) / Q", "ds = np.stack([d_scores(s[q], orders[q]) for q in range(Q)]) / (Q * k)", "normalised by the number of places, though the loss is per ranking"),
    ("dpre = ds[..., None] * a * (1 - h ** 2)", "dpre = ds[..., None] * (1 - h ** 2)", "the output weights are left out"),
]
