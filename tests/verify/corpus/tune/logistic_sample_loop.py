"""Logistic regression, one sample after another; L2 on the weights."""

import numpy as np

rng = np.random.default_rng(11)
X = rng.normal(size=(7, 3))
y = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0])
m = 7
lam = 0.3


def point(rng):
    return {"w": rng.normal(size=3), "b": rng.normal(size=1)}


def loss(w, b):
    J = 0.0
    for i in range(m):
        z = np.sum(w * X[i]) + b[0]
        a = 1 / (1 + np.exp(-z))
        J = J - (y[i] * np.log(a) + (1 - y[i]) * np.log(1 - a))
    return J / m + lam / 2 * np.sum(w ** 2)


def derived(w, b):
    dw = np.zeros(3)
    db = np.zeros(1)
    for i in range(m):
        x = X[i]
        z = np.dot(w, x) + b[0]
        a = 1 / (1 + np.exp(-z))
        dz = a - y[i]
        # one feature at a time
        for j in range(3):
            dw[j] += x[j] * dz
        db += dz
    dw = dw / m
    db = db / m
    dw += lam * w
    return {"w": dw, "b": db}


MISTAKES = [
    ("dz = a - y[i]", "dz = y[i] - a", "the sign is turned round"),
    ("dz = a - y[i]", "dz = (a - y[i]) * a * (1 - a)",
     "the sigmoid's derivative, which has cancelled, as for the squared error"),
    ("    db = db / m\n", "", "the bias is not averaged", ["db += dz"]),
    ("dw += lam * w", "dw += 2 * lam * w", "the half of the penalty is forgotten"),
    ("dw += lam * w", "dw = lam * w", "= for +=: only the penalty is left"),
    ("dw[j] += x[j] * dz", "dw[j] = x[j] * dz", "= for +=: only the last sample counts"),
    ("for j in range(3):", "for j in range(2):", "the last feature is left out of the loop",
     ["dw[j] += x[j] * dz"]),
]
