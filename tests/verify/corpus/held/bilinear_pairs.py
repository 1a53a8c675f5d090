"""Do two token sequences match? Bilinear attention of the first over the second, mean-pooled; one pair at a time."""

import numpy as np

_gen = np.random.default_rng(306)
D, K = 3, 4
pairs = [(_gen.normal(size=(m, D)), _gen.normal(size=(n, D))) for m, n in ((3, 4), (2, 5), (4, 3))]
labels = [1.0, 0.0, 1.0]


def point(rng):
    return {"E": 0.7 * rng.normal(size=(D, K)), "B": 0.7 * rng.normal(size=(K, K)),
            "u": rng.normal(size=K), "c": rng.normal(size=1)}


def row_softmax(S):
    e = np.exp(S - np.max(S, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def loss(E, B, u, c):
    value = 0.0
    for (X, Y), label in zip(pairs, labels):
        left, right = X @ E, Y @ E
        att = row_softmax(left @ B @ right.T)
        pooled = np.mean(np.tanh(left * (att @ right)), axis=0)
        logit = np.sum(pooled * u) + c[0]
        value += np.log(1 + np.exp(logit)) - label * logit
    return value / len(pairs)


def encode(X, Y, params):
    cache = {"X": X, "Y": Y}
    cache["L"] = X @ params["E"]
    cache["R"] = Y @ params["E"]
    cache["att"] = row_softmax(cache["L"] @ params["B"] @ cache["R"].T)
    cache["ctx"] = cache["att"] @ cache["R"]
    cache["F"] = np.tanh(cache["L"] * cache["ctx"])
    cache["pooled"] = cache["F"].mean(axis=0)
    cache["logit"] = cache["pooled"] @ params["u"] + params["c"][0]
    return cache


def backward(cache, dlogit, params, grads):
    L, R, att, F = cache["L"], cache["R"], cache["att"], cache["F"]
    grads["u"] += dlogit * cache["pooled"]
    grads["c"] += dlogit
    dpooled = dlogit * params["u"]
    dF = np.tile(dpooled, (len(L), 1)) / len(L)
    dprod = dF * (1 - F ** 2)
    dL = dprod * cache["ctx"]
    dctx = dprod * L
    datt = dctx @ R.T
    dR = att.T @ dctx
    inner = np.sum(att * datt, axis=1, keepdims=True)
    dS = att * (datt - inner)
    grads["B"] += L.T @ dS @ R
    dL += dS @ R @ params["B"].T
    dR += dS.T @ L @ params["B"]
    grads["E"] += cache["X"].T @ dL
    grads["E"] += cache["Y"].T @ dR


def derived(E, B, u, c):
    params = {"E": E, "B": B, "u": u, "c": c}
    grads = {name: np.zeros_like(p) for name, p in params.items()}
    caches = [encode(X, Y, params) for X, Y in pairs]
    for cache, label in zip(caches, labels):
        dlogit = (1 / (1 + np.exp(-cache["logit"])) - label) / len(pairs)
        backward(cache, dlogit, params, grads)
    return grads


MISTAKES = [
    ("dR += dS.T @ L @ params", "dR = dS.T @ L @ params", "overwrites what came to the second sequence as the attended values"),
    ("dF = np.tile(dpooled, (len(L), 1)) / len(L)", "dF = np.tile(dpooled, (len(L), 1)) / len(R)", "the mean's count is taken from the other sequence"),
    ('dL += dS @ R @ params["B"].T', 'dL += dS @ R @ params["B"]', "the bilinear form is not transposed"),
    ("inner = np.sum(att * datt, axis=1, keepdims=True)", "inner = np.sum(datt, axis=1, keepdims=True)", "the softmax's inner product lacks the probabilities"),
    ("dctx = dprod * L", "dctx = dF * L", "tanh is passed by on the way to the context"),
    ('    grads["E"] += cache["X"].T @ dL\n', "", "the embedding is shared, but only the second sequence's part is counted", ['grads["E"] += cache["Y"].T @ dR']),
]
