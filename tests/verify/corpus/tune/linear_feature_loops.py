"""Linear regression with two targets, loops over everything; mean over samples."""

import numpy as np

rng = np.random.default_rng(21)
X = rng.normal(size=(6, 4))
T = rng.normal(size=(6, 2))
N, D, K = 6, 4, 2
reg = 0.25


def point(rng):
    return {"W": rng.normal(size=(4, 2)), "b": rng.normal(size=2)}


def loss(W, b):
    s = 0.0
    for i in range(N):
        for k in range(K):
            p = b[k]
            for j in range(D):
                p = p + X[i, j] * W[j, k]
            s = s + (p - T[i, k]) ** 2
    return s / N + reg * np.sum(W * W)


def derived(W, b):
    e = np.zeros((N, K))
    for i in range(N):
        for k in range(K):
            p = b[k]
            for j in range(D):
                p += X[i, j] * W[j, k]
            e[i, k] = p - T[i, k]

    gW = np.zeros((D, K))
    gb = np.zeros(K)
    for k in range(K):
        for j in range(D):
            s = 0.0
            for i in range(N):
                s += X[i, j] * e[i, k]
            gW[j, k] = 2 * s / N
            gW[j, k] += 2 * reg * W[j, k]
        s = 0.0
        for i in range(N):
            s += e[i, k]
        gb[k] = 2 * s / N
    return {"W": gW, "b": gb}


MISTAKES = [
    ("gW[j, k] = 2 * s / N", "gW[j, k] = s / N", "the 2 of the square is left out"),
    ("gW[j, k] += 2 * reg * W[j, k]", "gW[j, k] += reg * W[j, k]",
     "the 2 of the penalty is left out"),
    ("gb[k] = 2 * s / N", "gb[k] = 2 * s / D", "divided by the number of features"),
    ("gb[k] = 2 * s / N", "gb[k] = 2 * s / N + 2 * reg * b[k]",
     "the penalty is on the weights only, not on the bias"),
    ("        s = 0.0\n        for i in range(N):\n            s += e[i, k]\n",
     "        for i in range(N):\n            s += e[i, k]\n",
     "the sum is not set back to 0 before the bias", ["s += e[i, k]", "gb[k] = 2 * s / N"]),
    ("s += X[i, j] * e[i, k]", "s = X[i, j] * e[i, k]", "= for +=: only the last sample counts"),
    ("e[i, k] = p - T[i, k]", "e[i, k] = T[i, k] - p", "the sign of the error is turned round"),
]
