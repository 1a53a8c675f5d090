"""Mixture of experts with a softmax gate and a balance penalty on the mean gates; einsum throughout."""

import numpy as np

rng = np.random.default_rng(5150)
N, D, E, H = 8, 3, 4, 2
X = rng.normal(size=(N, D))
t = rng.normal(size=N)
lam = 0.7


def point(rng):
    return {"Wg": rng.normal(size=(D, E)), "W1": rng.normal(size=(E, D, H)), "b1": 0.5 * rng.normal(size=(E, H)),
            "W2": rng.normal(size=(E, H))}


def loss(Wg, W1, b1, W2):
    s = X @ Wg
    g = np.exp(s - s.max(1, keepdims=True))
    g = g / g.sum(1, keepdims=True)
    f = np.stack([np.tanh(X @ W1[e] + b1[e]) @ W2[e] for e in range(E)], axis=1)
    return np.mean((np.sum(g * f, axis=1) - t) ** 2) + lam * np.sum((g.mean(axis=0) - 1 / E) ** 2)


def derived(Wg, W1, b1, W2):
    g = np.exp(np.einsum("nd,de->ne", X, Wg))
    g = g / np.einsum("ne->n", g)[:, None]
    h = np.tanh(np.einsum("nd,edh->neh", X, W1) + b1)
    f = np.einsum("neh,eh->ne", h, W2)
    y = np.einsum("ne,ne->n", g, f)
    load = np.einsum("ne->e", g) / N

    dy = 2 * (y - t) / N
    dload = 2 * lam * (load - 1 / E)
    dg = np.einsum("n,ne->ne", dy, f) + dload / N
    df = np.einsum("n,ne->ne", dy, g)
    ds = g * (dg - np.einsum("ne,ne->n", g, dg)[:, None])
    dWg = np.einsum("nd,ne->de", X, ds)
    dW2 = np.einsum("ne,neh->eh", df, h)
    da = np.einsum("ne,eh,neh->neh", df, W2, 1 - h ** 2)
    dW1 = np.einsum("nd,neh->edh", X, da)
    db1 = np.einsum("neh->eh", da)
    return {"Wg": dWg, "W1": dW1, "b1": db1, "W2": dW2}


MISTAKES = [
    ("df = np.einsum(\"n,ne->ne\", dy, g)", "df = np.einsum(\"n,ne->ne\", dy, np.ones_like(g))", "the experts' gradient is not weighted by the gate"),
    ("dg = np.einsum(\"n,ne->ne\", dy, f) + dload / N", "dg = np.einsum(\"n,ne->ne\", dy, f) + dload", "the mean over samples in the load is forgotten"),
    ("ds = g * (dg - np.einsum(\"ne,ne->n\", g, dg)[:, None])", "ds = g * (dg - np.einsum(\"ne,ne->e\", g, dg)[None, :])", "summed over samples instead of experts"),
    ("da = np.einsum(\"ne,eh,neh->neh\", df, W2, 1 - h ** 2)", "da = np.einsum(\"ne,eh,neh->neh\", dg, W2, 1 - h ** 2)", "the gate's gradient for the expert's"),
    ("dload = 2 * lam * (load - 1 / E)", "dload = lam * (load - 1 / E)", "the square's 2 is left out"),
    ("dW2 = np.einsum(\"ne,neh->eh\", df, h)", "dW2 = np.einsum(\"n,neh->eh\", dy, h)", "the gate is skipped on the way to the last weights"),
]
