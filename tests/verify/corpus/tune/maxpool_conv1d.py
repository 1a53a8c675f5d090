"""One-dimensional convolution, max pooling of width two, and a linear read-out; loops."""

import numpy as np

rng = np.random.default_rng(14)
signal = rng.normal(size=(3, 9))
goal = rng.normal(size=3)
n, L = signal.shape
K = 2


def point(rng):
    return {"w": rng.normal(size=(K, 2)), "b": 0.2 * rng.normal(size=K), "v": rng.normal(size=(K, 4))}


def loss(w, b, v):
    total = 0
    for s in range(n):
        y = 0
        for k in range(K):
            c = w[k, 0] * signal[s, :-1] + w[k, 1] * signal[s, 1:] + b[k]
            m = np.max(np.reshape(c, (4, 2)), axis=1)
            y = y + np.sum(v[k] * m)
        total = total + (y - goal[s]) ** 2
    return total / n


def derived(w, b, v):
    dw = np.zeros((K, 2))
    db = np.zeros(K)
    dv = np.zeros((K, 4))
    for s in range(n):
        conv = np.zeros((K, 8))
        for k in range(K):
            for i in range(8):
                conv[k, i] = w[k, 0] * signal[s, i] + w[k, 1] * signal[s, i + 1] + b[k]
        pairs = conv.reshape(K, 4, 2)
        pooled = pairs.max(axis=2)
        where = pairs.argmax(axis=2)
        err = (pooled * v).sum() - goal[s]
        g = 2 * err / n
        dv += g * pooled
        dpool = g * v
        dconv = np.zeros((K, 8))
        for k in range(K):
            for j in range(4):
                dconv[k, 2 * j + where[k, j]] = dpool[k, j]
        for k in range(K):
            db[k] += dconv[k].sum()
            for i in range(8):
                dw[k, 0] += dconv[k, i] * signal[s, i]
                dw[k, 1] += dconv[k, i] * signal[s, i + 1]
    return {"w": dw, "b": db, "v": dv}


MISTAKES = [
    ("dconv[k, 2 * j + where[k, j]] = dpool[k, j]", "dconv[k, 2 * j] = dpool[k, j]", "always the first of two gets the gradient"),
    ("dconv[k, 2 * j + where[k, j]] = dpool[k, j]", "dconv[k, j + where[k, j]] = dpool[k, j]", "the stride is forgotten"),
    ("dv += g * pooled", "dv = g * pooled", "the last sample overwrites"),
    ("g = 2 * err / n", "g = err / n", "the 2 of the square"),
    ("dw[k, 1] += dconv[k, i] * signal[s, i + 1]", "dw[k, 1] += dconv[k, i] * signal[s, i]", "the second tap reads the next element"),
    ("dpool = g * v", "dpool = g * pooled", "the pooled values for the weights"),
    ("db[k] += dconv[k].sum()", "db[k] += dpool.sum()", "the bias of every filter gets the sum of all"),
]
