"""Causal self-attention of one head, with a residual connection; helpers for softmax."""

import numpy as np

rng = np.random.default_rng(17)
T, d = 4, 3
X = rng.normal(size=(T, d))
R = rng.normal(size=(T, d))
mask = np.triu(np.full((T, T), -1e4), 1)


def point(rng):
    return {"Wq": rng.normal(size=(d, d)), "Wk": rng.normal(size=(d, d)), "Wv": rng.normal(size=(d, d)),
            "Wo": rng.normal(size=(d, d))}


def loss(Wq, Wk, Wv, Wo):
    Q, K, V = X @ Wq, X @ Wk, X @ Wv
    scores = Q @ K.T / np.sqrt(d) + mask
    e = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    att = e / np.sum(e, axis=1, keepdims=True)
    out = X + att @ V @ Wo
    return np.mean((out - R) ** 2)


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_backward(da, a):
    return a * (da - (a * da).sum(axis=-1, keepdims=True))


def derived(Wq, Wk, Wv, Wo):
    q, k, v = X @ Wq, X @ Wk, X @ Wv
    a = softmax(q @ k.T / d ** 0.5 + mask)
    ctx = a @ v
    y = X + ctx @ Wo
    dy = 2 * (y - R) / y.size
    dWo = ctx.T @ dy
    dctx = dy @ Wo.T
    da = dctx @ v.T
    dv = a.T @ dctx
    ds = softmax_backward(da, a)
    ds = ds / d ** 0.5
    dq = ds @ k
    dk = ds.T @ q
    return {"Wq": X.T @ dq, "Wk": X.T @ dk, "Wv": X.T @ dv, "Wo": dWo}


MISTAKES = [
    ("return a * (da - (a * da).sum(axis=-1, keepdims=True))", "return a * (1 - a) * da", "only the diagonal of the Jacobian"),
    ("return a * (da - (a * da).sum(axis=-1, keepdims=True))", "return a * (da - da.sum(axis=-1, keepdims=True))", "the sum is not weighted"),
    ("    ds = ds / d ** 0.5\n", "", "the scaling is left out", ["ds = softmax_backward(da, a)"]),
    ("dk = ds.T @ q", "dk = ds @ q", "the transpose is left out"),
    ("dy = 2 * (y - R) / y.size", "dy = 2 * (y - R) / T", "the mean is over all entries"),
    ("dv = a.T @ dctx", "dv = a.T @ dy", "the output matrix is skipped"),
    ("dq = ds @ k", "dq = ds @ v", "the values for the keys"),
    ("da = dctx @ v.T", "da = dctx @ k.T", "the keys for the values"),
]
