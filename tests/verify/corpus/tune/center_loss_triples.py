"""Squared distances to class centres, with repulsion of centres: explicit index loops."""

import numpy as np

rng = np.random.default_rng(77)
feats = rng.normal(size=(6, 3))
cls = [0, 1, 1, 2, 0, 2]
gamma = 0.4


def point(rng):
    return {"C": rng.normal(size=(3, 2)), "M": rng.normal(size=(3, 2))}


def loss(C, M):
    z = feats @ M
    pull = 0.0
    for i, c in enumerate(cls):
        pull = pull + np.sum((z[i] - C[c]) ** 2)
    push = 0.0
    for a in range(3):
        for b in range(a + 1, 3):
            push = push + np.exp(-np.sum((C[a] - C[b]) ** 2))
    return pull / len(cls) + gamma * push


def derived(C, M):
    n = len(cls)
    z = feats @ M
    dz = np.zeros((n, 2))
    dC = np.zeros((3, 2))
    for i in range(n):
        diff = z[i] - C[cls[i]]
        dz[i] = 2 * diff / n
        dC[cls[i]] -= 2 * diff / n
    for a in range(3):
        for b in range(a + 1, 3):
            r = C[a] - C[b]
            w = -2 * gamma * np.exp(-r @ r)
            dC[a] += w * r
            dC[b] -= w * r
    dM = feats.T @ dz
    return {"C": dC, "M": dM}


MISTAKES = [
    ("dC[cls[i]] -= 2 * diff / n", "dC[cls[i]] = -2 * diff / n", "= for -="),
    ("dC[b] -= w * r", "dC[b] += w * r", "both centres move the same way"),
    ("            dC[b] -= w * r\n", "", "only one of the two centres is pushed", ["dC[a] += w * r"]),
    ("w = -2 * gamma * np.exp(-r @ r)", "w = 2 * gamma * np.exp(-r @ r)", "the sign of the exponent's derivative"),
    ("w = -2 * gamma * np.exp(-r @ r)", "w = -gamma * np.exp(-r @ r)", "the square's 2"),
    ("dz[i] = 2 * diff / n", "dz[i] = 2 * diff", "1/n is left out"),
    ("for b in range(a + 1, 3):\n            r = C", "for b in range(3):\n            r = C", "each pair twice"),
    ("dC[cls[i]] -= 2 * diff / n", "dC[i % 3] -= 2 * diff / n", "the index of the sample for that of the class"),
]
