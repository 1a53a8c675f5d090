"""Polynomial regression of degree 3 in (x - m), where the centre m is learned too.

The powers are centred over the samples before they are used; L2 on the coefficients.
"""

import numpy as np

x = np.array([-1.3, -0.4, 0.1, 0.7, 1.2, 1.9])
y = np.array([0.5, 1.1, -0.3, 0.2, 1.7, 2.6])
n = 6
lam = 0.9


def point(rng):
    return {"w": rng.normal(size=3), "b": rng.normal(size=1), "m": 0.5 * rng.normal(size=1)}


def loss(w, b, m):
    feats = []
    for p in range(1, 4):
        col = (x - m[0]) ** p
        feats.append(col - np.sum(col) / n)
    J = 0.0
    for i in range(n):
        yhat = b[0]
        for p in range(3):
            yhat = yhat + w[p] * feats[p][i]
        J = J + (yhat - y[i]) ** 2 / (2 * n)
    return J + lam / 2 * np.sum(w ** 2)


def derived(w, b, m):
    F = np.zeros((n, 3))
    for i in range(n):
        for p in range(3):
            F[i, p] = (x[i] - m[0]) ** (p + 1)
    mean = np.zeros(3)
    for p in range(3):
        mean[p] = F[:, p].sum() / n
    Fc = F - mean

    gw = np.zeros(3)
    gb = np.zeros(1)
    gF = np.zeros((n, 3))
    for i in range(n):
        dy = (Fc[i] @ w + b[0] - y[i]) / n
        gw += dy * Fc[i]
        gb += dy
        gF[i] = dy * w
    gw += lam * w

    # back through the centring, then through the powers
    for p in range(3):
        gF[:, p] -= gF[:, p].sum() / n
    gm = np.zeros(1)
    for i in range(n):
        for p in range(3):
            gm -= gF[i, p] * (p + 1) * (x[i] - m[0]) ** p
    return {"w": gw, "b": gb, "m": gm}


MISTAKES = [
    ("    for p in range(3):\n        gF[:, p] -= gF[:, p].sum() / n\n", "",
     "the mean depends on the centre too: that path is left out",
     ["gm -= gF[i, p] * (p + 1) * (x[i] - m[0]) ** p", "gF[i] = dy * w"]),
    ("gF[:, p] -= gF[:, p].sum() / n", "gF[:, p] -= gF[:, p].sum()", "the mean's 1/n is left out"),
    ("gm -= gF[i, p] * (p + 1) * (x[i] - m[0]) ** p", "gm += gF[i, p] * (p + 1) * (x[i] - m[0]) ** p",
     "the minus of x - m is left out"),
    ("gm -= gF[i, p] * (p + 1) * (x[i] - m[0]) ** p", "gm -= gF[i, p] * p * (x[i] - m[0]) ** p",
     "the exponent counts from 1, the loop from 0"),
    ("gw += dy * Fc[i]", "gw += dy * F[i]", "the powers before they are centred"),
    ("gw += lam * w", "gw += lam / 2 * w", "the half of the penalty cancels"),
    ("    gw += lam * w\n", "    gw += lam * w\n    gb += lam * b\n",
     "the penalty is on the coefficients only, not on the bias"),
]
